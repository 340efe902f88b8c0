"""Total variation: a distance with a kink, whose flow arrives in finite time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toyflows.flows._divergence import Kinked, variance

if TYPE_CHECKING:
    from toyflows.mixture import Mixture
    from toyflows.target import Target


@dataclass(frozen=True)
class TotalVariation(Kinked):
    """θ̇ = −∂_θ ½∫|ρ_θ − ρ_*| = E_{ρ_θ}[½ sgn(ρ_θ − ρ_*) (r_θ − p_b(θ))]

    As ρ_θ − ρ_* = (p − q*)(N_b − N_a), p = p_b(θ), changes sign at m for every θ,
        TV = |p − q*| erf(d/√8),      θ̇ = p(1−p) erf(d/√8) sgn(p − q*)
    at every separation: used in place of a quadrature, which a jump inside a cell leaves at order
    Δ². The speed does not fall at θ*: θ arrives there at the time `arrival`, and stays.
    """

    name = "total-variation"
    title = "Total variation"

    def κ(self, mix: Mixture) -> float:
        """½∫|N_b − N_a| = 2Φ(d/2) − 1."""
        return math.erf(mix.d / math.sqrt(8))

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        return self._to_star(target, θ)

    def separated_error(self, target: Target, θ: float) -> float:
        """p(1−p) erfc(d/√8), which is the error itself."""
        return variance(target.mixture, θ) * math.erfc(target.mixture.d / math.sqrt(8))
