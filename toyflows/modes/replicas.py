"""The outlook of walkers among K modes, by independent replicas of other seeds.

Their mean is what the method does, their spread is the noise (toyflows/replicas.py, for one θ).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toyflows.cloud import Array
from toyflows.flows import Flow
from toyflows.flows.base import NEAR
from toyflows.followed import ONWARDS
from toyflows.modes.follow import Path, follow
from toyflows.modes.target import ModesTarget
from toyflows.path_ahead import DEVIATIONS, Line, Outlook, read
from toyflows.replicas import REPLICAS
from toyflows.state import State

MOVES = 0.97  # of the distance from θ*: what comes nearer than that in as long again is on its way


def outlook(
    flow: Flow, target: ModesTarget, path: Path, ops: Any, dt: float, rate: float
) -> tuple[Outlook, Array]:
    """The run and REPLICAS − 1 others, each for as long again; a rest must be the same in as long
    again. With the tolerance of each coordinate (K−1,)."""
    lasted, star = float(path.t[-1] - path.t[0]), target.θ_star
    steps = max(1, round(lasted / dt))
    many = backends(ops)
    states = [path.state, *(follow(flow, other, path.θ[0], steps, rate, steps).state
                            for other in many[1:])]  # fmt: skip
    ends = np.array([s.θ for s in states if s is not None])
    noise = np.std(ends, axis=0, ddof=1)
    near, gap = NEAR + DEVIATIONS * noise, path.θ[-1] - star
    there = bool(np.all(np.abs(gap) <= near))
    if there:
        by: Any = 2 * near * np.where(gap < 0, -1.0, 1.0)
        states = [flow.displaced(o, s, s.θ + by) for o, s in zip(many, states, strict=True) if s]
    past, mean = Line(path.t, path.θ - star), np.empty((0, star.size))
    levels: list[Array] = []
    for _ in range(1 + ONWARDS):
        more, spread, states = _go_on(flow, many, states, steps, rate)
        mean = np.concatenate([mean[:-1], more - star])
        blur = DEVIATIONS * math.sqrt(0.5 * float(np.max(noise**2 + spread**2)))
        if np.max(np.abs(mean[0] + star - path.θ[0])) > blur:  # it has moved: may be at a turn
            blur = 0.0
        levels.append(mean[len(mean) // 2 :].mean(axis=0))
        line = Line(np.arange(len(mean), dtype=np.float64) * dt, mean)
        out = read(past, line, near, lasted, there, False, blur)
        if out.goes != "rest" or _alike(levels[-2:], near):
            break
    else:
        first, last = (float(np.max(np.abs(level))) for level in (levels[0], levels[-1]))
        out = out._replace(goes="star" if last < MOVES * first else "away")
    if out.goes == "rest" and np.all(np.abs(mean[-1] + star - path.θ[0]) <= near):
        out = out._replace(goes="still")  # no rest that is known: nothing has moved
    goes = out.goes.replace("?", "star")
    return out._replace(goes=goes, noise=float(noise.max())), near


def backends(ops: Any) -> list[Any]:
    """The walkers, and those of REPLICAS − 1 other seeds."""
    seeds = [ops.seed + 1_000_003 * k for k in range(1, REPLICAS)]
    return [ops, *(replace(ops, seed=seed) for seed in seeds)]


def _go_on(
    flow: Flow, many: Sequence[Any], states: Sequence[State | None], steps: int, rate: float
) -> tuple[Array, Array, list[State | None]]:
    """The mean θ (steps + 1, K−1) of the replicas from these states on, the spread of their ways
    (K−1,), and their last states."""
    told = [
        follow(flow, ops, s.θ, steps, rate, 1, None, s)
        for ops, s in zip(many, states, strict=True) if s
    ]  # fmt: skip
    θ = np.array([path.θ for path in told])
    spread = np.std(θ[:, -1] - θ[:, 0], axis=0, ddof=1)
    return θ.mean(axis=0), spread, [path.state for path in told]


def _alike(levels: Sequence[Array], near: Array) -> bool:
    return len(levels) == 2 and bool(np.all(np.abs(levels[1] - levels[0]) <= near))
