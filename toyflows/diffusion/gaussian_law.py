"""The exact law of a sampler on Gaussian data: no samples, no error but the method's own.

The score of a Gaussian is affine, hence a step is x_s = A x_t + b + Σ_j c_j z_j with standard
normal z_j: mean and variance are followed through it,

    m ← A m + b,    v ← A² v + Σ_j c_j².

A, b and the c_j are read from the step itself, by giving it zeros and ones for x and its noise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.methods.base import Method, Model, Score
from toyflows.diffusion.processes import Process
from toyflows.errors import InputError


class Law(NamedTuple):
    """A Gaussian on the line, and the evaluations of the score that led to it."""

    mean: float
    variance: float
    evaluations: int

    def distance(self, mean: float, variance: float) -> float:
        """Wasserstein-2 distance to N(mean, variance)."""
        return float(np.hypot(self.mean - mean, self.variance**0.5 - variance**0.5))


class _Probe:
    """Noise that is 1 at row j + 2 of the j-th draw, 0 elsewhere."""

    def __init__(self) -> None:
        self.draws = 0

    def standard_normal(self, size: tuple[int, ...], dtype: Any) -> Array:
        z = np.zeros(size, dtype)
        if self.draws + 2 < size[0]:
            z[self.draws + 2] = 1
        self.draws += 1
        return z


def follow(
    method: Method, score: Score, process: Process, mean: float, variance: float, times: Array
) -> Law:
    """The law at times[-1] of points that are N(mean, variance) at times[0].

    Raises InputError where the score is not affine in x (n, 1).
    """
    counted, probed = (Model(score, process, float(times[-1])) for _ in range(2))
    for t, s in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        dry = _Probe()
        method.step(counted, np.zeros((1, 1)), t, s, dry)
        x = np.zeros((dry.draws + 3, 1))
        x[1], x[-1] = 1.0, -1.0
        y = method.step(probed, x, t, s, _Probe())[:, 0]
        A, b, c = y[1] - y[0], y[0], y[2:-1] - y[0]
        if abs(y[-1] - (b - A)) > 1e-9 * (1 + abs(A) + abs(b)):
            raise InputError("score", "of this data", "must be affine in x, that of one Gaussian")
        mean, variance = float(A * mean + b), float(A * A * variance + c @ c)
    return Law(mean, variance, counted.evaluations)


def cdf(mixture: Gaussians, x: Array) -> Array:
    """P(X ≤ x) (n,) of a mixture on the line."""
    from scipy.special import ndtr

    if mixture.dimension != 1:
        raise InputError("mixture", mixture.dimension, "must be one dimension")
    with np.errstate(under="ignore"):
        z = (np.ravel(x)[:, None] - mixture.means[:, 0]) / mixture.spreads
        return np.asarray(ndtr(z) @ mixture.weights)


def quantiles(mixture: Gaussians, n: int) -> Array:
    """The (i + ½)/n-quantiles (n,) of a mixture on the line: n points without sampling error."""
    reach = 10 * mixture.spreads.max()
    x = np.linspace(mixture.means.min() - reach, mixture.means.max() + reach, 100_001)
    return np.interp((np.arange(n) + 0.5) / n, cdf(mixture, x), x)


def distance(x: Array, mixture: Gaussians) -> float:
    """Wasserstein-1 distance ∫|F_n − F| of points x (n,) on the line to the mixture.

    By the trapezoid rule between the points and 4000 nodes more, to ten spreads beyond the modes.
    """
    reach = 10 * mixture.spreads.max()
    ends = mixture.means.min() - reach, mixture.means.max() + reach
    at = np.sort(np.concatenate([x, np.linspace(*ends, 4001)]))
    F, share = cdf(mixture, at), np.searchsorted(np.sort(x), at[:-1], side="right") / x.size
    gaps = np.abs(F[:-1] - share) + np.abs(F[1:] - share)
    return float(np.sum(0.5 * gaps * np.diff(at)))
