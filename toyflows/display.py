"""How results look in a notebook, on light pages and on dark ones, without a script.

A result that has a look has `_repr_html_`, Jupyter's name for it, made of the pieces here: words,
which are escaped and take the page's own colour, tables, and pictures that are part of the page.
`short` is the one line that every prompt prints in place of arrays.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.uint8]  # (height, width), 0 black … 255 white

WIDE, TALL, LARGE = 720, 300, 12  # pixels of the page: of a picture, of one of its pixels
LONGEST = 60  # characters of a value in `short`
CELL = "padding:2px 16px 2px 0;text-align:left;vertical-align:top"
RULE = "border:0;border-bottom:1px solid rgba(128,128,128,.5)"


def short(thing: Any) -> str:
    """A dataclass in one line: its fields, an array by its type and shape."""
    fields = (f"{f.name}={_brief(getattr(thing, f.name))}" for f in dataclasses.fields(thing))
    return f"{type(thing).__name__}({', '.join(fields)})"


def _brief(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    text = repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def number(value: float, spec: str = ".4g") -> str:
    """`value` with a true minus sign."""
    return format(value, spec).replace("-", "−")


# ---- pieces of a page


def page(*parts: str) -> str:
    """Pieces one below the other."""
    return '<div style="color:inherit;line-height:1.45">' + "".join(parts) + "</div>"


def words(text: str, head: str = "") -> str:
    """A paragraph, after a bold beginning where there is one."""
    bold = f"<b>{html.escape(head)}</b> " * bool(head)
    return f'<p style="margin:4px 0">{bold}{html.escape(text)}</p>'


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """Rows of cells below their names; a number has four digits."""
    named = "".join(f'<th style="{CELL};{RULE}">{html.escape(name)}</th>' for name in head)
    lines = [f'<tr style="background:none">{named}</tr>'] if head else []
    for row in rows:
        cells = "".join(f'<td style="{CELL}">{html.escape(_cell(value))}</td>' for value in row)
        lines.append(f'<tr style="background:none">{cells}</tr>')
    style = "border-collapse:collapse;color:inherit;margin:6px 0"
    return f'<table style="{style}">{"".join(lines)}</table>'


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def picture(png: bytes, width: float, name: str, *, smooth: bool = True) -> str:
    """A PNG at this width in pixels of the page, for a file of twice as many on sharp screens; of
    few pixels not smooth, so that each is seen."""
    style = "max-width:100%;height:auto;vertical-align:top"
    if not smooth:
        style += ";image-rendering:pixelated;outline:1px solid rgba(128,128,128,.5)"
    source = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    named = f'alt="{html.escape(name)}" width="{width:.0f}"'
    return f'<img {named} style="{style}" src="{source}">'


def png(levels: Levels) -> bytes:
    """The file of a picture."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(levels).save(file, "png", optimize=True)
    return file.getvalue()


def gallery(images: Mapping[str, Levels]) -> str:
    """Pictures side by side as far as the page is wide, each below its name."""
    shown = []
    tall = TALL if len(images) <= 3 else TALL // 2
    for name, levels in images.items():
        height, side = levels.shape
        width = min(LARGE * side, WIDE, tall * side / height)
        body = picture(png(levels), width, name or "picture", smooth=False)
        label = f'<div style="font-size:90%;margin:2px 0">{html.escape(name)}</div>' * bool(name)
        style = "display:inline-block;margin:4px 14px 4px 0;vertical-align:top"
        shown.append(f'<div style="{style}">{label}{body}</div>')
    return "".join(shown)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Grey pictures with their names, to be looked at."""

    images: Mapping[str, Levels]

    def __repr__(self) -> str:
        return f"Pictures({', '.join(self.images)})"

    def _repr_html_(self) -> str:
        return page(gallery(self.images))


def density(x: NDArray[np.floating], side: int) -> Levels:
    """Points (n, 2) as a drawing, dark where they are many: pixels (side, side). It shows what lies
    within a square about the middle 99.8 % of the points; y points upwards."""
    low, high = np.quantile(x, [0.001, 0.999], axis=0)
    middle, half = (low + high) / 2, 0.55 * max(float(np.max(high - low)), 1e-9)
    edges = [np.linspace(c - half, c + half, side + 1) for c in middle]
    count = np.histogram2d(x[:, 0], x[:, 1], edges)[0]
    dark = np.sqrt(count / max(count.max(), 1.0)).T[::-1]
    return np.rint(255 * (1 - dark)).astype(np.uint8)
