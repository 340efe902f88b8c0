"""Expectations under a mixture in one or two dimensions, to rounding: the trapezoid rule.

    E[f(X)] = Σ_k w_k ∫ f(μ_k + s_k z) φ(z) dz

For a smooth f the rule's error falls as e^{−2πc/h}, c the distance of f's nearest pole from the
real z. A score has poles where two components cancel; for equal spreads c = πs/d.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import pdist

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians
from toyflows.errors import InputError

REACH = 9.0  # in spreads: beyond it is a share of 2e−19
EXPONENT = 37.0  # of the error: 2πc/h = 37 is 1e−16
LARGEST_STEP = 0.4  # of the Gaussian itself: e^{−2π²/h²} = 1e−53


def mean(f: Callable[[Array], Array], mixture: Gaussians) -> Array:
    """E[f(X)] for f of points (m, D) with values (m, …); D ≤ 2."""
    points, weights = nodes(mixture)
    with np.errstate(under="ignore"):
        return np.asarray(np.tensordot(weights, f(points), axes=1))


def nodes(mixture: Gaussians) -> tuple[Array, Array]:
    """Points (m, D) and weights (m,) of sum 1."""
    D, s = mixture.dimension, mixture.spreads
    if D > 2:
        raise InputError("mixture", f"D = {D}", "must be D ≤ 2 for quadrature")
    with np.errstate(under="ignore"):
        n = int(np.ceil(REACH / _step(mixture)))
        z = np.linspace(-REACH, REACH, 2 * n + 1)
        φ = np.exp(-0.5 * z**2)
        grid = np.stack(np.meshgrid(*[z] * D, indexing="ij"), axis=-1).reshape(-1, D)
        weight = np.multiply.reduce(np.meshgrid(*[φ / φ.sum()] * D, indexing="ij")).ravel()
        points = mixture.means[:, None] + s[:, None, None] * grid
        return points.reshape(-1, D), np.outer(mixture.weights, weight).ravel()


def _step(mixture: Gaussians) -> float:
    """h in spreads, fine enough for the scores of the mixture."""
    if len(mixture.weights) == 1:
        return LARGEST_STEP
    d = float(pdist(mixture.means / mixture.spreads.min()).max())
    ratio = float(mixture.spreads.max() / mixture.spreads.min())
    return min(LARGEST_STEP, 2 * np.pi**2 / (EXPONENT * max(d, 1e-9)) / ratio)
