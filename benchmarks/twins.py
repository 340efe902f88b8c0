"""Each compiled operation against its plain NumPy form: is it worth being compiled?

    python benchmarks/twins.py [--rounds N] [--only walkers,law,…] [--out FILE.md]

A row is an operation as the product calls it, and what one would write in NumPy; the two take turns
in one process on one thread, and the clock is its CPU time. Random numbers of the NumPy form come
from a Generator with SFC64, the fastest there is. That both give the same is tested in tests/, for
each kernel; here only the shapes are compared. Goal: at least 1.3 times faster.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import report
import turns
from turns import ONE_THREAD, SEED, in_fresh_process

LEAST = 1.3
N = 100_000  # walkers
Work = Callable[[], Any]
Row = tuple[str, Work, Work]  # name, ours, NumPy's


def generator() -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(SEED))


def walkers() -> Iterator[Row]:
    """Moves and means of 10⁵ walkers between two modes, d = 8."""
    from toyflows.backends.walkers import Walkers
    from toyflows.cloud import Cloud
    from toyflows.target import Target

    ops, rng, θ, h = Walkers(Target.exact(0.7, 8.0), 0.05, N), generator(), 0.3, 0.05
    mix, cloud = ops.mixture, Walkers(Target.exact(0.7, 8.0), 0.05, N).model(0.3)
    x, data = cloud.x, ops.data()
    hot, pairs = Cloud(np.roll(x, 7)), ops.noised(0.5)

    def proposed() -> Any:
        return mix.langevin(x, θ, h, rng.standard_normal(N))

    def mala() -> Any:
        y = proposed()
        return np.where(rng.random(N) < np.exp(np.minimum(mix.work(x, y, θ, θ, h), 0)), y, x)

    def exchanged() -> Any:
        z, coin = rng.permutation(hot.x), rng.random(N)
        swapped = coin < np.exp(np.minimum(0.5 * (mix.energy(x, θ) - mix.energy(z, θ)), 0))
        return np.where(swapped, z, x), np.where(swapped, x, z)

    def drawn() -> Any:
        return np.where(rng.random(N) < mix.weight_b(θ), mix.b, mix.a) + rng.standard_normal(N)

    yield "Langevin step", partial(ops.move, cloud, θ), proposed
    yield "MALA step", partial(ops.move, cloud, θ, kernel="mala"), mala
    yield "exchange of temperatures", partial(ops.swap, cloud, hot, θ, 1.0, 2.0), exchanged
    yield "draws of ρ_θ", partial(ops.model, θ), drawn
    yield "noise of data", partial(ops.noised, 0.5), lambda: drawn() + 0.5 * rng.standard_normal(N)
    yield "mean of ∂_θU", partial(ops.mean, cloud, mix.responsibility, θ), (
        lambda: mix.responsibility(x, θ).mean())  # fmt: skip
    yield "mean of Hyvärinen's loss", partial(ops.mean, cloud, mix.hyvärinen, θ), (
        lambda: mix.hyvärinen(x, θ).mean())  # fmt: skip
    yield "means of a discriminator", partial(ops.mean, cloud, mix.discriminator, θ, 0.0, 0.0), (
        lambda: mix.discriminator(x, θ, 0.0, 0.0).mean(axis=1))  # fmt: skip
    yield "mean of denoising", partial(ops.mean, pairs, mix.denoising, θ, 0.5, 0.5), (
        lambda: mix.denoising(pairs.x, θ, 0.5, 0.5).mean())  # fmt: skip
    yield "share of mode b", partial(ops.mean, cloud, mix.in_b), lambda: mix.in_b(x).mean()
    yield "mean over the data's nodes", partial(ops.mean, data, mix.responsibility, θ), (
        lambda: mix.responsibility(data.x, θ) @ data.weights)  # fmt: skip


def law() -> Iterator[Row]:
    """A step of the exact law, d = 20 (about 1500 nodes), against the same band in NumPy."""
    from toyflows.backends.grid import Grid
    from toyflows.target import Target

    ops, θ, h = Grid(Target.exact(0.7, 20.0), 0.05), 0.3, 0.05
    mix, x, fresh = ops.mixture, ops.x, itertools.count()
    cloud = ops.move(ops.model(θ), θ)
    wider = ops.move(ops.move(cloud, θ, temperature=2.0), θ, temperature=2.0)

    def at() -> float:  # another θ each time, as in a run: nothing is remembered
        return θ + 1e-6 * next(fresh)

    def band(now: float, reach: int, log_g: Any = None) -> tuple[Any, Any]:
        """Places (n, 2 reach + 1) to which each node sends, and how much of it."""
        to = (x - h * mix.dU_dx(x, now) - x[0]) / ops.dx
        j = np.rint(to).astype(int)[:, None] + np.arange(-reach, reach + 1)
        log_P = -((j - to[:, None]) ** 2) * (ops.dx**2 / (4 * h))
        if log_g is not None:
            log_P += log_g(x[:, None], x[0] + ops.dx * j, now)
        return j, ops.dx / math.sqrt(4 * math.pi * h) * np.exp(log_P)

    def summed(j: Any, sent: Any) -> Any:
        inside = np.clip(j, 0, x.size - 1)
        return np.bincount(inside.ravel(), sent.ravel(), x.size)

    near = math.ceil(9 * math.sqrt(2 * h) / ops.dx)  # as far as the kernel goes
    far = near + math.ceil(h * float(np.abs(mix.dU_dx(x, θ)).max()) / ops.dx)

    def ula() -> Any:
        j, P = band(at(), near)
        return summed(j, cloud.weights[:, None] * P)

    def mala() -> Any:
        j, P = band(at(), far, lambda x, y, θ: np.minimum(mix.work(x, y, θ, θ, h), 0.0))
        stays = cloud.weights * (1 - P.sum(axis=1))
        return summed(j, cloud.weights[:, None] * P) + stays

    def weighted() -> Any:
        j, P = band(at(), far, lambda x, y, θ: mix.work(x, y, θ, θ + 0.01, h))
        return summed(j, cloud.weights[:, None] * P)

    def acceptance() -> Any:
        i, j = ops._common(cloud.x, wider.x)
        U, w, v = mix.energy(cloud.x[i], θ), cloud.weights[i], wider.weights[j]
        A = np.exp(np.minimum(0.5 * (U[:, None] - U[None, :]), 0.0))
        return w * (A @ v), v * (A.T @ w)

    def tilted() -> Any:
        now = at()
        return ops.move(cloud, now, log_g=mix.work, args=(now, now + 0.01, h))

    yield "exact law, Langevin", lambda: ops.move(cloud, at()), ula
    yield "exact law, MALA", lambda: ops.move(cloud, at(), kernel="mala"), mala
    yield "exact law, weights", tilted, weighted
    yield "exact law, exchange", lambda: ops.swap(cloud, wider, at(), 1.0, 2.0), acceptance


def modes() -> Iterator[Row]:
    """Three modes in the plane: 10⁵ walkers, and the law on nodes."""
    from toyflows.backends.plane import spread
    from toyflows.modes.family import Modes
    from toyflows.modes.target import target_of
    from toyflows.modes.walkers import ModesWalkers

    mix = Modes([[0.0, 0.0], [6.0, 0.0], [3.0, 5.0]], 1.0)
    ops = ModesWalkers(target_of(mix, [0.0, 1.0, 0.5], None), 0.05, N)
    θ, rng = np.array([0.5, 0.2]), generator()
    cloud = ops.model(θ)
    x, ends = cloud.x, np.cumsum(mix.weights(θ))

    def moved() -> Any:
        return x - 0.05 * mix.dU_dx(x, θ) + math.sqrt(0.1) * rng.standard_normal(x.shape)

    def drawn() -> Any:
        k = np.searchsorted(ends, rng.random(N))
        return mix.positions[np.minimum(k, 2)].T + rng.standard_normal((2, N))

    axes = [np.arange(60.0), np.arange(50.0)]
    f = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")]) * 0.9 + 1.3
    w = np.full(f.shape[1], 1 / f.shape[1])

    def spread_plainly() -> Any:
        rows, columns = (np.exp(-((a[None, :] - g[:, None]) ** 2) / 18) / math.sqrt(18 * math.pi)
                         for a, g in zip(axes, f, strict=True))  # fmt: skip
        return (rows * w[:, None]).T @ columns

    yield "K modes, Langevin step", partial(ops.move, cloud, θ), moved
    yield "K modes, mean of r", partial(ops.mean, cloud, mix.responsibility, θ), (
        lambda: mix.responsibility(x, θ).mean(axis=1))  # fmt: skip
    yield "K modes, shares", partial(ops.mean, cloud, mix.in_b), lambda: mix.in_b(x).mean(axis=1)
    yield "K modes, draws", partial(ops.model, θ), drawn
    yield "law in a plane, a step", partial(spread, w, f, axes, 9.0), spread_plainly


def lattice() -> Iterator[Row]:
    """Networks of spins; the Ising model's rows are in ising.py."""
    from toyflows.kernels.rbm import draw_units
    from toyflows.lattice.boltzmann import Boltzmann
    from toyflows.lattice.hopfield import hebb
    from toyflows.lattice.rbm import RBM, Law

    rng = generator()
    patterns = np.sign(rng.standard_normal((5, 784)))
    net, start = hebb(patterns), np.sign(patterns + 0.8 * rng.standard_normal((5, 784)))

    def settled() -> Any:
        s = start.copy()
        for row in s:
            for _ in range(2):
                for i in rng.permutation(784):
                    row[i] = 1.0 if net.W[i] @ row + net.b[i] >= 0 else -1.0
        return s

    half = rng.standard_normal((20, 20)) / 8
    W = half + half.T
    np.fill_diagonal(W, 0.0)
    machine, S = Boltzmann(W, np.zeros(20)), np.sign(rng.standard_normal((2000, 20)))

    def bathed() -> Any:
        s = S.copy()
        for i in range(20):
            p = 1 / (1 + np.exp(-2 * (s @ W[i])))
            s[:, i] = np.where(rng.random(2000) < p, 1.0, -1.0)
        return s

    v = (rng.random((1000, 784)) < 0.3).astype(np.float32)
    rbm = RBM.new(v, 256, rng)
    small = RBM.new(v[:, :60], 16, rng, 0.1)

    x, ones, p = v @ rbm.W, np.ones(len(v)), np.empty((len(v), 256), np.float32)
    h = p.copy()

    def units() -> Any:
        p = 1 / (1 + np.exp(-(x + rbm.b)))
        return p, (rng.random(p.shape, np.float32) < p).astype(np.float32)

    def enumerated() -> Any:
        states = (np.arange(1 << 16)[:, None] >> np.arange(16) & 1).astype(float)
        return states @ small.b + np.logaddexp(0.0, states @ small.W.T + small.a).sum(axis=1)

    yield "Hopfield, two sweeps of five letters", partial(net.settle, start, sweeps=2), settled
    yield "Boltzmann machine, a sweep", partial(machine.sweeps, S, 1, 0), bathed
    yield "RBM, units given activations", lambda: draw_units(x, rbm.b, ones, p, h, 0, 0, 0), units
    yield "RBM, free energies", partial(rbm.free_energy, v), (
        lambda: -v @ rbm.a - np.logaddexp(0.0, v @ rbm.W + rbm.b).sum(axis=1))  # fmt: skip
    yield "RBM, all states", lambda: Law.of(small), enumerated


