"""Maximum likelihood: the exact gradient, negatives drawn from the model itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.flows.base import Flow

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.target import Target


@dataclass(frozen=True)
class MaximumLikelihood(Flow):
    """θ̇ = E_{ρ_θ}[∂_θU_θ] − E_data[∂_θU_θ]

    Ascent of the log-likelihood. For well-separated modes θ̇ = p_b(θ) − q*: one fixed point, θ*,
    reached at the rate q*(1 − q*). Source: Coste 2024, "maximum likelihood".
    """

    name = "ml"
    title = "Maximum likelihood"

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        return ops.model(θ)

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> Any:
        r = ops.mixture.responsibility
        return ops.mean(negatives, r, θ) - ops.mean(ops.data(), r, θ)

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        return target.mixture.weight_b(θ) - target.q_star

    def separated_error(self, target: Target, θ: float) -> float:
        """|E_data[r_θ] − q*| ≤ e^{−k²/2}, k = d/2 − |θ|/d.

        For x = a + Z: E σ(d(Z−k)) ≤ E min(1, e^{d(Z−k)}) = Φ(−k) + e^{−θ}Φ(k−d), both ≤ ½e^{−k²/2};
        likewise for mode b. E_{ρ_θ}[r_θ] = p_b(θ) exactly.
        """
        d = target.mixture.d
        return math.exp(-0.5 * max(d / 2 - abs(θ) / d, 0.0) ** 2)

    def fixed_point(self, target: Target) -> float | None:
        return target.θ_star
