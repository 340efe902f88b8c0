"""The exact law of the discrete-time algorithm: fixed nodes with moving weights.

    w'_j = Σ_i w_i N(x_j; x_i − h ∂_xU_θ(x_i), 2h) Δ

The limit of infinitely many walkers, without noise. The trapezoid sum over i has the error
e^{−2π²·2h/(TʹΔ)²} of a Gaussian that the map T(x) = x − h∂_xU squeezes by its slope Tʹ, and the
error e^{−2π²/(dΔ)} of the poles of r_θ; Tʹ reaches 1 − h + hd²/4 at the ridge between the modes.
So Δ = √(2h)/3 alone is not enough: where mass passes the ridge, Δ must also stay below 0.5/d.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from toyflows.backends.base import LogG
from toyflows.cloud import Array, Cloud
from toyflows.mixture import Mixture
from toyflows.state import Particles
from toyflows.target import Target, nodes, spacing

REACH = 9.0  # standard deviations: the kernel and the wells are cut where they are e^{−40}


@dataclass(frozen=True)
class Grid:
    """Backend with quadrature nodes; dx (node distance) follows from h and d unless given."""

    target: Target
    h: float
    dx: float = 0.0
    name = "grid"

    def __post_init__(self) -> None:
        if self.dx == 0.0:
            object.__setattr__(self, "dx", min(math.sqrt(2 * self.h) / 3, spacing(self.mixture.d)))

    @property
    def mixture(self) -> Mixture:
        return self.target.mixture

    @cached_property
    def x(self) -> Array:
        """Nodes (n,): the wells of ULA have variance 1/(1 − h/2)."""
        return self._nodes(1.0)

    def _nodes(self, temperature: float) -> Array:
        """Nodes that hold the wells of ULA at that temperature, and its laws on the way there."""
        reach = REACH * math.sqrt(temperature / (1.0 - self.h / 2))
        return nodes(self.mixture.a - reach, self.mixture.b + reach, self.dx, self.mixture.m)

    def _around(self, cloud: Cloud, temperature: float) -> Array:
        """The nodes for where the cloud goes: Langevin contracts, so none beyond where it is."""
        x = self.x if temperature == 1.0 else self._nodes(temperature)
        low, high = cloud.x.min(), cloud.x.max()
        if x[0] <= low + self.dx and high - self.dx <= x[-1]:
            return x
        return nodes(min(x[0], low), max(x[-1], high), self.dx, self.mixture.m)

    def _gauss(self, temperature: float) -> Array:
        """The kernel's values N(kΔ; 0, 2hT)Δ for |k| ≤ K (2K + 1,)."""
        variance = 2 * self.h * temperature
        K = math.ceil(REACH * math.sqrt(variance) / self.dx) + 1
        k = np.arange(-K, K + 1)
        scale = self.dx / math.sqrt(2 * math.pi * variance)
        return np.exp(-((k * self.dx) ** 2) / (2 * variance)) * scale

    def at(self, step: int) -> Grid:
        return self

    def with_step(self, h: float) -> Grid:
        return _grid(self.target, h)

    def data(self) -> Cloud:
        return self.target.data

    def data_particles(self) -> Cloud:
        return self.target.data

    def model(self, θ: float) -> Cloud:
        return Cloud(self.x, -self.mixture.energy(self.x, θ))

    def noise(self, spread: float, many: int = 1) -> Cloud:
        m = self.mixture.m
        x = nodes(m - REACH * spread, m + REACH * spread, min(self.dx, 0.6 * spread), m)
        return Cloud(x, -0.5 * ((x - m) / spread) ** 2)

    def noised(self, σ: float, substep: int = 0) -> Cloud:
        return _noised(self.target, σ)

    def blend(self, first: Cloud, second: Cloud, p: float, substep: int = 0) -> Cloud:
        with np.errstate(divide="ignore"):
            parts = [_log(first.weights) + np.log1p(-p), _log(second.weights) + np.log(p)]
        if first.x.size == second.x.size and np.array_equal(first.x, second.x):
            return Cloud(first.x, np.logaddexp(*parts))
        return Cloud(np.concatenate([first.x, second.x]), np.concatenate(parts))

    def pick(self, cloud: Cloud, one_in: int) -> Cloud:
        return cloud

    def put(self, cloud: Cloud, picked: Cloud, one_in: int) -> Cloud:
        return self.blend(cloud, picked, 1 / one_in)

    def resample(self, cloud: Cloud, below: float) -> Cloud:
        return cloud

    def effective_size(self, cloud: Cloud) -> float:
        return math.nan

    def mean(self, cloud: Cloud, integrand: Callable[..., Any], *args: float) -> Any:
        with np.errstate(under="ignore"):  # w·f below the smallest float is zero
            return integrand(cloud.x, *args) @ cloud.weights

    def crossed(self, before: Particles, after: Particles) -> float:
        return math.nan

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
    ) -> Cloud:
        """From points anywhere (nodes, data, noise) to weights on the nodes."""
        T, y = temperature, self._around(cloud, temperature)
        mass = 0.0 if cloud.logw is None else cloud.log_mass
        if kernel == "ula" and log_g is None:
            from toyflows.kernels.banded import apply_banded

            gauss = self._gauss(T)
            K = gauss.size // 2
            out = np.empty(y.size + 2 * K)
            apply_banded(cloud.weights, (self._pushed(cloud.x, θ) - y[0]) / self.dx, self.dx,
                         self.h * T, gauss, out)  # fmt: skip
            return Cloud(y, _log(out[K:-K]) + mass)
        x, y_row = cloud.x[:, None], y[None, :]
        with np.errstate(under="ignore"):
            P = self.transition(θ, cloud.x, y, T)
            stays = np.zeros(0)
            if kernel == "mala":
                P *= np.exp(np.minimum(self.mixture.work(x, y_row, θ, θ, self.h) / T, 0.0))
                stays = cloud.weights * np.maximum(1.0 - P.sum(axis=1), 0.0)
            if log_g is not None:
                P = P * np.exp(log_g(x, y_row, *args))
                if kernel == "mala":
                    stays *= np.exp(log_g(cloud.x, cloud.x, *args))
            moved = Cloud(y, _log(cloud.weights @ P) + mass)
            return moved if kernel == "ula" else self._add(moved, cloud.x, stays, mass)

    def _add(self, cloud: Cloud, x: Array, w: Array, mass: float) -> Cloud:
        """The cloud (on nodes) plus points x of weights w e^mass: on the nodes where they are."""
        place = (x - cloud.x[0]) / self.dx
        k = np.rint(place).astype(np.intp)
        if np.max(np.abs(place - k)) > 1e-6:
            assert cloud.logw is not None
            return Cloud(np.append(cloud.x, x), np.append(cloud.logw, _log(w) + mass))
        here = np.zeros(cloud.size)
        np.add.at(here, k, w)
        assert cloud.logw is not None
        return Cloud(cloud.x, np.logaddexp(cloud.logw, _log(here) + mass))

    def transition(
        self, θ: float, x: Array | None = None, y: Array | None = None, temperature: float = 1.0
    ) -> Array:
        """The kernel as a matrix P (len(x), len(y)), P_ij = N(y_j; T(x_i), 2hT)Δ, from the points x
        to the nodes y (by default the backend's own): the banded kernel's twin."""
        pushed = self._pushed(self.x if x is None else x, θ)
        to, variance = self.x if y is None else y, 2 * self.h * temperature
        with np.errstate(under="ignore"):  # entries far from the diagonal are zero
            P = np.exp(-((to[None, :] - pushed[:, None]) ** 2) / (2 * variance))
            return P * (self.dx / math.sqrt(2 * math.pi * variance))

    def _pushed(self, x: Array, θ: float) -> Array:
        """T(x) = x − h ∂_xU_θ(x)."""
        return x - self.h * self.mixture.dU_dx(x, θ)


