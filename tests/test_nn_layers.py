"""Layers and networks: gradients against central differences, adjoints, closed forms, PyTorch.

Central differences at step 1e-5 in float64 err by about 1e-10 (truncation h²f'''/6, rounding
1e-16/h); 1e-7 leaves room. PyTorch is not a dependency: its tests run where it is installed.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate2d

from toyflows.errors import InputError
from toyflows.nn.embeddings import ClassEmbedding, TimeEmbedding
from toyflows.nn.image_layers import AdaptiveAvgPool, Conv2d, GroupNorm, UpSample
from toyflows.nn.layers import Add, Concatenate, Dense, Flatten, Layer, Swish
from toyflows.nn.network import Network, Node, chain, energy_network, mlp, sequential

CONVS = [
    (Conv2d(2, 3, k, s, p), (h, w, 2))
    for (k, (h, w)), s, p in itertools.product(
        ((1, (4, 5)), (2, (5, 6)), (3, (5, 7)), (5, (6, 5))), (1, 2, 3), (0, 1, 4)
    )
] + [(Conv2d(1, 2, 3, 2, 2), (8, 8, 1)), (Conv2d(1, 1, 5, 2, 3), (7, 6, 1))]
POOLS = [
    (AdaptiveAvgPool(m), (h, w, 2)) for m, h, w in ((1, 4, 5), (2, 4, 6), (3, 5, 7), (4, 3, 9))
]
LINEAR: list[tuple[Layer, Any]] = [
    *CONVS,
    *POOLS,
    (Dense(3, 4), (3,)),
    (UpSample(2), (3, 4, 2)),
    (UpSample(3), (2, 1, 3)),
    (Flatten(), (3, 4, 2)),
    (Concatenate(), ((3, 4, 2), (3, 4, 1), (3, 4, 3))),
    (Concatenate(), ((2,), (3,))),
    (Add(), ((3, 4, 2), (3, 4, 2))),
    (Add(), ((3, 4, 2), (2,))),
    (Add(), ((3,), (3,))),
]
CURVED: list[tuple[Layer, Any]] = [
    (Swish(), (3, 4, 2)),
    (GroupNorm(4, 1), (3, 5, 4)),
    (GroupNorm(6, 3), (4, 3, 6)),
    (GroupNorm(3, 3, 0.1), (4, 4, 3)),
    (GroupNorm(6, 2), (6,)),
    (TimeEmbedding(6), ()),
    (TimeEmbedding(4, 50.0), ()),
]
LAYERS = LINEAR + CURVED


def named(case: Any) -> str | None:
    return str(case).replace(" ", "") if isinstance(case, Layer | tuple) else None


def many(shape: Any) -> tuple[tuple[int, ...], ...]:
    """The shapes of all inputs."""
    return shape if shape and isinstance(shape[0], tuple) else (shape,)


def start(layer: Layer, shape: Any, seed: int = 0, dtype: Any = np.float64) -> tuple[Any, ...]:
    """Random parameters, inputs for a batch of 3 (a tuple) and g."""
    rng = np.random.default_rng(seed)
    p = {k: rng.normal(size=s).astype(dtype) for k, s in layer.shapes().items()}
    x = tuple(rng.normal(size=(3, *s)).astype(dtype) for s in many(shape))
    g = rng.normal(size=(3, *layer.out_shape(shape))).astype(dtype)
    return p, x, g


def forward(layer: Layer, p: Any, x: tuple[Any, ...]) -> Any:
    return layer.forward(p, x if layer.joins else x[0])


def backward(layer: Layer, p: Any, memory: Any, g: Any) -> tuple[Any, ...]:
    back = layer.backward(p, memory, g)
    return back if isinstance(back, tuple) else (back,)


def differences(f: Any, x: Any, h: float = 1e-5) -> Any:
    """∂f/∂x by central differences, entry by entry; x is left as it was."""
    out = np.empty_like(x)
    for i in np.ndindex(x.shape):
        kept = x[i]
        x[i] = kept + h
        up = f()
        x[i] = kept - h
        out[i] = (up - f()) / (2 * h)
        x[i] = kept
    return out


def worst(a: Any, b: Any) -> float:
    """Largest difference, relative where the numbers are large."""
    assert a.shape == b.shape
    return float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)), initial=0.0))


# ------------------------------------------------------------------ every layer
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=named)
def test_gradients_are_central_differences(layer: Layer, shape: Any) -> None:
    p, x, g = start(layer, shape)
    y, memory = forward(layer, p, x)
    assert y.shape == g.shape

    def loss() -> float:
        return float(np.sum(g * forward(layer, p, x)[0]))

    for mine, values in zip(backward(layer, p, memory, g), x, strict=True):
        assert worst(mine, differences(loss, values)) < 1e-7
    found = layer.weights(p, memory, g)
    assert found.keys() == p.keys() == layer.shapes().keys()
    for name in p:
        assert worst(found[name], differences(loss, p[name])) < 1e-7


@pytest.mark.parametrize(("layer", "shape"), LINEAR, ids=named)
def test_backward_is_the_adjoint(layer: Layer, shape: Any) -> None:
    """⟨Ax, g⟩ = ⟨x, Aᵀg⟩, and the same in W, where the layer is linear (b = 0)."""
    p, x, g = start(layer, shape, seed=1)
    if "b" in p:
        p["b"][:] = 0
    y, memory = forward(layer, p, x)
    there = float(np.sum(y * g))
    size = float(np.linalg.norm(y) * np.linalg.norm(g))
    back = backward(layer, p, memory, g)
    assert abs(there - sum(np.sum(a * b) for a, b in zip(x, back, strict=True))) < 1e-14 * size
    if "W" in p:
        assert abs(there - np.sum(p["W"] * layer.weights(p, memory, g)["W"])) < 1e-14 * size


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=named)
def test_images_of_a_batch_do_not_meet(layer: Layer, shape: Any) -> None:
    """One image alone gives what it gives in a batch; parameters' gradients add up."""
    p, x, g = start(layer, shape, seed=2)
    y, memory = forward(layer, p, x)
    gx, gp = backward(layer, p, memory, g), layer.weights(p, memory, g)
    total = {name: np.zeros_like(v) for name, v in p.items()}
    for n in range(3):
        one = slice(n, n + 1)
        y1, memory1 = forward(layer, p, tuple(a[one] for a in x))
        assert worst(y1, y[one]) < 1e-13
        for a, b in zip(backward(layer, p, memory1, g[one]), gx, strict=True):
            assert worst(a, b[one]) < 1e-13
        for name, values in layer.weights(p, memory1, g[one]).items():
            total[name] += values
    assert all(worst(total[name], gp[name]) < 1e-13 for name in p)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=named)
