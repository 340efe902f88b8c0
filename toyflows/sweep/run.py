"""A sweep from plan to file: what is missing is measured, cut into chunks, worked and stored.

result = sweep(["pcd", "jarzynski"], over={"separation": "2:14:7"}, out="phase.npz")
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toyflows.files import check_memory, goes_on_with
from toyflows.limits import SETTINGS
from toyflows.method import Given, with_more
from toyflows.sweep.engines import Engine, make_engine
from toyflows.sweep.plan import Over, Plan
from toyflows.sweep.point import Chunk, Refused, Rows, kept, versions
from toyflows.sweep.result import Result
from toyflows.sweep.store import Store, parts_of

PILOTS = 5  # runs of each method that are measured first; they count
# A chunk costs its worker about 10 ms beside its runs: 4 % of the shortest. The longest is what a
# kill -9 loses, unless there are so many workers that we could not take in what they make.
SHORTEST, LONGEST = 0.25, 5.0  # seconds of a chunk
CARRIED = 0.01  # seconds in which we take a chunk's rows in and write them (benchmarks/sweeps.py)
BUSY = 0.5  # share of our time that this may take
CHUNKS = 16  # a process, at least, so that all end together
Report = Callable[[int, int], None]  # runs saved, runs in all


@dataclass(frozen=True)
class Estimate:
    """What a sweep will take, from its pilot: `seconds` on `jobs` cores that have nothing else to
    do, `memory` in bytes of all processes, `size` of the file."""

    runs: int
    missing: int
    seconds: float
    jobs: int
    memory: int
    size: int


def sweep(
    losses: Given | Sequence[Given],
    *,
    over: Over | None = None,
    out: str | Path | None = None,
    backend: str = "walkers",
    repeats: int = 1,
    keep: Sequence[str] = ("verdict", "theta"),
    engine: str = "local",
    jobs: int | None = None,
    scheduler: str | None = None,
    report: Report | None = None,
    options: Mapping[str, Any] | None = None,
    positions: ArrayLike | None = None,
    spreads: ArrayLike = 1.0,
    **more: Any,
) -> Result:
    """Runs every method at every value of the axes `over`, and returns the Result.

    `over` maps names of settings or options to lists, or to text such as "0.1:10:5:log". Further
    arguments are settings (time, dt, …, q_star: RunSettings) and options of the methods, which go
    to those that have them. With `positions` (K, D), and `spreads`, the runs are among these modes,
    with K numbers for θ*, q* and θ0. `report` is told how many runs are saved, and of how many.

    The same call goes on where another was stopped; an extended one computes only what is new.
    Without `out` nothing stays on disk. Raises InputError before anything is computed, and
    WorkersLost.
    """
    base = {name: more.pop(name) for name in SETTINGS if name in more}
    options = with_more(losses, options, more, sweep)
    plan = Plan.make(losses, over, backend, repeats, keep, options, positions, spreads, **base)
    workers = make_engine(engine, jobs, scheduler)
    if out is not None:
        return carry_out(plan, Path(out), workers, report)
    with tempfile.TemporaryDirectory(prefix="toyflows-") as folder:
        return carry_out(plan, Path(folder) / "sweep.npz", workers, report)


def carry_out(plan: Plan, out: Path, engine: Engine, report: Report | None = None) -> Result:
    """Computes those runs of the plan that the file `out` has not, writes it, and returns all.

    Raises InputError for a file of another plan and for what a run refuses; WorkersLost where
    processes die again and again: what is done is kept then, and the same call goes on.
    """
    store = _opened(plan, out)
    missing = store.missing()

    def done(rows: Iterator[Rows | Refused]) -> Iterator[Rows]:
        for answer in rows:
            if isinstance(answer, Refused):
                raise answer.error()
            store.add(answer)
            if report is not None:
                report(store.saved, store.total)
            yield answer

    if report is not None:
        report(store.saved, store.total)
    if missing.size:
        with engine:
            first = _pilots(plan, missing)
            cost = Cost.measured(plan, first, list(done(engine.run(_chunks(plan, first)))))
            left = np.setdiff1d(missing, np.concatenate(first))
            for _ in done(engine.run(_chunks(plan, cost.cut(left, engine.jobs)))):
                pass
    return store.finish()


def estimate(plan: Plan, out: Path, engine: Engine) -> Estimate:
    """Measures a few runs of each method, and says what the sweep will take. Nothing is written.

    Raises as `carry_out`.
    """
    store = _opened(plan, out)
    missing = store.missing()
    if not missing.size:
        return Estimate(store.total, 0, 0.0, 0, 0, _bytes(plan))
    pilots = _pilots(plan, missing)
    with engine:
        answers = list(engine.run(_chunks(plan, pilots)))
        jobs = engine.jobs
    for answer in answers:
        if isinstance(answer, Refused):
            raise answer.error()
    rows = [answer for answer in answers if isinstance(answer, Rows)]
    seconds = float(Cost.measured(plan, pilots, rows).of(missing).sum()) / jobs
    memory = jobs * max(r.peak for r in rows) + 3 * _bytes(plan)
    return Estimate(store.total, missing.size, seconds, jobs, memory, _bytes(plan))


def _opened(plan: Plan, out: Path) -> Store:
    _check_memory(plan)
    for path in (out, parts_of(out)) if out.name else ():
        goes_on_with(path)
    return Store(out, plan, plan.keys())


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a run: its method's `unit` times steps × walkers."""

    plan: Plan
    unit: NDArray[np.float64]

    @classmethod
    def measured(cls, plan: Plan, pilots: Sequence[NDArray[np.intp]], answers: list[Rows]) -> Cost:
        """From a chunk of pilots a method. Its first run is left out: it may have loaded Numba; the
        others are even over the plan, so that their mean is the plan's."""
        seconds = {rows.keys[0]: rows.seconds for rows in answers}
        unit = np.zeros(len(plan.losses))
        for runs in pilots:
            warm = slice(1 if runs.size > 1 else 0, None)
            spent = np.array(seconds[plan.run(int(runs[0])).key][warm])
            unit[_loss(plan, runs)[0]] = np.mean(spent / amount(plan, runs[warm]))
        return cls(plan, unit)

    def of(self, runs: NDArray[np.intp]) -> NDArray[np.float64]:
        """Seconds of the runs at these places of the plan."""
        return self.unit[_loss(self.plan, runs)] * amount(self.plan, runs)

    def cut(self, runs: NDArray[np.intp], jobs: int) -> list[NDArray[np.intp]]:
        """The runs in chunks of about the same time."""
        if not runs.size:
            return []
        ends = np.cumsum(self.of(runs))
        span = span_of(float(ends[-1]), jobs)
        which = (ends / span).astype(np.intp)
        return np.split(runs, np.flatnonzero(np.diff(which)) + 1)


