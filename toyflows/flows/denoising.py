"""Denoising score matching (Vincent 2011): noise brings the modes together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from toyflows.errors import InputError, nearest
from toyflows.flows import _plain_noise
from toyflows.flows.base import Flow, log_ratio, tenth_of_the_way
from toyflows.flows.score_matching import ScoreMatching
from toyflows.registry import one_of

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.flows.base import Course
    from toyflows.target import Target

SMALLEST, LARGEST = 1e-3, 1e3  # noise, in spreads of the modes
MODELS = ("plain", "noised")


def check_noise(name: str, σ: float) -> None:
    """Raises InputError for noise that is none, or leaves nothing else."""
    if not SMALLEST <= σ <= LARGEST:
        raise InputError("p", f"{name}={σ}", f"must be {SMALLEST:g} ≤ {name} ≤ {LARGEST:g}")


@dataclass(frozen=True)
class Denoising(Flow):
    """θ̇ = −∂_θ E|s_θ(x + σε) + ε/σ|²,   s_θ the score of ρ_θ (plain), of ρ_θ * N(0, σ²) (noised)

    x are data, ε is normal. As E[ε | x + σε] = −σ × the noised data's score, this descends the
    Fisher divergence between the model and the noised data. Vincent (2011) has half of it.

    `model=plain` is Coste's (2024): ρ_θ itself against noised data, or score matching of noised
    data. It does not rest at θ* (but for θ* = 0). With s² = 1 + σ² it rests at s²θ* as d → ∞: there
    the ridge of the model is that of the noised data. Under much noise, s² ≫ 1, it rests where
        tanh((θ* − θ/s²)/2) = (4s²/(1 + 2π²/3d²) − 2) θ/d²,
    nearer and nearer 0: for θ* = 1.4, d = 20 at 2.65, 4.66, 0.95 with σ = 1, 3, 8.

    `model=noised` compares like with like: both laws are the same mixture with separation d/s in
    units of their spread s. So θ̇ is 1/s² times the flow of `score-matching` at separation d/s, and
    rests at θ*. Both are of the order e^{−d²/8s²} in place of e^{−d²/8}. As σ → 0 both tend to
    score matching's, but the walkers' noise grows as 1/σ.
    """

    name = "denoising"
    title = "Denoising score matching"
    note = (
        "model=plain is [C]'s: ρ_θ itself against noised data. It rests beside θ*: at (1+σ²)θ* for "
        "d ≫ 1+σ², near 0 under more noise. model=noised noises the model too and rests at θ*. "
        "Neither has a ½; Vincent (2011) has, and so half of this θ̇."
    )
    has_negatives = False
    sigma: float = 1.0
    model: str = one_of("plain", MODELS)

    def __post_init__(self) -> None:
        check_noise("sigma", self.sigma)
        if self.model not in MODELS:
            raise InputError("p", f"model={self.model}", f"unknown; {nearest(self.model, MODELS)}")

    @property
    def _plain(self) -> bool:
        return self.model == "plain"

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> Any:
        pairs = ops.noised(self.sigma, sharp=self._plain)
        σ_model = 0.0 if self._plain else self.sigma
        return 2 * ops.mean(pairs, ops.mixture.denoising, θ, self.sigma, σ_model)

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        """noised: score matching's at d/s, over s². plain: that of a narrow ridge."""
        if self._plain:
            return _plain_noise.separated(target, θ, self.sigma)
        return ScoreMatching().separated(self._noised(target), θ, θ0) / (1 + self.sigma**2)

    def separated_error(self, target: Target, θ: float) -> float:
        if self._plain:
            return _plain_noise.error(target, θ, self.sigma)
        return ScoreMatching().separated_error(self._noised(target), θ) / (1 + self.sigma**2)

    def frontiers(self, target: Target, run: Course) -> dict[str, float]:
        """Score matching's at d/√(1+σ²): d² = 8(1+σ²) log t to leading order, which leaves out the
        other factors of the speed; and θ a tenth of the way at its first speed, with them."""
        near = self._noised(target).mixture.d
        speed = self.separated(target, run.θ0, run.θ0)
        return {
            "d² = 8(1+σ²) log t": log_ratio(run.rate * run.time, 1.0) - near**2 / 8,
            "a tenth of the way": tenth_of_the_way(speed, target, run),
        }

    def _noised(self, target: Target) -> Target:
        return replace(target, mixture=target.mixture.noised(self.sigma))

    def fixed_point(self, target: Target) -> float | None:
        if self._plain:
            return _plain_noise.rest(target.mixture.d, target.θ_star, self.sigma)
        return target.θ_star
