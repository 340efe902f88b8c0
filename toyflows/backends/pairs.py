"""Means over pairs of independent particles, E[f(x, y)]: all of them, or each with a few partners.

    all          Σ_ij w_i v_j f(x_i, y_j)                      of two laws, known by their nodes
    a few        Σ_i w_i v_{i+s} f(x_i, y_{i+s}) / Σ_i …       for shifts s, at random

The second is what N walkers can afford. Of one cloud no particle meets itself: so the mean over N
walkers has the expectation of the law they were drawn from (a U-statistic, Hoeffding 1948).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from toyflows.cloud import Array, Cloud

PIECE = 1 << 18  # pairs a NumPy sum looks at together
NOTHING = 1e-40  # share of the largest weight that is none
MOST_PAIRS = 1 << 24  # of two laws; beyond, particles stand for them


def of_all(first: Cloud, second: Cloud, f: Callable[..., Any], *args: Any) -> float:
    """Σ_ij w_i v_j f(x_i, y_j)."""
    (x, w), (y, v) = _parts(first), _parts(second)
    rows, total = max(1, PIECE // y.size), 0.0
    with np.errstate(under="ignore"):  # w·f below the smallest float is zero
        for i in range(0, x.size, rows):
            values = np.broadcast_to(f(x[i : i + rows, None], y[None, :], *args),
                                     (x[i : i + rows].size, y.size))  # fmt: skip
            total += float(w[i : i + rows] @ (values @ v))
    return total


def of_partners(
    first: Cloud, second: Cloud, shifts: Iterable[int], f: Callable[..., Any], *args: Any
) -> float:
    """The mean over the pairs (x_i, y_{i+s}) for each shift s, of clouds of equal size."""
    top, mass = 0.0, 0.0
    with np.errstate(under="ignore"):
        for s in shifts:
            values = f(first.x, np.roll(second.x, -s), *args)
            if first.logw is None and second.logw is None:
                w = np.full(first.size, 1.0 / first.size)
            else:
                w = first.weights * np.roll(second.weights, -s) * first.size
            top, mass = top + float(np.sum(w * values)), mass + float(np.sum(w))
    return top / mass


def _parts(cloud: Cloud) -> tuple[Array, Array]:
    """Points and weights, without those that weigh nothing."""
    w = cloud.weights
    some = w > NOTHING * w.max()
    return cloud.x[some], w[some]
