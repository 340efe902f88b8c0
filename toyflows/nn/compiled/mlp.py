"""The fast twin of `network.mlp`: 16 points in the lanes of a register.

fast = FastMLP(mlp());     fast.forward(θ, x, t), fast.loss_and_gradient(θ, x, t, target)

θ is the network's flat vector, x (N, inputs) float32 with any N, t (N,) or one time for all. Where
the network has classes, labels (N,) or one for all: the label `classes`, or no label, means no
class. A point's results do not depend on the points beside it, and sums over points are made in a
fixed order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toyflows.errors import InputError
from toyflows.kernels.energy_chain import learn
from toyflows.kernels.lanes import LANES
from toyflows.kernels.tiles import run
from toyflows.nn.compiled.energy import aligned
from toyflows.nn.compiled.mlp_passes import BLOCKS, layout
from toyflows.nn.embeddings import ClassEmbedding, TimeEmbedding
from toyflows.nn.layers import Dense
from toyflows.nn.network import Network, mlp

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Upstream = Floats | Callable[[Floats, slice], Floats]


class FastMLP:
    """A network that `mlp` made, InputError else; f (N, outputs) is its output."""

    def __init__(self, network: Network):
        self.layout = layout(_checked(network))
        self.network = network
        layers = [node.layer for node in network.nodes]
        self._time = next((layer for layer in layers if isinstance(layer, TimeEmbedding)), None)
        self._table = next((layer for layer in layers if isinstance(layer, ClassEmbedding)), None)
        self.inputs, self.outputs = network.inputs["x"][0], self.layout.y.used
        self.classes = self._table.classes - 1 if self._table else 0
        self._idle: list[Floats] = []  # memory that no call uses now

    def forward(
        self, θ: Floats, x: Floats, t: ArrayLike | None = None, labels: ArrayLike | None = None
    ) -> Floats:
        """f (N, outputs)."""
        x, weights = self._points(x), self._weights(θ)
        f = np.empty((len(x), self.outputs), np.float32)
        for here, blocks, space in self._forwards(θ, x, t, self._labels(labels, len(x)), weights):
            f[here] = _rows(self.layout.y.lanes(space, blocks), here)
        return f

    def loss_and_gradient(
        self,
        θ: Floats,
        x: Floats,
        t: ArrayLike | None,
        target: Floats,
        weight: ArrayLike = 1.0,
        labels: ArrayLike | None = None,
    ) -> tuple[float, Floats]:
        """L = 1/N Σ_n weight_n |f(x_n, t_n) − target_n|² and ∂L/∂θ, flat like θ."""
        target, loss = _single(target), 0.0
        if target.shape != (len(x), self.outputs):
            allowed = f"must be the shape ({len(x)}, {self.outputs})"
            raise InputError("target", target.shape, allowed)
        w = np.broadcast_to(_single(_one_or_all("weight", weight, len(x))), len(x))[:, None]

        def upstream(f: Floats, here: slice) -> Floats:
            nonlocal loss
            with np.errstate(under="ignore"):  # of small residues
                r = f - target[here]
                g = w[here] * r
                loss += float(np.sum(g * r, dtype=np.float64))
                return np.float32(2 / len(x)) * g

        gradient = self.gradients(θ, x, t, upstream, labels)
        return loss / max(len(x), 1), gradient

    def gradients(
        self,
        θ: Floats,
        x: Floats,
        t: ArrayLike | None,
        upstream: Upstream,
        labels: ArrayLike | None = None,
    ) -> Floats:
        """∂L/∂θ, flat like θ. upstream is ∂L/∂f (N, outputs), or a function that gets f of some
        points and their slice and returns it, so that f need not be computed before."""
        x, weights, plan = self._points(x), self._weights(θ), self.layout
        chosen = self._labels(labels, len(x))
        sums = np.zeros(plan.learned, np.float32)
        E = np.zeros(self._table.shapes()["E"] if self._table else 0, np.float32)
        for here, blocks, space in self._forwards(θ, x, t, chosen, weights):
            self._back(upstream, here, blocks, space, weights)
            learn(_of(plan.weights, blocks), space, sums)
            if self._table:
                run(_of(plan.to_features, blocks), space, weights)
                g = _rows(plan.gx.lanes(space, blocks), here)[:, self.inputs :]
                E += self._table.weights({"E": E}, chosen[here], g)["E"]
        out = sums.take(plan.found)
        if self._table:
            self.network.views(out)["class"]["E"][...] = E
        return out

    def input_gradient(
        self,
        θ: Floats,
        x: Floats,
        t: ArrayLike | None,
        upstream: Upstream,
        labels: ArrayLike | None = None,
    ) -> Floats:
        """∂L/∂x (N, inputs) where upstream is ∂L/∂f: with upstream = v, the product vᵀ ∂f/∂x."""
        x, weights, plan = self._points(x), self._weights(θ), self.layout
        out = np.empty_like(x)
        for here, blocks, space in self._forwards(θ, x, t, self._labels(labels, len(x)), weights):
            self._back(upstream, here, blocks, space, weights)
            run(_of(plan.to_x, blocks), space, weights)
            out[here] = _rows(plan.gx.lanes(space, blocks)[:, : self.inputs], here)
        return out

    def divergence(
        self, θ: Floats, x: Floats, t: ArrayLike | None = None, labels: ArrayLike | None = None
    ) -> tuple[Floats, Floats]:
        """f (N, D) and Σ_i ∂f_i/∂x_i (N,), exact: D times the way back from one way on."""
        if self.inputs != self.outputs:
            raise InputError("network", (self.inputs, self.outputs), "must be x to x's size")
        x, weights, plan = self._points(x), self._weights(θ), self.layout
        f, total = np.empty_like(x), np.zeros(len(x), np.float32)
        for here, blocks, space in self._forwards(θ, x, t, self._labels(labels, len(x)), weights):
            f[here] = _rows(plan.y.lanes(space, blocks), here)
            for i in range(self.outputs):
                plan.gy.lanes(space, blocks)[:] = np.eye(self.outputs)[i][:, None]
                run(_of(plan.backward, blocks), space, weights)
                run(_of(plan.to_x, blocks), space, weights)
                total[here] += _rows(plan.gx.lanes(space, blocks)[:, i : i + 1], here)[:, 0]
        return f, total

    def _forwards(
        self, θ: Floats, x: Floats, t: ArrayLike | None, labels: Integers, weights: Floats
    ) -> Iterator[tuple[slice, int, Floats]]:
        """Piece after piece: which points, in how many blocks, and where their values now are."""
        features = self._features(θ, x, t, labels)
        try:
            space = self._idle.pop()
        except IndexError:
            space = aligned(self.layout.size)
        for start in range(0, len(x), BLOCKS * LANES):
            here = slice(start, min(start + BLOCKS * LANES, len(x)))
            blocks = -(-(here.stop - start) // LANES)
            _set_lanes(self.layout.x.lanes(space, blocks), features[here])
            run(_of(self.layout.forward, blocks), space, weights)
            yield here, blocks, space
        self._idle.append(space)

    def _back(
        self, upstream: Upstream, here: slice, blocks: int, space: Floats, weights: Floats
    ) -> None:
        """From ∂L/∂f of a piece to ∂L/∂z of every layer."""
        plan = self.layout
        if callable(upstream):
            g = upstream(_rows(plan.y.lanes(space, blocks), here), here)
        else:
            g = upstream[here]
        if g.shape != (here.stop - here.start, self.outputs):
            raise InputError("upstream", g.shape, f"must be the shape (N, {self.outputs})")
        _set_lanes(plan.gy.lanes(space, blocks), _single(g))
        run(_of(plan.backward, blocks), space, weights)

    def _features(self, θ: Floats, x: Floats, t: ArrayLike | None, labels: Integers) -> Floats:
        """x and its embedded condition (N, features), what the first layer reads."""
        if self._time is None:
            if t is not None:
                raise InputError("t", np.shape(t), "this network has no time")
            return x
        if t is None:
            raise InputError("t", None, "must be given: this network takes a time")
        features = np.empty((len(x), self.layout.x.used), np.float32)
        features[:, : self.inputs] = x
        times = np.atleast_1d(_single(_one_or_all("t", t, len(x))))
        features[:, self.inputs :] = self._time.forward({}, times)[0]
        if self._table:
            E = self.network.views(θ)["class"]
            features[:, self.inputs :] += self._table.forward(E, labels)[0]
        return features

    def _weights(self, θ: Floats) -> Floats:
        if θ.shape != (self.network.size,):
            raise InputError("θ", θ.shape, f"must be the shape ({self.network.size},)")
        return np.append(_single(θ), np.float32(0)).take(self.layout.index)

    def _points(self, x: Floats) -> Floats:
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise InputError("x", x.shape, f"must be the shape (N, {self.inputs})")
        return _single(x)

    def _labels(self, labels: ArrayLike | None, count: int) -> Integers:
        if labels is not None and not self._table:
            raise InputError("labels", np.shape(labels), "this network has no classes")
        k = _one_or_all("labels", self.classes if labels is None else labels, count)
        if k.dtype.kind not in "iu":
            raise InputError("labels", k.dtype, "must be integers")
        return np.broadcast_to(k, count).astype(np.int64)


def _checked(network: Network) -> Network:
    """A network as `mlp` makes it."""
    inputs = next(iter(network.inputs.values()))
    found: dict[type, list[Any]] = {Dense: [], TimeEmbedding: [], ClassEmbedding: []}
    for node in network.nodes:
        found.setdefault(type(node.layer), []).append(node.layer)
    dense, times, tables = found[Dense], found[TimeEmbedding], found[ClassEmbedding]
    if len(inputs) == 1 and dense:
        time = times[0].outputs if times else 0
        classes = tables[0].classes - 1 if tables else 0
        widths = dense[-1].outputs, dense[0].outputs, len(dense) - 1
        if list(network.nodes) == list(mlp(*inputs, *widths, time, classes).nodes):
            return network
    raise InputError("network", tuple(network.inputs), "must be one that mlp made")


def _single(values: ArrayLike) -> Floats:
    """In float32; what is too small for it is zero."""
    with np.errstate(under="ignore"):
        return np.asarray(values, np.float32)


def _of(table: NDArray[Any], blocks: int) -> NDArray[Any]:
    """The passes for so many blocks."""
    table = table.copy()
    table["nx"] = blocks
    return table


def _rows(lanes: Floats, here: slice) -> Floats:
    """(blocks, channels, 16) → (points, channels)."""
    return lanes.transpose(0, 2, 1).copy().reshape(-1, lanes.shape[1])[: here.stop - here.start]


def _set_lanes(to: Floats, rows: Floats) -> None:
    """to (blocks, channels, 16) = rows (n, channels); zero in lanes without a point."""
    full, rest = divmod(len(rows), LANES)
    to[:full] = rows[: full * LANES].reshape(full, LANES, rows.shape[1]).transpose(0, 2, 1)
    if rest:
        to[full] = 0
        to[full, :, :rest] = rows[full * LANES :].T


def _one_or_all(name: str, values: ArrayLike, count: int) -> NDArray[Any]:
    """One value for all points, or one for each."""
    if np.shape(values) not in ((), (count,)):
        raise InputError(name, np.shape(values), f"must be one, or the shape ({count},)")
    return np.asarray(values)
