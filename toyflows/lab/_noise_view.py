"""The picture of the room of noise: one figure, in which every act has its panels.

What is exact is shaded in its colour, walkers and the network are green, drawn points blue.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh import events
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, DataRange1d, LinearColorMapper

from toyflows.lab import _noise_marks as marks
from toyflows.lab._look import Look, mixed
from toyflows.lab._noise_laws import DRAWN, MOST, REACH
from toyflows.lab._packed import pack_points
from toyflows.lab._room import Change, Frame

NEAR = 0.12  # between two points of a stroke
SHADES = 64
DARKEST = 0.6  # share of the exact colour where a density is highest


class NoiseView:
    """See above."""

    def __init__(self, look: Look, change: Change):
        self.look = look
        self.sources: dict[str, ColumnDataSource] = {}
        ranges = {"x_range": DataRange1d(range_padding=0), "y_range": DataRange1d(range_padding=0)}
        self.figure = look.picture(look.figure(**ranges))
        self.heading = look.heading()
        self.layout = column(self.heading.div, self.figure, sizing_mode="stretch_both")
        self._shades()
        self._clouds()
        self._lines()
        self.note = look.word(self.figure, "", look.grey, 6, 2, text_font_style="normal")
        self.pen = Pen(self, change)

    # ------------------------------------------------------------ the empty drawing
    def _source(self, name: str, columns: str) -> ColumnDataSource:
        self.sources[name] = ColumnDataSource({column: [] for column in columns.split()})
        return self.sources[name]

    def _shades(self) -> None:
        """The shades, under invisible corners that decide what is seen, in equal units."""
        look, p = self.look, self.figure
        corners = p.scatter("x", "y", source=self._source("corners", "x y"), alpha=0)
        self._look_at("")
        for axis in (p.x_range, p.y_range):
            axis.renderers = [corners]
        palette = [mixed(look.paper, look.exact, DARKEST * k / (SHADES - 1)) for k in range(SHADES)]
        p.image("image", "x", "y", "dw", "dh", source=self._source("images", "image x y dw dh"),
                color_mapper=LinearColorMapper(palette=palette, low=0, high=255))  # fmt: skip

    def _clouds(self) -> None:
        look, p = self.look, self.figure
        for name, colour, size in (("dots", look.walkers, 5), ("data", look.data, 7)):
            p.scatter("x", "y", source=self._source(name, "x y"), size=size, color=colour,
                      line_color=None, fill_alpha=0.75)  # fmt: skip
        for name, colour, width in (("arrows", look.ink, 1.6), ("learned", look.walkers, 2.8)):
            source = self._source(name, "x0 y0 x1 y1 angle size")
            p.segment("x0", "y0", "x1", "y1", source=source, color=colour, line_width=width)
            p.scatter("x1", "y1", source=source, marker="triangle", angle="angle", size="size",
                      color=colour)  # fmt: skip

    def _lines(self) -> None:
        look, p = self.look, self.figure
        p.multi_line("xs", "ys", source=self._source("ways", "xs ys"), color=look.ink,
                     line_width=1.4, line_alpha=0.8)  # fmt: skip
        p.quad("left", "right", "top", marks.FLOOR, source=self._source("bars", "left right top"),
               color=look.walkers, line_color=None)  # fmt: skip
        p.multi_line("xs", "ys", source=self._source("lines", "xs ys colour"), color="colour",
                     line_width=3)  # fmt: skip
        p.text("x", "y", "text", source=self._source("words", "x y text colour align"),
               text_color="colour", text_align="align", text_font_style="bold",
               text_font_size=f"{look.type}px", text_baseline="bottom")  # fmt: skip

    # ------------------------------------------------------------ a frame
    def put(self, name: str, **columns: Any) -> None:
        """New numbers for one of the sources."""
        self.sources[name].data = columns

    def _look_at(self, act: str) -> None:
        x, y = marks.CORNERS.get(act, marks.PAIR)
        self.put("corners", x=list(x), y=list(y))

    def show(self, frame: Frame) -> None:
        """See View. A frame that is only a title says what is being done."""
        self.heading.say(frame["title"])
        if "act" not in frame:
            return
        act = frame["act"]
        left = marks.middle(act)
        self._look_at(act)
        self.put("images", **marks.images(frame))
        for name in ("arrows", "learned"):
            self.put(name, **marks.arrows(frame[f"left_{name}"], left))
        self.put("dots", **marks.clouds(frame))
        self.put("ways", **marks.ways(frame))
        self.note.text = self.look.fold(frame["note"])
        self.pen.take(frame, left)
        self._mark(marks.Marks.of(frame))

    def _mark(self, made: marks.Marks) -> None:
        left, right, height = zip(*made.bars, strict=True) if made.bars else ((), (), ())
        self.put("bars", left=list(left), right=list(right),
                 top=[marks.FLOOR + h for h in height])  # fmt: skip
        role, xs, ys = zip(*made.lines, strict=True) if made.lines else ((), (), ())
        self.put("lines", xs=list(xs), ys=list(ys), colour=[getattr(self.look, r) for r in role])
        x, y, text, role, align = zip(*made.words, strict=True) if made.words else ((),) * 5
        self.put("words", x=list(x), y=list(y), text=list(text), align=list(align),
                 colour=[getattr(self.look, r) for r in role])  # fmt: skip


class Pen:
    """The audience's pen while the target is points: a tap draws one, a stroke draws a row of them,
    and a double tap begins again."""

    def __init__(self, view: NoiseView, change: Change):
        self.view, self.change = view, change
        self.points: list[tuple[float, float]] = []
        self.left, self.active, self.fresh, self.down = 0.0, False, True, False
        for event, hear in (
            (events.Tap, self.tap), (events.PanStart, self.begin), (events.Pan, self.drag),
            (events.PanEnd, self.end), (events.DoubleTap, self.clear),
        ):  # fmt: skip
            view.figure.on_event(event, hear)

    def take(self, frame: Frame, left: float) -> None:
        """The points of a frame, unless a stroke is being drawn."""
        self.left = left
        self.active, self.fresh = frame["target"] == DRAWN, bool(frame["fresh"])
        if not self.down:
            self.points = [(float(x), float(y)) for x, y in frame["data"]]
            self.show()

    def show(self) -> None:
        """Shows the drawing at once, before anything is computed from it."""
        x, y = np.array(self.points).reshape(-1, 2).T
        self.view.put("data", x=x + self.left, y=y)

    def tap(self, event: Any) -> None:
        """One point."""
        self.begin(event)
        self.end(event)

    def begin(self, event: Any) -> None:
        """The first stroke takes the place of the shape that is there when nothing is drawn."""
        if self.active and self._inside(event):
            self.down = True
            self.points = [] if self.fresh else self.points
            self.fresh = False
            self.drag(event)

    def drag(self, event: Any) -> None:
        """Points NEAR each other."""
        if not self.down or not self._inside(event) or len(self.points) >= MOST:
            return
        x, y = float(event.x) - self.left, float(event.y)
        if not self.points or np.hypot(x - self.points[-1][0], y - self.points[-1][1]) >= NEAR:
            self.points.append((x, y))
            self.show()

    def end(self, event: Any) -> None:
        """The stroke has ended: the drawing becomes the target."""
        if self.down:
            self.down = False
            self.change({"points": pack_points(self.points, REACH)})

    def clear(self, event: Any) -> None:
        """Back to the shape that is there when nothing is drawn."""
        if self.active:
            self.change({"points": ""})

    def _inside(self, event: Any) -> bool:
        known = event.x is not None and event.y is not None
        return known and abs(event.x - self.left) <= REACH and abs(event.y) <= REACH
