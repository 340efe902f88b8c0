"""Follows a flow among K modes and records what it does: solve.py with a θ of K − 1 coordinates.

Any flow whose file asks only for means of r_θ, its score-matching relatives and moves runs here
unchanged. What is refused: quadratures over the line, and methods whose own unknowns are scalars.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toyflows.backends.base import WALKER_STEPS_A_CALL
from toyflows.cloud import Array, Cloud
from toyflows.errors import Diverged, InputError
from toyflows.flows import Flow, registry
from toyflows.modes.target import ModesTarget
from toyflows.solve import RUNAWAY
from toyflows.state import Info, State, joined

SUITED = ("ml", "pcd", "cd", "short-run", "replay-buffer", "jarzynski", "tempering",
          "score-matching", "denoising", "multi-noise")  # fmt: skip
ON_GRID = ("ml", "pcd", "cd", "short-run", "score-matching", "denoising", "multi-noise")
WITH_THEORY = ("ml", "pcd", "jarzynski")  # whose `separated` holds for any number of modes

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Path:
    """A recorded run: t (n,); θ, θ̇ and the shares of the negatives in each mode from the second on,
    each (n, K−1), nan where there are none; how often particles changed modes so far (n,); what
    else the method shows, by name."""

    t: Array
    θ: Array
    velocity: Array
    shares: Array
    crossings: Array
    seen: dict[str, Array] = field(default_factory=dict)
    state: State | None = None

    @property
    def theta(self) -> Array:
        """θ."""
        return self.θ

    def __repr__(self) -> str:
        return f"Path({self.t.size} records, t = {self.t[0]:g} … {self.t[-1]:g})"

    def then(self, later: Path) -> Path:
        """This run and its continuation, as the uninterrupted run would have recorded them."""
        return joined(self, later, ("t", "θ", "velocity", "shares"), ("seen",))


def check_suited(flow: Flow) -> None:
    """Raises InputError where the method has no meaning for K modes. Of a user's own, only what can
    be seen: it may still ask for what K modes have not."""
    if (built_in(flow) and flow.name not in SUITED) or not flow.sampled:
        why = f"is for two modes on the line; for K modes take {', '.join(SUITED)}"
        raise InputError("loss", flow.name, why)


def built_in(flow: Flow) -> bool:
    """Is it one of toyflows/flows/?"""
    return registry().get(flow.name) is type(flow)


def grid_has(flow: Flow) -> bool:
    """Does the exact law on the plane know this method's step? A user's own may try."""
    known = flow.name in ON_GRID if built_in(flow) else flow.exact
    return known and getattr(flow, "kernel", "ula") == "ula"


@dataclass
class _Recorder:
    """Rows (step, θ, θ̇, shares, crossings so far, seen) of every `every`-th step."""

    every: int
    K1: int
    blocks: list[Array] = field(default_factory=list)
    names: tuple[str, ...] = ()
    crossings: float = 0.0

    def see(self, state: State, info: Info, final: bool = False) -> None:
        if final or state.step % self.every == 0:
            shares = np.broadcast_to(info.mode_b, self.K1)
            parts = ([state.step], state.θ, info.velocity, shares, [self.crossings])
            self.blocks.append(np.concatenate([*parts, list(info.seen.values())])[None])
            self.names = tuple(info.seen)

    def see_path(self, step: int, path: Array) -> None:
        """The steps from `step` on as ModesWalkers.follow tells them."""
        before = self.crossings + np.append(0.0, np.cumsum(path[:, -1]))
        kept = np.arange(-step % self.every, len(path), self.every)
        self.blocks.append(np.column_stack([step + kept, path[kept, :-1], before[kept]]))
        self.crossings = float(before[-1])

    def path(self, dt: float, state: State) -> Path:
        rows, k = np.concatenate(self.blocks), self.K1
        θ, v, shares = (rows[:, 1 + i * k : 1 + (i + 1) * k] for i in range(3))
        seen = dict(zip(self.names, rows[:, 2 + 3 * k :].T, strict=True))
        return Path(rows[:, 0] * dt, θ, v, shares, rows[:, 1 + 3 * k], seen, state)


def follow(
    flow: Flow, ops: Any, θ0: Any, steps: int, rate: float = 1.0, every: int = 1,
    progress: Progress | None = None, state: State | None = None,
) -> Path:  # fmt: skip
    """`steps` steps of dt = ops.h from θ0 (K−1,), or from `state`, the last of another run.

    Raises Diverged beyond ±1e8.
    """
    seen = _Recorder(every, θ0.size)
    if state is None:
        state = flow.begin(ops, θ0)
    elif isinstance(state.chains, Cloud):  # the kernel moves its walkers in place
        state = state._replace(chains=Cloud(state.chains.x.copy(), state.chains.logw))
    steps += state.step
    if state.chains is None or not flow.has_negatives or ops.name == "grid":
        seen.crossings = math.nan
    sweep = (flow.fused, getattr(flow, "kernel", "ula"))
    fused = sweep in getattr(ops, "sweeps", ()) and ops.target.data is not None
    with np.errstate(under="ignore"):  # θ̇ may be 1e−304
        while state.step < steps:
            state = (_fused if fused else _stepwise)(flow, ops, state, rate, steps, seen)
            if progress is not None:
                progress(state.step)
        seen.see(state, flow.observe(ops, state), final=True)
    return seen.path(ops.h, state)


def _stepwise(flow: Flow, ops: Any, state: State, rate: float, last: int, seen: _Recorder) -> State:
    """Up to 20 steps by the flow's own step()."""
    for _ in range(min(20, last - state.step)):
        before = state
        state, info = flow.step(ops, before, rate * ops.h)
        seen.see(before, info)
        if math.isfinite(seen.crossings) and before.chains is not None:
            seen.crossings += ops.crossed(before.chains, state.chains)
        _check(np.asarray(state.θ)[None], state.step, ops.h)
    return state


