"""Small images in rows, for figures of what a model draws."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from toyflows.pictures import RIM, Pixels, sheet


def rows(axes: Axes, images: Sequence[Pixels], names: Sequence[str] = ()) -> None:
    """A row for each set of images (n, size, size), its name at its left, dark ink on white."""
    side = images[0].shape[-1]
    axes.imshow(-sheet(images).astype(float), cmap="gray", interpolation="nearest")
    pitch = side + RIM
    middles = [RIM + pitch * i + side / 2 for i in range(len(names))]
    axes.set_yticks(middles, names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
