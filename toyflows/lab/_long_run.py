"""A long training run that is computed once, and looked at from any of its steps.

A record keeps θ, θ̇ and the share of mode b at every step anybody has seen, and the particles at
some of them: going back in time does not compute all steps again. Numbers are those of
`toyflows.flow`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from toyflows import solve
from toyflows.backends.base import Backend
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array
from toyflows.flows import Flow, make
from toyflows.lab._job import Job
from toyflows.state import State
from toyflows.target import Target

MOST = 40_000  # steps
# Between two looks at whether it is still wanted, 20 ms each: walker-steps in one kernel and by
# separate calls, and steps of the grid.
FUSED_PIECE, PIECE, GRID_PIECE = 20_000_000, 2_000_000, 100
KEPT = 8 << 20  # bytes of particles that a record keeps
RECORDS = 18  # of six settings: at most 160 MB


@dataclass(eq=False)
class Record:
    """One method on one backend. `path` (MOST + 1, 3) holds θ, θ̇ and the share of b, up to the step
    of `last`, the latest state computed."""

    flow: Flow
    backend: Backend
    θ0: float
    rate: float
    path: Array = field(default_factory=lambda: np.full((MOST + 1, 3), np.nan))
    places: dict[int, State] = field(default_factory=dict)
    apart: int = 1  # steps between two places
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        run = solve.run(self.flow, self.backend, self.θ0, 0, self.rate)
        assert run.state is not None
        self.path[0] = run.θ[0], run.velocity[0], run.mode_b[0]
        self.last = self.places[0] = run.state
        chains = run.state.chains if isinstance(run.state.chains, tuple) else (run.state.chains,)
        size = sum(c.x.nbytes * (1 if c.logw is None else 2) for c in chains if c is not None)
        while MOST // self.apart * size > KEPT:
            self.apart *= 2

    def reach(self, step: int, job: Job) -> None:
        """Makes the path known up to `step`."""
        if self.last.step < step:
            self.on(self.last, step, job)

    def on(self, state: State, step: int, job: Job) -> State:
        """The state after `step` steps, from an earlier one."""
        near = self.near(step)
        state = near if near.step > state.step else state
        while state.step < step:
            job.check()
            ahead = self.apart - state.step % self.apart  # places lie on a grid of steps
            state = self._piece(state, min(step - state.step, ahead, self._most))
        return state

    def near(self, step: int) -> State:
        """The last state that is kept, not after `step`."""
        if self.last.step <= step:
            return self.last
        at = step // self.apart * self.apart
        return self.places[at]

    @property
    def _most(self) -> int:
        """Steps between two looks at the clock."""
        if self.backend.name == "grid":
            return GRID_PIECE
        assert isinstance(self.backend, Walkers)
        return max(1, (FUSED_PIECE if self.flow.fused else PIECE) // self.backend.walkers)

    def _piece(self, state: State, steps: int) -> State:
        with self.lock:  # a team's pace is one thread's
            run = solve.run(self.flow, self.backend, self.θ0, steps, self.rate, state=state)
            now = run.state
            assert now is not None
            rows = np.stack([run.θ, run.velocity, run.mode_b], axis=1)
            self.path[state.step : now.step + 1] = rows
            if now.step % self.apart == 0:
                self.places.setdefault(now.step, now)
            if now.step > self.last.step:
                self.last = now
        return now


@lru_cache(maxsize=RECORDS)
def record(
    method: str, backend: str, θ_star: float, d: float, dt: float, rate: float, walkers: int,
    seed: int,
) -> Record:  # fmt: skip
    """The record of these settings from θ0 = 0, the same for all visitors."""
    target = Target.exact(θ_star, d)
    where = Grid(target, dt) if backend == "grid" else Walkers(target, dt, walkers, seed)
    return Record(make(method, **OPTIONS.get(method, {})), where, 0.0, rate)


OPTIONS = {"tempering": {"replicas": 2}}  # in one dimension as good as more, and faster
