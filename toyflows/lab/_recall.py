"""A Hopfield network, updated one unit at a time, and the kind of state at which it ends.

In a sweep each unit is updated once. So the state after r updates of a sweep is the state before it
with the units order[:r] as they are after it: `Hopfield.settle` gives both, and this module every
state between them. All at once (synchronous) an update is one of all units.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.kernels import hopfield as kernels
from toyflows.kernels.random import PICK, stream_keys
from toyflows.lattice.hopfield import UPDATES, Hopfield, overlaps

NEAR = 6


def order_of(sweep: int, units: int, seed: int, update: str = UPDATES[0]) -> NDArray[np.int64]:
    """The order (N,) in which `settle` visits the units of one state in that sweep."""
    order = np.arange(units)
    if update == "asynchronous":
        with np.errstate(over="ignore"):  # keys are products modulo 2^64
            kernels.shuffle(order, *stream_keys(seed, sweep, PICK))
    return order


class Recall:
    """The state after `step` updates from s (N,), and the energies (step + 1,) on the way."""

    def __init__(self, net: Hopfield, s: Array, update: str, seed: int = 0, T: float = 0.0):
        self.net, self.update, self.seed, self.T = net, update, seed, T
        self.step = self.sweep = 0
        self.before = self.after = s  # of the sweep; all at once: of the last update
        self.cycle = False  # of two states, all at once
        self.E = [float(net.energy(s))]
        self.rank = np.arange(len(s))  # the place of each unit in the sweep's order
        if update != "synchronous":
            self._sweep()

    @property
    def state(self) -> Array:
        """s (N,) now."""
        if self.update == "synchronous":
            return self.after
        return np.where(self.rank < self._done, self.after, self.before)

    @property
    def energies(self) -> Array:
        """The energies after 0, 1 … step updates."""
        return np.array(self.E[: self.step + 1])

    @property
    def unit(self) -> int:
        """The unit that is updated next; −1 where it is all of them, or the network is at rest."""
        if self.update == "synchronous" or self.rests():
            return -1
        if self._done == len(self.rank):
            return int(order_of(self.sweep + 1, self._done, self.seed, self.update)[0])
        return int(np.argmax(self.rank == self._done))

    def rests(self) -> bool:
        """No unit would change, and T = 0."""
        s = self.state
        return self.T == 0 and bool(np.array_equal(self.net.at_once(s), s))

    def advance(self, steps: int, check: Callable[[], None] = lambda: None) -> None:
        """Goes on; check() is called once a sweep."""
        end, N = self.step + steps, len(self.rank)
        while self.step < end:
            check()
            if self.update == "synchronous":
                self._at_once()
                continue
            if self._done == N:
                self.sweep, self.before = self.sweep + 1, self.after
                self._sweep()
            self.step = min(end, (self.sweep + 1) * N)

    @property
    def _done(self) -> int:
        """Updates of the present sweep."""
        return self.step - self.sweep * len(self.rank)

    def _sweep(self) -> None:
        """The sweep that begins at `before`: its order, its end, the energies on its way."""
        s, N = self.before, len(self.rank)
        order = order_of(self.sweep, N, self.seed, self.update)
        self.rank[order] = np.arange(N)
        self.after = self.net.settle(s[None], self.seed, self.update, self.T, 1, self.sweep)[0][0]
        moved = order[self.after[order] != s[order]]
        states = np.where(self.rank <= self.rank[moved][:, None], self.after, s)
        E = np.append(self.E[-1], self.net.energy(states))
        changes = np.searchsorted(self.rank[moved], np.arange(N), side="right")
        self.E += E[changes].tolist()

    def _at_once(self) -> None:
        self.step += 1
        new = self.net.at_once(self.after, self.T, np.random.default_rng([self.seed, self.step]))
        swaps = self.step > 1 and np.array_equal(new, self.before)
        self.cycle = self.T == 0 and bool(swaps) and not np.array_equal(new, self.after)
        self.before, self.after = self.after, new
        self.E.append(float(self.net.energy(new)))


def after(
    net: Hopfield, s: Array, updates: int, update: str = UPDATES[0], seed: int = 0, T: float = 0.0
) -> Array:
    """The state (N,) after so many updates: each of a unit or, where synchronous, of all of them.

    After whole sweeps it is the state of `Hopfield.path`.
    """
    path = Recall(net, np.asarray(s, float), update, seed, T)
    path.advance(updates)
    return path.state


def mixture(s: Array, patterns: Array) -> tuple[tuple[int, int], ...]:
    """Three of the six nearest patterns, each (its number, its sign), whose majority s (N,) is; ()
    where there are none."""
    near = np.argsort(-np.abs(overlaps(s, patterns)), kind="stable")[:NEAR]
    for three in itertools.combinations(near.tolist(), 3):
        for signs in itertools.product((1, -1), repeat=3):
            if np.array_equal(np.sign(np.array(signs) @ patterns[list(three)]), s):
                return tuple(zip(three, signs, strict=True))
    return ()


def described(path: Recall, patterns: Array, names: tuple[str, ...]) -> str:
    """A sentence about the state."""
    if not len(patterns):
        return "Nothing is stored yet: no unit feels any other"
    s = path.state
    m = overlaps(s, patterns)
    k = int(np.argmax(np.abs(m)))
    name, exact = names[k], abs(m[k]) == 1  # whole sums of ±1: exact
    if path.cycle:
        return f"Two states for ever, near {name}: {signed(m[k])}"
    if path.T > 0:
        return f"Wandering at this temperature: {signed(m[k])} with {name}"
    if not path.rests():
        return f"{'Falling' if path.step else 'Start'}: overlap {signed(m[k])} with {name}"
    if exact:
        return f"At rest in {'the inverse of ' if m[k] < 0 else ''}{name}: overlap {signed(m[k])}"
    if three := mixture(s, patterns):
        parts = [f"{'−' if sign < 0 else ''}{names[j]}" for j, sign in three]
        of = "three memories" if max(map(len, parts)) > 2 else "{}, {} and {}".format(*parts)
        return f"At rest in a mixture of {of}: nobody stored it"
    return f"At rest, stored by nobody: nearest {name}, {signed(m[k])}"


def signed(m: float) -> str:
    """The number with two digits and a true minus; ±1.00 is for ±1 only."""
    if abs(m) < 1:
        m = max(-0.99, min(0.99, m))
    return f"{m:.2f}".replace("-", "−")
