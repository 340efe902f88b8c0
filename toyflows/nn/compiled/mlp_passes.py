"""Where the numbers of an `mlp` stand in its fast twin: a dense layer as one pass.

A dense layer is a convolution of 1 × 1 pixels whose pixels are blocks of 16 points, so its passes
are rows of the tables of `kernels/tiles.py`: forward, backward, and the gradients of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.kernels.lanes import LANES, OCTET
from toyflows.kernels.tiles import PLAIN, SLOPE, SWISH
from toyflows.nn.compiled.passes import Integers, Packed, octets, table
from toyflows.nn.layers import Dense
from toyflows.nn.network import Network

Floats = NDArray[np.float32]
BLOCKS = 32  # blocks of a piece: 512 points, 256 KB for the values of a layer of width 128


@dataclass(frozen=True)
class Grid:
    """BLOCKS × channels vectors, from `start` on; only `used` channels are not filling."""

    start: int
    used: int

    @property
    def width(self) -> int:
        """Channels with those that fill the last octet."""
        return -(-self.used // OCTET) * OCTET

    @property
    def step(self) -> int:
        """From a block to the next. There is one extra vector of padding, so that the same channel
        of consecutive blocks is not in one set of a cache."""
        return (self.width + 1) * LANES

    @property
    def end(self) -> int:
        return self.start + BLOCKS * self.step

    def lanes(self, space: Floats, blocks: int) -> Floats:
        """A view (blocks, used, 16)."""
        part = space[self.start : self.start + blocks * self.step]
        return part.reshape(blocks, -1, LANES)[:, : self.used]


@dataclass(frozen=True)
class Layout:
    """Tables of passes for one block, and where values stand in `space` (size,).

    The kernels' weights are append(θ, 0)[index]. A gradient has the order of the first ones:
    ∂L/∂θ[i] is number `found`[i] of it.
    """

    forward: NDArray[Any]  # the first layer first
    backward: NDArray[Any]  # the last layer first, down to the first layer's g = ∂L/∂z
    to_x: NDArray[Any]  # from there to x
    to_features: NDArray[Any]  # or to x and its embedded condition
    weights: NDArray[Any]
    index: Integers
    found: Integers
    learned: int
    size: int
    x: Grid
    gx: Grid
    y: Grid
    gy: Grid


def layout(network: Network) -> Layout:
    """Places for everything, and the passes."""
    places = network.views(np.arange(network.size))
    dense = [places[node.name] for node in network.nodes if isinstance(node.layer, Dense)]
    widths = [*(len(p["W"]) for p in dense), len(dense[-1]["b"])]
    grids = _grids(3 * widths)
    layers, n = range(len(dense)), len(widths)
    h, g, d = grids[:n], grids[n : 2 * n], grids[2 * n :]  # values, their gradients, slopes dh/dz

    packed = Packed(network.size)
    w = [(packed.add(_tiled(p["W"], packed)), packed.add(_filled(p["b"], packed))) for p in dense]
    learned = np.concatenate(packed.parts)
    found = np.zeros(network.size + 1, np.int64)
    found[learned] = np.arange(learned.size)
    zeros = packed.add(np.full(max(grid.width for grid in grids), packed.nothing))
    back = [(packed.add(_tiled(p["W"].T, packed)), zeros) for p in dense]
    to_features = table([_way(g[1], g[0], back[0], PLAIN)])
    to_x = to_features.copy()
    to_x["blocks"] = -(-network.inputs["x"][0] // OCTET)
    return Layout(
        forward=table(
            [
                _way(h[n], h[n + 1], w[n], SWISH if n < layers[-1] else PLAIN, d[n + 1])
                for n in layers
            ]
        ),
        backward=table([_way(g[n + 1], g[n], back[n], SLOPE, d[n]) for n in layers[:0:-1]]),
        to_x=to_x,
        to_features=to_features,
        weights=table([_way(h[n], g[n + 1], w[n], PLAIN) for n in layers]),
        index=np.concatenate(packed.parts),
        found=found[:-1],
        learned=learned.size,
        size=grids[-1].end,
        x=h[0],
        gx=g[0],
        y=h[-1],
        gy=g[-1],
    )


def _grids(widths: list[int]) -> list[Grid]:
    """One behind the other."""
    found = [Grid(0, widths[0])]
    for width in widths[1:]:
        found.append(Grid(found[-1].end, width))
    return found


def _filled(places: Integers, packed: Packed) -> Integers:
    """(…, O) with the last octet filled up."""
    more = [(0, 0)] * (places.ndim - 1) + [(0, -places.shape[-1] % OCTET)]
    return np.pad(places, more, constant_values=packed.nothing)


def _tiled(W: Integers, packed: Packed) -> Integers:
    """(I, O) in the order in which a tile reads: (O/8, I, 8)."""
    full = _filled(W, packed)
    return octets(full, full.shape[1])


def _way(
    a: Grid, b: Grid, weights: tuple[int, int], ending: int, slope: Grid | None = None
) -> dict[str, int]:
    """The pass from a to b; `slope` is where it writes slopes, or reads them."""
    w, bias = weights
    row = {
        "out": b.start, "out_step": b.step, "inp": a.start, "inp_step": a.step,
        "rows": 1, "run": a.used, "weights": w, "bias": bias, "ny": 1, "nx": 1,
        "channels": OCTET, "blocks": b.width // OCTET, "ending": ending,
    }  # fmt: skip
    return row if slope is None else row | {"slope": slope.start, "slope_step": slope.step}
