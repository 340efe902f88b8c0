"""The likelihood of a score model: the change of log density along the probability-flow ODE.

    dx/dt = v(x, t) = f x − ½ g² s(x, t),     log p_0(x_0) = log p_1(x_1) + ∫_0^1 ∇·v(x_t, t) dt

(Song et al. 2021, Eqs. 13 and 39). With the exact score and the exact p_1 this is the log density
of the data's law at t = 0; with the law N(0, prior_sigma²) for p_1 it is that of the model that
samples from there. ∇·v = f D − ½ g² ∇·s takes the exact divergence of s, or Hutchinson's estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from toyflows.cloud import Array, finite_or_refused
from toyflows.diffusion.methods.base import Model, Score, positive
from toyflows.diffusion.processes import Process
from toyflows.errors import InputError, Unsolved

FAR = 1e6  # spreads of the data: farther the solver's steps become hundreds, then endless
Divergence = Callable[[Array, float], Array]
Product = Callable[[Array, float, Array], Array]


def log_likelihood(
    x: Array, score: Score, divergence: Divergence, process: Process,
    log_prior: Callable[[Array], Array] | None = None, tolerance: float = 1e-8,
    first: float = 0.0,
    share: float = 0.5,
) -> Array:  # fmt: skip
    """log p_t (n,) at t = `first`, for points x (n, …), in nats.

    `divergence(x, t)` is ∇·s (n,); `log_prior` is log p_1, by default of N(0, prior_sigma² I). The
    solver is Dormand & Prince's 8(5,3); it keeps its local errors, as a root mean square over all
    points, below tolerance · (1 + |value|). A network that knows the noise ε has no score −ε/σ
    where σ = 0: start at a `first` > 0. `share` is that of g² in v, ½; a slide has 1
    (docs/errata.md, G.probability-flow), which is the density of another model.
    """
    from scipy.integrate import solve_ivp

    positive("tolerance", tolerance)
    if not 0 <= first < 1:
        raise InputError("first", first, "must be 0 ≤ first < 1")
    if x.size == 0 or not (np.abs(x) <= FAR).all():
        why = f"must be one or more finite points within ±{FAR:g}"
        raise InputError("x", f"of shape {x.shape}", why)
    n, D, model = len(x), x[0].size, Model(score, process, 1.0)

    def slope(time: float, flat: Array) -> Array:
        now, out = flat[: n * D].reshape(x.shape), np.empty_like(flat)
        out[: n * D] = -model.reverse_drift(now, time, share).ravel()
        growth = divergence(now, time) * (-share * float(process.g2(time)))
        out[n * D :] = growth + D * float(process.f(time))
        return out

    start = np.concatenate([x.ravel(), np.zeros(n)])
    with finite_or_refused("tolerance", tolerance, "on the way to t = 1") as judge:
        end = solve_ivp(slope, (first, 1), start, method="DOP853", rtol=tolerance, atol=tolerance)
        judge(end.y)
    if not end.success:
        raise Unsolved("likelihood", float(end.t[-1]), end.message)
    x1, growth = end.y[: n * D, -1].reshape(x.shape), end.y[n * D :, -1]
    return (log_prior or gaussian(process.prior_sigma))(x1) + growth


def gaussian(spread: float) -> Callable[[Array], Array]:
    """log N(x; 0, spread² I) (n,) for x (n, …)."""

    def log_density(x: Array) -> Array:
        rows = x.reshape(len(x), -1)
        constant = rows.shape[1] * math.log(spread * math.sqrt(2 * math.pi))
        return -0.5 * np.square(rows / spread).sum(axis=1) - constant

    return log_density


def hutchinson(product: Product, probe: Array) -> Divergence:
    """vᵀ(∂s/∂x)v (n,) with the probe v like x, E[vvᵀ] = I: unbiased for ∇·s.

    `product(x, t, v)` is (∂s/∂x)v or its transpose. The probe stays for the whole path, so that log
    p_0 is unbiased too and its slope smooth (Grathwohl et al. 2019).
    """

    def divergence(x: Array, t: float) -> Array:
        both = probe * product(x, t, probe)
        return np.asarray(both.reshape(len(x), -1).sum(axis=1))

    return divergence


def differences(score: Score, step: float = 1e-5) -> Product:
    """(∂s/∂x)v by central differences, for a score that has no product of its own (float64)."""

    def product(x: Array, t: float, v: Array) -> Array:
        return (score(x + step * v, t) - score(x - step * v, t)) / (2 * step)

    return product
