"""Langevin on the data's own score."""

from __future__ import annotations

import math
from dataclasses import dataclass

from toyflows.cloud import Array
from toyflows.diffusion.methods.base import Method, Model, Normals, noise, positive


def langevin(model: Model, x: Array, t: float, h: float, count: int, rng: Normals) -> Array:
    """x after `count` steps x + h score(x, t) + √(2h) z: unadjusted Langevin at one noise level."""
    for _ in range(count):
        x = x + h * model.score(x, t) + math.sqrt(2 * h) * noise(rng, x)
    return x


@dataclass(frozen=True)
class Langevin(Method):
    """x ← x + h score(x, t_end) + √(2h) z

    One step a step of the grid, whose times but for the last do not matter.
    """

    name = "langevin"
    title = "Langevin"
    h: float = 0.05

    def __post_init__(self) -> None:
        positive("h", self.h)

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        return langevin(model, x, model.end, self.h, 1, rng)
