"""N walkers in an energy of one's own (toyflows/energy.py): `Walkers` with NumPy's moves.

Draws are quantiles of uniform numbers; all randomness is a function of (seed, step, walker).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from toyflows.backends.base import LogG, Slope, check_tilted
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Cloud
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

    def move(
        self,
        cloud: Cloud,
        θ: float,
        *,
        substep: int = 0,
        kernel: str = "ula",
        temperature: float = 1.0,
        log_g: LogG | None = None,
        args: tuple[float, ...] = (),
        slope: Slope | None = None,
    ) -> Cloud:
        x, family, h, T = cloud.x, self.mixture, self.h, temperature
        ξ = self._normals_of(cloud.size, random.substream(random.MOVE, substep))
        F = family.dU_dx(x, θ)
        if slope is not None:
            check_tilted(kernel)
            F = F + slope(x)
        y = x - h * F + np.sqrt(2 * h * T) * ξ
        if kernel == "mala":
            u = self._uniform(cloud.size, random.ACCEPT, substep)
            with np.errstate(under="ignore"):
                ratio = np.exp(np.minimum(family.work(x, y, θ, θ, h) / T, 0.0))
            y = np.where(u < ratio, y, x)
        if log_g is None:
            return Cloud(y, cloud.logw)
        before = np.zeros(y.size) if cloud.logw is None else cloud.logw
        return Cloud(y, before + log_g(x, y, *args))

    def swap(
        self, cold: Cloud, hot: Cloud, θ: float, T_cold: float, T_hot: float, substep: int = 0
    ) -> tuple[Cloud, Cloud]:
        """As Walkers.swap: partners are a random rotation apart."""
        u = self._uniform(1, random.SWAP, 2 * substep)[0]
        x, z = cold.x, np.roll(hot.x, int(u * hot.size))
        coin, U = self._uniform(cold.size, random.SWAP, 2 * substep + 1), self.mixture.energy
        with np.errstate(under="ignore"):
            rise = (1 / T_cold - 1 / T_hot) * (U(x, θ) - U(z, θ))
            swapped = coin < np.exp(np.minimum(rise, 0.0))
        return Cloud(np.where(swapped, z, x)), Cloud(np.where(swapped, x, z))
