"""The Boltzmann machine: N visible spins of ±1, each pair with its weight.

    E(s) = −½ s·W s − b·s,     p(s) = e^{−E/T}/Z,     W symmetric with a zero diagonal
    p(s_i = +1 | the others) = 1/(1 + e^{−2a_i/T}),     a = W s + b
    ∂ E_data[log p]/∂(W_ij, b_i) = (⟨s_i s_j⟩_data − ⟨s_i s_j⟩, ⟨s_i⟩_data − ⟨s_i⟩)/T

The update is the Hopfield network's made stochastic: T → 0 gives back its sign, and temperature T
with (W, b) is temperature 1 with (W/T, b/T). log p is concave in (W, b), so that learning ends
where the model's moments are the data's. Source: MacKay (2003), chapter 43, where T = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.kernels.boltzmann import heat_bath
from toyflows.lattice import enumeration


class Moments(NamedTuple):
    """⟨s_i s_j⟩ (N, N), with ones on the diagonal, and ⟨s_i⟩ (N,)."""

    pairs: Array
    means: Array

    @classmethod
    def of(cls, S: Array) -> Moments:
        """Over rows S (R, N)."""
        return cls(S.T @ S / len(S), S.mean(axis=0))

    def apart(self, other: Moments) -> float:
        """The largest difference of two of their numbers."""
        return float(max(np.abs(x - y).max() for x, y in zip(self, other, strict=True)))


@dataclass(frozen=True, eq=False)
class Boltzmann:
    """Weights W (N, N), biases b (N,), temperature T. Raises InputError where they are none."""

    W: Array
    b: Array
    temperature: float = 1.0

    def __post_init__(self) -> None:
        W, N = self.W, len(self.b)
        if not 0 < self.temperature < np.inf:
            raise InputError("temperature", self.temperature, "must be a positive number")
        if W.shape != (N, N) or not np.array_equal(W, W.T) or np.diag(W).any():
            raise InputError("W", W.shape, f"must be a symmetric ({N}, {N}), its diagonal 0")

    def energy(self, S: Array) -> Array:
        """E of each row of S (R, N)."""
        E: Array = -0.5 * np.einsum("ri,ij,rj->r", S, self.W, S) - S @ self.b
        return E

    def sweeps(self, S: Array, count: int, seed: int, first: int = 0) -> Array:
        """S (R, N) after `count` heat-bath sweeps, numbers `first` … of the noise."""
        S = np.array(S, np.float64)
        heat_bath(self.W, self.b, S, self.temperature, seed, first, count)
        return S

    # ---- what is exact

    @cached_property
    def _law(self) -> tuple[float, Array]:
        """log Z, and p of all states (high q, low p): (Q, P)."""
        S, R = self._halves()
        k = S.shape[1]
        W, b = self.W, self.b
        low = Boltzmann(W[:k, :k], b[:k]).energy(S)
        high = Boltzmann(W[k:, k:], b[k:]).energy(R)
        E = high[:, None] + low - R @ W[k:, :k] @ S.T
        return enumeration.normalised(-E / self.temperature)

    def _halves(self) -> tuple[Array, Array]:
        enumeration.check("units", len(self.b))
        S, R = enumeration.halves(len(self.b))
        return 2 * S - 1, 2 * R - 1

    @property
    def log_Z(self) -> float:
        """log Z by enumeration. Raises InputError("units") beyond 20."""
        return self._law[0]

    def moments(self) -> Moments:
        """The moments by enumeration."""
        (S, R), p = self._halves(), self._law[1]
        with np.errstate(under="ignore"):
            by_low, by_high = p.sum(axis=0), p.sum(axis=1)
            across = S.T @ p.T @ R
            pairs = np.block([[(S.T * by_low) @ S, across], [across.T, (R.T * by_high) @ R]])
            return Moments(pairs, np.concatenate([by_low @ S, by_high @ R]))

    def log_likelihood(self, S: Array) -> Array:
        """log p of each row, (R,)."""
        return -self.energy(S) / self.temperature - self.log_Z

    def mean_log_likelihood(self, data: Moments) -> float:
        """E_data[log p], which needs the data's moments only."""
        E = -0.5 * np.sum(self.W * data.pairs) - self.b @ data.means
        return float(-E / self.temperature - self.log_Z)

    def draws(self, count: int, rng: np.random.Generator) -> Array:
        """Independent draws (count, N): no chain."""
        S, R = self._halves()
        p = self._law[1]
        k = np.searchsorted(np.cumsum(p.ravel()), rng.random(count))
        high, low = np.divmod(np.minimum(k, p.size - 1), p.shape[1])
        return np.hstack([S[low], R[high]])


# ---- learning

Negatives = Callable[[Boltzmann, int], Moments]  # what stands for the model's moments in a step


def exact(machine: Boltzmann, step: int) -> Moments:
    """All states."""
    return machine.moments()


@dataclass
class Chains:
    """Chains S (R, N) that go on from step to step, `count` sweeps in each: sampled learning."""

    S: Array
    seed: int
    count: int = 1

    def __call__(self, machine: Boltzmann, step: int) -> Moments:
        """The moments of the chains' ends."""
        self.S = machine.sweeps(self.S, self.count, self.seed, step * self.count)
        return Moments.of(self.S)


def learn(
    data: Moments, negatives: Negatives, rate: Callable[[int], float], machine: Boltzmann
) -> Iterator[Boltzmann]:
    """The machines after one step, two steps … up the gradient, for as long as they are taken."""
    step = 0
    while True:
        model, r = negatives(machine, step), rate(step) / machine.temperature
        W = machine.W + r * (data.pairs - model.pairs)  # the diagonals are equal: both are ones
        np.fill_diagonal(W, 0.0)  # but for rounding
        W = (W + W.T) / 2
        machine = replace(machine, W=W, b=machine.b + r * (data.means - model.means))
        yield machine
        step += 1
