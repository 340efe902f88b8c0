"""Bregman divergences: the ones whose flow is a difference of two expectations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toyflows.errors import InputError, nearest
from toyflows.flows._divergence import excess, log_ratio, variance
from toyflows.flows.ml import MaximumLikelihood
from toyflows.registry import one_of
from toyflows.target import spacing

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Array, Cloud
    from toyflows.target import Target

GENERATORS = ("kl", "l2", "power")


@dataclass(frozen=True)
class Bregman(MaximumLikelihood):
    """θ̇ = E_{ρ_θ}[g (r_θ − p_b(θ))] − E_data[g (r_θ − p_b(θ))],   g = φ''(ρ_θ) ρ_θ

    Descent of D_φ(ρ_* ‖ ρ_θ) = ∫φ(ρ_*) − φ(ρ_θ) − φ'(ρ_θ)(ρ_* − ρ_θ): the density of the data is
    not asked for. `generator` kl: φ = t log t, g = 1, maximum likelihood; l2: φ = t², g = 2ρ_θ;
    power: φ = t^{1+α}/α(1+α), g = ρ_θ^α, `alpha` between the two. For c ρ_θ^α, exactly,
        θ̇ = c (p − q*) p(1−p) ∫ρ_θ^{α−1} (N_b − N_a)²,      p = p_b(θ),
    which for l2 is 2p(1−p)(p − q*)(1 − e^{−d²/4})/√π. One fixed point, θ*. Source: Bregman 1967;
    Basu, Harris, Hjort & Jones 1998 (density power divergence).
    """

    name = "bregman"
    title = "Bregman divergence"
    generator: str = one_of("l2", GENERATORS)
    alpha: float = 0.5

    def __post_init__(self) -> None:
        if self.generator not in GENERATORS:
            known = nearest(self.generator, GENERATORS)
            raise InputError("p", f"generator={self.generator}", f"unknown; {known}")
        if not 0 < self.alpha <= 1:
            raise InputError("p", f"alpha={self.alpha}", "must be 0 < alpha ≤ 1")

    @property
    def idle(self) -> dict[str, str]:
        """The options that have no effect here, and what each is for."""
        known = self.generator == "power"
        return {} if known else {"alpha": f"is for generator=power; {self.generator} has none"}

    @property
    def _power(self) -> tuple[float, float]:
        """(c, α) of g = c ρ^α."""
        return {"kl": (1.0, 0.0), "l2": (2.0, 1.0), "power": (1.0, self.alpha)}[self.generator]

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> float:
        (c, α), mix = self._power, ops.mixture

        def pull(x: Array, θ: float) -> Array:
            with np.errstate(under="ignore"):
                return c * mix.density(x, θ) ** α * mix.centred(x, θ)

        return float(ops.mean(negatives, pull, θ) - ops.mean(ops.data(), pull, θ))

    def value(self, target: Target, θ: float) -> float:
        """D_φ = c E_*[ρ_*^α b(u)], b = (1 + αu^{1+α} − (1+α)u^α)/α(1+α) → u − 1 − log u."""
        c, α = self._power

        def b(x: Array) -> Array:
            log_u = log_ratio(x, θ, target)
            if α == 0:
                return np.expm1(log_u) - log_u
            up, flat = np.expm1((1 + α) * log_u), np.expm1(α * log_u)
            return target.mixture.density(x, target.θ_star) ** α * (up / (1 + α) - flat / α)

        return c * target.data.mean(b)

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        """c (p−q*) [p^α(1−p) + (1−p)^α p] ∫N^{1+α}; with the overlap, exact where α = 1."""
        (c, α), weight = self._power, target.mixture.weight_b
        p, not_p = weight(θ), weight(-θ)
        bump = (2 * math.pi) ** (-α / 2) / math.sqrt(1 + α)
        apart = -math.expm1(-(target.mixture.d**2) / 4) if α == 1 else 1.0
        return c * excess(target, θ) * (p**α * not_p + not_p**α * p) * bump * apart

    def separated_error(self, target: Target, θ: float) -> float:
        """c |p−q*| (4+α) (2π)^{−α/2} e^{−d²/8}/√(p(1−p)), 0 for α = 1; plus c e^{−2π²/(1+α)Δ²}.

        With A = (1−p)N_a, B = pN_b the integral is ∫ρ^{1+α}(r−p)²/(p(1−p))², and where B ≤ A,
        |ρ^{1+α}(r−p)² − A^{1+α}p² − B^{1+α}(1−p)²| ≤ (4+α) ρ^α B, ρ ≤ 1/√(2π); likewise where
        A ≤ B. And ∫min(A, B) ≤ ∫√(AB) = √(p(1−p)) e^{−d²/8}. The last term is the trapezoid rule's
        (`target.spacing`): ρ^{1+α} is narrower than ρ. It counts for d < 1: 1e−12 at d = 0.5.
        """
        (c, α), mix = self._power, target.mixture
        rule = c * math.exp(-2 * math.pi**2 / ((1 + α) * spacing(mix.d) ** 2))
        if α == 1:
            return rule
        overlap = math.exp(-(mix.d**2) / 8) / math.sqrt(variance(mix, θ))
        apart = c * abs(excess(target, θ)) * (4 + α) * (2 * math.pi) ** (-α / 2)
        return apart * overlap + rule
