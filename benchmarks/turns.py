"""Cases that take turns in one process, in a new order each round, and the table of their times."""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import report

SEED = 20240229
COMPILED = "PyTorch compiled"  # a case
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
Jobs = dict[str, tuple[Callable[[], Any], int]]  # a turn's work, and how many units are in it
Times = dict[str, dict[str, list[float]]]  # milliseconds of a unit by job and case


def arguments(doc: str | None, rounds: int | None) -> argparse.ArgumentParser:
    """The options of every benchmark: --rounds and --out."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--out", type=Path, help="write the tables here, as Markdown")
    return parser


def in_fresh_process(phase: Callable[..., Any], *args: Any, env: dict[str, str]) -> Any:
    """phase(*args) where the environment decides the threads of libraries not yet imported."""
    saved = dict(os.environ)
    os.environ.update(env)
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(phase, *args).result()
    finally:
        os.environ.clear()
        os.environ.update(saved)


def without_crash(
    measure: Callable[..., tuple[Times, dict[str, str]]], *args: Any, env: dict[str, str]
) -> tuple[Times, dict[str, str]]:
    """measure(*args); where what PyTorch compiled ends the process, the same without it."""
    try:
        return in_fresh_process(measure, *args, env=env)
    except BrokenProcessPool:
        times, missing = in_fresh_process(measure, *args, COMPILED, env=env)
        return times, missing | {COMPILED: "what it compiled here ended the process"}


def clock_of(threads: int) -> Callable[[], float]:
    """On one thread the CPU time of the process, pinned to one CPU; on more the wall clock."""
    if threads > 1:
        return time.perf_counter
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return time.process_time


def built(
    cases: Mapping[str, Callable[..., Jobs]], missing: dict[str, str], *given: Any
) -> dict[str, Jobs]:
    """The jobs of those that can run here, compiled and warm; the reasons of the others go into
    `missing`. The first is ours and has to run."""
    found: dict[str, Jobs] = {}
    for name, make in cases.items():
        try:
            jobs = make(*given)
            for work, _ in jobs.values():
                work()
        except Exception as reason:  # a peer's compiler may fail in any way
            if not found:
                raise
            missing[name] = str(reason).strip().splitlines()[0]
            continue
        found[name] = jobs
    return found


def in_turns(
    cases: Mapping[str, Jobs], rounds: int, clock: Callable[[], float] = time.process_time
) -> Times:
    """All jobs of all cases, the cases in a new order each round."""
    times: Times = {}
    names, shuffle = list(cases), random.Random(SEED).shuffle
    for jobs in cases.values():
        times |= {job: {name: [] for name in cases} for job in jobs}
    for _ in range(rounds):
        shuffle(names)  # what one case leaves in the caches is not always the same one's burden
        for name in names:
            for job, (work, units) in cases[name].items():
                start = clock()
                work()
                times[job][name].append((clock() - start) / units * 1e3)
    return times


def table(head: str, times: Times, goals: Mapping[str, float], digits: int) -> str:
    """Median (minimum) by job, the ratio of ours to the best of PyTorch, and the goals."""
    names = list(next(iter(times.values())))
    rows = [[head, *names, "times faster", "goal", "holds"]]
    for job, series in times.items():
        row = [job, *(f"{median(t):.{digits}f} ({min(t):.{digits}f})" for t in series.values())]
        peers = [median(t) for name, t in series.items() if name.startswith("PyTorch")]
        ratio = min(peers, default=0) / median(series["ours"])
        goal = goals.get(job) if peers else None
        row += [f"{ratio:.2f}" if peers else "", f"≥ {goal:g}" if goal else ""]
        rows.append([*row, ("yes" if ratio >= goal else "NO") if goal else ""])
    return report.table(rows)


def torch() -> Any:
    """PyTorch, or MissingPeer."""
    from setting import MissingPeer

    try:
        import torch
    except ImportError as error:
        raise MissingPeer("torch is not installed") from error
    torch.manual_seed(SEED)
    return torch
