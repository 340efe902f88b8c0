"""Runs a flow on a backend and records what it does.

run(flow, backend, θ0, steps) → Trajectory,     t = step·dt with dt = backend.h
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from toyflows.backends import theory
from toyflows.backends.base import Backend
from toyflows.cloud import Array, Cloud
from toyflows.errors import Diverged
from toyflows.flows.base import Flow
from toyflows.state import Info, State, Trajectory
from toyflows.target import Target

Progress = Callable[[int], None]
RUNAWAY = 1e8  # far beyond d²/2, where the last basin vanishes


@dataclass
class Recorder:
    """Stores every `every`-th step: the loop of steps stores nothing, a Recorder does."""

    every: int
    blocks: list[Array] = field(default_factory=list)  # (records, columns)
    crossings: float = math.nan

    def see(self, state: State, info: Info, final: bool = False) -> None:
        if final or state.step % self.every == 0:
            row = (state.step, state.θ, info.velocity, info.mode_b, self.crossings)
            self.blocks.append(np.array([(*row, *state.extra.values(), *info.seen.values())]))

    def see_path(self, step: int, path: Array) -> None:
        """The steps from `step` on as Walkers.persistent tells them, (steps, 4 or more)."""
        crossed = self.crossings + np.cumsum(path[:, 3])
        before = np.append(self.crossings, crossed[:-1])
        kept = np.arange(-step % self.every, len(path), self.every)
        self.blocks.append(
            np.column_stack([step + kept, path[kept, :3], before[kept], path[kept, 4:]])
        )
        self.crossings = float(crossed[-1])

    def columns(self) -> Array:
        return np.concatenate(self.blocks).T


def run(
    flow: Flow,
    backend: Backend,
    θ0: float = 0.0,
    steps: int = 2000,
    rate: float = 1.0,
    every: int = 1,
    state: State | None = None,
    progress: Progress | None = None,
) -> Trajectory:
    """`steps` steps of dt = backend.h from θ0, or from `state` (the last state of another run).

    A run that continues another is that run's continuation bit for bit. `progress` is told the
    steps done now and then. Raises Diverged where θ is no longer finite, or beyond ±1e8.
    """
    fused = _sweep(flow) in getattr(backend, "sweeps", ())
    if state is None:
        state = flow.begin(backend, θ0)
    elif fused and isinstance(state.chains, Cloud):  # the kernel moves its walkers in place
        x, logw = state.chains.x, state.chains.logw
        state = state._replace(chains=Cloud(x.copy(), None if logw is None else logw.copy()))
    advance = _fused if fused else _stepwise
    seen, last = Recorder(every), state.step + steps
    if state.chains is not None and flow.has_negatives:
        seen.crossings = backend.crossed(state.chains, state.chains)  # 0, or nan
    while state.step < last:
        state = advance(flow, backend, state, rate, last, seen)
        if progress is not None:
            progress(steps - last + state.step)
    info = _looked(flow, backend, state) if fused else flow.observe(backend, state)
    seen.see(state, info, final=True)
    step, θ, velocity, mode_b, crossings, *more = seen.columns()
    extra, watched = more[: len(state.extra)], more[len(state.extra) :]
    return Trajectory(
        flow.name, backend.name, backend.h, rate, step * backend.h, θ, velocity, mode_b, crossings,
        dict(zip(state.extra, extra, strict=True)), dict(zip(info.seen, watched, strict=True)),
        state, getattr(backend, "walkers", None),
    )  # fmt: skip


def velocity(flow: Flow, backend: Backend, θ: float = 0.0) -> float:
    """θ̇ at the start of a run from θ."""
    return flow.observe(backend, flow.begin(backend, θ)).velocity


def residuals(flow: Flow, exact: Backend, run: Trajectory, start: int) -> Array:
    """θ̇ of the run from record `start` on, minus that of the backend `exact` at the same θ.

    Where a run draws fresh particles at each step, each entry is, given the past, of mean 0.
    """
    return run.velocity[start:] - [velocity(flow, exact, θ) for θ in run.θ[start:].tolist()]


def _stepwise(
    flow: Flow, backend: Backend, state: State, rate: float, last: int, seen: Recorder
) -> State:
    """Up to 100 steps by the flow's own step()."""
    for _ in range(min(100, last - state.step)):
        before = state
        state, info = flow.step(backend, before, rate * backend.h)
        seen.see(before, info)
        if before.chains is not None and state.chains is not None:
            seen.crossings += backend.crossed(before.chains, state.chains)
        for name, value in (("θ", state.θ), *state.extra.items()):
            _check(name, value, state.step, backend.h)
    return state


