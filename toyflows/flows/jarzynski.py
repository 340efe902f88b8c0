"""PCD with work weights (Carbone, Hua, Coste & Vanden-Eijnden 2023): the chains stay exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.errors import InputError
from toyflows.flows.pcd import PCD

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.flows.base import Course
    from toyflows.target import Target


@dataclass(frozen=True)
class Jarzynski(PCD):
    """θ̇ = E_ν[w ∂_θU_θ]/E_ν[w] − E_data[∂_θU_θ],   log w ← log w + α_θ(x, y) − α_θ'(y, x)

    The chains of `pcd` with weights: α_θ(x, y) = U_θ(x) + ½(y−x)∂_xU_θ(x) + ¼h(∂_xU_θ(x))² makes
    the weighted law ρ_θ in discrete time, for any path of θ, and the mean weight is Z_θ/Z_θ0. With
    kernel=mala the step leaves ρ_θ invariant and the weight is that of annealed importance
    sampling, e^{U_θ(y) − U_θ'(y)}. Where the effective sample size falls below `resample`·N, the
    walkers are resampled (0: never). Source: Carbone et al. 2023, prop. 1; Neal 2001.
    """

    name = "jarzynski"
    title = "Jarzynski-corrected PCD"
    fused = "work"
    resample: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start != "model":
            why = "must be model: the weights are those of chains that start in ρ_θ0"
            raise InputError("p", f"start={self.start}", why)
        if not 0 <= self.resample <= 1:
            raise InputError("p", f"resample={self.resample}", "must be 0 ≤ resample ≤ 1")

    def init(self, ops: Backend, θ0: float) -> Cloud | None:
        return ops.model(θ0).of_mass(ops.mixture.log_Z(θ0))

    def advance(self, ops: Backend, θ: float, θ_new: float, chains: Any) -> Any:
        mix = ops.mixture
        if self.kernel == "mala":
            moved = ops.move(chains, θ, kernel="mala", log_g=mix.tilt, args=(θ, θ_new))
        else:
            moved = ops.move(chains, θ, log_g=mix.work, args=(θ, θ_new, ops.h))
        return ops.resample(moved, self.resample)

    def watch(self, ops: Backend, θ: float, chains: Any) -> dict[str, float]:
        return {"log_Z": chains.log_mass, "effective_size": ops.effective_size(chains)}

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        return target.mixture.weight_b(θ) - target.q_star

    def frontiers(self, target: Target, run: Course) -> dict[str, float]:
        return {}  # no lines: the work weights correct the chains at every separation

    def fixed_point(self, target: Target) -> float | None:
        return target.θ_star
