"""The U-Net: its NumPy layers against central differences, the fast path against them in float64,
against PyTorch, and its bits against themselves. Errors are relative to the largest entry; float32
sums by Winograd err by ~5e-6, and the goal is 1e-5."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.kernels.jit import f32, kernel
from toyflows.kernels.lanes import LANES, WIDTH
from toyflows.kernels.polynomials import LOG2E, sigmoid2
from toyflows.kernels.vectors import get, put, sigmoid_each
from toyflows.kernels.winograd import A_T, B_T, G, turn
from toyflows.nn.compiled.unet import FastUNet
from toyflows.nn.network import energy_network, mlp
from toyflows.nn.unet import unet

ERROR = 1e-5
NETWORKS = {
    "28": lambda: unet(28),
    "28, 3 classes": lambda: unet(28, classes=3),
    "16, wide first": lambda: unet(16, (64, 32), time=20, embedding=20),  # no octets
    "12, 8 groups of 4": lambda: unet(12, (32, 32), groups=4, classes=1),
    "8, a long condition": lambda: unet(8, (32, 32), time=40, classes=2, embedding=200),
}


@cache
def fast_of(name: str) -> tuple[FastUNet, Any]:
    """The fast network and θ."""
    fast = FastUNet(NETWORKS[name]())
    return fast, fast.network.init(np.random.default_rng(5))


def batch(fast: FastUNet, n: int, seed: int = 1) -> dict[str, Any]:
    """Images, times, targets, weights, and labels where there are classes."""
    rng, side = np.random.default_rng(seed), fast.layout.x.pixels
    x, target = rng.normal(size=(2, n, side, side, 1)).astype(np.float32)
    found = {"x": x, "t": rng.uniform(0, 1000, n), "target": target}
    found["weight"] = rng.uniform(0.5, 2, n)
    found["labels"] = rng.integers(0, fast.classes + 1, n) if fast.classes else None
    return found


def twin(fast: FastUNet, θ: Any, b: dict[str, Any]) -> tuple[Any, Any]:
    """The NumPy network's y and memory in float64; times are those of the fast path, rounded."""
    labels = () if b["labels"] is None else (b["labels"],)
    t = np.float32(b["t"]).astype(np.float64)
    return fast.network.forward(θ.astype(np.float64), b["x"].astype(np.float64), t, *labels)


def error(found: Any, truth: Any) -> float:
    assert found.shape == truth.shape
    return float(np.abs(found - truth).max() / np.abs(truth).max())


@pytest.mark.parametrize(
    ("name", "n"), [("28", 1), ("28, 3 classes", 20), *((name, 17) for name in list(NETWORKS)[2:])]
)
def test_the_fast_path_is_its_twin(name: str, n: int) -> None:
    fast, θ = fast_of(name)
    b = batch(fast, n)
    y, memory = twin(fast, θ, b)
    assert error(fast.forward(θ, b["x"], b["t"], b["labels"]), y) < ERROR
    loss, gradient = fast.loss_and_gradient(θ, **b)
    r, w = y - b["target"], b["weight"][:, None, None, None]
    assert loss == pytest.approx(np.mean(w * r**2), rel=1e-6)
    truth, size = (
        fast.network.gradients(θ.astype(np.float64), memory, 2 * w * g / r.size)
        for g in (r, np.abs(r))
    )
    off = fast.network.views(np.abs(gradient - truth))
    scale = fast.network.views(np.abs(truth) + np.abs(size))  # terms of both signs may cancel
    for node, parameters in off.items():
        for parameter, values in parameters.items():
            assert values.max() < ERROR * scale[node][parameter].max(), (node, parameter)


