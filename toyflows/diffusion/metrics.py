"""How far a sample x (n, D) is from a sample y (m, D), and how far data are from data.

    sliced W2      √ E_u W2²(u·x, u·y)                       in the units of the data
    energy         2 E|X − Y| − E|X − X′| − E|Y − Y′|        in the units of the data
    MMD²           E k(X, X′) + E k(Y, Y′) − 2 E k(X, Y),    k = e^{−|x − y|²/2h²}, between 0 and 2

Each is zero only between equal laws, but it is never zero between two finite samples of one law.
The value between two samples of the same law is the `floor`: compare every distance with it. Energy
and MMD² are the averages over all pairs (V-statistics: ≥ 0, zero for equal samples, floor ∝ 1/n);
`unbiased` leaves out the pairs of a point with itself (U-statistics: floor of mean 0). A sample of
images is flattened. Sources: Rabin, Peyré, Delon & Bernot (2011); Székely & Rizzo (2013);
Gretton et al. (2012); Kynkäänniemi et al. (2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians
from toyflows.errors import InputError
from toyflows.seeds import stream

Metric = Callable[[Array, Array], float]
Sampler = Callable[[int, np.random.Generator], Array]  # (n, rng) → (n, D), as Gaussians.sample

BLOCK = 1 << 18  # numbers in flight, 2 MB: memory does not grow with n, and the cache holds them
FEW_AXES = 16  # up to here coordinates are subtracted, beyond it |x|² + |y|² − 2xy is far faster
CLOSE = 1e-5  # of |x|² + |y|²: below it x and y are subtracted after all
POOL = 1000  # points of which the median distance is taken


# ---- sliced Wasserstein-2 -----------------------------------------------------------------------


def sliced_w2(x: ArrayLike, y: ArrayLike, directions: int = 128, seed: int = 0) -> float:
    """√ mean_u W2²(u·x, u·y) over fixed directions; each one-dimensional W2 is exact."""
    x, y = _samples(x, y)
    frame = unit_vectors(directions, x.shape[1], seed)  # (K, D)
    rows, columns, lengths = _matching(len(x), len(y))
    at_once = max(1, BLOCK // max(len(x), len(y)))
    total = 0.0
    for k in range(0, len(frame), at_once):
        u = frame[k : k + at_once]
        gap = np.sort(u @ x.T, axis=1)[:, rows] - np.sort(u @ y.T, axis=1)[:, columns]
        total += float(np.sum(np.square(gap, out=gap) @ lengths))
    return math.sqrt(total / len(frame))


def unit_vectors(count: int, dimension: int, seed: int = 0) -> Array:
    """Directions (count, D): ±1 is one; equal angles over the half circle; random orthogonal
    frames of the seed. All but an unfinished frame have mean uuᵀ = I/D, as the sphere has."""
    if count < 1:
        raise InputError("directions", count, "must be 1 or more")
    if dimension == 1:
        return np.ones((1, 1))
    if dimension == 2:
        angle = math.pi * (np.arange(count) + 0.5) / count
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rng = stream(seed, "directions")
    frames = -(-count // dimension)
    made = np.linalg.qr(rng.standard_normal((frames, dimension, dimension)))[0]
    return made.reshape(-1, dimension)[:count]


def _matching(n: int, m: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """The quantile functions of n and of m sorted points step at i/n and j/m: on each interval
    between steps the places of their values, and its length. Places are exact: units of 1/nm."""
    steps = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    return (steps - 1) // m, (steps - 1) // n, np.diff(steps, prepend=0) / (n * m)


# ---- averages over pairs ------------------------------------------------------------------------


def energy_distance(x: ArrayLike, y: ArrayLike, unbiased: bool = False) -> float:
    """2 E|X − Y| − E|X − X′| − E|Y − Y′|: O(n log n) on a line, where it is 2∫(F − G)², else O(nm)
    in flat memory. Not the root of it, which other libraries give."""
    x, y = _samples(x, y, 1 + unbiased)
    if x.shape[1] == 1:
        return _of_pairs(_line_sums(x[:, 0], y[:, 0]), len(x), len(y), 0.0, unbiased)
    return _of_pairs(_sums(np.sqrt, x, y), len(x), len(y), 0.0, unbiased)


def mmd(
    x: ArrayLike, y: ArrayLike, bandwidth: float | None = None, unbiased: bool = False
) -> float:
    """MMD² = E k(X, X′) + E k(Y, Y′) − 2 E k(X, Y) for k = e^{−|x − y|²/2h²}; h is the median
    distance of the two samples together unless given. Values compare at one h only."""
    x, y = _samples(x, y, 1 + unbiased)
    h = median_distance(x, y) if bandwidth is None else bandwidth
    if not 0 < h < math.inf:
        raise InputError("bandwidth", h, "must be above 0 (it is the median distance if none)")
    sums = _sums(lambda d2: -np.exp(d2 / (-2 * h * h)), x, y)
    return _of_pairs(sums, len(x), len(y), -1.0, unbiased)


def median_distance(x: ArrayLike, y: ArrayLike) -> float:
    """The median of |a − b| over pairs of the two samples together, thinned to POOL points evenly
    along one fixed direction: the same for any order of the points."""
    x, y = _samples(x, y)
    pooled = np.concatenate([x, y])
    along = pooled @ stream(0, "median").standard_normal(pooled.shape[1])
    pooled = pooled[np.argsort(along)][:: -(-len(pooled) // POOL)]
    upper = np.triu_indices(len(pooled), 1)
    return float(np.median(np.sqrt(_squares(pooled, pooled)[upper])))


class _Sums(NamedTuple):
    """Σ f(|a − b|) over the pairs of x and y, and of two different points of x, and of y."""

    across: float
    in_x: float
    in_y: float


def _of_pairs(sums: _Sums, n: int, m: int, f0: float, unbiased: bool) -> float:
    """2 E f(X, Y) − E f(X, X′) − E f(Y, Y′); f0 = f(x, x) is what a point and itself add."""
    across = sums.across / (n * m)
    if unbiased:
        return 2 * across - sums.in_x / (n * (n - 1)) - sums.in_y / (m * (m - 1))
    within = (sums.in_x + n * f0) / (n * n) + (sums.in_y + m * f0) / (m * m)
    return max(0.0, 2 * across - within)  # below 0 by rounding only


def _sums(f: Callable[[Array], Array], x: Array, y: Array) -> _Sums:
    """Sums block by block over the rows; f takes squared distances."""
    with np.errstate(under="ignore"):  # of the kernel far away
        across = sum(float(f(_squares(block, y)).sum()) for block in _blocks(x, len(y)))
        return _Sums(across, _inside(f, x), _inside(f, y))


def _inside(f: Callable[[Array], Array], x: Array) -> float:
    """Σ_{i≠j} f(|x_i − x_j|²): the pairs of a block once, those with later blocks twice."""
    total, start = 0.0, 0
    for block in _blocks(x, len(x)):
        start += len(block)
        own = f(_squares(block, block))
        np.fill_diagonal(own, 0.0)
        total += float(own.sum())
        if start < len(x):
            total += 2 * float(f(_squares(block, x[start:])).sum())
    return total


def _line_sums(x: Array, y: Array) -> _Sums:
    """Sums of distances on a line, each from one sort: Σ_{i<j} (x_j − x_i) = Σ (2i − n + 1) x_i.
    Pairs across are those of both together less those within each."""
    in_x, in_y, all_pairs = (_line_inside(v) for v in (x, y, np.concatenate([x, y])))
    return _Sums((all_pairs - in_x - in_y) / 2, in_x, in_y)


def _line_inside(x: Array) -> float:
    n = len(x)
    return 2 * float((2 * np.arange(n) - (n - 1.0)) @ np.sort(x - x.mean()))


# ---- neighbours ---------------------------------------------------------------------------------


class PrecisionRecall(NamedTuple):
    """The share of generated points among the data, and of data among the generated points."""

    precision: float
    recall: float


def precision_recall(real: ArrayLike, generated: ArrayLike, k: int = 3) -> PrecisionRecall:
    """A point is among a sample if it lies in the ball of one of its points, which reaches to that
    point's k-th neighbour in the sample. Kynkäänniemi et al. (2019), equations 1 and 2.

    Two samples of one law do not give 1 (on a circle with k = 1 they give 3/4): see `floor`.
    """
    real, generated = _samples(real, generated, 2)
    return PrecisionRecall(_covered(generated, real, k), _covered(real, generated, k))


def _covered(x: Array, y: Array, k: int) -> float:
    """The share of x within the balls of y."""
    reach = np.square(nearest(y, k=k))
    inside = [np.any(_squares(block, y) <= reach, axis=1) for block in _blocks(x, len(y))]
    return float(np.mean(np.concatenate(inside)))


def nearest(x: ArrayLike, reference: ArrayLike | None = None, k: int = 1) -> Array:
    """Distance (n,) of each x to its k-th nearest point of the reference, or of the other x.

    Samples that copy the data lie nearer to them than fresh data do.
    """
    x, y = _samples(x, x if reference is None else reference)
    place = k if reference is not None else k + 1  # each x is the first neighbour of itself
    if not 1 <= k <= len(y) - (reference is None):
        raise InputError("k", k, f"must be 1 … {len(y) - (reference is None)} neighbours")
    if x.shape[1] <= FEW_AXES:
        from scipy.spatial import cKDTree

        return np.asarray(cKDTree(y).query(x, k=[place])[0][:, 0], np.float64)
    squares = (_squares(block, y) for block in _blocks(x, len(y)))
    found = [np.partition(d2, place - 1, axis=1)[:, place - 1] for d2 in squares]
    return np.sqrt(np.concatenate(found))


def mode_weights(x: ArrayLike, mixture: Gaussians, soft: bool = False) -> Array:
    """The share (K,) of x that is nearest to each mode; or, `soft`, the mean responsibilities,
    which for samples of the mixture are its weights in expectation however its modes overlap."""
    x, means = _samples(x, mixture.means)
    if soft:
        return np.asarray(mixture.responsibilities(x).mean(axis=0))
    owner = [np.argmin(_squares(block, means), axis=1) for block in _blocks(x, len(means))]
    return np.bincount(np.concatenate(owner), minlength=len(means)) / len(x)


# ---- data against data --------------------------------------------------------------------------


class Floor(NamedTuple):
    """The values of a metric for two samples of one law: mean, a quantile, and all replicas."""

    mean: float
    quantile: float
    values: Array


def floor(
    metric: Metric,
    sampler: Sampler,
    n: int,
    replicas: int = 20,
    seed: int = 0,
    *,
    against: int | None = None,
    level: float = 0.95,
) -> Floor:
    """metric(n points, `against` points (n unless given)) of independent samples, many times."""
    if replicas < 1:
        raise InputError("replicas", replicas, "must be 1 or more")
    if not 0 <= level <= 1:
        raise InputError("level", level, "must be 0 … 1")
    values = np.array(
        [
            metric(
                sampler(n, stream(seed, "floor", 2 * r)),
                sampler(against or n, stream(seed, "floor", 2 * r + 1)),
            )
            for r in range(replicas)
        ]
    )
    return Floor(float(values.mean()), float(np.quantile(values, level)), values)


# ---- shared -------------------------------------------------------------------------------------


def _samples(x: ArrayLike, y: ArrayLike, fewest: int = 1) -> tuple[Array, Array]:
    """Both samples as points (n, D) and (m, D), or InputError("samples")."""
    made = []
    for given in (x, y):
        points = np.asarray(given, np.float64)
        if points.ndim == 0 or len(points) < fewest:
            raise InputError("samples", points.shape, f"must be {fewest} point(s) or more each")
        if not np.isfinite(points).all():
            raise InputError("samples", points.shape, "some values are not finite")
        made.append(points.reshape(len(points), -1))
    if made[0].shape[1] != made[1].shape[1]:
        shapes = f"{made[0].shape} and {made[1].shape}"
        raise InputError("samples", shapes, "both must have the same number of coordinates")
    return made[0], made[1]


def _blocks(x: Array, width: int) -> list[Array]:
    rows = max(1, BLOCK // max(1, width))
    return [x[i : i + rows] for i in range(0, len(x), rows)]


def _squares(x: Array, y: Array) -> Array:
    """|x_i − y_j|² (n, m), to a relative 1e-10 or better; exactly 0 for copies."""
    if x.shape[1] <= FEW_AXES:
        from scipy.spatial.distance import cdist

        return np.asarray(cdist(x, y, "sqeuclidean"))
    centre = y.mean(axis=0)
    x, y = x - centre, y - centre
    sizes = np.sum(x * x, axis=1)[:, None] + np.sum(y * y, axis=1)  # the rounding is ε of these
    d2 = sizes - 2 * x @ y.T
    i, j = np.nonzero(d2 <= CLOSE * sizes)
    rows = max(1, BLOCK // x.shape[1])
    for k in range(0, len(i), rows):
        a, b = i[k : k + rows], j[k : k + rows]
        d2[a, b] = np.sum(np.square(x[a] - y[b]), axis=1)
    return d2
