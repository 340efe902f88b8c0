"""How many random patterns Hebb's rule holds: p = αN patterns of N units, N → ∞.

Started at a pattern the network comes to rest at the overlap m = erf(y), where

    √(2α) = erf(y)/y − (2/√π) e^{−y²}      (Amit, Gutfreund & Sompolinsky 1985, at T = 0).

The right side is largest at y = 1.513: beyond α_c = 0.1379 no state near a pattern is at rest, and
m jumps from m_c = 0.967 to about 0.35. (Replica-symmetric; its breaking moves α_c by 0.2 %.) For
finite N the jump is a slope: at N = 1000 half of the patterns stay up to α = 0.16. There α_c is
read at the foot of the slope: the load at which the mean share of wrong bits, (1 − m)/2, is that of
the end of the branch, (1 − m_c)/2 = 1.63 %.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import erf

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.lattice.hopfield import Hopfield, gradient_rule, hebb, overlaps

MOST_UNITS = 4096


def _root_of_load(y: float) -> float:
    """√(2α) at y."""
    return float(erf(y)) / y - 2 / math.sqrt(math.pi) * math.exp(-y * y)


def _end() -> float:
    found = minimize_scalar(lambda y: -_root_of_load(y), bounds=(1, 2), method="bounded",
                            options={"xatol": 1e-10})  # fmt: skip
    return float(found.x)


def critical() -> tuple[float, float]:
    """(α_c, m_c): the largest load of the retrieval branch, 0.13791, and the overlap there."""
    y = _end()
    return 0.5 * _root_of_load(y) ** 2, float(erf(y))


def overlap(α: float) -> float:
    """m on the retrieval branch at the load α; nan beyond α_c."""
    y, root = _end(), math.sqrt(2 * α)
    if root > _root_of_load(y):
        return math.nan
    # As y grows the right side falls to 1/y: the branch's y lies below 1/√(2α).
    return float(erf(brentq(lambda y: _root_of_load(y) - root, y, 1 / root + 1)))


def random_patterns(p: int, N: int, rng: np.random.Generator) -> Array:
    """(p, N) of ±1 with equal probabilities, float32: whole numbers to 2²⁴ are exact in it."""
    return np.asarray(2 * rng.integers(0, 2, (p, N), np.int8) - 1, np.float32)


def at_rest(
    α: float, N: int, nets: int, seed: int = 0, rule: str = "hebb", starts: int | None = None
) -> Array:
    """Overlaps (nets, starts) with their pattern of states that began at it, for `nets` sets of
    round(αN) random patterns; all patterns are starts, or the first of them."""
    if not 1 <= N <= MOST_UNITS:
        raise InputError("N", N, f"must be 1 to {MOST_UNITS}")
    p = round(α * N)
    if p < 1:
        raise InputError("α", α, "must be one pattern or more")
    found = []
    for k in range(nets):
        x = random_patterns(p, N, np.random.default_rng([seed, p, N, k]))
        net = hebb(x) if rule == "hebb" else _learned(x)
        states, _ = net.settle(x[:starts], seed)
        found.append(np.diag(overlaps(states, x[: len(states)])))
    return np.array(found, float)


def _learned(x: Array) -> Hopfield:
    return gradient_rule(x.astype(float), decay=1e-3, steps=150)


def threshold(loads: Array, errors: Array) -> float:
    """The load at which the error share is (1 − m_c)/2: on the straight line through its logarithm
    by least squares."""
    line = np.polynomial.Polynomial.fit(loads, np.log(errors), 1).convert().coef
    return float((math.log((1 - critical()[1]) / 2) - line[0]) / line[1])
