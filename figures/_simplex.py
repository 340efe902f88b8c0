"""The triangle of three weights: a corner a mode, its weight 1 there and 0 on the side opposite."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from toyflows.cloud import Array
from toyflows.figures import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])
NAMES = (
    (-0.02, -0.03, "right", "top"),
    (1.02, -0.03, "left", "top"),
    (0.5, 0.89, "center", "bottom"),
)


def place(weights: Array) -> tuple[Array, Array]:
    """Weights (…, 3) as points of the triangle, x (…,) and y (…,)."""
    x, y = np.moveaxis(np.asarray(weights) @ CORNERS, -1, 0)
    return x, y


def triangle(axes: Axes) -> None:
    """The triangle with lines at equal weights 0.2, 0.4, …, and its corners' names."""
    for level in np.arange(1, 5) / 5:
        for k in range(3):
            ends = np.zeros((2, 3))
            ends[:, k] = level
            ends[0, (k + 1) % 3] = ends[1, (k + 2) % 3] = 1 - level
            axes.plot(*place(ends), color="#dddddd", lw=1, zorder=0)
    axes.plot(*np.vstack([CORNERS, CORNERS[:1]]).T, color=style.INK, lw=1.5, zorder=1)
    for k, (x, y, ha, va) in enumerate(NAMES):
        axes.text(x, y, f"mode {k + 1}", ha=ha, va=va, color=style.INK)
    axes.set(xlim=(-0.12, 1.12), ylim=(-0.1, 0.97), aspect="equal")
    axes.axis("off")


def path(axes: Axes, weights: Array, colour: str, **how: Any) -> None:
    """The way of the weights (n, 3), with a dot where it ends."""
    x, y = place(weights)
    line: dict[str, Any] = {"color": colour, "lw": 3} | how
    axes.plot(x, y, **line)
    axes.plot(x[-1], y[-1], "o", ms=9, color=colour, zorder=how.get("zorder", 3))


def goal(axes: Axes, weights: Array) -> None:
    """The data's weights (3,) as a ring."""
    x, y = place(weights)
    axes.plot(x, y, "o", ms=17, mfc="none", mec=style.DATA, mew=4, zorder=5)
