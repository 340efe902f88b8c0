"""The fast twin of a network of `nn/network.py`: 16 images in the lanes of a register.

fast = Fast(energy_network(56));     fast.energy(θ, x), fast.langevin(θ, x, 60, …)

θ is the network's flat vector, x (N, H, W) float32 with any N. Each block of 16 images is computed
on its own, in one thread's memory: results are the same bits for any number of threads, and those
of an image do not depend on the images beside it. Sums of gradients are made in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.errors import InputError
from toyflows.kernels.energy_chain import ANY, energy_slope, from_lanes, learn, to_lanes, walk
from toyflows.kernels.lanes import LANES
from toyflows.kernels.tiles import run
from toyflows.limits import check_workers
from toyflows.nn.compiled.passes import Grid, layout
from toyflows.nn.network import Network

Floats = NDArray[np.float32]
Upstream = Floats | Callable[[Floats, slice], Floats]
SHARES = 8  # partial sums of a gradient; also the most threads that can work on one
HEARING = 64  # steps of 16 images in one call: compiled code sees no Ctrl-C, here for 0.1 s


class Fast:
    """Convolutions, swishes and dense layers in a row, on grey square images; InputError else.

    With one output E is that output, with several (a JEM's logits y) E = −log Σ_k exp y_k, and with
    a label E = −y_label. Source: Grathwohl et al., Your classifier is secretly an energy based
    model (2020).
    """

    def __init__(self, network: Network):
        self.network = network
        self.plan = layout(network)
        self.classes = network.shapes[network.nodes[-1].name][0]
        self._idle: list[Floats] = []  # memory of threads that have ended

    def forward(self, θ: Floats, x: Floats, threads: int = 1) -> Floats:
        """The network's output y (N, classes)."""
        x, weights = self._checked(x), self._weights(θ)
        y = np.empty((len(x), self.classes), np.float32)

        def job(here: slice, space: Floats) -> None:
            y[here] = self._forward(x[here], space, weights)

        self._blocks(job, len(x), threads)
        return y

    def energy(
        self, θ: Floats, x: Floats, labels: NDArray[Any] | None = None, threads: int = 1
    ) -> Floats:
        """E (N,)."""
        return energies(self.forward(θ, x, threads), self._labels(labels, len(x)))

    def input_gradient(
        self,
        θ: Floats,
        x: Floats,
        labels: NDArray[Any] | None = None,
        threads: int = 1,
        upstream: Floats | None = None,
    ) -> Floats:
        """∂E/∂x (N, H, W), or ∂L/∂x where upstream (N, classes) = ∂L/∂y is given."""
        x, weights, labels = self._checked(x), self._weights(θ), self._labels(labels, len(x))
        out, plan = np.empty_like(x), self.plan

        def job(here: slice, space: Floats) -> None:
            self._forward(x[here], space, weights)
            g = self._values(space, plan.gy)
            if upstream is None:
                energy_slope(self._values(space, plan.y), g, _lanes_of(labels[here]))
            else:
                _set_lanes(g, upstream[here], len(x[here]))
            run(plan.backward, space, weights)
            run(plan.to_image, space, weights)
            from_lanes(out[here], space, plan.gx.at(), plan.gx.row)

        self._blocks(job, len(x), threads)
        return out

    def langevin(
        self,
        θ: Floats,
        x: Floats,
        steps: int = 60,
        step: float = 10.0,
        noise: float = 0.005,
        clip: float = 0.03,
        seed: int = 0,
        start: int = 0,
        threads: int = 1,
        labels: NDArray[Any] | None = None,
    ) -> Floats:
        """x after `steps` times x ← clip(x − step · clip(∂E/∂x, ±clip) + noise ξ, −1, 1).

        ξ is a function of (seed, number of the step, image), and `start` is the first step's
        number: a chain cut after any step and resumed there is the uninterrupted one.
        """
        if steps < 0 or start < 0:
            raise InputError("steps", (start, steps), "must be 0 or more")
        for name, value in (("step", step), ("noise", noise), ("clip", clip)):
            if not value >= 0:
                raise InputError(name, value, "must be 0 or more")
        x, weights = self._checked(x).copy(), self._weights(θ)
        labels, plan = self._labels(labels, len(x)), self.plan
        tables = plan.forward, plan.backward, plan.to_image
        image = (plan.x.at(), plan.x.row), (plan.gx.at(), plan.gx.row)
        network = *tables, *image, plan.y.at(), plan.gy.at(), self.classes
        sizes = np.float32(step), np.float32(noise), np.float32(clip), seed

        for first in range(start, start + steps, HEARING):
            some = min(HEARING, start + steps - first)

            def job(here: slice, space: Floats, some: int = some, first: int = first) -> None:
                mine, block = _lanes_of(labels[here]), here.start // LANES
                walk(x[here], mine, block, some, first, *sizes, network, space, weights)

            self._blocks(job, len(x), threads)
        return x

    def gradients(
        self, θ: Floats, x: Floats, upstream: Upstream, threads: int = 1
    ) -> NDArray[np.float32]:
        """∂L/∂θ, flat like θ. upstream is ∂L/∂y (N, classes), or a function that gets y of some
        images and their slice and returns it, so that y need not be computed before."""
        x, weights, plan = self._checked(x), self._weights(θ), self.plan
        sums = np.zeros((SHARES, plan.learned), np.float32)

        def job(here: slice, space: Floats, share: int) -> None:
            y = self._forward(x[here], space, weights)
            g = upstream(y, here) if callable(upstream) else upstream[here]
            _set_lanes(self._values(space, plan.gy), g, len(y))
            run(plan.backward, space, weights)
            learn(plan.weights, space, sums[share])

        blocks = -(-len(x) // LANES)
        edges = [share * blocks // SHARES for share in range(SHARES + 1)]

        def part(share: int) -> None:
            self._serve(lambda here, space: job(here, space, share), len(x), *edges[share:][:2])

        parallel(part, SHARES, threads)
        out = np.empty(self.network.size + 1, np.float32)
        out[plan.index[: plan.learned]] = sums.sum(axis=0)
        return out[:-1]

    def _blocks(self, job: Callable[[slice, Floats], None], count: int, threads: int) -> None:
        """job(slice of images, a thread's memory) for each block of 16 images."""
        blocks = -(-count // LANES)
        parallel(lambda block: self._serve(job, count, block, block + 1), blocks, threads)

    def _serve(
        self, job: Callable[[slice, Floats], None], count: int, first: int, last: int
    ) -> None:
        """The blocks first ≤ block < last, in their order, in a memory that no one uses now."""
        try:
            space = self._idle.pop()
        except IndexError:
            space = aligned(self.plan.size)
        for block in range(first, last):
            job(slice(block * LANES, min((block + 1) * LANES, count)), space)
        self._idle.append(space)

    def _forward(self, images: Floats, space: Floats, weights: Floats) -> Floats:
        """y (n, classes) of n ≤ 16 images; their activations stay in `space`."""
        to_lanes(images, space, self.plan.x.at(), self.plan.x.row)
        run(self.plan.forward, space, weights)
        return self._values(space, self.plan.y)[:, : len(images)].T.copy()

    def _values(self, space: Floats, grid: Grid) -> Floats:
        """The (classes, 16) numbers of a grid of one pixel, a view."""
        start = grid.at()
        return space[start : start + self.classes * LANES].reshape(self.classes, LANES)

    def _weights(self, θ: Floats) -> Floats:
        if θ.shape != (self.network.size,):
            raise InputError("θ", θ.shape, f"must be the shape ({self.network.size},)")
        with np.errstate(under="ignore"):  # of a float64 θ
            return np.append(θ.astype(np.float32, copy=False), np.float32(0)).take(self.plan.index)

    def _checked(self, x: Floats) -> Floats:
        side = self.plan.x.pixels
        if x.ndim != 3 or x.shape[1:] != (side, side):
            raise InputError("x", x.shape, f"must be the shape (N, {side}, {side})")
        return np.ascontiguousarray(x, np.float32)

    def _labels(self, labels: NDArray[Any] | None, count: int) -> NDArray[np.int64]:
        if labels is None:
            return np.full(count, ANY)
        good = np.shape(labels) == (count,) and self.classes > 1
        if not good or np.min(labels, initial=0) < ANY or np.max(labels, initial=0) >= self.classes:
            raise InputError("labels", np.shape(labels), f"must be N of −1 … {self.classes - 1}")
        return np.asarray(labels, np.int64)


def energies(y: Floats, labels: NDArray[np.int64] | None = None) -> Floats:
    """E (N,) of outputs y (N, classes); −1 is the label of an image of no particular class."""
    if y.shape[1] == 1:
        return y[:, 0]
    top = y.max(axis=1)
    with np.errstate(under="ignore"):
        E = -top - np.log(np.exp(y - top[:, None]).sum(axis=1))
    if labels is None:
        return E
    chosen = -np.take_along_axis(y, np.maximum(labels, 0)[:, None], axis=1)[:, 0]
    return np.where(labels == ANY, E, chosen)


def probabilities(y: Floats) -> Floats:
    """The classes' exp y_k / Σ_j exp y_j (N, classes)."""
    with np.errstate(under="ignore"):
        p = np.exp(y - y.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)


def energy_upstream(y: Floats) -> Floats:
    """∂E/∂y (N, classes) for E = y of one output, or −log Σ exp y_k of several."""
    return np.ones_like(y) if y.shape[1] == 1 else -probabilities(y)


def cross_entropy_upstream(y: Floats, labels: NDArray[Any]) -> Floats:
    """∂/∂y (N, classes) of −log p_label = −y_label + log Σ exp y_k of each image."""
    g = probabilities(y)
    g[np.arange(len(y)), labels] -= 1
    return g


def _lanes_of(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.pad(labels, (0, LANES - len(labels)), constant_values=ANY)


def _set_lanes(to: Floats, g: Floats, n: int) -> None:
    """to (classes, 16) = g (n, classes); zero in lanes without an image."""
    if g.shape != (n, len(to)):
        raise InputError("upstream", g.shape, f"must be the shape ({n}, {len(to)}) here")
    with np.errstate(under="ignore"):  # of a float64 g
        to[:, :n] = g.T
    to[:, n:] = 0


def aligned(size: int) -> Floats:
    """Zeros (size,) that begin on a cache line."""
    raw = np.zeros(size + LANES, np.float32)
    first = -raw.ctypes.data % (4 * LANES) // 4
    return raw[first : first + size]


def parallel(f: Callable[[int], None], count: int, threads: int) -> None:
    """f(0) … f(count − 1), on `threads` threads."""
    check_workers(threads=threads)
    if min(threads, count) <= 1:
        for k in range(count):
            f(k)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            list(pool.map(f, range(count)))
        except BaseException:  # Ctrl-C: do not wait for what has not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise
