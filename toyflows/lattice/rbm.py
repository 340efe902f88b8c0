"""The restricted Boltzmann machine: binary units v (n,) and h (m,), with weights between them only.

    E(v, h) = −a·v − b·h − v·W h,     p(v, h) = e^{−E}/Z,     v, h of 0 and 1
    p(h_j = 1 | v) = σ(b_j + (vW)_j),     p(v_i = 1 | h) = σ(a_i + (Wh)_i)
    F(v) = −log Σ_h e^{−E} = −a·v − Σ_j log(1 + e^{b_j + (vW)_j})
    ∂ log p(v)/∂(W, a, b) = E[(vh, v, h) | v] − E[(vh, v, h)]

Learning is a signed sum of two expectations, `Statistics`: the first is of the data and has a
closed form, the second is the model's, and where it comes from is the method. Source: Hinton,
Training products of experts by minimizing contrastive divergence (2002).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toyflows import display
from toyflows.kernels.random import substream
from toyflows.kernels.rbm import draw_units, soft_sums, state_means, state_sums
from toyflows.lattice import enumeration
from toyflows.numerics import expit

Array = NDArray[Any]
UP, DOWN = 12, 13  # streams of the draws of h and of v


class Statistics(NamedTuple):
    """E[vᵢhⱼ] (n, m), E[vᵢ] (n,), E[hⱼ] (m,): in the order of W, a, b."""

    vh: Array
    v: Array
    h: Array

    def minus(self, other: Statistics) -> Statistics:
        """The data's moments minus the model's: the gradient of the mean log p(v)."""
        return Statistics(*(x - y for x, y in zip(self, other, strict=True)))

    @property
    def norm(self) -> float:
        """Euclidean, of all numbers together."""
        return math.sqrt(sum(float(np.vdot(x, x)) for x in self))


def mean_of(v: Array, h: Array) -> Statistics:
    """The means over rows v (N, n) and h (N, m), which may be probabilities."""
    share = np.full(len(v), 1 / len(v), v.dtype)
    return Statistics(v.T @ (h * share[:, None]), share @ v, share @ h)


def log_odds(v: Array) -> Array:
    """Of each pixel, (n,) float64, after half an image more that is on, and half a one that is off:
    a pixel that never changes must not be certain."""
    on = (v.sum(axis=0, dtype=np.float64) + 0.5) / (len(v) + 1.0)
    odds: Array = np.log(on / (1 - on))
    return odds


@dataclass(frozen=True, eq=False)
class RBM:
    """Weights W (n, m), biases a (n,) and b (m,), all float32 or all float64."""

    W: Array
    a: Array
    b: Array
    __repr__ = display.short

    @classmethod
    def new(cls, v: Array, hidden: int, rng: np.random.Generator, spread: float = 0.01) -> RBM:
        """Before learning v (N, n): a is the log odds of each pixel, W is small noise, b is 0."""
        W = spread * rng.standard_normal((v.shape[1], hidden))
        a, b = log_odds(v), np.zeros(hidden)
        return cls(*(x.astype(v.dtype) for x in (W, a, b)))

    @property
    def T(self) -> RBM:
        """The same law with the roles of the layers exchanged."""
        return RBM(self.W.T, self.b, self.a)

    def energy(self, v: Array, h: Array) -> Array:
        """E of each row, (N,)."""
        E: Array = -(v @ self.a) - h @ self.b - np.sum((v @ self.W) * h, axis=1)
        return E

    def free_energy(self, v: Array, β: float = 1.0) -> Array:
        """−log Σ_h e^{−βE} of each row, (N,) float64; F is that at β = 1."""
        total = np.empty(len(v))
        soft_sums(v @ self.W, self.b, β, total)
        return -β * (v.astype(np.float64) @ self.a) - total

    # ---- sampling

    def up(
        self, v: Array, seed: int, step: int, sweep: int = 0, β: Array | None = None
    ) -> tuple[Array, Array]:
        """p(h = 1 | v) and draws of h, (N, m) each, at the inverse temperatures β (N,) or 1."""
        x = v @ self.W
        β = np.ones(len(v)) if β is None else β
        h = np.empty_like(x)
        draw_units(x, self.b, β, x, h, seed, step, substream(UP, sweep))
        return x, h

    def down(
        self, h: Array, seed: int, step: int, sweep: int = 0, β: Array | None = None
    ) -> tuple[Array, Array]:
        """p(v = 1 | h) and draws of v, (N, n) each."""
        x = h @ self.W.T
        β = np.ones(len(h)) if β is None else β
        v = np.empty_like(x)
        draw_units(x, self.a, β, x, v, seed, step, substream(DOWN, sweep))
        return x, v

    def gibbs(
        self, v: Array, sweeps: int, seed: int, start: int = 0, β: float = 1.0,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[Array, Array]:  # fmt: skip
        """v after `sweeps` sweeps v → h → v, numbers start, start + 1 … of the noise, and the
        probabilities that it was drawn with."""
        p, βs = v, np.full(len(v), β)
        for k in range(start, start + sweeps):
            _, h = self.up(v, seed, k, β=βs)
            p, v = self.down(h, seed, k, β=βs)
            if progress is not None:
                progress(k + 1)
        return v, p

    # ---- what is exact

    @cached_property
    def law(self) -> Law:
        """All states of the smaller layer. Raises InputError("hidden") beyond 2²⁰."""
        n, m = self.W.shape
        enumeration.check("hidden", min(n, m))
        return Law.of(self) if m <= n else Law.of(self.T)

    @property
    def log_Z(self) -> float:
        """Exact."""
        return self.law.log_Z

    def log_likelihood(self, v: Array, log_Z: float | None = None) -> Array:
        """log p of each row, (N,); exact unless an estimate of log Z is given."""
        return -self.free_energy(v) - (self.log_Z if log_Z is None else log_Z)

    def statistics(self) -> Statistics:
        """The model's, exact."""
        found = self.law.statistics()
        return found if self.law.rbm is self else Statistics(found.vh.T, found.h, found.v)

    def pseudo_likelihood(self, v: Array, rng: np.random.Generator) -> Array:
        """Estimates of Σ_i log p(v_i | the other pixels), (N,): n times a pixel at random.

        A pixel that a chain flips easily costs log 2, so this is no bound of log p(v).
        """
        rows, i = np.arange(len(v)), rng.integers(v.shape[1], size=len(v))
        flipped = v.copy()
        flipped[rows, i] = 1 - v[rows, i]
        rise = self.free_energy(flipped) - self.free_energy(v)
        with np.errstate(under="ignore"):
            return -v.shape[1] * np.logaddexp(0.0, -rise)


