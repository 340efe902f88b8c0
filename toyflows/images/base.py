"""Sets of images: grey levels, classes, a split that keeps the classes' balance, one hash of all.

An image is float32 in [−1, 1], on the 256 levels 2k/255 − 1 of an ordinary picture file: a set is
kept in a quarter of the space, and its hash does not see the last bits of the arithmetic.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from toyflows import display
from toyflows.errors import InputError

Pixels = NDArray[np.float32]  # (n, size, size), in [−1, 1]
Levels = NDArray[np.uint8]  # the same, 0 … 255
Labels = NDArray[np.int64]  # (n,), places in a tuple of class names

SIZES = (16, 128)


@dataclass(frozen=True, eq=False)
class Images:
    """Images x (n, size, size) and their classes y (n,)."""

    x: Pixels
    y: Labels

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} of {self.size} × {self.size} pixels)"

    def _repr_html_(self) -> str:
        from toyflows.images.uses import sheet

        return display.page(display.words(repr(self)), display.gallery({"": sheet([self.x[:16]])}))

    def __len__(self) -> int:
        return len(self.y)

    @property
    def size(self) -> int:
        """Pixels a side."""
        return self.x.shape[-1]

    def __getitem__(self, rows: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Images:
        return Images(self.x[rows], self.y[rows])


@dataclass(frozen=True, eq=False)
class Parts:
    """What a model learns from (70 %), is chosen by (15 %) and is judged by (15 %)."""

    train: Images
    valid: Images
    test: Images
    classes: tuple[str, ...]

    def __repr__(self) -> str:
        sizes = ", ".join(str(len(part)) for part in self._hashed)
        return f"{type(self).__name__}({sizes} images, {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        """One image of each class to learn from."""
        from toyflows.images.uses import sheet

        x = self.train.x[np.unique(self.train.y, return_index=True)[1]]
        drawn = sheet([x[k : k + 14] for k in range(0, len(x), 14)])
        return display.page(display.words(repr(self)), display.gallery({"": drawn}))

    @property
    def _hashed(self) -> tuple[Images, ...]:
        return self.train, self.valid, self.test

    @cached_property
    def data_hash(self) -> str:
        """sha256 of the class names and of every image and label, in order."""
        total = hashlib.sha256(repr(self.classes).encode())
        for part in self._hashed:
            total.update(repr(part.x.shape).encode())
            total.update(np.ascontiguousarray(part.x, "<f4").data)
            total.update(np.ascontiguousarray(part.y, "<i8").data)
        return total.hexdigest()


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


def split(y: Labels, seed: int) -> tuple[Labels, Labels, Labels]:
    """Rows of train, valid and test, each in random order: of the m images of a class, 0.15 m
    (rounded, halves up) go to valid, as many to test, the others to train."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, *b"split"]))
    parts: tuple[list[Labels], ...] = ([], [], [])
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        k = (3 * rows.size + 10) // 20
        for part, chosen in zip(parts, (rows[2 * k :], rows[:k], rows[k : 2 * k]), strict=True):
            part.append(chosen)
    train, valid, test = (rng.permutation(np.concatenate(part)) for part in parts)
    return train, valid, test


def checked_size(size: int) -> int:
    """Raises InputError("size") for what is no side of an image."""
    low, high = SIZES
    if not low <= size <= high:
        raise InputError("size", size, f"must be {low} … {high} pixels")
    return size
