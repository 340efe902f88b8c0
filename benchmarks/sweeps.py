"""Sweeps: what a run costs beside its kernel, on one core, two, on Dask, and on a thousand.

    python benchmarks/sweeps.py [--separations 40 --rates 40] [--only local-2] [--out FILE.md]

A run is 10⁴ walkers × 2000 steps of pcd, pcd with MALA or jarzynski. Its kernel is one call of the
compiled sweep; the cost of a sweep is the CPU time of all its processes, start and all, over that
of the kernels. CPU time does not see another program's load; wall time needs a quiet machine.

THE MODEL. N runs of s seconds on W workers, in chunks of S seconds (run.span_of):

    T = start + max(N s (1 + o)/W, C N s/S) + S

o is a worker's overhead; C is the time in which the client takes a chunk in and writes it, one
chunk after the other, so that no more than 1/C chunks a second can be done; S is how long the last
chunk runs alone, at most. Assumed: workers of equal speed with two chunks each at hand, so that
none waits for the net; a network that carries 1/C chunks of some kB a second; a file system that
syncs a part in less than C. `simulate` plays the events one by one, with runs of unequal length,
and must find the T of the model within a tenth.
"""

from __future__ import annotations

import argparse
import heapq
import math
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import report

from toyflows.backends.base import WALKER_STEPS_A_CALL
from toyflows.backends.walkers import Walkers
from toyflows.sweep import Plan
from toyflows.sweep import run as sweeps
from toyflows.sweep.engines import Engine, make_engine
from toyflows.sweep.point import _target, measure
from toyflows.sweep.settings import Run

LOSSES = ("pcd", "pcd kernel=mala", "jarzynski")
ENGINES = {"local-1": ("local", 1), "local-2": ("local", 2), "dask-2": ("dask", 2)}
GOAL = 1.15  # of the kernels' time


