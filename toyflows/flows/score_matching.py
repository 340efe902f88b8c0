"""Score matching (Hyvärinen 2005): it compares slopes, and the slopes do not know the weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toyflows.flows.base import Flow

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.target import Target


@dataclass(frozen=True)
class ScoreMatching(Flow):
    """θ̇ = ∂_θ E_data[∂_xxU_θ − ½(∂_xU_θ)²]

    Descent of half the Fisher divergence ½E_data|∂_xU_θ − ∂_xU_*|². On the exact data law
        θ̇ = d² e^{−d²/8} sinh((θ*−θ)/2) / (8√(2π) cosh(θ*/2)) · ∫ e^{−s²/2} sech³((ds−θ)/2) ds,
    and the integral tends to π/d: 1e−21 at d = 20. The particles are data points.
    """

    name = "score-matching"
    title = "Score matching"
    has_negatives = False

    def init(self, ops: Backend, θ0: float) -> Cloud | None:
        return ops.data_particles()

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> float:
        return float(ops.mean(negatives, ops.mixture.hyvärinen, θ))

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        """√(2π) d/16 · e^{−d²/8} sinh((θ*−θ)/2)/cosh(θ*/2)."""
        d, θ_star = target.mixture.d, target.θ_star
        tilt = math.sinh((θ_star - θ) / 2) / math.cosh(θ_star / 2)
        return math.sqrt(2 * math.pi) * d / 16 * math.exp(-d * d / 8) * tilt

    def separated_error(self, target: Target, θ: float) -> float:
        """Relative error ≤ (θ² + 4⟨u²⟩)/(2d²): 1 − e^{−z} ≤ z under the integral, whose variable
        is s = (θ + 2u)/d with u distributed as sech³ u, ⟨u²⟩ = π²/4 − 2."""
        spread = 4 * (math.pi**2 / 4 - 2)
        relative = (θ * θ + spread) / (2 * target.mixture.d**2)
        return relative * abs(self.separated(target, θ, θ))

    def fixed_point(self, target: Target) -> float | None:
        return target.θ_star
