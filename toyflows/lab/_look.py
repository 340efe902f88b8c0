"""How rooms look: the figures' colours, light and dark, large enough for the back row."""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from bokeh.layouts import row
from bokeh.models import Div, InlineStyleSheet, Label
from bokeh.plotting import figure

# The roles' colours are the figures' (Okabe & Ito); on black they are lightened to the same ratio.
LIGHT = {
    "paper": "#ffffff", "ink": "#1a1a1a", "faint": "#d9d9d9", "grey": "#595959",
    "data": "#0072B2", "exact": "#D55E00", "walkers": "#007A5A", "formula": "#5f5f5f",
    "accent": "#A8427F", "second": "#8F6200",
}  # fmt: skip
DARK = {
    "paper": "#111111", "ink": "#f2f2f2", "faint": "#3d3d3d", "grey": "#b8b8b8",
    "data": "#56B4E9", "exact": "#FF8A3D", "walkers": "#2FD0A0", "formula": "#b0b0b0",
    "accent": "#E79CC6", "second": "#F0BE4F",
}  # fmt: skip

CALM = 0.3  # seconds that the numbers of a heading stay while a page plays: nobody reads faster


# On a phone what stands side by side stands one above the other.
STACKED = """@media (max-width: 900px) { :host { flex-direction: column !important }
  div { flex: 1 1 auto !important; width: 100% !important; max-width: none !important } }"""


def beside(*children: Any, **how: Any) -> Any:
    """A row of the stage, which is a column where the window is narrow."""
    how = {"sizing_mode": "stretch_both"} | how
    return row(*children, stylesheets=[InlineStyleSheet(css=STACKED)], **how)


class Heading:
    """The message of the picture as a sentence, and its numbers in smaller type.

    New words make the browser lay out the page anew, which takes as long as drawing a frame: so the
    numbers wait, a new message never does.
    """

    def __init__(self, look: Look):
        self.look = look
        self.div = Div(text="", sizing_mode="stretch_width", margin=(2, 8, 0, 8))
        self.message, self.shown_at = "", 0.0
        self.small = False  # where two stand on a page

    def say(self, message: str, says: str = "") -> None:
        now = time.monotonic()
        wait = self.look.playing and message == self.message
        if wait and now < self.shown_at + CALM:
            return
        self.message, self.shown_at = message, now
        size = self.look.type + (2 if self.small else 4 if self.look.narrow else 8)
        less = self.look.type - (4 if self.small and self.look.large else 1)
        more = f'<div style="font-size:{less}px">{escape(says)}</div>'
        said = f'<b style="font-size:{size}px;line-height:1.15">{escape(message)}</b>'
        self.div.text = said + (more if says else "")


@dataclass
class Look:
    """Colours by role, and figures that wear them. `large` is the projector's type, `narrow` a
    phone's window; while the page is `playing`, words may wait."""

    dark: bool = False
    large: bool = False
    narrow: bool = False
    playing: bool = False

    def __getattr__(self, role: str) -> str:
        colours = DARK if self.dark else LIGHT
        if role not in colours:
            raise AttributeError(role)
        return colours[role]

    @property
    def type(self) -> int:
        """Pixels of plain words."""
        return 14 if self.narrow else 20 if self.large else 16

    def fold(self, text: str) -> str:
        """A note under a picture, in lines that a phone has room for."""
        return textwrap.fill(text, 46) if self.narrow else text

    def figure(self, title: str = "", **how: Any) -> Any:
        """A Bokeh figure without tools that fills its place; its title is a sentence or a name."""
        how = {"sizing_mode": "stretch_both", "toolbar_location": None, "tools": "",
               "min_width": 100, "min_height": 100} | how  # fmt: skip
        p = figure(title=title, **how)
        p.background_fill_color = p.border_fill_color = self.paper
        p.outline_line_color = None
        p.title.text_color = self.ink
        p.title.text_font_size = f"{self.type + 2}px"
        p.title.text_font_style = "bold"
        p.axis.axis_label_text_color = p.axis.major_label_text_color = self.ink
        p.axis.axis_label_text_font_size = f"{self.type}px"
        p.axis.axis_label_text_font_style = "normal"
        p.axis.major_label_text_font_size = f"{self.type - 2}px"
        p.axis.axis_line_color = p.axis.major_tick_line_color = self.grey
        p.axis.minor_tick_line_color = None
        p.grid.grid_line_color = self.faint
        p.toolbar.logo = None
        return p

    def word(self, p: Any, text: str, colour: str, x: float, y: float, **how: Any) -> Any:
        """Words at a place of the figure: a line's name in the line's colour, a number as proof.

        x and y are in pixels from its lower left corner; x_units="data" and the like for others.
        """
        how = {"x_units": "screen", "y_units": "screen", "text_font_style": "bold"} | how
        label = Label(x=x, y=y, text=text, text_color=colour, **{
            "text_font_size": f"{self.type}px", "background_fill_color": self.paper,
            "background_fill_alpha": 0.8,
        } | how)  # fmt: skip
        p.add_layout(label)
        return label

    def heading(self) -> Heading:
        """Words above the stage."""
        return Heading(self)

    def picture(self, p: Any, inside: tuple[float, float] = (0.5, 0.5)) -> Any:
        """A figure for pixels: no axes, square pixels. An unseen point `inside` what it will show
        gives it a range before that is there: Bokeh warns of a figure without one."""
        p.axis.visible = False
        p.grid.visible = False
        p.match_aspect = True
        p.scatter(*inside, alpha=0)
        return p


def mixed(one: str, other: str, share: float) -> str:
    """A colour between two, #rrggbb."""
    a, b = (np.array([int(c[k : k + 2], 16) for k in (1, 3, 5)]) for c in (one, other))
    return "#" + "".join(f"{round(v):02x}" for v in a + share * (b - a))
