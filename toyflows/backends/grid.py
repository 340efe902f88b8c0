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
        reach = REACH / math.sqrt(1.0 - self.h / 2)
        return nodes(self.mixture.a - reach, self.mixture.b + reach, self.dx, self.mixture.m)

    @cached_property
    def _gauss(self) -> Array:
        """The kernel's values N(kΔ; 0, 2h)Δ for |k| ≤ K (2K + 1,)."""
        K = math.ceil(REACH * math.sqrt(2 * self.h) / self.dx) + 1
        k = np.arange(-K, K + 1)
        scale = self.dx / math.sqrt(4 * math.pi * self.h)
        return np.exp(-((k * self.dx) ** 2) / (4 * self.h)) * scale

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

    def mean(self, cloud: Cloud, integrand: Callable[..., Any], *args: float) -> Any:
        with np.errstate(under="ignore"):  # w·f below the smallest float is zero
            return integrand(cloud.x, *args) @ cloud.weights

    def crossed(self, before: Cloud, after: Cloud) -> float:
        return math.nan

    def move(self, cloud: Cloud, θ: float, substep: int = 0, log_g: LogG | None = None) -> Cloud:
        """From points anywhere (nodes, data) to weights on the nodes."""
        w = cloud.weights
        if log_g is not None:
            with np.errstate(under="ignore"):
                P = self.transition(θ, cloud.x) * np.exp(log_g(cloud.x[:, None], self.x[None, :]))
                return Cloud(self.x, _log(w @ P))
        from toyflows.kernels.banded import apply_banded

        K = self._gauss.size // 2
        out = np.empty(self.x.size + 2 * K)
        apply_banded(w, (self._pushed(cloud.x, θ) - self.x[0]) / self.dx, self.dx, self.h,
                     self._gauss, out)  # fmt: skip
        return Cloud(self.x, _log(out[K:-K]))

    def transition(self, θ: float, x: Array | None = None) -> Array:
        """The kernel as a matrix P (len(x), n), P_ij = N(x_j; T(x_i), 2h)Δ, from the points x (by
        default the nodes): the banded kernel's twin."""
        T = self._pushed(self.x if x is None else x, θ)
        with np.errstate(under="ignore"):  # entries far from the diagonal are zero
            P = np.exp(-((self.x[None, :] - T[:, None]) ** 2) / (4 * self.h))
            return P * (self.dx / math.sqrt(4 * math.pi * self.h))

    def _pushed(self, x: Array, θ: float) -> Array:
        """T(x) = x − h ∂_xU_θ(x)."""
        return x - self.h * self.mixture.dU_dx(x, θ)


@lru_cache(maxsize=8)
def _grid(target: Target, h: float) -> Grid:
    """Kept, because its nodes and kernel are."""
    return Grid(target, h)


def _log(w: Array) -> Array:
    """log w with log 0 = −∞, said on purpose."""
    with np.errstate(divide="ignore"):
        return np.log(w)
