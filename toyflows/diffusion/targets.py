"""What a two-dimensional model learns: laws by name, a user's own points, a drawn shape.

    swiss-roll    t (cos t, sin t) + Z/2, t uniform on [3π/2, 9π/2]: scikit-learn's, seen from the
                  side; a fifth of it, with other noise, is the roll of [F]
    two-moons     (cos t, sin t) or (1 − cos t, ½ − sin t), + Z/10, t uniform on [0, π]:
                  scikit-learn's; [F] doubles and shifts them
    8-gaussians   at 4/√2 (cos kπ/4, sin kπ/4), of spread ½/√2: [F]
    rings         of radii ¾, 3/2, 9/4 and 3, equally likely, + 0.08 Z: [F]
    spirals       ±t (−cos t, sin t)/3 + Z/10, t = 3π√U: [F] without its uniform jitter
    checkerboard  uniform on the squares 2(i, j) + [0, 2]², −2 ≤ i, j ≤ 1, i + j even: [F]
    pinwheel      2 (f₁ cos a + f₂ sin a, f₂ cos a − f₁ sin a), f = (1 + 0.3 Z₁, 0.1 Z₂),
                  a = 2πk/5 + e^{f₁}/4: [F], after Johnson et al. (2016)
    song-ermon    1/5 N((−5, −5), I) + 4/5 N((5, 5), I): Song & Ermon (2019)

Z is N(0, I), U uniform on [0, 1], [F] FFJORD, Grathwohl et al. (2019). All points are independent
(scikit-learn's moons lie at equal steps). Noisy curves are mixtures of round Gaussians too, by
quadrature along them to about 1e-10: so their scores are exact at every level of noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians, song_ermon
from toyflows.errors import InputError, nearest
from toyflows.images.folder import SUFFIXES, picture
from toyflows.pictures import Labels
from toyflows.seeds import stream
from toyflows.tables import STDIN, Choice, check_goes_with, read

TABLES = (".csv", ".tsv", ".txt", ".dat", ".npy", ".npz")
LARGEST = 1e100  # a coordinate whose square is still a float
PIXELS = 16_000_000  # of a drawn shape: a file of a few bytes can claim any number
WIDTH = 4.0  # a drawn shape's longer side
PAPER = 0.1  # what is no darker is paper, however large: scans and JPEG are never quite white


Draw = Callable[[int, np.random.Generator], tuple[Array, Labels]]


@dataclass(frozen=True, eq=False)
class Target:
    """A law of points in the plane. sample_with_labels(n, rng) gives n independent points (n, 2)
    and their classes (n,), 0 … `classes` − 1."""

    name: str
    sample_with_labels: Draw
    classes: int = 1
    as_mixture: Callable[[], Gaussians] | None = None
    as_density: Callable[[Array], Array] | None = None

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n independent points (n, 2)."""
        return self.sample_with_labels(n, rng)[0]

    @cached_property
    def mixture(self) -> Gaussians | None:
        """The law as a mixture of round Gaussians, where it is one."""
        return self.as_mixture() if self.as_mixture else None

    def density(self, x: Array) -> Array | None:
        """p (n,) at points x (n, 2), where it is known."""
        if self.as_density:
            return self.as_density(x)
        with np.errstate(under="ignore"):
            return np.exp(self.mixture.log_density(x)) if self.mixture else None


def target(source: str, n: int, seed: int = 0) -> Array:
    """n independent points (n, 2) of a law by name, of a file of points or of a drawn shape."""
    if n < 1:
        raise InputError("n", n, "must be 1 or more")
    return find(source).sample(n, stream(seed, "target"))


def find(source: str, columns: str = "", skip_missing: bool | None = None) -> Target:
    """A law by name; of a picture file its dark pixels; of any other file its rows, each equally
    likely, of which `columns` names two. Raises InputError("target")."""
    path = Path(source)
    suffix = path.suffix.lower()
    if source in TARGETS or suffix in SUFFIXES:
        check_goes_with(None, "target FILE", columns=columns, skip_missing=skip_missing)
    if source in TARGETS:
        return TARGETS[source]
    if source == STDIN:
        raise InputError("target", source, "must be a file, which a run can go on with")
    if not path.exists():
        why = "there is no such file" if suffix in TABLES + SUFFIXES else nearest(source, TARGETS)
        raise InputError("target", source, why)
    if suffix in SUFFIXES:
        return drawn(source)
    return points(source, Choice.of_points(columns, skip_missing, "target"))


# ---- laws ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Curves:
    """c(V) + spread · Z: a curve c equally likely each, V on [0, 1] with density p v^{p−1}."""

    curves: tuple[Callable[[Array], Array], ...]  # (n,) → (n, 2)
    spread: float
    p: int = 1

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Array, Labels]:
        """n points and the numbers of their curves."""
        label = rng.integers(len(self.curves), size=n)
        v = rng.random(n) ** (1 / self.p)
        x = self.spread * rng.standard_normal((n, 2))
        for k, curve in enumerate(self.curves):
            x[label == k] += curve(v[label == k])
        return x, label

    def mixture(self, fineness: float = 2.5) -> Gaussians:
        """Gauss's quadrature of each curve. The widest step of N nodes is π/2N, here at most
        0.63 spreads along the curve: neglected is about e^{−2π²/0.63²}, more where
        the curve bends away from the point; 5 spreads off it the score is still right to 1e-9."""
        from scipy.special import roots_legendre

        weights, means = [], []
        for curve in self.curves:
            path = curve(np.linspace(0.0, 1.0, 1001))
            speed = 1000 * np.linalg.norm(np.diff(path, axis=0), axis=1).max()
            u, w = roots_legendre(math.ceil(fineness * speed / self.spread))
            v = (1 + u) / 2
            weights.append(w * self.p * v ** (self.p - 1))
            means.append(curve(v))
        weight = np.concatenate(weights)
        return Gaussians(
            weight / weight.sum(), np.concatenate(means), np.full(len(weight), self.spread)
        )


