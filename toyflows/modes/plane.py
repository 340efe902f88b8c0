"""The exact law of the discrete-time algorithm, on nodes of the line or plane that holds the modes.

    w'_j = Σ_i w_i N(x_j; x_i − h∇U_θ(x_i), 2h) Δ²

The limit of infinitely many walkers, without noise, for a common spread in any dimension D (what is
orthogonal is a Gaussian that no method sees), and for own spreads where D ≤ 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from toyflows.backends.base import LogG, method_of
from toyflows.backends.plane import spread
from toyflows.cloud import Array, Cloud, log_weights
from toyflows.errors import InputError
from toyflows.kernels import modes as kernels
from toyflows.kernels.random import BLOCK
from toyflows.modes.family import Modes
from toyflows.modes.target import MOST_NODES, ModesTarget, axes_of, count_nodes, spacing
from toyflows.modes.walkers import model_of
from toyflows.state import Particles


@dataclass(frozen=True, eq=False)
class Plane:
    """Backend with weights on fixed nodes; `target.flat` must exist."""

    target: ModesTarget
    h: float
    name = "grid"

    def __post_init__(self) -> None:
        _refuse_many(self.mixture, self.dx, f"at a step of {self.h:g}")

    @property
    def mixture(self) -> Modes:
        assert self.target.flat is not None
        return self.target.flat

    @cached_property
    def dx(self) -> float:
        return min(math.sqrt(2 * self.h) / 2, spacing(self.mixture))

    @cached_property
    def axes(self) -> list[Array]:
        """Nodes of each axis; the wells of ULA have variance s²/(1 − h/2s²)."""
        s = float(self.mixture.spreads.min())
        return axes_of(self.mixture, self.dx, 1 / math.sqrt(1 - self.h / (2 * s * s)))

    @cached_property
    def x(self) -> Array:
        """All nodes (rank, n)."""
        return np.stack([axis.ravel() for axis in np.meshgrid(*self.axes, indexing="ij")])

    def at(self, step: int) -> Self:
        return self

    def with_step(self, h: float) -> Plane:
        return replace(self, h=h)

    def data(self) -> Cloud:
        assert self.target.data is not None
        return self.target.data

    data_particles = data

    def model(self, θ: Any) -> Cloud:
        return Cloud(self.x, -self.mixture.energy(self.x, θ))

    def noise(self, spread: float, many: int = 1, substep: int = 0) -> Cloud:
        return Cloud(self.x, -0.5 * np.sum(self.x**2, axis=0) / spread**2)

    def noised(self, σ: float, substep: int = 0, sharp: bool = False) -> Cloud:
        """y = x + σε with E[ε | y] = −σ times the score of y (Tweedie)."""
        noisy = self.mixture.noised(σ)
        dx = min(spacing(noisy), spacing(self.mixture)) if sharp else spacing(noisy)
        _refuse_many(noisy, dx, f"noised by {σ:g}")
        axes = np.meshgrid(*axes_of(noisy, dx), indexing="ij")
        y = np.stack([axis.ravel() for axis in axes])
        ε = σ * noisy.dU_dx(y, self.target.θ_star)
        return Cloud(np.stack([y, ε]), -noisy.energy(y, self.target.θ_star))

    def mean(self, cloud: Cloud, integrand: Callable[..., Any], *args: Any) -> Any:
        own = method_of(self.mixture, integrand)
        if own is Modes.responsibility:
            sums = np.zeros((-(-cloud.size // BLOCK), self.mixture.K - 1))
            model = model_of(self.mixture)
            kernels.sum_responsibility(cloud.x, 0, len(sums), sums, cloud.weights, model, *args)
            return np.sum(sums, axis=0)
        if own is Modes.in_b:
            labels = np.empty(cloud.size, np.uint8)
            kernels.label_all(cloud.x, 0, -(-cloud.size // BLOCK), labels, model_of(self.mixture))
            return np.bincount(labels, cloud.weights, self.mixture.K)[1:]
        with np.errstate(under="ignore"):
            return integrand(cloud.x, *args) @ cloud.weights

    def move(
        self,
        cloud: Cloud,
        θ: Any,
        *,
        substep: int = 0,
        kernel: str = "ula",
        temperature: float = 1.0,
        log_g: LogG | None = None,
        args: tuple[Any, ...] = (),
    ) -> Cloud:
        """One step of unadjusted Langevin, from points within the nodes; no weights."""
        if kernel != "ula" or log_g is not None or temperature != 1.0:
            raise NotImplementedError("the plane's law is that of unadjusted Langevin")
        to, blocks = cloud.x.copy(), -(-cloud.size // BLOCK)
        kernels.langevin(to, 0, blocks, 0, 0, 0, self.h, 0.0, model_of(self.mixture), θ)  # no noise
        f = np.zeros((2, cloud.size))
        f[: len(to)] = (to - np.array([[axis[0]] for axis in self.axes])) / self.dx
        return Cloud(
            self.x, log_weights(spread(cloud.weights, f, self.axes, 2 * self.h / self.dx**2))
        )

    def blend(self, first: Cloud, second: Cloud, p: float, substep: int = 0) -> Cloud:
        assert first.x is second.x
        with np.errstate(under="ignore"):
            return Cloud(first.x, log_weights((1 - p) * first.weights + p * second.weights))

    def pick(self, cloud: Cloud, one_in: int) -> Cloud:
        return cloud

    def put(self, cloud: Cloud, picked: Cloud, one_in: int) -> Cloud:
        return self.blend(cloud, picked, 1 / one_in)

    def crossed(self, before: Particles, after: Particles) -> float:
        return math.nan


def _refuse_many(modes: Modes, dx: float, what: str) -> None:
    """Raises InputError where nodes dx apart would be too many."""
    nodes = count_nodes(modes, dx)
    if nodes > MOST_NODES:
        raise InputError("backend", "grid", f"needs {nodes:.1g} nodes {what}, "
                         f"must be at most {MOST_NODES:,}; take walkers")  # fmt: skip
