"""The fast path against its NumPy twin in float64, its noise against its law, its bits against
themselves. Errors are relative to the largest entry; float32 sums of ~1000 products err by ~1e-6,
and the goal is 1e-5."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from toyflows import stats
from toyflows.errors import InputError
from toyflows.kernels import random
from toyflows.nn.compiled import passes
from toyflows.nn.compiled.energy import Fast, cross_entropy_upstream, energies, energy_upstream
from toyflows.nn.image_layers import Conv2d
from toyflows.nn.layers import Dense, Flatten, Swish
from toyflows.nn.network import Network, energy_network, mlp, sequential

ERROR = 1e-5


def odd_network() -> Network:
    """Channels that fill no octet, strides 1 and 3, a stride above its kernel, an odd image."""
    return sequential(
        (21, 21, 1),
        [Conv2d(1, 10, 5, 2, 4), Swish(), Conv2d(10, 20, 3, 1, 1), Swish(),
         Conv2d(20, 9, 3, 3, 0), Swish(), Conv2d(9, 8, 1, 2, 0), Swish(),
         Flatten(), Dense(32, 7), Swish(), Dense(7, 3)],
    )  # fmt: skip


NETWORKS = {
    "28": lambda: energy_network(28),
    "56": lambda: energy_network(56),
    "28, 42 classes": lambda: energy_network(28, 42),
    "33, no hidden layer": lambda: energy_network(33, 3, hidden=0),
    "odd": odd_network,
}


@cache
def fast_of(name: str) -> tuple[Fast, Any]:
    """The fast network and θ."""
    net = NETWORKS[name]()
    return Fast(net), net.init(np.random.default_rng(5))


def images(fast: Fast, n: int, seed: int = 1) -> Any:
    side = fast.plan.x.pixels
    return np.random.default_rng(seed).uniform(-1, 1, (n, side, side)).astype(np.float32)


def twin(fast: Fast, θ: Any, x: Any) -> tuple[Any, Any]:
    """The NumPy network's y and memory in float64."""
    return fast.network.forward(θ.astype(np.float64), x[..., None].astype(np.float64))


def error(found: Any, truth: Any) -> float:
    assert found.shape == truth.shape
    return float(np.abs(found - truth).max() / np.abs(truth).max())


@pytest.mark.parametrize(
    ("name", "n"),
    [*((name, n) for name in NETWORKS for n in (1, 17)), ("28", 130), ("56", 16), ("odd", 130)],
)
def test_the_fast_path_is_its_twin(name: str, n: int) -> None:
    fast, θ = fast_of(name)
    x = images(fast, n)
    y, memory = twin(fast, θ, x)
    assert error(fast.forward(θ, x), y) < ERROR
    g = np.random.default_rng(2).normal(size=y.shape)
    gx = fast.network.input_gradient(θ.astype(np.float64), memory, g)[..., 0]
    assert error(fast.input_gradient(θ, x, upstream=g), gx) < ERROR
    truth, size = (fast.network.gradients(θ.astype(np.float64), memory, z) for z in (g, abs(g)))
    off = fast.network.views(np.abs(fast.gradients(θ, x, g) - truth))
    scale = fast.network.views(np.abs(truth) + np.abs(size))  # terms of both signs may cancel
    for node, parameters in off.items():
        for parameter, values in parameters.items():
            assert values.max() < ERROR * scale[node][parameter].max(), (node, parameter)


@pytest.mark.parametrize("name", ["28", "28, 42 classes"])
def test_the_slope_of_the_energy(name: str) -> None:
    fast, θ = fast_of(name)
    x = images(fast, 20)
    y, memory = twin(fast, θ, x)
    wanted = fast.network.input_gradient(θ.astype(np.float64), memory, energy_upstream(y))[..., 0]
    assert error(fast.input_gradient(θ, x), wanted) < ERROR
    assert error(fast.energy(θ, x), y[:, 0] if fast.classes == 1 else -logsumexp(y, axis=1)) < ERROR


def test_the_energy_of_a_class() -> None:
    fast, θ = fast_of("28, 42 classes")
    x, labels = images(fast, 20), np.random.default_rng(3).integers(-1, 42, 20)
    labels[:2] = -1, 41
    y, memory = twin(fast, θ, x)
    one_hot = (np.arange(42) == labels[:, None]).astype(np.float64)
    wanted = np.where(labels == -1, -logsumexp(y, axis=1), -(y * one_hot).sum(axis=1))
    assert error(fast.energy(θ, x, labels), wanted) < ERROR
    g = np.where(labels[:, None] == -1, energy_upstream(y), -one_hot)
    gx = fast.network.input_gradient(θ.astype(np.float64), memory, g)[..., 0]
    assert error(fast.input_gradient(θ, x, labels), gx) < ERROR


