"""The algorithm itself: N walkers, moved by a Numba sweep.

Each particle's noise is a function of (seed, step, walker): the same bits for any number of
threads. Integrands that kernels/sample.py knows are summed there; any other one is summed by
NumPy in pieces, correct and slower. Memory: one float64 a walker and set of particles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from toyflows.backends import pairs
from toyflows.backends.base import (
    PARTNERS,
    WALKER_STEPS_A_CALL,
    LogG,
    Slope,
    check_tilted,
    law_mean,
    method_of,
)
from toyflows.cloud import Array, Cloud
from toyflows.kernels import random, sample, team
from toyflows.kernels.chains import persistent
from toyflows.kernels.langevin import langevin, sorted_responsibility
from toyflows.kernels.metropolis import metropolis
from toyflows.kernels.random import BLOCK
from toyflows.kernels.swap import swap_pairs
from toyflows.kernels.weighted import weighted
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
    memory: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    name = "walkers"
    sums_apart: ClassVar[bool] = False
    # What `persistent` can do, sweep and kernel, and what it records beyond the four columns.
    sweeps = MappingProxyType({
        ("plain", "ula"): (), ("plain", "mala"): (), ("work", "ula"): ("log_Z", "effective_size"),
    })  # fmt: skip

    @property
    def mixture(self) -> Mixture:
        return self.target.mixture

    def at(self, step: int) -> Walkers:
        return replace(self, step=step)

    def with_step(self, h: float) -> Walkers:
        return replace(self, h=h)

    def remembering(self, memory: dict[str, Any]) -> Walkers:
        return replace(self, memory=memory)

    def rng(self, stream: int = 0) -> np.random.Generator:
        return np.random.default_rng((self.seed, self.step, stream))

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

    def noise(self, spread: float, many: int = 1, substep: int = 0) -> Cloud:
        x = self._normals_of(many * self.walkers, random.substream(random.NOISE, substep))
        return Cloud(self.mixture.m + spread * x)

    def noised(self, σ: float, substep: int = 0, sharp: bool = False) -> Cloud:
        x, pairs = self.data_particles().x, np.empty((2, self.walkers))
        seed, step, stream = self.seed, self.step, random.substream(random.NOISE, substep)
        self._share(
            x.size, lambda lo, hi: sample.add_noise(x, pairs, lo, hi, seed, step, stream, σ)
        )
        return Cloud(pairs)

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
        y = self._moved(cloud.x, θ, substep, kernel, temperature, slope)
        if log_g is None:
            return Cloud(y, cloud.logw)
        gain = self._pieces(cloud.size, lambda i: log_g(cloud.x[..., i], y[..., i], *args))
        return Cloud(y, gain if cloud.logw is None else cloud.logw + gain)

    def _moved(
        self, x: Array, θ: float, substep: int, kernel: str, T: float, slope: Slope | None
    ) -> Array:
        """Where the walkers are after a step of the kernel."""
        y, mix = x.copy(), self.mixture
        seed, step, stream = self.seed, self.step, random.substream(random.MOVE, substep)
        model = self.h, T, mix.a, mix.b, θ
        if kernel == "mala":
            accept = random.substream(random.ACCEPT, substep)
            self._share(
                y.size, lambda lo, hi: metropolis(y, lo, hi, seed, step, stream, accept, *model)
            )
        else:
            self._share(y.size, lambda lo, hi: langevin(y, lo, hi, seed, step, stream, *model))
        return y if slope is None else y - self.h * slope(x)  # the drift is linear in the slope

    def _pieces(self, n: int, f: Callable[[slice], Array]) -> Array:
        """f of all n points."""
        return f(slice(n))

    def underdamped(
        self,
        cloud: Cloud,
        v: Array,
        θ: float,
        *,
        friction: float = 1.0,
        temperature: float = 1.0,
        substep: int = 0,
        slope: Slope | None = None,
    ) -> tuple[Cloud, Array]:
        def kick(x: Array) -> Array:
            F = self.mixture.dU_dx(x, θ)
            return 0.5 * self.h * (F if slope is None else F + slope(x))

        ξ = self._normals_of(cloud.size, random.substream(random.MOVE, substep))
        c = math.exp(-friction * self.h)
        v = v - kick(cloud.x)
        x = cloud.x + 0.5 * self.h * v
        v = c * v + math.sqrt(temperature * (1 - c * c)) * ξ
        x = x + 0.5 * self.h * v
        return Cloud(x, cloud.logw), v - kick(x)

    def _normals_of(self, n: int, stream: int) -> Array:
        """Unit normals (n,) of this step."""
        ξ = np.empty(n)
        random.normals(ξ, self.seed, self.step, stream)
        return ξ

    def mean_of_pairs(
        self, first: Cloud, second: Cloud, f: Callable[..., Any], *args: Any, substep: int = 0
    ) -> Any:
        data = self.target.data
        if first is data or second is data:
            if first.size * second.size <= pairs.MOST_PAIRS:
                return pairs.of_all(first, second, f, *args)
            drawn = self.data_particles()
            first, second = (drawn if cloud is data else cloud for cloud in (first, second))
        n = first.size
        u = self._uniform(PARTNERS, random.PICK, 1 + substep)
        shifts = [1 + int(part * (n - 1)) for part in u.tolist()]
        return pairs.of_partners(first, second, shifts, f, *args)

    def blend(self, first: Cloud, second: Cloud, p: float, substep: int = 0) -> Cloud:
        u = self._uniform(first.size, random.COIN, substep)
        return Cloud(np.where(u < p, second.x, first.x))

    def pick(self, cloud: Cloud, one_in: int) -> Cloud:
        return Cloud(cloud.x[..., self._places(cloud, one_in)])

    def put(self, cloud: Cloud, picked: Cloud, one_in: int) -> Cloud:
        x = cloud.x.copy()
        x[..., self._places(cloud, one_in)] = picked.x
        return Cloud(x)

    def swap(
        self, cold: Cloud, hot: Cloud, θ: float, T_cold: float, T_hot: float, substep: int = 0
    ) -> tuple[Cloud, Cloud]:
        """Partners are a random rotation apart: walkers have no neighbours, so it is as good as any
        permutation, and `hot` is handed back in the order of its partners."""
        u = self._uniform(1, random.SWAP, 2 * substep)[0]
        x, z, mix = cold.x.copy(), np.roll(hot.x, int(u * hot.size)), self.mixture
        seed, step, stream = self.seed, self.step, random.substream(random.SWAP, 2 * substep + 1)
        δ = 1 / T_cold - 1 / T_hot
        self._share(
            x.size, lambda lo, hi: swap_pairs(x, z, lo, hi, seed, step, stream, δ, mix.a, mix.b, θ)
        )
        return Cloud(x), Cloud(z)

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
        if below <= 0 or cloud.effective_size() >= below * cloud.size:
            return cloud
        n, u = cloud.size, self._uniform(1, random.RESAMPLE, 0)[0]
        ends = np.cumsum(cloud.weights)
        chosen = np.searchsorted(ends / ends[-1], (np.arange(n) + u) / n, side="right")
        return Cloud(cloud.x[..., np.minimum(chosen, n - 1)]).of_mass(cloud.log_mass)

    def effective_size(self, cloud: Cloud) -> float:
        return cloud.effective_size() / cloud.size

    def mean(self, cloud: Cloud, integrand: Callable[..., Any], *args: float) -> Any:
        own = method_of(self.mixture, integrand)
        if cloud is self.target.data:
            if own is RESPONSIBILITY:
                return self._data_responsibility(*args)
            return law_mean(self.mixture, cloud, integrand, *args)
        if cloud.logw is None and own in SUMS:
            return SUMS[own](self, cloud.x, *args)
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

    def a_call(self, cloud: Cloud) -> int:
        """How many steps `persistent` may make before Ctrl-C is heard."""
        return max(1, WALKER_STEPS_A_CALL // cloud.size)

    def persistent(
        self, sweep: str, kernel: str, step: int, cloud: Cloud, θ: float, steps: int, η: float,
        below: float = 0.0,
    ) -> tuple[Cloud, float, Array]:  # fmt: skip
        """`steps` steps of persistent chains from step `step` on in one kernel: chains, θ, path.

        Those of "plain" are (mean, θ ← θ + η θ̇, move), bit for bit; those of "work" move with
        weights `Mixture.work`, and stop after the step after which the chains are resampled, if
        any. cloud is changed in place. path (steps done, 4 or 6): θ, θ̇, share of the chains in b
        and how many crossed, of each step, then what `sweeps` names.
        """
        if sweep == "work":
            return self._work(step, cloud, θ, steps, η, below)
        x, mala = cloud.x, True if kernel == "mala" else None
        path = np.empty((steps, 4))
        θ = self._team(
            persistent, x, steps, x, steps, self.seed, step, *self._model(η, θ), path, mala
        )
        path[:, 2] /= x.size
        return cloud, θ, path

    def _work(
        self, step: int, cloud: Cloud, θ: float, steps: int, η: float, below: float
    ) -> tuple[Cloud, float, Array]:
        """The kernel sees only after a step that the weights before it were too uneven: it is run
        again from the start up to there. Whether they were is decided by `resample` alone."""
        x, logw = cloud.x, cast(Array, cloud.logw)
        start = (x.copy(), logw.copy()) if below > 0 else (x, logw)
        θ_end, done, path = self._weigh(step, x, logw, θ, steps, η, below * (1 + 1e-9))
        if done < steps:
            x, logw = start
            θ_end, _, path = self._weigh(step, x, logw, θ, done, η, 0.0)
        # A new Cloud: the old one may know the weights that it had.
        return self.at(step + done - 1).resample(Cloud(x, logw), below), θ_end, path

    def _weigh(
        self, step: int, x: Array, logw: Array, θ: float, steps: int, η: float, below: float
    ) -> tuple[float, int, Array]:
        """weighted (kernels/weighted.py): θ, steps done, path."""
        scratch, path, model = np.empty(x.size), np.empty((steps, 6)), self._model(η, θ)
        θ, done = self._team(
            weighted, x, steps, x, logw, scratch, steps, self.seed, step, *model, below, path
        )
        return θ, done, path

    def _model(self, η: float, θ: float) -> tuple[Any, ...]:
        """What the kernels of persistent chains know of the model and the data."""
        return self.h, η, self.mixture.a, self.mixture.b, θ, *self._sorted_data

    def _team(self, kernel: Callable[..., Any], x: Array, steps: int, *args: Any) -> Any:
        """kernel(rank, size, its counters, its block sums, *args) on the team."""
        sync, sums = team.new_sync(self.threads), np.empty((2, _blocks(x.size), 6))
        return self._pace.run(lambda rank, of: kernel(rank, of, sync, sums, *args), steps * x.size)

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

    def _sum(self, x: Array, kernel: Callable[..., None], *args: float | Array) -> Array:
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


RESPONSIBILITY = Mixture.responsibility


def _responsibility(ops: Walkers, x: Array, θ: float) -> Any:
    return ops._sum(x, sample.sum_responsibility, ops.mixture.d, ops.mixture.m, θ)[0]


def _hyvärinen(ops: Walkers, x: Array, θ: float) -> Any:
    mix = ops.mixture
    return ops._sum(x, sample.sum_hyvärinen, mix.a, mix.d, mix.m, θ)[0]


def _discriminator(ops: Walkers, x: Array, *args: float) -> Any:
    return ops._sum(x, sample.sum_discriminator, ops.mixture.d, ops.mixture.m, *args)


def _denoising(ops: Walkers, pairs: Array, *args: float) -> Any:
    (y, ε), mix = pairs, ops.mixture
    return ops._sum(y, sample.sum_denoising, ε, mix.a, mix.d, mix.m, *args)[0]


def _in_b(ops: Walkers, x: Array) -> Any:
    return ops._sum(x, sample.count_in_b, ops.mixture.m)[0]


# The sums that a kernel knows, by the method of the mixture that each stands for.
SUMS: dict[Any, Callable[..., Any]] = {
    RESPONSIBILITY: _responsibility,
    Mixture.hyvärinen: _hyvärinen,
    Mixture.discriminator: _discriminator,
    Mixture.denoising: _denoising,
    Mixture.in_b: _in_b,
}


def _blocks(n: int) -> int:
    return math.ceil(n / BLOCK)


def _mean_in_pieces(cloud: Cloud, f: Callable[..., Any], *args: float) -> Any:
    if cloud.logw is not None:
        with np.errstate(under="ignore"):  # w·f below the smallest float is zero
            return f(cloud.x, *args) @ cloud.weights
    n, x = cloud.size, cloud.x
    pieces = [f(x[..., i : i + PIECE], *args).sum(axis=-1) for i in range(0, n, PIECE)]
    return sum(pieces) / n
