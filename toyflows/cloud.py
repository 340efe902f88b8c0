"""A measure is a weighted point set: quadrature nodes, data points and walkers alike.

    ν = Σ_i w_i δ_{x_i} / Σ_i w_i,     w_i = exp(logw_i)

`logw=None` stands for equal weights, so that 10⁸ walkers cost one array, not two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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
        # A weight below the smallest float is zero: that underflow is the right answer.
        with np.errstate(under="ignore"):
            w: Array = np.exp(self.logw - self.logw.max())
            return w / w.sum()

    @property
    def log_mass(self) -> float:
        """log Σ w_i, before the weights are normalised; log n where they are equal."""
        if self.logw is None:
            return math.log(self.size)
        with np.errstate(under="ignore"):
            top = float(self.logw.max())
            return top + math.log(float(np.sum(np.exp(self.logw - top))))

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

    def effective_size(self) -> float:
        """Kish's effective sample size (Σw)²/Σw²; n where the weights are equal."""
        if self.logw is None:
            return float(self.size)
        with np.errstate(under="ignore"):
            return float(1.0 / np.sum(self.weights**2))
