"""DDPM's bound on −log p(x₀), in closed form but for the errors of the model.

    −log p(x₀) ≤ E[L_T + Σ_{k=1}^{T−1} L_k + L_0]         over x_1 … x_T given x₀
    L_T = KL(q(x_T|x₀) ‖ N(0, τ²I))
    L_k = KL(q(x_k|x_{k+1}, x₀) ‖ p(x_k|x_{k+1}))
        = D/2 (r − 1 − log r) + B²|x₀ − x̂₀|²/2v,    r = s²/v
    L_0 = −log p(x₀|x₁)

where q(x_k|x_{k+1}, x₀) = N(A x_{k+1} + B x₀, s²I) and the model's p(x_k|x_{k+1}) = N(A x_{k+1} +
B x̂₀(x_{k+1}), v_k I), on a `Ladder`. A model is a callable x̂₀ = denoised(x, k); a model ε̂ of the
noise gives x̂₀ = (x − σ_k ε̂)/α_k. L_0 is a density for points, and for pixels the probability of
their levels. All is in nats; `Terms.bits` gives bits per dimension. Source: Ho et al. 2020, Eqs.
(5)–(13), whose L_{t−1} is L_k at k = t − 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.diffusion.chain import Ladder
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.quadrature import mean
from toyflows.errors import InputError, nearest

Points = NDArray[Any]
Denoiser = Callable[[Points, int], Points]
LEVELS = 256
VARIANCES = ("forward", "posterior", "optimal")


@dataclass(frozen=True, eq=False)
class Terms:
    """The bound's parts: L_T (…), L_1 … L_{T−1} (T − 1, …) and L_0 (…), in nats."""

    prior: Array
    steps: Array
    data: Array

    @property
    def total(self) -> Array:
        """The bound (…)."""
        return np.asarray(self.prior + self.steps.sum(axis=0) + self.data)

    def bits(self, D: int) -> Terms:
        """In bits per dimension. For points these count from a cell of volume one."""
        unit = D * math.log(2)
        return Terms(self.prior / unit, self.steps / unit, self.data / unit)


def bound(
    ladder: Ladder, errors: Array, squares: Array, D: int, v: Array, prior_sigma: float = 1.0
) -> Terms:
    """From errors |x₀ − x̂₀(x_k, k)|² (T, …), k = 1 … T, squares |x₀|² (…), and v (T,).

    L_0 is the density's; the bound of an expected point takes expected errors and squares.
    """
    errors, squares = np.asarray(errors, float), np.asarray(squares, float)
    shape = (-1, *[1] * (errors.ndim - 1))
    r = (ladder.σ[-1] / prior_sigma) ** 2
    prior = D / 2 * (r - 1 - math.log(r)) + (ladder.α[-1] / prior_sigma) ** 2 / 2 * squares
    B, s = ladder.backward.B[1:], ladder.backward.s[1:]
    r_k = s**2 / v[1:]
    still = (D / 2 * (r_k - 1 - np.log(r_k))).reshape(shape)
    steps = still + (B**2 / (2 * v[1:])).reshape(shape) * errors[1:]
    data = D / 2 * math.log(2 * math.pi * v[0]) + errors[0] / (2 * v[0])
    return Terms(np.asarray(prior), steps, np.asarray(data))


def variances(kind: str, ladder: Ladder, errors: Array | None = None, D: int = 1) -> Array:
    """v_k (T,): forward, b²; posterior, s²; optimal, s² + B² E|x₀ − x̂₀|²/D for errors (T,).

    posterior is exact only if the data are a single point: for others, as T → ∞, its first steps
    cost ½Σ_k (1/k − log(1 + 1/k)) = γ/2 = 0.289 nats a dimension (γ Euler's constant). At k = 0,
    where s = 0, it has b² too. optimal is the best that does not see x: Bao et al., Analytic-DPM
    (2022).
    """
    if kind not in VARIANCES:
        raise InputError("variance", kind, nearest(kind, VARIANCES))
    s2 = ladder.backward.s**2
    if kind == "forward":
        return np.asarray(ladder.b**2)
    if kind == "posterior":
        return np.append(ladder.b[0] ** 2, s2[1:])
    if errors is None:
        raise InputError("variance", kind, "needs the errors of the model")
    return np.asarray(s2 + ladder.backward.B**2 * errors / D)


