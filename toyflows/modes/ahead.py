"""Where a method takes the weights of K modes from where a run stopped (toyflows/outlook.py).

The exact law goes on from there for as long again, where there is one that is quick; else replicas
of the walkers do. From θ* it is first moved by two tolerances in every coordinate, and only what
comes back is held there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from toyflows.cloud import Array, Cloud
from toyflows.errors import Diverged
from toyflows.flows import Flow
from toyflows.flows.base import NEAR
from toyflows.followed import LEAST, NOISIEST, ONWARDS, STOPS, is_field
from toyflows.modes import replicas
from toyflows.modes.follow import Path, follow, grid_has, lecture
from toyflows.modes.plane import Plane
from toyflows.modes.target import ModesTarget
from toyflows.outlook import by_equation
from toyflows.path_ahead import DEVIATIONS, RUNS, Line, Outlook, jitter, left_by_noise, read
from toyflows.state import State

MOST_NODES = 5000  # of the data in a plane: a millisecond for θ̇


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
    if ops is None:
        return _of_closed(flow, target, path, dt, rate)
    law = _law(flow, target, ops, dt)
    try:
        out, near = _of_law(flow, target, path, ops, law, rate)
    except Diverged:
        return Outlook("away", needs=0.0), np.full(target.θ_star.size, NEAR)
    slow = np.max(np.abs(path.velocity)) <= _drawn(flow, target, path, ops)
    if out.goes in ("away", "rest") and slow and not is_field(flow):  # all that moved is noise
        if law.name == "grid":  # without it
            steps = max(1, round(float(path.t[-1]) / dt))
            exact = follow(flow, law, path.θ[0], steps, rate, max(1, steps // 2000))
            out = _of_law(flow, target, exact, law, law, rate)[0]
            return out._replace(goes=out.goes.replace("?", "star")), near
        moved = float(np.max(np.linalg.norm(path.θ - path.θ[0], axis=1)))
        return out._replace(goes="still", noise=moved / DEVIATIONS), np.maximum(near, moved)
    return out._replace(goes=out.goes.replace("?", "star")), near


def _law(flow: Flow, target: ModesTarget, ops: Any, dt: float) -> Any:
    """The backend on which the method is followed: the exact law where it is quick (in a plane a
    move of the particles takes 10 ms), else the run's own."""
    flat = target.flat
    if ops.name == "grid" or flat is None or not grid_has(flow):
        return ops
    moves = hasattr(flow, "k") or not is_field(flow)
    small = target.data is not None and target.data.size <= MOST_NODES
    return Plane(target, dt) if flat.D == 1 or (small and not moves) else ops


def _of_closed(
    flow: Flow, target: ModesTarget, path: Path, dt: float, rate: float
) -> tuple[Outlook, Array]:
    gap, lasted, near = path.θ - target.θ_star, float(path.t[-1]), np.full(target.θ_star.size, NEAR)
    steps = max(1, round(lasted / dt))
    ahead = _line(_closed(flow, target, path, dt, steps, rate), target)
    out = read(Line(path.t, gap), ahead, near, lasted, False)
    held = bool(np.all(np.abs(gap[-1]) <= near)) and out.goes == "star"
    return out._replace(goes="stays" if held else out.goes.replace("?", "star")), near


def _of_law(
    flow: Flow, target: ModesTarget, path: Path, ops: Any, law: Any, rate: float
) -> tuple[Outlook, Array]:
    """On this backend, from where the run stopped."""
    noise = _noise(flow, target, path, ops, rate * law.h)
    near, gap = NEAR + DEVIATIONS * noise, path.θ - target.θ_star
    there = bool(np.all(np.abs(gap[-1]) <= near))
    by = 2 * near * np.where(gap[-1] < 0, -1.0, 1.0)
    lasted = float(path.t[-1] - path.t[0])
    steps, past, settled = _steps(law, lasted), Line(path.t, gap), False
    assert path.state is not None
    state = path.state if law is ops else _on_nodes(flow, law, ops, path.state)
    if there:
        beside: Any = state.θ + by
        state = flow.displaced(law, state, beside)
    if is_field(flow) and law.name == "grid":
        rates = _rates(flow, law, state.chains)
        far = RUNS * max(lasted, law.h)
        ahead, settled = by_equation(rates, np.asarray(state.θ), target.θ_star, rate, far,
                                     float(near.min()))  # fmt: skip
    else:
        told = follow(flow, law, state.θ, steps, rate, 1, None, state)
        ahead, end = _line(told, target), told.state
    out = read(past, ahead, near, lasted, there, settled)
    if law.name == "walkers" and out.goes in ("away", "rest"):  # which noise alone may seem
        return replicas.outlook(flow, target, path, ops, law.h, rate)
    if out.goes == "?" and not is_field(flow):
        sides = np.sign(by) * (NEAR + DEVIATIONS * _frozen(flow, target, path, ops))
        held = _stops(flow, law, end, target) or _is_held(flow, law, target, 2 * sides, steps, rate)
        for _ in range(ONWARDS if law.name == "walkers" and not held else 0):  # noise may hide it
            told = follow(flow, law, target.θ_star, steps, rate, 1, None, end)
            more, end = _line(told, target), told.state
            ahead = ahead.then(Line(ahead.t[-1] + more.t, more.gap))
            out = read(past, ahead, near, lasted, there)
        if out.goes == "?":
            out = out._replace(goes="star" if held or law.name == "walkers" else "away")
    return out._replace(noise=float(noise.max())), near