@dataclass(frozen=True, eq=False)
class Law:
    """p(h) of all states h = (high q, low p) of an RBM's hidden layer, (Q, P), and log Z.

    A visible unit sees low[i, p] + high[q, i]: the terms of its activation.
    """

    rbm: RBM
    log_Z: float
    p: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, rbm: RBM) -> Law:
        """log p(h) + log Z = b·h + Σ_i log(1 + e^{a_i + (Wh)_i})."""
        W, a, b = (x.astype(np.float64) for x in (rbm.W, rbm.a, rbm.b))
        S, R = enumeration.halves(len(b))
        k = S.shape[1]
        low, high = np.ascontiguousarray(W[:, :k] @ S.T), a + R @ W[:, k:].T
        logw = (R @ b[k:])[:, None] + S @ b[:k]
        state_sums(low, high, logw)
        return cls(rbm, *enumeration.normalised(logw), low, high)

    def statistics(self) -> Statistics:
        """E[σ(a_i + (Wh)_i) h_j] and the means, summed over all h."""
        S, R = enumeration.halves(len(self.rbm.b))
        by_low, by_high = np.zeros_like(self.low), np.zeros_like(self.high)
        with np.errstate(under="ignore"):
            state_means(self.low, self.high, self.p, by_low, by_high)
            vh = np.hstack([by_low @ S, by_high.T @ R])
            h = np.concatenate([self.p.sum(axis=0) @ S, self.p.sum(axis=1) @ R])
            return Statistics(vh, by_low.sum(axis=1), h)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Independent draws of (h, p(v = 1 | h)); v itself is for the caller to draw."""
        k = np.searchsorted(np.cumsum(self.p.ravel()), rng.random(count))
        q, p = np.divmod(np.minimum(k, self.p.size - 1), self.p.shape[1])
        S, R = enumeration.halves(len(self.rbm.b))
        with np.errstate(under="ignore"):
            return np.hstack([S[p], R[q]]), expit(self.low.T[p] + self.high[q])


def exact_draws(rbm: RBM, count: int, rng: np.random.Generator) -> Array:
    """Independent draws of v, (count, n): no chain."""
    drawn, p = rbm.law.draw(count, rng)
    if rbm.law.rbm is not rbm:
        return drawn  # the visible layer was the smaller one
    return (rng.random(p.shape) < p).astype(np.float64)


def kl(weights: Array, log_p: Array) -> float:
    """Σ w log(w/p) over the states that the data has, weights w (K,) > 0 adding up to one."""
    return float(weights @ (np.log(weights) - log_p))
