"""Nodes of a plane: how a Langevin step spreads weights on them; the backends of a `PlaneEnergy`.

A wide Gaussian is applied as a narrow one of variance (1.2Δ)² and the rest along the rows and
columns: Gaussians add, up to the trapezoid rule's error (backends/grid.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from toyflows.backends.base import LogG, Slope, check_tilted, method_of
from toyflows.backends.energies import EnergyWalkers
from toyflows.backends.grid import Grid, check_held
from toyflows.backends.noised import REACH
from toyflows.cloud import Array, Cloud, log_weights
from toyflows.errors import NoExactLaw
from toyflows.kernels import modes, random, sample
from toyflows.kernels import plane as kernels
from toyflows.plane_energy import PlaneEnergy, points_of, share_beyond
from toyflows.state import Particles
from toyflows.target import nodes

WIDTHS = 7.0  # standard deviations of a kernel: beyond, 3e−12 of its mass
NARROW = 1.2  # nodes: deviation of the kernel that is applied source by source


def spread(w: Array, f: Array, axes: Sequence[Array], variance: float) -> Array:
    """Weights on all nodes (n,) of w (m,) at f (2, m) after a Gaussian of that variance, both in
    units of nodes; f within the nodes. One axis: a line, of which f's second row is 0."""
    narrow = min(NARROW**2, variance)
    K, flat = math.ceil(WIDTHS * math.sqrt(narrow)), len(axes) == 1
    rows, columns = axes[0].size, 1 if flat else axes[1].size
    L = 0 if flat else K
    wide = np.zeros((rows + 2 * K, columns + 2 * L))
    kernels.spread(w, f, 0.5 / narrow, K, L, wide)
    if variance - narrow > 1e-9:
        g = _gauss(variance - narrow)
        wide = _blurred(wide, g)
        wide = wide if flat else np.ascontiguousarray(_blurred(wide.T, g).T)
    return wide[K : K + rows, L : L + columns].ravel()


