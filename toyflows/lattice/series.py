"""Error bars of a correlated series: integrated autocorrelation time, errors of functions of means.

    τ = ½ + Σ_{t=1}^W C(t)/C(0),      error² = 2τ C(0)/n,     W the first t ≥ 6 τ(t) (Sokal)

A function f of several means has the series Σ_i ∂_i f · x_i, whose τ and error are those of f, so
that a Binder cumulant needs no bins (U. Wolff, Monte Carlo errors with less errors, 2004).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from toyflows.cloud import Array

WINDOW = 6.0  # in units of τ: of an exponential C the part e^{−6} is left out
STEP = 1e-5  # of the derivatives of f, in standard deviations of each x_i


class Estimate(NamedTuple):
    """A value, its standard error, and τ in records: 2τ of them count as one."""

    value: float
    error: float
    τ: float


def autocovariance(x: Array) -> Array:
    """C(t) (n,) of x (n,), t = 0 … n − 1: sums over the n − t pairs, divided by n − t."""
    n = len(x)
    spectrum = np.fft.rfft(x - x.mean(), 2 * n)
    with np.errstate(under="ignore"):
        return np.fft.irfft(np.abs(spectrum) ** 2, 2 * n)[:n] / np.arange(n, 0, -1)


def integrated_time(x: Array) -> tuple[float, float]:
    """(τ, standard error of the mean) of x (n,); a constant has τ = ½ and no error.

    The mean is the series' own, which makes each C(t) too small by the mean's variance: that much
    is put back.
    """
    n, C = len(x), autocovariance(x)
    if not C[0] > 1e-28 * np.mean(np.square(x)):  # what rounding leaves of a constant
        return 0.5, 0.0
    τ = np.cumsum(C / C[0]) - 0.5
    W = int(np.argmax(np.arange(n) >= WINDOW * τ)) or n - 1  # a series too short has no window
    raw = max(float(τ[W]), 0.0)
    variance = 2 * raw * C[0] / n
    C0 = C[0] + variance
    sums = 2 * raw * C[0] + (2 * W + 1) * variance
    return float(sums / (2 * C0)), float(np.sqrt(sums / n))


def estimate(f: Callable[[Array], float], x: Array) -> Estimate:
    """f at the means of x (k, n), with its error; f takes the k means."""
    means, spreads = x.mean(axis=1), x.std(axis=1)
    slope = np.zeros(len(x))
    for i, spread in enumerate(spreads):
        if spread > 1e-14 * abs(means[i]):
            aside = np.zeros(len(x))
            aside[i] = STEP * spread
            slope[i] = (f(means + aside) - f(means - aside)) / (2 * STEP * spread)
    τ, error = integrated_time(slope @ (x - means[:, None]))
    return Estimate(float(f(means)), error, τ)