@lru_cache(maxsize=64)
def _noised(target: Target, σ: float) -> Cloud:
    """Law of y = x + σε with E[ε | y] (2, n): −σ times the score of y (Tweedie), which is known for
    the mixture; for the user's points, the posterior mean over them."""
    mix, s = target.mixture.noised(σ), math.sqrt(1 + σ**2)
    if not target.empirical:
        u = nodes(mix.a - REACH, mix.b + REACH, spacing(mix.d), mix.m)
        pairs = np.stack([mix.m + s * (u - mix.m), σ / s * mix.dU_dx(u, target.θ_star)])
        return Cloud(pairs, -mix.energy(u, target.θ_star))
    x, w = target.data.x, target.data.weights
    y = nodes(x[0] - REACH * σ, x[-1] + REACH * σ, min(0.5 * σ, s * spacing(mix.d)), mix.m)
    with np.errstate(under="ignore"):
        ε = (y[:, None] - x[None, :]) / σ
        likely = w * np.exp(-0.5 * ε**2)
        density = likely.sum(axis=1)
        kept = density > 0
        mean = np.sum(likely * ε, axis=1)[kept] / density[kept]
    return Cloud(np.stack([y[kept], mean]), np.log(density[kept]))


@lru_cache(maxsize=8)
def _grid(target: Target, h: float) -> Grid:
    """Kept, because its nodes and kernel are."""
    return Grid(target, h)


def _log(w: Array) -> Array:
    """log w with log 0 = −∞, said on purpose."""
    with np.errstate(divide="ignore"):
        return np.log(w)
