"""Contrastive divergence: the negatives are data points, moved by a few steps of Langevin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.backends.base import KERNELS, check_kernel
from toyflows.errors import InputError
from toyflows.flows.base import Flow, log_ratio, tenth_of_the_way
from toyflows.registry import one_of

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.flows.base import Course
    from toyflows.target import Target


@dataclass(frozen=True)
class CD(Flow):
    """θ̇ = E_{p_data P_θ^k}[∂_θU_θ] − E_data[∂_θU_θ]

    Each chain starts at a data point, and the positive phase averages over the same points. As the
    chain's step h → 0, CD-1 is h/2 times `score-matching`, the descent of E_data|∂_xU_θ − ∂_xU_*|²
    (Hyvärinen 2007), so it is as insensitive to the weight. As k passes the mixing time,
    P_θ^k forgets the data and CD-k is maximum likelihood. `h` is the chain's own step, 0 the run's
    dt. Source: Hinton 2002.
    """

    name = "cd"
    title = "Contrastive divergence"
    k: int = 1
    h: float = 0.0
    kernel: str = one_of("ula", KERNELS)

    def __post_init__(self) -> None:
        check_kernel(self.kernel)
        if self.k < 1:
            raise InputError("p", f"k={self.k}", "must be k ≥ 1")
        if not 0 <= self.h < 2:
            raise InputError("p", f"h={self.h}", "must be 0 < h < 2, or 0 for the run's dt")

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        return self.moved(ops, θ, ops.data_particles())

    def moved(self, ops: Backend, θ: float, cloud: Cloud) -> Cloud:
        """cloud · P_θ^k, with the chain's own step."""
        chain = ops if self.h == 0 else ops.with_step(self.h)
        for j in range(self.k):
            cloud = chain.move(cloud, θ, substep=j, kernel=self.kernel)
        return cloud

    def chain_time(self, dt: float) -> float:
        return self.k * (self.h or dt)

    def frontiers(self, target: Target, run: Course) -> dict[str, float]:
        """Chains as long as the mixing time τ(θ*); and θ a tenth of the way at its first speed: of
        chains of length K the share 1 − e^{−K/τ} forget the data, θ̇ = (1 − e^{−K/τ})(p_b − q*)."""
        mix, K = target.mixture, self.chain_time(run.dt)
        forgotten = -math.expm1(-K / mix.mixing_time(run.θ0))
        speed = forgotten * (mix.weight_b(run.θ0) - target.q_star)
        return {
            "chain = Kramers time": log_ratio(K, mix.mixing_time(target.θ_star)),
            "a tenth of the way": tenth_of_the_way(speed, target, run),
        }

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> Any:
        r = ops.mixture.responsibility
        return ops.mean(negatives, r, θ) - ops.mean(ops.data_particles(), r, θ)
