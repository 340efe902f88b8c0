"""Random numbers by name, for what is drawn with NumPy: functions of the seed, a name and a number.

What is drawn under one name does not depend on what is drawn under another, so that a run can be
resumed, cut and extended. (The kernels have their own numbers: kernels/random.py.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toyflows.limits import check_seed


def stream(seed: int, name: str, number: int = 0) -> np.random.Generator:
    """The random numbers of this name and number: the same in every run of one seed."""
    check_seed(seed)
    return np.random.default_rng(np.random.SeedSequence([seed, number, *name.encode()]))


def order(n: int, batch: int, seed: int, step: int) -> NDArray[np.int64]:
    """Rows of the data that a step takes: each of the n once in an epoch, in a random order."""
    place = step * batch + np.arange(batch)
    rows = np.empty(batch, np.int64)
    for epoch in np.unique(place // n):
        now = place // n == epoch
        rows[now] = stream(seed, "order", int(epoch)).permutation(n)[place[now] % n]
    return rows
