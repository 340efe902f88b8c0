"""The theory's lines on a phase diagram, and the names of lines and regions where there is room."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.figures._raster import CELL, Room, zeros
from toyflows.figures._style import GREY, INK
from toyflows.figures._table import COLOUR, ON_DARK
from toyflows.figures._title import mathtext
from toyflows.sweep.chart import Chart, Panel
from toyflows.verdict import KINDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

DASHES: tuple[Any, ...] = ((0, (5, 2)), "solid", (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
BESIDE = 5.0  # raster cells between a line and the box of its name, at most
SPLIT = {"mode collapse": "mode\ncollapse", "no learning": "no\nlearning"}
WORDS: dict[str, Any] = {"color": INK, "fontsize": 13.0, "ha": "center", "va": "center"}


def words(figure: Figure, shown: Sequence[tuple[Axes, Chart, Panel]]) -> None:
    """Draws the lines, and puts the names of regions, then of lines, where there is room: last of
    all, as it needs the final layout. What fits nowhere is named above its map."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    known: dict[str, set[str]] = {}  # a line is named again on continuous colour
    left: list[tuple[Axes, str]] = []
    for axes, chart, panel in shown:
        named = known.setdefault(chart.show, set())
        room = Room(axes, chart, panel)
        lines = {name: _line(room, level, dashes) for dashes, (name, level)
                 in zip(DASHES, panel.lines.items(), strict=False)}  # fmt: skip
        if chart.show == "verdict":
            for kind in sorted(set(panel.values[panel.there].tolist())):
                if _region(room, kind):
                    named.add(KINDS[kind])
                else:
                    left.append((axes, KINDS[kind]))
        for name, on in lines.items():
            others = np.any([o for o in lines.values() if o is not on] or [~on & on], axis=0)
            if name not in named and on.any() and _beside(room, on, others, name):
                named.add(name)
    _above([(axes, kind) for axes, kind in left if kind not in known["verdict"]])


def _above(left: Sequence[tuple[Axes, str]]) -> None:
    """Kinds without room in any map, each once, over a map that has it, right to left."""
    ends: dict[Axes, float] = {}
    named: set[str] = set()
    for axes, kind in left:
        if kind in named:
            continue
        named.add(kind)
        colour = GREY if kind == "no learning" else COLOUR[kind]
        text = axes.text(ends.get(axes, 1.0), 1.02, kind, transform=axes.transAxes, color=colour,
                         ha="right", fontweight="bold", fontsize=13)  # fmt: skip
        box = text.get_window_extent()
        ends[axes] = float(axes.transAxes.inverted().transform((box.x0 - 10, box.y0))[0])


def _region(room: Room, kind: int) -> bool:
    """The kind's name, in the roomiest place of its colour: is there any?"""
    from scipy.ndimage import distance_transform_edt

    mine = room.kinds == kind
    inside = distance_transform_edt(np.pad(mine & ~room.taken, 1))[1:-1, 1:-1]
    word = KINDS[kind]
    ink = "white" if word in ON_DARK else INK
    for said, turn in ((word, 0), (SPLIT.get(word, word), 0), (word, 90)):
        text = room.axes.text(0.5, 0.5, said, transform=room.axes.transAxes, rotation=turn,
                              **WORDS | {"color": ink, "fontweight": "bold"})  # fmt: skip
        text.set_in_layout(False)
        if room.put(text, mine, inside):
            return True
    return False


def _line(room: Room, level: Array, dashes: Any) -> NDArray[np.bool_]:
    """Draws the zeros of `level`; which cells of the raster they are in."""
    on = np.zeros(room.taken.shape, bool)
    for points in zeros(room.chart.xs, room.chart.ys, level):
        room.axes.plot(*points.T, color=INK, lw=2.2, ls=dashes, scalex=False, scaley=False,
                       path_effects=[withStroke(linewidth=4.5, foreground="white")])  # fmt: skip
        pixels = room.axes.transData.transform(points)
        along = np.append(0.0, np.cumsum(np.hypot(*np.diff(pixels, axis=0).T)))
        even = np.linspace(0, along[-1], int(along[-1]) + 2)
        dense = np.stack([np.interp(even, along, c) for c in pixels.T], 1)
        box = room.axes.get_window_extent()
        dense = dense[(dense >= [box.x0, box.y0]).all(1) & (dense <= [box.x1, box.y1]).all(1)]
        on[room.cells(dense)] = True
    room.taken |= on
    return on


def _beside(room: Room, on: NDArray[np.bool_], others: NDArray[np.bool_], name: str) -> bool:
    """The line's name beside it, on one colour if there is room: has it been placed?"""
    from scipy.ndimage import distance_transform_edt

    near = -distance_transform_edt(~on)
    steps = np.zeros(on.shape, bool)
    for axis in (0, 1):
        steps |= np.diff(room.kinds, axis=axis, prepend=room.kinds.take([0], axis)) != 0
    half = max(len(name) // 2, *map(len, name.split())) + 2
    said = (name, "\n".join(textwrap.wrap(name, half)))
    # A name that is nearer to another line would be read as that line's.
    rival = -distance_transform_edt(~others) if others.any() else np.full(on.shape, -np.inf)
    for free, other in ((~steps, rival), (~on, rival), (~on, None)):
        for words_of in said:
            text = room.axes.text(
                0.5, 0.5, mathtext(words_of, bold=False), transform=room.axes.transAxes, **WORDS
            )
            text.set_path_effects([withStroke(linewidth=4, foreground="white")])
            text.set_in_layout(False)
            if room.put(text, free, near, other, -BESIDE):
                if other is None:
                    _lead(room, text, on)
                return True
    return False


def _lead(room: Room, text: Text, on: NDArray[np.bool_]) -> None:
    """A thin line from a name that stands apart to the nearest point of its line."""
    box, origin = text.get_window_extent(), room.axes.get_window_extent()
    rows, columns = np.nonzero(on)
    points = np.stack([origin.x0 + CELL * (columns + 0.5), origin.y0 + CELL * (rows + 0.5)], 1)
    inside = np.clip(points, [box.x0, box.y0], [box.x1, box.y1])
    k = int(np.hypot(*(points - inside).T).argmin())
    ends = room.axes.transAxes.inverted().transform([inside[k], points[k]])
    room.axes.plot(*ends.T, transform=room.axes.transAxes, color=INK, lw=1)