def networks() -> Iterator[Row]:
    """The energy of images, the networks of points and of images, Adam."""
    from toyflows.images.sgld import Chain, Plain
    from toyflows.nn import compiled, mlp
    from toyflows.nn.network import energy_network
    from toyflows.nn.optimise import Adam
    from toyflows.nn.reference import Reference
    from toyflows.nn.unet import unet

    rng = generator()
    energy = energy_network(28)
    θ, images = energy.init(rng), rng.uniform(-1, 1, (64, 28, 28)).astype(np.float32)
    fast, plain, chain = compiled.of_energy(energy), Plain(energy), Chain(steps=2)
    g = np.full((64, 1), 1 / 64, np.float32)
    yield "energy of images, two steps of a chain", (
        partial(fast.langevin, θ, images, 2, chain.step, chain.noise, chain.clip, 0, 0)), (
        partial(plain.langevin, θ, images, chain, 0, 0, None))  # fmt: skip
    yield "energy of images, gradient", (
        partial(fast.gradients, θ, images, lambda f, here: g[here])), (
        partial(plain.gradients, θ, images, g))  # fmt: skip
    for name, network, shape in (
        ("points", mlp(), (2048, 2)),
        ("images", unet(28), (16, 28, 28, 1)),
    ):
        make = compiled.of_points if name == "points" else compiled.of_images
        quick, slow = make(network), Reference(network, mean=name == "images")
        w, x = network.init(rng), rng.standard_normal(shape).astype(np.float32)
        t, to = rng.uniform(0, 1, len(x)).astype(np.float32), rng.standard_normal(shape)
        to = to.astype(np.float32)
        yield f"network of {name}, forward", partial(quick.forward, w, x, t), (
            partial(slow.forward, w, x, t))  # fmt: skip
        yield f"network of {name}, loss and gradient", (
            partial(quick.loss_and_gradient, w, x, t, to)), (
            partial(slow.loss_and_gradient, w, x, t, to))  # fmt: skip
    z, m, s, slope = rng.standard_normal((4, 500_000)).astype(np.float32)
    adam, s = Adam.at(z), np.abs(s)

    def plainly() -> Any:
        m[:] = 0.9 * m + np.float32(0.1) * slope
        s[:] = 0.999 * s + np.float32(0.001) * slope**2
        z[:] -= np.float32(1e-3) * (m / np.float32(0.1)) / (np.sqrt(s / np.float32(0.5)) + 1e-8)

    yield "Adam, 500,000 weights", partial(adam.step, z.copy(), slope, 1e-3), plainly


