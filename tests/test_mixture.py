"""The model against arbitrary-precision arithmetic, finite differences and its own identities."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import eigh_tridiagonal
from scipy.special import logsumexp

from toyflows.backends.grid import Grid
from toyflows.errors import InputError
from toyflows.mixture import Mixture, theta_of
from toyflows.numerics import expit
from toyflows.target import Target, nodes, spacing

POINTS = [(-10.7, 0.3), (-0.03, 1.4), (0.0, 0.0), (9.1, -3.0), (14.0, 40.0), (-20.0, -200.0)]


def exact_energy(x: mp.mpf, θ: mp.mpf, a: float, b: float) -> mp.mpf:
    return -mp.log(mp.exp(-((x - a) ** 2) / 2) + mp.exp(-θ) * mp.exp(-((x - b) ** 2) / 2))


@pytest.mark.parametrize(("x", "θ"), POINTS)
@pytest.mark.parametrize("d", [2.0, 20.0])
def test_derivatives_equal_those_of_the_energy(x: float, θ: float, d: float) -> None:
    """∂θU, ∂xU, ∂xxU and the score-matching integrand, each from U alone with 60 digits."""
    mix, X = Mixture.separated(d), np.array([x])
    with mp.workdps(60):

        def U(s: mp.mpf, t: mp.mpf) -> mp.mpf:
            return exact_energy(s, t, mix.a, mix.b)

        def fisher(t: mp.mpf) -> mp.mpf:
            slope = mp.diff(lambda s: U(s, t), x)
            return mp.diff(lambda s: U(s, t), x, 2) - slope**2 / 2

        wanted = {
            "energy": U(mp.mpf(x), mp.mpf(θ)),
            "responsibility": mp.diff(lambda t: U(mp.mpf(x), t), θ),
            "dU_dx": mp.diff(lambda s: U(s, mp.mpf(θ)), x),
            "d2U_dxdx": mp.diff(lambda s: U(s, mp.mpf(θ)), x, 2),
            "hyvärinen": mp.diff(fisher, θ),
        }
    for name, value in wanted.items():
        ours = float(getattr(mix, name)(X, θ)[0])
        assert ours == pytest.approx(float(value), rel=1e-11, abs=1e-13), name


@given(st.floats(-300, 300), st.floats(-300, 300))
def test_discriminator_is_the_ratio_of_densities(θ: float, μ: float) -> None:
    """D/(1−D) = e^{−U_θ−c}/e^{−U_μ}, compared as log odds where D is neither 0 nor 1."""
    mix, x, c = Mixture(), np.linspace(-15, 15, 31), 0.3
    D, Dr, r = mix.discriminator(x, θ, μ, c)
    logit = mix.energy(x, μ) - mix.energy(x, θ) - c
    inner = np.abs(logit) < 30
    np.testing.assert_allclose(D[inner], expit(logit[inner]), rtol=1e-10)
    np.testing.assert_allclose(r, mix.responsibility(x, θ), rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(Dr, D * r, rtol=1e-12, atol=1e-300)


@given(st.floats(-600, 600), st.floats(0.1, 100))
def test_weight_and_its_inverse(θ: float, d: float) -> None:
    mix = Mixture.separated(d)
    q = mix.weight_b(θ)
    assert q == pytest.approx(1 / (1 + math.exp(θ)), rel=1e-14)
    if 1e-12 < q < 1 - 1e-12:
        assert theta_of(q) == pytest.approx(θ, rel=1e-3, abs=1e-3)
    assert theta_of(mix.weight_b(abs(θ))) == pytest.approx(abs(θ), rel=1e-12, abs=1e-12)


def test_sign_convention() -> None:
    """θ > 0 makes mode b light: θ* = 1.4 is q* = 0.198, and q* = 0.8 is θ* = −1.386."""
    assert Target.exact(1.4).q_star == pytest.approx(0.1978161, abs=1e-7)
    assert Target.from_q(0.8).θ_star == pytest.approx(-math.log(4), rel=1e-15)


@pytest.mark.parametrize("d", [0.5, 4.0, 20.0, 60.0])
@pytest.mark.parametrize("θ", [-3.0, 0.0, 1.4, 20.0])
def test_quadrature_gives_the_normaliser_and_the_weight(d: float, θ: float) -> None:
    """Σ e^{−U}Δ = Z_θ, E[r_θ] = p_b(θ) and E[x] on the target's nodes, to rounding."""
    target = Target.exact(θ, d)
    mix, cloud = target.mixture, target.data
    with np.errstate(under="ignore"):
        total = np.sum(np.exp(-mix.energy(cloud.x, θ))) * (cloud.x[1] - cloud.x[0])
    assert math.log(total) == pytest.approx(mix.log_Z(θ), abs=1e-14 * max(d, 10.0))
    assert cloud.mean(lambda x: mix.responsibility(x, θ)) == pytest.approx(
        mix.weight_b(θ), rel=1e-12
    )
    mean = mix.a + mix.d * mix.weight_b(θ)
    assert cloud.mean(lambda x: x) == pytest.approx(mean, abs=1e-12 * max(1.0, d))