def span_of(seconds: float, jobs: int) -> float:
    """Seconds of a chunk, of a sweep of A = `seconds` of CPU time on `jobs` cores.

    Taking all chunks in lasts CARRIED·A/S, and the last one S: their sum is least at √(CARRIED·A).
    """
    shortest = max(SHORTEST, min(jobs * CARRIED / BUSY, math.sqrt(CARRIED * seconds)))
    return min(max(seconds / (jobs * CHUNKS), shortest), max(LONGEST, shortest))


def amount(plan: Plan, runs: NDArray[np.intp]) -> NDArray[np.float64]:
    """Steps × walkers of the runs at these places of the plan."""
    at = dict(zip(plan.dims, np.unravel_index(runs, plan.shape), strict=True))
    swept = {a.name: np.array(a.values)[at[a.name]] for a in plan.axes if a.name in SETTINGS}
    s = vars(plan.base) | swept
    steps = np.maximum(1.0, np.asarray(s["time"]) / s["dt"])
    walkers = np.asarray(s["walkers"] if plan.backend == "walkers" else 1.0)
    return np.broadcast_to(steps * walkers, runs.shape).astype(np.float64)


def _loss(plan: Plan, runs: NDArray[np.intp]) -> NDArray[np.intp]:
    return runs // math.prod(plan.shape[1:])


def _pilots(plan: Plan, missing: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """A chunk a method: PILOTS of its missing runs, even over the plan."""
    losses = _loss(plan, missing)
    mine = [missing[losses == place] for place in np.unique(losses)]
    return [runs[np.unique(np.linspace(0, runs.size - 1, PILOTS).astype(int))] for runs in mine]


def _chunks(plan: Plan, pieces: Sequence[NDArray[np.intp]]) -> Iterator[Chunk]:
    """The chunks, each made when it is asked for."""
    mine = versions()
    for runs in pieces:
        yield Chunk(tuple(plan.run(k) for k in runs.tolist()), plan.keep, mine)


def _bytes(plan: Plan) -> int:
    """Of the arrays of the result."""
    row = sum(
        np.dtype(c.dtype).itemsize * math.prod(c.size) for c in kept(plan.keep, plan.among).values()
    )
    return plan.runs * (row + 8)  # 8: the seed


def _check_memory(plan: Plan) -> None:
    """The result is put together in memory: twice, once by key and once in the plan's order."""
    check_memory("keep", f"{','.join(plan.keep)} of {plan.runs:,} runs", 3 * _bytes(plan))
