"""The modern Hopfield network: patterns are recalled by a softmax, in one step.

    ξ ← X softmax(β Xᵀξ),     E(ξ) = −lse_β(Xᵀξ) + ½ξᵀξ + (log p)/β + ½ max_μ |x_μ|²

with lse_β(z) = (1/β) log Σ e^{βz} and the patterns x_μ as the rows of X (p, d). By the
concave–convex procedure E never rises. With queries ξ, keys and values X and β = 1/√d the update is
attention. Of random ±1 patterns it holds exponentially many: at a pattern its own term is e^{βd},
and the others add Σ_ν e^{βx_ν·x_μ}, of mean (p − 1)(cosh β)^d, which is as much where

    log p ≈ d (β − log cosh β),

against Hebb's p = 0.138 d. Source: Ramsauer et al. 2021, "Hopfield networks is all you need";
Krotov & Hopfield 2016; Demircigil et al. 2017 for e^{βx·ξ} as an energy; Lucibello & Mézard 2024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.numerics import log_sum_exp, softmax


@dataclass(frozen=True, eq=False)
class Modern:
    """Patterns X (p, d) and the inverse temperature β."""

    X: Array
    β: float

    def __post_init__(self) -> None:
        if self.X.ndim != 2 or not self.X.size:
            raise InputError("patterns", self.X.shape, "must be (p, d)")
        if not self.β > 0:
            raise InputError("beta", self.β, "must be > 0")

    def weights(self, ξ: Array) -> Array:
        """softmax(β ξXᵀ) (n, p) of states ξ (n, d)."""
        return softmax(self.β * (ξ @ self.X.T))

    def update(self, ξ: Array) -> Array:
        """ξ (n, d) after one update: a mean of the patterns."""
        with np.errstate(under="ignore"):
            return np.asarray(self.weights(ξ) @ self.X)

    def energy(self, ξ: Array) -> Array:
        """E (n,), at least 0."""
        lse = log_sum_exp(self.β * (ξ @ self.X.T)) / self.β
        rim = math.log(len(self.X)) / self.β + 0.5 * np.square(self.X).sum(axis=1).max()
        return np.asarray(0.5 * np.square(ξ).sum(axis=1) - lse + rim)

    def settle(self, ξ: Array, steps: int = 100, atol: float = 1e-12) -> tuple[Array, int]:
        """ξ (n, d) where no number moves by more than atol, and after how many updates."""
        for k in range(1, steps + 1):
            new = self.update(ξ)
            if np.abs(new - ξ).max() <= atol:
                return new, k
            ξ = new
        return ξ, steps


def attention(Q: Array, K: Array, V: Array) -> Array:
    """softmax(QKᵀ/√d)V for queries (n, d), keys (p, d), values (p, e): as transformers have it."""
    scores = np.einsum("nd,pd->np", Q, K) / math.sqrt(K.shape[1])
    with np.errstate(under="ignore"):
        top = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(np.einsum("np,pe->ne", top, V) / top.sum(axis=1, keepdims=True))


def rate(β: float) -> float:
    """β − log cosh β: (log p)/d of as many random ±1 patterns of d units as are recalled."""
    return math.log(2) - math.log1p(math.exp(-2 * β))


def own_weight(d: int, p: int, β: float, trials: int, rng: np.random.Generator) -> Array:
    """The weight (trials,) that an update from a pattern gives to it, among p random ones of ±1.

    Overlaps with the others are independent given the pattern, and each is d − 2 Binomial(d, ½):
    their histogram is one multinomial draw, whatever p.
    """
    from scipy.stats import binom

    if p < 1:
        raise InputError("p", p, "must be 1 or more")

    far = np.arange(d + 1)  # differing bits
    chance = binom.pmf(far, d, 0.5)
    count = rng.multinomial(p - 1, chance / chance.sum(), size=trials)  # (trials, d + 1)
    with np.errstate(under="ignore"):
        return np.asarray(1 / (1 + count @ np.exp(-2 * β * far)))


def capacity(d: int, β: float, trials: int, rng: np.random.Generator) -> float:
    """The p at which half of the patterns keep half of the weight: by bisection in log p."""
    low, high = 0.0, d * math.log(2) + 3
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        kept = np.mean(own_weight(d, round(math.exp(middle)), β, trials, rng) >= 0.5)
        low, high = (middle, high) if kept >= 0.5 else (low, middle)
    return math.exp(0.5 * (low + high))