def test_large_logits_do_not_overflow() -> None:
    y = np.float32([[300.0, -300.0, 299.0], [-900.0, -901.0, -2000.0]])
    with np.errstate(under="ignore"):
        assert error(energies(y), -logsumexp(y.astype(np.float64), axis=1)) < 1e-6
    fast, θ = fast_of("odd")
    θ = θ.copy()
    x = images(fast, 3)
    for bias in ((300, -300, 299), (-300, -301, -900), (89, 88, 87)):
        list(fast.network.views(θ).values())[-1]["b"][:] = bias
        g = energy_upstream(twin(fast, θ, x)[0])
        wanted = fast.input_gradient(θ, x, upstream=g)
        # float32 logits of 300 err by 1.5e-5
        assert error(fast.input_gradient(θ, x), wanted) < 1e-4, bias


def test_cross_entropy() -> None:
    """Its slope against central differences in float64, which err by 1e-10."""
    rng = np.random.default_rng(4)
    y, labels, h = rng.normal(size=(6, 5)), rng.integers(0, 5, 6), 1e-5
    g = cross_entropy_upstream(y, labels)
    for k in range(5):
        e = h * (np.arange(5) == k)
        high, low = (-log_softmax(z, axis=1)[np.arange(6), labels] for z in (y + e, y - e))
        np.testing.assert_allclose(g[:, k], (high - low) / (2 * h), atol=1e-8)


