"""A density of the plane in blue, with a field of arrows over it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from toyflows.cloud import Array
from toyflows.figures import _style as style


def grid(reach: float, n: int) -> Array:
    """n × n points (n², 2) of the square [−reach, reach]²."""
    axis = np.linspace(-reach, reach, n)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def draw(axes: Axes, reach: float, density: Array, at: Array, field: Array, longest: float) -> None:
    """density (n, n) on grid(reach, n), and arrows at `at` (m, 2) of length ∝ √|field|.

    The longest arrow has the length `longest`.
    """
    axes.imshow(
        np.sqrt(density), extent=(-reach, reach, -reach, reach), origin="lower", cmap="Blues",
        vmax=1.3 * np.sqrt(density.max()),
    )  # fmt: skip
    size = np.linalg.norm(field, axis=1, keepdims=True)
    arrows = longest * field / np.sqrt(np.maximum(size, 1e-12) * size.max())
    axes.quiver(
        *at.T, *arrows.T, color=style.EXACT, angles="xy", scale_units="xy", scale=1,
        width=0.006 if len(at) > 200 else 0.009,
    )  # fmt: skip
    tick = 5 if reach < 15 else 10 if reach < 20 else 20
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[-tick, tick], yticks=[-tick, tick])
    axes.grid(visible=False)
