"""Nanoseconds of CPU per spin-flip attempt of the Ising model, one thread: ours and two peers.

    python benchmarks/ising.py [--rounds N] [--out FILE.md]

The peers are Metropolis on the same checkerboard: in NumPy (four rolls, one uniform float32 a site
of the colour, a table of probabilities) and as a plain Numba loop over sites (np.random, a table,
indices modulo L). Cases take turns, each on its own lattice; medians, CPU time of the thread. Wolff
is measured per flipped spin. Goal: an attempt of Metropolis or heat bath in at most 1 ns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numba
import numpy as np
import report
import turns

from toyflows.lattice.ising import Ising
from toyflows.lattice.ising_chain import run
from toyflows.lattice.ising_exact import T_c

SIZES, ATTEMPTS, SLOWER = (64, 256, 1024, 2048), 1 << 26, 16  # the peers do fewer attempts a turn
GOAL = 1.0
Sweeps = Callable[[int], Any]


def ours(L: int, sampler: str) -> Sweeps:
    model = Ising(L, T_c)
    return lambda sweeps: run(model, sampler, sweeps, seed=1)


def in_numpy(L: int) -> Sweeps:
    """Flips where u < e^{−ΔE/T}, all sites of a colour at a time."""
    rng, s = np.random.default_rng(1), np.ones((L, L), np.int8)
    half = np.indices((L, L)).sum(axis=0) % 2
    colours = [np.flatnonzero(half == colour) for colour in (0, 1)]
    table = np.exp(np.minimum(0, -2 * np.arange(-4, 5) / T_c)).astype("f4")

    def sweeps(n: int) -> None:
        flat = s.ravel()
        for _ in range(n):
            for sites in colours:
                around = np.roll(s, 1, 0) + np.roll(s, -1, 0) + np.roll(s, 1, 1) + np.roll(s, -1, 1)
                accept = table[flat[sites] * around.ravel()[sites] + 4]
                flips = rng.random(sites.size, np.float32) < accept
                flat[sites[flips]] *= -1

    return sweeps


@numba.njit
def _plain(s: np.ndarray, table: np.ndarray, sweeps: int) -> None:
    L = s.shape[0]
    for _ in range(sweeps):
        for colour in range(2):
            for i in range(L):
                for j in range((i + colour) % 2, L, 2):
                    around = s[(i + 1) % L, j] + s[(i - 1) % L, j]
                    around += s[i, (j + 1) % L] + s[i, (j - 1) % L]
                    if np.random.random() < table[s[i, j] * around + 4]:  # noqa: NPY002
                        s[i, j] = -s[i, j]


def plain_numba(L: int) -> Sweeps:
    s, table = np.ones((L, L), np.int8), np.exp(np.minimum(0, -2 * np.arange(-4, 5) / T_c))
    return lambda sweeps: _plain(s, table, sweeps)


CASES: dict[str, Callable[[int], Sweeps]] = {
    "ours, Metropolis": lambda L: ours(L, "metropolis"),
    "ours, heat bath": lambda L: ours(L, "heat-bath"),
    "NumPy checkerboard": in_numpy,
    "plain Numba loop": plain_numba,
}


def measure(rounds: int) -> dict[str, dict[int, list[float]]]:
    """ns per attempt by case and size; the cases take turns."""
    times: dict[str, dict[int, list[float]]] = {name: {} for name in CASES}
    for L in SIZES:
        cases: dict[str, turns.Jobs] = {}
        for name, make in CASES.items():
            sweeps = make(L)
            sweeps(2)
            n = max(1, ATTEMPTS // (1 if name.startswith("ours") else SLOWER) // L**2)
            cases[name] = {"sweeps": (partial(sweeps, n), n * L**2)}
        for name, ms in turns.in_turns(cases, rounds, time.thread_time)["sweeps"].items():
            times[name][L] = [1e6 * t for t in ms]
    return times


def wolff(L: int, rounds: int) -> float:
    """ns per flipped spin at T_c."""
    found = []
    for k in range(rounds):
        start = time.thread_time()
        record = run(Ising(L, T_c), "wolff", max(1, ATTEMPTS // 16 // L**2), 0, seed=k)
        assert record.flipped is not None
        found.append((time.thread_time() - start) / record.flipped.sum() * 1e9)
    return median(found)


def main() -> None:
    options = turns.arguments(__doc__, 5).parse_args()
    page, rounds = report.Page(__doc__, options.out), options.rounds
    times = measure(rounds)
    middle = {name: {L: median(t) for L, t in by.items()} for name, by in times.items()}
    rows = [["ns per attempt, median", *map(str, SIZES)]]
    rows += [[name, *(f"{by[L]:.2f}" for L in SIZES)] for name, by in middle.items()]
    for peer in list(CASES)[2:]:
        ratio = [middle[peer][L] / middle["ours, Metropolis"][L] for L in SIZES]
        rows.append([f"ours, times faster than {peer}", *(f"{r:.1f}" for r in ratio)])
    worst = max(middle[name][L] for name in list(CASES)[:2] for L in SIZES)
    rows.append(["Wolff, ns per flipped spin", *(f"{wolff(L, rounds):.1f}" for L in SIZES)])
    good = "yes" if worst <= GOAL else "NO"
    page.publish(report.table(rows), f"Goal: ≤ {GOAL} ns; slowest {worst:.2f}: {good}.")


if __name__ == "__main__":
    main()