def _turning(t: Array, radius: Array | float = 1.0) -> Array:
    """radius (cos t, sin t) (n, 2)."""
    return np.stack([radius * np.cos(t), radius * np.sin(t)], axis=1)


def _roll(v: Array) -> Array:
    t = 1.5 * math.pi * (1 + 2 * v)
    return _turning(t, t)


def _moon(v: Array) -> Array:
    return _turning(math.pi * v)


def _lower_moon(v: Array) -> Array:
    return np.array([1.0, 0.5]) - _moon(v)


def _ring(radius: float, v: Array) -> Array:
    return _turning(2 * math.pi * v, radius)


def _spiral(side: float, v: Array) -> Array:
    t = 3 * math.pi * v
    return _turning(math.pi - t, side * t / 3)


def _eight() -> Gaussians:
    means = _turning(np.arange(8) * math.pi / 4, 4 / math.sqrt(2))
    return Gaussians(np.full(8, 1 / 8), means, np.full(8, 0.5 / math.sqrt(2)))


def _mixed(name: str, law: Gaussians) -> Target:
    return Target(name, law.sample_with_labels, len(law.weights), lambda: law)


def _board(n: int, rng: np.random.Generator) -> tuple[Array, Labels]:
    i = rng.integers(-2, 2, size=n)
    j = 2 * rng.integers(-1, 1, size=n) + i % 2
    return 2 * (np.stack([i, j], axis=1) + rng.random((n, 2))), np.zeros(n, np.int64)


def _board_density(x: Array) -> Array:
    i, j = np.floor(np.asarray(x) / 2).T
    inside = (np.abs(i + 0.5) < 2) & (np.abs(j + 0.5) < 2)
    return np.where(inside & ((i + j) % 2 == 0), 1 / 32, 0.0)


def _pinwheel(n: int, rng: np.random.Generator) -> tuple[Array, Labels]:
    label = rng.integers(5, size=n)
    f1, f2 = 1 + 0.3 * rng.standard_normal(n), 0.1 * rng.standard_normal(n)
    a = 2 * math.pi * label / 5 + np.exp(f1) / 4
    cos, sin = np.cos(a), np.sin(a)
    return 2 * np.stack([f1 * cos + f2 * sin, f2 * cos - f1 * sin], axis=1), label


CURVES = {
    "swiss-roll": Curves((_roll,), 0.5),
    "two-moons": Curves((_moon, _lower_moon), 0.1),
    "rings": Curves(tuple(partial(_ring, r) for r in (0.75, 1.5, 2.25, 3.0)), 0.08),
    "spirals": Curves((partial(_spiral, 1.0), partial(_spiral, -1.0)), 0.1, p=2),
}
GAUSSIANS = {"8-gaussians": _eight(), "song-ermon": song_ermon()}
TARGETS = {
    **{name: Target(name, c.draw, len(c.curves), c.mixture) for name, c in CURVES.items()},
    **{name: _mixed(name, law) for name, law in GAUSSIANS.items()},
    "checkerboard": Target("checkerboard", _board, as_density=_board_density),
    "pinwheel": Target("pinwheel", _pinwheel, classes=5),
}


# ---- files --------------------------------------------------------------------------------------


def points(source: str, choice: Choice) -> Target:
    """The rows (x, y) of a table, drawn with equal chances, again and again."""
    rows = read(source, choice).x
    if rows.shape[1:] != (2,) or len(rows) < 2:
        found = f"{len(rows)} rows of {rows.shape[1]}"
        raise InputError("target", source, f"has {found} numbers; must be 2 rows or more of 2")
    if not np.abs(rows).max() <= LARGEST:
        raise InputError("target", source, f"too large (must be up to {LARGEST:g} in size)")
    if (rows == rows[0]).all():
        raise InputError("target", source, f"all {len(rows)} points are equal")

    def draw(n: int, rng: np.random.Generator) -> tuple[Array, Labels]:
        return rows[rng.integers(len(rows), size=n)], np.zeros(n, np.int64)

    return Target(Path(source).stem, draw)


def drawn(source: str) -> Target:
    """The dark pixels of a picture, as likely as they are dark; a point is anywhere in its pixel.
    The longer side is [−2, 2], y points upwards."""
    dark = 1.0 - picture(source, "target", PIXELS)  # (h, w)
    dark[dark < PAPER] = 0.0
    if not dark.any():
        raise InputError(
            "target", source, f"must have a pixel darker than {PAPER:.0%}; nothing is drawn"
        )
    h, w = dark.shape
    side = WIDTH / max(h, w)
    corner = np.array([-w, h]) * side / 2  # of the first pixel, at the upper left
    to = np.array([side, -side])
    reached = np.cumsum(dark)

    def draw(n: int, rng: np.random.Generator) -> tuple[Array, Labels]:
        pixel = np.searchsorted(reached, reached[-1] * rng.random(n), side="right")
        place = np.stack([pixel % w, pixel // w], axis=1) + rng.random((n, 2))  # column, row
        return corner + to * place, np.zeros(n, np.int64)

    def density(x: Array) -> Array:
        column, row = np.floor((np.asarray(x) - corner) / to).astype(np.int64).T
        inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
        value = dark[np.clip(row, 0, h - 1), np.clip(column, 0, w - 1)]
        return np.where(inside, value / (reached[-1] * side**2), 0.0)

    return Target(Path(source).stem, draw, as_density=density)