def _fused(
    flow: Flow, backend: Backend, state: State, rate: float, last: int, seen: Recorder
) -> State:
    """The same steps in one kernel call (Walkers.persistent), where it takes the chains."""
    assert isinstance(state.chains, Cloud)
    steps = min(last - state.step, backend.a_call(state.chains))  # type: ignore[attr-defined]
    if steps == 0:
        return _stepwise(flow, backend, state, rate, state.step + 1, seen)
    sweep, below = _sweep(flow), getattr(flow, "resample", 0.0)
    chains, θ, path = backend.persistent(  # type: ignore[attr-defined]
        *sweep, state.step, state.chains, state.θ, steps, rate * backend.h, below
    )
    seen.see_path(state.step, path)
    ends = np.append(path[:, 0], θ)
    if not np.all(np.abs(ends) <= RUNAWAY):
        for k, value in enumerate(ends.tolist()):
            _check("θ", value, state.step + k, backend.h)
    return State(state.step + len(path), θ, {}, chains)


def _sweep(flow: Flow) -> tuple[str, str]:
    """The sweep and the kernel by which a backend's `persistent` knows the flow."""
    return flow.fused, getattr(flow, "kernel", "ula")


def _looked(flow: Flow, backend: Any, state: State) -> Info:
    """flow.observe, by the kernel where its sums are not NumPy's to the last bit."""
    chains = state.chains
    if not (backend.sums_apart and isinstance(chains, Cloud) and backend.a_call(chains)):
        return flow.observe(backend, state)
    sweep = _sweep(flow)
    row = backend.persistent(*sweep, state.step, chains, state.θ, 1, 0.0)[2][0].tolist()
    return Info(row[1], row[2], dict(zip(backend.sweeps[sweep], row[4:], strict=True)))


def _check(name: str, value: float, step: int, dt: float) -> None:
    """Raises Diverged where the coordinate is not finite or beyond ±RUNAWAY."""
    if not abs(value) <= RUNAWAY:
        raise Diverged(step, step * dt, name, value)


def lecture(flow: Flow, target: Target, θ0: float, dt: float, steps: int, rate: float = 1.0,
            every: int = 1) -> Trajectory | None:  # fmt: skip
    """The closed form as a Trajectory; None where the flow's file has none."""
    if not theory.applies(flow, target):
        return None
    path = theory.solve(flow, target, θ0, dt, steps, rate)
    kept = np.unique(np.append(np.arange(0, steps + 1, every), steps))
    extra = {name: path[kept, 1 + i] for i, name in enumerate(flow.extra(target, θ0))}
    names = list(extra)
    speeds = [
        np.atleast_1d(flow.separated(target, y[0], θ0, **dict(zip(names, y[1:], strict=True))))[0]
        for y in path[kept].tolist()
    ]
    nothing = np.full(kept.size, math.nan)
    return Trajectory(
        flow.name, "theory", dt, rate, kept * dt, path[kept, 0], np.array(speeds), nothing, nothing,
        extra,
    )  # fmt: skip


def followed(
    length: int,
    target: Any,
    names: Sequence[str],
    follow: Callable[..., Any],
    report: Callable[[str, int, int], None] | None,
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """The paths of `length` steps by backend, each from where that in `before` ends.

    follow(name, steps, state, progress) computes one; it returns None where there is no theory.
    """
    done: dict[str, Any] = {}
    for name in names:
        earlier = None if name == "theory" else before.get(name)
        state = None if earlier is None else earlier.state
        steps = length - (0 if state is None else state.step)
        progress = None if report is None else (lambda k, n=name, of=steps: report(n, k, of))
        if (later := follow(name, steps, state, progress)) is not None:
            later = with_divergence(target, later)
            done[name] = later if earlier is None else earlier.then(later)
    return done


def with_divergence(target: Any, run: Any) -> Any:
    """The run that also shows KL(ρ_* | ρ_θ) and, where weights estimate log Z_θ, the KL that this
    estimate gives: E_*[U_θ − U_*] + log_Z − log Z_*."""
    kl = target.divergence(run.θ)
    if kl is None:
        return run
    seen = run.seen | {"kl": kl}
    if "log_Z" in run.seen:
        log_Z = np.array([target.mixture.log_Z(θ) for θ in run.θ.tolist()])
        seen["kl_from_log_Z"] = kl + (run.seen["log_Z"] - log_Z)
    return replace(run, seen=seen)
