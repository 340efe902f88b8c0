"""Ancestral sampling: DDPM."""

from __future__ import annotations

from dataclasses import dataclass

from toyflows.cloud import Array
from toyflows.diffusion.methods.base import Method, Model, Normals, noise


@dataclass(frozen=True)
class Ancestral(Method):
    """x_s = (x + σ²_ts score)/α_ts + σ̃ z

    The law of X_s given X_t and X_0 with the mean E[X_0 | X_t = x] for X_0; σ̃² is its variance,
    DDPM's β̃ (Ho et al. 2020, Eqs. 6, 7 and 11, with score = −ε/σ). A step to σ = 0 is without
    noise.
    """

    name = "ancestral"
    title = "ancestral sampling (DDPM)"

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        α, variance, spread = model.transition(t, s)
        mean = (x + variance * model.score(x, t)) / α
        return mean + spread * noise(rng, x)
