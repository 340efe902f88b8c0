"""An Ising lattice sweep by sweep, with places on the way to go back to.

The spins after so many sweeps are those of `ising_chain.run`: what is drawn is a function of the
seed and the sweep. A track remembers M and the bonds after every sweep anybody has seen, and the
lattice after some of them, so that going back does not compute all sweeps again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from toyflows.errors import InputError
from toyflows.kernels import ising as kernels
from toyflows.kernels import team
from toyflows.lattice.ising import RULES, Ising, Spins
from toyflows.lattice.ising_chain import Counts, Record, merge, split, units

MOST = 20_000  # sweeps
PIECE = 1 << 22  # spins of Metropolis or heat bath between two looks at the clock: 5 ms
GROWN = 1 << 18  # of Wolff's clusters, which take them one by one: 5 ms
PLACES = 64  # lattices that a track keeps, as bits: 2 MB of 512 × 512
TRACKS = 6
STARTS = ("cold", "hot", "half")


class Place(NamedTuple):
    """A lattice after some sweeps; of Wolff's clusters all so far, and those of the second half of
    the burn-in, which say how many a sweep is to be."""

    sweep: int
    spins: Spins
    done: int = 0
    late: int = 0


@dataclass(eq=False)
class Track:
    """Everything computed for one setting."""

    model: Ising
    sampler: str
    start: Spins
    seed: int
    burn: int
    path: Counts = field(default_factory=lambda: np.zeros((MOST + 1, 2), np.int64))
    places: list[Place] = field(default_factory=list)  # their spins as bits
    apart: int = 1  # sweeps between two places
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.sampler == "wolff" and self.model.h:
            raise InputError("h", self.model.h, "must be 0 with Wolff’s clusters")
        self.path[0] = self.start.sum(), kernels.total_bonds(self.start)
        self.keep(Place(0, self.start))

    def near(self, sweep: int) -> Place:
        """The last place before it, or at it."""
        with self.lock:
            last = max((p for p in self.places if p.sweep <= sweep), key=lambda p: p.sweep)
        return last._replace(spins=_unpacked(last.spins, self.model.L))

    def keep(self, place: Place) -> None:
        """Remembers it, if it is far enough from the others; every other is dropped if too many."""
        with self.lock:
            if place.sweep % self.apart or any(p.sweep == place.sweep for p in self.places):
                return
            self.places.append(place._replace(spins=_packed(place.spins)))
            if len(self.places) > PLACES:
                self.apart *= 2
                self.places = [p for p in self.places if p.sweep % self.apart == 0]

    # ---- sweeps

    def on(self, place: Place, sweep: int, check: Callable[[], None]) -> Place:
        """The place after `sweep` sweeps, from an earlier one; check() between the pieces."""
        nearer = self.near(sweep)
        place = nearer if nearer.sweep > place.sweep else place
        step = self._grown if self.sampler == "wolff" else self._swept
        while place.sweep < sweep:
            check()
            ahead = self.apart - place.sweep % self.apart  # places lie on a grid of sweeps
            place = step(place, min(sweep - place.sweep, ahead))
            self.keep(place)
        return place

    def _swept(self, place: Place, most: int) -> Place:
        n = min(most, max(1, PIECE // self.model.N))
        x, now = split(place.spins), place.sweep
        rule = units(*RULES[self.sampler](self.model))
        part = np.zeros((n, 2), np.int64)
        kernels.checkerboard(0, 1, team.new_sync(1), x, part, n, self.seed, now, rule)
        self.path[now + 1 : now + n + 1] = part
        return Place(now + n, merge(x))

    def _grown(self, place: Place, most: int) -> Place:
        """Wolff's sweeps: in the burn-in until N spins are flipped, then a fixed number of
        clusters, as `ising_chain.run` has it."""
        now, s, done, late = place
        n, s, N = min(most, max(1, GROWN // self.model.N)), s.copy(), self.model.N
        apart = math.exp(max(-2 * self.model.β, -700.0))
        bond = units(1 - apart, apart)[0]
        if now < self.burn:
            n = min(n, self.burn - now)
            for k in range(now, now + n):
                grown = kernels.clusters_until(s, N, self.seed, done, bond)
                done, late = done + grown, late + grown * (2 * k >= self.burn)
                self.path[k + 1] = s.sum(), kernels.total_bonds(s)
            return Place(now + n, s, done, late)
        each = self.each(late)
        part = np.empty((n, 3), np.int64)
        kernels.clusters(s, part, each, self.seed, done, bond)
        self.path[now + 1 : now + n + 1] = part[:, :2]
        return Place(now + n, s, done + n * each, late)

    def each(self, late: int) -> int:
        """Clusters of a sweep after the burn-in."""
        burn = self.burn
        return max(1, round(late / (burn - burn // 2))) if burn > 1 else 1

    def record(self, sweep: int, spins: Spins) -> Record:
        """The measured sweeps: those after the burn-in."""
        M, bonds = self.path[self.burn + 1 : sweep + 1].T
        return Record(self.model, self.sampler, M, -bonds - self.model.h * M, spins)


def _packed(s: Spins) -> Spins:
    """The spins packed: 64 of them take eight bytes."""
    return np.packbits(s > 0).view(np.int8)


def _unpacked(bits: Spins, L: int) -> Spins:
    up = np.unpackbits(bits.view(np.uint8), count=L * L).reshape(L, L)
    return 2 * up.astype(np.int8) - 1


def first(start: str, L: int, seed: int) -> Spins:
    """The lattice at the start: all up, coins, or up on the left and down on the right."""
    if start == "hot":
        return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (L, L))
    s = np.ones((L, L), np.int8)
    if start == "half":
        s[:, L // 2 :] = -1
    return s


_tracks: dict[tuple[object, ...], Track] = {}
_one = threading.Lock()


def track(model: Ising, sampler: str, start: str, seed: int, burn: int) -> Track:
    """The track of this setting, the same for all visitors."""
    key = model, sampler, start, seed, burn
    found = _tracks.get(key) or Track(model, sampler, first(start, model.L, seed), seed, burn)
    with _one:
        _tracks.pop(key, None)
        _tracks[key] = found  # the newest last
        for old in list(_tracks)[:-TRACKS]:
            del _tracks[old]
    return found
