"""Where a network's numbers stand in the fast path: convolutions as rows of numbers.

A network of convolutions, swishes and dense layers becomes three tables of passes (what a row says
is in `kernels/tiles.py`): forward, backward, and the gradients of the weights. A dense layer after
`Flatten` is the convolution whose kernel is as large as its image, and as its stride.

A grid is an image of 16 lanes with a rim of zeros for the convolutions that read it; all grids
stand in one array. With g = ∂L/∂z of a convolution of size k, stride s and padding p, the pixel
st + r of its input met the kernel's row u ≡ r + p (mod s) in the row t + (r + p − u)/s of g:

    gx[st + r] = Σ_u g[t + (r + p − u)/s] W[u],

and columns likewise: for each (r, q) a convolution of stride one with a part of the kernel. Of a
grey image the columns q = 0, 1 share a window of g: they are the two channels of one pass.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.errors import InputError
from toyflows.kernels.lanes import LANES, OCTET
from toyflows.kernels.tiles import PAIR, PLAIN, SLOPE, SWISH
from toyflows.nn.image_layers import Conv2d
from toyflows.nn.layers import Dense, Flatten, Layer, Swish
from toyflows.nn.network import Network

Integers = NDArray[np.int64]
FIELDS = ("out", "out_row", "out_step", "inp", "inp_row", "inp_step", "tap_row", "rows", "run",
          "weights", "bias", "ny", "nx", "channels", "blocks", "ending", "slope", "slope_row",
          "slope_step")  # fmt: skip
PASS = np.dtype([(name, np.int64) for name in FIELDS])


@dataclass(frozen=True)
class Grid:
    """pixels × pixels × channels vectors, `before` and `after` them a rim of zeros; the first
    float of the rim stands at `start`."""

    start: int
    pixels: int
    channels: int
    before: int = 0
    after: int = 0

    @property
    def step(self) -> int:
        """From a pixel to the next."""
        return self.channels * LANES

    @property
    def row(self) -> int:
        """From a row to the next."""
        return (self.before + self.pixels + self.after) * self.step

    @property
    def end(self) -> int:
        return self.start + (self.before + self.pixels + self.after) * self.row

    def at(self, y: int = 0, x: int = 0) -> int:
        """Where pixel (y, x) begins."""
        return self.start + (self.before + y) * self.row + (self.before + x) * self.step


@dataclass(frozen=True)
class Stage:
    """A convolution, whether it is swished, the pixels a side of its input, its place in θ."""

    conv: Conv2d
    swished: bool
    pixels: int
    place: int

    @property
    def out_pixels(self) -> int:
        return self.conv.out_shape((self.pixels, self.pixels, self.conv.inputs))[0]

    @property
    def widths(self) -> tuple[int, int]:
        """Channels of input and output in the grids: full octets, but for a grey image."""
        ins, outs = self.conv.inputs, self.conv.outputs
        return (ins if ins == 1 else -(-ins // OCTET) * OCTET), -(-outs // OCTET) * OCTET

    @property
    def bias(self) -> int:
        """The bias's place in θ."""
        return self.place + self.conv.size**2 * self.conv.inputs * self.conv.outputs

    @property
    def rim(self) -> tuple[int, int]:
        """Zeros that the convolution reads before and after its input."""
        c = self.conv
        return c.padding, max(
            0, (self.out_pixels - 1) * c.stride + c.size - c.padding - self.pixels
        )

    def taps(self, r: int) -> list[tuple[int, int]]:
        """(row of g relative to t, row u of the kernel) for pixels st + r of the input."""
        c = self.conv
        met = (u for u in range(c.size) if (r + c.padding - u) % c.stride == 0)
        return sorted(((r + c.padding - u) // c.stride, u) for u in met)

    def count(self, r: int) -> int:
        """Pixels st + r of the input."""
        return -(-(self.pixels - r) // self.conv.stride)

    @property
    def gradient_rim(self) -> tuple[int, int]:
        """Zeros that the way back reads before and after g."""
        first, last = self.window
        return max(0, -first), max(0, self.count(0) - 1 + last - (self.out_pixels - 1))

    @property
    def window(self) -> tuple[int, int]:
        """First and last row of g, relative to t, that any pixel of the input met."""
        met = [o for r in range(self.conv.stride) for o, _ in self.taps(r)]
        return min(met), max(met)

    def kernel(self, nothing: int) -> Integers:
        """Places in θ of W (k, k, ins, outs), `nothing` for channels that only fill an octet."""
        c = self.conv
        W = np.full((c.size, c.size, *self.widths), nothing)
        shape = (c.size, c.size, c.inputs, c.outputs)
        W[:, :, : c.inputs, : c.outputs] = np.arange(self.place, self.bias).reshape(shape)
        return W


def stages(network: Network) -> list[Stage]:
    """A network as swished convolutions; InputError where it is something else."""
    if [len(s) for s in network.inputs.values()] != [3]:
        raise InputError("network", tuple(network.inputs), "must be one grey image")
    before, shape = next(iter(network.inputs.items()))
    if shape[0] != shape[1]:
        raise InputError("network", shape, "must be square images")
    place = 0
    found: list[Stage] = []
    for name, layer, inputs in network.nodes:
        conv = _as_convolution(layer, shape)
        if inputs != (before,) or (conv is None and not isinstance(layer, Swish | Flatten)):
            raise InputError("network", name, "must be Conv2d, Swish, Flatten, Dense in a row")
        if conv is not None:
            found.append(Stage(conv, False, shape[0], place))
            place = found[-1].bias + conv.outputs
            shape = conv.out_shape(shape)
        elif isinstance(layer, Swish):
            if not found or found[-1].swished:
                raise InputError("network", name, "must be one Swish after a layer with weights")
            last = found[-1]
            found[-1] = Stage(last.conv, True, last.pixels, last.place)
        before = name
    return _checked(found, shape)


def _as_convolution(layer: Layer, shape: tuple[int, ...]) -> Conv2d | None:
    if isinstance(layer, Dense):
        return Conv2d(shape[2], layer.outputs, shape[0], shape[0])
    return layer if isinstance(layer, Conv2d) else None


def _checked(found: list[Stage], shape: tuple[int, ...]) -> list[Stage]:
    first = found[0].conv if found else None
    if first is None or (first.inputs, first.stride) != (1, PAIR):
        raise InputError("network", first, "must be a first Conv2d of stride 2 on grey images")
    if found[-1].swished or shape[:2] != (1, 1) or not all(s.swished for s in found[:-1]):
        raise InputError("network", shape, "must be a swish after each layer but the last Dense")
    return found


@dataclass(frozen=True)
class Layout:
    """The tables of a network, and where its values stand in `space` (size,).

    The kernels' weights are append(θ, 0)[index]: the weights in the forward's order, the biases,
    zeros, and the weights in the backward's order. A gradient has the order of the first `learned`.
    """

    forward: NDArray[Any]
    backward: NDArray[Any]  # the last stage first, down to the first stage's g = ∂L/∂z
    to_image: NDArray[Any]  # from there to the image
    weights: NDArray[Any]
    index: Integers
    learned: int
    size: int
    x: Grid
    gx: Grid
    y: Grid
    gy: Grid


def layout(network: Network) -> Layout:
    """Places for everything, and the passes."""
    found = stages(network)
    rims = [*(s.rim for s in found), (0, 0)]
    h = [Grid(0, found[0].pixels, 1, *rims[0])]  # values
    for stage, rim in zip(found, rims[1:], strict=True):
        h.append(Grid(h[-1].end, stage.out_pixels, stage.widths[1], *rim))
    g = [Grid(h[-1].end, found[0].pixels, 1, 0, found[0].pixels % PAIR)]  # gradients of h[0] and z
    for stage in found:
        g.append(Grid(g[-1].end, stage.out_pixels, stage.widths[1], *stage.gradient_rim))
    d = [Grid(g[-1].end, 0, 0)]  # slopes dh/dz, none of the image
    for stage in found:
        d.append(Grid(d[-1].end, stage.out_pixels, stage.widths[1]))

    packed = Packed(network.size)
    forward, weights = _ways_on(found, h, g, d, packed)
    learned = packed.size
    zeros = packed.add(np.full(max(grid.channels for grid in h), network.size))
    backward = [
        row
        for n in range(len(found) - 1, 0, -1)
        for row in way_back(found[n], g[n + 1], g[n], d[n], packed, zeros)
    ]
    to_image = _to_image(found[0], g[1], g[0], packed, zeros)
    return Layout(
        forward=table(forward),
        backward=table(backward),
        to_image=table(to_image),
        weights=table(weights),
        index=np.concatenate(packed.parts),
        learned=learned,
        size=d[-1].end,
        x=h[0],
        gx=g[0],
        y=h[-1],
        gy=g[-1],
    )


class Packed:
    """Places in θ, one array behind the other; `nothing` is where append(θ, 0) has its zero."""

    def __init__(self, nothing: int) -> None:
        self.nothing = nothing
        self.parts: list[Integers] = []
        self.size = 0

    def add(self, places: Integers) -> int:
        """The index at which they begin."""
        start = self.size
        self.parts.append(places.ravel())
        self.size += places.size
        return start


def octets(W: Integers, channels: int) -> Integers:
    """(…, channels) → (channels/8, …, 8), the order in which a tile reads."""
    return W.reshape(-1, channels // OCTET, OCTET).transpose(1, 0, 2)


def operations(passes: NDArray[Any]) -> int:
    """Multiplications and additions of these passes, for a block of images."""
    sums = passes["ny"] * passes["nx"] * passes["channels"] * passes["blocks"]
    return 2 * LANES * int(np.sum(sums * passes["rows"] * passes["run"]))


def table(rows: list[dict[str, int]], kind: np.dtype[Any] = PASS) -> NDArray[Any]:
    return np.array([tuple(row.get(name, 0) for name in kind.names or ()) for row in rows], kind)


def _ways_on(
    found: list[Stage], h: list[Grid], g: list[Grid], d: list[Grid], packed: Packed
) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    """The forward, and the gradients of its weights: the same passes with g where z was."""
    nothing, forward, weights = packed.nothing, [], []
    w = [packed.add(octets(s.kernel(nothing), s.widths[1])) for s in found]
    for n, s in enumerate(found):
        bias = np.full(s.widths[1], nothing)
        bias[: s.conv.outputs] = np.arange(s.bias, s.bias + s.conv.outputs)
        row = way_on(s, h[n], h[n + 1], d[n + 1]) | {"weights": w[n], "bias": packed.add(bias)}
        to = g[n + 1]
        forward.append(row)
        weights.append(row | {"out": to.at(), "out_row": to.row, "out_step": to.step})
    return forward, weights


def way_on(stage: Stage, x: Grid, y: Grid, slope: Grid) -> dict[str, int]:
    """From the input's grid to the output's and, where swished, the slope's."""
    c, n = stage.conv, stage.out_pixels
    return {
        "out": y.at(), "out_row": y.row, "out_step": y.step,
        "inp": x.at(-c.padding, -c.padding), "inp_row": c.stride * x.row,
        "inp_step": c.stride * x.step, "tap_row": x.row, "rows": c.size, "run": c.size * x.channels,
        "ny": n, "nx": n, "channels": OCTET, "blocks": y.channels // OCTET,
        "ending": SWISH if stage.swished else PLAIN,
        "slope": slope.at(), "slope_row": slope.row, "slope_step": slope.step,
    }  # fmt: skip


def way_back(
    stage: Stage, g: Grid, gx: Grid, slope: Grid, packed: Packed, zeros: int
) -> list[dict[str, int]]:
    """From g of this stage to g of the one before: a pass for each kind of pixels (r, q)."""
    s, W, rows = stage.conv.stride, stage.kernel(packed.nothing), []
    for r, q in itertools.product(range(s), repeat=2):
        down, along = stage.taps(r), stage.taps(q)
        if not down or not along:
            continue  # pixels that no kernel met: their gradient stays zero
        part = W[[u for _, u in down]][:, [v for _, v in along]].swapaxes(2, 3)
        rows.append({
            "out": gx.at(r, q), "out_row": s * gx.row, "out_step": s * gx.step,
            "inp": g.at(down[0][0], along[0][0]), "inp_row": g.row, "inp_step": g.step,
            "tap_row": g.row, "rows": len(down), "run": len(along) * g.channels,
            "weights": packed.add(octets(part, gx.channels)), "bias": zeros,
            "ny": stage.count(r), "nx": stage.count(q), "channels": OCTET,
            "blocks": gx.channels // OCTET, "ending": SLOPE,
            "slope": slope.at(r, q), "slope_row": s * slope.row, "slope_step": s * slope.step,
        })  # fmt: skip
    return rows


def _to_image(stage: Stage, g: Grid, gx: Grid, packed: Packed, zeros: int) -> list[dict[str, int]]:
    """From g of the first stage to a grey image: a pass for its even rows and one for the odd."""
    first, last = stage.window
    W, rows = stage.kernel(packed.nothing), []
    for r in range(PAIR):
        down = stage.taps(r)
        part = np.full((len(down), last - first + 1, g.channels, PAIR), packed.nothing)
        for (a, (_, u)), q in itertools.product(enumerate(down), range(PAIR)):
            for o, v in stage.taps(q):
                part[a, o - first, :, q] = W[u, v, 0]
        rows.append({
            "out": gx.at(r), "out_row": PAIR * gx.row, "out_step": PAIR * gx.step,
            "inp": g.at(down[0][0], first), "inp_row": g.row, "inp_step": g.step,
            "tap_row": g.row, "rows": len(down), "run": part.shape[1] * g.channels,
            "weights": packed.add(part), "bias": zeros, "ny": stage.count(r), "nx": stage.count(0),
            "channels": PAIR, "blocks": 1, "ending": PLAIN,
        })  # fmt: skip
    return rows
