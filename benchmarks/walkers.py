"""Nanoseconds per walker-step of one persistent-contrastive-divergence step: ours and the peers.

    python benchmarks/walkers.py [--quick] [--rounds N] [--sizes 1e3,1e5] [--threads 1,2]
                                 [--only ours,C] [--check] [--out FILE.md] [--plot FILE.png]

Phase one: every case on one thread, in one process pinned to one CPU, all cases of a size taking
turns, in a new order each round, so that a busy neighbour slows them alike; the clock is the
process's own CPU time, which does not count the neighbour. Phase two: ours on one and on more
threads, taking turns, in a fresh process that is not pinned, by wall time: the only clock that sees
threads, and the one that needs a quiet machine. Building, compilation and warm-up are never timed.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import report
from check import check
from ours import Kind, ours
from peers import PEERS, Peer
from report import Result
from setting import STANDARD, MissingPeer, Run, Setting
from turns import ONE_THREAD, SEED, in_fresh_process

OURS: dict[str, Kind] = {
    "ours mixed": "mixed",
    "ours f32": "float32",
    "ours MALA": "mala",
    "ours Jarzynski": "jarzynski",
}
MEASURED = """\
One step of persistent contrastive divergence on the two-mode model: noise, Langevin drift, mean
responsibility and θ, every step. One thread, CPU time, all cases in turns in one process.
"f32 noise" is float64 state with float32 normals, as in ours mixed and C mixed. torchebm has no θ
update and no mean of r: its figures are the sampler alone. C is hand-written for this CPU's vectors
and stands for the limit."""


def _ours(n: int, seed: int, setting: Setting, kind: Kind, threads: int) -> Run:
    return ours(n, kind, threads, seed, setting)


def cases(only: list[str]) -> dict[str, Peer]:
    """Ours and the peers, or those whose name begins with one of `only`."""
    mine: dict[str, Peer] = {
        name: partial(_ours, kind=kind, threads=1) for name, kind in OURS.items()
    }
    return {name: peer for name, peer in (mine | PEERS).items() if name.startswith(tuple(only))}


def build(peers: dict[str, Peer], n: int, missing: dict[str, str]) -> dict[str, Run]:
    """The runs of all cases that can run here; the reasons of the others go into `missing`."""
    runs = {}
    for name, peer in peers.items():
        if name in missing:
            continue
        try:
            runs[name] = peer(n, SEED, STANDARD)
        except MissingPeer as reason:
            missing[name] = str(reason)
    return runs


def timed(run: Run, steps: int, clock: Callable[[], float]) -> float:
    """Seconds of the steps."""
    start = clock()
    run(steps)
    return clock() - start


def warm(run: Run, slice_s: float) -> int:
    """Compiles and warms a case up; returns how many steps fill one slice of time."""
    run(2)
    once = timed(run, 2, time.perf_counter) / 2
    steps = min(max(2, int(slice_s / max(once, 1e-7))), 4000)
    run(steps)  # JAX compiles once more for this number
    return steps


def rounds_at(n: int, rounds: int) -> int:
    """Fewer rounds where a step is long: its own length does the averaging."""
    return max(5, round(rounds * min(1.0, 1e6 / n)))


def measure(
    peers: dict[str, Peer], sizes: list[int], rounds: int, slice_s: float, wall: bool
) -> Result:
    """All cases of one size in turns, then the next size."""
    clock = time.perf_counter if wall else time.process_time
    shuffle = random.Random(SEED).shuffle
    result = Result({name: {} for name in peers})
    before = os.getloadavg()[0]
    for n in sizes:
        runs = build(peers, n, result.missing)
        steps = {name: warm(run, slice_s) for name, run in runs.items()}
        gc.collect()
        order = list(runs)
        for _ in range(rounds_at(n, rounds)):
            shuffle(order)  # what one case leaves in the caches is not always the same one's burden
            for name in order:
                ns = timed(runs[name], steps[name], clock) / (steps[name] * n) * 1e9
                result.times[name].setdefault(n, []).append(ns)
        print(f"measured {report.size_label(n)} walkers", file=sys.stderr, flush=True)
    result.times = {name: by_size for name, by_size in result.times.items() if by_size}
    result.load = before, os.getloadavg()[0]
    return result


def one_thread(only: list[str], sizes: list[int], rounds: int, slice_s: float) -> Result:
    """Phase one; runs in its own process, whose libraries have not been loaded yet."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return measure(cases(only), sizes, rounds, slice_s, wall=False)


def more_threads(counts: list[int], sizes: list[int], rounds: int, slice_s: float) -> Result:
    """Phase two, for the default kernel."""
    peers: dict[str, Peer] = {
        f"{count} threads": partial(_ours, kind="mixed", threads=count) for count in counts
    }
    return measure(peers, sizes, rounds, slice_s, wall=True)


def arguments() -> argparse.Namespace:
    """The command line; --quick only changes the defaults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="5 short rounds of 1e3 and 1e5")
    parser.add_argument("--rounds", type=int, help="rounds up to 1e6 walkers (default 15)")
    parser.add_argument("--sizes", help="numbers of walkers, default 1e3,1e4,1e5,1e6,1e7")
    parser.add_argument("--threads", default="1,2", help="threads of ours in phase two; 1: skip it")
    parser.add_argument("--only", default="", help="cases whose name begins so, by commas")
    parser.add_argument("--check", action="store_true", help="check every case's law instead")
    parser.add_argument("--out", type=Path, help="write the tables here, as Markdown")
    parser.add_argument("--plot", type=Path, help="draw time against number of walkers here")
    options = parser.parse_args()
    sizes = options.sizes or ("1e3,1e5" if options.quick else "1e3,1e4,1e5,1e6,1e7")
    options.sizes = sorted(int(float(size)) for size in sizes.split(","))
    options.rounds = options.rounds or (5 if options.quick else 15)
    options.threads = sorted(int(count) for count in options.threads.split(","))
    options.only = options.only.split(",")
    return options


def text(single: Result, several: Result | None, threads: list[int]) -> str:
    """All that is printed, and written with --out."""
    phases = [single] if several is None else [single, several]
    parts = [
        "# Benchmarks",
        report.conditions(phases),
        MEASURED,
        report.times_table(single),
        *report.missing(single.missing),
        "## Goals",
        report.goals_table(single),
    ]
    if several is not None and several.times:
        parts += ["## Threads", report.threads_table(several, threads)]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Measures, prints, and writes what was asked for."""
    options = arguments()
    if options.check:
        return 0 if in_fresh_process(check, env=ONE_THREAD) else 1
    slice_s = 0.01 if options.quick else 0.03
    shape = options.sizes, options.rounds, slice_s
    single = in_fresh_process(one_thread, options.only, *shape, env=ONE_THREAD)
    several = None
    if options.threads != [1]:
        longer = options.sizes, options.rounds, 5 * slice_s  # threads are started at each timing
        several = in_fresh_process(more_threads, options.threads, *longer, env={})
    page = text(single, several, options.threads)
    print(page)
    if options.out and options.plot and options.out.parent == options.plot.parent:
        page += f"\n![ns per walker-step by number of walkers]({options.plot.name})\n"
    if options.out:
        options.out.write_text(page, encoding="utf-8")
    if options.plot:
        report.plot(single, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
