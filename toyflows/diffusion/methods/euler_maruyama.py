"""Euler–Maruyama on the reverse SDE."""

from __future__ import annotations

import math
from dataclasses import dataclass

from toyflows.cloud import Array
from toyflows.diffusion.methods.base import Method, Model, Normals, noise


@dataclass(frozen=True)
class EulerMaruyama(Method):
    """x_s = x + δ(−f x + g² score) + √δ g z,    δ = t − s

    of dX = (f X − g² ∇log p_t) dt + g dW̄ with time running backward (Anderson 1982).
    """

    name = "euler-maruyama"
    title = "Euler–Maruyama on the reverse SDE"

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        g = math.sqrt((t - s) * float(model.process.g2(t)))
        return x + (t - s) * model.reverse_drift(x, t, 1.0) + g * noise(rng, x)
