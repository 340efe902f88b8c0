"""Persistent contrastive divergence: the negatives are carried along by Langevin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.backends.base import KERNELS, STARTS, check_kernel, check_start
from toyflows.flows._hysteresis import round_trip
from toyflows.flows.base import NEAR, log_ratio
from toyflows.flows.ml import MaximumLikelihood
from toyflows.registry import one_of

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.flows.base import Course
    from toyflows.target import Target


@dataclass(frozen=True)
class PCD(MaximumLikelihood):
    """θ̇ = E_{ν_t}[∂_θU_θ] − E_data[∂_θU_θ],   ν_{t+dt} = ν_t P_θ,   ν_0 = ρ_θ0

    P_θ is a step of unadjusted Langevin. Walkers do not change modes, so for well-separated modes
    θ̇ = p_b(θ0) − q* for long: θ passes θ* and runs away, until |θ| nears d²/2, a basin vanishes and
    the walkers fall into the other mode. With start=data the chains start in the data, ν_0 = ρ_*:
    there θ̇ = q* − q* = 0 wherever θ is, and for well-separated modes it stays so; nothing is
    learned. Source: Tieleman 2008; Coste 2024, "mode collapse"; start=data: Carbone et al. 2023.
    """

    name = "pcd"
    title = "Persistent contrastive divergence"
    fused = "plain"
    kernel: str = one_of("ula", KERNELS)
    start: str = one_of("model", STARTS)

    def __post_init__(self) -> None:
        check_kernel(self.kernel)
        check_start(self.start)

    def init(self, ops: Backend, θ0: float) -> Cloud | None:
        return ops.data_particles() if self.start == "data" else ops.model(θ0)

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        return chains

    def advance(self, ops: Backend, θ: float, θ_new: float, chains: Any) -> Any:
        return ops.move(chains, θ, kernel=self.kernel)

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        return self._first_share(target, θ0) - target.q_star

    def _first_share(self, target: Target, θ0: float) -> float:
        """Of mode b among the chains at the start."""
        return target.q_star if self.start == "data" else target.mixture.weight_b(θ0)

    def frontiers(self, target: Target, run: Course) -> dict[str, float]:
        """With τ the mixing time and a = q*(1−q*), two modes are θ̇ = γ(p − q*), τṗ = p_b(θ) − p:

        a spiral about θ* that dies in 2τ log(|θ* − θ0|/NEAR), for γτa > ¼; kept alive by the noise
        of N walkers, 2a/(Nτ) in ṗ, which leaves a deviation √(γτ/N) in θ. Far modes: θ runs away,
        and a run that returns to θ* before it ends is an oscillation (_hysteresis.py).
        """
        τ = target.mixture.mixing_time(target.θ_star)
        swing = log_ratio(abs(target.θ_star - run.θ0), NEAR)
        out = {
            "spiral dies within t": log_ratio(run.time, 2 * τ * max(swing, 0.0)),
            "back at θ* within t": log_ratio(run.time, self._round_trip(target, run)),
        }
        if run.walkers < math.inf:
            out[f"walkers' noise = {NEAR:g}"] = log_ratio(run.walkers * NEAR**2, run.rate * τ)
        return out

    def _round_trip(self, target: Target, run: Course) -> float:
        """Time from θ0 to the turn and back to θ*."""
        mix, q = target.mixture, target.q_star
        drift = self._first_share(target, run.θ0) - q
        if drift == 0:
            return math.inf
        side = math.copysign(1.0, drift)  # to where θ runs, and which mode it leaves behind
        u = q if drift > 0 else 1 - q
        return round_trip(mix, run.rate, u + abs(drift), u, side * run.θ0, side * target.θ_star)

    def fixed_point(self, target: Target) -> float | None:
        return None
