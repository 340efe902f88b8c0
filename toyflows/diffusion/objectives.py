"""Four losses with one minimum: what a model s(x, t) of the score ∇log p_t(x) is trained on.

    explicit     ½|s(x, t) − ∇log p_t(x)|²                       needs the truth
    implicit     ½|s|² + ∇·s                                     Hyvärinen 2005
    sliced       ½(vᵀs)² + vᵀ(∂s/∂x)v,    E[vvᵀ] = I             Song et al. 2019
    denoising    ½|s(αx₀ + σε, t) + ε/σ|²                        Vincent 2011

One number for each sample, so that a loss comes with its variance. x is drawn from p_t, which is
the law of αx₀ + σε. By parts, with D the dimension and J = E|∇log p_t|²,

    E implicit = E sliced = E explicit − J/2,     E denoising = E explicit + (D/σ² − J)/2:

the constants do not know the model. The model is a callable s(x, t) with x (n, D) and t a number or
(n,), with its divergence(x, t) (n,), or its product(x, t, v), which is vᵀ∂s/∂x or (∂s/∂x)v.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import column
from toyflows.diffusion.processes import ExactScore, Process
from toyflows.diffusion.schedules import Time
from toyflows.errors import InputError, nearest

Points = NDArray[Any]
Score = Callable[[Points, Time], Points]
Divergence = Callable[[Points, Time], Points]
Product = Callable[[Points, Time, Points], Points]


def explicit(score: Score, truth: Score, x: Points, t: Time) -> Array:
    """½|s − ∇log p_t|² (n,), where `truth` is ∇log p_t."""
    r = score(x, t) - truth(x, t)
    return _dot(r, r) / 2


def implicit(score: Score, divergence: Divergence, x: Points, t: Time) -> Array:
    """½|s|² + ∇·s (n,). Source: Hyvärinen, Estimation of non-normalized models (2005), Thm. 1."""
    s = score(x, t)
    return _dot(s, s) / 2 + divergence(x, t)


def hutchinson(score: Score, product: Product, x: Points, t: Time, v: Points) -> Array:
    """½|s|² + vᵀ(∂s/∂x)v (n,): implicit with Hutchinson's estimate of the divergence.

    Where E[vvᵀ] = I this is also sliced with its first term averaged over v, "with variance
    reduction" in Song et al. (2019).
    """
    s = score(x, t)
    return _dot(s, s) / 2 + _dot(product(x, t, v), v)


def sliced(score: Score, product: Product, x: Points, t: Time, v: Points) -> Array:
    """½(vᵀs)² + vᵀ(∂s/∂x)v (n,): the slopes along v only. Source: Song et al. (2019)."""
    return _dot(score(x, t), v) ** 2 / 2 + _dot(product(x, t, v), v)


def denoising(score: Score, process: Process, x0: Points, t: Time, ε: Points) -> Array:
    """½|s(αx₀ + σε, t) + ε/σ|² (n,). Its variance grows as σ⁻⁴ where σ → 0."""
    x, σ = noised(process, x0, t, ε)
    r = score(x, t) + ε / σ
    return _dot(r, r) / 2


def bare(score: Score, process: Process, x0: Points, t: Time, ε: Points) -> Array:
    """Denoising without |ε|²/2σ², which no model changes: ½|s|² + sᵀε/σ (n,); as implicit in the
    mean. It learns as denoising does, and it still has a variance ~ σ⁻²."""
    x, σ = noised(process, x0, t, ε)
    s = score(x, t)
    return _dot(s, s) / 2 + _dot(s, ε / σ)


def paired(score: Score, process: Process, x0: Points, t: Time, ε: Points) -> Array:
    """`bare` averaged over ε and −ε (n,): (|s₊|² + |s₋|²)/4 + (s₊ − s₋)ᵀε/2σ.

    As σ → 0 it tends to `hutchinson` at v = ε, at differences of s, and so does its variance.
    """
    return (bare(score, process, x0, t, ε) + bare(score, process, x0, t, -ε)) / 2


def simple(noise: Score, process: Process, x0: Points, t: Time, ε: Points) -> Array:
    """|ε − ε̂(αx₀ + σε, t)|² (n,) of a model ε̂ = −σs of the noise: 2σ² × denoising.

    Source: Ho et al., Denoising diffusion probabilistic models (2020), Eq. (14).
    """
    r = ε - noise(noised(process, x0, t, ε)[0], t)
    return _dot(r, r)


def weight(name: str, process: Process, t: Time) -> Array:
    """λ(t) in E_t[λ(t) × a loss], by name: score, 1; simple, 2σ²; likelihood, g².

    For t uniform in [0, 1] the last bounds what the model adds to KL(p_T ‖ prior) in KL(p_0 ‖
    model). Source: Song et al., Maximum likelihood training of score-based diffusion models (2021).
    """
    weights: dict[str, Callable[[], Any]] = {
        "score": lambda: np.ones_like(t, np.float64),
        "simple": lambda: 2 * np.square(process.sigma(t)),
        "likelihood": lambda: process.g2(t),
    }
    if name not in weights:
        raise InputError("weight", name, nearest(name, weights))
    return np.asarray(weights[name](), np.float64)


def constants(J: float, D: int, σ: float) -> dict[str, float]:
    """E[loss] − E[explicit] by the loss's name, for J = E|∇log p_t|² in D dimensions at noise σ."""
    of_implicit = dict.fromkeys(("implicit", "hutchinson", "sliced", "bare", "paired"), -J / 2)
    return {"explicit": 0.0} | of_implicit | {"denoising": (D / σ**2 - J) / 2}


