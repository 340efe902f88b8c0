"""Pieces of the images room's drawing."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, LinearColorMapper, Title
from bokeh.palettes import Greys256

from toyflows.lab._look import Look
from toyflows.lab._room import Frame


class Picture:
    """Square grey levels in a figure p; ink is dark on light pages and light on dark ones."""

    def __init__(self, look: Look, side: float, **how: Any):
        self.p = look.picture(look.figure(**how))
        self.p.x_range.range_padding = self.p.y_range.range_padding = 0
        palette = Greys256 if look.dark else Greys256[::-1]
        self.source = ColumnDataSource({"image": [np.zeros((1, 1), np.uint8)]})
        self.p.image("image", x=0, y=0, dw=side, dh=side, source=self.source,
                     color_mapper=LinearColorMapper(palette=palette, low=0, high=255))  # fmt: skip

    def show(self, levels: np.ndarray) -> None:
        """Row 0 is the highest."""
        self.source.data = {"image": [levels[::-1]]}


def note(look: Look, p: Any) -> Any:
    """A line below a figure."""
    title = Title(text="", text_color=look.grey, text_font_size=f"{look.type - 1}px",
                  text_font_style="normal")  # fmt: skip
    p.add_layout(title, "below")
    return title


def set_axis(range_: Any, axis: Any, frame: Frame) -> None:
    """The ends and ticks of `_images_axis.sides`."""
    range_.start, range_.end = frame["low"], frame["high"]
    ticks, words = frame["ticks"].tolist(), frame["tick words"].split("|")
    axis.ticker.ticks = ticks
    axis.major_label_overrides = dict(zip(ticks, words, strict=True))


def put(layout: Any, *children: Any) -> None:
    """Puts these models into the layout; a layout that has them already is left alone."""
    if layout.children != list(children):
        layout.children = list(children)
