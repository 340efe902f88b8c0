"""All states of n binary units, cut in two halves, so that 2²⁰ states need tables of 2¹⁰.

State number k has the bits of k, the lowest first; the low half has the lower ⌈n/2⌉ bits, so that
k = 2^⌈n/2⌉ q + p for the states q of the high half and p of the low one.
"""

from __future__ import annotations

import numpy as np

from toyflows.cloud import Array
from toyflows.errors import InputError

MOST = 20  # units: a million states, 8 MB for a number of each


def states(n: int) -> Array:
    """(2^n, n), of 0 and 1."""
    return (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(np.float64)


def halves(n: int) -> tuple[Array, Array]:
    """The states of the low and of the high half of n units."""
    return states((n + 1) // 2), states(n // 2)


def check(name: str, n: int) -> None:
    """Raises InputError(name) for more states than can be gone through."""
    if n > MOST:
        raise InputError(
            name, n, f"too many states to enumerate: 2^{n}; must be at most {MOST} units (2^{MOST})"
        )


def normalised(logw: Array) -> tuple[float, Array]:
    """log Σ e^{logw}, and the probabilities e^{logw} / Σ e^{logw}."""
    with np.errstate(under="ignore"):  # of states that are next to impossible
        top = logw.max()
        p = np.exp(logw - top)
        total = p.sum()
        return float(top + np.log(total)), p / total