# ------------------------------------------------------------------ measured
def kernel_seconds(run: Run) -> float:
    """CPU seconds of the run's kernel calls alone."""
    s, flow = run.settings, run.flow
    target = _target(s.theta_star, s.separation)
    backend = Walkers(target, s.dt, s.walkers, run.seed)
    chains, θ, done = flow.begin(backend, s.theta0).chains, s.theta0, 0
    sweep = flow.fused, getattr(flow, "kernel", "ula")
    start = time.thread_time()
    while done < s.steps:
        steps = min(s.steps - done, WALKER_STEPS_A_CALL // s.walkers)
        chains, θ, _ = backend.persistent(*sweep, done, chains, θ, steps, s.rate * s.dt)
        done += steps
    return time.thread_time() - start


def overhead(plan: Plan, rounds: int = 9) -> dict[str, tuple[float, float]]:
    """Of each method: seconds of the kernel and of the whole run, which take turns; medians."""
    out = {}
    for loss in LOSSES:
        run = next(r for r in map(plan.run, range(plan.runs)) if r.settings.loss == loss)
        measure(run)
        kernel, whole = [], []
        for _ in range(rounds):
            kernel.append(kernel_seconds(run))
            start = time.thread_time()
            measure(run)
            whole.append(time.thread_time() - start)
        out[loss] = median(kernel), median(whole)
    return out


@dataclass(frozen=True)
class Measured:
    """A sweep: wall seconds, CPU seconds of all processes, bytes of memory."""

    wall: float
    cpu: float
    peak: int  # of the largest worker so far
    client: int  # by which this process grew


def measured(plan: Plan, engine: Engine) -> Measured:
    """Start of the workers included."""
    before, grown, start = _cpu(), _peak(resource.RUSAGE_SELF), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        sweeps.carry_out(plan, Path(folder) / "sweep.npz", engine)
    wall = time.perf_counter() - start
    grown = _peak(resource.RUSAGE_SELF) - grown
    return Measured(wall, _cpu() - before, _peak(resource.RUSAGE_CHILDREN), grown)


def _peak(who: int) -> int:
    return resource.getrusage(who).ru_maxrss * 1024


def _cpu() -> float:
    """Of this process and of those of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in
               (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # fmt: skip


def carried(engine: Engine, chunks: int = 400) -> float:
    """C: wall seconds a chunk where there is nothing else to do (1 walker, 1 step)."""
    plan = Plan.make(["pcd"], {"rate": f"0.1:1:{chunks}"}, walkers=1, time=0.05)
    with tempfile.TemporaryDirectory() as folder, engine:
        store = sweeps.Store(Path(folder) / "a.npz", plan, plan.keys())
        pieces = [np.array([k]) for k in range(plan.runs)]
        answers = engine.run(sweeps._chunks(plan, pieces))
        store.add(next(answers))  # the workers are there
        start = time.perf_counter()
        for rows in answers:
            store.add(rows)
        return (time.perf_counter() - start) / (chunks - 1)


# ------------------------------------------------------------------ modelled
def model(runs: int, s: float, workers: int, o: float, C: float, start: float) -> float:
    """T of the docstring."""
    S = sweeps.span_of(runs * s, workers)
    return start + max(runs * s * (1 + o) / workers, C * runs * s / S) + S


def simulate(
    runs: int, s: float, workers: int, o: float, C: float, start: float, seed: int = 0
) -> float:
    """The same, event by event: runs are log-normal of mean s and spread s/2; a worker takes the
    next chunk when it has ended one, unless the client has not yet handed it out."""
    rng = np.random.default_rng(seed)
    σ = math.sqrt(math.log(1.25))
    size = max(1, round(sweeps.span_of(runs * s, workers) / s))
    chunks = math.ceil(runs / size)
    lengths = s * (1 + o) * np.exp(rng.normal(-(σ**2) / 2, σ, (chunks, size))).sum(axis=1)
    # Each worker holds two chunks; the client gives it another when it has taken one in.
    todo, client = iter(lengths.tolist()), start
    ends: list[tuple[float, int]] = []
    waiting: list[list[float]] = [[] for _ in range(workers)]
    for held in range(2):
        for worker in range(workers):
            if (length := next(todo, None)) is None:
                break
            if held:
                waiting[worker].append(length)
            else:
                heapq.heappush(ends, (start + length, worker))
    while ends:
        now, worker = heapq.heappop(ends)
        if waiting[worker]:
            heapq.heappush(ends, (now + waiting[worker].pop(), worker))
            idle = False
        else:
            idle = True
        client = max(client, now) + C
        if (length := next(todo, None)) is not None:
            if idle:
                heapq.heappush(ends, (client + length, worker))
            else:
                waiting[worker].append(length)
    return client


def check_model() -> str:
    """The model's table; raises AssertionError where the events say otherwise."""
    rows = [["runs of 20 ms", "workers", "model, s", "events, s", "kernels alone, s"]]
    for workers, runs in ((2, 4800), (100, 100_000), (1000, 100_000), (1000, 1_000_000)):
        given = runs, 0.02, workers, 0.11, sweeps.CARRIED, 5.0
        told, played = model(*given), simulate(*given)
        assert abs(told / played - 1) < 0.1, (given, told, played)
        ideal = runs * 0.02 / workers
        rows.append([f"{runs:,}", f"{workers:,}", f"{told:.1f}", f"{played:.1f}", f"{ideal:.1f}"])
    return report.table(rows)


def kernels_table(costs: list[dict[str, tuple[float, float]]]) -> str:
    """Medians before and after the sweeps, and their means."""
    rows = [["ms of CPU", "kernel", "whole run", "ratio"]]
    for loss in LOSSES:
        kernel, whole = (1e3 * sum(c[loss][k] for c in costs) / len(costs) for k in (0, 1))
        rows.append([loss, f"{kernel:.2f}", f"{whole:.2f}", f"{whole / kernel:.3f}"])
    return report.table(rows)


def sweeps_table(runs: int, kernel: float, cost: dict[str, Measured]) -> str:
    """Whole sweeps; the goal is for two cores of this machine."""
    rows = [["engine-workers", "runs/s", "CPU / kernels", "wall × workers / kernels",
             f"≤ {GOAL}", "overhead a run, ms", "a worker's peak, MiB",
             "client grew by, MiB", "a chunk taken in, ms"]]  # fmt: skip
    for name, told in cost.items():
        cpu = told.cpu / (runs * kernel)
        wall = told.wall * ENGINES[name][1] / (runs * kernel)
        over = 1e3 * (told.cpu / runs - kernel)
        taken = 1e3 * carried(make_engine(*ENGINES[name]))
        rows.append([name, f"{runs / told.wall:.1f}", f"{cpu:.3f}", f"{wall:.3f}",
                     "yes" if wall <= GOAL else "NO", f"{over:.2f}", f"{told.peak / 2**20:.0f}",
                     f"{told.client / 2**20:.0f}", f"{taken:.1f}"])  # fmt: skip
    return report.table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--separations", type=int, default=10)
    parser.add_argument("--rates", type=int, default=10)
    parser.add_argument("--only", choices=ENGINES, action="append")
    parser.add_argument("--out", type=Path, help="write the tables here, as Markdown")
    asked = parser.parse_args()
    page = report.Page(__doc__, asked.out)
    over = {"separation": f"1:20:{asked.separations}", "rate": f"0.1:10:{asked.rates}:log"}
    plan = Plan.make(LOSSES, over)
    costs = [overhead(plan)]
    cost = {name: measured(plan, make_engine(*ENGINES[name])) for name in asked.only or ENGINES}
    costs.append(overhead(plan))
    kernel = sum(c[loss][0] for c in costs for loss in LOSSES) / len(costs) / len(LOSSES)
    page.publish(
        f"{plan.runs:,} runs of 10⁴ walkers × 2000 steps.",
        kernels_table(costs), sweeps_table(plan.runs, kernel, cost),
        "The model, with o = 0.11, C = 10 ms and a start of 5 s:", check_model(),
    )  # fmt: skip


if __name__ == "__main__":
    main()
