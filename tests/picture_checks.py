"""What the eye would object to in a figure, looked for by code.

figure = drawn(module, data)
assert problems(figure) == []
"""

from __future__ import annotations

import re
from itertools import combinations
from types import ModuleType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from toyflows.figures import _registry, _style
from toyflows.figures._title import mathtext

SMALLEST = 13.0  # points: readable from the back row at 1280 × 720
SLACK = 1.0  # pixels that boxes may share


def drawn(module: ModuleType, data: dict[str, np.ndarray]) -> Figure:
    """The figure as the gallery draws it, with its layout settled."""
    with _style.style():
        figure = _style.new_figure()
        title, _ = _registry.read(module.__doc__ or "")
        _style.message(figure, mathtext(title))
        module.draw(figure, data)
        _style.symbols(figure)
        figure.canvas.draw()
    return figure


def problems(figure: Figure) -> list[str]:
    """Texts that are clipped, too small, on top of each other, or with a hyphen for a minus."""
    boxes = _boxes(figure)
    page = figure.bbox.padded(SLACK)
    found = [
        f"outside the figure: {text.get_text()!r}"
        for text, box in boxes
        if not (page.contains(box.x0, box.y0) and page.contains(box.x1, box.y1))
    ]
    found += [
        f"overlap: {a.get_text()!r} and {b.get_text()!r}"
        for (a, one), (b, other) in combinations(boxes, 2)
        if one.padded(-SLACK).overlaps(other.padded(-SLACK))
    ]
    found += [
        f"{text.get_fontsize():g} pt: {text.get_text()!r}"
        for text, _ in boxes
        if text.get_fontsize() < SMALLEST
    ]
    found += [f"hyphen for a minus: {t.get_text()!r}" for t, _ in boxes if _hyphen(t.get_text())]
    return found


def struck_through(figure: Figure) -> list[str]:
    """Words of an axes that one of its curves runs through (straight reference lines may)."""
    return [
        f"a curve through {text.get_text()!r}"
        for axes in figure.axes
        for text in axes.texts
        if text.get_visible() and text.get_text()
        for box in [text.get_window_extent().padded(-2 * SLACK)]
        if any(box.count_contains(points) for points in _curves(axes))
    ]


def _boxes(figure: Figure) -> list[tuple[Text, Bbox]]:
    """Every text that is seen, ticks included, with its box in pixels."""
    hidden = {id(label) for axes in figure.axes for label in _unseen_ticks(axes)}
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    return [(t, t.get_window_extent()) for t in texts if id(t) not in hidden]


def _unseen_ticks(axes: Axes) -> list[Text]:
    """Labels of ticks that lie outside the view, which matplotlib keeps but does not draw."""
    out: list[Text] = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        slack = 1e-9 * (high - low)
        for tick in axis.get_major_ticks() + axis.get_minor_ticks():
            if not low - slack <= tick.get_loc() <= high + slack:
                out += [tick.label1, tick.label2]
    return out


def _curves(axes: Axes) -> list[np.ndarray]:
    """Points (n, 2) in pixels, at most 2 pixels apart, of each curve drawn as a line."""
    return [
        _dense(line.get_transform().transform(line.get_xydata()))
        for line in axes.lines
        if line.get_linestyle() != "None" and len(line.get_xydata()) > 2
    ]


def _dense(points: np.ndarray) -> np.ndarray:
    points = points[np.isfinite(points).all(axis=1)]
    along = np.append(0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))
    s = np.linspace(0.0, along[-1], int(min(along[-1] / 2, 1e5)) + 2)
    return np.stack([np.interp(s, along, c) for c in points.T], axis=1)


def _hyphen(text: str) -> bool:
    """Is there a hyphen before a digit, outside mathtext (which sets a true minus itself)?"""
    return bool(re.search(r"(?<!\w)-\d", re.sub(r"\$.*?\$", "", text)))
