"""Layers: frozen geometry, a forward and a backward in NumPy, each with its formula.

A layer is a map y = f(p, x) that holds no numbers: its parameters p are a dict of arrays, and what
the backward needs of the forward is handed over as `memory`. With g = ∂L/∂y,

    backward: gx = ∂L/∂x (sampling needs only this),     weights: {name: ∂L/∂p[name]}.

Images are (N, H, W, C), vectors (N, D); shapes in `out_shape` are without N. Results have the
dtype of parameters and inputs, float32 or float64. A layer that joins takes a tuple of inputs, a
tuple of their shapes, and sends a tuple of gradients back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from toyflows.errors import InputError
from toyflows.numerics import expit

Array = NDArray[Any]
Shape = tuple[int, ...]
Parameters = dict[str, Array]


class Layer:
    """The contract; a layer without parameters overrides `forward` and `backward` only."""

    joins: ClassVar[bool] = False  # takes a tuple of inputs

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 0 if name == "padding" else 1
            if value < least:
                raise InputError(name, value, f"must be {least} or more")

    def shapes(self) -> dict[str, Shape]:
        """The shapes of the parameters, by name."""
        return {}

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Parameters:
        """Random parameters to start from; drawn in float64, so that float32 is its rounding."""
        return {}

    def out_shape(self, shape: Any) -> Shape:
        """The shape of y for x of this shape; raises InputError for a shape that does not fit."""
        return tuple(shape)

    def forward(self, p: Parameters, x: Any) -> tuple[Array, Any]:
        """y and the memory."""
        raise NotImplementedError

    def backward(self, p: Parameters, memory: Any, g: Array) -> Array | tuple[Array, ...]:
        """∂L/∂x from g = ∂L/∂y."""
        raise NotImplementedError

    def weights(self, p: Parameters, memory: Any, g: Array) -> Parameters:
        """∂L/∂p from g = ∂L/∂y."""
        return {}


def fits(layer: Layer, good: bool, shape: object) -> None:
    """Raises InputError unless `good`: the input's shape fits the layer."""
    if not good:
        raise InputError("shape", shape, f"does not fit {layer}")


def uniform(layer: Layer, fan_in: int, rng: np.random.Generator, dtype: DTypeLike) -> Parameters:
    """All parameters uniform in ±1/√fan_in, which is also PyTorch's default."""
    bound = 1 / math.sqrt(fan_in)
    shapes = layer.shapes().items()
    return {name: rng.uniform(-bound, bound, shape).astype(dtype) for name, shape in shapes}


@dataclass(frozen=True)
class Dense(Layer):
    """y = x W + b.     x (N, I), W (I, O), b (O,), y (N, O)

    gx = g Wᵀ,     ∂L/∂W = xᵀ g,     ∂L/∂b = Σ_n g_n
    """

    inputs: int
    outputs: int

    def shapes(self) -> dict[str, Shape]:
        return {"W": (self.inputs, self.outputs), "b": (self.outputs,)}

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Parameters:
        return uniform(self, self.inputs, rng, dtype)

    def out_shape(self, shape: Shape) -> Shape:
        fits(self, shape == (self.inputs,), shape)
        return (self.outputs,)

    def forward(self, p: Parameters, x: Array) -> tuple[Array, Any]:
        return x @ p["W"] + p["b"], x

    def backward(self, p: Parameters, memory: Any, g: Array) -> Array:
        return g @ p["W"].T

    def weights(self, p: Parameters, memory: Any, g: Array) -> Parameters:
        return {"W": memory.T @ g, "b": g.sum(axis=0)}


@dataclass(frozen=True)
class Swish(Layer):
    """y = x σ(x),     gx = g (σ + y(1 − σ)),     σ(x) = 1/(1 + e^{−x})

    Smooth, as an energy's slope must be where x is sampled by Langevin. Also called SiLU.
    Source: Ramachandran, Zoph & Le, Searching for Activation Functions (2017).
    """

    def forward(self, p: Parameters, x: Array) -> tuple[Array, Any]:
        with np.errstate(under="ignore"):  # x σ(x) → 0 at the left
            σ = expit(x)
            y = x * σ
            return y, σ + y * (1 - σ)

    def backward(self, p: Parameters, memory: Any, g: Array) -> Array:
        with np.errstate(under="ignore"):
            return g * memory


@dataclass(frozen=True)
class Concatenate(Layer):
    """y = (x₁, x₂, …) along the channels;     gx = the pieces of g. A skip of a U-Net."""

    joins = True

    def out_shape(self, shape: tuple[Shape, ...]) -> Shape:
        fits(self, len({s[:-1] for s in shape}) == 1 and shape[0] != (), shape)
        return (*shape[0][:-1], sum(s[-1] for s in shape))

    def forward(self, p: Parameters, x: tuple[Array, ...]) -> tuple[Array, Any]:
        return np.concatenate(x, axis=-1), np.cumsum([a.shape[-1] for a in x])[:-1]

    def backward(self, p: Parameters, memory: Any, g: Array) -> tuple[Array, ...]:
        return tuple(np.split(g, memory, axis=-1))


@dataclass(frozen=True)
class Add(Layer):
    """y = x₁ + x₂;     x₂ has x₁'s shape, or is (N, C) and goes to each pixel (a time's bias).

    gx₁ = g,     gx₂ = g, or Σ_{i,j} g[n,i,j,c]
    """

    joins = True

    def out_shape(self, shape: tuple[Shape, ...]) -> Shape:
        fits(self, len(shape) == 2 and shape[1] in (shape[0], shape[0][-1:]), shape)
        return shape[0]

    def forward(self, p: Parameters, x: tuple[Array, ...]) -> tuple[Array, Any]:
        a, b = x
        between = tuple(range(1, a.ndim - 1)) if b.ndim < a.ndim else ()
        return a + np.expand_dims(b, between), between

    def backward(self, p: Parameters, memory: Any, g: Array) -> tuple[Array, ...]:
        return g, g.sum(axis=memory) if memory else g


@dataclass(frozen=True)
class Flatten(Layer):
    """y[n, (iW + j)C + c] = x[n,i,j,c];     gx = g in x's shape"""

    def out_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def forward(self, p: Parameters, x: Array) -> tuple[Array, Any]:
        return x.reshape(len(x), -1), x.shape

    def backward(self, p: Parameters, memory: Any, g: Array) -> Array:
        return g.reshape(memory)
