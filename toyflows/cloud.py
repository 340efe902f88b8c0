"""A measure is a weighted point set: quadrature nodes, data points and walkers alike.

    ν = Σ_i w_i δ_{x_i} / Σ_i w_i,     w_i = exp(logw_i)

`logw=None` stands for equal weights, so that 10⁸ walkers cost one array, not two.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from toyflows.errors import InputError

Array = NDArray[np.float64]
Values = TypeVar("Values", bound=NDArray[Any])


@contextlib.contextmanager
def finite_or_refused(name: str, value: object, when: str) -> Iterator[Callable[[Values], Values]]:
    """The gate where arrays leave a loop: gives a judge that lets an array pass if all of it is
    finite. The floating-point errors on the way are its to tell, so NumPy is silent about them.

    Raises InputError(name, value), the setting that is to blame; `when` says at which step.
    """

    def judge(x: Values) -> Values:
        if not np.isfinite(x).all():
            raise FloatingPointError
        return x

    try:
        with np.errstate(all="ignore"):
            yield judge
    except (FloatingPointError, OverflowError):
        why = f"with it the numbers are no longer finite {when}"
        raise InputError(name, value, why) from None


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points x (n,) with log weights logw (n,), or equal weights where logw is None.

    x may be (2, n): pairs, which integrands of pairs take as they are (`Backend.noised`).
    """

    x: Array
    logw: Array | None = None

    def __repr__(self) -> str:
        return f"Cloud({self.size} points{', weighted' * (self.logw is not None)})"

    @property
    def size(self) -> int:
        """Number of points n."""
        return self.x.shape[-1]

    @cached_property
    def weights(self) -> Array:
        """Normalised weights w_i/Σw (n,)."""
        if self.logw is None:
            return np.full(self.size, 1.0 / self.size)
        w, total = self._heights
        with np.errstate(under="ignore"):
            return w / total

    @property
    def log_mass(self) -> float:
        """log Σ w_i, before the weights are normalised; log n where they are equal."""
        if self.logw is None:
            return math.log(self.size)
        return float(self.logw.max()) + math.log(self._heights[1])

    @cached_property
    def _heights(self) -> tuple[Array, float]:
        """w_i by the largest of them (n,), and their sum."""
        assert self.logw is not None
        # A weight below the smallest float is zero: that underflow is the right answer.
        with np.errstate(under="ignore"):
            w: Array = np.exp(self.logw - self.logw.max())
            return w, float(w.sum())

    def of_mass(self, log_mass: float) -> Cloud:
        """The same measure with Σ w_i = exp(log_mass)."""
        if self.logw is None:
            return Cloud(self.x, np.full(self.size, log_mass - math.log(self.size)))
        return Cloud(self.x, self.logw + (log_mass - self.log_mass))

    def mean(self, f: Callable[[Array], Array]) -> float:
        """E_ν[f] = Σ w_i f(x_i) / Σ w_i."""
        if self.logw is None:
            return float(np.mean(f(self.x)))
        with np.errstate(under="ignore"):
            return float(self.weights @ f(self.x))

    def beyond(self, m: float, f: Callable[[Array], Array] | None = None) -> float:
        """E_ν[1_{x > m} f(x)], f = 1 unless given; a point at m counts half.

        Weighted points that begin at multiples of Δ from m are, as far as they go on so, nodes of a
        smooth density, over which the jump is integrated (`half_line`). Any other point stands for
        itself: the user's, and what Metropolis leaves there.
        """
        c = np.heaviside(self.x - m, 0.5) if self.logw is None else counted(self.x, m)
        with np.errstate(under="ignore"):
            return float(self.weights @ (c if f is None else c * f(self.x)))

    def effective_size(self) -> float:
        """Kish's effective sample size (Σw)²/Σw²; n where the weights are equal."""
        if self.logw is None:
            return float(self.size)
        with np.errstate(under="ignore"):
            return float(1.0 / np.sum(self.weights**2))


def log_weights(w: Array) -> Array:
    """log w with log 0 = −∞, said on purpose."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(w))


WINDOW, FAR = 6.0, 54  # of the sinc, in nodes: its deviation, and where it is cut at e^{−40}


def counted(x: Array, m: float) -> Array:
    """What each weighted point x counts in ∫_{x>m}: `half_line`'s share of a node, else 1, ½, 0."""
    c = np.heaviside(x - m, 0.5)
    if x.size >= 3:
        nodes, k = _lattice(x, m)
        c[nodes] = half_line(k)
    return c


def half_line(k: NDArray[np.intp]) -> Array:
    """c_k (n,) of ∫_0^∞ g dx = Δ Σ_k c_k g(kΔ), for a smooth g.

    c_k = ∫_{−k}^∞ sinc(v) e^{−v²/2L²} dv, L = 6: g is interpolated by windowed sincs. For a normal
    law of deviation s, or its convolution with anything, the error is e^{−π²/2(Δ²/s² + 1/L²)}. It
    is 1 or 0 beyond 54 nodes from the jump, so that a share of 1e−20 beyond it keeps its digits.
    """
    tail = _tails()[np.minimum(np.abs(k), FAR)]
    return np.where(k > 0, 1 - tail, tail)


@cache
def _tails() -> Array:
    """∫_k^FAR sinc(v) e^{−v²/2L²} dv for k = 0 … FAR (FAR + 1,), by Gauss's rule on each unit."""
    node, weight = np.polynomial.legendre.leggauss(16)
    v = np.arange(FAR)[:, None] + 0.5 + 0.5 * node
    parts = (np.sinc(v) * np.exp(-(v**2) / (2 * WINDOW**2))) @ (0.5 * weight)
    return np.append(np.cumsum(parts[::-1])[::-1], 0.0)


def _lattice(x: Array, m: float) -> tuple[slice, NDArray[np.intp]]:
    """Where in x the points m + kΔ with |k| ≤ FAR stand, one after the other, Δ = x_1 − x_0, and
    their k; none unless one stands at m."""
    dx = x[1] - x[0]
    i = round(float((m - x[0]) / dx)) if dx > 0 else -1
    first = max(i - FAR, 0)
    near = x[first : max(i + FAR + 1, 0)]
    k = np.arange(first - i, first - i + near.size)
    off = np.abs(near - m - k * dx) > 1e-6 * dx  # round-off is 1e−8 dx
    n = int(np.argmax(off)) if off.any() else k.size
    if not first <= i < first + n:
        n = 0
    return slice(first, first + n), k[:n]