def test_float32_stays_float32_and_near(layer: Layer, shape: Any) -> None:
    p, x, g = start(layer, shape, seed=3)
    p32, x32, g32 = start(layer, shape, seed=3, dtype=np.float32)
    y, memory = forward(layer, p, x)
    y32, memory32 = forward(layer, p32, x32)
    pairs = [(y32, y), *zip(backward(layer, p32, memory32, g32), backward(layer, p, memory, g),
                            strict=True)]  # fmt: skip
    found, wanted = layer.weights(p32, memory32, g32), layer.weights(p, memory, g)
    for a, b in pairs + [(found[name], wanted[name]) for name in p]:
        assert a.dtype == np.float32
        assert worst(a, b) < 2e-5


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dense(0, 3),
        lambda: Conv2d(1, 1, 3, 0),
        lambda: Conv2d(1, 1, 3, 1, -1),
        lambda: GroupNorm(6, 4),
        lambda: GroupNorm(4, 2, 0.0),
        lambda: TimeEmbedding(5),
        lambda: TimeEmbedding(2),
        lambda: TimeEmbedding(4, 1.0),
        lambda: ClassEmbedding(3, 2).forward({"E": np.ones((3, 2))}, np.array([0, 3])),
        lambda: ClassEmbedding(3, 2).forward({"E": np.ones((3, 2))}, np.array([-1, 0])),
        lambda: Dense(3, 4).out_shape((4,)),
        lambda: Conv2d(1, 1, 3).out_shape((2, 5, 1)),
        lambda: Conv2d(2, 1, 3).out_shape((5, 5, 1)),
        lambda: Conv2d(2, 1, 3).out_shape((5,)),
        lambda: GroupNorm(6, 3).out_shape((4, 4, 3)),
        lambda: Concatenate().out_shape(((4, 4, 3), (4, 3, 3))),
        lambda: Add().out_shape(((4, 4, 3), (2,))),
        lambda: AdaptiveAvgPool(1).out_shape((4,)),
        lambda: UpSample().out_shape((4,)),
        lambda: energy_network(0),
        lambda: mlp(time=3),
        lambda: Network({"x": (3,)}, [Node("a", Dense(3, 1), ("z",))]),
        lambda: Network({"x": (3,)}, [Node("x", Dense(3, 1), ("x",))]),
        lambda: Network({"x": (3,)}, [Node("a", Dense(3, 1), ("x", "x"))]),
        lambda: mlp().views(np.zeros(3)),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(make: Any) -> None:
    with pytest.raises(InputError, match=r"^[^\n]+: [^\n]+$"):
        make()