def noise_of(fast: Fast, n: int, seed: int, step: int) -> Any:
    """ξ (n, side, side) from the generator's own numbers, as energy_chain.py's docstring says."""
    side = fast.plan.x.pixels
    length = -(-side * side * 16 // 1024) * 1024
    ξ = np.empty(-(-n // 16) * length)
    random.normals(ξ, seed, step, random.MOVE)
    lanes = ξ.reshape(-1, length)[:, : side * side * 16].reshape(-1, side, side, 16)
    return lanes.transpose(0, 3, 1, 2).reshape(-1, side, side)[:n]


@pytest.mark.parametrize("name", ["28", "56", "odd"])
def test_a_chain_is_its_steps(name: str) -> None:
    """With steps so long that the gradient moves pixels, and both clips at work."""
    fast, θ = fast_of(name)
    x = images(fast, 17)
    labels = None if fast.classes == 1 else np.arange(17) % 4 - 1
    clip = float(np.quantile(np.abs(fast.input_gradient(θ, x, labels)), 0.9))
    step, z = 0.3 / clip, x.astype(np.float64)
    for k in range(3, 8):
        y, memory = twin(fast, θ, z)
        g = energy_upstream(y)
        if labels is not None:
            one_hot = np.arange(fast.classes) == labels[:, None]
            g = np.where(labels[:, None] == -1, g, -1.0 * one_hot)
        gx = fast.network.input_gradient(θ.astype(np.float64), memory, g)[..., 0]
        z = z - step * np.clip(gx, -clip, clip) + 0.05 * noise_of(fast, 17, 11, k)
        assert np.mean(np.abs(z) > 1) > 0.01
        z = np.clip(z, -1, 1)
    found = fast.langevin(θ, x, 5, step, 0.05, clip, seed=11, start=3, labels=labels)
    assert error(found, z) < ERROR


def test_the_same_bits_for_any_threads_batch_and_cut() -> None:
    fast, θ = fast_of("28")
    x = images(fast, 50)
    chain = {"step": 300.0, "noise": 0.05, "clip": 1.0, "seed": 7}
    whole = fast.langevin(θ, x, 6, **chain)
    assert np.array_equal(fast.langevin(θ, x, 6, threads=2, **chain), whole)
    for n in (1, 16, 17):
        assert np.array_equal(fast.langevin(θ, x[:n], 6, **chain), whole[:n])
    other = x.copy()
    other[3] = 0.5
    alone = np.arange(50) != 3
    assert np.array_equal(fast.langevin(θ, other, 6, **chain)[alone], whole[alone])
    half = fast.langevin(θ, x, 2, **chain)
    assert np.array_equal(fast.langevin(θ, half, 4, start=2, **chain), whole)
    assert not np.array_equal(fast.langevin(θ, half, 4, start=3, **chain), whole)
    g = np.random.default_rng(6).normal(size=(50, 1))
    gradients = fast.gradients(θ, x, g)
    assert np.array_equal(fast.gradients(θ, x, g, threads=2), gradients)
    assert np.array_equal(fast.energy(θ, x, threads=2), fast.energy(θ, x))
    assert np.array_equal(fast.input_gradient(θ, x, threads=2), fast.input_gradient(θ, x))


def test_the_gradient_may_be_a_function_of_the_outputs() -> None:
    fast, θ = fast_of("28, 42 classes")
    x, labels = images(fast, 40), np.arange(40)
    seen = []

    def upstream(y: Any, here: slice) -> Any:
        seen.append((here.start, y))
        return cross_entropy_upstream(y, labels[here])

    found = fast.gradients(θ, x, upstream)
    y = np.concatenate([y for _, y in sorted(seen, key=lambda pair: pair[0])])
    assert np.array_equal(y, fast.forward(θ, x))
    assert np.array_equal(found, fast.gradients(θ, x, cross_entropy_upstream(y, labels)))


def test_an_error_in_a_thread_is_not_lost() -> None:
    fast, θ = fast_of("28")

    def broken(y: Any, here: slice) -> Any:
        raise ZeroDivisionError

    for threads in (1, 2):
        with pytest.raises(ZeroDivisionError):
            fast.gradients(θ, images(fast, 40), broken, threads)


def test_the_noise_of_a_chain() -> None:
    """Unit normals, not correlated between pixels, images and steps. A mean of 5e4 numbers detects
    0.02; false fails 1e-6 each."""
    fast, θ = fast_of("28")
    x = np.zeros((64, 28, 28), np.float32)
    steps = [
        fast.langevin(θ, x, 1, 0.0, 0.1, 0.0, seed=3, start=k).astype(np.float64) / 0.1
        for k in range(2)
    ]
    ξ = steps[0]
    stats.mean("E ξ", ξ.ravel(), 0.0)
    stats.mean("E ξ²", ξ.ravel() ** 2, 1.0)
    stats.mean("E ξ⁴", ξ.ravel() ** 4, 3.0)
    pairs = {
        "columns": (ξ[:, :, :-1], ξ[:, :, 1:]),
        "rows": (ξ[:, :-1], ξ[:, 1:]),
        "images": (ξ[:-1], ξ[1:]),
        "blocks": (ξ[:-16], ξ[16:]),
        "steps": (steps[0], steps[1]),
    }
    for what, (a, b) in pairs.items():
        stats.mean(f"between {what}", (a * b).ravel(), 0.0)


def test_the_operations_of_a_network_are_counted() -> None:
    """By hand: pixels · outputs · (k² inputs) of each layer, the one output a whole octet."""
    layers = (16**2 * 16 * 25, 8**2 * 32 * 9 * 16, 4**2 * 64 * 9 * 32, 2**2 * 64 * 9 * 64,
              256 * 64, 64 * 8)  # fmt: skip
    assert passes.operations(Fast(energy_network(28)).plan.forward) == 2 * 16 * sum(layers)


def test_no_images_are_no_work() -> None:
    fast, θ = fast_of("28")
    x = images(fast, 0)
    assert fast.energy(θ, x).shape == (0,)
    assert fast.langevin(θ, x, 2).shape == x.shape
    assert not fast.gradients(θ, x, np.empty((0, 1))).any()


CONV = Conv2d(1, 8, 3, 2, 1)  # 8 × 8 → 4 × 4


@pytest.mark.parametrize(
    "make",
    [
        mlp,
        lambda: energy_network(28, pool=1),
        lambda: sequential((8, 6, 1), [CONV, Swish(), Flatten(), Dense(96, 1)]),
        lambda: sequential((8, 8, 3), [Conv2d(3, 8, 3, 2), Swish(), Flatten(), Dense(72, 1)]),
        lambda: sequential((8, 8, 1), [Conv2d(1, 8, 3, 1), Swish(), Flatten(), Dense(288, 1)]),
        lambda: sequential((8, 8, 1), [CONV, Flatten(), Dense(128, 1)]),
        lambda: sequential((8, 8, 1), [CONV, Swish(), Swish(), Flatten(), Dense(128, 1)]),
        lambda: sequential((8, 8, 1), [CONV, Swish(), Flatten(), Dense(128, 1), Swish()]),
        lambda: sequential((8, 8, 1), [Swish(), CONV, Swish(), Flatten(), Dense(128, 1)]),
        lambda: sequential((8, 8, 1), [CONV, Swish()]),
        lambda: sequential((8, 8, 1), [Flatten(), Dense(64, 1)]),
        lambda: sequential((1, 1, 1), [Flatten()]),
    ],
)
def test_other_networks_are_refused(make: Any) -> None:
    with pytest.raises(InputError, match=r"^network = "):
        Fast(make())


def test_wrong_inputs_are_refused() -> None:
    fast, θ = fast_of("28, 42 classes")
    x = images(fast, 3)
    for call in (
        lambda: fast.energy(θ[1:], x),
        lambda: fast.energy(θ, x[:, 1:]),
        lambda: fast.energy(θ, x[0]),
        lambda: fast.energy(θ, x, threads=0),
        lambda: fast.input_gradient(θ, x, np.array([0, 1, 42])),
        lambda: fast.input_gradient(θ, x, np.array([0, 1])),
        lambda: fast.input_gradient(θ, x, np.array([0, -2, 0])),
        lambda: fast.energy(θ, x, np.array([0, 1, 42])),
        lambda: fast.input_gradient(θ, x, upstream=np.zeros((3, 41))),
        lambda: fast.gradients(θ, x, np.zeros((2, 42))),
        lambda: fast.langevin(θ, x, -1),
        lambda: fast.langevin(θ, x, 1, -1.0),
        lambda: fast.langevin(θ, x, 1, noise=float("nan")),
        lambda: fast.langevin(θ, x, 1, start=-1),
    ):
        with pytest.raises(InputError):
            call()
