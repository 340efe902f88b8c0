"""Heun on the probability-flow ODE."""

from __future__ import annotations

from dataclasses import dataclass

from toyflows.cloud import Array
from toyflows.diffusion.methods.base import Method, Model, Normals


@dataclass(frozen=True)
class OdeHeun(Method):
    """x_s = x + ½δ(v(x, t) + v(x + δ v(x, t), s)),    v = −f x + ½ g² score,    δ = t − s

    Two evaluations a step; a step to σ = 0 is Euler's with one, as a network that knows the noise
    ε has no score −ε/σ there (Karras et al. 2022, Algorithm 1). The order stays 2.
    """

    name = "ode-heun"
    title = "Heun on the probability-flow ODE"
    order = 2.0

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        v = model.reverse_drift(x, t, 0.5)
        if model.sigma(s) == 0:
            return x + (t - s) * v
        return x + (t - s) / 2 * (v + model.reverse_drift(x + (t - s) * v, s, 0.5))