def test_the_network_by_central_differences() -> None:
    """In float64 they err by ~1e-9 of the slope: one coordinate of every parameter, x, and all."""
    net, rng, h = unet(8, (8, 16), time=6, classes=2, embedding=5, groups=4), None, 1e-5
    rng = np.random.default_rng(3)
    θ = net.init(rng, np.float64)
    x, c = rng.normal(size=(2, 2, 8, 8, 1))
    t, labels = np.array([3.0, 40.0]), np.array([2, 0])

    def slope(dθ: Any, dx: Any) -> float:
        high, low = (np.sum(c * net.forward(θ + s * dθ, x + s * dx, t, labels)[0]) for s in (h, -h))
        return float(high - low) / (2 * h)

    _, memory = net.forward(θ, x, t, labels)
    g = net.gradients(θ, memory, c)
    for part in net.views(np.arange(net.size)).values():
        for places in part.values():
            e = np.zeros(net.size)
            e[rng.choice(places.ravel(), 3)] = 1
            assert slope(e, 0 * x) == pytest.approx(g @ e, rel=1e-6, abs=1e-7)
    every, dx = rng.normal(size=net.size), rng.normal(size=x.shape)
    assert slope(every, 0 * x) == pytest.approx(g @ every, rel=1e-6)
    assert slope(0 * θ, dx) == pytest.approx(
        np.sum(net.input_gradient(θ, memory, c) * dx), rel=1e-6
    )


def test_the_same_bits_for_any_threads_and_batch() -> None:
    fast, θ = fast_of("28, 3 classes")
    b = batch(fast, 40)
    x, t, labels = b["x"], b["t"], b["labels"]
    y = fast.forward(θ, x, t, labels)
    loss, g = fast.loss_and_gradient(θ, **b)
    for threads in (2, 3):
        assert np.array_equal(fast.forward(θ, x, t, labels, threads), y)
        again = fast.loss_and_gradient(θ, **b, threads=threads)
        assert again[0] == loss
        assert np.array_equal(again[1], g)
    for n in (1, 16, 17):
        assert np.array_equal(fast.forward(θ, x[:n], t[:n], labels[:n]), y[:n])
    other = x.copy()
    other[3] = 0.5
    alone = np.arange(40) != 3
    assert np.array_equal(fast.forward(θ, other, t, labels)[alone], y[alone])


def test_one_time_and_one_label_for_all() -> None:
    fast, θ = fast_of("28, 3 classes")
    x = batch(fast, 3)["x"]
    y = fast.forward(θ, x, np.full(3, 7.0), np.full(3, 3))
    assert np.array_equal(fast.forward(θ, x, 7.0, 3), y)
    assert np.array_equal(fast.forward(θ, x, 7.0), y)  # no label is no class
    assert not np.array_equal(fast.forward(θ, x, 7.0, 2), y)


def test_no_images_are_no_work() -> None:
    fast, θ = fast_of("28")
    b = batch(fast, 0)
    assert fast.forward(θ, b["x"], b["t"]).shape == (0, 28, 28, 1)
    loss, g = fast.loss_and_gradient(θ, **b)
    assert loss == 0
    assert not g.any()


def test_an_unused_memory_is_used_again() -> None:
    """A call leaves no trace in the next: rims and room for tiles stay as they were."""
    fast, θ = fast_of("12, 8 groups of 4")
    b = batch(fast, 5)
    fresh = FastUNet(fast.network).loss_and_gradient(θ, **b)[1]
    for _ in range(2):
        fast.loss_and_gradient(θ, **batch(fast, 33, seed=9))
        assert np.array_equal(fast.loss_and_gradient(θ, **b)[1], fresh)


def test_winograds_matrices() -> None:
    """Aᵀ[(G w Gᵀ) ⊙ (Bᵀ d B)]A is the correlation of d and w, in whole numbers and fractions."""
    rng = np.random.default_rng(0)
    exact = np.vectorize(lambda v: Fraction(v).limit_denominator(24), otypes=[object])
    A_t, B_t, K = exact(A_T), exact(B_T), exact(G)
    d, w = (exact(rng.integers(-9, 10, (n, n))) for n in (6, 3))
    y = A_t @ ((K @ w @ K.T) * (B_t @ d @ B_t.T)) @ A_t.T
    wanted = [[(d[i : i + 3, j : j + 3] * w).sum() for j in range(4)] for i in range(4)]
    assert (y == np.array(wanted)).all()


@kernel
def _turned(a, b):
    turn(a, b, 0, LANES)


@kernel
def _sigmoids(x, σ, truth):
    for k in range(0, x.size, WIDTH):
        put(σ, k, sigmoid_each(get(x, k)))
    for k in range(x.size):
        truth[k] = sigmoid2(f32(-LOG2E) * x[k])


