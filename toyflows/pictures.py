"""Grey pictures as arrays: pixels in [−1, 1], their 256 levels, and a sheet of many.

An image is float32 on the levels 2k/255 − 1 of an ordinary picture file: a set is kept in a quarter
of the space, and its hash does not see the last bits of the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]  # (n, size, size), in [−1, 1]
Levels = NDArray[np.uint8]  # the same, 0 … 255
Labels = NDArray[np.int64]  # (n,), places in a tuple of class names

RIM, GREY = 2, 128  # of a sheet


def levels(x: NDArray[np.floating]) -> Levels:
    """The nearest of the 256 levels to each x; beyond [−1, 1] the last one."""
    k = np.clip(x, -1.0, 1.0)
    k += 1.0
    k *= 127.5
    return np.rint(k, out=k).astype(np.uint8)


def pixels(k: Levels) -> Pixels:
    """2k/255 − 1."""
    return _TABLE[k]


_TABLE: Pixels = (np.arange(256) / 127.5 - 1.0).astype(np.float32)


def sheet(rows: Sequence[Pixels]) -> Levels:
    """Images (n, size, size) of each row side by side, rows one below the other, rims between."""
    height, width = len(rows), max(len(row) for row in rows)
    pitch = rows[0].shape[-1] + RIM
    canvas = np.full((height * pitch + RIM, width * pitch + RIM), GREY, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(levels(row)):
            top, left = RIM + i * pitch, RIM + j * pitch
            canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas
