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
from numpy.typing import NDArray

from toyflows.backends.base import LogG
from toyflows.cloud import Array, Cloud
from toyflows.kernels import random, sample, team
from toyflows.kernels.langevin import langevin, persistent, sorted_responsibility
from toyflows.kernels.random import BLOCK
from toyflows.mixture import Mixture
from toyflows.state import Particles
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
    sweeps = (("plain", "ula"),)  # what `persistent` can do: sweep and kernel

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
        u, x = self._uniform(self.walkers, random.DATA, 0), self.target.data.x
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

    def noise(self, spread: float, many: int = 1) -> Cloud:
        x = np.empty(many * self.walkers)
        random.normals(x, self.seed, self.step, random.NOISE)
        return Cloud(self.mixture.m + spread * x)

    def noised(self, σ: float, substep: int = 0) -> Cloud:
        ε = np.empty(self.walkers)
        random.normals(ε, self.seed, self.step, random.substream(random.NOISE, substep))
        return Cloud(np.stack([self.data_particles().x + σ * ε, ε]))

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
        x, y, mix, T = cloud.x, cloud.x.copy(), self.mixture, temperature
        seed, step, stream = self.seed, self.step, random.substream(random.MOVE, substep)
        self._share(
            y.size,
            lambda lo, hi: langevin(y, lo, hi, seed, step, stream, self.h, T, mix.a, mix.b, θ),
        )
        if kernel == "mala":
            u = self._uniform(y.size, random.ACCEPT, substep)
            with np.errstate(divide="ignore"):
                y = np.where(np.log(u) < mix.work(x, y, θ, θ, self.h) / T, y, x)
        if log_g is None:
            return Cloud(y, cloud.logw)
        before = np.zeros(y.size) if cloud.logw is None else cloud.logw
        return Cloud(y, before + log_g(x, y, *args))

    def blend(self, first: Cloud, second: Cloud, p: float, substep: int = 0) -> Cloud:
        u = self._uniform(first.size, random.COIN, substep)
        return Cloud(np.where(u < p, second.x, first.x))

    def pick(self, cloud: Cloud, one_in: int) -> Cloud:
        return Cloud(cloud.x[self._places(cloud, one_in)])

    def put(self, cloud: Cloud, picked: Cloud, one_in: int) -> Cloud:
        x = cloud.x.copy()
        x[self._places(cloud, one_in)] = picked.x
        return Cloud(x)

    def _places(self, cloud: Cloud, one_in: int) -> NDArray[np.intp]:
        """One place, chosen at random, in each of the cloud's size/one_in groups of `one_in`."""
        n = cloud.size // one_in
        u = self._uniform(n, random.PICK, 0)
        return one_in * np.arange(n) + (one_in * u).astype(np.intp)

    def _uniform(self, n: int, purpose: int, substep: int) -> Array:
        """Uniform numbers (n,) in [0, 1) of this step."""
        u = np.empty(n)
        sample.uniforms(u, self.seed, self.step, random.substream(purpose, substep))
        return u

    def resample(self, cloud: Cloud, below: float) -> Cloud:
        """Systematic resampling (Kitagawa 1996): one uniform number for all n."""
        if cloud.effective_size() >= below * cloud.size:
            return cloud
        n, u = cloud.size, self._uniform(1, random.RESAMPLE, 0)[0]
        ends = np.cumsum(cloud.weights)
        chosen = np.searchsorted(ends / ends[-1], (np.arange(n) + u) / n, side="right")
        return Cloud(cloud.x[np.minimum(chosen, n - 1)]).of_mass(cloud.log_mass)

    def effective_size(self, cloud: Cloud) -> float:
        return cloud.effective_size() / cloud.size

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

    def crossed(self, before: Particles, after: Particles) -> float:
        if isinstance(before, tuple) and isinstance(after, tuple):  # of a ladder, the coldest
            before, after = before[0], after[0]
        assert isinstance(before, Cloud)
        assert isinstance(after, Cloud)
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
    n, x = cloud.size, cloud.x
    pieces = [f(x[..., i : i + PIECE], *args).sum(axis=-1) for i in range(0, n, PIECE)]
    return sum(pieces) / n
