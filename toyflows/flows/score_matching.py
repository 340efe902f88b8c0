"""Score matching (Hyvärinen 2005): it compares slopes, and the slopes do not know the weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.flows.base import Flow, log_ratio, tenth_of_the_way
from toyflows.numerics import expit

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Array, Cloud
    from toyflows.flows.base import Course
    from toyflows.target import Target


@dataclass(frozen=True)
class ScoreMatching(Flow):
    """θ̇ = −∂_θ E_data|∂_xlog ρ_θ − ∂_xlog ρ_*|² = 2 ∂_θ E_data[∂_xxU_θ − ½(∂_xU_θ)²]

    Descent of the Fisher divergence as Coste (2024) writes it, SM(θ); Hyvärinen (2005) descends
    half of it, as do most papers: θ̇/2. On the exact data law
        θ̇ = d² e^{−d²/8} sinh((θ*−θ)/2) / (4√(2π) cosh(θ*/2)) · ∫ e^{−s²/2} sech³((ds−θ)/2) ds,
    and the integral tends to π/d: 1e−21 at d = 20. The particles are data points.
    """

    name = "score-matching"
    title = "Score matching"
    note = (
        "[C]'s SM(θ), without a ½; Hyvärinen (2005) has one, and so half of this θ̇. Rests at θ*. "
        "CD-1 of small steps h is h/2 times this."
    )
    has_negatives = False

    def init(self, ops: Backend, θ0: float) -> Cloud | None:
        return ops.data_particles()

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> Any:
        return 2 * ops.mean(negatives, ops.mixture.hyvärinen, θ)

    def value(self, target: Target, θ: float) -> float:
        """d² E_*[(r_θ − r_*)²], r_θ − r_* = r_θ(1 − r_*)(1 − e^{θ−θ*}), for the exact data law."""
        mix, δ = target.mixture, min(θ - target.θ_star, 300.0)

        def squared(x: Array) -> Array:
            not_r = expit(-mix.logit(x, target.θ_star))
            return (math.expm1(δ) * mix.responsibility(x, θ) * not_r) ** 2

        return mix.d**2 * target.data.mean(squared)

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        """(πd/4) [(1−q*) φ(x̂ − a) − q* φ(b − x̂)] with the ridge x̂ = m + θ/d: the data that each
        mode has there. At θ = 0 this is √(2π) d/8 · e^{−d²/8} tanh(θ*/2)."""
        mix, q = target.mixture, target.q_star
        x = mix.ridge(θ)
        at_ridge = (1 - q) * normal(x - mix.a) - q * normal(mix.b - x)
        return math.pi * mix.d / 4 * at_ridge

    def separated_error(self, target: Target, θ: float) -> float:
        """Relative error ≤ max(2⟨u²⟩/d², (1−λ²)/cos(πλ/2) − 1), λ = 2|θ|/d² < 3.

        With s = (θ + 2u)/d and u distributed as sech³ u, the integral is e^{−θ²/2d²} π/d times
        ⟨cosh(λu) e^{−2u²/d²}⟩; ⟨cosh λu⟩ = (1−λ²)/cos(πλ/2) and so ⟨u²⟩ = π²/4 − 2.
        """
        d = target.mixture.d
        λ = 2 * abs(θ) / d**2
        if λ >= 3:
            return math.inf
        mean_cosh = 4 / math.pi if abs(λ - 1) < 1e-6 else (1 - λ**2) / math.cos(math.pi * λ / 2)
        relative = max(2 * (math.pi**2 / 4 - 2) / d**2, mean_cosh - 1)
        return relative * abs(self.separated(target, θ, θ))

    def frontiers(self, target: Target, run: Course) -> dict[str, float]:
        """The lecture's leading order, and θ a tenth of the way at its first speed."""
        speed = self.separated(target, run.θ0, run.θ0)
        return {
            "t e^{−d²/8} = 1": log_ratio(run.rate * run.time, 1.0) - target.mixture.d**2 / 8,
            "a tenth of the way": tenth_of_the_way(speed, target, run),
        }

    def fixed_point(self, target: Target) -> float | None:
        return target.θ_star


def normal(x: float) -> float:
    """The density of N(0, 1)."""
    return math.exp(-min(x * x / 2, 700.0)) / math.sqrt(2 * math.pi)