def _gauss(variance: float) -> Array:
    """N(k; 0, variance) for the integers |k| ≤ K (2K + 1,)."""
    K = math.ceil(WIDTHS * math.sqrt(variance))
    k = np.arange(-K, K + 1)
    return np.asarray(np.exp(-(k**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance))


def _blurred(x: Array, g: Array) -> Array:
    out = np.empty(x.shape)
    kernels.blur_rows(np.ascontiguousarray(x), g, out)
    return out


@dataclass(frozen=True)
class PlaneGrid(Grid):
    """The exact law in a `PlaneEnergy`, on nodes x (2, n). Raises NoExactLaw for what couples a
    step's two ends: weights, Metropolis' acceptance, exchange between temperatures."""

    @property
    def sweeps(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        return {}

    @property
    def _family(self) -> PlaneEnergy:
        family = self.mixture
        assert isinstance(family, PlaneEnergy)
        return family

    @cached_property
    def x(self) -> Array:
        """Nodes (2, n)."""
        return points_of(self._family.axes(self.dx))

    def noise(self, spread: float, many: int = 1, substep: int = 0) -> Cloud:
        reach, dx = REACH * spread, min(self.dx, 0.6 * spread)
        x = points_of([nodes(m - reach, m + reach, dx, m) for m in self._family.centre[:, 0]])
        return Cloud(x, -0.5 * np.sum((x - self._family.centre) ** 2, axis=0) / spread**2)

    def blend(self, first: Cloud, second: Cloud, p: float, substep: int = 0) -> Cloud:
        with np.errstate(under="ignore"):
            parts = [(1 - p) * first.weights, p * second.weights]
        if np.array_equal(first.x, second.x):
            return Cloud(first.x, log_weights(parts[0] + parts[1]))
        x = np.concatenate([first.x, second.x], axis=1)
        z, at = np.unique(x[0] + 1j * x[1], return_inverse=True)  # equal nodes become one
        w = np.bincount(at, np.concatenate(parts)).astype(np.float64)
        return Cloud(np.stack([z.real, z.imag]), log_weights(w))

    def mean(self, cloud: Cloud, integrand: Callable[..., Any], *args: float) -> Any:
        if method_of(self.mixture, integrand) is PlaneEnergy.in_b:
            return share_beyond(cloud, self.mixture.m)
        return super().mean(cloud, integrand, *args)

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
        check_tilted(kernel, slope)
        if kernel != "ula" or log_g is not None:
            what = "weights" if log_g is not None else f"kernel={kernel}"
            raise NoExactLaw(f"has no {what} in a plane")
        push = self.mixture.dU_dx(cloud.x, θ)
        push = push if slope is None else push + slope(cloud.x)
        axes = self._family.axes(self.dx, temperature, cloud.x)
        f = (cloud.x - self.h * push - np.array([[axis[0]] for axis in axes])) / self.dx
        ends = np.array([[axis.size - 1.0] for axis in axes])
        w = spread(
            cloud.weights, np.clip(f, 0.0, ends), axes, 2 * self.h * temperature / self.dx**2
        )
        mass = 0.0 if cloud.logw is None else cloud.log_mass
        same = temperature == 1.0 and w.size == self.x.shape[1]
        return Cloud(self.x if same else points_of(axes), log_weights(w) + mass)

    def swap(
        self, cold: Cloud, hot: Cloud, θ: float, T_cold: float, T_hot: float, substep: int = 0
    ) -> tuple[Cloud, Cloud]:
        raise NoExactLaw("has no exchange between temperatures in a plane")

    def pairs(self, cloud: Cloud | None) -> int:
        beside = (2 * math.ceil(WIDTHS * NARROW) + 1) ** 2
        return self.x.shape[1] if cloud is None else cloud.size * beside

    def a_call(self, cloud: Cloud) -> int:
        return 0

    def gathered(self, cloud: Cloud) -> Cloud:
        """Walkers as weights on nodes, each shared by the four about it: its mean is kept."""
        for row in cloud.x:
            check_held(row, self.dx / 100)
        axes = self._family.axes(self.dx, hold=np.hstack([cloud.x - self.dx, cloud.x + self.dx]))
        place = (cloud.x - np.array([[axis[0]] for axis in axes])) / self.dx
        k = place.astype(np.intp)
        (f, g), (i, j), w = place - k, k, cloud.weights
        columns = axes[1].size
        heights = np.zeros(axes[0].size * columns)
        for up, share in ((0, 1 - f), (1, f)):
            for right, part in ((0, 1 - g), (1, g)):
                at = (i + up) * columns + j + right
                heights += np.bincount(at, w * share * part, heights.size)
        return Cloud(points_of(axes), log_weights(heights) + cloud.log_mass)


@dataclass(frozen=True)
class PlaneWalkers(EnergyWalkers):
    """N walkers x (2, N) in a `PlaneEnergy`."""

    sweeps = MappingProxyType({})

    def _draw(self, θ: float, stream: int) -> Cloud:
        family: Any = self.mixture
        u = np.empty((2, self.walkers))
        for row, of in zip(u, (stream, stream + random.MODES), strict=True):
            sample.uniforms(row, self.seed, self.step, of)
        return Cloud(family.quantile(u, θ))

    def _normals_of(self, n: int, stream: int) -> Array:
        ξ = np.empty((2, n))
        modes.normals(ξ, self.seed, self.step, stream)
        return ξ

    def noise(self, spread: float, many: int = 1, substep: int = 0) -> Cloud:
        family: Any = self.mixture
        ξ = self._normals_of(many * self.walkers, random.substream(random.NOISE, substep))
        return Cloud(family.centre + spread * ξ)

    def crossed(self, before: Particles, after: Particles) -> float:
        cold = [c[0] if isinstance(c, tuple) else c for c in (before, after)]
        return super().crossed(*(Cloud(c.x[0]) for c in cold)) if before is not after else 0.0