# ------------------------------------------------------------------ convolution
@pytest.mark.parametrize(("layer", "shape"), CONVS, ids=named)
def test_convolution_is_scipys_correlation(layer: Conv2d, shape: Any) -> None:
    """On small integers, where sums are exact: equal, not near."""
    rng = np.random.default_rng(4)
    k, s, rim = layer.size, layer.stride, layer.padding
    W = rng.integers(-9, 10, (k, k, layer.inputs, layer.outputs)).astype(float)
    b = rng.integers(-9, 10, layer.outputs).astype(float)
    x = rng.integers(-9, 10, (2, *shape)).astype(float)
    y, _ = layer.forward({"W": W, "b": b}, x)
    for n, o in itertools.product(range(2), range(layer.outputs)):
        wanted = b[o] + sum(
            correlate2d(np.pad(x[n, :, :, c], rim), W[:, :, c, o], "valid")[::s, ::s]
            for c in range(layer.inputs)
        )
        assert np.array_equal(y[n, :, :, o], wanted)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 2), (2, 1), (2, 4), (3, 2)])
def test_convolution_moves_with_its_input(stride: int, padding: int) -> None:
    """Moving x by one stride moves y by one pixel: exactly, on integers and zeros around them."""
    rng = np.random.default_rng(5)
    layer = Conv2d(2, 3, 5, stride, padding)
    W = rng.integers(-9, 10, (5, 5, 2, 3)).astype(float)
    p = {"W": W, "b": np.zeros(3)}
    x = np.zeros((1, 30, 30, 2))
    x[:, 9:18, 9:18] = rng.integers(-9, 10, (1, 9, 9, 2))
    moved = np.roll(x, (stride, -stride), axis=(1, 2))
    y, z = layer.forward(p, x)[0], layer.forward(p, moved)[0]
    assert np.any(y)
    assert np.array_equal(np.roll(y, (1, -1), axis=(1, 2)), z)


