"""The algorithm itself: N walkers, moved by a Numba sweep.

Each particle's noise is a function of (seed, step, walker): the same bits for any number of
threads. Integrands that kernels/sample.py knows are summed there; any other one is summed by
NumPy in pieces, correct and slower. Memory: one float64 a walker and set of particles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from toyflows.backends.base import LogG
from toyflows.cloud import Array, Cloud
from toyflows.kernels import random, sample, team
from toyflows.kernels.langevin import langevin, persistent, sorted_responsibility
from toyflows.kernels.random import BLOCK
from toyflows.mixture import Mixture
from toyflows.target import Target

PIECE = 1 << 16  # points a NumPy sum looks at together


@dataclass(frozen=True)
class Walkers:
    """Backend with `walkers` particles."""

    target: Target
    h: float
    walkers: int = 100_000
    seed: int = 0
    threads: int = 1
    step: int = 0
    name = "walkers"

    @property
    def mixture(self) -> Mixture:
        return self.target.mixture

    def at(self, step: int) -> Walkers:
        return replace(self, step=step)

    def with_step(self, h: float) -> Walkers:
        return replace(self, h=h)

    def data(self) -> Cloud:
        return self.target.data

    def data_particles(self) -> Cloud:
        if not self.target.empirical:
            return self._draw(self.target.θ_star, random.DATA)
        u = np.empty(self.walkers)
        sample.uniforms(u, self.seed, self.step, random.DATA)
        x = self.target.data.x
        return Cloud(x[(u * x.size).astype(np.intp)])

    def model(self, θ: float) -> Cloud:
        return self._draw(θ, random.MODEL)

    def _draw(self, θ: float, stream: int) -> Cloud:
        x = np.empty(self.walkers)
        mix = self.mixture
        p_b, seed, step = mix.weight_b(θ), self.seed, self.step
        self._share(
            x.size,
            lambda lo, hi: sample.draw(
                x, lo, hi, seed, step, stream, stream + random.MODES, mix.a, mix.b, p_b
            ),
        )
        return Cloud(x)

    def move(self, cloud: Cloud, θ: float, substep: int = 0, log_g: LogG | None = None) -> Cloud:
        y, mix = cloud.x.copy(), self.mixture
        seed, step, stream = self.seed, self.step, random.MOVE + substep
        self._share(
            y.size, lambda lo, hi: langevin(y, lo, hi, seed, step, stream, self.h, mix.a, mix.b, θ)
        )
        if log_g is None:
            return Cloud(y, cloud.logw)
        before = np.zeros(y.size) if cloud.logw is None else cloud.logw
        return Cloud(y, before + log_g(cloud.x, y))

    def mean(self, cloud: Cloud, integrand: Callable[..., Any], *args: float) -> Any:
        name, mix = integrand.__name__, self.mixture
        if cloud is self.target.data:
            if name == "responsibility":
                return self._data_responsibility(*args)
            with np.errstate(under="ignore"):
                return integrand(cloud.x, *args) @ self.target.data.weights
        if cloud.logw is None:
            if name == "responsibility":
                return self._sum(cloud.x, sample.sum_responsibility, mix.d, mix.m, *args)[0]
            if name == "hyvärinen":
                return self._sum(cloud.x, sample.sum_hyvärinen, mix.a, mix.d, mix.m, *args)[0]
            if name == "discriminator":
                return self._sum(cloud.x, sample.sum_discriminator, mix.d, mix.m, *args)
            if name == "in_b":
                return self._sum(cloud.x, sample.count_in_b, mix.m)[0]
        return _mean_in_pieces(cloud, integrand, *args)

    def crossed(self, before: Cloud, after: Cloud) -> float:
        if before is after:
            return 0.0
        m = self.mixture.m
        return float(np.count_nonzero((before.x > m) != (after.x > m)))

    def persistent(
        self, step: int, x: Array, θ: float, steps: int, η: float
    ) -> tuple[float, Array]:
        """`steps` steps of persistent chains from step `step` on in one kernel: θ, path (steps, 4).

        The same bits as `steps` times (mean, θ ← θ + η θ̇, move); x (N,) is changed in place.
        path: θ, θ̇, walkers in b and walkers that crossed, of each step.
        """
        mix, data = self.mixture, self._sorted_data
        blocks = _blocks(x.size)
        sums, path = np.empty((2, blocks, 3)), np.empty((steps, 4))
        sync = team.new_sync(self.threads)
        seed, h = self.seed, self.h

        def part(rank: int, of: int) -> float:
            return persistent(
                rank, of, sync, sums, x, steps, seed, step, h, η, mix.a, mix.b, θ, *data, path
            )

        return self._pace.run(part, steps * x.size), path

    @cached_property
    def _pace(self) -> team.Pace:
        return team.Pace(min(self.threads, _blocks(self.walkers)))

    @cached_property
    def _sorted_data(self) -> tuple[Array, Array, Array]:
        """Data points (n,), weights (n,), and the weights from each point on (n + 1,)."""
        x, w = self.target.data.x, self.target.data.weights
        return x, w, np.append(np.cumsum(w[::-1])[::-1], 0.0)

    def _data_responsibility(self, θ: float) -> float:
        scratch = np.empty(BLOCK)
        return sorted_responsibility(*self._sorted_data, scratch, self.mixture.d, self.mixture.m, θ)

    def _sum(self, x: Array, kernel: Callable[..., None], *args: float) -> Array:
        """Means (k,) over x by a kernel that leaves block sums."""
        sums = np.zeros((_blocks(x.size), 3))
        self._share(x.size, lambda lo, hi: kernel(x, lo, hi, sums, *args))
        with np.errstate(under="ignore"):
            return np.cumsum(sums, axis=0)[-1] / x.size  # in block order

    def _share(self, n: int, work: Callable[[int, int], None]) -> None:
        """work(first, last) on this backend's threads, each its share of the blocks of n points."""
        blocks = _blocks(n)
        team.run(
            lambda rank, of: work(rank * blocks // of, (rank + 1) * blocks // of),
            min(self.threads, blocks),
        )


def _blocks(n: int) -> int:
    return math.ceil(n / BLOCK)


def _mean_in_pieces(cloud: Cloud, f: Callable[..., Any], *args: float) -> Any:
    if cloud.logw is not None:
        return f(cloud.x, *args) @ cloud.weights
    pieces = [f(cloud.x[i : i + PIECE], *args).sum(axis=-1) for i in range(0, cloud.x.size, PIECE)]
    return sum(pieces) / cloud.x.size
