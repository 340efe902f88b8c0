"""Where the numbers of a `unet` stand in its fast twin, and the steps that compute it.

A step is a row of a table: a convolution (`kernels/tiles.py`), one by Winograd
(`kernels/winograd.py`), or a norm with its swish (`kernels/group_norm.py`). The biases of all
blocks are one dense layer of the condition, to which the convolutions' own are added. A join is no
step: the convolution that reads it reads both of its parts.

Grids have a rim of one pixel of zeros where a convolution reads, and behind their pixels room up to
a multiple of four, for whole tiles.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from toyflows.kernels import group_norm, winograd
from toyflows.kernels.lanes import LANES, OCTET
from toyflows.kernels.program import CONVOLVE, LEARN, NORM, NORM_BACK, WINOGRAD, WINOGRAD_LEARN
from toyflows.kernels.tiles import ADD, GREY, PLAIN, SLOPE
from toyflows.nn.compiled.passes import (
    PASS,
    Grid,
    Integers,
    Packed,
    Stage,
    octets,
    table,
    way_back,
    way_on,
)
from toyflows.nn.compiled.unet_blocks import Block, blocks
from toyflows.nn.image_layers import Conv2d
from toyflows.nn.network import Network

Row = dict[str, int]
Step = tuple[int, int]  # what it does, and which row of its table


@dataclass(frozen=True)
class Given(Stage):
    """A stage whose kernel's places in θ are given."""

    W: Integers = field(kw_only=True)

    def kernel(self, nothing: int) -> Integers:
        return self.W


class Memory:
    """One array, whose parts are given away one behind the other."""

    def __init__(self) -> None:
        self.size = 0

    def vectors(self, count: int) -> int:
        """Where they begin."""
        self.size += count * LANES
        return self.size - count * LANES

    def pixel(self, channels: int) -> Grid:
        """A grid of one pixel."""
        return Grid(self.vectors(channels), 1, channels)

    def grid(self, pixels: int, channels: int, rim: int = 0) -> Grid:
        """The grid with room for whole tiles."""
        found = Grid(self.size, pixels, channels, rim, rim + -pixels % winograd.SIDE)
        self.size = found.end
        return found


