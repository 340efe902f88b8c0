"""The laws of the room of noise: each a mixture of round Gaussians, so that its score is exact.

Points that were drawn or uploaded are taken as a kernel density: a Gaussian on each point.
Pictures are in units of the data in which they have mean 0 and spread 1, drawn points as they were
drawn: in the box [−3, 3]².
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from toyflows.archive import Unreadable
from toyflows.cloud import Array
from toyflows.diffusion.gaussian_law import cdf
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.sources import Points, Units
from toyflows.diffusion.targets import LARGEST, TARGETS, Target
from toyflows.errors import InputError
from toyflows.lab._packed import pack_points, unpack_points
from toyflows.pictures import Labels
from toyflows.seeds import stream
from toyflows.tables import Choice, content

DRAWN = "points"
NAMES = (*(name for name, target in TARGETS.items() if target.as_mixture), DRAWN)
REACH = 3.0  # of the box, in spreads of the data
MOST = 400  # points of a drawing
SUFFIXES = (".csv", ".tsv", ".txt", ".dat")
SLICES = np.linspace(-1.5, 1.5, 7)  # of a law without classes, along x₁: 8 of them


@dataclass(frozen=True, eq=False)
class Law:
    """A target in the units of the picture."""

    name: str
    mixture: Gaussians
    units: Units  # of the picture, in those of the data
    source: Points  # to learn from, in the units of the data
    owner: Labels  # the class of each component (K,)

    @cached_property
    def classes(self) -> int:
        """The number of modes or curves; 1 if they cannot be separated."""
        return int(self.owner.max()) + 1

    @cached_property
    def narrowest(self) -> float:
        """The variance of its narrowest Gaussian."""
        return float(self.mixture.spreads.min()) ** 2

    def in_units(self, units: Units) -> Gaussians:
        """The same law in the units of a model."""
        return units.mixture(self.source_mixture)

    @property
    def source_mixture(self) -> Gaussians:
        """In the units of the data."""
        law = self.source.target.mixture
        assert law is not None
        return law

    def shares(self, x: Array, σ: float) -> Array:
        """What the points x (n, 2), noise σ in them, give to each class: the mean of the classes'
        posterior weights, whose expectation under the law is the weight itself at every noise.
        Without classes: the shares of eight slices along x₁."""
        if self.classes == 1:
            counts = np.bincount(np.searchsorted(SLICES, x[:, 0]), minlength=len(SLICES) + 1)
            return np.asarray(counts / len(x))
        mean = self.mixture.responsibilities(x, 1.0, σ).mean(axis=0)
        return np.asarray(np.bincount(self.owner, mean), float)

    def weights(self, σ: float) -> Array:
        """The `shares` of the exact law of X + σZ."""
        if self.classes > 1:
            return np.asarray(np.bincount(self.owner, self.mixture.weights), float)
        m = self.mixture
        line = Gaussians(m.weights, m.means[:, :1], np.hypot(m.spreads, σ))
        return np.diff(cdf(line, SLICES), prepend=0.0, append=1.0)


def law(values: Mapping[str, Any]) -> Law:
    """The law that the controls choose."""
    if values["target"] == DRAWN:
        return _of_points(str(values["points"]), float(values["kernel"]))
    return _named(values["target"])


@cache
def _named(name: str) -> Law:
    target = TARGETS[name]
    mixture = target.mixture
    assert mixture is not None
    units = Units.of_mixture(mixture)
    return Law(target.name, units.mixture(mixture), units, Points(target), _owner(target, mixture))


def _owner(target: Target, mixture: Gaussians) -> Labels:
    """Components are the classes, or each class, equally likely, has its own in one piece."""
    w = mixture.weights
    if target.classes == len(w):
        return np.arange(len(w))
    return np.floor((np.cumsum(w) - w / 2) * target.classes).astype(np.int64)


def _of_points(text: str, spread: float) -> Law:
    x = points(text)
    mixture = Gaussians(np.full(len(x), 1 / len(x)), x, np.full(len(x), spread))
    none = np.zeros(len(x), np.int64)

    def draw(n: int, rng: np.random.Generator) -> tuple[Array, Labels]:
        return mixture.sample(n, rng), np.zeros(n, np.int64)

    source = AsDrawn(Target(DRAWN, draw, as_mixture=lambda: mixture))
    return Law(DRAWN, mixture, source.units, source, none)


@dataclass(frozen=True, eq=False)
class AsDrawn(Points):
    """Points whose units are the picture's own."""

    units = Units((0.0, 0.0), 1.0)


def points(text: str) -> Array:
    """Drawn points (n, 2); where nothing is drawn, an eight lying on its side."""
    if not text:
        u = 2 * math.pi * np.arange(60) / 60
        return np.stack([2 * np.sin(u), 1.2 * np.sin(2 * u)], axis=1)
    x = unpack_points(text, REACH)
    if len(x) > MOST:
        raise InputError("points", f"{len(x)} points", f"must be at most {MOST}")
    return x


def of_file(raw: bytes) -> str:
    """The text of an uploaded table of points: two columns of numbers, of which it keeps MOST rows
    by a fixed seed, moved to mean 0 and scaled to spread 1, or less where they would not fit."""
    try:
        x = content(raw, "file", Choice(width=2, way="leave two of them")).x
    except Unreadable as error:
        raise InputError("points", "file", str(error)) from None
    if x.shape[1] != 2:
        raise InputError("points", "file", f"has {x.shape[1]} columns; must be 2")
    if not np.abs(x).max() <= LARGEST:
        raise InputError("points", "file", "has numbers too large")
    x = x - x.mean(axis=0)
    if not np.abs(x).max() > 0:
        raise InputError("points", "file", f"all {len(x)} points are equal")
    x /= np.abs(x).max()
    x *= min(1 / math.sqrt(x.var(axis=0).mean()), 0.99 * REACH)
    if len(x) > MOST:
        x = x[np.sort(stream(0, "kept").choice(len(x), MOST, replace=False))]
    return pack_points(x, REACH)


def density(law: Gaussians, x: Array, y: Array, α: float = 1.0, σ: float = 0.0) -> Array:
    """The density (rows of y, columns of x) of αX + σZ on a grid: a round Gaussian is a product, so
    K (len x + len y) exponentials do."""
    v = np.square(α * law.spreads) + σ**2
    with np.errstate(under="ignore"):
        along_x = np.exp(np.square(x - α * law.means[:, :1]) / (-2 * v[:, None]))
        along_y = np.exp(np.square(y - α * law.means[:, 1:]) / (-2 * v[:, None]))
        return np.asarray((along_y * (law.weights / (2 * math.pi * v))[:, None]).T @ along_x)


def marginal(law: Gaussians, x: Array, α: float, σ: float) -> Array:
    """The density of the second coordinate of αX + σZ at x (m,)."""
    v = np.square(α * law.spreads) + σ**2
    with np.errstate(under="ignore"):
        bells = np.exp(np.square(x - α * law.means[:, 1:]) / (-2 * v[:, None]))
        return np.asarray((law.weights / np.sqrt(2 * math.pi * v)) @ bells)
