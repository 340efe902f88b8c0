"""Runs of the Ising model: Metropolis, heat bath, and Wolff's clusters (Wolff 1989).

A run starts with all spins up, because from disorder a cold lattice may freeze in stripes. What is
drawn is a function of (seed, sweep, site), or of (seed, cluster): the same bits for any number of
threads and however a run is cut into calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toyflows import display
from toyflows.cloud import Array
from toyflows.errors import InputError, nearest
from toyflows.kernels import ising as kernels
from toyflows.kernels import team
from toyflows.lattice.ising import MOST, RULES, SAMPLERS, Ising, Spins
from toyflows.lattice.ising_observables import estimates
from toyflows.limits import check_whole
from toyflows.pictures import levels

Counts = NDArray[np.int64]
Progress = Callable[[int], None]

SPINS_A_CALL = 1 << 24  # 15 ms: Ctrl-C is heard and progress is shown
SPINS_A_THREAD = 1 << 15  # a colour of fewer spins is done before a second thread has come


@dataclass(frozen=True, eq=False)
class Record:
    """After each sweep M = Σ s and E; the last spins; of Wolff the clusters a sweep, and how many
    spins they flipped."""

    model: Ising
    sampler: str
    M: Counts  # (sweeps,)
    E: Array  # (sweeps,)
    spins: Spins
    clusters: int = 0
    flipped: Counts | None = None
    __repr__ = display.short

    def _repr_html_(self) -> str:
        """The last spins, +1 black, and what was measured with its errors."""
        m, found = self.model, estimates(self)
        rows = [(name, e.value, e.doubt or f"± {e.error:.2g}", e.τ) for name, e in found.items()]
        return display.page(
            display.words(f"L = {m.L}, T = {m.T:g}, h = {m.h:g}, {len(self.M)} sweeps",
                          self.sampler),
            display.gallery({"": levels(-self.spins.astype(float))}),
            display.table(rows, ("", "mean", "", "τ in sweeps")),
        )  # fmt: skip


def run(
    model: Ising, sampler: str, sweeps: int, burn: int = 0, seed: int = 0, *, threads: int = 1,
    start: Spins | None = None, progress: Progress | None = None,
) -> Record:  # fmt: skip
    """`burn` sweeps, then `sweeps` recorded ones, from all spins up or from `start`.

    A sweep of Wolff's is a fixed number of clusters, which flip about N spins: the burn-in finds
    it, since a sweep that ended at N flipped spins would end in large clusters more often than the
    law has them. `progress` gets the number of sweeps done.
    """
    if sampler not in SAMPLERS:
        raise InputError("sampler", sampler, nearest(sampler, SAMPLERS))
    check_whole("sweeps", sweeps, 1, MOST)
    check_whole("burn", burn, 0, MOST)
    s = np.ones((model.L, model.L), np.int8) if start is None else start.astype(np.int8)
    tell = progress or (lambda done: None)
    if sampler == "wolff":
        return _wolff(model, s, sweeps, burn, seed, tell)
    return _checkerboard(model, sampler, s, sweeps, burn, seed, threads, tell)


def _checkerboard(
    model: Ising, sampler: str, s: Spins, sweeps: int, burn: int, seed: int, threads: int,
    tell: Progress,
) -> Record:  # fmt: skip
    rule, x = units(*RULES[sampler](model)), split(s)
    pace = team.Pace(max(1, min(threads, model.N // 2 // SPINS_A_THREAD)))
    path = np.empty((burn + sweeps, 2), np.int64)
    for first, n in _chunks(burn + sweeps, model.N):
        path[first : first + n] = _swept(x, n, seed, first, rule, pace)
        tell(first + n)
    M, bonds = path[burn:].T
    return Record(model, sampler, M, -bonds - model.h * M, merge(x))


def _swept(
    x: Spins, n: int, seed: int, first: int, rule: tuple[np.uint64, ...], pace: team.Pace
) -> Counts:
    """(Σ s, Σ over bonds s s') (n, 2) after each of n sweeps of x, the sweep `first` and on."""
    sync, parts = team.new_sync(pace.size), np.zeros((pace.size, n, 2), np.int64)

    def work(rank: int, size: int) -> None:
        kernels.checkerboard(rank, size, sync, x, parts[rank], n, seed, first, rule)

    pace.run(work, n)
    return parts.sum(axis=0)


def _wolff(model: Ising, s: Spins, sweeps: int, burn: int, seed: int, tell: Progress) -> Record:
    if model.h:
        raise InputError("field", model.h, "must be 0 with --sampler wolff")
    apart = math.exp(max(-2 * model.β, -700.0))
    bond = units(1 - apart, apart)[0]
    done = late = 0  # clusters so far, and in the second half of the burn-in
    for first, n in _chunks(burn, model.N):
        for k in range(first, first + n):
            grown = kernels.clusters_until(s, model.N, seed, done, bond)
            done += grown
            late += grown * (2 * k >= burn)
        tell(first + n)
    each = max(1, round(late / (burn - burn // 2))) if burn > 1 else 1
    path = np.empty((sweeps, 3), np.int64)
    for first, n in _chunks(sweeps, model.N):
        kernels.clusters(s, path[first : first + n], each, seed, done + first * each, bond)
        tell(burn + first + n)
    M, bonds, flipped = path.T
    return Record(model, "wolff", M, -bonds.astype(float), s, each, flipped)


def _chunks(sweeps: int, spins: int) -> Iterator[tuple[int, int]]:
    """(first sweep, number of sweeps) of one call each."""
    at_once = max(1, SPINS_A_CALL // spins)
    for first in range(0, sweeps, at_once):
        yield first, min(at_once, sweeps - first)


# ---- what the kernels take


def units(p: ArrayLike, q: ArrayLike) -> tuple[np.uint64, ...]:
    """The probabilities p = 1 − q in units of 2^−64, from the smaller one; 1 is 1 − 2^−64."""
    pairs = zip(np.ravel(p).tolist(), np.ravel(q).tolist(), strict=True)
    whole = (int(a * 2.0**64) if a < b else 2**64 - int(b * 2.0**64) for a, b in pairs)
    return tuple(np.uint64(min(n, 2**64 - 1)) for n in whole)


def split(s: Spins) -> Spins:
    """s (L, L) → x (2, 2, L/2, L/2), x[a, b] = s[a::2, b::2]."""
    half = len(s) // 2
    return s.reshape(half, 2, half, 2).transpose(1, 3, 0, 2).copy()


def merge(x: Spins) -> Spins:
    """The inverse of `split`."""
    half = x.shape[2]
    return x.transpose(2, 0, 3, 1).copy().reshape(2 * half, 2 * half)
