"""The fast MLP against its NumPy twin in float64, closed forms, PyTorch, and its bits against
themselves. Errors are relative to the largest entry; float32 sums of ~100 products err by ~1e-6,
and the goal is 1e-5."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.nn.compiled.mlp import FastMLP
from toyflows.nn.image_layers import Conv2d
from toyflows.nn.layers import Concatenate, Dense, Swish
from toyflows.nn.network import Network, chain, energy_network, mlp, sequential
from toyflows.nn.optimise import Adam, Schedule

ERROR = 1e-5
NETWORKS: dict[str, dict[str, int]] = {
    "standard": {},
    "classes": {"width": 32, "classes": 4},
    "odd": {"inputs": 3, "outputs": 3, "width": 20, "depth": 1, "time": 6, "classes": 1},
    "no time": {"width": 9, "depth": 2, "time": 0},
    "linear": {"inputs": 10, "outputs": 10, "depth": 0, "time": 4},
    "wide": {"inputs": 17, "outputs": 9, "width": 40, "depth": 2, "time": 8},
}


@cache
def fast_of(name: str) -> tuple[FastMLP, Any]:
    """The fast network and θ."""
    net = mlp(**NETWORKS[name])
    return FastMLP(net), net.init(np.random.default_rng(5))


def points(name: str, n: int, seed: int = 1) -> tuple[Any, Any, Any]:
    """x, t and labels, None where the network has none."""
    rng, size = np.random.default_rng(seed), {"time": 30, "classes": 0} | NETWORKS[name]
    x = rng.normal(size=(n, size.get("inputs", 2))).astype(np.float32)
    t = rng.uniform(0, 3, n).astype(np.float32) if size["time"] else None
    return x, t, rng.integers(0, size["classes"] + 1, n) if size["classes"] else None


def twin(fast: FastMLP, θ: Any, *inputs: Any) -> tuple[Any, Any]:
    """The NumPy network's f and memory in float64."""
    given = (a if a.dtype.kind == "i" else a.astype(np.float64) for a in inputs if a is not None)
    return fast.network.forward(θ.astype(np.float64), *given)


def error(found: Any, truth: Any) -> float:
    assert found.shape == truth.shape
    assert found.dtype == np.float32
    return float(np.abs(found - truth).max() / np.abs(truth).max())


CASES = [*((name, n) for name in NETWORKS for n in (1, 17)), ("standard", 1100), ("classes", 1100)]


@pytest.mark.parametrize(("name", "n"), CASES)
def test_the_fast_mlp_is_its_twin(name: str, n: int) -> None:
    fast, θ = fast_of(name)
    x, t, labels = points(name, n)
    f, memory = twin(fast, θ, x, t, labels)
    assert error(fast.forward(θ, x, t, labels), f) < ERROR
    g = np.random.default_rng(2).normal(size=f.shape)
    gx = fast.network.input_gradient(θ.astype(np.float64), memory, g)
    assert error(fast.input_gradient(θ, x, t, g, labels), gx) < ERROR
    near(fast, fast.gradients(θ, x, t, g, labels), θ, memory, g)


def near(fast: FastMLP, found: Any, θ: Any, memory: Any, g: Any) -> None:
    """`found` is the twin's gradient, parameter by parameter; terms of both signs may cancel."""
    truth, size = (fast.network.gradients(θ.astype(np.float64), memory, z) for z in (g, abs(g)))
    off = fast.network.views(np.abs(found - truth))
    scale = fast.network.views(np.abs(truth) + np.abs(size))
    for node, parameters in off.items():
        for parameter, values in parameters.items():
            assert values.max() <= ERROR * scale[node][parameter].max(), (node, parameter)


