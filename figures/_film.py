"""A figure that moves: what stands still is drawn once, what moves again for each frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from numpy.typing import NDArray

from toyflows.figures._style import INK, new_figure

Pixels = NDArray[np.uint8]
WIDE, HIGH, DPI = 1280, 720, 100  # the size and dots at which letters have the size of the style


class Moving:
    """A figure of exactly (w, h) pixels. Make it inside `style()`, of which each artist keeps what
    it needs: `pixels` needs none."""

    def __init__(self, size: tuple[int, int]):
        self.size = w, h = size
        dpi = DPI * min(w / WIDE, h / HIGH)
        self.figure = new_figure(figsize=((w + 1e-6) / dpi, (h + 1e-6) / dpi), dpi=dpi)
        assert isinstance(self.figure.canvas, FigureCanvasAgg)
        self.canvas = self.figure.canvas
        self.moving: list[Artist] = []

    def settle(self, moving: Sequence[Artist]) -> None:
        """Lays the figure out with everything in its place and draws what does not move."""
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")
        self.moving = list(moving)
        for artist in moving:
            artist.set_animated(True)
        self.canvas.draw()
        self._still = self.canvas.copy_from_bbox(self.figure.bbox)

    def pixels(self) -> Pixels:
        """The frame (h, w, 3) as the artists now are."""
        self.canvas.restore_region(self._still)
        renderer = self.canvas.get_renderer()
        for artist in self.moving:
            artist.draw(renderer)
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()

    def panels(self) -> tuple[Axes, Axes]:
        """The square, and axes beside its lower half."""
        self.figure.set_layout_engine("none")
        w, h = self.size
        x, y, side = square(self.size)
        left, low = (x + side) / w + 0.08, max(0.12, y / h)
        return (
            self.figure.add_axes((x / w, y / h, side / w, side / h)),
            self.figure.add_axes((left, low, 0.97 - left, 0.42 * side / h)),
        )

    def words(self, text: str, colour: str) -> tuple[Text, Text]:
        """Text beside the upper half of the square; returned are words above and below it, which
        change."""
        w, h = self.size
        x, y, side = square(self.size)

        def at(share: float, text: str, **how: Any) -> Text:
            left, bottom = (x + side) / w + 0.05, (y + share * side) / h
            return self.figure.text(left, bottom, text, va="top", **how)

        at(0.79, text, color=colour, fontsize=16, fontweight="bold")
        above = at(1.0, "", color=INK, fontsize=26, fontweight="bold")
        return above, at(0.66, "", color=INK, fontsize=16)


def square(size: tuple[int, int]) -> tuple[float, float, float]:
    """Left, bottom and side, in pixels, of the square that shows what moves in the plane."""
    w, h = size
    side = min(0.86 * h, 0.55 * w)
    return 0.02 * w, 0.91 * h - side, side


LEAST = 1e-3  # of σ/α that is shown: at t = 0 there may be no noise, and no logarithm of it


def noise_axis(axes: Axes) -> None:
    """σ/α on a logarithmic scale over the time."""
    axes.set(yscale="log", ylim=(LEAST, 1e3), xlabel="time $t$")
    axes.set_yticks([1e-2, 1, 1e2], ["0.01", "1", "100"])
    axes.minorticks_off()
    axes.set_title("noise over signal, σ/α", fontsize=15)
