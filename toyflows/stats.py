"""Assertions for claims and tests, each returning the numbers that prove it.

A random assertion states its false-fail rate α (how often it fails though the claim is true) and
the effect that it detects with probability 0.99 (how wrong the claim must be to be caught): a test
that could not fail says so. Samples must be independent replicas.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

POWER = 0.99


class ClaimError(AssertionError):
    """A claim does not hold; the message has the numbers."""


@dataclass(frozen=True)
class Checked:
    """What was compared: |value − expected| ≤ margin held. `false_fail` is 0 for an exact check;
    `detects` is the smallest |true − expected| that is caught with probability 0.99. Where `kind`
    is "≤" or "≥", value ≤ expected or ≥ expected held, and `margin` is the room that was left."""

    value: float
    expected: float
    margin: float
    false_fail: float = 0.0
    detects: float = 0.0
    kind: str = "="

    def numbers(self) -> dict[str, float | str]:
        """The numbers for a manifest."""
        return asdict(self)


def close(
    what: str, value: float, expected: float, *, atol: float = 0.0, rtol: float = 0.0
) -> Checked:
    """|value − expected| ≤ atol + rtol |expected|."""
    margin = float(atol + rtol * abs(expected))
    return _checked(what, Checked(float(value), float(expected), margin, detects=margin))


def at_most(what: str, value: float, bound: float) -> Checked:
    """value ≤ bound."""
    if not value <= bound:
        raise ClaimError(f"{what}: {value:.6g} is not at most {bound:.6g}")
    return Checked(float(value), float(bound), float(abs(bound - value)), kind="≤")


def at_least(what: str, value: float, bound: float) -> Checked:
    """value ≥ bound."""
    if not value >= bound:
        raise ClaimError(f"{what}: {value:.6g} is not at least {bound:.6g}")
    return Checked(float(value), float(bound), float(abs(bound - value)), kind="≥")


def slope(what: str, x: ArrayLike, y: ArrayLike, expected: float, *, rtol: float) -> Checked:
    """The least-squares slope of y over x is `expected` to a relative rtol."""
    fitted = np.polynomial.Polynomial.fit(np.asarray(x), np.asarray(y), 1).convert().coef[1]
    return close(what, float(fitted), expected, rtol=rtol)


def mean(
    what: str, samples: ArrayLike, expected: float, *, false_fail: float = 1e-6, bias: float = 0.0
) -> Checked:
    """The expectation behind independent samples (n ≥ 2,) is `expected`, up to a known `bias`.

    Student's test: margin = bias + t_{n−1}(1 − α/2) s/√n.
    """
    from scipy.special import ndtri, stdtrit

    v = np.asarray(samples, float)
    if v.size < 2:
        raise ValueError("a mean needs at least two independent samples")
    error = v.std(ddof=1) / math.sqrt(v.size)
    reach = float(stdtrit(v.size - 1, 1 - false_fail / 2))
    margin = bias + reach * error
    detects = margin + float(ndtri(POWER)) * error
    return _checked(what, Checked(float(v.mean()), float(expected), margin, false_fail, detects))


def proportion(
    what: str, successes: int, n: int, expected: float, *, false_fail: float = 1e-6
) -> Checked:
    """`successes` of n independent trials have the probability `expected`: exact binomial test."""
    from scipy.special import bdtr, bdtrc, ndtri

    low = float(bdtr(successes, n, expected))  # P(X ≤ successes)
    high = float(bdtrc(successes - 1, n, expected)) if successes > 0 else 1.0
    error = math.sqrt(expected * (1 - expected) / n)
    margin = float(-ndtri(false_fail / 2)) * error
    share = successes / n
    if min(low, high) < false_fail / 2:
        raise ClaimError(f"{what}: {successes} of {n} is not a share of {expected:.6g}, p = "
                         f"{2 * min(low, high):.1e} < {false_fail:g}")  # fmt: skip
    return Checked(share, expected, margin, false_fail, margin + float(ndtri(POWER)) * error)


def same_law(
    what: str, samples: ArrayLike, cdf: Callable[[Any], Any], *, false_fail: float = 1e-6,
    bias: float = 0.0,
) -> Checked:  # fmt: skip
    """Independent samples (n,) have the continuous `cdf`, up to a known `bias`: max |F_n − F|.

    Kolmogorov and Smirnov's test: margin = bias + √(log(2/α)/2n), by the inequality of Dvoretzky,
    Kiefer and Wolfowitz with Massart's constant, which holds for every n.
    """
    from scipy.special import ndtri

    x = np.sort(np.asarray(samples, float).ravel())
    F, n = np.asarray(cdf(x)), x.size
    rank = np.arange(n + 1) / n
    distance = max(float(np.max(rank[1:] - F)), float(np.max(F - rank[:-1])))
    margin = bias + math.sqrt(math.log(2 / false_fail) / (2 * n))
    detects = margin + float(ndtri(POWER)) * 0.5 / math.sqrt(n)
    return _checked(what, Checked(distance, 0.0, margin, false_fail, detects))


def _checked(what: str, c: Checked) -> Checked:
    """c, or ClaimError where it does not hold (a nan never holds)."""
    if not abs(c.value - c.expected) <= c.margin:
        rate = f", false-fail rate {c.false_fail:g}" if c.false_fail else ""
        raise ClaimError(f"{what}: {c.value:.9g} is not {c.expected:.9g} ± {c.margin:.3g}{rate}")
    return c
