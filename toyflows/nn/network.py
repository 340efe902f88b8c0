"""Networks: layers joined by the names of their values, all parameters in one flat vector.

θ = net.init(rng);     y, memory = net.forward(θ, x)
net.input_gradient(θ, memory, g)     ∂L/∂x, for sampling: no gradient of a weight is computed
net.gradients(θ, memory, g)          ∂L/∂θ, flat like θ;     g = ∂L/∂y
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from toyflows.errors import InputError
from toyflows.nn.embeddings import ClassEmbedding, TimeEmbedding
from toyflows.nn.image_layers import AdaptiveAvgPool, Conv2d
from toyflows.nn.layers import (
    Add,
    Array,
    Concatenate,
    Dense,
    Flatten,
    Layer,
    Parameters,
    Shape,
    Swish,
)


class Node(NamedTuple):
    """A layer, the name of the value it makes and the names of those it reads."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes in the order of computing; the last one's value is y. A value may be read often.

    `inputs` are names and shapes (without N) of what `forward` takes; the first is x, which
    `input_gradient` is for, others are conditions: a time, a class. Raises InputError where a
    shape does not fit, or a name is unknown or there twice.
    """

    inputs: Mapping[str, Shape]
    nodes: Sequence[Node]

    def __post_init__(self) -> None:
        _ = self.shapes

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The shape of every value, without N."""
        found = dict(self.inputs)
        for name, layer, inputs in self.nodes:
            if name in found or not found.keys() >= set(inputs):
                raise InputError("node", name, f"reads {inputs}; there are {tuple(found)}")
            found[name] = layer.out_shape(_read(found, layer, inputs))
        return found

    @cached_property
    def size(self) -> int:
        """Number of parameters."""
        return sum(math.prod(s) for _, layer, _ in self.nodes for s in layer.shapes().values())

    def views(self, θ: Array) -> dict[str, Parameters]:
        """Node's name → parameter's name → its part of θ (size,), a view."""
        if θ.shape != (self.size,):
            raise InputError("θ", θ.shape, f"must be the shape ({self.size},)")
        found: dict[str, Parameters] = {}
        start = 0
        for name, layer, _ in self.nodes:
            found[name] = {}
            for parameter, shape in layer.shapes().items():
                end = start + math.prod(shape)
                found[name][parameter] = θ[start:end].reshape(shape)
                start = end
        return found

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Array:
        """Random θ (size,) to start from."""
        θ = np.empty(self.size, dtype)
        for (_, layer, _), views in zip(self.nodes, self.views(θ).values(), strict=True):
            for name, values in layer.init(rng, dtype).items():
                views[name][...] = values
        return θ

    def forward(self, θ: Array, *inputs: Array) -> tuple[Array, dict[str, Any]]:
        """y and what the gradients need; inputs are taken in θ's dtype, but labels as they are."""
        parameters, memory = self.views(θ), {}
        values = {
            name: np.asarray(x, None if name in self._labels else θ.dtype)
            for name, x in zip(self.inputs, inputs, strict=True)
        }
        with np.errstate(under="ignore"):  # a product below the smallest float is zero
            for name, layer, reads in self.nodes:
                x = _read(values, layer, reads)
                values[name], memory[name] = layer.forward(parameters[name], x)
        return values[self.nodes[-1].name], memory

    def input_gradient(self, θ: Array, memory: Mapping[str, Any], g: Array) -> Array:
        """∂L/∂x in the shape of x, the first input."""
        x = next(iter(self.inputs))
        return self._back(θ, memory, g, {x})[x]

    def gradients(self, θ: Array, memory: Mapping[str, Any], g: Array) -> Array:
        """∂L/∂θ (size,)."""
        out = np.zeros_like(θ)
        parameters, into = self.views(θ), self.views(out)
        learning = {n.name: n.layer for n in self.nodes if n.layer.shapes()}
        sent = self._back(θ, memory, g, learning)
        with np.errstate(under="ignore"):
            for name in learning.keys() & sent:
                found = learning[name].weights(parameters[name], memory[name], sent[name])
                for parameter, values in found.items():
                    into[name][parameter][...] = values
        return out

    def _back(
        self, θ: Array, memory: Mapping[str, Any], g: Array, sources: Iterable[str]
    ) -> dict[str, Array]:
        """The chain rule from y back: ∂L/∂v of the sources and of every value between them and y.

        A value that several nodes read gets the sum of what each of them sends.
        """
        parameters, wanted = self.views(θ), self._after(sources)
        sent = {self.nodes[-1].name: g}
        with np.errstate(under="ignore"):
            for name, layer, reads in reversed(self.nodes):
                if name not in sent or wanted.isdisjoint(reads):
                    continue
                back = layer.backward(parameters[name], memory[name], sent[name])
                parts = back if layer.joins else (back,)
                for value, part in zip(reads, parts, strict=True):
                    if value in wanted:
                        sent[value] = sent[value] + part if value in sent else part
        return sent

    def _after(self, names: Iterable[str]) -> set[str]:
        """These values and all that depend on them."""
        found = set(names)
        for name, _, reads in self.nodes:
            if not found.isdisjoint(reads):
                found.add(name)
        return found

    @cached_property
    def _labels(self) -> set[str]:
        return {i for n in self.nodes if isinstance(n.layer, ClassEmbedding) for i in n.inputs}


