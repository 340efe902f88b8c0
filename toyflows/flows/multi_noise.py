"""Score matching at many noise levels (Song & Ermon 2019): the large ones learn the weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toyflows.errors import InputError, nearest
from toyflows.flows.base import Flow, plain
from toyflows.flows.denoising import check_noise
from toyflows.registry import one_of

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.target import Target

WEIGHTS = {"sigma2": 2, "uniform": 0}  # λ(σ) as a power of σ


@dataclass(frozen=True)
class MultiNoise(Flow):
    """θ̇ = −∂_θ (1/L) Σ_l λ(σ_l) E|s_θ(x + σ_l ε; σ_l) + ε/σ_l|²,   σ_1 < … < σ_L geometric

    The mean of λ(σ) times the flow of `denoising` with model=noised over `levels` noises from `low`
    to `high`: 1/L times the descent of the sum Σ λ(σ_l) E|s_θ − s|² (Gavves, lecture 8), the scores
    those of noised data; Song & Ermon (2019) have ½ in the mean, and half of this θ̇. With λ(σ) =
    σ² (weight=sigma2) each level's loss has the same size, and its θ̇ is σ²/(1 + σ²) times score
    matching's at separation d/√(1 + σ²): levels with σ < d/6 see separated modes and add little,
    those near d/2 learn. No closed form: there the modes overlap. All levels share the step's data
    points, each with its own noise. Fixed point θ*. Source: Song & Ermon 2019.
    """

    name = "multi-noise"
    title = "Score matching at many noises"
    note = (
        "1/L × the descent of [G]'s sum Σ λ(σ_l) E|s_θ − s|²; Song & Ermon (2019) have the mean "
        "with a ½, and so half of this θ̇. The model is noised too, so that θ rests at θ*."
    )
    has_negatives = False
    low: float = 0.1
    high: float = 20.0
    levels: int = 10
    weight: str = one_of("sigma2", WEIGHTS)

    def __post_init__(self) -> None:
        check_noise("low", self.low)
        check_noise("high", self.high)
        if self.high < self.low:
            raise InputError("p", f"high={self.high}", f"must be high ≥ low = {self.low:g}")
        if not 1 <= self.levels <= 100:
            raise InputError("p", f"levels={self.levels}", "must be 1 ≤ levels ≤ 100")
        if self.weight not in WEIGHTS:
            raise InputError(
                "p", f"weight={self.weight}", f"unknown; {nearest(self.weight, WEIGHTS)}"
            )

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> Any:
        def part(level: int, σ: float) -> Any:
            """λ(σ) times the flow of `denoising` at σ (model=noised), with noise of its own."""
            pairs = ops.noised(σ, substep=level)
            mean = plain(ops.mean(pairs, ops.mixture.denoising, θ, σ, σ))
            return 2 * float(σ ** WEIGHTS[self.weight]) * mean

        ladder = np.geomspace(self.low, self.high, self.levels).tolist()
        return sum(part(level, σ) for level, σ in enumerate(ladder)) / self.levels

    def fixed_point(self, target: Target) -> float | None:
        return target.θ_star
