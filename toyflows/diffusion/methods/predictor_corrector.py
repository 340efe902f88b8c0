"""Predictor and corrector: a step down, then Langevin where it has come to."""

from __future__ import annotations

from dataclasses import dataclass

from toyflows.cloud import Array
from toyflows.diffusion.methods.base import Method, Model, Normals, make, positive
from toyflows.diffusion.methods.langevin import langevin
from toyflows.errors import InputError


@dataclass(frozen=True)
class PredictorCorrector(Method):
    """x' = predictor(x, t → s), then `corrections` times x' ← x' + h score(x', s) + √(2h) z

    h = 2(r σ(s))², r = `snr`. Song et al. 2021 (Algorithms 4 and 5) set h = 2(r|z|/|score|)² (times
    1 − β for VP) from the batch's norms; |z|/|score| is σ for a point of one cluster, and points
    that do not hear of each other are independent samples. At fixed r the law's error falls as the
    root of the steps only: the corrector has its own bias h, and little time to forget it.
    """

    name = "predictor-corrector"
    title = "predictor–corrector"
    predictor: str = "euler-maruyama"
    corrections: int = 1
    snr: float = 0.16

    def __post_init__(self) -> None:
        positive("snr", self.snr)
        if self.corrections < 0:
            raise InputError("p", f"corrections={self.corrections}", "must be 0 or more")
        if self.predictor == self.name:
            raise InputError("p", f"predictor={self.name}", "must be another sampler")
        make(self.predictor)

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        x = make(self.predictor).step(model, x, t, s, rng)
        h = 2 * (self.snr * model.sigma(s)) ** 2
        return langevin(model, x, s, h, self.corrections if h else 0, rng)
