"""Reverse Kullback–Leibler divergence: what variational inference descends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toyflows.cloud import Array
from toyflows.flows._divergence import FDivergence


@dataclass(frozen=True)
class ReverseKL(FDivergence):
    """θ̇ = −∂_θ KL(ρ_θ ‖ ρ_*) = E_{ρ_θ}[log(ρ_θ/ρ_*) (r_θ − p_b(θ))]

    For well-separated modes θ̇ = p(1−p) (θ* − θ), p = p_b(θ): the same rate q*(1−q*) at θ* as
    maximum likelihood, but from far away θ moves slower by the factor p(1−p), which is e^{−|θ|}.
    Reverse KL is called mode-seeking where a model is too small for its data; here the family
    holds ρ_*, and the one fixed point is θ*.
    """

    name = "reverse-kl"
    title = "Reverse KL"

    def f(self, log_u: Array) -> Array:
        """u log u − u + 1."""
        return np.exp(log_u) * log_u - np.expm1(log_u)

    def slope(self, log_u: Array) -> Array:
        return log_u

    def curvature(self, log_u: float) -> float:
        return math.exp(-log_u)
