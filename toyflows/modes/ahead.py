"""Where a method takes the weights of K modes from where a run stopped (toyflows/outlook.py).

The run goes on, on the backend it was made on, for as long again; from θ* it is first moved by two
tolerances in every coordinate, and only what comes back is held there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from toyflows.cloud import Array
from toyflows.errors import Diverged
from toyflows.flows import Flow
from toyflows.flows.base import NEAR
from toyflows.followed import NOISIEST, STOPS, is_field
from toyflows.modes.follow import Path, follow, lecture
from toyflows.modes.target import ModesTarget
from toyflows.outlook import by_equation
from toyflows.path_ahead import DEVIATIONS, RUNS, Line, Outlook, jitter, left_by_noise, read


def outlook(
    flow: Flow, target: ModesTarget, path: Path, ops: Any, dt: float, rate: float
) -> tuple[Outlook, Array]:
    """What comes after the path, and the tolerance of each coordinate (K−1,). `ops` is the backend;
    None: the path is the closed form's."""
    with np.errstate(under="ignore"):  # θ̇ may be 1e−304
        return _outlook(flow, target, path, ops, dt, rate)


def _outlook(
    flow: Flow, target: ModesTarget, path: Path, ops: Any, dt: float, rate: float
) -> tuple[Outlook, Array]:
    noise = _noise(flow, target, path, ops, rate * dt)
    near = NEAR + DEVIATIONS * noise
    gap = path.θ - target.θ_star
    there = bool(np.all(np.abs(gap[-1]) <= near))
    by = 2 * near * np.where(gap[-1] < 0, -1.0, 1.0)
    lasted = float(path.t[-1] - path.t[0])
    steps, past, settled = max(1, round(lasted / dt)), Line(path.t, gap), False
    if ops is None:
        ahead, there = _line(_closed(flow, target, path, dt, steps, rate), target), False
        out = read(past, ahead, near, lasted, there)
        held = bool(np.all(np.abs(gap[-1]) <= near)) and out.goes == "star"
        return out._replace(goes="stays" if held else out.goes.replace("?", "star")), near
    assert path.state is not None
    try:
        beside: Any = path.state.θ + by
        state = flow.displaced(ops, path.state, beside) if there else path.state
        if is_field(flow) and ops.name == "grid":
            rates = _rates(flow, ops, state.chains)
            far = RUNS * max(lasted, dt)
            ahead, settled = by_equation(rates, np.asarray(state.θ), target.θ_star, rate, far,
                                         float(near.min()))  # fmt: skip
        else:
            told = follow(flow, ops, state.θ, steps, rate, 1, None, state)
            ahead, end = _line(told, target), told.state
        out = read(past, ahead, near, lasted, there, settled)
        if out.goes == "?" and not is_field(flow):
            held = _stops(flow, ops, end, target) or _is_held(flow, ops, target, by, steps, rate)
            out = out._replace(goes="star" if held else "away")
    except Diverged:
        return Outlook("away", noise=float(noise.max()), needs=0.0), near
    slow = np.max(np.abs(path.velocity)) <= _drawn(flow, target, path, ops)
    if out.goes in ("away", "rest") and slow and not is_field(flow):  # all that moved is noise
        moved = float(np.max(np.linalg.norm(path.θ - path.θ[0], axis=1)))
        return out._replace(goes="still", noise=moved / DEVIATIONS), np.maximum(near, moved)
    return out._replace(goes=out.goes.replace("?", "star"), noise=float(noise.max())), near


def _line(path: Path, target: ModesTarget) -> Line:
    return Line(path.t - path.t[0], path.θ - target.θ_star)


def _rates(flow: Flow, ops: Any, chains: Any) -> Callable[[Array], Array]:
    def rates(θ: Any) -> Array:
        return np.asarray(flow.velocity(ops, θ, flow.drawn(ops, θ, chains, {})), float)

    return rates


def _stops(flow: Flow, ops: Any, state: Any, target: ModesTarget) -> bool:
    """Would θ stop at θ* if it were there now, the particles where they are?"""
    star: Any = target.θ_star
    there = flow.displaced(ops, state, star)
    at, now = (np.linalg.norm(flow.observe(ops, s).velocity) for s in (there, state))
    return bool(at <= STOPS * now)


def _is_held(flow: Flow, ops: Any, target: ModesTarget, by: Array, steps: int, rate: float) -> bool:
    """Does θ come back to θ* from beside it, the particles in the law of θ*?"""
    start: Any = target.θ_star
    state = flow.displaced(ops, flow.begin(ops, start), start + by)
    told = follow(flow, ops, state.θ, steps, rate, 1, None, state)
    lasted = float(told.t[-1] - told.t[0])
    p, many = target.mixture.weights(target.θ_star), getattr(ops, "walkers", math.inf)
    drawn = DEVIATIONS * math.sqrt(float(np.max(p * (1 - p))) / many)  # of shares drawn once
    line, near = _line(told, target), np.abs(by) / 2
    return read(None, line, near, lasted, True, blur=drawn * rate * lasted).goes == "stays"


def _closed(
    flow: Flow, target: ModesTarget, path: Path, dt: float, steps: int, rate: float
) -> Path:
    """The second half of the closed form to twice the time."""
    told = lecture(flow, target, path.θ[0], dt, 2 * steps, rate, 1)
    assert told is not None
    half = slice(steps, None)
    return Path(told.t[half], told.θ[half], told.velocity[half], told.shares[half],
                told.crossings[half])  # fmt: skip


def _first_shares(flow: Flow, target: ModesTarget, path: Path) -> Array:
    """Of the modes among the persistent particles at the start (K,)."""
    data = getattr(flow, "start", "model") == "data"
    return target.mixture.weights(target.θ_star if data else path.θ[0])


def _drawn(flow: Flow, target: ModesTarget, path: Path, ops: Any) -> float:
    """The largest speed that shares of the modes, off by their own noise, give to θ; 0 for the
    exact law."""
    p = _first_shares(flow, target, path)
    many = getattr(ops, "walkers", math.inf)
    return DEVIATIONS * math.sqrt(float(np.max(p * (1 - p))) / many)


def _noise(flow: Flow, target: ModesTarget, path: Path, ops: Any, η: float) -> Array:
    """Deviation of θ (K−1,) that the number of walkers leaves: fresh ones (`left_by_noise`), or a
    share of each mode that was drawn once, √((1/p_1 + 1/p_k)/N)."""
    many = getattr(ops, "walkers", None)
    if many is None:
        return np.zeros(target.θ_star.size)
    steps = max(1, path.t.size - 1)
    if is_field(flow):
        return np.array([left_by_noise(jitter(v), η, steps) for v in path.velocity.T])
    p = _first_shares(flow, target, path)
    return (
        np.minimum(np.sqrt((1 / p[0] + 1 / p[1:]) / many), 2 * NOISIEST)
        if many
        else math.inf * p[1:]
    )
