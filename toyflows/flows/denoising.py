"""Denoising score matching (Vincent 2011): noise brings the modes together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from toyflows.errors import InputError
from toyflows.flows.base import Flow, log_ratio, tenth_of_the_way
from toyflows.flows.score_matching import ScoreMatching

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.flows.base import Course
    from toyflows.target import Target

SMALLEST, LARGEST = 1e-3, 1e3  # noise, in spreads of the modes


def check_noise(name: str, σ: float) -> None:
    """Raises InputError for noise that is none, or leaves nothing else."""
    if not SMALLEST <= σ <= LARGEST:
        raise InputError("p", f"{name}={σ}", f"allowed is {SMALLEST:g} ≤ {name} ≤ {LARGEST:g}")


@dataclass(frozen=True)
class Denoising(Flow):
    """θ̇ = −∂_θ ½E|s_θ(x + σε) + ε/σ|²,   s_θ = ∂_x log(ρ_θ * N(0, σ²)),   x data, ε normal

    As E[ε | x + σε] = −σ × the noised data's score, this descends the Fisher divergence of the
    noised laws, and these are the same mixture with separation d/s in units of their spread
    s = √(1 + σ²). So θ̇ is 1/s² times the flow of `score-matching` at separation d/s: of the order
    e^{−d²/8s²} in place of e^{−d²/8}, with the same fixed point θ*. As σ → 0 it tends to score
    matching's, but its walkers' noise grows as 1/σ. Source: Vincent 2011.
    """

    name = "denoising"
    title = "Denoising score matching"
    has_negatives = False
    sigma: float = 1.0

    def __post_init__(self) -> None:
        check_noise("sigma", self.sigma)

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> Any:
        return ops.mean(ops.noised(self.sigma), ops.mixture.denoising, θ, self.sigma)

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        return ScoreMatching().separated(self._noised(target), θ, θ0) / (1 + self.sigma**2)

    def separated_error(self, target: Target, θ: float) -> float:
        return ScoreMatching().separated_error(self._noised(target), θ) / (1 + self.sigma**2)

    def frontiers(self, target: Target, run: Course) -> dict[str, float]:
        """Score matching's at d/√(1+σ²): d² = 8(1+σ²) log t to leading order, which leaves out the
        factor 1/(1+σ²) of the speed; and θ a tenth of the way at its first speed, with it."""
        near = self._noised(target).mixture.d
        speed = self.separated(target, run.θ0, run.θ0)
        return {
            "d² = 8(1+σ²) log t": log_ratio(run.rate * run.time, 1.0) - near**2 / 8,
            "a tenth of the way": tenth_of_the_way(speed, target, run),
        }

    def _noised(self, target: Target) -> Target:
        return replace(target, mixture=target.mixture.noised(self.sigma))

    def fixed_point(self, target: Target) -> float | None:
        return target.θ_star
