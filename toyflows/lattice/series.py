"""Error bars of a correlated series: integrated autocorrelation time, errors of functions of means.

    τ = ½ + Σ_{t=1}^W C(t)/C(0),      error² = 2τ C(0)/n,     W the first t ≥ 6 τ(t) (Sokal)

Values that alternate, as Metropolis's magnetisation in a hot field, have C(1) near −C(0) and sums
that cancel: so C is that of y_t = ¼x_{t−1} + ½x_t + ¼x_{t+1}, which has the same mean and error and
no alternation (the pairs of Geyer 1992, § 3.3, summed before, not after, the noise of C is added).
The reported τ is the one that gives x this error.

A function f of several means has the series Σ_i ∂_i f · x_i, whose τ and error are those of f, so
that a Binder cumulant needs no bins (U. Wolff, Monte Carlo errors with less errors, 2004).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from toyflows import doubt
from toyflows.cloud import Array

WINDOW = 6.0  # in units of τ: of an exponential C the part e^{−6} is left out
STEP = 1e-5  # of the derivatives of f, in standard deviations of each x_i


class Estimate(NamedTuple):
    """A value, its standard error, and τ in records: 2τ of them count as one. `doubt` says why the
    error is not to be believed; "" where it is."""

    value: float
    error: float
    τ: float
    doubt: str = ""

    @property
    def believed(self) -> float | None:
        """The error, None in doubt."""
        return None if self.doubt else self.error


def autocovariance(x: Array) -> Array:
    """C(t) (n,) of x (n,), t = 0 … n − 1: sums over the n − t pairs, divided by n − t."""
    n = len(x)
    spectrum = np.fft.rfft(x - x.mean(), 2 * n)
    with np.errstate(under="ignore"):
        return np.fft.irfft(np.abs(spectrum) ** 2, 2 * n)[:n] / np.arange(n, 0, -1)


def integrated_time(x: Array) -> tuple[float, float]:
    """(τ, standard error of the mean) of x (n ≥ 3,); a constant has τ = ½ and no error.

    The mean is the series' own, which makes each C(t) too small by the mean's variance: that much
    is put back.
    """
    if not x.var() > 1e-28 * np.mean(np.square(x)):  # what rounding leaves of a constant
        return 0.5, 0.0
    y = 0.25 * x[:-2] + 0.5 * x[1:-1] + 0.25 * x[2:]
    n, C = len(y), autocovariance(y)
    if not C[0] > 0:
        return 0.0, 0.0
    τ = np.cumsum(C / C[0]) - 0.5
    W = int(np.argmax(np.arange(n) >= WINDOW * τ)) or n - 1  # a series too short has no window
    raw = max(float(τ[W]), 0.0) * C[0]
    variance = 2 * raw / n
    error = float(np.sqrt((2 * raw + (2 * W + 1) * variance) / n))
    return error**2 * len(x) / (2 * (float(x.var()) + error**2)), error


def estimate(f: Callable[[Array], float], x: Array) -> Estimate:
    """f at the means of x (k, n), with its error; f takes the k means."""
    means, spreads = x.mean(axis=1), x.std(axis=1)
    slope = np.zeros(len(x))
    for i, spread in enumerate(spreads):
        if spread > 1e-14 * abs(means[i]):
            aside = np.zeros(len(x))
            aside[i] = STEP * spread
            slope[i] = (f(means + aside) - f(means - aside)) / (2 * STEP * spread)
    changed = int(np.count_nonzero(np.any(np.diff(x[spreads > 0], axis=1), axis=0)))
    τ, error = integrated_time(slope @ (x - means[:, None]))
    n = x.shape[1]
    told = doubt.widened(error, n, τ)
    return Estimate(float(f(means)), told, τ, doubt.series(n, changed, τ))
