"""Layers that turn a condition, a time or a class, into a vector. The contract is in `layers`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from toyflows.errors import InputError
from toyflows.nn.layers import Array, Layer, Parameters, Shape, fits


@dataclass(frozen=True)
class TimeEmbedding(Layer):
    """y_n = (sin ω_k t_n, cos ω_k t_n),     ω_k = slowest^{−k/(K−1)}, k = 0 … K−1;     y (N, 2K)

    gt_n = Σ_k ω_k (cos(ω_k t_n) g_nk − sin(ω_k t_n) g_{n,K+k})

    Wavelengths from 2π to 2π·slowest: a network reads coarse and fine time from it.
    Source: Vaswani et al., Attention Is All You Need (2017); for diffusion Ho et al. (2020).
    """

    outputs: int
    slowest: float = 1000.0

    def __post_init__(self) -> None:
        if self.outputs < 4 or self.outputs % 2:
            raise InputError("outputs", self.outputs, "must be an even number from 4")
        if not self.slowest > 1:
            raise InputError("slowest", self.slowest, "must be more than 1")

    def out_shape(self, shape: Shape) -> Shape:
        fits(self, shape == (), shape)
        return (self.outputs,)

    def forward(self, p: Parameters, x: Array) -> tuple[Array, Any]:
        y = np.concatenate([f(x[:, None] * self._ω(x.dtype)) for f in (np.sin, np.cos)], 1)
        return y, y

    def backward(self, p: Parameters, memory: Any, g: Array) -> Array:
        (sin, cos), (gs, gc) = np.split(memory, 2, axis=1), np.split(g, 2, axis=1)
        return (cos * gs - sin * gc) @ self._ω(g.dtype)

    def _ω(self, dtype: DTypeLike) -> Array:
        k = np.linspace(0, 1, self.outputs // 2)
        return (self.slowest**-k).astype(dtype)


@dataclass(frozen=True)
class ClassEmbedding(Layer):
    """y_n = E[k_n], a row of the table E (K, D) for each label k (N,).

    ∂L/∂E[k] = Σ_{n: k_n = k} g_n;     labels are integers and have no gradient.
    """

    classes: int
    outputs: int

    def shapes(self) -> dict[str, Shape]:
        return {"E": (self.classes, self.outputs)}

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Parameters:
        return {"E": rng.standard_normal((self.classes, self.outputs)).astype(dtype)}

    def out_shape(self, shape: Shape) -> Shape:
        fits(self, shape == (), shape)
        return (self.outputs,)

    def forward(self, p: Parameters, x: Array) -> tuple[Array, Any]:
        if x.size and not 0 <= x.min() <= x.max() < self.classes:
            found = f"{x.min()} to {x.max()}"
            raise InputError("label", found, f"must be 0 to {self.classes - 1}")
        return p["E"][x], x

    def backward(self, p: Parameters, memory: Any, g: Array) -> Array:
        return np.zeros(len(g), g.dtype)

    def weights(self, p: Parameters, memory: Any, g: Array) -> Parameters:
        E = np.zeros_like(p["E"])
        np.add.at(E, memory, g)
        return {"E": E}
