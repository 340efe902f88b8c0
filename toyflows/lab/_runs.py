"""A training run that is watched while it goes: the method on walkers, on the grid, by formula.

Each backend goes on from its own state, which is that of the uninterrupted run bit for bit, so that
the numbers are those of `toyflows.flow` with the same settings, however the page came to them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from toyflows import solve
from toyflows.backends.base import Backend
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array, Cloud
from toyflows.errors import Diverged
from toyflows.flows import Flow
from toyflows.flows.nce import NCE
from toyflows.lab._job import Job
from toyflows.lab._terms import terms
from toyflows.run import crossed
from toyflows.state import Trajectory
from toyflows.target import Target
from toyflows.verdict import judge, now, so_far

PIECE = 0.03  # seconds between two looks at whether it is still wanted
FIRST = 2  # steps of the first piece: the next take as many as that tells
BINS = 90
DOTS = 250  # walkers that are drawn one by one
ARROWS = 31  # places of the phase line
POINTS = 1200  # of a line on the page


@dataclass
class Side:
    """One method, followed on the backends it runs on."""

    flow: Flow
    target: Target
    θ0: float
    dt: float
    rate: float
    walkers: int
    seed: int
    runs: dict[str, Trajectory] = field(default_factory=dict)
    pieces: dict[str, int] = field(default_factory=dict)  # steps that take PIECE, by backend
    told: Trajectory | None = None  # of the formula
    stopped: str = ""  # why it goes no further

    @cached_property
    def backends(self) -> dict[str, Backend]:
        """Walkers first: their answer is there first."""
        found: dict[str, Backend] = {}
        if self.flow.sampled:
            found["walkers"] = Walkers(self.target, self.dt, self.walkers, self.seed)
        found["grid"] = Grid(self.target, self.dt)
        return found

    def formula(self, step: int) -> Trajectory | None:
        """The lecture's closed form, so far at least; when it goes on, further than asked for, so
        that a playing page seldom solves it."""
        if self.told is None or len(self.told.t) <= step:
            far = max(100, step if self.told is None else 2 * step)
            self.told = solve.lecture(self.flow, self.target, self.θ0, self.dt, far, self.rate)
        return self.told

    def advance(self, name: str, steps: int, job: Job) -> None:
        """Goes on, in pieces short enough to be cancelled."""
        backend = self.backends[name]
        while steps > 0 and not self.stopped:
            job.check()
            began, piece = time.monotonic(), self.pieces.get(name, FIRST)
            now = min(steps, piece)
            before = self.runs.get(name)
            state = None if before is None else before.state
            try:
                later = solve.run(self.flow, backend, self.θ0, now, self.rate, 1, state)
            except Diverged as error:
                self.stopped = str(error)
                return
            self.runs[name] = later if before is None else before.then(later)
            steps -= now
            took = max(time.monotonic() - began, 1e-4)
            self.pieces[name] = max(1, min(4 * piece, int(now * PIECE / took)))

    def begin(self) -> None:
        """Step 0, on every backend."""
        for name, backend in self.backends.items():
            self.runs[name] = solve.run(self.flow, backend, self.θ0, 0, self.rate)

    # ---------------------------------------------------------------- what is seen
    def seen(self, step: int, whole: bool) -> dict[str, Any]:
        """All numbers that are drawn; the verdict only for a `whole` run."""
        out: dict[str, Any] = {}
        for name, run in self.runs.items():
            keep = _thinned(len(run.t))
            out |= {f"{name}_t": run.t[keep], f"{name}_θ": run.θ[keep], f"{name}": float(run.θ[-1])}
        told = self.formula(step)
        if told is not None:
            keep = _thinned(step + 1)
            out |= {"theory_t": told.t[keep], "theory_θ": told.θ[keep],
                    "theory": float(told.θ[step])}  # fmt: skip
        judged = self.runs.get("grid") or self.runs["walkers"]
        out["θ"] = θ = float(judged.θ[-1])
        out["keeps"] = int(self.chains is not None)
        out |= {"q": self.target.mixture.weight_b(θ), "q_star": self.target.q_star}
        out |= self._told(judged, whole)
        return out | self._particles() | self._phase(θ) | self._terms()

    def _terms(self) -> dict[str, Any]:
        state = self.runs["grid"].state
        assert state is not None
        found = None if self.stopped else terms(self.flow, self.backends["grid"], state)
        return {} if found is None else found.frame(self.rate * self.dt)

    def _told(self, judged: Trajectory, whole: bool) -> dict[str, str]:
        """The sentences `now` and `so_far`, the verdict of a whole run, or why it stopped."""
        if self.stopped:
            return {"verdict": "diverges" if whole else "", "says": f"The run {self.stopped}."}
        if len(judged.t) < 2:
            return {"verdict": "", "says": ""}
        seen = self.runs.get("walkers", judged)
        if whole:
            verdict = judge(self.flow, self.target, judged, self.backends["grid"])
            counted = verdict.kind == "mode collapse" and seen is not judged
            says = crossed(verdict.says, seen) if counted else verdict.says
            return {"verdict": verdict.kind, "says": says}
        past = so_far(judged, self.target)
        past = past if seen is judged else crossed(past, seen)
        return {"verdict": "", "says": f"{now(judged, self.target)} {past}"}

    @cached_property
    def places(self) -> Array:
        mix = self.target.mixture
        return np.linspace(mix.a - 4, mix.b + 4, 401)

    def densities(self, θ: float) -> dict[str, Any]:
        """The densities of data, model and an NCE's noise, and the energy, at `places`."""
        mix, x = self.target.mixture, self.places
        μ = self.flow.mu if isinstance(self.flow, NCE) else None  # of its noise
        return {
            "x": x, "data": mix.density(x, self.target.θ_star), "model": mix.density(x, θ),
            "energy": mix.energy(x, θ), "noise": 0 * x if μ is None else mix.density(x, μ),
            "noise_b": -1.0 if μ is None else mix.weight_b(μ),
        }  # fmt: skip

    @property
    def chains(self) -> Cloud | None:
        """The walkers that the method keeps as its negatives."""
        run = self.runs.get("walkers")
        state = None if run is None else run.state
        return state.cold if state is not None and self.flow.has_negatives else None

    def _particles(self) -> dict[str, Any]:
        cloud = self.chains
        if cloud is None:
            return {"bars": np.zeros(BINS), "dots": np.zeros(0), "mode_b": 0.0, "crossed": 0.0}
        x, low, high = cloud.x, float(self.places[0]), float(self.places[-1])
        width = (high - low) / BINS
        bins = np.clip((x - low) * (1 / width), 0, BINS - 1).astype(np.int32)
        shares = None if cloud.logw is None else cloud.weights
        crossed = self.runs["walkers"].crossings[-1]
        return {
            "bars": np.bincount(bins, shares, BINS)
            / (width if shares is not None else width * x.size),
            "dots": x[:DOTS].astype(np.float32),
            "mode_b": cloud.mean(self.target.mixture.in_b),
            "crossed": float(np.nan_to_num(crossed)),
        }

    def _phase(self, θ: float) -> dict[str, Array]:
        """θ̇ as a function of θ, with the persistent particles where they now are."""
        seen = np.concatenate([[self.target.θ_star, self.θ0, 0.0], self.runs["grid"].θ])
        low, high = float(seen.min()) - 1, float(seen.max()) + 1
        θs = np.linspace(low, high, ARROWS)
        state = self.runs["grid"].state
        assert state is not None
        backend = self.backends["grid"]
        speed = [self.flow.observe(backend, state._replace(θ=v)).velocity for v in θs.tolist()]
        return {"phase_θ": θs, "phase_v": np.array(speed)}


def _thinned(n: int) -> Any:
    """Indices of at most POINTS of n, the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(np.intp))
