"""An axes as a raster on which places for words are looked for; where values stand on its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from contourpy import contour_generator
from matplotlib.collections import PathCollection
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.sweep.chart import Chart, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

CELL = 4.0  # pixels


def positions(values: Sequence[Any]) -> tuple[Array, bool]:
    """Where values stand, and whether on a logarithmic axis: the one on which they are more even.
    Words stand at 0, 1, …"""
    if not all(type(v) in (int, float) for v in values):
        return np.arange(len(values), dtype=np.float64), False
    x = np.array(values, float)
    if x.size > 2 and (x > 0).all():
        steps, ratios = np.abs(np.diff(x)), np.abs(np.diff(np.log(x)))
        return x, bool(np.ptp(ratios) / ratios.mean() < np.ptp(steps) / steps.mean())
    return x, False


def edges(values: Sequence[Any]) -> Array:
    """The edges of the cells around the values (n + 1,), sorted as the values are."""
    x, log = positions(values)
    u = np.log(x) if log else x
    if u.size == 1:
        u = u + np.array([-0.5, 0.5])
    else:
        mid = 0.5 * (u[1:] + u[:-1])
        u = np.concatenate([[2 * u[0] - mid[0]], mid, [2 * u[-1] - mid[-1]]])
    return np.exp(u) if log else u


def zeros(xs: Sequence[Any], ys: Sequence[Any], level: Array) -> list[Array]:
    """Where a field at the points (y, x) is 0: curves (n, 2), found between logarithms of values
    on logarithmic axes."""
    (x, log_x), (y, log_y) = positions(xs), positions(ys)
    if len(x) < 2 or len(y) < 2:
        return []
    finite = np.ma.masked_invalid(level)
    found = contour_generator(np.log(x) if log_x else x, np.log(y) if log_y else y, finite)
    out = []
    for points in found.lines(0.0):
        curve = np.asarray(points, float)
        curve[:, 0] = np.exp(curve[:, 0]) if log_x else curve[:, 0]
        curve[:, 1] = np.exp(curve[:, 1]) if log_y else curve[:, 1]
        out.append(curve)
    return out


def cell(ends: Array, at: Array) -> NDArray[np.intp]:
    """Which interval of the ends (rising or falling) each is in."""
    order = ends if ends[0] < ends[-1] else ends[::-1]
    k = np.clip(np.searchsorted(order, at) - 1, 0, ends.size - 2)
    return k if ends[0] < ends[-1] else ends.size - 2 - k


def spread(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The points that are or touch one of the mask's."""
    wide = np.pad(mask, 1)
    rows, columns = mask.shape
    shifts = [wide[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return np.any(shifts, axis=0)


@dataclass
class Room:
    """An axes as a raster of CELL pixels: which kind is where, and what words must not cover."""

    axes: Axes
    chart: Chart
    panel: Panel
    kinds: NDArray[Any] = field(init=False)  # (rows, columns), −1 where nothing is
    taken: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        box = self.axes.get_window_extent()
        width, height = int(box.width // CELL), int(box.height // CELL)
        px = np.stack([box.x0 + CELL * (np.arange(width) + 0.5), np.full(width, box.y0)], 1)
        py = np.stack([np.full(height, box.x0), box.y0 + CELL * (np.arange(height) + 0.5)], 1)
        back = self.axes.transData.inverted().transform
        i, j = cell(edges(self.chart.xs), back(px)[:, 0]), cell(edges(self.chart.ys),
                                                                  back(py)[:, 1])  # fmt: skip
        values = np.where(self.panel.there, self.panel.values, -1)
        self.kinds = values[np.ix_(j, i)]
        self.taken = np.zeros(self.kinds.shape, bool)
        for points in self.axes.collections:
            if isinstance(points, PathCollection):  # a scatter's
                at = self.axes.transData.transform(np.asarray(points.get_offsets()))
                self.taken[self.cells(at)] = True
        self.taken = spread(spread(self.taken))

    def cells(self, pixels: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Row and column of points (n, 2) in pixels, clipped to the raster."""
        box = self.axes.get_window_extent()
        at = np.floor((pixels - [box.x0, box.y0]) / CELL).astype(int)
        rows, columns = self.kinds.shape
        return np.clip(at[:, 1], 0, rows - 1), np.clip(at[:, 0], 0, columns - 1)

    def put(
        self, text: Text, free: NDArray[np.bool_], near: Array, rival: Array | None = None,
        least: float = -np.inf,
    ) -> bool:  # fmt: skip
        """Moves the text to where its box is free and `near` largest in its middle: is there room?
        With a `rival` the box's largest `near` is to be `least`, and the rival's not larger.
        """
        box = text.get_window_extent()
        h, w = (int(np.ceil(side / CELL)) + 2 for side in (box.height, box.width))
        fits = _windows(free & ~self.taken, h, w)
        if rival is not None and fits.any():
            here = _largest(near, h, w)
            fits &= (here >= least) & (here >= _largest(rival, h, w))
        if not fits.any():
            text.remove()
            return False
        score = np.where(fits, near[h // 2 :, w // 2 :][: fits.shape[0], : fits.shape[1]], -np.inf)
        row, column = np.unravel_index(int(score.argmax()), score.shape)
        origin = self.axes.get_window_extent()
        centre = np.array([origin.x0 + CELL * (column + w / 2), origin.y0 + CELL * (row + h / 2)])
        x, y = self.axes.transAxes.inverted().transform(centre).tolist()
        text.set_position((x, y))
        self.taken[row : row + h, column : column + w] = True
        return True


def _windows(free: NDArray[np.bool_], h: int, w: int) -> NDArray[np.bool_]:
    """Where the h × w window with this corner is free: by sums of rectangles."""
    if h > free.shape[0] or w > free.shape[1]:
        return np.zeros((1, 1), bool)
    s = np.pad(np.cumsum(np.cumsum(~free, 0), 1), ((1, 0), (1, 0)))
    return np.asarray(s[h:, w:] - s[:-h, w:] - s[h:, :-w] + s[:-h, :-w] == 0)


def _largest(values: Array, h: int, w: int) -> Array:
    """The largest value in the h × w window with this corner, for windows that fit."""
    from scipy.ndimage import maximum_filter

    rows, columns = (n - side + 1 for n, side in zip(values.shape, (h, w), strict=True))
    found = maximum_filter(values, (h, w))[h // 2 :, w // 2 :]
    return np.asarray(found[:rows, :columns])
