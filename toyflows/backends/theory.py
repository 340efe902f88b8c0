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

    def velocity(y: Array) -> Array:
        named = dict(zip(extra, y[1:], strict=True))
        return np.atleast_1d(flow.separated(target, float(y[0]), θ0, **named)) * rate

    path = np.empty((steps + 1, 1 + len(extra)))
    path[0] = θ0, *extra.values()
    for k in range(steps):
        y = path[k]
        k1 = velocity(y)
        k2 = velocity(y + 0.5 * dt * k1)
        k3 = velocity(y + 0.5 * dt * k2)
        k4 = velocity(y + dt * k3)
        path[k + 1] = y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return path
