"""Hopfield's network: units s_i = ±1 that fall into the nearest memory.

    a_i = Σ_j W_ij s_j + b_i,     s_i ← sign(a_i),     E(s) = −½ sᵀWs − bᵀs

W is symmetric with a zero diagonal: a change of s_i by δ changes E by −δ a_i, so that with one unit
at a time (asynchronous) E never rises and the network comes to rest; all at once (synchronous) it
may end in a cycle of two states. A unit with a_i = 0 stays as it is. At a temperature T > 0
s_i is +1 with probability 1/(1 + e^{−2a_i/T}), the law of s_i given the others under e^{−E/T}: that
needs the ½ in E (docs/errata.md, G.hopfield-energy). Source: MacKay, Information Theory,
Inference, and Learning Algorithms (2003), chapter 42; Hopfield 1982.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toyflows import display
from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.kernels import hopfield as kernels
from toyflows.pictures import levels

MOST_UNITS = 30  # of an enumeration: 2³⁰ states, 30 s
MOST_FOUND = 1 << 20
STEPS = 1000  # of the gradient rule
AT_ONCE = 1 << 16  # states a call of the kernel, so that Ctrl-C is heard
SHOWN = 9  # states of a path, at most
UPDATES = ("asynchronous", "sequential", "synchronous")


@dataclass(frozen=True, eq=False)
class Path:
    """States (K + 1, N) from the start on, one a sweep (asynchronous) or an update of all units,
    their energies (K + 1,), and how it ended: rest, cycle (of two states) or running."""

    states: Array
    energies: Array
    end: str
    __repr__ = display.short

    def _repr_html_(self) -> str:
        """States of a square number of units as squares, others as rows of one picture; +1 is
        black."""
        (K, N), side = self.states.shape, math.isqrt(self.states.shape[1])
        told = display.words(f"sweeps: {K - 1}, E = {display.number(self.energies[-1])}", self.end)
        if side * side != N:
            return display.page(told, display.gallery({"a row a sweep": levels(-self.states)}))
        shown = np.unique(np.linspace(0, K - 1, SHOWN).round().astype(int)).tolist()
        images = {
            f"sweep {k}, E = {display.number(self.energies[k])}": levels(
                -self.states[k].reshape(side, side)
            )
            for k in shown
        }
        return display.page(told, display.gallery(images))


@dataclass(frozen=True, eq=False)
class Hopfield:
    """Weights W (N, N) and biases b (N,)."""

    W: Array
    b: Array
    __repr__ = display.short

    def __post_init__(self) -> None:
        N = len(self.b)
        if self.W.shape != (N, N) or not np.array_equal(self.W, self.W.T) or self.W.trace():
            raise InputError("W", self.W.shape, "must be symmetric with a zero diagonal")

    def activations(self, s: Array) -> Array:
        """a (…, N) = s W + b."""
        return np.asarray(s @ self.W + self.b)

    def energy(self, s: Array) -> Array:
        """E (…,) = −½ sᵀWs − bᵀs."""
        with np.errstate(under="ignore"):  # of graded units that come to rest at 0
            return np.asarray(-np.sum(s * (0.5 * (s @ self.W) + self.b), axis=-1))

    def settle(
        self, s: Array, seed: int = 0, update: str = "asynchronous", T: float = 0.0,
        sweeps: int = 1000, start: int = 0,
    ) -> tuple[Array, NDArray[np.int64]]:  # fmt: skip
        """Where each start s (R, N) comes to rest one unit at a time, in a new random order each
        sweep or in sequence, and after how many sweeps (R,): −1 where it did not. At T > 0 nothing
        rests: the states after all the sweeps, drawn from e^{−E/T}/Z if these are enough. `start`
        is the number of the first sweep: its random numbers are those of (seed, sweep, row)."""
        states = np.ascontiguousarray(s, self.W.dtype).copy()
        if not T >= 0:
            raise InputError("temperature", T, "must be 0 or more")
        if _checked(update) == "synchronous":
            raise InputError("update", update, "must be asynchronous or sequential: a network "
                             "updated all at once may never come to rest")  # fmt: skip
        done = kernels.settle(
            self.W, self.b, states, float(T), seed, 0, start, sweeps, update == "asynchronous"
        )
        return states, done

    def path(
        self, s: Array, update: str = "asynchronous", seed: int = 0, T: float = 0.0,
        sweeps: int = 100,
    ) -> Path:  # fmt: skip
        """The states that s (N,) runs through until it rests or repeats itself."""
        states = [np.asarray(s, float)]
        end = "running"
        while len(states) <= sweeps and end == "running":
            k, now = len(states), states[-1]
            if _checked(update) == "synchronous":
                new = self.at_once(now, T, np.random.default_rng([seed, k]))
            else:
                new = self.settle(now[None], seed, update, T, 1, start=k - 1)[0][0]
            if T == 0 and np.array_equal(new, now):
                end = "rest"
                break
            if T == 0 and k > 1 and np.array_equal(new, states[-2]):
                end = "cycle"
            states.append(new)
        return Path(np.array(states), self.energy(np.array(states)), end)

    def at_once(self, s: Array, T: float = 0.0, rng: np.random.Generator | None = None) -> Array:
        """s (…, N) after one synchronous update."""
        a = self.activations(s)
        if T > 0:
            with np.errstate(over="ignore", under="ignore"):
                p = 1 / (1 + np.exp(-2 * a / T))
            return np.where((rng or np.random.default_rng()).random(a.shape) < p, 1.0, -1.0)
        return np.where(a == 0, np.where(s == 0, 1.0, s), np.sign(a))

    def rest_states(self) -> Array:
        """All states (n, N) from which no unit moves, by enumeration of the 2^N, lowest energy
        first. A unit whose activation is 0 up to rounding counts as at rest.

        Raises InputError for N > 30, or for more than 2²⁰ of them.
        """
        N = len(self.b)
        if N > MOST_UNITS:
            raise InputError("W", f"{N} units", f"must be at most {MOST_UNITS} for an enumeration")
        low = min(N, AT_ONCE.bit_length() - 1)
        tolerance = 1e-12 * float(np.abs(self.W).sum(axis=1).max() + np.abs(self.b).max())
        W, b = self.W.astype(float), self.b.astype(float)
        buffer, parts = np.empty(AT_ONCE, np.int64), []
        for high in range(1 << (N - low)):
            n = kernels.rest_states(W, b, high, low, buffer, tolerance)
            parts.append(buffer[:n].copy())
            if sum(map(len, parts)) > MOST_FOUND:
                raise InputError("W", f"{N} units", f"more than {MOST_FOUND} states are at rest")
        codes = np.concatenate(parts)
        states = np.where((codes[:, None] >> np.arange(N)) & 1, 1.0, -1.0)
        return np.asarray(states[np.argsort(self.energy(states), kind="stable")])


def overlaps(s: Array, patterns: Array) -> Array:
    """m (…, p) = s·x/N with each pattern x (p, N): 1 is that pattern, −1 its inverse."""
    return np.asarray(s @ patterns.T / patterns.shape[1])


def hebb(patterns: Array) -> Hopfield:
    """W = Σ x xᵀ without its diagonal, b = 0: Hebb's rule with η = 1, whole numbers, exact ties."""
    W = patterns.T @ patterns
    np.fill_diagonal(W, 0)
    return Hopfield(W, np.zeros(len(W), W.dtype))


