"""The law of noised data, y = x + σε, with E[ε | y] at its nodes."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from toyflows.cloud import Array, Cloud
from toyflows.target import Target, nodes, spacing

REACH = 9.0  # standard deviations: kernels and wells are cut where they are e^{−40}
NODES = 8  # nodes at which noised data points are summed together: memory 8 × 3 floats a point


@lru_cache(maxsize=128)
def noised(target: Target, σ: float, sharp: bool) -> Cloud:
    """Law of y = x + σε with E[ε | y] (2, n): −σ times the score of y (Tweedie), which is known for
    the mixture; for the user's points, the posterior mean over them."""
    mix, s = target.mixture.noised(σ), math.sqrt(1 + σ**2)
    dx = spacing(mix.d)
    if sharp:
        dx = min(dx, spacing(target.mixture.d) / s)
    if not target.empirical:
        u = nodes(mix.a - REACH, mix.b + REACH, dx, mix.m)
        pairs = np.stack([mix.m + s * (u - mix.m), σ / s * mix.dU_dx(u, target.θ_star)])
        return Cloud(pairs, -mix.energy(u, target.θ_star))
    x, w = target.data.x, target.data.weights
    dy = min(0.5 * σ, s * dx)
    y = nodes(x[0] - REACH * σ, x[-1] + REACH * σ, dy, mix.m)
    posterior = [
        _posterior(ys, x[near], w[near], σ)
        for ys in np.split(y, range(NODES, y.size, NODES))
        for near in [slice(*np.searchsorted(x, [ys[0] - REACH * σ, ys[-1] + REACH * σ]))]
    ]
    density, mean = np.concatenate(posterior, axis=1)
    kept = density > 0
    return Cloud(np.stack([y[kept], mean[kept]]), np.log(density[kept]))


def _posterior(y: Array, x: Array, w: Array, σ: float) -> Array:
    """Density at y (n,) of points x of weights w plus σε, up to a factor, and E[ε | y]: (2, n)."""
    with np.errstate(under="ignore"):
        ε = (y[:, None] - x[None, :]) / σ
        likely = w * np.exp(-0.5 * ε**2)
        density = likely.sum(axis=1)
        total = np.sum(likely * ε, axis=1)
        return np.stack([density, total / np.where(density > 0, density, 1.0)])
