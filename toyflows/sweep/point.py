"""One run of a sweep → numbers; a chunk of them → arrays. This is what worker processes do.

Nothing here depends on the chunk or on the machine's cores: kernels have one thread.
"""

from __future__ import annotations

import functools
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

import toyflows
from toyflows import solve
from toyflows.backends.base import Backend
from toyflows.backends.grid import Grid
from toyflows.cloud import Array
from toyflows.errors import Diverged, InputError
from toyflows.modes.among import Among
from toyflows.modes.follow import Path
from toyflows.modes.result import follow_all
from toyflows.modes.target import ModesTarget
from toyflows.state import Trajectory
from toyflows.sweep.settings import KEY, Run
from toyflows.target import Target
from toyflows.verdict import KINDS, Verdict, judge

PATH = 200  # values of θ that `path` keeps
DIVERGES = KINDS.index("diverges")


@dataclass(frozen=True)
class Column:
    """One array of a result: what it holds, its type, and its own last dimension, if any."""

    says: str
    dtype: str = "f8"
    size: tuple[int, ...] = ()


COLUMNS = {
    "verdict": Column("place in KINDS (toyflows.verdict)", "i1"),
    "number": Column("the number that proves the verdict (toyflows.verdict)"),
    "needs": Column("time still needed to θ*, or to the rest; nan: there is none, or not known"),
    "theta": Column("θ at the end; nan where it diverged"),
    "bias": Column("θ − θ* at the end"),
    "drift": Column("mean θ̇, before `rate`, of the last twentieth of the run"),
    "crossings": Column("changes of mode, summed over walkers; nan where not counted"),
    "effective_size": Column("smallest (Σw)²/Σw² along the run, as a share of the walkers"),
    "path": Column(f"θ(t) at {PATH} even times from 0 to the end", size=(PATH,)),
}


EACH = ("theta", "bias", "drift", "path")  # among K modes they have K values


def kept(keep: Sequence[str], among: Among | None = None) -> dict[str, Column]:
    """The arrays that a plan's `keep` asks for: the verdict comes with its number."""
    names = [n for word in keep for n in ((word, "number") if word == "verdict" else (word,))]
    last = () if among is None else (among.K,)
    return {n: replace(c, size=c.size + last) if n in EACH else c
            for n in names for c in [COLUMNS[n]]}  # fmt: skip


def versions() -> dict[str, str]:
    """Of what decides the bits."""
    out = {"toyflows": toyflows.__version__}
    for name in ("numpy", "numba"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:  # vendored
            out[name] = "unknown"
    return out


@dataclass(frozen=True)
class Chunk:
    """Runs that one worker does in one go."""

    runs: tuple[Run, ...]
    keep: tuple[str, ...]
    versions: dict[str, str]


@dataclass(frozen=True)
class Rows:
    """What came of a chunk: keys (n,), arrays (n, …), CPU seconds of each run, the largest memory
    in bytes that the worker has had."""

    keys: NDArray[np.bytes_]
    values: dict[str, NDArray[Any]]
    seconds: tuple[float, ...] = ()
    peak: int = 0


@dataclass(frozen=True)
class Refused:
    """An InputError on its way home from a worker: its own arguments are lost in transit."""

    name: str
    value: str
    why: str

    def error(self) -> InputError:
        """The InputError itself."""
        return InputError(self.name, self.value, self.why)


def work(chunk: Chunk) -> Rows | Refused:
    """The chunk's rows, in its order."""
    if chunk.versions != versions():
        mine, theirs = (_words(v) for v in (versions(), chunk.versions))
        return Refused("scheduler", "worker", f"has {mine}; the sweep was started with {theirs}")
    columns, n = kept(chunk.keep, chunk.runs[0].among), len(chunk.runs)
    values = {name: np.empty((n, *c.size), c.dtype) for name, c in columns.items()}
    seconds = []
    for k, run in enumerate(chunk.runs):
        start = time.thread_time()
        try:
            row = measure(run)
        except InputError as error:
            return Refused(error.name, str(error.value), f"{error.why} ({run})")
        for name in values:
            values[name][k] = row[name]
        seconds.append(time.thread_time() - start)
    keys = np.array([run.key for run in chunk.runs], KEY)
    return Rows(keys, values, tuple(seconds), _peak())


def measure(run: Run) -> dict[str, Any]:
    """Every number of the run, by the names of COLUMNS."""
    if run.among is not None:
        return _among(run, run.among.target)
    target = _target(run.settings.theta_star or 0.0, run.settings.separation)
    backend = _backend(run, target)
    try:
        path = _trajectory(run, target, backend)
    except Diverged as error:
        return _diverged(error.time)
    if path is None or not (np.abs(path.θ) <= solve.RUNAWAY).all():  # a closed form that runs away
        return _diverged(math.nan if path is None else _left(path))
    verdict, star = judge(run.flow, target, path, backend), np.array([target.θ_star])
    row = _row(verdict, path, path.θ[:, None], path.velocity[:, None], star)
    return row | {name: row[name][..., 0] for name in EACH}


def _among(run: Run, target: ModesTarget) -> dict[str, Any]:
    """The same among K modes."""
    s = replace(run.settings, seed=run.seed)
    try:
        found = follow_all(s, target, run.flow, [run.backend], 1)
    except Diverged as error:
        return _diverged(error.time)
    path = found.judged
    if not (np.abs(path.θ) <= solve.RUNAWAY).all():
        return _diverged(_left(path))
    return _row(found.verdict, path, found.θ, np.pad(path.velocity, ((0, 0), (1, 0))),
                found.theta_star)  # fmt: skip


def _row(
    verdict: Verdict, path: Trajectory | Path, θ: Array, velocity: Array, star: Array
) -> dict[str, Any]:
    """The numbers of a path of θ (n, coordinates) to θ* (coordinates,)."""
    tail = slice(-max(2, path.t.size // 20), None)
    size = path.seen.get("effective_size", np.full(1, math.nan))
    even = np.linspace(0.0, float(path.t[-1]), PATH)
    return {
        "verdict": KINDS.index(verdict.kind), "number": verdict.number,
        "needs": math.nan if verdict.needs is None else verdict.needs, "theta": θ[-1],
        "bias": θ[-1] - star, "drift": np.mean(velocity[tail], axis=0),
        "crossings": float(path.crossings[-1]), "effective_size": float(size.min()),
        "path": np.column_stack([np.interp(even, path.t, one) for one in θ.T]),
    }  # fmt: skip


def _trajectory(run: Run, target: Target, backend: Backend | None) -> Trajectory | None:
    s, flow, every = run.settings, run.flow, run.settings.every
    if backend is None:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return solve.lecture(flow, target, s.theta0, s.dt, s.steps, s.rate, every)
        except OverflowError:
            return None
    return solve.run(flow, backend, s.theta0, s.steps, s.rate, every)


def _backend(run: Run, target: Target) -> Backend | None:
    """None for the lecture's formula."""
    if run.backend == "theory":
        return None
    if run.backend == "grid":
        return Grid(target, run.settings.dt)
    from toyflows.backends.walkers import Walkers  # numba: not before it is needed

    return Walkers(target, run.settings.dt, run.settings.walkers, run.seed)


def _left(path: Trajectory | Path) -> float:
    """When θ left the numbers."""
    return float(path.t[np.argwhere(~(np.abs(path.θ) <= solve.RUNAWAY))[0, 0]])


def _diverged(when: float) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS, math.nan) | {"verdict": DIVERGES, "number": when}


_target = functools.lru_cache(64)(Target.exact)


def _words(told: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in told.items())


def _peak() -> int:
    """Bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
