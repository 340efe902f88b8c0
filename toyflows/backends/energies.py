"""N walkers in an energy of one's own (toyflows/energy.py): `Walkers` with NumPy's moves.

Draws are quantiles of uniform numbers; all randomness is a function of (seed, step, walker).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from toyflows.backends.base import Slope
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array, Cloud
from toyflows.kernels import random, sample


@dataclass(frozen=True)
class EnergyWalkers(Walkers):
    """Backend whose target's mixture is an `Energy`."""

    sweeps = MappingProxyType({})  # no kernel knows the energy

    def _draw(self, θ: float, stream: int) -> Cloud:
        family: Any = self.mixture
        u = np.empty(self.walkers)
        sample.uniforms(u, self.seed, self.step, stream)
        return Cloud(family.quantile(u, θ))

    def _moved(
        self, x: Array, θ: Any, substep: int, kernel: str, T: float, slope: Slope | None
    ) -> Array:
        ξ = self._normals_of(x.shape[-1], random.substream(random.MOVE, substep))
        F = self.mixture.dU_dx(x, θ)
        F = F if slope is None else F + slope(x)
        y = x - self.h * F + np.sqrt(2 * self.h * T) * ξ
        return self._accepted(x, y, θ, substep, T) if kernel == "mala" else y

    def _accepted(self, x: Array, y: Array, θ: Any, substep: int, T: float) -> Array:
        """y where Metropolis accepts it, else x."""
        n, work = x.shape[-1], self.mixture.work
        u = self._uniform(n, random.ACCEPT, substep)
        with np.errstate(under="ignore"):
            ratio = self._pieces(n, lambda i: work(x[..., i], y[..., i], θ, θ, self.h)) / T
            return np.where(u < np.exp(np.minimum(ratio, 0.0)), y, x)

    def swap(
        self, cold: Cloud, hot: Cloud, θ: Any, T_cold: float, T_hot: float, substep: int = 0
    ) -> tuple[Cloud, Cloud]:
        """As Walkers.swap: partners are a random rotation apart."""
        u, n = self._uniform(1, random.SWAP, 2 * substep)[0], cold.size
        x, z = cold.x, np.roll(hot.x, int(u * hot.size), axis=-1)
        coin, U = self._uniform(n, random.SWAP, 2 * substep + 1), self.mixture.energy
        with np.errstate(under="ignore"):
            rise = self._pieces(n, lambda i: U(x[..., i], θ) - U(z[..., i], θ))
            swapped = coin < np.exp(np.minimum((1 / T_cold - 1 / T_hot) * rise, 0.0))
        return Cloud(np.where(swapped, z, x)), Cloud(np.where(swapped, x, z))
