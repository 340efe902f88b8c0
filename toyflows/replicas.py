"""The outlook of a method without an exact law, by independent replicas of other seeds.

Their mean is what the method does, their spread is the noise.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from toyflows import solve
from toyflows.cloud import Array
from toyflows.flows.base import NEAR
from toyflows.followed import ONWARDS, RunEnd
from toyflows.path_ahead import DEVIATIONS, Line, Outlook, straight
from toyflows.state import State

REPLICAS = 4


class Replicas(RunEnd):
    """The run and REPLICAS − 1 others."""

    def found(self) -> Outlook:
        """The run and others of other seeds, each for as long again: their mean, their spread. A
        rest must be the same in as long again: a turn looks like one."""
        steps, star = round(self.lasted / self.run.dt), self.target.θ_star
        states = [self.run.state]
        seeds = [self.backend.seed + 1_000_003 * k for k in range(1, REPLICAS)]
        backends = [self.backend, *(replace(self.backend, seed=seed) for seed in seeds)]
        θ0, rate = float(self.run.θ[0]), self.run.rate
        for other in backends[1:]:
            states.append(solve.run(self.flow, other, θ0, steps, rate, max(1, steps // 100)).state)
        noise = float(np.std([s.θ for s in states if s], ddof=1))
        near = NEAR + DEVIATIONS * noise
        there = abs(self.θ - star) <= near
        if there:
            states = [
                self._aside(ops, s, near) for ops, s in zip(backends, states, strict=True) if s
            ]
        paths, states = self._go_on(backends, states, steps)
        out = self._of_replicas(paths, noise, there)
        for _ in range(ONWARDS):
            if out.goes != "rest":
                break
            more, states = self._go_on(backends, states, paths.shape[1] - 1)
            paths, before = np.hstack([paths, more[:, 1:]]), out
            out = self._of_replicas(paths, noise, there)
            if np.ptp([before.rest, out.rest, float(more.mean(axis=0)[-1])]) <= near:
                break
        return out

    def _go_on(
        self, backends: list[Any], states: list[State | None], steps: int
    ) -> tuple[Array, list[State | None]]:
        """θ of the replicas (REPLICAS, steps + 1) from these states on, and their last states."""
        runs = [
            solve.run(self.flow, ops, 0.0, steps, self.run.rate, 1, state)
            for ops, state in zip(backends, states, strict=True)
        ]
        return np.array([run.θ for run in runs]), [run.state for run in runs]

    def _of_replicas(self, paths: Array, noise: float, there: bool) -> Outlook:
        star, ways = self.target.θ_star, paths[:, -1] - paths[:, 0]
        mean = paths.mean(axis=0) - star
        ahead = Line(np.arange(mean.size) * self.run.dt, mean[:, None])
        blur = DEVIATIONS * math.sqrt(0.5 * (noise**2 + float(np.var(ways, ddof=1))))
        if abs(mean[0] + star - float(self.run.θ[0])) > blur:  # it has moved: may be at a turn
            blur = 0.0
        out = self._read(ahead, noise, there, blur=blur)
        if out.goes == "rest" and not there and straight(paths):
            way, gap = float(mean[-1] - mean[0]), float(mean[-1])
            needs = float(ahead.t[-1]) * abs(gap / way) if way * gap < 0 else math.inf
            out = out._replace(goes="star" if way * gap < 0 else "away", needs=needs, rest=math.nan)
        return out._replace(goes="star") if out.goes == "?" else out
