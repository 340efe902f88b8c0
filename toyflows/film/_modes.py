"""The film of a run: θ(t) on every backend, and the densities of data, model and walkers."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from toyflows import run as runs
from toyflows import solve
from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.film._reel import SIZE, Check, Draw, Film, Reel, at_most
from toyflows.flows import Flow
from toyflows.limits import check_workers
from toyflows.method import Given, method
from toyflows.run import Run
from toyflows.settings import RunSettings, not_on, settings, threads_for
from toyflows.state import State

if TYPE_CHECKING:
    from toyflows.figures._film_two_modes import Told

WALKERS, STEPS = 1_000_000, 200_000  # at most
BINS = 90  # of the walkers' histogram


def two_modes(
    loss: Given,
    *,
    theta_star: float | None = None,
    q_star: float | None = None,
    versus: Given | None = None,
    theta0: float = 0.0,
    separation: float = 20.0,
    time: float = 100.0,
    dt: float = 0.05,
    rate: float = 1.0,
    walkers: int = 100_000,
    seed: int = 0,
    threads: int | None = None,
    options: Mapping[str, Any] | None = None,
    versus_options: Mapping[str, Any] | None = None,
    seconds: float = 6.0,
    fps: int = 20,
    size: tuple[int, int] = SIZE,
) -> Film:
    """The run toyflows.flow(loss, …) as it happens; with `versus` that of a second method below it.
    Both are named as there.

    Raises InputError for whatever cannot be run or shown, before anything is computed.
    """
    reel = Reel(seconds, fps, size)
    check_workers(threads=threads)
    s = settings({
        "theta_star": theta_star, "q_star": q_star, "theta0": theta0, "separation": separation,
        "time": time, "dt": dt, "rate": rate, "walkers": walkers, "seed": seed,
    })  # fmt: skip
    at_most("walkers", walkers, WALKERS)
    if s.steps > STEPS:
        raise InputError("time", time, f"for a film must be {STEPS:,} steps of dt = {dt:g}")
    flows = [method(loss, options)]
    flows += [method(versus, versus_options, "versus")] if versus is not None else []
    steps = reel.steps(s.steps, s.every)

    def begin(check: Check) -> Draw:
        from toyflows.figures._film_two_modes import TwoModes

        return TwoModes([_told(flow, s, steps, threads, check) for flow in flows], size)

    return Film(reel, steps, begin)


def _told(
    flow: Flow, s: RunSettings, steps: Sequence[int], threads: int | None, check: Check
) -> Told:
    """The run on all its backends, and the walkers' histograms at these steps."""
    from toyflows.figures._film_two_modes import Told

    threads = threads or threads_for(s.walkers)
    run = runs.exact(s, flow, threads, lambda name, done, of: check())
    mix = run.target.mixture
    edges, heights = np.linspace(mix.a - 4, mix.b + 4, BINS + 1), dict[int, Array]()
    if not not_on(run.flow, "walkers"):
        run = _with_walkers(run, steps, check, edges, heights)
    return Told(
        run.flow.title, run.verdict.kind, run.verdict.says, run.target, run.backends, s.every,
        edges, heights,
    )  # fmt: skip


def _with_walkers(
    run: Run, steps: Sequence[int], check: Check, edges: Array, heights: dict[int, Array]
) -> Run:
    """The run with its walkers, which stop at these steps to be counted into `heights`."""
    from toyflows.backends.walkers import Walkers

    s, flow = run.settings, run.flow
    backend = Walkers(run.target, s.dt, s.walkers, s.seed, run.threads)
    state, done = flow.begin(backend, s.theta0), None
    for now, then in itertools.pairwise(sorted(set(steps))):
        _count(state, edges, heights)
        part = solve.run(
            flow, backend, s.theta0, then - now, s.rate, s.every, state, lambda done: check()
        )
        done = part if done is None else done.then(part)
        assert part.state is not None
        state = part.state
    _count(state, edges, heights)
    assert done is not None
    return dataclasses.replace(run, backends={**run.backends, "walkers": done})


def _count(state: State, edges: Array, heights: dict[int, Array]) -> None:
    """The density of the walkers over the bins, where the method keeps any."""
    if state.cold is not None:
        x, logw = state.cold.x, state.cold.logw
        share = np.full(x.size, 1 / x.size) if logw is None else state.cold.weights
        found = np.histogram(x, edges.size - 1, (edges[0], edges[-1]), weights=share)[0]
        heights[state.step] = found / np.diff(edges)
