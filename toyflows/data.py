"""Real 1-D data as the target: read them, fit two modes of common spread, standardise.

    p(x) = (1−q) N(x; μ_a, s²) + q N(x; μ_b, s²),     μ_a < μ_b

`load` reads the points, `fit` is maximum likelihood, and `standardise` moves the data to unit
spread and modes ∓d/2, where the only parameter left is the weight of the model,

    p_b(θ) = 1/(1+e^θ) = q     (θ > 0 makes mode b light).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyflows import tables
from toyflows.cloud import Array
from toyflows.fit import SMALLEST_MODE, Fit, check, fit, refuse
from toyflows.numerics import expit
from toyflows.tables import Choice, Table

__all__ = ["Fit", "Read", "Standardised", "fit", "load", "read", "standardise"]


def load(source: Any, column: str | None = None, skip_missing: bool | None = None) -> Array:
    """Reads data points (n,) from whatever `tables.read` reads.

    Raises InputError("data", source, why) where it cannot be read, or no mixture can be fitted.
    """
    return read(source, column, skip_missing).x[:, 0]


def read(source: Any, column: str | None = None, skip_missing: bool | None = None) -> Table:
    """Reads the same points, as a Table: with the name of the column and the number of rows that
    were left out. Raises InputError("data")."""
    columns = () if column is None else (column,)
    found = tables.read(source, Choice(columns, skip_missing))
    check(found.x[:, 0], tables.told(source))
    return found


@dataclass(frozen=True)
class Read:
    """What was read and fitted, in the data's units; `name` is the column's, or the source."""

    name: str
    points: int
    left_out: int
    modes: tuple[float, float]
    spread: float
    point: str = ""  # see Table

    @classmethod
    def of(cls, source: str, table: Table, fit: Fit) -> Read:
        """What was read of a column of `source`, and the fit to it."""
        name, modes = table.names[0] or source, (fit.mean_a, fit.mean_b)
        return cls(name, len(table.x), table.left_out, modes, fit.spread, table.point)

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Read:
        """What `to_dict` told."""
        low, high = told["modes"]
        rest = (told["spread"], told.get("point", ""))
        return cls(told["name"], told["points"], told["left_out"], (low, high), *rest)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, and under "read" the line that is printed."""
        return {"name": self.name, "points": self.points, "left_out": self.left_out,
                "modes": list(self.modes), "spread": self.spread, "point": self.point,
                "read": str(self)}  # fmt: skip

    def __str__(self) -> str:
        a, b = (_rounded(mode, self.spread, 2) for mode in self.modes)
        out = f" ({self.left_out} left out: missing)" if self.left_out else ""
        out += f" ({self.point} read with a decimal point)" if self.point else ""
        return (f"{self.points} points of {self.name}{out}: modes {a} and {b}, "
                f"spread {_rounded(self.spread, self.spread, 3)}")  # fmt: skip


def _rounded(value: float, spread: float, digits: int) -> str:
    """The value to `digits` digits of the spread."""
    places = digits - 1 - math.floor(math.log10(spread))
    return f"{value:.{max(places, 0)}f}" if -6 < places < 12 else f"{value:.{digits + 1}g}"


@dataclass(frozen=True, eq=False)  # eq compares fields, and arrays have no single truth value
class Standardised:
    """Data x (n,) in units of the spread, modes at a = −d/2 and b = d/2, d = `separation`.

    raw = centre + spread · x. θ_star and q_star = p_b(θ_star) are the exact minimiser of the
    mean energy: the answer which a training method on these data should find.
    """

    x: Array
    a: float
    b: float
    separation: float
    centre: float
    spread: float
    θ_star: float
    q_star: float
    fit: Fit


def standardise(x: Array, fit: Fit) -> Standardised:
    """(x − (μ_a+μ_b)/2)/s for x (n,), and the maximum-likelihood weight with means and spread held.

    Raises InputError "data" where that weight is 0 or 1 (a fit to other data).
    """
    centre = fit.mean_a + (fit.mean_b - fit.mean_a) / 2
    separation = (fit.mean_b - fit.mean_a) / fit.spread
    # A point closer to the centre than the smallest float is at the centre.
    with np.errstate(under="ignore"):
        z = (np.asarray(x, dtype=np.float64) - centre) / fit.spread  # (n,)
        q = _best_weight(separation * z)
    return Standardised(
        x=z,
        a=-separation / 2,
        b=separation / 2,
        separation=separation,
        centre=centre,
        spread=fit.spread,
        θ_star=math.log1p(-q) - math.log(q),
        q_star=q,
        fit=fit,
    )


def _best_weight(t: Array) -> float:
    """The root q of (1/n) Σ r_i = q, r_i = σ(t_i + log q/(1−q)), for log ratios t = d x (n,).

    It maximises ℓ(q) = (1/n) Σ log(1−q+q e^{t_i}), which is concave: with
    g_i = r_i/q − (1−r_i)/(1−q), ℓ′ = mean g and ℓ″ = −mean g². Newton's step, or bisection where
    it would leave the bracket; the root is unique and the bracket always holds it.
    """
    low, high = (SMALLEST_MODE / t.size) ** 2, 1.0 - 1e-15
    if _slopes(low, t)[0] <= 0 or _slopes(high, t)[0] >= 0:
        refuse(f"{t.size} values", "the best weight of these modes is 0 or 1: one has no data")
    q = 0.5
    while True:
        slope, curvature = _slopes(q, t)
        low, high = (q, high) if slope > 0 else (low, q)
        new = q - slope / curvature
        if not low < new < high:
            new = low + (high - low) / 2
        # 4 ε: the step that rounding of the mean alone can cause.
        if abs(new - q) <= 4 * np.finfo(float).eps * q or new in (low, high):
            return new
        q = new


def _slopes(q: float, t: Array) -> tuple[float, float]:
    """(ℓ′, ℓ″) at q."""
    η = math.log(q) - math.log1p(-q)
    g = expit(t + η) / q - expit(-t - η) / (1 - q)  # (n,)
    return float(np.mean(g)), -float(np.mean(g**2))
