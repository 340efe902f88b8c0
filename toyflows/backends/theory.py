"""What the lecture says: the closed velocity of well-separated modes, in continuous time.

θ̇ = rate · flow.separated(θ): an ordinary differential equation of one or two coordinates, solved by
the classical Runge–Kutta scheme of order 4 at the run's own dt (scipy's solvers would take longer
to import than to run).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toyflows.cloud import Array
from toyflows.target import Target

if TYPE_CHECKING:
    from toyflows.flows.base import Flow


def applies(flow: Flow, target: Target) -> bool:
    """Has the flow's file a closed form?"""
    θ = target.θ_star
    return flow.separated(target, θ, θ, **flow.extra(target, θ)) is not None


def solve(flow: Flow, target: Target, θ0: float, dt: float, steps: int, rate: float) -> Array:
    """Coordinates (steps + 1, 1 + number of extras) at the times k·dt."""
    extra = flow.extra(target, θ0)

    def velocity(y: list[float]) -> list[float]:
        told = flow.separated(target, y[0], θ0, **dict(zip(extra, y[1:], strict=True)))
        return [rate * v for v in (told if isinstance(told, tuple) else (told,))]

    def along(y: list[float], h: float, k: list[float]) -> list[float]:
        return [a + h * b for a, b in zip(y, k, strict=True)]

    path, star = [[θ0, *extra.values()]], target.θ_star
    for _ in range(steps):
        y = path[-1]
        k1 = velocity(y)
        if flow.kinked and (y[0] - star) * (y[0] + dt * k1[0] - star) <= 0:
            path.append([star, *y[1:]])  # where the speed is not 0, and changes sign
            continue
        k2 = velocity(along(y, dt / 2, k1))
        k3 = velocity(along(y, dt / 2, k2))
        k4 = velocity(along(y, dt, k3))
        mean = [(a + 2 * b + 2 * c + d) / 6 for a, b, c, d in zip(k1, k2, k3, k4, strict=True)]
        path.append(along(y, dt, mean))
    return np.array(path)
