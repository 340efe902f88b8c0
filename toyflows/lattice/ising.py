"""The Ising model on a periodic square lattice: ρ(s) = e^{−E(s)/T}/Z, spins s = ±1.

    E(s) = −Σ_<ij> s_i s_j − h Σ_i s_i,      coupling J = 1, β = 1/T, N = L² spins

Metropolis and heat bath visit the lattice in two colours, all sites of one colour at a time: their
neighbours have the other colour, so that these updates do not disturb each other. Sources: [G];
MacKay (2003), ch. 31.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.errors import InputError

Spins = NDArray[np.int8]  # (L, L), −1 or +1

LARGEST, HOTTEST = 2048, 1000.0
MOST = 10_000_000  # sweeps
NEIGHBOURS = np.arange(-4, 5, 2)  # what four neighbours can add up to


@dataclass(frozen=True)
class Ising:
    """L × L spins at the temperature T in the field h."""

    L: int
    T: float
    h: float = 0.0

    def __post_init__(self) -> None:
        if not 2 <= self.L <= LARGEST or self.L % 2:
            why = f"must be an even number from 2 to {LARGEST} (a checkerboard has two colours)"
            raise InputError("size", self.L, why)
        if not 1 / HOTTEST <= self.T <= HOTTEST:
            raise InputError("temperature", self.T, f"must be {1 / HOTTEST:g} to {HOTTEST:g}")
        if not abs(self.h) <= HOTTEST:
            raise InputError("field", self.h, f"must be −{HOTTEST:g} to {HOTTEST:g}")

    @property
    def β(self) -> float:
        return 1 / self.T

    @property
    def N(self) -> int:
        return self.L**2

    def energy(self, s: Spins) -> float:
        """E(s)."""
        x = s.astype(np.int64)
        bonds = np.sum(x * (np.roll(x, -1, 0) + np.roll(x, -1, 1)))
        return float(-bonds - self.h * x.sum())


class Rule(NamedTuple):
    """P(new spin = +1) and P(new spin = −1), each (2, 5): a row for the old spins −1 and +1, a
    column for a sum of neighbours. They add to 1; a small one has digits that 1 − p has lost."""

    up: Array
    down: Array


def metropolis(model: Ising) -> Rule:
    """The flip is proposed, and accepted with the probability min(1, e^{−β ΔE})."""
    climb = 2 * model.β * (NEIGHBOURS + model.h)  # ΔE/T of a flip to −1
    with np.errstate(under="ignore"):
        to_up, to_down = np.exp(np.minimum(0.0, climb)), np.exp(np.minimum(0.0, -climb))
    return Rule(np.stack([to_up, 1 - to_down]), np.stack([1 - to_up, to_down]))


def heat_bath(model: Ising) -> Rule:
    """Gibbs: a draw from ρ(s_i = 1 | the others) = 1/(1 + e^{−2β(Σ neighbours + h)})."""
    from scipy.special import expit

    climb = 2 * model.β * (NEIGHBOURS + model.h)
    with np.errstate(under="ignore"):
        up, down = expit(climb), expit(-climb)
    return Rule(np.stack([up, up]), np.stack([down, down]))


RULES: dict[str, Callable[[Ising], Rule]] = {"metropolis": metropolis, "heat-bath": heat_bath}
SAMPLERS = (*RULES, "wolff")
