"""Microseconds of a sampler's step on exact scores: toyflows, NumPy as one would write it, PyTorch.

    python benchmarks/samplers.py [--rounds N] [--out FILE.md]

2048 and 20,000 points in the plane, float64, one thread: the mixture of Song & Ermon (2 modes) and
8 Gaussians on a ring, under VP. A turn is 20 steps; the cases take turns in one process, in a new
order each round, and the clock is the process's CPU time. NumPy and PyTorch are written plainly:
differences to all means in one array (n, K, D), softmax, in formulas of the same step. All cases
start at the same points; with Heun, which has no noise, they must end in the same.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import report
import turns
from turns import ONE_THREAD, SEED, in_fresh_process

TURN = 20
SIZES = (2048, 20_000)
METHODS = ("euler-maruyama", "ancestral", "ode-heun")
LEAST = 2.0  # times faster than either
Case = Callable[[], Any]
Times = dict[tuple[str, str, int], dict[str, list[float]]]  # microseconds a step by case
FIRST, SPAN = 0.1, 19.9  # β(t) = FIRST + SPAN t


def mixtures() -> dict[str, tuple[Any, Any, Any]]:
    """Weights, means and spreads by name."""
    angle = np.arange(8) * (np.pi / 4)
    ring = 4 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    two = np.array([[-5.0, -5.0], [5.0, 5.0]])
    return {
        "2 modes": (np.array([0.2, 0.8]), two, np.ones(2)),
        "8 modes": (np.full(8, 1 / 8), ring, np.full(8, 0.5)),
    }


def ours(method: str, data: tuple[Any, Any, Any], start: Any) -> Case:
    """toyflows.diffusion."""
    from toyflows.diffusion.gaussians import Gaussians
    from toyflows.diffusion.methods import make
    from toyflows.diffusion.processes import VP, ExactScore
    from toyflows.diffusion.samplers import run

    process, sampler, rng = VP(), make(method), np.random.default_rng(SEED)
    score, grid = ExactScore(Gaussians(*data), process), np.linspace(1, 0.02, TURN + 1)
    return lambda: run(sampler, score, process, start, grid, rng).x


def plain(method: str, data: tuple[Any, Any, Any], start: Any, lib: Any = np) -> Case:
    """The same in few lines: `lib` is numpy or torch."""
    w, μ, s = data
    if lib is np:
        rng = np.random.default_rng(SEED)
        normal = partial(rng.standard_normal, start.shape)
    else:
        w, μ, s, start = (lib.as_tensor(v) for v in (w, μ, s, start))
        lib.manual_seed(SEED)
        normal = partial(lib.randn_like, start)

    def alpha2(t: float) -> float:
        return math.exp(-FIRST * t - SPAN * t * t / 2)

    def score(x: Any, t: float) -> Any:
        ᾱ = alpha2(t)
        v = ᾱ * s**2 + 1 - ᾱ
        away = math.sqrt(ᾱ) * μ - x[:, None, :]  # (n, K, D)
        log_r = lib.log(w / v) - (away**2).sum(2) / (2 * v)
        r = lib.exp(log_r - lib.amax(log_r, 1)[:, None])
        r = r / r.sum(1)[:, None]
        return ((r / v)[:, :, None] * away).sum(1)

    def euler_maruyama(x: Any, t: float, s: float) -> Any:
        β = FIRST + SPAN * t
        return x + (t - s) * (β / 2 * x + β * score(x, t)) + math.sqrt((t - s) * β) * normal()

    def ancestral(x: Any, t: float, s: float) -> Any:
        ratio = alpha2(t) / alpha2(s)
        spread = math.sqrt((1 - ratio) * (1 - alpha2(s)) / (1 - alpha2(t)))
        return (x + (1 - ratio) * score(x, t)) / math.sqrt(ratio) + spread * normal()

    def flow(x: Any, t: float) -> Any:
        return (FIRST + SPAN * t) / 2 * (x + score(x, t))

    def heun(x: Any, t: float, s: float) -> Any:
        v = flow(x, t)
        return x + (t - s) / 2 * (v + flow(x + (t - s) * v, s))

    step = {"euler-maruyama": euler_maruyama, "ancestral": ancestral, "ode-heun": heun}[method]
    grid = np.linspace(1, 0.02, TURN + 1).tolist()

    def turn() -> Any:
        x = start
        for t, s in itertools.pairwise(grid):
            x = step(x, t, s)
        return x

    return turn


def torch(method: str, data: tuple[Any, Any, Any], start: Any) -> Case:
    """PyTorch, eager, without gradients."""
    library = turns.torch()
    library.set_num_threads(1)
    turn = plain(method, data, start, library)

    def quietly() -> Any:
        with library.no_grad():
            return turn()

    return quietly


CASES: dict[str, Callable[..., Case]] = {"toyflows": ours, "NumPy": plain, "PyTorch": torch}


def measure(rounds: int) -> tuple[Times, dict[str, str]]:
    """Microseconds a step by (method, mixture, points) and case, and what could not run."""
    times: Times = {}
    missing: dict[str, str] = {}
    for method, (mixture, data), n in itertools.product(METHODS, mixtures().items(), SIZES):
        start = np.random.default_rng(SEED).standard_normal((n, 2))
        cases = turns.built({k: partial(_jobs, make) for k, make in CASES.items()}, missing,
                            method, data, start)  # fmt: skip
        if method == "ode-heun":
            first, *others = (
                np.asarray(work()) for case in cases.values() for work, _ in case.values()
            )
            assert all(np.allclose(first, end, rtol=0, atol=1e-9) for end in others), "not the same"
        found = turns.in_turns(cases, rounds)["turn"]
        times[method, mixture, n] = {name: [1e3 * t for t in ms] for name, ms in found.items()}
    return times, missing


def _jobs(make: Callable[..., Case], *given: Any) -> turns.Jobs:
    return {"turn": (make(*given), TURN)}


def table(times: Times) -> str:
    """Medians, and how many times faster than either peer."""
    names = list(next(iter(times.values())))
    peers = names[1:]
    rows = [["µs a step", *names, *(f"× {peer}" for peer in peers), f"all ≥ {LEAST:g}"]]
    for (method, mixture, n), series in times.items():
        found = [median(t) for t in series.values()]
        ratios = [t / found[0] for t in found[1:]]
        rows.append([f"{method}, {mixture}, n = {n}", *(f"{t:.0f}" for t in found),
                     *(f"{r:.2f}" for r in ratios),
                     "yes" if all(r >= LEAST for r in ratios) else "NO"])  # fmt: skip
    return report.table(rows)


def main() -> int:
    """Measures, prints, and writes what was asked for."""
    options = turns.arguments(__doc__, 15).parse_args()
    page = report.Page(__doc__, options.out)
    times, missing = in_fresh_process(measure, options.rounds, env=ONE_THREAD)
    page.publish(table(times), *report.missing(missing))
    return 0


if __name__ == "__main__":
    sys.exit(main())
