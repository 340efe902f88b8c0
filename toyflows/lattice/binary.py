"""Binary images to learn from: bars and stripes, letters, or the user's own, cut at a grey.

Bars and stripes: which way is a fair coin, then each of the size lines is on or off. All of its
2·2^size outcomes are there, equally likely, so that the empty and the full image are there twice.
Source: Hinton & Sejnowski (1986); MacKay (2003), exercise 43.2.

A pixel of a picture is 1 where its grey, 0 (black) … 1 (white), is above the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toyflows import display
from toyflows.errors import InputError
from toyflows.images import folder, glyphs
from toyflows.lattice.enumeration import states
from toyflows.nn.checkpoint import digest
from toyflows.pictures import Pixels

Bits = NDArray[np.float32]  # (N, size²), of 0 and 1

BARS, LINES = "bars-and-stripes", (2, 8)


@dataclass(frozen=True, eq=False)
class Data:
    """What is learned, and what the model is judged by besides (none for bars and stripes)."""

    train: Bits
    valid: Bits
    size: int
    skipped: tuple[tuple[str, str], ...] = ()
    __repr__ = display.short

    @property
    def data_hash(self) -> str:
        """The hash of both parts."""
        return digest(np.concatenate([self.train, self.valid]))

    def law(self) -> tuple[Bits, NDArray[np.float64]]:
        """The distinct images (K, size²) and their weights (K,)."""
        v, counts = np.unique(self.train, axis=0, return_counts=True)
        return v, counts / counts.sum()

    def entropy(self) -> float:
        """−Σ w log w: KL(data | model) = −entropy − mean log p."""
        _, w = self.law()
        return float(-w @ np.log(w))


def bars_and_stripes(size: int) -> Bits:
    """All 2·2^size outcomes: the stripes, then the bars, (2^{size+1}, size²)."""
    low, high = LINES
    if not low <= size <= high:
        raise InputError("size", size, f"must be {low} … {high} for {BARS}")
    lines = states(size).astype(np.float32)
    stripes = np.repeat(lines[:, :, None], size, axis=2)
    return np.concatenate([stripes, stripes.transpose(0, 2, 1)]).reshape(-1, size * size)


def patterns(v: NDArray[np.floating], size: int) -> NDArray[np.bool_]:
    """Which of the rows v (N, size²) are bars or stripes, (N,)."""
    x = v.reshape(-1, size, size)
    stripes, bars = (x == x[:, :, :1]).all(axis=(1, 2)), (x == x[:, :1]).all(axis=(1, 2))
    found: NDArray[np.bool_] = stripes | bars
    return found


def cut(x: Pixels, threshold: float) -> Bits:
    """1 where the grey (x + 1)/2 is above the threshold: (N, size²) of pixels in [−1, 1]."""
    bits: Bits = ((x + 1) / 2 > threshold).reshape(len(x), -1).astype(np.float32)
    return bits


def load(source: str, size: int, threshold: float = 0.5) -> Data:
    """Bars and stripes, "glyphs", a folder or an .npz. Raises InputError: "data", "size"."""
    if source == BARS:
        bars = bars_and_stripes(size)
        return Data(bars, bars[:0], size)
    known = ("glyphs", BARS)
    parts = glyphs.load(size) if source == "glyphs" else folder.load(source, size, known=known)
    train, valid = (cut(part.x, threshold) for part in (parts.train, parts.valid))
    if train.min() == train.max():
        raise InputError("p", f"threshold={threshold}", "all pixels are on one side of it")
    return Data(train, valid, size, getattr(parts, "skipped", ()))
