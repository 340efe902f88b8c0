"""Noise-contrastive estimation (Gutmann & Hyvärinen 2010) with the same two modes as noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.errors import InputError
from toyflows.flows.base import Flow

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.target import Target

LARGEST_MU = 300.0


@dataclass(frozen=True)
class NCE(Flow):
    """θ̇ = E_{ρ_μ}[D ∂_θU_θ] − E_data[(1−D) ∂_θU_θ],   D = e^{−U_θ−c}/(e^{−U_θ−c} + e^{−U_μ})

    Ascent of E_data[log D] + E_{ρ_μ}[log(1−D)]. With c = 0 the model is not normalised against its
    noise, and θ → θ* + log((1+e^{−θ*})/(1+e^{−μ})), not θ*. Two cures, both with the limit θ*:
    `normalised` puts c = log Z_θ/Z_μ; `learn_c` lets ċ = E_{ρ_μ}[D] − E_data[1−D], and c ends at
    the bias that it removes. Source: Coste 2024, "noise-contrastive estimation" (docs/errata.md).
    """

    name = "nce"
    title = "Noise-contrastive estimation"
    mu: float = 0.0
    normalised: bool = False
    learn_c: bool = False

    def __post_init__(self) -> None:
        if not abs(self.mu) <= LARGEST_MU:
            raise InputError("p", f"mu={self.mu}", f"must be |μ| ≤ {LARGEST_MU:g}")
        if self.normalised and self.learn_c:
            raise InputError("p", "normalised and learn_c", "must be one cure at a time")

    def extra(self, target: Target, θ0: float) -> dict[str, float]:
        return {"c": 0.0} if self.learn_c else {}

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        return ops.model(self.mu)

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> Any:
        c = extra.get("c", 0.0)
        if self.normalised:
            c = ops.mixture.log_Z(θ) - ops.mixture.log_Z(self.mu)
        where = (ops.mixture.discriminator, θ, self.mu, c)
        D_noise, Dr_noise, _ = ops.mean(negatives, *where)
        D_data, Dr_data, r_data = ops.mean(ops.data(), *where)
        dc = float(D_noise - (1.0 - D_data))
        dθ = float(Dr_noise - (r_data - Dr_data))
        if self.normalised:  # ∂_θ(U_θ + log Z_θ) = r_θ − p_b(θ)
            return dθ - ops.mixture.weight_b(θ) * dc
        return (dθ, dc) if self.learn_c else dθ

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> Any:
        """In mode a D = σ(−c), in mode b D = σ(μ−θ−c): two numbers in place of two integrals."""
        mix, q, c = target.mixture, target.q_star, extra.get("c", 0.0)
        p_noise = mix.weight_b(self.mu)
        if self.normalised:
            c = mix.log_Z(θ) - mix.log_Z(self.mu)
        D_a, D_b = mix.weight_b(c), mix.weight_b(θ + c - self.mu)
        in_b = p_noise * D_b - q * (1 - D_b)
        dc = in_b + (1 - p_noise) * D_a - (1 - q) * (1 - D_a)
        if self.normalised:
            return in_b - mix.weight_b(θ) * dc
        return (in_b, dc) if self.learn_c else in_b

    def separated_error(self, target: Target, θ: float) -> float:
        """4e^{−k²/2}, k = d/2 − max(|θ|, |μ|)/d: in each of four means, r or D is elsewhere than in
        its mode's limit with at most that probability (see MaximumLikelihood)."""
        d = target.mixture.d
        return 4 * math.exp(-0.5 * max(d / 2 - max(abs(θ), abs(self.mu)) / d, 0.0) ** 2)

    def fixed_point(self, target: Target) -> float | None:
        if self.normalised or self.learn_c:
            return target.θ_star
        log_Z = target.mixture.log_Z
        return target.θ_star + log_Z(target.θ_star) - log_Z(self.mu)

    def rest(self, target: Target) -> dict[str, float]:
        log_Z = target.mixture.log_Z
        return {"c": log_Z(target.θ_star) - log_Z(self.mu)} if self.learn_c else {}
