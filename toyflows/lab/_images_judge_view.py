"""The sheet to draw on, and what three networks say about the drawing."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.events import Pan, PanEnd, PanStart, Tap
from bokeh.layouts import column, row
from bokeh.models import Button, ColumnDataSource, FixedTicker, InlineStyleSheet, Span, Toggle

from toyflows.lab import _images_canvas as canvas
from toyflows.lab._images_judge import READERS, TOP, percent
from toyflows.lab._images_parts import Picture, note, set_axis
from toyflows.lab._look import Look, beside
from toyflows.lab._room import Change, Frame
from toyflows.lab._widgets import SHEET
from toyflows.pictures import levels

RIGHT, SEEN = 470, 150  # pixels


class JudgeView:
    """Left the sheet; right the scores of letters and outsiders, the table, and the readers."""

    def __init__(self, look: Look, change: Change):
        self.look, self.change = look, change
        self.sheet, self.last = canvas.blank(), (0.0, 0.0)
        self.drawing = False
        self.left = Picture(look, canvas.SIDE, name="sheet")
        self.note = note(look, self.left.p)
        for event, heard in ((PanStart, self._begin), (Pan, self._go_on), (PanEnd, self._end),
                             (Tap, self._tap)):  # fmt: skip
            self.left.p.on_event(event, heard)
        how: dict[str, Any] = {"width": 110, "stylesheets": [InlineStyleSheet(css=SHEET)]}
        self.clear = Button(
            label="Clear", name="clear", html_attributes={"title": "Takes away the drawing"}, **how
        )
        self.clear.on_click(lambda: self._draw(canvas.blank()))
        self.rubber = Toggle(
            label="Rubber",
            name="rubber",
            html_attributes={"title": "Draws white in place of ink"},
            **how,
        )
        left = column(self.left.p, row(self.clear, self.rubber), sizing_mode="stretch_both")
        self.hist = self._distributions()
        self.table = self._table()
        self.seen = Picture(look, canvas.SIDE, width=SEEN, sizing_mode="stretch_height")
        self.seen.p.title.text = "as seen"
        self.readers = {name: self._reader(name) for name in READERS}
        below = row(self.seen.p, *(p for p, _, _ in self.readers.values()), height=210,
                    sizing_mode="stretch_width")  # fmt: skip
        right = column(self.hist, self.table, below, width=RIGHT, sizing_mode="stretch_height")
        self.layout = beside(left, right)

    def show(self, frame: Frame) -> None:
        """Shows everything, except the sheet while a stroke is being drawn."""
        if not self.drawing:
            self.sheet = canvas.unpack(frame["editable"])
            self.left.show(frame["canvas"])
        self.note.text = self.look.fold(frame["note"])
        self.seen.show(frame["pixels"])
        self._show_distributions(frame)
        self._show_table(frame)
        for name in READERS:
            self._show_reader(name, frame)

    # ---- drawing on the sheet

    def _place(self, event: Any) -> tuple[float, float]:
        return float(event.x), canvas.SIDE - float(event.y)

    def _begin(self, event: Any) -> None:
        self.drawing, self.last = True, self._place(event)
        self._go_on(event)

    def _go_on(self, event: Any) -> None:
        if self.drawing:
            here = self._place(event)
            self.sheet = canvas.stroke(self.sheet, self.last, here, bool(self.rubber.active))
            self.last = here
            self.left.show(levels(canvas.pixels(self.sheet)))

    def _end(self, _event: Any = None) -> None:
        self.drawing = False
        self._draw(self.sheet)

    def _tap(self, event: Any) -> None:
        self._begin(event)
        self._end()

    def _draw(self, sheet: np.ndarray) -> None:
        self.sheet = sheet
        self.change({"image": "drawn", "pattern": canvas.pack(sheet)})

    # ---- the distributions

    def _distributions(self) -> Any:
        look = self.look
        p = look.figure("…", x_range=(0, 1), y_range=(0, 1.45), min_height=180)
        p.xaxis.ticker = FixedTicker(ticks=[])
        p.yaxis.visible = p.grid.visible = False
        self.bars = ColumnDataSource({"left": [], "right": [], "letters": [], "others": []})
        for name, colour in (("letters", look.data), ("others", look.exact)):
            p.quad(left="left", right="right", top=name, bottom=0, source=self.bars,
                   color=colour, fill_alpha=0.45, line_alpha=0)  # fmt: skip
        self.limit = Span(dimension="height", line_color=look.formula, line_dash="dashed",
                          line_width=3, level="glyph")  # fmt: skip
        self.value = Span(dimension="height", line_color=look.accent, line_width=4, level="glyph")
        p.add_layout(self.limit)
        p.add_layout(self.value)
        self.words = ColumnDataSource({"x": [], "y": [], "text": [], "colour": [], "align": [],
                                       "dx": []})  # fmt: skip
        p.text("x", "y", "text", text_color="colour", text_align="align", source=self.words,
               x_offset="dx",
               text_font_style="bold", text_font_size=f"{look.type}px",
               background_fill_color=look.paper, background_fill_alpha=0.8)  # fmt: skip
        return p

    def _show_distributions(self, frame: Frame) -> None:
        edges, look = frame["edges"], self.look
        self.bars.data = {"left": edges[:-1], "right": edges[1:], "letters": frame["letters"],
                          "others": frame["others"]}  # fmt: skip
        self.value.location, self.limit.location = frame["value at"], frame["limit at"]
        set_axis(self.hist.x_range, self.hist.xaxis, frame)
        self.hist.title.text = frame["score"]
        low, high = frame["low"], frame["high"]
        named = [("test letters", low, 1.31, look.data, 0),
                 (frame["outsiders"], high, 1.31, look.exact, 0),
                 ("this image", frame["value at"], 1.16, look.accent, 6),
                 ("95 %", frame["limit at"], 1.02, look.formula, 6)]  # fmt: skip
        left = [2 * x < low + high for _, x, *_ in named]
        self.words.data = {
            "x": [x for _, x, *_ in named], "y": [y for _, _, y, *_ in named],
            "text": [text for text, *_ in named], "colour": [c for *_, c, _ in named],
            "align": ["left" if here else "right" for here in left],
            "dx": [dx if here else -dx for (*_, dx), here in zip(named, left, strict=True)],
        }  # fmt: skip

    # ---- the table

    def _table(self) -> Any:
        look = self.look
        p = look.figure("", x_range=(0, 100), y_range=(4, 0), height=118,
                        sizing_mode="stretch_width")  # fmt: skip
        p.axis.visible = p.grid.visible = False
        self.cells = ColumnDataSource({"x": [], "y": [], "text": [], "colour": [], "align": []})
        p.text("x", "y", "text", text_color="colour", text_align="align", source=self.cells,
               text_baseline="middle", text_font_size=f"{look.type}px")  # fmt: skip
        return p

    def _show_table(self, frame: Frame) -> None:
        head = ["", "energy", "stranger", "slope", "stranger"]
        rows = [head, *(line.split("|") for line in frame["table"].split("\n"))]
        places = [0, 41, 63, 80, 100]
        self.cells.data = {
            "x": [x for _ in rows for x in places],
            "y": [k + 0.5 for k in range(len(rows)) for _ in places],
            "text": [cell for line in rows for cell in line],
            "colour": [self.look.grey if k == 0 else self.look.ink
                       for k in range(len(rows)) for _ in places],
            "align": [a for _ in rows for a in ("left", *["right"] * 4)],
        }  # fmt: skip

    # ---- the readers

    def _reader(self, name: str) -> tuple[Any, ColumnDataSource, str]:
        look = self.look
        p = look.figure("JEM" if name == "jem28" else "classifier", x_range=(0, 2.15),
                        y_range=(TOP - 0.5, -0.5))  # fmt: skip
        p.axis.visible = p.grid.visible = False
        source = ColumnDataSource({"y": [], "q": [], "text": []})
        p.hbar("y", right="q", left=0, height=0.8, source=source, color=look.second)
        p.text("q", "y", "text", source=source, text_color=look.ink, text_baseline="middle",
               x_offset=5, text_font_size=f"{look.type}px", text_font_style="bold")  # fmt: skip
        return p, source, name

    def _show_reader(self, name: str, frame: Frame) -> None:
        q = frame[f"q, {name}"]
        words = [f"{c} {percent(p)}" for c, p in zip(frame[f"top, {name}"], q, strict=True)]
        self.readers[name][1].data = {"y": np.arange(TOP), "q": q, "text": words}
