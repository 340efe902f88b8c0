"""N walkers among K modes in D dimensions: the backend `EnergyWalkers` with x (D, N).

What has no place or weight in space (the buffer, resampling, seeds, threads) is inherited; laws,
moves and means are those of kernels/modes.py, or of NumPy in pieces, correct and slower.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.backends.base import Slope, method_of
from toyflows.backends.energies import EnergyWalkers
from toyflows.cloud import Array, Cloud
from toyflows.kernels import modes as kernels
from toyflows.kernels import random, team
from toyflows.kernels.modes_chains import persistent
from toyflows.kernels.random import BLOCK
from toyflows.modes.family import Modes
from toyflows.state import Particles

PIECE = 1 << 19  # numbers a NumPy sum looks at together


def model_of(modes: Modes) -> tuple[Any, ...]:
    """(A, β, c, a, α), what the kernels know of the modes."""
    a = modes.α[0] * modes.positions[0]
    return *(np.ascontiguousarray(part) for part in modes.linear), a, float(modes.α[0])


@dataclass(frozen=True)
class ModesWalkers(EnergyWalkers):
    """Backend with `walkers` particles (D, N); its target is a ModesTarget, θ is (K−1,)."""

    target: Any
    sweeps = MappingProxyType({("plain", "ula"): ()})

    @property
    def mixture(self) -> Any:
        return self.target.mixture

    @cached_property
    def model_arrays(self) -> tuple[Any, ...]:
        """The modes as the kernels know them (`model_of`)."""
        return model_of(self.mixture)

    def _draw(self, θ: Any, stream: int) -> Cloud:
        mix, seed, step = self.mixture, self.seed, self.step
        x, ends = np.empty((mix.D, self.walkers)), np.cumsum(mix.weights(θ)[::-1])
        μ, s, choice = mix.positions, mix.spreads, stream + random.MODES
        self._share(
            self.walkers,
            lambda lo, hi: kernels.draw(x, lo, hi, seed, step, stream, choice, ends, μ, s),
        )
        return Cloud(x)

    def _normals_of(self, n: int, stream: int) -> Array:
        ξ = np.empty((self.mixture.D, n))
        kernels.normals(ξ, self.seed, self.step, stream)
        return ξ

    def _normals(self, n: int, substep: int) -> Array:
        return self._normals_of(n, random.substream(random.NOISE, substep))

    def noise(self, spread: float, many: int = 1, substep: int = 0) -> Cloud:
        ξ = self._normals(many * self.walkers, substep)
        return Cloud(self.mixture.m[:, None] + spread * ξ)

    def noised(self, σ: float, substep: int = 0, sharp: bool = False) -> Cloud:
        x, ε = self.data_particles().x, self._normals(self.walkers, substep)
        return Cloud(np.stack([x + σ * ε, ε]))

    def _moved(
        self, x: Array, θ: Any, substep: int, kernel: str, T: float, slope: Slope | None
    ) -> Array:
        y, n, h, model = x.copy(), x.shape[1], self.h, self.model_arrays
        seed, step, stream = self.seed, self.step, random.substream(random.MOVE, substep)
        self._share(
            n, lambda lo, hi: kernels.langevin(y, lo, hi, seed, step, stream, h, T, model, θ)
        )
        y = y if slope is None else y - h * slope(x)
        return self._accepted(x, y, θ, substep, T) if kernel == "mala" else y

    def _pieces(self, n: int, f: Callable[[slice], Array]) -> Array:
        """f of slices of the points, joined (…, n): what NumPy makes stays in the cache."""
        many = max(1, PIECE // (self.mixture.D * self.mixture.K))
        parts = [f(slice(i, i + many)) for i in range(0, n, many)]
        return np.concatenate(parts, axis=-1)

    def mean(self, cloud: Cloud | None, integrand: Callable[..., Any], *args: Any) -> Any:
        own = method_of(self.mixture, integrand)
        if cloud is self.target.data:  # also None: the data of no line and no plane
            return self._of_data(integrand, *args)
        assert cloud is not None
        if own is Modes.responsibility:
            w = None if cloud.logw is None else cloud.weights
            return self._responsibility(cloud.x, w, self.model_arrays, *args)
        if own is Modes.in_b:
            return self._shares(self.labels(cloud.x), cloud)
        f = self._pieces(cloud.size, lambda i: integrand(cloud.x[..., i], *args))
        with np.errstate(under="ignore"):
            return f @ cloud.weights if cloud.logw is not None else f.mean(axis=-1)

    def _of_data(self, integrand: Callable[..., Any], θ: Any) -> Array:
        """E_data[r_θ] (K−1,), by quadrature or with the control variate (target.py)."""
        if method_of(self.mixture, integrand) is not Modes.responsibility:
            raise NotImplementedError(f"the data's mean of {integrand!r}")
        cloud, target = self.target.data, self.target
        if cloud is not None:
            return self._responsibility(cloud.x, cloud.weights, self._flat_model, θ)
        x = self.data_particles().x
        here, star = (
            self._responsibility(x, None, self.model_arrays, v) for v in (θ, target.θ_star)
        )
        return target.q_star + here - star

    @cached_property
    def _flat_model(self) -> tuple[Any, ...]:
        return model_of(self.target.flat)

    def _responsibility(self, x: Array, w: Array | None, model: Any, θ: Any) -> Array:
        """Σ w r_θ / Σ w (K−1,)."""
        n, sums = x.shape[1], np.zeros((-(-x.shape[1] // BLOCK), len(model[2])))
        self._share(n, lambda lo, hi: kernels.sum_responsibility(x, lo, hi, sums, w, model, θ))
        total = np.cumsum(sums, axis=0)[-1]  # in block order
        return total / n if w is None else total

    def labels(self, x: Array) -> NDArray[np.uint8]:
        """The mode, 0 … K−1, that each of x (D, n) is counted to (n,)."""
        out, model = np.empty(x.shape[1], np.uint8), self.model_arrays
        self._share(x.shape[1], lambda lo, hi: kernels.label_all(x, lo, hi, out, model))
        return out

    def _shares(self, labels: NDArray[np.uint8], cloud: Cloud) -> Array:
        """Share of the cloud in each mode from the second on (K−1,)."""
        w = None if cloud.logw is None else cloud.weights
        counts = np.bincount(labels, w, self.mixture.K)[1:]
        return counts / (cloud.size if w is None else 1.0)

    def crossed(self, before: Particles, after: Particles) -> float:
        cold = [c[0] if isinstance(c, tuple) else c for c in (before, after)]
        if cold[0] is cold[1]:
            return 0.0
        return float(np.count_nonzero(self.labels(cold[0].x) != self.labels(cold[1].x)))

    def follow(
        self, step: int, cloud: Cloud, θ: Array, steps: int, η: float
    ) -> tuple[Array, Array]:
        """`steps` steps of persistent chains from step `step` on in one kernel: θ, and the path
        (steps, 3(K−1) + 1) of θ, θ̇, shares of the modes, and how many changed modes in each step.

        Bit for bit (mean, θ ← θ + η θ̇, move); cloud is changed in place.
        """
        data, K1, x = self.target.data, θ.size, cloud.x
        labels, path = self.labels(x).astype(np.float64), np.empty((steps, 3 * K1 + 1))
        blocks = -(-x.shape[1] // BLOCK) + -(-data.x.shape[1] // BLOCK)
        sync, sums = team.new_sync(self.threads), np.zeros((2, blocks, 2 * K1 + 1))
        ends = [θ.copy() for _ in range(self.threads)]
        self._pace.run(
            lambda rank, of: persistent(
                rank, of, sync, sums, x, labels, steps, self.seed, step, random.MOVE, self.h, η,
                self.model_arrays, ends[rank], data.x, data.weights, self._flat_model, path,
            ),
            steps * x.shape[1],
        )  # fmt: skip
        path[:, 2 * K1 : 3 * K1] /= x.shape[1]
        changed = np.append(path[1:, -1], np.count_nonzero(labels != self.labels(x)))
        path[:, -1] = changed
        return ends[0], path