def _read(values: Mapping[str, Any], layer: Layer, names: tuple[str, ...]) -> Any:
    """The value a layer reads, or the tuple of those it joins."""
    if not layer.joins and len(names) != 1:
        raise InputError("inputs", names, f"must be one for {layer}")
    return tuple(values[n] for n in names) if layer.joins else values[names[0]]


def chain(first: str, layers: Iterable[Layer], prefix: str = "") -> list[Node]:
    """Nodes that apply one layer after the other to the value `first`; named by their place."""
    layers = list(layers)
    names = [f"{prefix}{i}.{type(layer).__name__.lower()}" for i, layer in enumerate(layers)]
    return [Node(n, f, (i,)) for n, f, i in zip(names, layers, [first, *names], strict=False)]


def sequential(shape: Shape, layers: Iterable[Layer]) -> Network:
    """One layer after the other, from x of this shape."""
    return Network({"x": shape}, chain("x", layers))


def energy_network(size: int = 56, classes: int = 1, hidden: int = 64, pool: int = 0) -> Network:
    """Grey images x (N, size, size, 1) → energies (N, 1), or for a JEM its logits (N, classes).

    Convolution 5×5 to 16 channels, 3×3 to 32, 64, 64, each of stride 2 and swished; means over
    pool × pool bins where pool > 0; dense to `hidden` and swish where hidden > 0; dense to classes.
    """
    if size < 1:
        raise InputError("size", size, "must be 1 or more")
    layers: list[Layer] = [Conv2d(1, 16, 5, 2, 4), Swish()]
    for a, b in itertools.pairwise((16, 32, 64, 64)):
        layers += [Conv2d(a, b, 3, 2, 1), Swish()]
    if pool:
        layers.append(AdaptiveAvgPool(pool))
    shape: Shape = (size, size, 1)
    for layer in layers:
        shape = layer.out_shape(shape)
    features = math.prod(shape)
    widths = [features, hidden, classes] if hidden else [features, classes]
    return sequential((size, size, 1), [*layers, Flatten(), *_dense(widths)])


def mlp(
    inputs: int = 2,
    outputs: int = 2,
    width: int = 128,
    depth: int = 3,
    time: int = 30,
    classes: int = 0,
) -> Network:
    """x (N, inputs) and, unless time = 0, t (N,) embedded in `time` numbers → y (N, outputs).

    `depth` dense layers of this width, each swished, and a last one. Where classes > 0 a label (N,)
    adds its row of a table to the time's numbers; the label `classes` means no class, for guidance
    without a classifier. Source: Ho & Salimans, Classifier-free diffusion guidance (2022).
    """
    if classes < 0 or (classes and not time):
        raise InputError("classes", classes, "must be 0 or more, only 0 where time = 0")
    widths = [inputs + time, *[width] * depth, outputs]
    if not time:
        return sequential((inputs,), _dense(widths))
    shapes: dict[str, Shape] = {"x": (inputs,), "t": ()}
    nodes, condition = [Node("time", TimeEmbedding(time), ("t",))], "time"
    if classes:
        shapes["label"], condition = (), "condition"
        nodes += [
            Node("class", ClassEmbedding(classes + 1, time), ("label",)),
            Node("condition", Add(), ("time", "class")),
        ]
    nodes.append(Node("both", Concatenate(), ("x", condition)))
    return Network(shapes, [*nodes, *chain("both", _dense(widths))])


def _dense(widths: Sequence[int]) -> list[Layer]:
    """Dense layers with a swish between any two."""
    layers: list[Layer] = []
    for a, b in itertools.pairwise(widths):
        layers += [Dense(a, b), Swish()]
    return layers[:-1]
