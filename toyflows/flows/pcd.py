"""Persistent contrastive divergence: the negatives are carried along by Langevin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.backends.base import KERNELS, check_kernel
from toyflows.flows.ml import MaximumLikelihood
from toyflows.registry import one_of

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.target import Target


@dataclass(frozen=True)
class PCD(MaximumLikelihood):
    """θ̇ = E_{ν_t}[∂_θU_θ] − E_data[∂_θU_θ],   ν_{t+dt} = ν_t P_θ,   ν_0 = ρ_θ0

    P_θ is a step of unadjusted Langevin. Walkers do not change modes, so for well-separated modes
    θ̇ = p_b(θ0) − q* for long: θ passes θ* and runs away, until |θ| nears d²/2, a basin vanishes and
    the walkers fall into the other mode. Source: Tieleman 2008; Coste 2024, "mode collapse".
    """

    name = "pcd"
    title = "Persistent contrastive divergence"
    fused = "plain"
    kernel: str = one_of("ula", KERNELS)

    def __post_init__(self) -> None:
        check_kernel(self.kernel)

    def init(self, ops: Backend, θ0: float) -> Cloud | None:
        return ops.model(θ0)

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        return chains

    def advance(self, ops: Backend, θ: float, θ_new: float, chains: Any) -> Any:
        return ops.move(chains, θ, kernel=self.kernel)

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        return target.mixture.weight_b(θ0) - target.q_star

    def fixed_point(self, target: Target) -> float | None:
        return None
