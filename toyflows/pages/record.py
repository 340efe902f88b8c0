"""A run as the page shows it: θ(t) of each backend, the walkers' histogram at some of its times.

The walkers are run in pieces, each the bit-for-bit continuation of the one before, and only their
histograms are kept: memory does not grow with the time. A run's numbers are those of toyflows.flow.
"""

from __future__ import annotations

import base64
import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows import linear, solve
from toyflows.backends.base import Backend
from toyflows.backends.grid import Grid
from toyflows.cloud import Array
from toyflows.errors import Diverged
from toyflows.flows import Flow, equation
from toyflows.flows.base import at
from toyflows.method import options_in_words
from toyflows.pages.layout import USUAL_FRAMES, Bins, Layout
from toyflows.run import Run
from toyflows.settings import RunSettings, not_on, threads_for
from toyflows.state import State, Trajectory
from toyflows.target import Target
from toyflows.verdict import MESSAGE, Verdict, diverged

LEVELS = 65535  # of a uint16
Watch = Callable[[State], None]
JUDGED = ("grid", "walkers", "theory")


@dataclass(frozen=True)
class Order:
    """A run to be made, and how many of its times are to be seen."""

    settings: RunSettings
    frames: int


def entry(order: Order, progress: Callable[[float], None] | None = None) -> dict[str, Any]:
    """The run made, and ready for the page (JSON)."""
    run, stopped, seen, layout = _made(order, progress)
    shown = _entry(run, layout, stopped)
    if seen:
        shown["histogram"] = _packed(np.array(seen), order.settings.walkers)
    return shown


def saved_entry(run: Run) -> dict[str, Any]:
    """A run that was made before; its walkers are seen at the end, where they are kept."""
    layout = Layout.of(_common_times(run).size - 1, USUAL_FRAMES[0])
    shown, walkers = _entry(run, layout, None), run.backends.get("walkers")
    if walkers is not None and walkers.state is not None:
        seen: list[Array] = []
        _counted(run.flow, _walkers(run.target, run.settings), seen, walkers.state)
        if seen:
            shown["histogram"] = _packed(np.array(seen), run.settings.walkers)
            shown["first"] = len(layout.frames()) - 1
    if run.target.empirical:
        bins = Bins.of(run.target.mixture)
        shown["data"] = _packed(bins.shares(run.target.data), run.target.data.size)
    return shown


def _made(
    order: Order, progress: Callable[[float], None] | None
) -> tuple[Run, Diverged | None, list[Array], Layout]:
    """The run on all backends that apply, why it ended early, the walkers' histograms."""
    s = order.settings
    flow, target = s.flow(), s.target
    layout = Layout.of(math.ceil(s.steps / s.every), order.frames)
    stops = [min(int(k) * s.every, s.steps) for k in layout.frames()]
    done: dict[str, Trajectory] = {}
    seen: list[Array] = []
    told = solve.lecture(flow, target, s.theta0, s.dt, s.steps, s.rate, s.every)
    if told is not None:
        done["theory"] = told
    tell = progress or (lambda share: None)
    stopped = None
    if not not_on(flow, "grid"):
        done["grid"], stopped = _follow(flow, Grid(target, s.dt), s, stops, lambda state: None)
    tell(0.3)
    if not not_on(flow, "walkers"):
        backend = _walkers(target, s)

        def watch(state: State) -> None:
            _counted(flow, backend, seen, state)
            tell(0.3 + 0.7 * state.step / s.steps)

        done["walkers"], early = _follow(flow, backend, s, stops, watch)
        stopped = stopped or early
    return Run(s, target, flow, done), stopped, seen, layout


def _walkers(target: Target, s: RunSettings) -> Any:
    from toyflows.backends.walkers import Walkers  # numba: not before it is needed

    return Walkers(target, s.dt, s.walkers, s.seed, threads_for(s.walkers))


def _follow(
    flow: Flow, backend: Backend, s: RunSettings, stops: Sequence[int], watch: Watch
) -> tuple[Trajectory, Diverged | None]:
    """The run, watched at its stops; where θ diverges, as far as the last of them."""
    whole = solve.run(flow, backend, s.theta0, 0, s.rate, s.every)
    assert whole.state is not None
    state = whole.state
    watch(state)
    for first, last in pairwise(stops):
        try:
            piece = solve.run(flow, backend, s.theta0, last - first, s.rate, s.every, state)
        except Diverged as error:
            return whole, error
        whole = whole.then(piece)
        assert piece.state is not None
        state = piece.state
        watch(state)
    return whole, None


