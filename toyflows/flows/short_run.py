"""Short-run Langevin (Nijkamp, Hill, Zhu & Wu 2019): k steps from fresh noise, then thrown away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.errors import InputError
from toyflows.flows.base import NEAR, log_ratio
from toyflows.flows.cd import CD
from toyflows.flows.ml import MaximumLikelihood

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.flows.base import Course
    from toyflows.target import Target

USUAL_DT = 0.05


@dataclass(frozen=True)
class ShortRun(CD):
    """θ̇ = E_{N(m,s²) P_θ^k}[∂_θU_θ] − E_data[∂_θU_θ]

    Each step starts new chains from noise of spread s = `noise` about the centre m, and moves them
    k steps (`h` is the chain's own step, 0 the run's dt). While no chain changes modes, b gets what
    fell beyond the ridge m + θ/d, so that for well-separated modes
        θ̇ = Φ(−θ/(ds)) − q*,     at rest near  θ = d s Φ⁻¹(1 − q*)  while U_θ has both basins.
    The data's weight sets this point, but p_b there is not q*: the noise stands for the model.
    In continuous time a chain from x ends in b with a probability c(x), c′ ∝ e^{U_θ}, which at the
    ridge is e^{θu/d}/cosh(du/2), u = x − m − θ/d: its mean (π/d) tan(πθ/d²) and variance
    (π/d)²/cos²(πθ/d²) take the share (π/d)²(1 − 1/(2s²)) off the fixed point, to leading order
    (`fixed_point` counts them, and steps that jump the ridge).
    Past the mixing time P_θ^k forgets the noise: maximum likelihood, up to O(h).
    Source: Nijkamp, Hill, Zhu & Wu 2019.
    """

    name = "short-run"
    title = "Short-run chains from noise"
    k: int = 20
    noise: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.noise <= 1000:
            raise InputError("p", f"noise={self.noise}", "must be 0 < noise ≤ 1000")

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        return self.moved(ops, θ, ops.noise(self.noise))

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> Any:
        return MaximumLikelihood().velocity(ops, θ, negatives)

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float | None:
        t = θ / (target.mixture.d * self.noise)
        return 0.5 * math.erfc(t / math.sqrt(2)) - target.q_star

    def separated_error(self, target: Target, θ: float) -> float:
        """e^{2(π/d)²}(φ(t)μ₁/s + ½ max|φ′| μ₂/s²) + ML's bound for the data + 1 − e^{−kh/τ}.

        The share of b is E Φ(−t − X/s), t = θ/(ds), with X distributed as c′, of moments μ₁ and μ₂:
        Taylor at X = 0, max|φ′| = 1/√(2πe). The first factor covers the curvature e^{u²/2} of
        e^{U_θ} at the ridge, 1 + 2(π/d)² to leading order; τ is the mixing time. Derived for h → 0
        (where h is the run's dt, 0.05 is taken); a test holds it to the exact law for h ≤ 0.2.
        """
        d, s = target.mixture.d, self.noise
        angle, t = math.pi * abs(θ) / d**2, θ / (d * s)
        if angle >= math.pi / 2:
            return math.inf
        width, slope = math.pi / d, math.tan(angle)
        first = width * slope / s * math.exp(-0.5 * t * t) / math.sqrt(2 * math.pi)
        second = 0.5 * width**2 * (1 + 2 * slope**2) / s**2 / math.sqrt(2 * math.pi * math.e)
        crossed = -math.expm1(-self.chain_time(USUAL_DT) / target.mixture.mixing_time(θ))
        data = MaximumLikelihood().separated_error(target, θ)
        return math.exp(2 * width**2) * (first + second) + data + crossed

    def frontiers(self, target: Target, run: Course) -> dict[str, float]:
        """Chains as long as the mixing time τ(θ*), and as a bias of NEAR needs: at rest θ − θ* is
        e^{−K/τ} (Φ(−θ*/(ds)) − q*)/(q*(1 − q*)) to leading order, Φ the share of b in the noise."""
        K, τ, q = self.chain_time(run.dt), target.mixture.mixing_time(target.θ_star), target.q_star
        bias = abs(self.separated(target, target.θ_star, run.θ0) or 0.0) / (q * (1 - q))
        forget = max(log_ratio(bias, NEAR), 0.0)
        return {
            "chain = Kramers time": log_ratio(K, τ),
            f"bias = {NEAR:g}": log_ratio(K, τ * forget),
        }

    def separated_rest(self, target: Target) -> float:
        """d s Φ⁻¹(1 − q*), where `separated` is 0."""
        from statistics import NormalDist

        z = NormalDist().inv_cdf(target.mixture.weight_b(abs(target.θ_star)))  # lighter mode: exact
        return math.copysign(target.mixture.d * self.noise * z, target.θ_star)

    def fixed_point(self, target: Target) -> float | None:
        """d Φ⁻¹(1−q*) √(s² + gv)/(1 + ½(1+g)v), v = (π/d)²(1 + 2(π/d)²), g = 1/(1 + hd²/10).

        The ridge's width as a normal law of mean −vθ/d and variance v about it. Steps √(2h) that
        are wider leave about g of the variance and ½(1+g) of the mean (fitted to the chain
        y ← y + ½H tanh(y/2) + √(2H)ξ, y = du, H = hd²; where h is the run's dt, 0.05 is taken).
        What remains, for d ≥ 8, h ≤ 0.2 and θ up to 0.4 of the basin's end, is at most the share
        ¼(π/d)²(1 + 1/(2s²)) of θ while no chain crosses: 2.6 % at d = 12 and s = 1.
        """
        mix, there = target.mixture, self.separated_rest(target)
        width = (math.pi / mix.d) ** 2
        v, g = width * (1 + 2 * width), 1 / (1 + (self.h or USUAL_DT) * mix.d**2 / 10)
        there *= math.sqrt(1 + g * v / self.noise**2) / (1 + 0.5 * (1 + g) * v)
        return there if abs(there) < mix.bistable_up_to else None