PARTS = {part.__name__: part for part in (walkers, law, modes, lattice, networks)}


def measure(part: str, rounds: int) -> list[tuple[str, list[float], list[float]]]:
    """Milliseconds of each row of a part: ours and NumPy's."""
    clock = turns.clock_of(1)
    found = []
    with np.errstate(all="ignore"):
        for name, ours, theirs in PARTS[part]():
            cases = {"ours": {name: (ours, 1)}, "NumPy": {name: (theirs, 1)}}
            for jobs in cases.values():
                jobs[name][0]()  # warm
            times = turns.in_turns(cases, rounds, clock)[name]
            found.append((name, times["ours"], times["NumPy"]))
    return found


def main() -> int:
    """Prints the table; returns 1 where a kernel is not worth it."""
    parser = turns.arguments(__doc__, 15)
    parser.add_argument("--only", default=",".join(PARTS))
    args = parser.parse_args()
    rows, slow = [["ms of CPU, median", "ours", "NumPy", "times faster", f"≥ {LEAST}"]], False
    page = report.Page(__doc__, args.out)
    for part in args.only.split(","):
        for name, ours, theirs in in_fresh_process(measure, part, args.rounds, env=ONE_THREAD):
            ratio = median(theirs) / median(ours)
            slow |= ratio < LEAST
            rows.append([name, f"{median(ours):.3f}", f"{median(theirs):.3f}", f"{ratio:.2f}",
                         "yes" if ratio >= LEAST else "NO"])  # fmt: skip
    page.publish(report.table(rows))
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
