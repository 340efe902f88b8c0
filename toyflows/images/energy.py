"""Energies that a network's outputs stand for, and the losses they are learned by.

    q(x) = e^{−E(x)}/Z,     E(x) = f(x)                            one output, an EBM
    q(x, y) ∝ e^{f_y(x)},   E(x) = −log Σ_k e^{f_k(x)}             K outputs, a JEM, with
                            E(x|y) = −f_y(x),   q(y|x) = softmax(f(x))_y

All functions take outputs f (N, K), and give derivatives in the same shape. Source of the joint
model: Grathwohl et al., Your classifier is secretly an energy based model (2020).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from toyflows.nn.layers import Array
from toyflows.numerics import log_sum_exp, softmax
from toyflows.pictures import Labels


def energy(f: Array, classes: Labels | None = None) -> tuple[Array, Array]:
    """E (N,) and ∂E/∂f (N, K).

    Without `classes` E(x); with classes (N, m) the composition E = Σ_j E(x|y_j) of m of them, which
    for m = 1 is the energy of one class. The product of densities has the sum of the energies.
    """
    if classes is not None:
        E, slope = np.zeros(len(f), f.dtype), np.zeros_like(f)
        rows = np.arange(len(f))
        for y in classes.T:
            E -= f[rows, y]
            slope[rows, y] -= 1
        return E, slope
    if f.shape[1] == 1:
        return f[:, 0], np.ones_like(f)
    return -log_sum_exp(f), -softmax(f)


class Loss(NamedTuple):
    """L, and what it is made of: means of the energies, cross-entropy, share of right classes."""

    total: float
    data: float
    model: float
    entropy: float
    accuracy: float


def contrastive(data: Array, model: Array, α: float) -> tuple[float, Array, Array]:
    """L = ⟨E⟩_data − ⟨E⟩_model + α(⟨E²⟩_data + ⟨E²⟩_model), ∂L/∂E_data and ∂L/∂E_model.

    The gradient of −⟨log q⟩_data is ∂⟨E⟩_data − ⟨∂E⟩_q, since ∂log Z = −⟨∂E⟩_q: the first two terms
    with the samples held fixed. The others hold the energies near zero, whose level q leaves free:
    at constant energies L is least at ∓1/(2α). Source: exercise sheet 3 [F]; its Eq. (3) prints
    ∂log Z with the wrong sign. The squares: Du & Mordatch (2019).
    """
    n, m = len(data), len(model)
    L = data.mean() - model.mean() + α * (np.mean(data**2) + np.mean(model**2))
    return float(L), (1 + 2 * α * data) / n, (2 * α * model - 1) / m


def cross_entropy(f: Array, y: Labels) -> tuple[float, Array]:
    """L = −⟨log q(y|x)⟩ and ∂L/∂f = (q(·|x) − 1_y)/N."""
    rows = np.arange(len(f))
    slope = softmax(f)
    slope[rows, y] -= 1
    return float(np.mean(log_sum_exp(f) - f[rows, y])), slope / len(f)


def loss(
    data: Array, model: Array, y: Labels, α: float, weight: float = 1.0
) -> tuple[Loss, Array, Array]:
    """The contrastive loss of E, and for a JEM also −⟨log q(y|x)⟩ on the data, which for the weight
    one together are −⟨log q(x, y)⟩; from outputs on data and on samples, with ∂L/∂f of both."""
    (E, slope), (E_model, slope_model) = energy(data), energy(model)
    L, g, g_model = contrastive(E, E_model, α)
    g, g_model = g[:, None] * slope, g_model[:, None] * slope_model
    entropy = accuracy = 0.0
    if data.shape[1] > 1:
        entropy, more = cross_entropy(data, y)
        accuracy = float(np.mean(data.argmax(axis=1) == y))
        g = g + weight * more
    means = float(E.mean()), float(E_model.mean())
    return Loss(L + weight * entropy, *means, entropy, accuracy), g, g_model