def _counted(flow: Flow, backend: Backend, seen: list[Array], state: State) -> None:
    """Appends the histogram of the particles that the method averages over, if it has any: drawn
    from the run's own numbers of that step, so that the run is not disturbed."""
    if flow.has_negatives:
        cloud = flow.drawn(at(backend, state), state.θ, state.chains, state.extra)
        if cloud is not None:
            seen.append(Bins.of(backend.mixture).shares(cloud))


def _entry(run: Run, layout: Layout, stopped: Diverged | None) -> dict[str, Any]:
    """Words and curves."""
    s, mix = run.settings, run.target.mixture
    times = _common_times(run)
    kept = layout.kept()
    t = times[kept[kept < times.size]]
    judged = next(name for name in JUDGED if name in run.backends)
    verdict = _verdict(run, stopped)
    options = options_in_words(run.flow).strip()
    title = run.flow.title + (f" ({options})" if options else "")
    bins = Bins.of(mix)
    return {
        "loss": run.flow.name, "title": title, "equation": equation(type(run.flow)),
        "message": MESSAGE[verdict.kind].format(title), "kind": verdict.kind,
        "says": verdict.says, "alarms": run.alarms, "again": again(run),
        "theta_star": run.target.θ_star, "a": mix.a, "b": mix.b, "near": verdict.noise,
        "walkers": s.walkers, "seed": s.seed, "dt": s.dt, "rate": s.rate, "theta0": s.theta0,
        "points": layout.points, "judged": judged, "t": _base64(t),
        "theta": {n: _base64(_at(tr, tr.θ, t)) for n, tr in run.backends.items()},
        "mode_b": {
            n: _base64(_at(tr, tr.mode_b, t)) for n, tr in run.backends.items()
            if np.isfinite(tr.mode_b[0])
        },
        "low": bins.low, "high": bins.high, "bins": bins.size, "first": 0,
    }  # fmt: skip


def _verdict(run: Run, stopped: Diverged | None) -> Verdict:
    if stopped is None:
        return run.verdict
    stable = linear.stable_step(run.flow, Grid(run.target, run.settings.dt))
    return diverged(stopped.with_limit(stable))


def _common_times(run: Run) -> Array:
    """Times that the backends which came to the end all have (a resumed run is recorded anew)."""
    end = max(tr.t[-1] for tr in run.backends.values())
    whole = [tr.t for tr in run.backends.values() if tr.t[-1] == end]
    times = whole[0]
    for other in whole[1:]:
        times = np.intersect1d(times, other)
    return times


def _at(run: Trajectory, values: Array, times: Array) -> Array:
    """The values recorded at these times; nan where none is."""
    k = np.minimum(np.searchsorted(run.t, times), run.t.size - 1)
    return np.where(run.t[k] == times, values[k], np.nan)


def again(run: Run) -> str:
    """The command that makes this run."""
    s = run.settings
    if s.data is None:
        subject = f"--theta-star {_exact(run.target.θ_star)} --separation {_exact(s.separation)}"
    else:
        modes = f" --modes {s.modes[0]!r} {s.modes[1]!r}" if s.modes else ""
        column = f" --column {shlex.quote(s.column)}" if s.column else ""
        skip = {None: "", True: " --skip-missing", False: " --no-skip-missing"}[s.skip_missing]
        subject = f"--data {shlex.quote(s.data)}{column}{skip}{modes}"
    numbers = {"theta0": s.theta0, "time": s.time, "dt": s.dt, "rate": s.rate}
    loss = (
        (s.source.path or s.source.file) + s.loss.removeprefix(s.source.file)
        if s.source
        else s.loss
    )
    words = ["toyflows flow --loss", shlex.quote(loss), subject]
    words += [f"--{name} {_exact(value)}" for name, value in numbers.items()]
    words += [f"--walkers {s.walkers} --seed {s.seed}"]
    return " ".join([*words, *(f"-p {name}={value}" for name, value in s.options.items())])


def _exact(value: float) -> str:
    """The number as short as it can be said without loss."""
    return short if float(short := f"{value:g}") == value else repr(value)


def _packed(shares: Array, n: int) -> dict[str, Any]:
    """Shares as value/per with values of 16 bits."""
    values, per = quantised(shares, n)
    return {"per": per, "values": base64.b64encode(values.astype("<u2").tobytes()).decode()}


def quantised(shares: Array, n: int) -> tuple[NDArray[np.uint16], float]:
    """Whole numbers (the shape of shares) and by what they are to be divided: n where they count n
    points and none is beyond 16 bits, so that nothing is lost; else LEVELS over the largest."""
    counts = np.rint(shares * n)
    counted = counts.max() <= LEVELS and np.max(np.abs(shares * n - counts)) < 1e-6
    per = float(n) if counted else LEVELS / float(shares.max())
    return np.rint(shares * per).astype(np.uint16), per


def _base64(values: Array) -> str:
    return base64.b64encode(values.astype("<f8").tobytes()).decode()