def test_vectors() -> None:
    a = np.arange(256, dtype=np.float32)
    b = np.empty_like(a)
    _turned(a, b)
    assert np.array_equal(b.reshape(16, 16), a.reshape(16, 16).T)
    x = np.linspace(-100, 100, 4096).astype(np.float32)
    σ, truth = np.empty((2, 4096), np.float32)
    _sigmoids(x, σ, truth)
    assert np.array_equal(σ, truth)


@pytest.mark.parametrize(
    "make",
    [
        mlp,
        lambda: energy_network(28),
        lambda: unet(28, (16, 32)),
        lambda: unet(28, (32, 48)),
    ],
)
def test_other_networks_are_refused(make: Any) -> None:
    with pytest.raises(InputError, match=r"^(network|channels) = "):
        FastUNet(make())


def test_wrong_inputs_are_refused() -> None:
    fast, θ = fast_of("28, 3 classes")
    plain, η = fast_of("28")
    b = batch(fast, 3)
    x, t = b["x"], b["t"]
    for call in (
        lambda: fast.forward(θ[1:], x, t),
        lambda: fast.forward(θ, x[:, 1:], t),
        lambda: fast.forward(θ, x[..., 0], t),
        lambda: fast.forward(θ, x, t[:2]),
        lambda: fast.forward(θ, x, t, [0, 1, 4]),
        lambda: fast.forward(θ, x, t, [0, -1, 2]),
        lambda: fast.forward(θ, x, t, [0, 1]),
        lambda: fast.forward(θ, x, t, threads=0),
        lambda: fast.loss_and_gradient(θ, x, t, b["target"][:2]),
        lambda: fast.loss_and_gradient(θ, x, t, b["target"], np.ones(2)),
        lambda: plain.forward(η, x, t, 0),
        lambda: unet(30),
        lambda: unet(0),
        lambda: unet(28, classes=-1),
        lambda: unet(28, (32, 60)),
    ):
        with pytest.raises(InputError):
            call()


def torch_unet(torch: Any, p: Any, x: Any, t: Any) -> Any:
    """The network of unet(28), written with PyTorch's functions on its parameters."""
    F = torch.nn.functional

    def dense(name: str, h: Any) -> Any:
        return h @ p[name]["W"] + p[name]["b"]

    def conv(name: str, h: Any, stride: int = 1) -> Any:
        return F.conv2d(h, p[name]["W"].permute(3, 2, 0, 1).contiguous(), p[name]["b"], stride, 1)

    def block(name: str, h: Any, stride: int = 1) -> Any:
        h = conv(f"{name}.conv", h, stride) + dense(f"{name}.bias", e)[:, :, None, None]
        norm = p[f"{name}.norm"]
        return F.silu(F.group_norm(h, 8, norm["γ"], norm["β"]))

    angles = t[:, None] * 1000 ** -torch.linspace(0, 1, 16, dtype=t.dtype)
    e = F.silu(dense("embed", torch.cat((angles.sin(), angles.cos()), 1)))
    skip1 = block("skip1", block("first", x))
    skip2 = block("skip2", block("down1", skip1, 2))
    h = F.interpolate(block("middle", block("down2", skip2, 2)), scale_factor=2)
    h = F.interpolate(block("up2", torch.cat((h, skip2), 1)), scale_factor=2)
    return conv("last", block("up1", torch.cat((h, skip1), 1)))


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is not installed")
def test_pytorch_agrees() -> None:
    import torch

    fast, θ = fast_of("28")
    b = batch(fast, 5)
    b["weight"] = 1.0

    def double(v: Any) -> Any:
        return torch.tensor(v.astype(np.float32), dtype=torch.float64)

    p = {
        node: {name: double(v).requires_grad_(True) for name, v in values.items()}
        for node, values in fast.network.views(θ).items()
    }
    x, target = (double(b[name]).permute(0, 3, 1, 2) for name in ("x", "target"))
    y = torch_unet(torch, p, x, double(b["t"]))
    ((y - target) ** 2).mean().backward()
    assert error(fast.forward(θ, b["x"], b["t"])[..., 0], y.detach().numpy()[:, 0]) < ERROR
    found = fast.network.views(fast.loss_and_gradient(θ, **b)[1])
    for node, values in p.items():
        for name, v in values.items():
            assert error(found[node][name], v.grad.numpy()) < ERROR, (node, name)
