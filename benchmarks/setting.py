"""What every peer simulates, and the protocol it follows.

    r = 1/(1 + exp(θ − d(x−m))),   x' = x − h((x−a) − d r) + √(2h) g,   θ' = θ + η(mean r − q*)

with d = b−a, m = (a+b)/2 and g a unit normal: one step of persistent contrastive divergence on the
two-mode model. A peer is built once, `peer(n, seed, setting) -> run`, and then `run(steps)` moves
its n walkers and its θ on by that many steps and returns θ. Memory, compilation and the first
draws belong to the building and the warm-up; nothing is carried out twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Run = Callable[[int], float]


class MissingPeer(Exception):
    """A peer that cannot run here; its text says what is missing."""


@dataclass(frozen=True)
class Setting:
    """The model, the step and the learning rate; θ* = 1.4 is the project's standard example."""

    a: float = -10.0
    b: float = 10.0
    h: float = 0.01
    theta: float = 1.4
    eta: float = 0.05
    qstar: float = 0.197816

    @property
    def d(self) -> float:
        """Separation b − a of the modes."""
        return self.b - self.a

    @property
    def m(self) -> float:
        """Midpoint (a + b)/2 of the modes."""
        return 0.5 * (self.a + self.b)

    @property
    def noise(self) -> float:
        """Standard deviation √(2h) of one step's noise."""
        return math.sqrt(2.0 * self.h)

    def start(self, n: int, seed: int, dtype: type = np.float64) -> np.ndarray[Any, Any]:
        """n walkers drawn from the two modes with weight q* on b, in an order that is random.

        The array starts on a cache line, so that no peer pays for an unlucky allocation.
        """
        size = np.dtype(dtype).itemsize
        room = np.empty(n + 64 // size, dtype)
        skip = -room.ctypes.data % 64 // size
        x = room[skip : skip + n]
        rng = np.random.default_rng(seed)
        x[:] = np.where(rng.random(n) < self.qstar, self.b, self.a) + rng.standard_normal(n)
        return x


STANDARD = Setting()
