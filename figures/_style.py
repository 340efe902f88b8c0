"""One look for every figure: a role has one colour, lines carry their names, numbers a true minus.

    data blue, exact law (grid) vermilion, walkers green, lecture's formula grey dashed

Colours are Okabe & Ito's, safe for colour-blind eyes. The message is the title, a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DATA, EXACT, WALKERS, LECTURE = "#0072B2", "#D55E00", "#009E73", "#8a8a8a"
ACCENT, SECOND, THIRD, INK = "#CC79A7", "#E69F00", "#56B4E9", "#333333"
GREY = "#666666"  # of words: the lines' grey is too pale to read
LECTURE_LINE: dict[str, Any] = {"color": LECTURE, "ls": (0, (5, 2)), "lw": 2.5}
COLOUR = {"theory": LECTURE, "grid": EXACT, "walkers": WALKERS}
NAME = {"theory": "lecture's formula", "grid": "exact law", "walkers": "walkers"}


@contextmanager
def style() -> Iterator[None]:
    """The style sheet, and file contents that depend on nothing but the drawing."""
    sheet = resources.files("toyflows.figures").joinpath("toyflows.mplstyle")
    with resources.as_file(sheet) as path, mpl.rc_context(fname=path):
        mpl.rcParams["svg.hashsalt"] = "toyflows"
        yield


def new_figure(**size: Any) -> Figure:
    """An empty figure outside pyplot: no window, no global list. Call inside `style()`."""
    figure = Figure(**size)
    FigureCanvasAgg(figure)
    return figure


PLAIN = re.compile(
    r"(?<![\w$\\])(?:([θq])\*|(θ)\(t\)|(θ)(?![\w*\u0300-\u036f])|([a-zA-Z])(?= [=≥≤] ))"
)


def symbols(figure: Figure) -> None:
    """One notation in all words of a figure but its sentence: θ, θ_* and d in d = 4 are italic."""
    for axes in figure.axes:
        words = [child for child in axes.get_children() if isinstance(child, Text)]
        for text in (*words, axes.xaxis.label, axes.yaxis.label):
            parts = text.get_text().split("$")
            parts[::2] = [PLAIN.sub(_italic, part) for part in parts[::2]]
            text.set_text("$".join(parts))


def _italic(found: re.Match[str]) -> str:
    star, of_time, alone, letter = found.groups()
    return f"${star}_*$" if star else f"${of_time}(t)$" if of_time else f"${alone or letter}$"


def message(figure: Figure, sentence: str) -> None:
    """The figure's message, as a sentence above everything."""
    figure.suptitle(sentence, fontsize=20, fontweight="bold", x=0.01, ha="left")


def panels(
    figure: Figure, data: Any, drawn: Sequence[Callable[[Axes, Any], None]], **how: Any
) -> list[Axes]:
    """Panels side by side, each drawn by its function of (axes, data)."""
    made = list(figure.subplots(1, len(drawn), **how))
    for axes, draw in zip(made, drawn, strict=True):
        draw(axes, data)
    return made


def label(axes: Axes, x: float, y: float, text: str, colour: str, **how: Any) -> None:
    """A line's name in the line's colour, at a point of the axes' data."""
    axes.text(x, y, text, color=colour, **({"fontweight": "bold"} | how))


def proof(axes: Axes, text: str, x: float = 0.04, y: float = 0.04, **how: Any) -> None:
    """The numbers that prove the message, in a corner of the axes (axes coordinates)."""
    how = {"color": INK, "va": "bottom" if y < 0.5 else "top"} | how
    axes.text(x, y, text, transform=axes.transAxes, **how)


def number(value: float, spec: str = "+.3f") -> str:
    """`value` formatted, with a true minus sign."""
    return format(value, spec).replace("-", "−")


def power(value: float, digits: int = 1) -> str:
    """`value` as mathtext a × 10^n."""
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return rf"${mantissa}\times 10^{{{int(exponent)}}}$"