def objective(W: Array, patterns: Array, decay: float) -> tuple[float, Array]:
    """What the gradient rule lowers, and its slope (N, N), symmetric with a zero diagonal:

        M = Σ_n Σ_i log(1 + e^{−x_i a_i}) + ½ decay Σ_{i<j} W_ij²,     a = W x:

    each unit is to be a logistic regression on the others.
    """
    z = patterns * (patterns @ W)  # (p, N)
    with np.errstate(under="ignore"):
        value = np.logaddexp(0, -z).sum() + 0.25 * decay * np.sum(W**2)
        error = patterns / (1 + np.exp(np.minimum(z, 700.0)))  # MacKay's t − y
        slope = -(patterns.T @ error)
        slope = slope + slope.T + decay * W
    np.fill_diagonal(slope, 0)
    return float(value), slope


def gradient_rule(
    patterns: Array,
    decay: float = 0.01,
    steps: int = STEPS,
    progress: Callable[[int], None] | None = None,
) -> Hopfield:
    """Weights by MacKay's algorithm 42.9: from Hebb's W/N down the slope of `objective`.

    The rate is 1/(½λ + decay), λ the largest eigenvalue of Σ x xᵀ: the slope changes by no more
    than that, so that no step goes up.
    """
    if not decay >= 0:
        raise InputError("decay", decay, "must be 0 or more")
    λ = float(np.linalg.eigvalsh(patterns @ patterns.T)[-1])
    W = hebb(patterns).W / patterns.shape[1]
    for k in range(steps):
        W = W - objective(W, patterns, decay)[1] / (0.5 * λ + decay)
        if progress is not None:
            progress(k + 1)
    return Hopfield(W, np.zeros(len(W)))


RULES = {"hebb": hebb, "gradient": gradient_rule}


def _checked(update: str) -> str:
    if update not in UPDATES:
        raise InputError("update", update, f"must be {', '.join(UPDATES)}")
    return update