class Layout:
    """The steps of a network, and where its values stand in `space` (size,).

    The kernels' weights are append(θ, 0)[index], in which the blocks' biases get θ[own_bias] added,
    and behind them KERNEL θ[kernels] (36, ·). Sums of gradients have the order of the first
    `learned` of the weights; behind them stand the gradients of KERNEL θ[taught] (36, ·).
    """

    def __init__(self, network: Network):
        self._places = network.views(np.arange(network.size))
        self._packed, self._memory, self.blocks = Packed(network.size), Memory(), blocks(network)
        self._rows: dict[int, list[Row]] = {CONVOLVE: [], WINOGRAD: [], NORM: []}
        self._kernels: list[Integers] = []
        self._taught: list[Integers] = []
        self._stages()
        self._grids(network.inputs["x"][0])
        self._pack()
        norms = {b.name: self._add(NORM, self._norm(b)) for b in self.blocks}
        convolutions = {b.name: self._convolution(b) for b in self.blocks}
        forward = [self._embed(self._e), self._bias(self._biases)]
        for b in self.blocks:
            forward += [convolutions[b.name], (NORM, norms[b.name])]
        backward = self._image_back()
        for b in reversed(self.blocks):
            backward.append((NORM_BACK, norms[b.name]))
            backward += self._convolution_back(b, convolutions[b.name][1])
        self.forward = np.array([*forward, self._image()])
        self.backward = np.array([*backward, *self._condition_back("label" in network.inputs)])
        self._finish()

    def _stages(self) -> None:
        """The layer before the condition, and the biases of all blocks as one layer behind it."""
        W, nothing = self._places["embed"]["W"], self._packed.nothing
        embed = Stage(Conv2d(len(W), W.shape[1], 1), True, 1, int(W.flat[0]))
        parts = [self._places[f"{b.name}.bias"]["W"] for b in self.blocks]
        W = np.concatenate(parts, axis=1)
        full = np.full((1, 1, embed.widths[1], W.shape[1]), nothing)
        full[0, 0, : len(W)] = W
        self._dense = embed, Given(Conv2d(len(W), W.shape[1], 1), False, 1, 0, W=full)

    def _grids(self, n: int) -> None:
        """Places for all values, and for gradients (g…)."""
        grid, pixel = self._memory.grid, self._memory.pixel
        self.x, self.y, self.gy = grid(n, 1, 1), grid(n, 1), grid(n, 1, 1)
        self._h, self._z, self._gh, self._gz = {"x": self.x}, {}, {}, {}
        shared: dict[tuple[int, int], Grid] = {}  # ∂L/∂z is read at once, and then no more
        for b in self.blocks:
            n, channels = b.stage.out_pixels, b.channels
            self._h[b.name] = grid(b.factor * n, channels, 1)
            self._gh[b.name] = grid(b.factor * n, channels)
            self._z[b.name] = grid(n, channels)
            if (n, channels) not in shared:
                shared[n, channels] = grid(n, channels, 1)
            self._gz[b.name] = shared[n, channels]
        embed, biases = self._dense
        self.features, self.gfeatures = pixel(embed.widths[0]), pixel(embed.widths[0])
        self._e, self._ge, self._slope = (pixel(embed.widths[1]) for _ in range(3))
        self._biases, self._gbiases = pixel(biases.widths[1]), pixel(biases.widths[1])
        self._widest = max(b.stage.conv.inputs for b in self.blocks)
        room = winograd.NUMBERS * (winograd.STRIP * self._widest + 1)
        self._V, self._M = self._memory.vectors(room), self._memory.vectors(room)

    def _pack(self) -> None:
        """The weights that have gradients; those of Winograd's convolutions are not among them."""
        add, places, nothing = self._packed.add, self._places, self._packed.nothing
        stages = dict(zip(("embed", "bias"), self._dense, strict=True))
        stages |= {b.name: b.stage for b in self.blocks if b.direct}
        self._w = {name: add(octets(s.kernel(nothing), s.widths[1])) for name, s in stages.items()}
        turned = _turned(places["last"]["W"])
        self._w["last"] = add(octets(turned, turned.shape[3]))
        self.last_bias = add(places["last"]["b"])
        b = places["embed"]["b"]
        self._embed_bias = add(np.pad(b, (0, -len(b) % OCTET), constant_values=nothing))
        both = [[places[f"{b.name}.{part}"]["b"] for b in self.blocks] for part in ("bias", "conv")]
        biases, self.own_bias = map(np.concatenate, both)
        start = add(biases)
        self.bias = slice(start, start + biases.size)
        self._affine = {
            b.name: {name: add(values) for name, values in places[f"{b.name}.norm"].items()}
            for b in self.blocks
        }
        # Zeros for convolutions without a bias; among the gradients a place where no one looks.
        self._zeros = add(np.full(max(self._widest, *self._dense[0].widths), nothing))
        self.learned = self._packed.size

    def _add(self, table: int, row: Row) -> int:
        self._rows[table].append(row)
        return len(self._rows[table]) - 1

    def _pass(self, row: Row, what: int = CONVOLVE) -> Step:
        return what, self._add(CONVOLVE, row)

    def _back(self, stage: Stage, g: Grid, gx: Grid, ending: int) -> list[Step]:
        """From g = ∂L/∂z of a stage to ∂L/∂x of its input."""
        rows = way_back(stage, g, gx, self._slope, self._packed, self._zeros)
        return [self._pass(row | {"ending": ending}) for row in rows]

    def _embed(self, to: Grid, what: int = CONVOLVE) -> Step:
        """The condition from the features; or to ∂L/∂ its dense layer's result, the gradients."""
        row = way_on(self._dense[0], self.features, to, self._slope)
        return self._pass(row | {"weights": self._w["embed"], "bias": self._embed_bias}, what)

    def _bias(self, to: Grid, what: int = CONVOLVE) -> Step:
        """The biases from the condition, or the gradients."""
        row = way_on(self._dense[1], self._e, to, self._slope)
        return self._pass(row | {"weights": self._w["bias"], "bias": self.bias.start}, what)

    def _condition_back(self, classes: bool) -> list[Step]:
        embed, biases = self._dense
        steps = [
            self._bias(self._gbiases, LEARN),
            *self._back(biases, self._gbiases, self._ge, SLOPE),
            self._embed(self._ge, LEARN),
        ]
        return steps + (self._back(embed, self._ge, self.gfeatures, PLAIN) if classes else [])

    def _norm(self, b: Block) -> Row:
        z, h, gz, gh = (of[b.name] for of in (self._z, self._h, self._gz, self._gh))
        before = sum(other.channels for other in self.blocks[: self.blocks.index(b)]) * LANES
        return self._affine[b.name] | {
            "pixels": z.pixels, "channels": z.channels, "groups": b.groups, "factor": b.factor,
            "z": z.at(), "z_row": z.row, "h": h.at(), "h_row": h.row,
            "gz": gz.at(), "gz_row": gz.row, "gh": gh.at(), "gh_row": gh.row,
            "bias": self._biases.at() + before, "gbias": self._gbiases.at() + before,
            "scale": self._memory.vectors(2 * z.channels),
        }  # fmt: skip

    def _convolution(self, b: Block) -> Step:
        """z of a block."""
        z, gz = self._z[b.name], self._gz[b.name]
        if b.direct:
            return self._direct(b, z)
        W = self._places[f"{b.name}.conv"]["W"]
        row = self._winograd([self._h[name] for name in b.sources], [z], W)
        row |= {"g": gz.at(), "g_row": gz.row, "learned": sum(k.shape[1] for k in self._taught)}
        self._taught.append(W.reshape(9, -1))
        return WINOGRAD, self._add(WINOGRAD, row)

    def _direct(self, b: Block, to: Grid, what: int = CONVOLVE) -> Step:
        row = way_on(b.stage, self._h[b.sources[0]], to, to)
        return self._pass(row | {"weights": self._w[b.name], "bias": self._zeros}, what)

    def _convolution_back(self, b: Block, forward: int) -> list[Step]:
        """The weights' gradients, and ∂L/∂h of what the block read. A `down` block adds its part to
        that of the join, which comes first on the way back."""
        gz, gh = self._gz[b.name], [self._gh[name] for name in b.sources if name != "x"]
        if b.direct:
            learn = self._direct(b, gz, LEARN)
            return [learn, *(step for g in gh for step in self._back(b.stage, gz, g, ADD))]
        row = self._winograd([gz], gh, _turned(self._places[f"{b.name}.conv"]["W"]))
        return [(WINOGRAD_LEARN, forward), (WINOGRAD, self._add(WINOGRAD, row))]

    def _winograd(self, x: list[Grid], y: list[Grid], W: Integers) -> Row:
        """The convolution of the parts x with W, its results in the parts y."""
        _, _, inputs, outputs = W.shape
        before = sum(k.shape[1] for k in self._kernels)
        rows = octets(W, outputs).reshape(-1, 9, inputs * OCTET)
        self._kernels.append(rows.swapaxes(0, 1).reshape(9, -1))
        return {
            "tiles": -(-y[0].pixels // winograd.SIDE), "inputs": inputs, "outputs": outputs,
            "x": x[0].at(-1, -1), "x_row": x[0].row, "x_channels": x[0].channels,
            "more_x": x[-1].at(-1, -1), "more_x_row": x[-1].row,
            "y": y[0].at(), "y_row": y[0].row, "y_channels": y[0].channels,
            "more_y": y[-1].at(), "more_y_row": y[-1].row, "V": self._V, "M": self._M,
            "weights": before, "inp_step": inputs * LANES, "out_step": outputs * LANES,
            "blocks": outputs // OCTET, "rows": 1, "run": inputs, "bias": self._zeros,
        }  # fmt: skip

    def _image(self) -> Step:
        """y of the last block's h."""
        h, W = self._h[self.blocks[-1].name], self._places["last"]["W"]
        row = way_on(Stage(Conv2d(h.channels, 1, 3, 1, 1), False, h.pixels, 0), h, self.y, self.y)
        row |= {"weights": self._packed.add(W), "bias": self.last_bias}
        return self._pass(row | {"channels": GREY, "blocks": 1})

    def _image_back(self) -> list[Step]:
        """The convolution of one grey channel, ∂L/∂y, with the kernel turned. With h in the place
        of its results, its weights' gradients are those of the last convolution, turned."""
        steps, last = [], self.blocks[-1].name
        for what, grid in ((LEARN, self._h[last]), (CONVOLVE, self._gh[last])):
            stage = Stage(Conv2d(1, grid.channels, 3, 1, 1), False, grid.pixels, 0)
            row = way_on(stage, self.gy, grid, grid)
            row |= {"weights": self._w["last"], "bias": self._zeros}
            steps.append(self._pass(row, what))
        return steps

    def _finish(self) -> None:
        """The tables, with the places that only now are known."""
        self.index = np.concatenate(self._packed.parts)
        self.kernels, self.taught = (
            np.concatenate(parts, axis=1) for parts in (self._kernels, self._taught)
        )
        for row in self._rows[WINOGRAD]:
            row["weights"] += self.index.size
            row["learned"] = row.get("learned", 0) + self.learned
            row["weights_next"], row["learned_next"] = self.kernels.shape[1], self.taught.shape[1]
        kinds = {CONVOLVE: PASS, WINOGRAD: winograd.WINOGRAD, NORM: group_norm.NORM}
        self.tables = tuple(table(self._rows[what], kind) for what, kind in kinds.items())
        self.size = self._memory.size


def _turned(W: Integers) -> Integers:
    """The kernel of the way back: turned by 180°, channels exchanged."""
    return W[::-1, ::-1].swapaxes(2, 3)