def _steps(law: Any, lasted: float) -> int:
    """Of what is followed: as long again; on a line, where it is quick, a short run for LEAST."""
    quick = law.name == "grid" and law.mixture.D == 1
    return max(1, round(lasted / law.h), round(LEAST / law.h) if quick else 0)


def _on_nodes(flow: Flow, law: Any, ops: Any, state: State) -> State:
    """The walkers as weights on the nodes of the exact law, each shared by those around it."""
    begun, chains = flow.begin(law, state.θ), state.chains
    if is_field(flow) or not isinstance(chains, Cloud):
        return begun
    heights, shape = np.zeros(law.x.shape[1]), [axis.size for axis in law.axes]
    place = [
        np.clip((x - axis[0]) / law.dx, 0, axis.size - 1.001)
        for x, axis in zip(ops.mixture.project(chains.x), law.axes, strict=True)
    ]
    for corner in itertools.product((0, 1), repeat=len(place)):
        w, at = chains.weights, []
        for x, one in zip(place, corner, strict=True):
            w = w * (1 - np.abs(np.floor(x) + one - x))
            at.append(x.astype(np.intp) + one)
        heights += np.bincount(np.ravel_multi_index(at, shape), w, heights.size)
    with np.errstate(divide="ignore"):
        return begun._replace(chains=Cloud(law.x, np.log(heights)))


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


def _is_held(flow: Flow, law: Any, target: ModesTarget, by: Array, steps: int, rate: float) -> bool:
    """Does θ come back to θ* from beside it, the particles in the law of θ*? Walkers are drawn with
    several seeds: shares of the modes that are off by their noise move θ too."""
    start: Any = target.θ_star
    backends = replicas.backends(law) if law.name == "walkers" else [law]
    beside = (flow.displaced(ops, flow.begin(ops, start), start + by) for ops in backends)
    told = [follow(flow, ops, s.θ, steps, rate, 1, None, s)
            for ops, s in zip(backends, beside, strict=True)]  # fmt: skip
    t, θ = told[0].t - told[0].t[0], np.mean([path.θ for path in told], axis=0)
    p, many = target.mixture.weights(start), getattr(law, "walkers", math.inf) * len(told)
    drawn = DEVIATIONS * math.sqrt(float(np.max(p * (1 - p))) / many) * rate * float(t[-1])
    line, near = Line(t, np.asarray(θ - start, np.float64)), np.abs(by) / 2
    return read(None, line, near, float(t[-1]), True, blur=drawn).goes == "stays"


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
    share of each mode that was drawn once, which moves θ by √(p_k(1 − p_k)/N) a unit of time until
    θ rests for it."""
    if ops.name == "grid":
        return np.zeros(target.θ_star.size)
    if is_field(flow):
        steps = max(1, path.t.size - 1)
        return np.array([left_by_noise(jitter(v), η, steps) for v in path.velocity.T])
    p = _first_shares(flow, target, path)
    moved = np.sqrt(p[1:] * (1 - p[1:]) / ops.walkers) * η / ops.h * float(path.t[-1] - path.t[0])
    return np.minimum(moved, _frozen(flow, target, path, ops))


def _frozen(flow: Flow, target: ModesTarget, path: Path, ops: Any) -> Array:
    """Deviation of θ (K−1,) where it rests for shares of the modes that were drawn once."""
    p, many = _first_shares(flow, target, path), getattr(ops, "walkers", math.inf)
    return np.minimum(np.sqrt((1 / p[0] + 1 / p[1:]) / many), 2 * NOISIEST)
