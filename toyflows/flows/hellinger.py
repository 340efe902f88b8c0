"""Squared Hellinger distance, the divergence that is symmetric in model and data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toyflows.cloud import Array
from toyflows.flows._divergence import FDivergence


@dataclass(frozen=True)
class Hellinger(FDivergence):
    """θ̇ = −∂_θ ½∫(√ρ_θ − √ρ_*)² = E_{ρ_θ}[½(1 − √(ρ_*/ρ_θ)) (r_θ − p_b(θ))]

    For well-separated modes, with p = p_b(θ) = sin²α and q* = sin²α*,
        θ̇ = ½√(p(1−p)) (√(p(1−q*)) − √(q*(1−p))) = ¼ sin 2α sin(α − α*):
    one fixed point, θ*, reached at the rate q*(1−q*)/4, a quarter of maximum likelihood's, as
    near θ* the squared distance is a quarter of KL.
    """

    name = "hellinger"
    title = "Squared Hellinger"

    def f(self, log_u: Array) -> Array:
        """½(√u − 1)²."""
        return 0.5 * np.expm1(0.5 * log_u) ** 2

    def slope(self, log_u: Array) -> Array:
        """½(1 − u^{−1/2})."""
        return -0.5 * np.expm1(-0.5 * log_u)

    def curvature(self, log_u: float) -> float:
        return 0.25 * math.exp(-1.5 * log_u)