def test_trapezoid_error_of_a_responsibility_is_that_of_its_poles() -> None:
    """At Δ = c/d the error falls like e^{−2π²/c}: halving c squares it (checked at d = 4)."""
    target = Target.exact(0.3, 4.0)
    mix = target.mixture

    def value(c: float) -> float:
        x = nodes(mix.a - 9, mix.b + 9, c / mix.d, mix.m + 0.2 * c / mix.d)
        with np.errstate(under="ignore"):
            w = np.exp(-mix.energy(x, 0.3))
        return float(w @ mix.responsibility(x, -1.0) / w.sum())

    best = value(0.25)
    errors = [abs(value(c) - best) for c in (4.0, 2.0)]
    assert errors[1] < 10 * errors[0] ** 2 * 10
    assert abs(value(spacing(4.0) * 4.0) - best) < 1e-15


def gap(mix: Mixture, θ: float) -> float:
    """λ₁ of the generator on 3000 nodes: the symmetric matrix √ρ L /√ρ of a birth–death chain whose
    rates are ρ between the nodes over ρ at them, /Δ²."""
    x, Δ = np.linspace(mix.a - 9, mix.b + 9, 3000, retstep=True)
    U, V = mix.energy(x, θ), mix.energy(0.5 * (x[1:] + x[:-1]), θ)
    to_right, to_left = np.exp(U[:-1] - V), np.exp(U[1:] - V)
    diagonal = np.append(to_right, 0.0) + np.append(0.0, to_left)
    beside = -np.sqrt(to_right * to_left)
    λ = eigh_tridiagonal(diagonal / Δ**2, beside / Δ**2, select="i", select_range=(0, 1))[0]
    return float(λ[1])


@pytest.mark.parametrize("d", [0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0])
@pytest.mark.parametrize("θ", [-5.0, -1.4, 0.0, 3.0, 15.0, 40.0])
def test_mixing_time_is_the_inverse_spectral_gap(d: float, θ: float) -> None:
    """To 0.2 % of dense eigenvalues, with one basin and with two."""
    mix = Mixture.separated(d)
    assert mix.mixing_time(θ) == pytest.approx(1 / gap(mix, θ), rel=2e-3)


@pytest.mark.parametrize(("d", "θ"), [(0.5, 1.0), (1.0, 0.0), (2.0, -2.0), (4.0, 1.4), (6.0, 4.0)])
def test_a_step_of_langevin_forgets_at_the_mixing_time(d: float, θ: float) -> None:
    """−h/log of the second eigenvalue of P_θ tends to it at order 1: Richardson's value of two
    steps, to 1 %."""
    told = []
    for h in (0.04, 0.02):
        P = Grid(Target.exact(θ, d), h).transition(θ)
        second = np.sort(np.abs(np.linalg.eigvals(P)))[-2]
        told.append(-h / math.log(second))
    assert 2 * told[1] - told[0] == pytest.approx(Mixture.separated(d).mixing_time(θ), rel=0.01)


@pytest.mark.parametrize(
    ("d", "θ"), [(20.0, 0.0), (20.0, -100.0), (60.0, 700.0), (75.0, 0.0), (100.0, -2500.0)]
)
def test_mixing_time_of_far_modes_is_both_weights_over_the_capacity(d: float, θ: float) -> None:
    """p_a p_b ∫_a^b dx/ρ_θ in logs, up to 1e304, and the lighter mode's e^−700."""
    mix = Mixture.separated(d)
    x, dx = np.linspace(mix.a, mix.b, 400_001, retstep=True)
    log_weights = -abs(θ) - 2 * math.log1p(math.exp(-min(abs(θ), 700.0)))
    with np.errstate(under="ignore"):
        wanted = log_weights + mix.log_Z(θ) + logsumexp(mix.energy(x, θ)) + math.log(dx)
    assert math.log(mix.mixing_time(θ)) == pytest.approx(wanted, abs=5e-3)
    assert mix.mixing_time(-θ) == pytest.approx(mix.mixing_time(θ), rel=1e-3)


def test_mixing_time_at_its_ends() -> None:
    """One mode forgets at the rate 1; what no float holds is inf."""
    assert Mixture.separated(0.01).mixing_time(0.3) == pytest.approx(1.0, abs=1e-3)
    assert Mixture.separated(20.0).mixing_time(700.0) == pytest.approx(1.0, abs=1e-3)
    assert Mixture.separated(100.0).mixing_time(0.0) == math.inf


@pytest.mark.parametrize("d", [2.1, 4.0, 20.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_basin_vanishes_where_it_is_said_to(d: float, sign: int) -> None:
    """∂_xU has three zeros before ±bistable_up_to and one beyond."""
    mix, x = Mixture.separated(d), np.linspace(-d, d, 400_001)
    for share, zeros in ((0.999, 3), (1.001, 1)):
        slope = mix.dU_dx(x, sign * share * mix.bistable_up_to)
        assert np.count_nonzero(np.diff(slope > 0)) == zeros
    assert Mixture.separated(1.9).bistable_up_to == 0.0


@pytest.mark.parametrize("d", [0.0, -1.0, math.nan, math.inf, 101.0])
def test_impossible_separations_are_refused(d: float) -> None:
    with pytest.raises(InputError, match="separation"):
        Mixture.separated(d)


def test_far_tails_do_not_overflow() -> None:
    """At |x| = 10⁴ and θ = ±700 every method is finite, without a floating-point error."""
    mix, x = Mixture(), np.array([-1e4, -30.0, 0.0, 30.0, 1e4])
    for θ in (-700.0, 0.0, 700.0):
        for f in (mix.energy, mix.density, mix.responsibility, mix.overlap, mix.dU_dx,
                  mix.d2U_dxdx, mix.hyvärinen):  # fmt: skip
            assert np.isfinite(f(x, θ)).all()
