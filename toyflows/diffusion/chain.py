"""Noise in discrete steps, and the exact law of a step back when x_0 is known.

    X_{k+1} = a_k X_k + b_k Z     ⇒     X_k | X_0 ~ N(α_k X_0, σ_k² I)
    p(x_k | x_{k+1}, x_0) = N(A_k x_{k+1} + B_k x_0, s_k² I)
        A = a σ_k²/σ_{k+1}²,     B = α_k b²/σ_{k+1}²,     s² = b² σ_k²/σ_{k+1}²

With ẑ = (x_{k+1} − α_{k+1} x_0)/σ_{k+1}, the noise in x_{k+1}, the same law is that of the
lectures, N(A x_{k+1} − B ẑ, s² I) with A = 1/a and B = b²/(a σ_{k+1}); as E[ẑ | x_{k+1}] is
−σ_{k+1} ∇log p it makes a sampler. Their chain is a = 1 − γ, b = √(2γ); DDPM's is a = √(1 − β),
b = √β (Ho et al. 2020, Eqs. 2, 6 and 7).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from toyflows.cloud import Array
from toyflows.diffusion.processes import Process
from toyflows.errors import InputError


class Backward(NamedTuple):
    """Mean's factors A of x_{k+1} and B of the other (x_0, or −ẑ), and the spread s: each (K,)."""

    A: Array
    B: Array
    s: Array


@dataclass(frozen=True, eq=False)
class Ladder:
    """K steps by their factors a (K,) > 0 and the spreads b (K,) > 0 of their noise."""

    a: Array
    b: Array

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            value = np.asarray(getattr(self, name), float)
            if value.ndim != 1 or value.size == 0:
                raise InputError(name, value.shape, "must be a row of one or more numbers")
            if not (np.isfinite(value).all() and value.min() > 0):
                raise InputError(name, f"{value.min():g}", "must be finite numbers > 0")
            object.__setattr__(self, name, value)
        if self.a.shape != self.b.shape:
            raise InputError("b", self.b.shape, f"must be one for each a, {self.a.shape}")

    @classmethod
    def langevin(cls, γ: ArrayLike) -> Ladder:
        """The lectures' chain X_{k+1} = (1 − γ_k) X_k + √(2γ_k) Z, 0 < γ < 1."""
        γ = _between_0_and_1("gamma", γ)
        return cls(1 - γ, np.sqrt(2 * γ))

    @classmethod
    def ddpm(cls, β: ArrayLike) -> Ladder:
        """X_{k+1} = √(1 − β_k) X_k + √β_k Z, 0 < β < 1."""
        β = _between_0_and_1("beta", β)
        return cls(np.sqrt(1 - β), np.sqrt(β))

    @classmethod
    def of(cls, process: Process, times: Array) -> Ladder:
        """The process seen at ascending times (K + 1,) only: x_0 is X at times[0]."""
        if times.size < 2 or not np.diff(times).min() > 0:
            raise InputError("times", times.tolist(), "must be two or more, ascending")
        α, variance = process.alpha(times), np.square(process.sigma(times))
        a = α[1:] / α[:-1]
        return cls(a, np.sqrt(variance[1:] - a**2 * variance[:-1]))

    @property
    def steps(self) -> int:
        """K."""
        return self.a.size

    @cached_property
    def α(self) -> Array:
        """α_k (K + 1,): products of the a, from α_0 = 1."""
        return np.append(1.0, np.cumprod(self.a))

    @cached_property
    def σ(self) -> Array:
        """σ_k (K + 1,): σ²_{k+1} = a_k² σ²_k + b_k², from σ_0 = 0."""
        variance = [0.0]
        for a, b in zip(self.a.tolist(), self.b.tolist(), strict=True):
            variance.append(a * a * variance[-1] + b * b)
        return np.sqrt(variance)

    @cached_property
    def backward(self) -> Backward:
        """A, B, s of N(A x_{k+1} + B x_0, s²); at k = 0 that is x_0 itself."""
        σ, σ_next = self.σ[:-1], self.σ[1:]
        A = self.a * (σ / σ_next) ** 2
        return Backward(A, self.α[:-1] * (self.b / σ_next) ** 2, self.b * σ / σ_next)

    @cached_property
    def backward_noise(self) -> Backward:
        """A, B, s of the same law as N(A x_{k+1} − B ẑ, s²), ẑ the noise in x_{k+1}."""
        return Backward(1 / self.a, self.b**2 / (self.a * self.σ[1:]), self.backward.s)

    def spread_from_noise(self, spread: float) -> float:
        """Spread of what the steps back make of N(0, I), each with x_0 replaced by its mean given
        x_{k+1}, where the data are Gaussian: v ← (A + Bc)² v + s² with E[x_0 | x] = c x."""
        A, B, s = self.backward
        c = self.α * spread**2 / ((self.α * spread) ** 2 + self.σ**2)
        v = 1.0
        for k in reversed(range(self.steps)):
            v = float((A[k] + B[k] * c[k + 1]) ** 2 * v + s[k] ** 2)
        return math.sqrt(v)


def taylor(γ: Array, σ_next: Array, order: int = 1) -> Backward:
    """`backward_noise` of the lectures' chain for small γ at a given σ_{k+1}, to γ^order.

    A ≈ 1 + γ,  B ≈ 2γ/σ_{k+1},  s² ≈ 2γ: with ẑ ≈ −σ ∇log p, the Euler–Maruyama step back. Order 2
    adds γ² to A, 2γ²/σ_{k+1} to B and 4γ²(1 − 1/σ²_{k+1}) to s².
    """
    if order == 1:
        return Backward(1 + γ, 2 * γ / σ_next, np.sqrt(2 * γ))
    if order == 2:
        variance = 2 * γ * (1 + 2 * γ * (1 - 1 / σ_next**2))
        return Backward(1 + γ + γ**2, 2 * γ * (1 + γ) / σ_next, np.sqrt(variance))
    raise InputError("order", order, "must be 1 or 2")


def _between_0_and_1(name: str, value: ArrayLike) -> Array:
    out = np.asarray(value, float)
    if out.size == 0 or not ((out > 0) & (out < 1)).all():
        raise InputError(name, out.tolist(), f"must be 0 < {name} < 1")
    return out
