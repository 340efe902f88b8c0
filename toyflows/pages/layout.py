"""Which times of a run the page keeps, the bins of its histograms, and what that takes in bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array, Cloud
from toyflows.mixture import Mixture

LIMIT = 3_000_000  # bytes of a page
MOST_FRAMES = 1000
USUAL_FRAMES = (120, 60)  # times at which the walkers are recorded: as many as fit, but not fewer
POINTS = 4  # of θ(t) to a frame
MARGIN = 5.0  # spreads that a histogram reaches beyond the modes
BINS = (60, 160)  # at least, at most
WIDTH = 0.35  # of a bin, in spreads, in between
PIECE = 1 << 16  # walkers that are counted together
TEXT = 3000  # bytes of words that a run has, at most


@dataclass(frozen=True)
class Layout:
    """Of `records` evenly recorded times, the page keeps every `stride`-th and the last; of those
    every `points`-th, and the last, are frames."""

    records: int
    stride: int
    points: int

    @classmethod
    def of(cls, records: int, frames: int) -> Layout:
        """About `frames` frames, no more, with up to POINTS points each."""
        if records <= POINTS * frames:
            return cls(records, 1, max(1, math.ceil(records / frames)))
        return cls(records, math.ceil(records / (POINTS * frames)), POINTS)

    def kept(self) -> NDArray[np.intp]:
        """Places 0 … records of what is kept."""
        return np.unique(np.append(np.arange(0, self.records + 1, self.stride), self.records))

    def frames(self) -> NDArray[np.intp]:
        """Places of the frames among these records."""
        every = self.stride * self.points
        return np.unique(np.append(np.arange(0, self.records + 1, every), self.records))


@dataclass(frozen=True)
class Bins:
    """`size` bins of one width over [low, high]; the centre of the mixture is an edge."""

    low: float
    high: float
    size: int

    @classmethod
    def of(cls, mix: Mixture) -> Bins:
        """The bins of a run among these two modes."""
        low, high = mix.a - MARGIN, mix.b + MARGIN
        half = math.ceil((high - low) / (2 * WIDTH))
        return cls(low, high, min(max(2 * half, BINS[0]), BINS[1]))

    def shares(self, cloud: Cloud) -> Array:
        """Share of the cloud in each bin (size,); what lies outside is in none."""
        width, middle = (self.high - self.low) / self.size, 0.5 * (self.low + self.high)
        total = np.zeros(self.size + 2)
        for i in range(0, cloud.size, PIECE):
            k = np.floor((cloud.x[i : i + PIECE] - middle) / width) + self.size // 2 + 1
            k = np.clip(k, 0, self.size + 1).astype(np.intp)
            w = None if cloud.logw is None else cloud.weights[i : i + PIECE]
            total += np.bincount(k, w, self.size + 2)
        return total[1:-1] / (cloud.size if cloud.logw is None else 1.0)


def bytes_of(separation: float, frames: int) -> int:
    """A bound on what a run takes on the page: t, θ of three backends, shares in b of two, the
    histograms, each as base64, and the words."""
    bins = Bins.of(Mixture.separated(separation)).size
    return math.ceil(4 / 3 * (6 * 8 * (POINTS * frames + 2) + 2 * bins * (frames + 1))) + TEXT


@cache
def template_bytes() -> int:
    """The page without runs; words of its head included."""
    files = [p for p in Path(__file__).parent.iterdir() if p.suffix in (".html", ".css", ".js")]
    return sum(p.stat().st_size for p in files) + 5000