def _fused(flow: Flow, ops: Any, state: State, rate: float, last: int, seen: _Recorder) -> State:
    """The same steps in one kernel call."""
    assert isinstance(state.chains, Cloud)
    many = max(1, WALKER_STEPS_A_CALL // state.chains.x.size)
    steps = min(last - state.step, many)
    θ, path = ops.follow(state.step, state.chains, state.θ, steps, rate * ops.h)
    seen.see_path(state.step, path)
    _check(np.vstack([path[1:, : θ.size], θ]), state.step + 1, ops.h)
    return State(state.step + steps, θ, {}, state.chains)


def _check(θ: Array, step: int, dt: float) -> None:
    """Raises Diverged at the first row with a coordinate that is not finite or beyond ±1e8."""
    bad = np.argwhere(~(np.abs(θ) <= RUNAWAY))
    if len(bad):
        row, k = bad[0].tolist()
        raise Diverged(step + row, (step + row) * dt, f"θ_{k + 2}", float(θ[row, k]))


def has_theory(flow: Flow) -> bool:
    """Has it a closed form for any number of modes?"""
    return flow.name in WITH_THEORY and built_in(flow)


def lecture(flow: Flow, target: ModesTarget, θ0: Array, dt: float, steps: int, rate: float,
            every: int) -> Path | None:  # fmt: skip
    """The closed form for modes well apart by Runge and Kutta's fourth-order steps; None: none."""
    if not has_theory(flow):
        return None

    separated: Callable[..., Any] = flow.separated  # its θ may be an array here

    def f(θ: Array) -> Array:
        return rate * np.asarray(separated(target, θ, θ0))

    path = np.empty((steps + 1, θ0.size))
    path[0] = θ0
    kept = np.unique(np.append(np.arange(0, steps + 1, every), steps))
    with np.errstate(under="ignore"):
        for k in range(steps):
            θ = path[k]
            a = f(θ)
            b = f(θ + dt / 2 * a)
            c = f(θ + dt / 2 * b)
            path[k + 1] = θ + dt / 6 * (a + 2 * b + 2 * c + f(θ + dt * c))
        velocity = np.array([f(θ) / rate for θ in path[kept]])
    nothing = np.full((kept.size, θ0.size), math.nan)
    return Path(kept * dt, path[kept], velocity, nothing, nothing[:, 0])