def noised(process: Process, x0: Points, t: Time, ε: Points) -> tuple[Points, Points]:
    """x = αx₀ + σε, and σ in a shape that multiplies it."""
    if np.any(np.equal(process.sigma(t), 0)):
        raise InputError("t", t, "must be a time with noise, σ(t) > 0")
    α, σ = (column(of(t), x0) for of in (process.alpha, process.sigma))
    return α * x0 + σ * ε, σ


def divergence_of(product: Product) -> Divergence:
    """Σ_i e_iᵀ(∂s/∂x)e_i, exact: D products."""

    def divergence(x: Points, t: Time) -> Points:
        total = np.zeros(len(x))
        for i in range(x.shape[1]):
            e = np.zeros_like(x)
            e[:, i] = 1
            total += product(x, t, e)[:, i]
        return total

    return divergence


def curvature(truth: ExactScore) -> Product:
    """The product of the exact score: its Jacobian is Cov_r(m) − E_r[1/v] I with the pulls m_k."""

    def product(x: Points, t: Time, v: Points) -> Points:
        mixture = truth.mixture
        α, σ = truth.process.alpha(t), truth.process.sigma(t)
        r, out = mixture.responsibilities(x, α, σ), -truth(x, t) * _dot(truth(x, t), v)[:, None]
        for r_k, μ, s in zip(r.T, mixture.means, mixture.spreads, strict=True):
            variance = column(np.square(α) * s**2 + np.square(σ))
            pull = (column(α) * μ - x) / variance
            out += r_k[:, None] * (pull * _dot(pull, v)[:, None] - v / variance)
        return out

    return product


def rademacher(rng: np.random.Generator, like: Points) -> Points:
    """Directions of independent signs ±1, in the shape and dtype of `like`."""
    return rng.choice(np.array([-1, 1], like.dtype), like.shape)


def _dot(a: Points, b: Points) -> Array:
    """Σ over all but the first axis of a·b, in float64."""
    with np.errstate(under="ignore"):
        product = np.asarray(a * b).reshape(len(a), -1)
        total: Array = product.sum(axis=1, dtype=np.float64)
        return total
