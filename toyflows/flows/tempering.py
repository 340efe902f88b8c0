"""Parallel tempering: the negatives exchange places with chains at higher temperatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.backends.base import KERNELS, STARTS, check_kernel, check_start
from toyflows.errors import InputError
from toyflows.flows.ml import MaximumLikelihood
from toyflows.registry import one_of

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.target import Target


@dataclass(frozen=True)
class Tempering(MaximumLikelihood):
    """θ̇ = E_{ν_1}[∂_θU_θ] − E_data[∂_θU_θ],   ν_j ← ν_j P_θ,T_j,  then ν_j ⇄ ν_{j+1}

    K = `replicas` sets of chains at temperatures 1 = T_1 < … < T_K = `hottest`, in geometric
    progression; each step moves every set, x ← x − h∂_xU + √(2hT_j) ξ, and lets neighbours exchange
    particles, even pairs first, with probability min(1, e^{(1/T_j − 1/T_{j+1})(U_θ(x) − U_θ(z))}),
    which leaves ∏_j e^{−U_θ/T_j} invariant. Partners are drawn anew at each step: in the limit of
    many walkers the sets are independent, and their laws obey the equation that the grid solves.
    All sets start in ρ_θ0, or in the data (start=data).

    A barrier d²/8 counts as d²/8T at temperature T: the hot chains cross it, exchange brings them
    down, and θ → θ* where `pcd` runs away. With kernel=mala θ* is exact; with ula the wells are
    wider by 1/(1 − h/2) than the exchange supposes, and θ rests O(h) beyond θ* (0.004 at the
    defaults). In one dimension two temperatures are enough, and K are no faster: all K share the
    crossings of the hot ones. Sources: Swendsen & Wang 1986; Geyer 1991; even pairs and odd pairs
    in turn: Okabe et al. 2001; for learning: Desjardins et al. 2010.
    """

    name = "tempering"
    title = "Parallel tempering"
    replicas: int = 4
    hottest: float = 100.0
    kernel: str = one_of("ula", KERNELS)
    start: str = one_of("model", STARTS)

    def __post_init__(self) -> None:
        check_kernel(self.kernel)
        check_start(self.start)
        if not 1 <= self.replicas <= 100:
            raise InputError("p", f"replicas={self.replicas}", "must be 1 ≤ replicas ≤ 100")
        if not 1 < self.hottest <= 1e4:
            raise InputError("p", f"hottest={self.hottest}", "must be 1 < hottest ≤ 10000")

    @property
    def temperatures(self) -> list[float]:
        """1 = T_1 < … < T_K = `hottest`, in geometric progression."""
        return [self.hottest ** (j / max(self.replicas - 1, 1)) for j in range(self.replicas)]

    @property
    def copies(self) -> int:
        return self.replicas

    def init(self, ops: Backend, θ0: float) -> tuple[Cloud, ...]:
        own = [ops.at(j) for j in range(self.replicas)]  # independent of each other
        return tuple(o.data_particles() if self.start == "data" else o.model(θ0) for o in own)

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        coldest: Cloud = chains[0]
        return coldest

    def advance(self, ops: Backend, θ: float, θ_new: float, chains: Any) -> tuple[Cloud, ...]:
        T = self.temperatures
        level = [
            ops.move(chains[j], θ, substep=j, kernel=self.kernel, temperature=T[j])
            for j in range(self.replicas)
        ]
        last = self.replicas - 1
        for j in (*range(0, last, 2), *range(1, last, 2)):
            level[j : j + 2] = ops.swap(level[j], level[j + 1], θ, T[j], T[j + 1], substep=j)
        return tuple(level)

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> Any:
        return None  # the start is that of `ml`, the path is not
