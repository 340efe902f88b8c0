"""Where a method takes the weights of K modes from where a run stopped (toyflows/outlook.py).

The run goes on, on the backend it was made on, for as long again; from θ* it is first moved by two
tolerances in every coordinate, and only what comes back is held there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from toyflows.cloud import Array
from toyflows.errors import Diverged
from toyflows.flows import Flow
from toyflows.flows.base import NEAR
from toyflows.modes.follow import Path, follow, lecture
from toyflows.modes.target import ModesTarget
from toyflows.outlook import DEVIATIONS, Line, Outlook, is_field, jitter, left_by_noise, read
from toyflows.state import State


def outlook(
    flow: Flow, target: ModesTarget, path: Path, ops: Any, dt: float, rate: float
) -> tuple[Outlook, Array]:
    """What comes after the path, and the tolerance of each coordinate (K−1,). `ops` is the backend;
    None: the path is the closed form's."""
    noise = _noise(flow, target, path, ops, rate * dt)
    near = NEAR + DEVIATIONS * noise
    gap = path.θ - target.θ_star
    there = bool(np.all(np.abs(gap[-1]) <= near))
    lasted = float(path.t[-1] - path.t[0])
    steps = max(1, round(lasted / dt))
    try:
        if ops is None:
            ahead = _closed(flow, target, path, dt, steps, rate)
        else:
            assert path.state is not None
            state = _moved(flow, ops, path.state, near, gap[-1]) if there else path.state
            ahead = follow(flow, ops, state.θ, steps, rate, 1, None, state)
    except Diverged:
        return Outlook("away", noise=float(noise.max()), needs=0.0), near
    line = Line(ahead.t - ahead.t[0], ahead.θ - target.θ_star)
    out = read(Line(path.t, gap), line, near, lasted, there and ops is not None)
    if out.goes == "?" or (there and ops is None and out.goes == "star"):
        out = out._replace(goes="stays" if there else "star")
    return out._replace(noise=float(noise.max())), near


def _moved(flow: Flow, ops: Any, state: State, near: Array, gap: Array) -> State:
    θ: Any = state.θ + 2 * near * np.where(gap < 0, -1.0, 1.0)
    chains = state.chains
    if chains is not None:
        chains = flow.advance(ops.at(state.step), state.θ, θ, chains)
    return state._replace(step=state.step + 1, θ=θ, chains=chains)


def _closed(
    flow: Flow, target: ModesTarget, path: Path, dt: float, steps: int, rate: float
) -> Path:
    """The second half of the closed form to twice the time."""
    told = lecture(flow, target, path.θ[0], dt, 2 * steps, rate, 1)
    assert told is not None
    half = slice(steps, None)
    return Path(told.t[half], told.θ[half], told.velocity[half], told.shares[half],
                told.crossings[half])  # fmt: skip


def _noise(flow: Flow, target: ModesTarget, path: Path, ops: Any, η: float) -> Array:
    """Deviation of θ (K−1,) that the number of walkers leaves: fresh ones (`left_by_noise`), or a
    share of each mode that was drawn once, √((1/p_1 + 1/p_k)/N)."""
    many = getattr(ops, "walkers", None)
    if many is None:
        return np.zeros(target.θ_star.size)
    steps = max(1, path.t.size - 1)
    if is_field(flow):
        return np.array([left_by_noise(jitter(v), η, steps) for v in path.velocity.T])
    p = target.mixture.weights(path.θ[0])
    return np.minimum(np.sqrt((1 / p[0] + 1 / p[1:]) / many), 1.0) if many else math.inf * p[1:]
