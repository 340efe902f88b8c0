"""The mixture of K modes in NumPy: it is the two-mode mixture, and its own derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.mixture import Mixture
from toyflows.modes.family import Modes

RNG = np.random.default_rng(8)
SPREAD = Modes(RNG.normal(size=(4, 3)) * 3, [0.7, 1.0, 1.3, 0.9])
ROUND = Modes([[0, 0], [6, 0], [3, 5]])
Θ = np.array([0.6, -0.9, 0.3])


def test_two_modes_on_a_line_are_the_lectures() -> None:
    old, new = Mixture(-2.0, 3.0), Modes([-2.0, 3.0])
    x, y, θ, η = np.linspace(-9, 9, 301), np.linspace(-8, 10, 301), 0.7, -0.4
    X, Y, Θ, H = x[None], y[None], np.array([θ]), np.array([η])
    for name in ("energy", "density", "responsibility", "dU_dx", "hyvärinen"):
        a, b = getattr(old, name)(x, θ), getattr(new, name)(X, Θ)
        np.testing.assert_allclose(np.squeeze(b), a, rtol=1e-10, atol=1e-300, err_msg=name)
    np.testing.assert_allclose(new.work(X, Y, Θ, H, 0.1), old.work(x, y, θ, η, 0.1), atol=1e-11)
    np.testing.assert_allclose(new.tilt(X, Y, Θ, H), old.tilt(x, y, θ, η), atol=1e-12)
    pairs = np.stack([x, RNG.normal(size=x.size)])
    for σ_model in (0.0, 0.8):
        np.testing.assert_allclose(
            new.denoising(pairs[:, None], Θ, 0.8, σ_model)[0],
            old.denoising(pairs, θ, 0.8, σ_model), rtol=1e-9,
        )  # fmt: skip
    assert new.log_Z(Θ) == pytest.approx(old.log_Z(θ), abs=1e-14)
    assert new.weight_b(Θ)[0] == pytest.approx(old.weight_b(θ), abs=1e-15)
    np.testing.assert_array_equal(new.in_b(X)[0][x != old.m], old.in_b(x)[x != old.m])


@pytest.mark.parametrize("modes", [SPREAD, ROUND], ids=["own spreads", "one spread"])
def test_derivatives_are_those_of_the_energy(modes: Modes) -> None:
    """Central differences of step ε: error ε² f‴/6 + 1e−16/ε."""
    θ, x, ε = Θ[: modes.K - 1], RNG.normal(size=(modes.D, 200)) * 3, 1e-5

    def along(f, i: int, x=x):
        e = np.zeros((modes.D, 1))
        e[i] = ε
        return (f(x + e) - f(x - e)) / (2 * ε)

    F = modes.dU_dx(x, θ)
    for i in range(modes.D):
        np.testing.assert_allclose(along(lambda y: modes.energy(y, θ), i), F[i], atol=1e-8)
    for k in range(modes.K - 1):
        δ = ε * (np.arange(modes.K - 1) == k)
        slope = (modes.energy(x, θ + δ) - modes.energy(x, θ - δ)) / (2 * ε)
        np.testing.assert_allclose(slope, modes.responsibility(x, θ)[k], atol=1e-8)

        def r(y, k=k):
            return modes.responsibility(y, θ)[k]

        # Δr − ∇U·∇r, the Laplacian by differences of step 1e−3: error 1e−6 of the fourth derivative
        big, lap = 1e-3, np.zeros(x.shape[1])
        for i in range(modes.D):
            e = np.zeros((modes.D, 1))
            e[i] = big
            lap += (r(x + e) - 2 * r(x) + r(x - e)) / big**2
        told = lap - sum(F[i] * along(r, i) for i in range(modes.D))
        np.testing.assert_allclose(modes.hyvärinen(x, θ)[k], told, atol=2e-4)


def test_score_matching_keeps_its_digits_in_the_tails() -> None:
    """r(1 − r) there is 1e−30, and 1 − r of the likeliest mode must not be formed."""
    old, new = Mixture(-10.0, 10.0), Modes([-10.0, 10.0])
    x = np.array([-8.0, -3.0, 0.0, 4.0, 7.0])
    a, b = old.hyvärinen(x, 0.3), new.hyvärinen(x[None], np.array([0.3]))[0]
    assert np.abs(a).min() < 1e-30
    np.testing.assert_allclose(b, a, rtol=1e-11)


def test_the_density_has_mass_one() -> None:
    modes = Modes([[0, 0], [3, 1], [1, 4]], [0.6, 1.0, 1.5])
    axis = np.arange(-14, 18, 0.15)
    mesh = np.stack([a.ravel() for a in np.meshgrid(axis, axis)])
    assert modes.density(mesh, np.array([0.4, -1.0])).sum() * 0.15**2 == pytest.approx(1, abs=1e-12)


def test_what_is_orthogonal_to_the_modes_does_not_count() -> None:
    μ = np.zeros((3, 50))
    μ[:, :2] = [[0, 0], [6, 0], [3, 5]]
    turn = np.linalg.qr(RNG.normal(size=(50, 50)))[0]
    modes = Modes(μ @ turn.T + 1.5)
    assert modes.flat is not None
    assert modes.flat.D == 2
    x, θ = RNG.normal(size=(50, 300)) * 3 + 1.5, np.array([1.0, 0.5])
    flat = modes.flat.responsibility(modes.project(x), θ)
    np.testing.assert_allclose(flat, modes.responsibility(x, θ), atol=1e-11)
    assert Modes(μ, [1.0, 1.0, 1.2]).flat is None  # there the radius counts


def test_another_first_mode_is_another_name_for_the_same_law() -> None:
    turned = Modes(SPREAD.positions[[2, 0, 1, 3]], SPREAD.spreads[[2, 0, 1, 3]])
    θ = np.append(0.0, Θ)[[2, 0, 1, 3]]
    x = RNG.normal(size=(3, 50)) * 2
    np.testing.assert_allclose(
        turned.density(x, θ[1:] - θ[0]), SPREAD.density(x, Θ), rtol=1e-12, atol=1e-300
    )
    w = SPREAD.weights(Θ)
    np.testing.assert_allclose(SPREAD.theta_of(w), Θ, atol=1e-14)
    np.testing.assert_allclose(w, np.exp(-np.append(0, Θ)) / np.exp(-np.append(0, Θ)).sum())


@pytest.mark.parametrize(
    ("positions", "spreads", "option"),
    [
        ([[0.0, 0.0]], 1.0, "positions"),
        ([[0.0, 0.0], [0.0, 0.0]], 1.0, "positions"),
        ([[0.0], [200.0]], 1.0, "positions"),
        ([[0.0], [1.0, 2.0]], 1.0, "positions"),
        ([[0.0], [np.nan]], 1.0, "positions"),
        ([[0.0], [1e300]], 1.0, "positions"),  # whose distance is no number
        (np.zeros((300, 2)), 1.0, "positions"),
        ([[0.0], [3.0]], [1.0, 1.0, 1.0], "spreads"),
        ([[0.0], [3.0]], [1.0, -1.0], "spreads"),
    ],
)
def test_modes_that_are_none_are_refused(positions, spreads, option) -> None:
    with pytest.raises(InputError) as refused:
        Modes(positions, spreads)
    assert refused.value.name == option