def least_errors(mixture: Gaussians, ladder: Ladder) -> Array:
    """E|x₀ − E[x₀|x_k]|² (T,), k = 1 … T, by quadrature: no model has smaller ones; D ≤ 2."""

    def at(α: float, σ: float) -> float:
        def spread(x: Array) -> Array:
            return mixture.dimension + σ**2 * mixture.divergence(x, α, σ)

        return (σ / α) ** 2 * float(mean(spread, mixture.at(α, σ)))

    return np.array([at(α, σ) for α, σ in zip(ladder.α[1:], ladder.σ[1:], strict=True)])


def estimate(
    denoised: Denoiser,
    ladder: Ladder,
    x0: Points,
    rng: np.random.Generator,
    variance: str = "forward",
    pixels: bool = False,
    prior_sigma: float = 1.0,
) -> Terms:
    """The terms of each x₀ (n, …), unbiased: one x_k for each k and x₀. T + 1 calls of the model.

    With `pixels`, x₀ is in [−1, 1] and L_0 the probability of the 256 levels. For "optimal" the
    variances are those of these x₀: take them from others by `variances` where that matters.
    """
    flat = x0.reshape(len(x0), -1)
    D = flat.shape[1]
    errors = np.array([
        _squares(x0 - denoised(_noised(ladder, x0, k, rng), k)) for k in range(1, ladder.steps + 1)
    ])  # fmt: skip
    v = variances(variance, ladder, errors.mean(axis=1), D)
    terms = bound(ladder, errors, _squares(x0), D, v, prior_sigma)
    if not pixels:
        return terms
    centre = denoised(_noised(ladder, x0, 1, rng), 1).reshape(len(x0), -1)
    data = -level_log_probability(flat, centre, math.sqrt(v[0])).sum(axis=1)
    return Terms(terms.prior, terms.steps, data)


def from_noise(noise: Denoiser, ladder: Ladder) -> Denoiser:
    """x̂₀(x, k) = (x − σ_k ε̂(x, k))/α_k."""
    return lambda x, k: (x - ladder.σ[k] * noise(x, k)) / ladder.α[k]


def exact(mixture: Gaussians, ladder: Ladder) -> Denoiser:
    """E[x₀|x_k]: no model does better."""
    return lambda x, k: mixture.denoised(x, float(ladder.α[k]), float(ladder.σ[k]))


def level_log_probability(x: Points, centre: Points, spread: float) -> Array:
    """log P(N(centre, spread²) rounds to x), for x one of 256 levels from −1 to 1, of x's shape.

    The cell of a level is 2/255 wide; those of −1 and 1 reach to ∓∞. Ho et al. 2020, Eq. (13).
    """
    from scipy.special import log_ndtr

    x, half = np.asarray(x, float), 1 / (LEVELS - 1)
    low = np.where(x < half - 1, -np.inf, (x - half - centre) / spread)
    high = np.where(x > 1 - half, np.inf, (x + half - centre) / spread)
    right = low + high > 0  # taken from the left, where small probabilities keep their digits
    low, high = np.where(right, -high, low), np.where(right, -low, high)
    with np.errstate(under="ignore"):
        log_low, log_high = log_ndtr(low), log_ndtr(high)
        return np.asarray(log_high + np.log(-np.expm1(log_low - log_high)))


def _noised(ladder: Ladder, x0: Points, k: int, rng: np.random.Generator) -> Points:
    """A draw of x_k given x₀."""
    return np.asarray(ladder.α[k] * x0 + ladder.σ[k] * rng.standard_normal(x0.shape))


def _squares(x: Points) -> Array:
    """|x|² of each sample (n,)."""
    with np.errstate(under="ignore"):
        return np.asarray(np.square(x.reshape(len(x), -1)).sum(axis=1, dtype=np.float64))
