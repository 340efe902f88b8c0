"""The fast twin of `unet.unet`: 16 images in the lanes of a register.

fast = FastUNet(unet());     fast.forward(θ, x, t), fast.loss_and_gradient(θ, x, t, target)

θ is the network's flat vector, x (N, size, size, 1) float32 with any N, t (N,) or one time for all.
Where the network has classes, labels (N,) or one for all: the label `classes`, or no label, means
no class. Each block of 16 images is computed on its own, in one thread's memory: results are the
same bits for any number of threads, and those of an image do not depend on the images beside it.
Sums over images are made in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toyflows.errors import InputError
from toyflows.kernels.energy_chain import from_lanes, to_lanes
from toyflows.kernels.lanes import LANES
from toyflows.kernels.program import play
from toyflows.kernels.winograd import KERNEL, WIDE
from toyflows.nn.compiled.energy import SHARES, aligned, parallel
from toyflows.nn.compiled.passes import Grid
from toyflows.nn.compiled.unet_passes import Layout
from toyflows.nn.embeddings import ClassEmbedding, TimeEmbedding
from toyflows.nn.image_layers import GroupNorm
from toyflows.nn.layers import Dense
from toyflows.nn.network import Network
from toyflows.nn.unet import unet

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class FastUNet:
    """A network that `unet` made, its channels multiples of 32; InputError else."""

    def __init__(self, network: Network):
        self.network = _checked(network)
        self.layout = Layout(network)
        layers = {node.name: node.layer for node in network.nodes}
        self._time = cast(TimeEmbedding, layers["time"])
        self._table = cast(ClassEmbedding | None, layers.get("class"))
        self.classes = self._table.classes - 1 if self._table else 0
        self._idle: list[Floats] = []  # memory of threads that have ended

    def forward(
        self,
        θ: Floats,
        x: Floats,
        t: ArrayLike,
        labels: ArrayLike | None = None,
        threads: int = 1,
    ) -> Floats:
        """f(x, t) (N, size, size, 1)."""
        x, weights = self._images("x", x, len(x)), self._weights(θ)
        features = self._features(θ, t, self._labels(labels, len(x)))
        y, nothing = np.empty_like(x), np.zeros(0, np.float32)

        def job(block: int) -> None:
            here, space = _images_of(block, len(x)), self._space()
            self._forward(x[here], features[here], space, weights, nothing)
            from_lanes(y[here], space, self.layout.y.at(), self.layout.y.row)
            self._idle.append(space)

        parallel(job, -(-len(x) // LANES), threads)
        return y[..., None]

    def loss_and_gradient(
        self,
        θ: Floats,
        x: Floats,
        t: ArrayLike,
        target: Floats,
        weight: ArrayLike = 1.0,
        labels: ArrayLike | None = None,
        threads: int = 1,
    ) -> tuple[float, Floats]:
        """L = 1/N Σ_n weight_n · mean over pixels of (f(x_n, t_n) − target_n)², and ∂L/∂θ."""
        x, target = self._images("x", x, len(x)), self._images("target", target, len(x))
        chosen, weights = self._labels(labels, len(x)), self._weights(θ)
        features = self._features(θ, t, chosen)
        w = _spread("weight", weight, len(x)).astype(np.float32) / max(x.size, 1)
        blocks = -(-len(x) // LANES)
        shares = max(min(SHARES, blocks), 1)
        loss, sent = np.zeros(len(x)), np.zeros_like(features)
        gradients = np.zeros((shares, self.network.size + 1), np.float32)

        def upstream(y: Floats, here: slice) -> Floats:
            with np.errstate(under="ignore"):
                r = y - target[here]
                g = w[here, None, None] * r
                loss[here] = np.sum(g * r, axis=(1, 2), dtype=np.float64)
                return 2 * g

        def job(share: int) -> None:
            space, sums = self._space(), self._sums()
            for block in range(share * blocks // shares, (share + 1) * blocks // shares):
                here = _images_of(block, len(x))
                self._forward(x[here], features[here], space, weights, sums)
                self._backward(upstream, here, space, weights, sums)
                sent[here] = self._rows(space, self.layout.gfeatures, here)
            self._scatter(sums, gradients[share])
            self._idle.append(space)

        parallel(job, shares, threads)
        with np.errstate(under="ignore"):
            out = gradients.sum(axis=0)[:-1]
        if self._table:
            E = self.network.views(out)["class"]
            E["E"][...] = self._table.weights(E, chosen, sent)["E"]
        return float(loss.sum()), out

    def _forward(
        self, images: Floats, features: Floats, space: Floats, weights: Floats, sums: Floats
    ) -> None:
        """The values of n ≤ 16 images; they stay in `space`."""
        plan = self.layout
        to_lanes(images, space, plan.x.at(), plan.x.row)
        rows = _lanes(space, plan.features)
        rows[: features.shape[1], : len(features)] = features.T
        rows[:, len(features) :] = 0
        play(plan.forward, plan.tables, space, weights, sums)

    def _backward(
        self,
        upstream: Callable[[Floats, slice], Floats],
        here: slice,
        space: Floats,
        weights: Floats,
        sums: Floats,
    ) -> None:
        """sums += the gradients of the weights of these images."""
        plan, side = self.layout, self.layout.x.pixels
        y = np.empty((here.stop - here.start, side, side), np.float32)
        from_lanes(y, space, plan.y.at(), plan.y.row)
        g = upstream(y, here)
        to_lanes(g, space, plan.gy.at(), plan.gy.row)
        with np.errstate(under="ignore"):
            sums[plan.last_bias] += g.sum()
        play(plan.backward, plan.tables, space, weights, sums)

    def _scatter(self, sums: Floats, out: Floats) -> None:
        """out (size + 1,) = the gradient whose sums these are."""
        plan = self.layout
        out[plan.index[: plan.learned]] = sums[: plan.learned]
        out[plan.own_bias] = sums[plan.bias]
        with np.errstate(under="ignore"):
            out[plan.taught] = KERNEL.T @ sums[plan.learned :].reshape(len(KERNEL), -1)

    def _sums(self) -> Floats:
        """Room for those of gradients."""
        return np.zeros(self.layout.learned + len(KERNEL) * self.layout.taught.shape[1], np.float32)

    def _space(self) -> Floats:
        """A memory that no one uses now."""
        try:
            return self._idle.pop()
        except IndexError:
            return aligned(self.layout.size)

    def _rows(self, space: Floats, grid: Grid, here: slice) -> Floats:
        """(images, numbers) of a grid of one pixel."""
        return _lanes(space, grid)[: self._time.outputs, : here.stop - here.start].T

    def _weights(self, θ: Floats) -> Floats:
        if θ.shape != (self.network.size,):
            raise InputError("θ", θ.shape, f"must be the shape ({self.network.size},)")
        plan = self.layout
        with np.errstate(under="ignore"):  # of a float64 θ, and of small weights
            θ = np.append(θ.astype(np.float32, copy=False), np.float32(0))
            weights = np.concatenate((θ.take(plan.index), (KERNEL @ θ[plan.kernels]).ravel()))
            weights[plan.bias] += θ[plan.own_bias]
        return weights

    def _images(self, name: str, x: Floats, count: int) -> Floats:
        """(N, size, size), contiguous."""
        side = self.layout.x.pixels
        if x.shape != (count, side, side, 1):
            raise InputError(name, x.shape, f"must be the shape (N, {side}, {side}, 1)")
        with np.errstate(under="ignore"):  # of a float64 x
            return np.ascontiguousarray(x[..., 0], np.float32)

    def _features(self, θ: Floats, t: ArrayLike, labels: Integers) -> Floats:
        """The embedded times, and classes (N, numbers)."""
        times = _spread("t", t, len(labels)).astype(np.float32)
        features = self._time.forward({}, times)[0]
        if self._table:
            features = features + self._table.forward(self.network.views(θ)["class"], labels)[0]
        return features.astype(np.float32, copy=False)

    def _labels(self, labels: ArrayLike | None, count: int) -> Integers:
        if labels is not None and not self._table:
            raise InputError("labels", np.shape(labels), "this network has no classes")
        return _spread("labels", self.classes if labels is None else labels, count).astype(np.int64)


def _checked(network: Network) -> Network:
    """A network as `unet` makes it."""
    layers = {node.name: node.layer for node in network.nodes}
    try:
        a, b = network.shapes["first"][-1], network.shapes["middle"][-1]
        time, embed = cast(TimeEmbedding, layers["time"]), cast(Dense, layers["embed"])
        norm, table = cast(GroupNorm, layers["first.norm"]), layers.get("class")
        classes = cast(ClassEmbedding, table).classes - 1 if table else 0
        side = network.shapes["x"][0]
        made = unet(side, (a, b), time.outputs, classes, embed.outputs, norm.groups)
        good = list(made.nodes) == list(network.nodes)
    except KeyError:
        good = False
    if not good:
        raise InputError("network", tuple(network.inputs), "must be one that unet made")
    if a % WIDE or b % WIDE:
        raise InputError("channels", (a, b), f"must be multiples of {WIDE}")
    return network


def _images_of(block: int, count: int) -> slice:
    return slice(block * LANES, min((block + 1) * LANES, count))


def _lanes(space: Floats, grid: Grid) -> Floats:
    """The (channels, 16) numbers of a grid of one pixel, a view."""
    start = grid.at()
    return space[start : start + grid.step].reshape(-1, LANES)


def _spread(name: str, values: ArrayLike, count: int) -> NDArray[np.generic]:
    """One value for all, or one for each image, as (count,)."""
    if np.shape(values) not in ((), (count,)):
        raise InputError(name, np.shape(values), f"must be one, or the shape ({count},)")
    return np.broadcast_to(values, count)
