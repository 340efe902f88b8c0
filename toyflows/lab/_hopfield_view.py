"""The Hopfield room on the page: the state to draw on, the memories, the energy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.events import DoubleTap, Pan, PanEnd, PanStart, Tap
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d
from bokeh.models.annotations import Span

from toyflows.lab import _memories as memories
from toyflows.lab._images_parts import note
from toyflows.lab._look import Look, beside, mixed
from toyflows.lab._recall import signed
from toyflows.lab._room import Change, Frame

TYPEWRITER = value("monospace")
BAR = 0.9  # of a memory's place: its picture and its bar are so wide
HIGH = 1.32  # of a place: picture, bar and words
WORDS = (12.5, 1.15)  # a place where memories are texts
RIGHT = {"flex": "0 0 40%"}


class View:
    """The state left; right the memories with their overlaps, above the energy."""

    def __init__(self, look: Look, change: Change):
        self.look, self.change = look, change
        self.frame: Frame = {}
        self.places: list[tuple[float, float]] = []
        self.canvas: Any = None  # cells (h, w) that the audience is drawing on
        self._state()
        self._memories()
        self._energy()
        right = column(self.book, self.energy, sizing_mode="stretch_both", styles=RIGHT)
        self.heading = look.heading()
        below = beside(self.grid, right)
        self.layout = column(self.heading.div, below, sizing_mode="stretch_both")

    # ---- the state

    def _state(self) -> None:
        look = self.look
        self.grid = p = look.picture(look.figure(name="state"))
        p.x_range.range_padding = p.y_range.range_padding = 0.02
        half = mixed(look.paper, look.exact, 0.45)
        colours = [look.faint, look.data, half, look.exact, look.paper]
        self.cells = ColumnDataSource({"image": [], "dw": [], "dh": []})
        p.image("image", x=0, y=0, dw="dw", dh="dh", source=self.cells,
                color_mapper=LinearColorMapper(palette=colours, low=-0.5, high=4.5))  # fmt: skip
        self.lines = ColumnDataSource({"xs": [], "ys": []})
        p.multi_line("xs", "ys", source=self.lines, color=look.paper, line_width=2)
        self.unit = ColumnDataSource({"x": [], "y": []})
        p.rect("x", "y", 1, 1, source=self.unit, fill_alpha=0, line_color=look.walkers,
               line_width=5)  # fmt: skip
        self.letters = ColumnDataSource({"x": [], "y": [], "text": []})
        p.text("x", "y", "text", source=self.letters, text_align="center", text_color=look.ink,
               text_baseline="middle", text_font_size="22px", text_font=TYPEWRITER)  # fmt: skip
        self.note = note(look, p)
        for event, heard in ((PanStart, self._begin), (Pan, self._go_on), (PanEnd, self._end),
                             (Tap, self._tap)):  # fmt: skip
            p.on_event(event, heard)

    def _show_state(self, frame: Frame) -> None:
        cells = frame["cells"]
        h, w = cells.shape
        if (h, w) != self.frame.get("cells", np.zeros((0, 0))).shape:
            rows = [([0, w], [y, y]) for y in range(h + 1)]
            columns = [([x, x], [0, h]) for x in range(w + 1)]
            xs, ys = zip(*rows, *columns, strict=True)
            self.lines.data = {"xs": list(xs), "ys": list(ys)}
        self.cells.data = {"image": [cells[::-1]], "dw": [w], "dh": [h]}
        place = frame["unit"]
        self.unit.data = {"x": place[:1] + 0.5, "y": h - 0.5 - place[1:]}
        words = list(frame["words"])
        middle = np.arange(len(words)) + 0.5
        self.letters.data = {"x": middle, "y": np.full(len(words), -0.7), "text": words}
        self.heading.say(frame["message"])
        self.note.text = self.look.fold(frame["note"])

    # ---- drawing on it

    def _cell(self, event: Any) -> tuple[int, int] | None:
        """(row, column) under the mouse."""
        h, w = self.frame["cells"].shape
        x, y = math.floor(event.x), h - 1 - math.floor(event.y)
        return (y, x) if 0 <= x < w and 0 <= y < h else None

    def _begin(self, event: Any) -> None:
        if not self.frame or not self.frame["drawable"]:
            return
        on = np.isin(self.frame["cells"], (1, 3))
        cell = self._cell(event)
        self.canvas, self.last = on, cell
        self.ink = not on[cell] if cell else True  # a stroke that begins on ink takes it away
        self._go_on(event)

    def _go_on(self, event: Any) -> None:
        """Inks the cells from the last place of the mouse to this one."""
        cell = self._cell(event) if self.canvas is not None else None
        if cell is None:
            return
        start = self.last or cell
        n = max(abs(cell[0] - start[0]), abs(cell[1] - start[1]), 1)
        for k in range(n + 1):
            y, x = (round(a + (b - a) * k / n) for a, b in zip(start, cell, strict=True))
            self.canvas[y, x] = self.ink
        self.last = cell
        h, w = self.canvas.shape
        image = self.canvas[::-1].astype(np.uint8)
        self.cells.data = {"image": [image], "dw": [w], "dh": [h]}

    def _end(self, _event: Any = None) -> None:
        if self.canvas is not None:
            drawing = memories.write_drawing(self.canvas[None])
            self.canvas = None
            self._start(memories.DRAWN, drawing=drawing)

    def _tap(self, event: Any) -> None:
        self._begin(event)
        self._end()

    def _start(self, word: str, **more: Any) -> None:
        """Starts from this state, undamaged, at step 0."""
        start = dict.fromkeys(memories.BEGIN.values(), word)
        self.change({**start, **more, "flips": 0, "step": 0})

    # ---- the memories

    def _memories(self) -> None:
        look = self.look
        book = look.figure("overlap with memories", name="memories")
        self.book = p = look.picture(book, inside=(0.5, -0.5))
        p.x_range.range_padding = p.y_range.range_padding = 0.01
        self.bars = ColumnDataSource({"x": [], "y": [], "w": [], "colour": []})
        self.frames = ColumnDataSource({"x": [], "y": [], "w": [], "h": [], "seen": []})
        self.pictures = ColumnDataSource({"image": [], "x": [], "y": []})
        self.names = ColumnDataSource({"x": [], "y": [], "text": [], "colour": [], "size": []})
        p.rect("x", "y", "w", "h", source=self.frames, fill_alpha=0, line_color=look.grey,
               line_alpha="seen", line_width=2, line_dash="dashed")  # fmt: skip
        two = LinearColorMapper(palette=[look.faint, look.data], low=0, high=1)
        p.image("image", "x", "y", BAR, BAR, source=self.pictures, color_mapper=two)
        p.hbar("y", right="w", left="x", height=0.09, color="colour", source=self.bars)
        p.text("x", "y", "text", source=self.names, text_color="colour", text_font_size="size",
               text_font=TYPEWRITER, text_font_style="bold", text_baseline="bottom")  # fmt: skip
        p.on_event(Tap, self._pick)
        p.on_event(DoubleTap, self._forget)

    def _show_memories(self, frame: Frame) -> None:
        m, text, near, n = frame["overlaps"], frame["text"], frame["nearest"], frame["places"]
        across = 1 if text else max(1, int(math.sqrt(1.8 * n) + 0.3))
        wide, high = WORDS if text else (1.0, HIGH)
        k = np.arange(n)
        x, y = (k % across) * wide, -(k // across + 1.0) * high
        self.places, self.size = list(zip(x.tolist(), y.tolist(), strict=True)), (wide, high)
        look, p = self.look, len(m)
        colour = np.where(m >= 0, look.walkers, look.exact)
        bar = (0.72 * wide if text else BAR) * np.abs(m)
        self.bars.data = {"x": x[:p] + 0.05, "y": y[:p] + 0.08 if text else y[:p] + high - 0.99,
                          "w": x[:p] + 0.05 + bar, "colour": colour}  # fmt: skip
        big = text or n <= 6
        names = [f"{a}  {signed(b)}" if big else a for a, b in zip(frame["names"], m, strict=True)]
        self.names.data = {
            "x": x[:p] + 0.05, "y": y[:p] + (0.2 if text else 0.01), "text": names,
            "colour": np.where(np.arange(p) == near, look.ink, look.grey),
            "size": [f"{look.type if big else 13}px"] * p,
        }  # fmt: skip
        self.pictures.data = {"image": [] if text else [a[::-1] for a in frame["pictures"]],
                              "x": [] if text else x[:p] + 0.05,
                              "y": [] if text else y[:p] + high - BAR}  # fmt: skip
        w, h = (wide, high) if text else (BAR, BAR)  # those of memories only make room
        self.frames.data = {"x": x + (w / 2 if text else 0.5), "y": y + high - h / 2,
                            "w": np.full(n, w), "h": np.full(n, h),
                            "seen": (k >= p).astype(float)}  # fmt: skip

    def _place(self, event: Any) -> int | None:
        """Which memory is under the mouse."""
        wide, high = self.size
        for k, (x, y) in enumerate(self.places):
            if x <= event.x < x + wide and y <= event.y < y + high:
                return k
        return None

    def _pick(self, event: Any) -> None:
        """Starts from a memory; on an empty place, stores the drawing."""
        k = self._place(event)
        if k is None:
            return
        if k < len(self.frame["names"]):
            self._start(str(self.frame["names"][k]))
        elif self.frame["drawable"]:
            now = np.isin(self.frame["cells"], (1, 3))[None]
            self._store(np.concatenate([self._drawn(), now]) if k else now)

    def _forget(self, event: Any) -> None:
        """Deletes a drawn memory that was tapped twice."""
        k, drawn = self._place(event), self._drawn()
        if k is not None and k < len(drawn) and self.frame["places"] > len(self.frame["names"]) - 1:
            self._store(np.delete(drawn, k, axis=0))

    def _drawn(self) -> Any:
        return self.frame["pictures"] > 0

    def _store(self, pictures: Any) -> None:
        self.change({"stored": memories.write_drawing(pictures)})

    # ---- the energy

    def _energy(self) -> None:
        look = self.look
        self.energy = p = look.figure("energy E = −½ sᵀWs", height=250, sizing_mode="stretch_width",
                                      y_range=Range1d(start=-1, end=1),
                                      x_range=Range1d(start=0, end=1))  # fmt: skip
        p.xaxis.axis_label = "updates"
        p.yaxis.formatter.use_scientific = False
        self.path = ColumnDataSource({"x": [], "y": []})
        self.here = ColumnDataSource({"x": [], "y": []})
        p.line("x", "y", source=self.path, color=look.walkers, line_width=3)
        p.scatter("x", "y", source=self.here, color=look.walkers, size=12)
        self.floor = Span(location=0, dimension="width", line_color=look.formula,
                          line_dash="dashed", line_width=2)  # fmt: skip
        p.add_layout(self.floor)
        self.floor_name = look.word(p, "", look.formula, 4, 0, x_units="screen", y_units="data",
                                    text_baseline="bottom")  # fmt: skip

    def _show_energy(self, frame: Frame) -> None:
        x, E, floor = frame["steps"], frame["energies"], frame["memory_energy"]
        self.path.data = {"x": x, "y": E}
        self.here.data = {"x": x[-1:], "y": E[-1:]}
        low, high = min(float(E.min()), floor), max(float(E.max()), floor)
        room = 0.12 * (high - low) or 1.0
        self.energy.y_range.update(start=low - room, end=high + room)
        self.energy.x_range.end = max(float(x[-1]) * 1.05, 25.0)
        self.floor.location = self.floor_name.y = floor
        near = frame["nearest"]
        self.floor_name.text = f"E of {frame['names'][near]}" if near >= 0 else ""

    def show(self, frame: Frame) -> None:
        """Draws a frame."""
        self._show_state(frame)
        self._show_memories(frame)
        self._show_energy(frame)
        self.frame = frame
