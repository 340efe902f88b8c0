"""A run's end, and what is followed on from it: the base of what outlook.py asks.

The exact law, or any other backend, is followed from the state in which the run stopped, in pieces
that double, for as long again. A run that is at θ*, and stays, is moved by 2 tolerances: only what
comes back is held there. The noise that N walkers leave in θ is computed here too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyflows import solve, stationary
from toyflows.backends.exact import exact_law
from toyflows.backends.grid import Grid
from toyflows.errors import Diverged
from toyflows.flows.base import NEAR, Flow
from toyflows.path_ahead import (
    BENT,
    DEVIATIONS,
    Line,
    Outlook,
    jitter,
    left_by_noise,
    read,
)
from toyflows.state import State, Trajectory
from toyflows.target import Target

LEAST = 100.0  # time for which a persistent method is followed, at least, as far as WORK allows
WORK = 3e9  # pairs of nodes: a second of one core, about
NOISIEST = 0.1  # in θ: with fewer walkers in a mode, their noise is no excuse
FIRST_PIECE = 100  # steps
ONWARDS = 3  # times longer is a path followed that heads for θ* and may stop before it
STOPS = 0.01  # share of the speed that is left where the method stops by itself


def is_field(flow: Flow) -> bool:
    """Is θ̇ a function of θ (and further coordinates) alone: no persistent particles?"""
    kind = type(flow)
    moved = kind.advance is not Flow.advance or kind.store is not Flow.store
    moved = moved or kind.memory is not Flow.memory
    return not moved and (kind.step is Flow.step or flow.kinked)


@dataclass(frozen=True)
class RunEnd:
    """A run of `flow`, at its last record; `backend` is the one it was made on."""

    flow: Flow
    target: Target
    run: Trajectory
    backend: Any

    @property
    def exact(self) -> Grid:
        return exact_law(self.target, self.run.dt)

    @property
    def η(self) -> float:
        return self.run.rate * self.run.dt

    @property
    def θ(self) -> float:
        return float(self.run.θ[-1])

    @property
    def lasted(self) -> float:
        return float(self.run.t[-1] - self.run.t[0])

    def _steps(self, state: State) -> int:
        """Of what is followed: as long again, and a short run for LEAST if that is cheap. A step's
        work is at most that of each pair of nodes, for each move of each set of particles."""
        clouds = state.chains if isinstance(state.chains, tuple) else (state.chains,)
        exact = self.exact
        work = sum(exact.pairs(cloud) for cloud in clouds) * getattr(self.flow, "k", 1)
        least = min(round(LEAST / self.run.dt), int(WORK / work))
        return max(round(self.lasted / self.run.dt), least)

    @property
    def past(self) -> Line:
        return Line(self.run.t, (self.run.θ - self.target.θ_star)[:, None])

    def _side(self) -> float:
        """On which side of θ* the run is."""
        return math.copysign(1.0, self.θ - self.target.θ_star)

    def _on_grid(self) -> State:
        state = self.run.state
        assert state is not None
        if self.run.backend == "grid" or state.chains is None or is_field(self.flow):
            chains = state.chains if self.run.backend == "grid" else None
            fresh = self.flow.init(self.exact, float(self.run.θ[0]))
            return state._replace(chains=chains if chains is not None else fresh)
        clouds = state.chains if isinstance(state.chains, tuple) else (state.chains,)
        gathered = tuple(self.exact.gathered(cloud) for cloud in clouds)
        ladder = isinstance(state.chains, tuple)
        return state._replace(step=0, chains=gathered if ladder else gathered[0])

    def _followed(self, ops: Any, state: State, noise: float) -> tuple[Outlook, State]:
        near = NEAR + DEVIATIONS * noise
        there = abs(state.θ - self.target.θ_star) <= near
        try:
            ahead, later = self._continued(ops, state, near)
            there = there and not ahead.leaves(near)
            if there:
                ahead, later = self._continued(ops, self._aside(ops, state, near), near)
            state = later
        except ArithmeticError:  # Diverged, or a user's own numbers
            return Outlook("away", noise=noise, needs=0.0), state
        out = self._read(ahead, noise, there)
        for _ in range(ONWARDS):
            heads = out.goes == "?" and not self._stops(ops, state)
            if not heads and not (out.goes == "away" and ahead.slows()):
                break
            more, state = self._continued(ops, state, near)
            ahead = ahead.then(Line(ahead.t[-1] + more.t, more.gap))
            out = self._read(ahead, noise, there)
        if out.goes == "?":  # heads for θ*, as a straight line does: would it be held there?
            held = self._stops(ops, state) or self._is_held(ops, near)
            out = out._replace(goes="star" if held else "away",
                               passed=math.nan if held else out.needs,
                               needs=out.needs if held else math.inf)  # fmt: skip
        return out, state

    def _aside(self, ops: Any, state: State, near: float) -> State:
        """The state moved off θ* by two tolerances more."""
        return self.flow.displaced(ops, state, state.θ + 2 * near * self._side())

    def _continued(self, ops: Any, state: State, near: float) -> tuple[Line, State]:
        """Up to `steps` steps on from the state, in pieces that double; it ends early where θ*
        holds θ."""
        θ, left, part = [np.array([state.θ])], self._steps(state), FIRST_PIECE
        while left > 0:
            part = min(part, left)
            piece = solve.run(self.flow, ops, state.θ, part, self.run.rate, 1, state)
            assert piece.state is not None
            state, left = piece.state, left - part
            θ.append(piece.θ[1:])
            stays = np.max(np.abs(piece.θ - self.target.θ_star)) <= near
            if stays and np.ptp(piece.θ) <= BENT * near:
                break
            part = sum(map(len, θ)) - 1
        path = np.concatenate(θ)[:, None] - self.target.θ_star
        return Line(np.arange(len(path), dtype=np.float64) * self.run.dt, path), state

    def _stops(self, ops: Any, state: State) -> bool:
        """Would θ stop at θ* if it were there now, the particles where they are?"""
        there = self.flow.displaced(ops, state, self.target.θ_star)
        speeds = [abs(self.flow.observe(ops, s).velocity) for s in (there, state)]
        return speeds[0] <= STOPS * speeds[1]

    def _is_held(self, ops: Any, near: float) -> bool:
        """Does θ come back to θ* from beside it, the particles in the law of θ*?"""
        start = self.flow.begin(ops, self.target.θ_star)
        if isinstance(start.chains, tuple):  # a ladder begins at one temperature, or in the data
            law = stationary.held(self.flow, ops, start.θ, start.chains)
            start = start._replace(chains=law if law is not None else start.chains)
        beside = self._aside(ops, start, near)
        try:
            ahead, _ = self._continued(ops, beside, near)
        except Diverged:
            return False
        return read(None, ahead, np.array([near]), self.lasted, there=True).goes == "stays"

    def _read(
        self, ahead: Line, noise: float, there: bool, settled: bool = False, blur: float = 0.0
    ) -> Outlook:
        near = np.array([NEAR + DEVIATIONS * noise])
        out = read(self.past, ahead, near, self.lasted, there, settled, blur)
        if out.goes in ("star", "rest") and not there:
            out = out._replace(passed=ahead.reaches())
        star, rate = self.target.θ_star, self.run.rate
        return out._replace(rest=star + out.rest, drift=out.drift / rate, noise=noise)

    @property
    def _first_share(self) -> float:
        """Of mode b among the persistent particles at the start."""
        if getattr(self.flow, "start", "model") == "data":
            return self.target.q_star
        return self.target.mixture.weight_b(float(self.run.θ[0]))

    def _noise_of_path(self) -> float:
        if not self.run.walkers:
            return 0.0
        n = max(1.0, self.lasted / self.run.dt)
        return left_by_noise(jitter(self.run.velocity), self.η, n)

    def _noise_of_field(self, v: Callable[[float], float]) -> float:
        if not self.run.walkers:
            return 0.0
        star, n = self.target.θ_star, max(1.0, self.lasted / self.run.dt)
        λ = (v(star - NEAR) - v(star + NEAR)) / (2 * NEAR)
        return left_by_noise(jitter(self.run.velocity), self.η, n, max(λ, 1e-300))

    def _noise_of_particles(self) -> float:
        """N particles leave 1/√(N p(1−p)) in θ while none changes mode: their share of b, p at the
        start, is fixed. Where they do, with the mixing time τ, a spiral keeps √(γτ/N) at the rate γ
        (flows/pcd.py)."""
        run, mix = self.run, self.target.mixture
        if not run.walkers:
            return 0.0
        p = self._first_share
        frozen = 1 / math.sqrt(run.walkers * max(p * (1 - p), 1e-12))
        changed = float(run.crossings[-1]) / run.walkers
        if not changed >= 1:
            return min(frozen, NOISIEST)
        spiral = math.sqrt(run.rate * mix.mixing_time(self.θ) / run.walkers)
        return min(spiral, frozen, NOISIEST)
