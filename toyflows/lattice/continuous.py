"""Hopfield's network with graded units V_i = tanh(βu_i) in (−1, 1).

    du_i/dt = −u_i + a_i,   a = WV + b,     E(V) = −½ VᵀWV − bᵀV + (1/β) Σ_i ∫_0^{V_i} artanh v dv

dE/dt = −Σ_i β(1 − V_i²)(a_i − u_i)² ≤ 0, and E rests where V = tanh(βa). One unit at a time,
V_i ← tanh(βa_i) is the lowest E over that unit, so that E falls with every update; and it is the
mean-field equation of the Boltzmann machine with energy −½sᵀWs − bᵀs at temperature 1/β: βE is the
variational free energy up to N log 2. As β → ∞ the binary network comes back.
Source: Hopfield 1984; MacKay (2003), chapter 42.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.lattice.hopfield import Hopfield, Path

_small = np.errstate(under="ignore")  # units that come to rest at 0 pass the smallest float


@dataclass(frozen=True, eq=False)
class Continuous:
    """A network's weights and biases with graded units of gain β."""

    net: Hopfield
    β: float

    def __post_init__(self) -> None:
        if not self.β > 0:
            raise InputError("beta", self.β, "must be > 0")

    @_small
    def energy(self, V: Array) -> Array:
        """E (…,); ∫_0^V artanh = ½[(1 + V)log(1 + V) + (1 − V)log(1 − V)]."""
        part = 0.5 * (_xlogx(1 + V) + _xlogx(1 - V)).sum(axis=-1)
        return np.asarray(self.net.energy(V) + part / self.β)

    @_small
    def response(self, V: Array) -> Array:
        """tanh(βa) (…, N)."""
        return np.tanh(self.β * self.net.activations(V))

    def settle(self, V: Array, sweeps: int = 1000, rtol: float = 1e-12) -> tuple[Array, Array]:
        """Where the path from V (N,) ends, and E after each sweep, from the start on."""
        found = self.path(V, sweeps, rtol)
        return found.states[-1], found.energies

    @_small
    def path(self, V: Array, sweeps: int = 1000, rtol: float = 1e-12) -> Path:
        """The states from V (N,) on, by updates of one unit after the other, until none moves by
        more than rtol in a sweep."""
        V, end = np.array(V, float), "running"
        states = [V.copy()]
        for _ in range(sweeps):
            for i, row in enumerate(self.net.W):
                V[i] = np.tanh(self.β * (row @ V + self.net.b[i]))
            states.append(V.copy())
            if np.abs(V - states[-2]).max() <= rtol:
                end = "rest"
                break
        return Path(np.array(states), self.energy(np.array(states)), end)

    @_small
    def flow(self, u: Array, dt: float, steps: int) -> tuple[Array, Array]:
        """u (N,) after Euler's steps of du/dt = −u + a, and E after each, from the start on."""
        if not 0 < dt <= 1:
            raise InputError("dt", dt, "must be 0 < dt ≤ 1")
        u = np.array(u, float)
        energies = [float(self.energy(np.tanh(self.β * u)))]
        for _ in range(steps):
            u += dt * (self.net.activations(np.tanh(self.β * u)) - u)
            energies.append(float(self.energy(np.tanh(self.β * u))))
        return u, np.array(energies)


def _xlogx(v: Array) -> Array:
    return v * np.log(np.where(v > 0, v, 1.0))
