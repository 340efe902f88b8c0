"""Mixtures of round Gaussians in any dimension: all about them and their noised laws is exact.

    p(x) = Σ_k w_k N(x; μ_k, s_k² I),     X_t = αX + σZ:  the same with αμ_k and α²s_k² + σ²

Density, score, its divergence and E[X | X_t] take α and σ, each a number or one for each point:
with y = x/α and v_k = s_k² + σ²/α² the law of X_t at x is, up to scale, that of X + (σ/α)Z at y.
These are the truth against which samplers, objectives and networks are measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows import display
from toyflows.cloud import Array
from toyflows.diffusion.schedules import Time
from toyflows.errors import InputError


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Weights w (K,) of sum 1, means μ (K, D), spreads s (K,)."""

    weights: Array
    means: Array
    spreads: Array
    __repr__ = display.short

    def __post_init__(self) -> None:
        for name in ("weights", "means", "spreads"):
            value = np.asarray(getattr(self, name), float)
            if value.size == 0 or not np.isfinite(value).all():
                raise InputError(name, value.tolist(), "must be finite numbers")
            object.__setattr__(self, name, value)
        if self.means.ndim != 2 or self.weights.shape != self.means.shape[:1]:
            shapes = f"{self.means.shape} for {self.weights.shape} weights"
            raise InputError("means", shapes, "must be a row of D numbers for each weight")
        if self.spreads.shape != self.weights.shape or self.spreads.min() <= 0:
            raise InputError("spreads", self.spreads.tolist(), "must be one > 0 for each weight")
        if self.weights.min() <= 0 or abs(self.weights.sum() - 1) > 1e-9:
            raise InputError("weights", self.weights.tolist(), "must be > 0, of sum 1")

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.means.shape[1])

    def at(self, α: float, σ: float) -> Gaussians:
        """The law of αX + σZ."""
        return Gaussians(self.weights, α * self.means, np.hypot(α * self.spreads, σ))

    def log_density(self, x: Array, α: Time = 1.0, σ: Time = 0.0) -> Array:
        """log p (n,) of αX + σZ at x (n, D)."""
        _, _, log_joint = self._at(x, α, σ)
        peak = log_joint.max(axis=1)
        with np.errstate(under="ignore"):
            log_sum = peak + np.log(np.exp(log_joint - peak[:, None]).sum(axis=1))
        constant = self.dimension * (0.5 * math.log(2 * math.pi) + np.log(α))
        return np.asarray(log_sum - constant)

    def responsibilities(self, x: Array, α: Time = 1.0, σ: Time = 0.0) -> Array:
        """P(component k | αX + σZ = x) (n, K)."""
        return self._posterior(x, α, σ)[2]

    def score(self, x: Array, α: Time = 1.0, σ: Time = 0.0) -> Array:
        """∇ log p (n, D) of αX + σZ at x (n, D): Σ_k r_k (μ_k − y)/v_k over α."""
        y, v, r = self._posterior(x, α, σ)
        with np.errstate(under="ignore"):
            r /= v
            out = r @ self.means
            y *= r.sum(axis=1, keepdims=True)
            out -= y
            out /= column(α)
        return np.asarray(out)

    def divergence(self, x: Array, α: Time = 1.0, σ: Time = 0.0) -> Array:
        """Δ log p (n,) at x (n, D): the spread of m_k = (μ_k − y)/v_k, less D E[1/v], over α²."""
        y, v, r = self._posterior(x, α, σ)
        with np.errstate(under="ignore"):
            mean = (r / v) @ self.means - (r / v).sum(axis=1, keepdims=True) * y
            out = -self.dimension * (r / v).sum(axis=1)
            for k, μ in enumerate(self.means):
                out += r[:, k] * np.square((μ - y) / v[:, k : k + 1] - mean).sum(axis=1)
        return np.asarray(out / np.square(α))

    def denoised(self, x: Array, α: Time, σ: Time) -> Array:
        """E[X | αX + σZ = x] (n, D): Σ_k r_k (σ²/α² μ_k + s_k² y)/v_k."""
        y, v, r = self._posterior(x, α, σ)
        with np.errstate(under="ignore"):
            r /= v
            pull = r @ self.means * column(np.square(np.divide(σ, α)))
            return np.asarray(pull + (r @ self.spreads**2)[:, None] * y)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n independent points (n, D)."""
        return self.sample_with_labels(n, rng)[0]

    def sample_with_labels(
        self, n: int, rng: np.random.Generator
    ) -> tuple[Array, NDArray[np.int64]]:
        """n independent points (n, D) and the components (n,) they come from."""
        label = rng.choice(len(self.weights), n, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((n, self.dimension))
        return self.means[label] + self.spreads[label, None] * noise, label

    def _at(self, x: Array, α: Time, σ: Time) -> tuple[Array, Array, Array]:
        """y = x/α (n, D), v (n or 1, K), and log w_k N(y; μ_k, v_k) (n, K) without (2π)^{−D/2}."""
        from scipy.spatial.distance import cdist

        y = np.asarray(x, float) / column(α)
        if y.ndim != 2 or y.shape[1] != self.dimension:
            raise InputError("x", y.shape, f"must be points (n, {self.dimension})")
        v = self.spreads**2 + np.atleast_1d(np.square(np.divide(σ, α)))[:, None]
        out = cdist(self.means, y, "sqeuclidean").T  # a component's row: sums over them are fast
        out *= -0.5 / v
        out += np.log(self.weights) - 0.5 * self.dimension * np.log(v)
        return y, v, out

    def _posterior(self, x: Array, α: Time, σ: Time) -> tuple[Array, Array, Array]:
        """y (n, D), v (n or 1, K), and the responsibilities (n, K)."""
        y, v, r = self._at(x, α, σ)
        with np.errstate(under="ignore"):
            r -= r.max(axis=1, keepdims=True)
            np.exp(r, out=r)
            r /= r.sum(axis=1, keepdims=True)
        return y, v, r


def column(v: Time, like: Array | None = None) -> Any:
    """A number as it is; a number for each point (n,) as (n, 1), or with the axes of x (n, …)."""
    v = np.asarray(v, float)
    return v[()] if v.ndim == 0 else v.reshape(-1, *[1] * ((2 if like is None else like.ndim) - 1))


def two_modes(d: float, q: float, dimension: int = 1) -> Gaussians:
    """Unit Gaussians at −d/2 and d/2 of the first axis, with weights 1 − q and q."""
    if not 0 < q < 1:
        raise InputError("q", q, "must be 0 < q < 1")
    means = np.zeros((2, dimension))
    means[:, 0] = -d / 2, d / 2
    return Gaussians(np.array([1 - q, q]), means, np.ones(2))


def song_ermon() -> Gaussians:
    """1/5 N((−5, −5), I) + 4/5 N((5, 5), I), of Song & Ermon 2019, §3.2."""
    return Gaussians(np.array([0.2, 0.8]), np.array([[-5.0, -5.0], [5.0, 5.0]]), np.ones(2))
