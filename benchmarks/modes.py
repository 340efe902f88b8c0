"""K modes in D dimensions: a step of PCD for each walker and coordinate, against two modes' kernel.

    python benchmarks/modes.py [--rounds N] [--walkers N] [--cases 2x1,2x50,…] [--out FILE.md]

One thread, one process, all cases in turns, in a new order each round; the clock is the process's
own CPU time, the figure the median round. Building, compilation and warm-up are never timed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import report
import turns
from turns import SEED

from toyflows.backends.walkers import Walkers
from toyflows.modes.family import Modes
from toyflows.modes.target import target_of
from toyflows.modes.walkers import ModesWalkers
from toyflows.target import Target

SLICE = 0.05  # seconds
CASES = "2x1,2x2,2x10,2x50,2x200,3x2,8x2,32x2,8x50,32x50"
ALLOWED = 10.0  # times the two-mode kernel's walker-step, for each coordinate
Run = Callable[[int], object]


def two_modes(n: int) -> Run:
    """The two-mode sweep of `toyflows flow`."""
    ops = Walkers(Target.exact(1.4, 6.0), 0.05, n, SEED)
    chains = ops.model(0.0)
    return lambda steps: ops.persistent("plain", "ula", 0, chains, 0.0, steps, 0.05)


def many_modes(K: int, D: int, n: int) -> Run:
    """K modes, 3 apart on a line of D-dimensional space: the data's law is a quadrature."""
    μ = np.zeros((K, D))
    μ[:, 0] = 3.0 * np.arange(K)
    ops = ModesWalkers(target_of(Modes(μ), np.linspace(0, 1, K), None), 0.05, n, SEED)
    θ = np.zeros(K - 1)
    chains = ops.model(θ)
    return lambda steps: ops.follow(0, chains, θ, steps, 0.05)


def measure(runs: dict[str, Run], n: int, rounds: int) -> dict[str, float]:
    """Median ns of a walker-step by case."""
    cases: dict[str, turns.Jobs] = {}
    for name, run in runs.items():
        run(2)
        start = time.process_time()
        run(4)
        steps = max(2, round(4 * SLICE / max(time.process_time() - start, 1e-6)))
        cases[name] = {"step": (partial(run, steps), steps * n)}
    found = turns.in_turns(cases, rounds)["step"]  # milliseconds
    return {name: 1e6 * statistics.median(times) for name, times in found.items()}


def main() -> int:
    """Prints the table; exit code 1 where a case costs more than it may."""
    parser = turns.arguments(__doc__, 9)
    parser.add_argument("--walkers", type=float, default=2e4)
    parser.add_argument("--cases", default=CASES, help="K x D, by commas")
    given = parser.parse_args()
    page = report.Page(__doc__, given.out)
    n = int(given.walkers)
    sizes = [tuple(map(int, case.split("x"))) for case in given.cases.split(",")]
    runs: dict[str, Run] = {"two": two_modes(n)}
    runs |= {f"{K} modes, D = {D}": many_modes(K, D, n) for K, D in sizes}
    ns = measure(runs, n, given.rounds)
    one = ns.pop("two")
    rows = [["ns, median", "a walker-step", "a coordinate", "× two-mode kernel a coordinate"]]
    for name, value in ns.items():
        D = int(name.rpartition(" ")[2])
        rows.append([name, f"{value:.2f}", f"{value / D:.2f}", f"{value / D / one:.2f}"])
    worst = max(value / D / one for value, (K, D) in zip(ns.values(), sizes, strict=True) if K == 2)
    page.publish(
        f"{n:,} walkers; the two-mode kernel: {one:.2f} ns a walker-step.", report.table(rows),
        f"K = 2 costs at most {worst:.1f} × its share in D (goal ≤ {ALLOWED:g}).",
    )  # fmt: skip
    return 0 if worst <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
