"""Energies of outputs and their losses: derivatives against differences, and exact identities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from toyflows import numerics
from toyflows.images import energy
from toyflows.images.sgld import Plain
from toyflows.nn.layers import Array
from toyflows.nn.network import energy_network

RNG = np.random.default_rng(7)


def differences(f: Callable[[Array], float], x: Array, h: float = 1e-6) -> Array:
    """∂f/∂x by central differences, f a number."""
    found = np.empty(x.size)
    for k in range(x.size):
        e = np.zeros(x.size)
        e[k] = h
        found[k] = (f(x + e.reshape(x.shape)) - f(x - e.reshape(x.shape))) / (2 * h)
    return found.reshape(x.shape)


# ------------------------------------------------------------------ energies
@pytest.mark.parametrize(("K", "m"), [(1, 0), (5, 0), (5, 1), (5, 2), (5, 3)])
def test_energies_have_their_slopes(K: int, m: int) -> None:
    f = 3 * RNG.standard_normal((4, K))
    classes = RNG.integers(K, size=(4, m)) if m else None
    E, slope = energy.energy(f, classes)
    assert E.shape == (4,)
    total = differences(lambda z: float(energy.energy(z, classes)[0].sum()), f)
    assert np.abs(slope - total).max() < 1e-8


def test_a_jem_is_one_law_of_images_and_classes() -> None:
    """log q(x, y) = −E(x|y) = −E(x) + log q(y|x), and Σ_y e^{−E(x|y)} = e^{−E(x)}."""
    f = 3 * RNG.standard_normal((6, 5))
    E, slope = energy.energy(f)
    q = numerics.softmax(f)
    assert np.abs(slope + q).max() < 1e-15  # ∂E = −Σ_k q(k|x) ∂f_k
    of_class = np.stack([energy.energy(f, np.full((6, 1), y))[0] for y in range(5)], axis=1)
    assert np.abs(-of_class - (-E[:, None] + np.log(q))).max() < 1e-14
    assert np.abs(np.exp(-of_class).sum(axis=1) / np.exp(-E) - 1).max() < 1e-14
    assert np.abs(q.sum(axis=1) - 1).max() < 1e-15


def test_the_composed_energy_is_the_sum() -> None:
    f = RNG.standard_normal((6, 5))
    pair = np.array([[1, 3]] * 6)
    both, slope = energy.energy(f, pair)
    parts = [energy.energy(f, pair[:, [k]]) for k in (0, 1)]
    assert np.array_equal(both, parts[0][0] + parts[1][0])
    assert np.array_equal(slope, parts[0][1] + parts[1][1])
    same, slope = energy.energy(f, np.array([[2, 2]] * 6))
    assert np.array_equal(same, -2 * f[:, 2])
    assert slope[0].tolist() == [0, 0, -2, 0, 0]


def test_large_logits_neither_overflow_nor_vanish() -> None:
    f = np.array([[1000.0, 0.0], [-1000.0, -1001.0]])
    assert np.allclose(energy.energy(f)[0], [-1000, 1000 - np.log1p(np.exp(-1))])
    assert numerics.softmax(f)[0].tolist() == [1, 0]


# ------------------------------------------------------------------ losses
def test_the_contrastive_loss_has_its_slopes() -> None:
    data, model = RNG.standard_normal(6), RNG.standard_normal(4)
    _, g, g_model = energy.contrastive(data, model, 0.3)
    wanted = differences(lambda z: energy.contrastive(z, model, 0.3)[0], data)
    wanted_model = differences(lambda z: energy.contrastive(data, z, 0.3)[0], model)
    assert max(np.abs(g - wanted).max(), np.abs(g_model - wanted_model).max()) < 1e-9


def test_the_squares_hold_the_energies() -> None:
    """At constant energies L is least at ∓1/(2α), and −1/(2α) there."""
    α = 0.05
    L, g, g_model = energy.contrastive(np.full(3, -1 / (2 * α)), np.full(5, 1 / (2 * α)), α)
    assert abs(L + 1 / (2 * α)) < 1e-12
    assert max(np.abs(g).max(), np.abs(g_model).max()) < 1e-15


def test_the_loss_follows_the_likelihood() -> None:
    """On three states with E free in each, samples of q itself give the gradient of −⟨log q⟩.

    With the sign of ∂log Z as exercise sheet 3 prints it, the samples' part changes sign and the
    two gradients differ.
    """
    E = -np.log(np.array([1, 2, 5]) / 8)  # q = 1/8, 2/8, 5/8
    data, samples = np.array([0, 0, 1, 2]), np.repeat([0, 1, 2], [1, 2, 5])
    _, g, g_model = energy.contrastive(E[data], E[samples], 0.0)
    found = np.bincount(data, g, 3) + np.bincount(samples, g_model, 3)
    wanted = differences(lambda e: float(e[data].mean() + np.log(np.exp(-e).sum())), E)
    assert np.abs(found - wanted).max() < 1e-9
    assert np.abs(np.bincount(data, g, 3) - np.bincount(samples, g_model, 3) - wanted).max() > 0.1


def test_cross_entropy() -> None:
    f, y = 2 * RNG.standard_normal((6, 4)), RNG.integers(4, size=6)
    L, g = energy.cross_entropy(f, y)
    assert abs(L + np.mean(np.log(numerics.softmax(f)[np.arange(6), y]))) < 1e-14
    assert np.abs(g - differences(lambda z: energy.cross_entropy(z, y)[0], f)).max() < 1e-9
    assert abs(energy.cross_entropy(np.zeros((6, 4)), y)[0] - np.log(4)) < 1e-15
    assert abs(energy.cross_entropy(f + 7, y)[0] - L) < 1e-14
    assert np.abs(g.sum(axis=1)).max() < 1e-16


@pytest.mark.parametrize("K", [1, 3])
def test_the_gradient_of_the_whole_loss(K: int) -> None:
    """Of an EBM and of a JEM, through the network, along random directions of θ."""
    network = energy_network(12, K)
    engine, rng = Plain(network), np.random.default_rng(K)
    θ = network.init(rng, np.float64)
    data, model = rng.uniform(-1, 1, (2, 5, 12, 12))
    y = rng.integers(K, size=5)

    def L(θ: Array) -> float:
        return energy.loss(engine.outputs(θ, data), engine.outputs(θ, model), y, 0.1)[0].total

    f = engine.outputs(θ, data), engine.outputs(θ, model)
    loss, *g = energy.loss(*f, y, 0.1)
    found = engine.gradients(θ, np.concatenate([data, model]), np.concatenate(g))
    for _ in range(4):
        v, h = rng.standard_normal(θ.size), 1e-6
        along = (L(θ + h * v) - L(θ - h * v)) / (2 * h)
        assert abs(found @ v - along) < 1e-7 * max(1, abs(along))
    E, E_model = energy.energy(f[0])[0], energy.energy(f[1])[0]
    squares = 0.1 * (np.mean(E**2) + np.mean(E_model**2))
    assert abs(loss.total - (E.mean() - E_model.mean() + squares + loss.entropy)) < 1e-12
    assert (loss.entropy > 0) == (K > 1)
    assert loss.accuracy == (np.mean(f[0].argmax(axis=1) == y) if K > 1 else 0)
