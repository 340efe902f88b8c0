"""Annealed Langevin: from much noise to little."""

from __future__ import annotations

from dataclasses import dataclass

from toyflows.cloud import Array
from toyflows.diffusion.methods.base import Method, Model, Normals, positive
from toyflows.diffusion.methods.langevin import langevin
from toyflows.errors import InputError


@dataclass(frozen=True)
class AnnealedLangevin(Method):
    """x ← x + ½α_i score(x, s) + √α_i z, `steps` times at each level s,    α_i = ε σ_i²/σ_L²

    σ_i = σ(s) falls along the grid and σ_L is its last, the smallest (Song & Ermon 2019, Algorithm
    1). Between levels x is scaled by α(s)/α(t), which is 1 for the VE process of that paper.
    """

    name = "annealed-langevin"
    title = "annealed Langevin"
    epsilon: float = 0.1
    steps: int = 10

    def __post_init__(self) -> None:
        positive("epsilon", self.epsilon)
        positive("steps", self.steps)

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        last = model.sigma(model.end)
        if last == 0:
            raise InputError("times", model.end, "must be a last time with σ > 0, as α_i "
                             "is in units of σ_L")  # fmt: skip
        x = x * (model.alpha(s) / model.alpha(t))
        step = self.epsilon * (model.sigma(s) / last) ** 2
        return langevin(model, x, s, step / 2, self.steps, rng)
