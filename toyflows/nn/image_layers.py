"""Layers for images: convolution, group norm, pooling, up-sampling. The contract is in `layers`."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike

from toyflows.errors import InputError
from toyflows.nn.layers import Array, Layer, Parameters, Shape, fits, uniform


@dataclass(frozen=True)
class Conv2d(Layer):
    """y[n,i,j,o] = b[o] + Σ_{u,v,c} x̃[n, si+u, sj+v, c] W[u,v,c,o],     x̃ = x with a rim of zeros

    W (k, k, C, O), b (O,), x (N, H, W, C), y (N, H', W', O) with H' = ⌊(H + 2·padding − k)/s⌋ + 1.

    ∂L/∂W[u,v,c,o] = Σ_{n,i,j} x̃[n, si+u, sj+v, c] g[n,i,j,o],     ∂L/∂b[o] = Σ_{n,i,j} g[n,i,j,o]

    The pixel (a, b) of x̃ met the weight (u, v) where a = si + u and b = sj + v. For s = 1, and g
    taken as zero outside,

        gx̃[n,a,b,c] = Σ_{u,v,o} g[n, a−u, b−v, o] W[u,v,c,o] :

    the same sum over windows of g, with the kernel flipped and its channels exchanged. For s > 1
    the pixels with a ≡ r and b ≡ q (mod s) meet only the weights u ≡ r, v ≡ q: s² such sums, each
    with its part of the kernel.
    """

    inputs: int
    outputs: int
    size: int
    stride: int = 1
    padding: int = 0

    def shapes(self) -> dict[str, Shape]:
        return {"W": (self.size, self.size, self.inputs, self.outputs), "b": (self.outputs,)}

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Parameters:
        return uniform(self, self.size**2 * self.inputs, rng, dtype)

    def out_shape(self, shape: Shape) -> Shape:
        h, w, channels = shape if len(shape) == 3 else (0, 0, 0)
        room = min(h, w) + 2 * self.padding - self.size
        fits(self, channels == self.inputs and room >= 0, shape)
        across = ((n + 2 * self.padding - self.size) // self.stride + 1 for n in (h, w))
        return (*across, self.outputs)

    def forward(self, p: Parameters, x: Array) -> tuple[Array, Any]:
        padded = _rim(x, self.padding, self.padding)
        return _correlate(padded, p["W"], self.stride) + p["b"], padded

    def backward(self, p: Parameters, memory: Any, g: Array) -> Array:
        s, rim = self.stride, self.padding
        gx = np.zeros(memory.shape, g.dtype)  # of the padded x
        for r, q in itertools.product(range(min(s, self.size)), repeat=2):
            part = p["W"][r::s, q::s]
            flipped = part[::-1, ::-1].swapaxes(2, 3)  # (·, ·, O, C)
            rows, columns = flipped.shape[:2]
            met = _correlate(_rim(g, rows - 1, columns - 1), flipped)
            gx[:, r::s, q::s][:, : met.shape[1], : met.shape[2]] = met
        return gx[:, rim : gx.shape[1] - rim, rim : gx.shape[2] - rim]

    def weights(self, p: Parameters, memory: Any, g: Array) -> Parameters:
        windows = _windows(memory, self.size, self.size, self.stride)
        W = np.tensordot(windows, g, axes=([0, 1, 2], [0, 1, 2]))  # (C, k, k, O)
        return {"W": W.transpose(1, 2, 0, 3), "b": g.sum(axis=(0, 1, 2))}


def _rim(x: Array, rows: int, columns: int) -> Array:
    """x (N, H, W, C) with rows and columns of zeros on each side."""
    return np.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))


def _windows(x: Array, rows: int, columns: int, stride: int) -> Array:
    """x[n, si+u, sj+v, c] as a view (N, H', W', C, rows, columns)."""
    view = sliding_window_view(x, (rows, columns), axis=(1, 2))
    return view[:, ::stride, ::stride]


def _correlate(x: Array, W: Array, stride: int = 1) -> Array:
    """Σ_{u,v,c} x[n, si+u, sj+v, c] W[u,v,c,o] (N, H', W', O)."""
    return np.tensordot(_windows(x, W.shape[0], W.shape[1], stride), W, axes=([4, 5, 3], [0, 1, 2]))


@dataclass(frozen=True)
class GroupNorm(Layer):
    """y = γ x̂ + β,     x̂ = (x − μ)/σ,     σ² = var(x) + ε;     x (N, H, W, C) or (N, C)

    Mean μ and variance are over the pixels and channels of one group of one image; γ, β (C,).

    gx = (γg − ⟨γg⟩ − x̂ ⟨γg x̂⟩)/σ with ⟨·⟩ the mean over a group,     ∂L/∂γ = Σ g x̂,     ∂L/∂β = Σ g

    Source: Wu & He, Group Normalization (2018).
    """

    channels: int
    groups: int = 8
    ε: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 < self.groups <= self.channels or self.channels % self.groups:
            raise InputError("groups", self.groups, f"must be a divisor of {self.channels}")
        if not self.ε > 0:
            raise InputError("ε", self.ε, "must be ε > 0")

    def shapes(self) -> dict[str, Shape]:
        return {"γ": (self.channels,), "β": (self.channels,)}

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Parameters:
        return {"γ": np.ones(self.channels, dtype), "β": np.zeros(self.channels, dtype)}

    def out_shape(self, shape: Shape) -> Shape:
        fits(self, shape[-1:] == (self.channels,), shape)
        return shape

    def forward(self, p: Parameters, x: Array) -> tuple[Array, Any]:
        groups = self._groups(x)
        centred = groups - groups.mean(axis=(1, 3), keepdims=True)
        σ = np.sqrt(np.mean(centred**2, axis=(1, 3), keepdims=True) + self.ε)
        normed = centred / σ
        return p["γ"] * normed.reshape(x.shape) + p["β"], (normed, σ)

    def backward(self, p: Parameters, memory: Any, g: Array) -> Array:
        normed, σ = memory
        γg = self._groups(p["γ"] * g)
        mean = γg.mean(axis=(1, 3), keepdims=True)
        along = np.mean(γg * normed, axis=(1, 3), keepdims=True)
        return ((γg - mean - normed * along) / σ).reshape(g.shape)

    def weights(self, p: Parameters, memory: Any, g: Array) -> Parameters:
        over = tuple(range(g.ndim - 1))
        return {"γ": np.sum(g * memory[0].reshape(g.shape), axis=over), "β": g.sum(axis=over)}

    def _groups(self, x: Array) -> Array:
        """(N, pixels, groups, channels of a group)."""
        return x.reshape(len(x), -1, self.groups, self.channels // self.groups)


@dataclass(frozen=True)
class AdaptiveAvgPool(Layer):
    """y[n,i,j,c] = Σ_{a,b} P[i,a] Q[j,b] x[n,a,b,c]: means over size × size bins, y (N, m, m, C)

    gx[n,a,b,c] = Σ_{i,j} P[i,a] Q[j,b] g[n,i,j,c]

    P (m, H) averages the rows ⌊iH/m⌋ to ⌈(i+1)H/m⌉ − 1, Q (m, W) the columns likewise. Bins share
    a row where m does not divide H, as in PyTorch. m = 1 is the mean of each channel.
    """

    size: int = 1

    def out_shape(self, shape: Shape) -> Shape:
        fits(self, len(shape) == 3, shape)
        return (self.size, self.size, shape[2])

    def forward(self, p: Parameters, x: Array) -> tuple[Array, Any]:
        P, Q = (self._means(n, x.dtype) for n in x.shape[1:3])
        return np.einsum("ia,jb,nabc->nijc", P, Q, x, optimize=True), (P, Q)

    def backward(self, p: Parameters, memory: Any, g: Array) -> Array:
        return np.einsum("ia,jb,nijc->nabc", *memory, g, optimize=True)

    def _means(self, n: int, dtype: DTypeLike) -> Array:
        i, a = np.arange(self.size)[:, None], np.arange(n)
        inside = (i * n // self.size <= a) & (a < -(-(i + 1) * n // self.size))  # (m, n)
        return (inside / inside.sum(axis=1, keepdims=True)).astype(dtype)


@dataclass(frozen=True)
class UpSample(Layer):
    """y[n,i,j,c] = x[n, ⌊i/f⌋, ⌊j/f⌋, c]: each pixel becomes f × f equal ones.

    gx[n,a,b,c] = Σ of g[n,i,j,c] over those
    """

    factor: int = 2

    def out_shape(self, shape: Shape) -> Shape:
        fits(self, len(shape) == 3, shape)
        h, w, channels = shape
        return (self.factor * h, self.factor * w, channels)

    def forward(self, p: Parameters, x: Array) -> tuple[Array, Any]:
        return x.repeat(self.factor, axis=1).repeat(self.factor, axis=2), x.shape

    def backward(self, p: Parameters, memory: Any, g: Array) -> Array:
        n, h, w, channels = memory
        return g.reshape(n, h, self.factor, w, self.factor, channels).sum(axis=(2, 4))
