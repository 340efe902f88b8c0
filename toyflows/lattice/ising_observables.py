"""What is measured of an Ising lattice, per spin: from the means of five powers of M and E.

    magnetisation ⟨|m|⟩, energy ⟨e⟩, susceptibility βN(⟨m²⟩ − ⟨|m|⟩²), specific heat
    β²N(⟨e²⟩ − ⟨e⟩²), Binder cumulant 1 − ⟨m⁴⟩/3⟨m²⟩²

m = M/N, e = E/N. In a field, ⟨m⟩ stands where ⟨|m|⟩ is, and there is no Binder cumulant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.lattice.ising import Ising
from toyflows.lattice.series import Estimate, estimate

MOMENTS = ("|m|", "m²", "m⁴", "e", "e²")
Formula = Callable[[Array], float]


def formulas(model: Ising) -> dict[str, Formula]:
    """Each observable as a function of the five means."""
    β, N = model.β, model.N
    found: dict[str, Formula] = {
        "magnetisation": lambda x: float(x[0]),
        "energy": lambda x: float(x[3]),
        "susceptibility": lambda x: float(β * N * (x[1] - x[0] ** 2)),
        "specific heat": lambda x: float(β**2 * N * (x[4] - x[3] ** 2)),
    }
    if model.h == 0:
        found["Binder cumulant"] = lambda x: float(1 - x[2] / (3 * x[1] ** 2))
    return found


def powers(model: Ising, M: Array, E: Array) -> Array:
    """(5, n): |m| (in a field m), m², m⁴, e, e² of each state."""
    m, e = M / model.N, E / model.N
    return np.stack([m if model.h else np.abs(m), m**2, m**4, e, e**2])


class Record(Protocol):
    """What is measured of a chain: M = Σ s and E after each sweep (sweeps,)."""

    @property
    def model(self) -> Ising: ...
    @property
    def M(self) -> NDArray[np.int64]: ...
    @property
    def E(self) -> Array: ...


def estimates(record: Record) -> dict[str, Estimate]:
    """Each observable with its error."""
    model = record.model
    x = powers(model, record.M.astype(float), record.E)
    return {name: estimate(f, x) for name, f in formulas(model).items()}


def crossing(T: Array, smaller: list[Estimate], larger: list[Estimate]) -> tuple[float, float]:
    """(temperature, its error) at which two sizes have the same Binder cumulant.

    Near T_c the cumulant is a function of (T − T_c)L only, so that all sizes meet at T_c. The zero
    is that of a parabola through the differences at T (k ≥ 3,), each with its error.
    """
    gap = np.array([b.value - a.value for a, b in zip(smaller, larger, strict=True)])
    error = np.array([np.hypot(a.error, b.error) for a, b in zip(smaller, larger, strict=True)])
    middle = float(T.mean())
    c, covariance = np.polyfit(T - middle, gap, 2, w=1 / error, cov="unscaled")
    slope = np.polyder(c)
    x = 0.0
    for _ in range(20):  # Newton's steps: the parabola is nearly straight
        x -= float(np.polyval(c, x) / np.polyval(slope, x))
    powers_of_x = np.array([x * x, x, 1.0])
    return middle + x, float(
        np.sqrt(powers_of_x @ covariance @ powers_of_x) / abs(np.polyval(slope, x))
    )
