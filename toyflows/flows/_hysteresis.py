"""Persistent walkers of two modes that θ leaves behind: how far θ runs, and when it is back.

Let u be the share of walkers in the mode that θ runs from, u* its share in the data, γ the rate and
x = ±θ the way run. Walkers leave that mode at the rate 1/τ(x), and none returns:

    ẋ = γ(u − u*),   u̇ = −u/τ(x)      ⇒      γ[u0 − u − u* log(u0/u)] = K(x) := ∫₀^x dx/τ(x)

up to the walkers that leave before x = 0. The left side is largest at u = u*: there θ turns; the
two roots u₊ > u* > u₋ (Lambert's W) are the way out and the way back.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from toyflows.cloud import Array
from toyflows.mixture import Mixture

POINTS = 200  # of K, and of the quadrature of a trip


def turning_point(mixture: Mixture, γ: float, u0: float, u: float) -> float:
    """|θ| at the turn, K = γ[u0 − u* − u* log(u0/u*)], u* = u; or where the basin vanishes, near
    d²/2 (`bistable_up_to`), if that is nearer."""
    x, K = hazard(mixture)
    return float(np.interp(γ * (u0 - u - u * math.log(u0 / u)), K, x))


def round_trip(mixture: Mixture, γ: float, u0: float, u: float, start: float, back: float) -> float:
    """Time from x = start to the turn and to x = back, for u0 > u = u*; 0 if the turn is nearer.

    x = turn − (turn − start)s² takes the root off the integrand, whose speeds vanish at the turn.
    """
    from scipy.special import lambertw

    x, K = hazard(mixture)
    turn, top = turning_point(mixture, γ, u0, u), γ * (u0 - u - u * math.log(u0 / u))
    s = (np.arange(POINTS) + 0.5) / POINTS
    total = 0.0
    for end, branch in ((start, -1), (back, 0)):
        way = max(turn - end, 0.0)
        at = np.interp(turn - way * s**2, x, K)
        # at s = 0 the argument is −1/e, the branch point
        w = lambertw(-np.exp(np.minimum(-1.0, math.log(u0 / u) - u0 / u + at / (γ * u))), branch)
        share = -u * w.real
        if branch == 0 and top > K[-1]:
            share = np.zeros(POINTS)  # the basin is gone, and all fell at once
        total += float(np.mean(2 * way * s / np.maximum(γ * np.abs(share - u), 1e-300)))
    return total


@functools.lru_cache(64)
def hazard(mixture: Mixture) -> tuple[Array, Array]:
    """x (POINTS,) from 0 to the basin's end, and K(x)."""
    x = np.linspace(0.0, mixture.bistable_up_to, POINTS)
    rate = np.array([1 / mixture.mixing_time(float(v)) for v in x])
    return x, np.append(0.0, np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(x)))
