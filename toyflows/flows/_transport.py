"""The monotone map of ρ_θ to ρ_* on the line, to machine precision: T = F_*^{-1} ∘ F_θ.

Between the modes T is a staircase: constant where ρ_θ ~ e^{−d²/8}, and with a slope of e^{d²/8}
where ρ_* is. So the curve (x, T(x)) is followed by u = x + T(x), along which x and T are smooth
and rise by at most 1, and the trapezoid rule has no error left (`target.spacing`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from toyflows.cloud import Array
from toyflows.mixture import Mixture
from toyflows.numerics import expit
from toyflows.target import nodes, spacing

if TYPE_CHECKING:
    from toyflows.target import Target

HALVINGS = 52  # of an interval of length d/2: what a float64 holds


def transport(target: Target, θ: float, excess: float) -> tuple[Array, Array, Array]:
    """Points x, y = T(x) (n,) and weights dx = x'(u)Δu of integrals over x; excess is p_b(θ) − q*.

    As |x − T(x)| ≤ d, x = u/2 + v and y = u/2 − v with 0 ≤ ±v ≤ d/2; v solves F_θ(x) = F_*(y) by
    halving. The ends are where the tail Φ(−9)e^{−|θ*−θ|} is: sharing a mode can ask for as much.
    """
    mix, star, δ = target.mixture, target.θ_star, target.θ_star - θ
    reach = 2 * math.sqrt(81 + 2 * abs(δ))
    dx = spacing(mix.d)
    half = 0.5 * nodes(2 * mix.a - reach, 2 * mix.b + reach, dx, 2 * mix.m)  # (n,)
    side = math.copysign(1.0, δ)
    apart = np.array([[0.0], [0.0], [excess]])
    low, high = np.zeros(half.size), np.full(half.size, 0.5 * mix.d)
    with np.errstate(under="ignore"):
        for _ in range(HALVINGS):
            v = 0.5 * (low + high)
            F, G = _cdf(mix, half + side * v, θ), _cdf(mix, half - side * v, star)
            best = np.argmin(np.abs(F) + np.abs(G) + np.abs(apart), axis=0)
            beyond = side * np.take_along_axis(F - G - apart, best[None], axis=0)[0] > 0
            low, high = np.where(beyond, low, v), np.where(beyond, v, high)
        x, y = half + side * v, half - side * v
        thinner = mix.energy(x, θ) - mix.energy(y, star) + mix.log_Z(θ) - mix.log_Z(star)
        return x, y, expit(thinner) * dx  # x' = ρ_*(y)/(ρ_θ(x) + ρ_*(y)), as ρ_θ dx = ρ_* dy


def between(mix: Mixture, x: Array) -> Array:
    """Φ(x − a) − Φ(x − b) ≥ 0, which is (∂F_θ/∂θ)/(p(1−p)); ∫ of it is d."""
    from scipy.special import ndtr  # 0.1 s: not before it is needed

    with np.errstate(under="ignore"):
        return ndtr(x - mix.a) - ndtr(x - mix.b)


def _cdf(mix: Mixture, x: Array, θ: float) -> Array:
    """F_θ, F_θ − 1 and F_θ − p_a (3, n), each without cancellation: the smallest is the most
    accurate, the last one between the modes, where all else that is left is e^{−d²/8}."""
    from scipy.special import ndtr

    p_a, p_b = mix.weight_b(-θ), mix.weight_b(θ)
    a, b = x - mix.a, x - mix.b
    above_a, below_b = p_a * ndtr(-a), p_b * ndtr(b)
    return np.stack([p_a * ndtr(a) + below_b, -above_a - p_b * ndtr(-b), below_b - above_a])