@pytest.mark.parametrize("name", ["standard", "classes", "no time"])
def test_the_loss_and_its_gradient(name: str) -> None:
    """L = 1/N Σ w |f − y|² and ∂L/∂f = 2 w (f − y)/N, over three pieces."""
    fast, θ = fast_of(name)
    x, t, labels = points(name, 1100)
    f, memory = twin(fast, θ, x, t, labels)
    rng = np.random.default_rng(3)
    y, w = rng.normal(size=f.shape), rng.uniform(0, 2, len(x))
    loss, found = fast.loss_and_gradient(θ, x, t, y, w, labels)
    assert loss == pytest.approx(np.mean(w * np.sum((f - y) ** 2, axis=1)), rel=1e-6)
    near(fast, found, θ, memory, 2 * w[:, None] * (f - y) / len(x))
    even = fast.loss_and_gradient(θ, x, t, y, labels=labels)
    assert even[0] == pytest.approx(np.mean(np.sum((f - y) ** 2, axis=1)), rel=1e-6)
    near(fast, even[1], θ, memory, 2 * (f - y) / len(x))


def test_the_gradient_of_the_reference_with_classes() -> None:
    """Of the NumPy network, also in its table, along random directions: central differences."""
    net = mlp(width=8, depth=2, time=6, classes=2)
    rng = np.random.default_rng(4)
    θ, x = net.init(rng, np.float64), rng.normal(size=(7, 2))
    more = rng.uniform(0, 3, 7), rng.integers(0, 3, 7)
    f, memory = net.forward(θ, x, *more)
    g = rng.normal(size=f.shape)
    found, h = net.gradients(θ, memory, g), 1e-5
    table = net.views(found)["class"]["E"]
    assert table.shape == (3, 6)
    assert np.all(np.abs(table).max(axis=1) > 1e-3)
    for u in (*rng.normal(size=(3, θ.size)), np.eye(θ.size)[0]):  # the last: E[0, 0]
        high, low = (float(np.sum(g * net.forward(θ + s * u, x, *more)[0])) for s in (h, -h))
        assert (high - low) / (2 * h) == pytest.approx(float(found @ u), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", ["standard", "classes", "odd", "no time", "linear"])
def test_the_divergence(name: str) -> None:
    """Σ_i ∂f_i/∂x_i by central differences in float64."""
    fast, θ = fast_of(name)
    x, t, labels = points(name, 21)
    f, found = fast.divergence(θ, x, t, labels)
    assert np.array_equal(f, fast.forward(θ, x, t, labels))
    total, h = np.zeros(len(x)), 1e-5
    for i in range(x.shape[1]):
        e = h * np.eye(x.shape[1])[i]
        high, low = (twin(fast, θ, x + s * e, t, labels)[0][:, i] for s in (1, -1))
        total += (high - low) / (2 * h)
    assert error(found, total) < ERROR


def test_the_divergence_of_a_linear_map_is_its_trace() -> None:
    fast, θ = fast_of("linear")
    W = fast.network.views(θ)["0.dense"]["W"]
    x, t, _ = points("linear", 5)
    np.testing.assert_allclose(fast.divergence(θ, x, t)[1], np.trace(W[:10]), rtol=1e-6)


@pytest.mark.parametrize("name", ["standard", "classes"])
def test_the_same_bits_beside_any_other_points(name: str) -> None:
    fast, θ = fast_of(name)
    x, t, labels = points(name, 1100)
    f, div = fast.divergence(θ, x, t, labels)
    for here in (slice(0, 1), slice(0, 17), slice(500, 530), slice(512, 1100)):
        part = x[here], t[here], labels if labels is None else labels[here]
        assert np.array_equal(fast.forward(θ, *part[:2], labels=part[2]), f[here])
        assert np.array_equal(fast.divergence(θ, *part)[1], div[here])
    y = np.zeros_like(x)
    whole = fast.loss_and_gradient(θ, x, t, y, labels=labels)
    with ThreadPoolExecutor(2) as pool:  # two callers of one network
        jobs = [pool.submit(fast.loss_and_gradient, θ, x, t, y, 1.0, labels) for _ in range(8)]
        for job in jobs:
            assert job.result()[0] == whole[0]
            assert np.array_equal(job.result()[1], whole[1])


def test_one_time_and_one_label_for_all() -> None:
    fast, θ = fast_of("classes")
    x, _, _ = points("classes", 40)
    one = fast.forward(θ, x, 0.7, 2)
    assert np.array_equal(one, fast.forward(θ, x, np.full(40, 0.7), np.full(40, 2)))
    none = fast.forward(θ, x, 0.7)
    assert np.array_equal(none, fast.forward(θ, x, 0.7, fast.classes))
    assert not np.array_equal(none, one)


def test_a_class_that_is_not_there_learns_nothing() -> None:
    fast, θ = fast_of("classes")
    x, t, _ = points("classes", 40)
    g = fast.gradients(θ, x, t, np.ones_like(x), np.full(40, 3))
    rows = np.abs(fast.network.views(g)["class"]["E"]).max(axis=1)
    assert (rows > 0).tolist() == [False, False, False, True, False]


def test_the_gradient_may_be_a_function_of_the_outputs() -> None:
    fast, θ = fast_of("standard")
    x, t, _ = points("standard", 1100)
    seen: list[Any] = []

    def upstream(f: Any, here: slice) -> Any:
        seen.append(f)
        return f**2

    found = fast.gradients(θ, x, t, upstream)
    f = np.concatenate(seen)
    assert np.array_equal(f, fast.forward(θ, x, t))
    assert np.array_equal(found, fast.gradients(θ, x, t, f**2))


def test_it_learns_the_denoiser_of_a_gaussian() -> None:
    """x = x₀ + te with x₀ ~ N(0, s²): E[e | x] = t x/(s² + t²).

    Off by 0.66 at the start and by 0.035 trained, with each of three seeds.
    """
    fast, θ = fast_of("standard")
    θ, s, rng = θ.copy(), 2.0, np.random.default_rng(8)
    adam, rate = Adam.at(θ), Schedule(3e-3, cosine=600)
    for k in range(601):
        t, e = rng.uniform(0.5, 3, 512), rng.normal(size=(512, 2))
        x = s * rng.normal(size=(512, 2)) + t[:, None] * e
        if k in (0, 600):
            exact = t[:, None] * x / (s**2 + t[:, None] ** 2)
            off = float(np.sqrt(np.mean((fast.forward(θ, x, t) - exact) ** 2)))
            assert off > 0.4 if k == 0 else off < 0.06
        adam.step(θ, fast.loss_and_gradient(θ, x, t, e)[1], rate(k))


def test_numbers_below_the_smallest_float_are_zero() -> None:
    fast, θ = fast_of("standard")
    x, t, _ = points("standard", 20)
    tiny = np.full((20, 2), 1e-50)
    f = fast.forward(θ, x, t)
    assert fast.loss_and_gradient(θ, x, t, f + 1e-25 * f, 1e-30)[0] == 0
    assert not fast.gradients(θ, x, t, tiny).any()
    same = fast.forward(np.where(θ == θ[0], 1e-50, θ.astype(np.float64)), tiny, tiny[:, 0])
    assert np.array_equal(same, fast.forward(np.where(θ == θ[0], 0, θ), 0 * x, 0.0))
    assert fast.loss_and_gradient(θ, x, t, tiny, tiny[:, 0])[0] == 0
    zero = np.zeros_like(θ)
    loss, g = fast.loss_and_gradient(zero, x, t, np.full((20, 2), 1e-30, np.float32))
    assert loss == 0
    assert np.abs(g).max() == pytest.approx(2e-30, rel=1e-6)


def test_no_points_are_no_work() -> None:
    fast, θ = fast_of("standard")
    x = np.empty((0, 2), np.float32)
    assert fast.forward(θ, x, 0.0).shape == (0, 2)
    assert fast.divergence(θ, x, 0.0)[1].shape == (0,)
    loss, g = fast.loss_and_gradient(θ, x, 0.0, x)
    assert loss == 0
    assert not g.any()


def test_pytorch_has_the_same_loss_and_gradient() -> None:
    torch = pytest.importorskip("torch")
    fast, θ = fast_of("standard")
    x, t, _ = points("standard", 300)
    y = np.random.default_rng(6).normal(size=x.shape).astype(np.float32)
    w = np.random.default_rng(7).random(300).astype(np.float32)
    parameters = {
        f"{node}.{name}": torch.from_numpy(values.copy()).requires_grad_(True)
        for node, views in fast.network.views(θ).items()
        for name, values in views.items()
    }
    phase = torch.from_numpy(t)[:, None] * 1000.0 ** -torch.linspace(0, 1, 15)
    h = torch.cat((torch.from_numpy(x), phase.sin(), phase.cos()), 1)
    for k in (0, 2, 4, 6):
        h = h @ parameters[f"{k}.dense.W"] + parameters[f"{k}.dense.b"]
        h = torch.nn.functional.silu(h) if k < 6 else h
    loss = (torch.from_numpy(w)[:, None] * (h - torch.from_numpy(y)) ** 2).sum(1).mean()
    loss.backward()
    found = fast.loss_and_gradient(θ, x, t, y, w)
    assert found[0] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert error(found[1], np.concatenate([p.grad.ravel() for p in parameters.values()])) < ERROR


WIDE = mlp(width=16)


@pytest.mark.parametrize(
    "make",
    [
        lambda: energy_network(28),
        lambda: sequential((2,), [Swish()]),
        lambda: sequential((2,), [Dense(2, 8), Swish(), Dense(8, 2), Swish()]),
        lambda: sequential((2,), [Dense(2, 8), Swish(), Dense(8, 9), Swish(), Dense(9, 2)]),
        lambda: sequential((4, 4, 1), [Conv2d(1, 2, 3)]),
        lambda: Network(WIDE.inputs, WIDE.nodes[:-1]),
        lambda: Network({"a": (2,), "b": (3,)}, chain_of_two()),
    ],
)
def test_other_networks_are_refused(make: Any) -> None:
    with pytest.raises(InputError, match=r"^network = "):
        FastMLP(make())


def chain_of_two() -> Any:
    nodes = chain("both", [Dense(5, 8), Swish(), Dense(8, 2)])
    return [type(nodes[0])("both", Concatenate(), ("a", "b")), *nodes]


def test_wrong_inputs_are_refused() -> None:
    fast, θ = fast_of("classes")
    plain, θ_plain = fast_of("no time")
    x, t, labels = points("classes", 3)
    for name, call in (
        ("θ", lambda: fast.forward(θ[1:], x, t)),
        ("x", lambda: fast.forward(θ, x[:, :1], t)),
        ("x", lambda: fast.forward(θ, x[0], t)),
        ("t", lambda: fast.forward(θ, x)),
        ("t", lambda: fast.forward(θ, x, t[:2])),
        ("t", lambda: plain.forward(θ_plain, x, t)),
        ("labels", lambda: plain.forward(θ_plain, x, None, labels)),
        ("labels", lambda: fast.forward(θ, x, t, labels[:2])),
        ("labels", lambda: fast.forward(θ, x, t, labels / 2)),
        ("label", lambda: fast.forward(θ, x, t, 5)),
        ("label", lambda: fast.forward(θ, x, t, -1)),
        ("upstream", lambda: fast.gradients(θ, x, t, np.zeros((2, 2)))),
        ("upstream", lambda: fast.input_gradient(θ, x, t, np.zeros((3, 1)))),
        ("target", lambda: fast.loss_and_gradient(θ, x, t, np.zeros((3, 1)))),
        ("weight", lambda: fast.loss_and_gradient(θ, x, t, x, np.ones(2))),
        ("network", lambda: FastMLP(mlp(outputs=1)).divergence(mlp(outputs=1).init(RNG), x, t)),
        ("classes", lambda: mlp(classes=-1)),
        ("classes", lambda: mlp(classes=1, time=0)),
    ):
        with pytest.raises(InputError, match=f"^{name} = "):
            call()


RNG = np.random.default_rng(0)
