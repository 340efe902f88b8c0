"""DDIM: from DDPM to the ODE."""

from __future__ import annotations

import math
from dataclasses import dataclass

from toyflows.cloud import Array
from toyflows.diffusion.methods.base import Method, Model, Normals, noise
from toyflows.errors import InputError


@dataclass(frozen=True)
class DDIM(Method):
    """x_s = α_s x̂_0 + √(σ_s² − η²σ̃²) ε̂ + η σ̃ z,    ε̂ = −σ_t score,    x̂_0 = (x − σ_t ε̂)/α_t

    η = 1 is `ancestral`; η = 0 is Euler's step of the probability-flow ODE for x/α against σ/α,
    whose slope is ε̂ (Song, Meng & Ermon 2021, Eqs. 12 and 14).
    """

    name = "ddim"
    title = "DDIM"
    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise InputError("p", f"eta={self.eta}", "must be 0 to 1")

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        α_t, σ_t, α_s, σ_s = model.alpha(t), model.sigma(t), model.alpha(s), model.sigma(s)
        spread = self.eta * model.transition(t, s)[2]
        ε = -σ_t * model.score(x, t)
        out = α_s / α_t * (x - σ_t * ε) + math.sqrt(max(σ_s**2 - spread**2, 0.0)) * ε
        return out + spread * noise(rng, x) if self.eta else out
