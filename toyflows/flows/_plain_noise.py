"""ρ_θ itself against noised data: θ̇ = 2d E[(F_noisy − F_θ) r(1−r)](y), F = −∂_y log density.

With p the noised data's density, s² = 1 + σ² and by parts,

    θ̇ = −d ∫ r(1−r) [p' + 2(y−m)p] dy.

r(1−r) is the logistic density at the ridge m + θ/d, as narrow as 1/d.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from toyflows.flows.score_matching import normal
from toyflows.mixture import Mixture
from toyflows.target import nodes, spacing

if TYPE_CHECKING:
    from toyflows.target import Target

REACH = 9.0  # spreads of the noised modes: e^−40
STEEPEST = 0.9  # |κ| up to which the closed form is used; its integrals exist below 1


def separated(target: Target, θ: float, σ: float) -> float:
    """(1−q*) φ_s(x_a) G(x_a) − q* φ_s(x_b) G(x_b), with x_a, x_b = d/2 ± θ/d from the modes to the
    ridge and φ_s the density of N(0, s²).

    At the ridge p is a sum of two exponentials e^{∓κu}, u = d × the distance from it, κ = x/ds²,
    times e^{−u²/2d²s²}, which is put to 1. With c = 2 − 1/s² the integral is that with
        G(x) = (d − cx) B(κ) + (c/d) B'(κ),     B(κ) = ∫e^{κu} r(1−r) du = πκ/sin πκ.
    """
    d, c = target.mixture.d, 2 - 1 / (1 + σ**2)

    def G(x: float, κ: float) -> float:
        κ = max(-STEEPEST, min(κ, STEEPEST))
        B = 1 / float(np.sinc(κ))
        log_slope = math.pi**2 * κ / 3  # (log B)' as κ → 0
        if abs(κ) > 1e-4:
            log_slope = 1 / κ - math.pi / math.tan(math.pi * κ)
        return (d - c * x) * B + c / d * B * log_slope

    in_a, in_b = (p * G(x, κ) for p, x, κ in _sides(target, θ, σ))
    return in_a - in_b


def error(target: Target, θ: float, σ: float) -> float:
    """Σ over both modes, with their weights, of φ_s(x) (|d − cx| M_2 + (c/d) M_3)/2d²s², with M_n =
    n! [(1−κ)^{−n−1} + (1+κ)^{−n−1}]; inf for |κ| > 0.9.

    1 − e^{−t} ≤ t for t = u²/2d²s², and ∫|u|ⁿ e^{κu} r(1−r) du ≤ M_n as r(1−r) ≤ e^{−|u|}.
    """
    d, s2, total = target.mixture.d, 1 + σ**2, 0.0
    c = 2 - 1 / s2
    for p, x, κ in _sides(target, θ, σ):
        if abs(κ) > STEEPEST:
            return math.inf
        M2, M3 = (math.factorial(n) * ((1 - κ) ** -(n + 1) + (1 + κ) ** -(n + 1)) for n in (2, 3))
        total += p * (abs(d - c * x) * M2 + c / d * M3) / (2 * d**2 * s2)
    return total


def _sides(target: Target, θ: float, σ: float) -> list[tuple[float, float, float]]:
    """(weight × φ_s(x), x, κ) of modes a and b."""
    mix, q, s2 = target.mixture, target.q_star, 1 + σ**2
    s, ridge = math.sqrt(s2), mix.ridge(θ)
    return [
        (weight * normal(x / s) / s, x, x / (mix.d * s2))
        for weight, x in ((1 - q, ridge - mix.a), (q, mix.b - ridge))
    ]


@functools.lru_cache(maxsize=1024)
def rest(d: float, θ_star: float, σ: float) -> float | None:
    """The one root of θ̇ for the data's law at θ*, by quadrature in logarithms, between 0 and s²θ*;
    None where its ridge would be farther out than nodes and data are.

    There is one only: as (log p)'' ≥ −1/s², p'/p + 2(y−m) rises with y and changes sign once; then
    so does its mean with the weight p over r(1−r), a log-concave density whose place is θ.
    """
    from scipy.optimize import brentq  # 0.2 s: not before it is needed

    s, mix = math.sqrt(1 + σ**2), Mixture.separated(d)
    near, far = Mixture.separated(d / s), d / 2 + REACH * s
    y = nodes(-far, far, min(spacing(d), s * spacing(near.d)), 0.0)
    log_p, F = -near.energy(y / s, θ_star), near.dU_dx(y / s, θ_star) / s

    def pull(θ: float) -> float:
        """θ̇ over 2d E[r(1−r)]."""
        z = np.minimum(np.abs(mix.logit(y, θ)), 1e4)
        with np.errstate(under="ignore"):
            log_w = log_p - z - 2 * np.log1p(np.exp(-np.minimum(z, 700.0)))
            w = np.exp(np.maximum(log_w - log_w.max(), -700.0))
            return float(w @ (F - mix.dU_dx(y, θ)) / w.sum())

    end = math.copysign(min(s**2 * abs(θ_star), d * far), θ_star)
    if θ_star == 0 or pull(0.0) * pull(end) > 0:
        return 0.0 if θ_star == 0 else None
    return float(brentq(pull, 0.0, end, xtol=1e-12))
