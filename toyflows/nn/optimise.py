"""Training on one flat vector: Adam, clipping, the average of the path, the schedule of a rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toyflows.errors import InputError
from toyflows.kernels.adam import adam_step
from toyflows.nn.layers import Array


@dataclass
class Adam:
    """m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²,   θ ← θ − rate · m̂/(√v̂ + ε)

    with m̂ = m/(1−β₁ᵗ) and v̂ = v/(1−β₂ᵗ), which undo the start of m and v at zero. Its state is
    (m, v, steps). Source: Kingma & Ba, Adam (2015), Algorithm 1.
    """

    m: Array
    v: Array
    steps: int = 0
    β1: float = 0.9
    β2: float = 0.999
    ε: float = 1e-8

    def __post_init__(self) -> None:
        for name, β in (("β1", self.β1), ("β2", self.β2)):
            if not 0 <= β < 1:
                raise InputError(name, β, "must be 0 ≤ β < 1")
        if not self.ε > 0:
            raise InputError("ε", self.ε, "must be ε > 0")

    @classmethod
    def at(cls, θ: Array, β1: float = 0.9, β2: float = 0.999, ε: float = 1e-8) -> Adam:
        """Before the first step of θ."""
        return cls(np.zeros_like(θ), np.zeros_like(θ), 0, β1, β2, ε)

    def step(self, θ: Array, g: Array, rate: float) -> None:
        """Moves θ in place against its gradient g."""
        self.steps += 1
        kept, new = (self.β1, self.β2), (1 - self.β1, 1 - self.β2)
        shares = 1 - self.β1**self.steps, 1 - self.β2**self.steps
        with np.errstate(under="ignore"):  # a number may be too small for θ's dtype
            numbers = tuple(map(θ.dtype.type, (*kept, *new, *shares, rate, self.ε)))
            adam_step(θ, g.astype(θ.dtype, copy=False), self.m, self.v, numbers)


def clip(g: Array, largest: float) -> float:
    """Scales g in place to the norm `largest` where it is longer; its norm before.

    A norm that is not finite leaves g as it is: the caller sees it and stops.
    """
    if not largest > 0:
        raise InputError("clip", largest, "must be a positive number")
    with np.errstate(under="ignore"):  # not np.linalg.norm: its sum depends on BLAS threads
        norm = math.sqrt(np.sum(np.square(g, dtype=np.float64)))
    if largest < norm < math.inf:
        g *= largest / norm
    return norm


@dataclass
class EMA:
    """The average of θ₁ … θ_t with weights ∝ dᵗ⁻ᵏ, which add up to one from the first step on.

    mean ← mean + (1−d)/(1−dᵗ) (θ_t − mean):   the bias correction of Adam, as a warm-up.
    """

    mean: Array
    decay: float
    steps: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise InputError("decay", self.decay, "must be 0 ≤ decay < 1")

    @classmethod
    def of(cls, θ: Array, decay: float) -> EMA:
        """Before the first θ."""
        return cls(np.zeros_like(θ), decay)

    def update(self, θ: Array) -> None:
        """Takes θ in; `mean` changes in place."""
        self.steps += 1
        with np.errstate(under="ignore"):
            self.mean += (1 - self.decay) / (1 - self.decay**self.steps) * (θ - self.mean)


@dataclass(frozen=True)
class Schedule:
    """rate·(k+1)/warm_up in the steps k < warm_up; then `rate`, or where cosine > 0

        last + (rate − last) (1 + cos πu)/2,     u = min(1, (k − warm_up)/cosine).

    k counts from 0. Source of the half cosine: Loshchilov & Hutter, SGDR (2017).
    """

    rate: float
    warm_up: int = 0
    cosine: int = 0
    last: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise InputError("rate", self.rate, "must be a positive number")
        for name in ("warm_up", "cosine", "last"):
            if not getattr(self, name) >= 0:
                raise InputError(name, getattr(self, name), "must be 0 or more")

    def __call__(self, step: int) -> float:
        """The rate of this step."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        if not self.cosine:
            return self.rate
        u = min(1.0, (step - self.warm_up) / self.cosine)
        return self.last + (self.rate - self.last) * (1 + math.cos(math.pi * u)) / 2