# ------------------------------------------------------------------ single layers
def test_swish_by_its_identities() -> None:
    x = np.arange(-50, 51) * 0.6
    y, slope = Swish().forward({}, x)
    assert worst(y - y[::-1], x) < 1e-15  # xσ(x) + xσ(−x) = x
    assert worst(slope + slope[::-1], np.ones(101)) < 1e-14
    assert (y[50], slope[50]) == (0.0, 0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_swish_far_out(dtype: Any) -> None:
    """Where the exponential leaves the floats; NumPy's errors are raised here."""
    x = np.array([-1e4, -800.0, -100.0, 100.0, 800.0, 1e4], dtype)
    y, slope = Swish().forward({}, x)
    assert np.all(np.abs(y[:3]) < 1e-40)
    assert np.all(np.abs(slope[:3]) < 1e-40)
    assert np.array_equal(y[3:], x[3:])
    assert np.array_equal(slope[3:], np.ones(3))


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norms_moments(groups: int) -> None:
    """Of each group of each image: mean 0 and variance v/(v + ε); scale and shift of x go."""
    rng = np.random.default_rng(6)
    layer = GroupNorm(6, groups, 0.01)
    p = layer.init(rng, np.float64)
    x = rng.normal(3.0, 2.0, (4, 5, 7, 6))

    def by_group(a: Any) -> Any:
        return a.reshape(4, 35, groups, 6 // groups)

    v = by_group(x).var(axis=(1, 3))
    y = layer.forward(p, x)[0]
    assert worst(by_group(y).mean(axis=(1, 3)), np.zeros((4, groups))) < 1e-14
    assert worst(by_group(y).var(axis=(1, 3)), v / (v + 0.01)) < 1e-14
    scaled = GroupNorm(6, groups, 0.09).forward(p, 3 * x + 5)[0]
    assert worst(scaled, y) < 1e-13


def test_pool_averages_pytorchs_bins() -> None:
    """5 rows in 3 bins: rows 0–1, 1–3, 3–4; and one bin a pixel is the identity."""
    x = np.arange(25.0).reshape(1, 5, 5, 1) ** 2
    bins = [slice(0, 2), slice(1, 4), slice(3, 5)]
    wanted = [[x[0, a, b, 0].mean() for b in bins] for a in bins]
    assert worst(AdaptiveAvgPool(3).forward({}, x)[0][0, :, :, 0], np.array(wanted)) < 1e-14
    assert np.array_equal(AdaptiveAvgPool(5).forward({}, x)[0], x)
    assert worst(AdaptiveAvgPool(1).forward({}, x)[0], x.mean((1, 2), keepdims=True)) < 1e-15


def test_up_sampling_repeats_pixels() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    y = UpSample().forward({}, x)[0][0, :, :, 0]
    assert y.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert np.array_equal(AdaptiveAvgPool(2).forward({}, UpSample().forward({}, x)[0])[0], x)


def test_flatten_keeps_the_order_rows_columns_channels() -> None:
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    assert Flatten().forward({}, x)[0][0, (1 * 3 + 2) * 4 + 3] == x[0, 1, 2, 3]


def test_time_embedding_by_its_formula() -> None:
    """The shortest wave has 2π, the longest 2π·1000; sin² + cos² = 1."""
    t = np.array([0.0, 0.5, 250 * math.pi, 500 * math.pi])
    y = TimeEmbedding(8).forward({}, t)[0]
    assert y.shape == (4, 8)
    assert y[0].tolist() == [0] * 4 + [1] * 4
    assert y[1, 0] == pytest.approx(math.sin(0.5), rel=1e-15)
    assert y[1, 6] == pytest.approx(math.cos(0.5 * 1000 ** (-2 / 3)), rel=1e-15)
    assert y[2, 3] == pytest.approx(math.sin(math.pi / 4), rel=1e-13)
    assert y[3, 3] == pytest.approx(1.0, rel=1e-13)
    assert worst(y[:, :4] ** 2 + y[:, 4:] ** 2, np.ones((4, 4))) < 1e-15


def test_class_embedding_looks_up_and_collects() -> None:
    layer = ClassEmbedding(4, 3)
    p = layer.init(np.random.default_rng(7), np.float64)
    k = np.array([2, 0, 2, 3])
    y, memory = layer.forward(p, k)
    assert np.array_equal(y, np.eye(4)[k] @ p["E"])
    g = np.random.default_rng(8).normal(size=(4, 3))
    found = layer.weights(p, memory, g)["E"]
    assert worst(found, np.eye(4)[k].T @ g) < 1e-15
    assert not found[1].any()
    assert not layer.backward(p, memory, g).any()


# ------------------------------------------------------------------ networks
def tiny_unet(classes: int = 3) -> Network:
    """Two levels: 6×6 and 3×3, a skip, group norms, a time and a class as a bias of each level."""
    return Network(
        {"x": (6, 6, 1), "t": (), "k": ()},
        [
            Node("time", TimeEmbedding(4), ("t",)),
            Node("class", ClassEmbedding(classes, 4), ("k",)),
            Node("condition", Add(), ("time", "class")),
            Node("in", Conv2d(1, 2, 3, 1, 1), ("x",)),
            Node("in bias", Dense(4, 2), ("condition",)),
            Node("in sum", Add(), ("in", "in bias")),
            *chain("in sum", [GroupNorm(2, 1), Swish()], "high "),
            Node("down", Conv2d(2, 4, 3, 2, 1), ("high 1.swish",)),
            Node("down bias", Dense(4, 4), ("condition",)),
            Node("down sum", Add(), ("down", "down bias")),
            *chain("down sum", [GroupNorm(4, 2), Swish(), UpSample()], "low "),
            Node("skip", Concatenate(), ("low 2.upsample", "high 1.swish")),
            *chain("skip", [Conv2d(6, 2, 3, 1, 1), Swish(), Conv2d(2, 1, 3, 1, 1)], "out "),
        ],
    )  # fmt: skip


def unet_inputs() -> tuple[Any, ...]:
    rng = np.random.default_rng(9)
    x = rng.normal(size=(2, 6, 6, 1))
    return x, np.array([1.0, 37.0]), np.array([2, 0]), rng.normal(size=(2, 6, 6, 1))


def test_a_unet_of_these_layers_has_right_gradients() -> None:
    """Every one of its parameters and pixels, against central differences."""
    net = tiny_unet()
    θ = net.init(np.random.default_rng(10), np.float64)
    x, t, k, g = unet_inputs()
    y, memory = net.forward(θ, x, t, k)
    assert y.shape == x.shape

    def loss() -> float:
        return float(np.sum(g * net.forward(θ, x, t, k)[0]))

    assert worst(net.input_gradient(θ, memory, g), differences(loss, x)) < 1e-7
    assert worst(net.gradients(θ, memory, g), differences(loss, θ)) < 1e-7


@pytest.mark.parametrize(
    ("net", "inputs"),
    [
        (energy_network(28), ((28, 28, 1),)),
        (energy_network(56, classes=42), ((56, 56, 1),)),
        (energy_network(15, pool=1, hidden=0), ((15, 15, 1),)),
        (mlp(), ((2,), ())),
        (mlp(width=16, depth=1, time=0), ((2,),)),
    ],
    ids=["ebm", "jem", "pooled", "mlp", "no time"],
)
def test_networks_gradients_along_random_directions(net: Network, inputs: Any) -> None:
    """L(θ + hu, x + hv): its slope at h = 0 is ⟨∂L/∂θ, u⟩ + ⟨∂L/∂x, v⟩, for four (u, v)."""
    rng = np.random.default_rng(11)
    θ = net.init(rng, np.float64)
    x, *more = (rng.normal(size=(2, *shape)) for shape in inputs)
    y, memory = net.forward(θ, x, *more)
    g = rng.normal(size=y.shape)
    gx, gθ = net.input_gradient(θ, memory, g), net.gradients(θ, memory, g)
    assert (gx.shape, gθ.shape) == (x.shape, θ.shape)
    for u_size, v_size in ((1, 0), (0, 1), (1, 1), (1, -1)):
        u, v = u_size * rng.normal(size=θ.shape), v_size * rng.normal(size=x.shape)

        def loss(h: float) -> float:
            return float(np.sum(g * net.forward(θ + h * u, x + h * v, *more)[0]))

        h = 1e-5
        slope = (loss(h) - loss(-h)) / (2 * h)
        wanted = float(np.sum(gθ * u) + np.sum(gx * v))
        assert slope == pytest.approx(wanted, rel=1e-6, abs=1e-8)


def test_the_exercises_network() -> None:
    """28 → 16 → 8 → 4 → 2 and 56 → 30 → 15 → 8 → 4 pixels; parameters counted by hand."""
    convolutions = (25 + 1) * 16 + (9 * 16 + 1) * 32 + (9 * 32 + 1) * 64 + (9 * 64 + 1) * 64
    for size, pixels in ((28, [16, 8, 4, 2]), (56, [30, 15, 8, 4])):
        net = energy_network(size)
        shapes = [net.shapes[n.name] for n in net.nodes if isinstance(n.layer, Conv2d)]
        assert shapes == [(n, n, c) for n, c in zip(pixels, (16, 32, 64, 64), strict=True)]
        last = pixels[-1] ** 2 * 64
        assert net.size == convolutions + (last + 1) * 64 + 65
    assert energy_network(56, pool=1, hidden=0).size == convolutions + 65
    assert energy_network(28, classes=42).shapes["11.dense"] == (42,)
    kinds = [type(n.layer) for n in energy_network(28, pool=2).nodes]
    assert kinds == [*[Conv2d, Swish] * 4, AdaptiveAvgPool, Flatten, Dense, Swish, Dense]
    kinds = [type(n.layer) for n in mlp().nodes]
    assert kinds == [TimeEmbedding, Concatenate, *[Dense, Swish] * 3, Dense]
    assert mlp().size == (32 + 1) * 128 + 2 * 129 * 128 + 129 * 2


def test_sampling_asks_for_no_weights_and_training_for_no_pixels() -> None:
    class Watched(Dense):
        asked: list[str] = []  # noqa: RUF012

        def backward(self, p: Any, memory: Any, g: Any) -> Any:
            self.asked.append("backward")
            return super().backward(p, memory, g)

        def weights(self, p: Any, memory: Any, g: Any) -> Any:
            self.asked.append("weights")
            return super().weights(p, memory, g)

    net = sequential((3,), [Watched(3, 2), Swish(), Watched(2, 1)])
    θ = net.init(np.random.default_rng(12))
    y, memory = net.forward(θ, np.ones((4, 3)))
    net.input_gradient(θ, memory, np.ones_like(y))
    assert Watched.asked == ["backward", "backward"]
    Watched.asked.clear()
    net.gradients(θ, memory, np.ones_like(y))
    assert sorted(Watched.asked) == ["backward", "weights", "weights"]


def test_a_value_read_twice_gets_both_gradients() -> None:
    net = Network({"x": (3,)}, [Node("a", Swish(), ("x",)), Node("y", Add(), ("a", "a"))])
    x, g = np.array([[0.0, 1.0, -2.0]]), np.ones((1, 3))
    _, memory = net.forward(np.zeros(0), x)
    assert worst(net.input_gradient(np.zeros(0), memory, g), 2 * Swish().forward({}, x)[1]) < 1e-15


def test_views_are_the_vector_in_parts() -> None:
    net = tiny_unet()
    θ = np.arange(float(net.size))
    parts = [v for p in net.views(θ).values() for v in p.values()]
    assert np.array_equal(np.concatenate([v.ravel() for v in parts]), θ)
    parts[-1][...] = -1
    assert θ[-1] == -1


@pytest.mark.parametrize("net", [tiny_unet(), energy_network(28), mlp()])
def test_start_depends_on_the_seed_only(net: Network) -> None:
    """float32 starts at the rounded float64; and weights keep the scale of what they sum."""
    θ, again = (net.init(np.random.default_rng(1)) for _ in range(2))
    wide = net.init(np.random.default_rng(1), np.float64)
    assert θ.dtype == np.float32
    assert wide.dtype == np.float64
    assert np.array_equal(θ, again)
    assert np.array_equal(θ, wide.astype(np.float32))
    assert not np.array_equal(θ, net.init(np.random.default_rng(2)))
    for (_, layer, _), p in zip(net.nodes, net.views(wide).values(), strict=True):
        if "W" in p:
            fan_in = math.prod(layer.shapes()["W"][:-1])
            assert np.max(np.abs(p["W"])) <= fan_in**-0.5
            assert np.max(np.abs(p["W"])) > 0.5 * fan_in**-0.5


def test_inputs_take_the_vectors_dtype_and_labels_stay_integers() -> None:
    net = tiny_unet()
    θ = net.init(np.random.default_rng(13))
    x, t, k, g = unet_inputs()
    y, memory = net.forward(θ, x, t.astype(int), k)
    assert y.dtype == np.float32
    assert net.input_gradient(θ, memory, g.astype(np.float32)).dtype == np.float32
    assert net.gradients(θ, memory, g.astype(np.float32)).dtype == np.float32
    wide = net.forward(θ.astype(np.float64), x, t, k)[0]
    assert worst(y, wide) < 1e-5


# ------------------------------------------------------------------ PyTorch, where it is
KNOWN = (Conv2d, Dense, GroupNorm, AdaptiveAvgPool, UpSample, Swish)


def to_torch(a: Any, grad: bool = True) -> Any:
    """Images go to (N, C, H, W); other arrays as they are."""
    import torch

    a = np.ascontiguousarray(a.transpose(0, 3, 1, 2) if a.ndim == 4 else a)
    return torch.from_numpy(a.copy()).requires_grad_(grad)


def kernel(W: Any) -> Any:
    """(k, k, C, O) as PyTorch's (O, C, k, k)."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(W.transpose(3, 2, 0, 1))).requires_grad_(True)


def from_torch(a: Any) -> Any:
    a = a.detach().numpy()
    return a.transpose(0, 2, 3, 1) if a.ndim == 4 else a


def theirs(layer: Layer, p: Any, x: Any) -> tuple[Any, dict[str, Any]]:
    """PyTorch's y and its leaves for the parameters."""
    import torch
    from torch.nn import functional as F

    q = {n: kernel(v) if v.ndim == 4 else torch.tensor(v, requires_grad=True) for n, v in p.items()}
    match layer:
        case Conv2d():
            return F.conv2d(x, q["W"], q["b"], layer.stride, layer.padding), q
        case Dense():
            return F.linear(x, q["W"].T, q["b"]), q
        case GroupNorm():
            return F.group_norm(x, layer.groups, q["γ"], q["β"], layer.ε), q
        case AdaptiveAvgPool():
            return F.adaptive_avg_pool2d(x, layer.size), q
        case UpSample():
            return F.interpolate(x, scale_factor=layer.factor, mode="nearest"), q
        case Swish():
            return F.silu(x), q
    raise NotImplementedError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [c for c in LAYERS if isinstance(c[0], KNOWN)],
    ids=named,
)
def test_layers_against_pytorch(layer: Layer, shape: Any, dtype: Any) -> None:
    pytest.importorskip("torch")
    p, (x,), g = start(layer, shape, 14, dtype)
    y, memory = layer.forward(p, x)
    leaf = to_torch(x)
    out, q = theirs(layer, p, leaf)
    out.backward(to_torch(g, False))
    bound = 1e-5 if dtype == np.float32 else 1e-13
    assert worst(y, from_torch(out)) < bound
    assert worst(layer.backward(p, memory, g), from_torch(leaf.grad)) < bound
    for name, values in layer.weights(p, memory, g).items():
        grad = q[name].grad.numpy()
        assert worst(values, grad.transpose(2, 3, 1, 0) if grad.ndim == 4 else grad) < bound


@pytest.mark.parametrize("size", [28, 56])
def test_the_exercises_network_against_pytorch(size: int) -> None:
    """float32, a batch of 8: energies, input gradient and every parameter's gradient."""
    torch = pytest.importorskip("torch")
    net = energy_network(size)
    θ = net.init(np.random.default_rng(15))
    x = np.random.default_rng(16).uniform(-1, 1, (8, size, size, 1)).astype(np.float32)
    y, memory = net.forward(θ, x)
    leaf = to_torch(x)
    out, leaves = leaf, {}
    for (name, layer, _), p in zip(net.nodes, net.views(θ).values(), strict=True):
        if isinstance(layer, Flatten):
            out = out.permute(0, 2, 3, 1).flatten(1)
        else:
            out, leaves[name] = theirs(layer, p, out)
    torch.sum(out).backward()
    assert worst(y, from_torch(out)) < 1e-5
    mine = net.views(net.gradients(θ, memory, np.ones_like(y)))
    gx = from_torch(leaf.grad)
    assert np.max(np.abs(net.input_gradient(θ, memory, np.ones_like(y)) - gx)) < 1e-5 * np.max(
        np.abs(gx)
    )
    for name, q in leaves.items():
        for parameter, tensor in q.items():
            grad = tensor.grad.numpy()
            grad = grad.transpose(2, 3, 1, 0) if grad.ndim == 4 else grad
            error = np.max(np.abs(mine[name][parameter] - grad))
            assert error < 1e-5 * np.max(np.abs(grad)), (name, parameter)
