"""The discrete chain: its marginals, and the backward kernel against Gaussian conditioning."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyflows import stats
from toyflows.diffusion import schedules
from toyflows.diffusion.chain import Backward, Ladder, taylor
from toyflows.diffusion.gaussians import Gaussians, two_modes
from toyflows.diffusion.processes import OU, VE, VP, process
from toyflows.errors import InputError

UNEVEN = np.random.default_rng(3).uniform(0.001, 0.3, 12)
LADDERS = {
    "langevin": Ladder.langevin(np.full(40, 0.03)),
    "uneven": Ladder.langevin(UNEVEN),
    "ddpm": Ladder.ddpm(schedules.ddpm_betas(1000)),
    "cosine": Ladder.ddpm(schedules.betas(schedules.Cosine(), 30)),
    "ve": Ladder.of(VE(), np.linspace(0, 1, 11)),
    "free": Ladder(np.array([1.2, 0.7, 1.0]), np.array([0.5, 2.0, 0.01])),
}


def conditioned(ladder: Ladder, k: int) -> tuple[float, float, float]:
    """A, B, s by conditioning the Gaussian (x_k, x_{k+1}) given x_0: numpy's linear algebra.

    The joint law is built from the noises: x_j = T_j x_0 + Σ_i M_ji Z_i.
    """
    a, b = ladder.a[: k + 1], ladder.b[: k + 1]
    M = np.array([[b[i] * np.prod(a[i + 1 : j]) if i < j else 0.0 for i in range(k + 1)]
                  for j in (k, k + 1)])  # fmt: skip
    means = np.array([np.prod(a[:j]) for j in (k, k + 1)])
    covariance = M @ M.T
    A = np.linalg.solve(covariance[1:, 1:], covariance[1:, :1])[0, 0]
    variance = covariance[0, 0] - A * covariance[1, 0]
    return A, means[0] - A * means[1], math.sqrt(max(variance, 0.0))


@pytest.mark.parametrize("name", LADDERS)
def test_backward_kernel_is_gaussian_conditioning(name: str) -> None:
    ladder = LADDERS[name]
    A, B, s = ladder.backward
    for k in {0, 1, 2, ladder.steps // 2, ladder.steps - 1} & set(range(ladder.steps)):
        wanted = conditioned(ladder, k)
        assert (A[k], B[k], s[k]) == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    assert (A[0], B[0], s[0]) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("name", LADDERS)
def test_both_forms_of_the_kernel_are_one(name: str) -> None:
    """A x + B x_0 = A' x − B' ẑ with ẑ = (x − α_{k+1} x_0)/σ_{k+1}, for any x and x_0; and the
    corrected formulas of the lectures."""
    ladder = LADDERS[name]
    x0, x = 0.7, np.linspace(-2, 3, ladder.steps)
    ẑ = (x - ladder.α[1:] * x0) / ladder.σ[1:]
    one, other = ladder.backward, ladder.backward_noise
    mean = one.A * x + one.B * x0
    assert other.A * x - other.B * ẑ == pytest.approx(mean, rel=1e-11, abs=1e-12)
    k = slice(1, None)
    lecture = ladder.α[:-1] * ladder.σ[1:] / ladder.α[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        lecture = lecture * one.s**2 / ladder.σ[:-1] ** 2
    assert other.B[k] == pytest.approx(lecture[k], rel=1e-12)


@pytest.mark.parametrize("γ", [0.5, 0.03, 1e-4])
def test_marginals_of_the_lectures_chain(γ: float) -> None:
    """α_k = (1−γ)^k, σ_k² = (1 − (1−γ)^{2k})/(1 − γ/2), for constant γ."""
    ladder, k = Ladder.langevin(np.full(60, γ)), np.arange(61)
    assert ladder.α == pytest.approx((1 - γ) ** k, rel=1e-13)
    variance = -np.expm1(2 * k * math.log1p(-γ)) / (1 - γ / 2)
    assert ladder.σ**2 == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize("p", [VP(), process("vp", schedule="cosine"), OU(), VE()], ids=str)
def test_a_ladder_of_a_process_has_its_marginals(p) -> None:
    t = np.linspace(0, 1, 101)
    ladder = Ladder.of(p, t)
    assert ladder.α == pytest.approx(p.alpha(t), rel=1e-12)
    start = float(p.sigma(0.0)) ** 2
    assert ladder.σ**2 == pytest.approx(p.sigma(t) ** 2 - start, rel=1e-11)
    if isinstance(p, VP):
        ddpm = Ladder.ddpm(schedules.betas(p.schedule, 100))
        assert ladder.a == pytest.approx(ddpm.a, rel=1e-13)
        assert ladder.b == pytest.approx(ddpm.b, rel=1e-11)


def test_ddpm_keeps_the_variance() -> None:
    ladder = LADDERS["ddpm"]
    assert ladder.α**2 + ladder.σ**2 == pytest.approx(1, abs=1e-13)


def test_backward_takes_the_marginal_back() -> None:
    """A²σ²_{k+1} + s² = σ_k² and A α_{k+1} + B = α_k: the chain's own law, one step earlier."""
    for ladder in LADDERS.values():
        A, B, s = ladder.backward
        assert A**2 * ladder.σ[1:] ** 2 + s**2 == pytest.approx(ladder.σ[:-1] ** 2, rel=1e-12)
        assert A * ladder.α[1:] + B == pytest.approx(ladder.α[:-1], rel=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_order_of_the_expansion(order: int) -> None:
    """At a fixed time τ = kγ = 0.6 the error of A, B and s² falls as γ^{order+1}."""
    errors = []
    for steps in (100, 200, 400):
        γ = np.full(steps, 0.6 / steps)
        ladder = Ladder.langevin(γ)
        exact, near = ladder.backward_noise, taylor(γ, ladder.σ[1:], order)
        off = [near.A - exact.A, near.B - exact.B, near.s**2 - exact.s**2]
        errors.append([abs(float(v[-1])) for v in off])
    measured = np.log2(np.array(errors[:-1]) / errors[1:])
    assert measured == pytest.approx(order + 1, abs=0.02)


def test_the_noise_in_x_is_minus_sigma_times_the_score() -> None:
    """E[ẑ | x] = −σ ∇log p(x): with x_0 replaced by its mean the two kernels agree."""
    mix, ladder = two_modes(6.0, 0.3), Ladder.langevin(np.full(30, 0.02))
    x = np.linspace(-5, 5, 11)[:, None]
    k = ladder.steps - 1
    α, σ = float(ladder.α[k + 1]), float(ladder.σ[k + 1])
    one, other = ladder.backward, ladder.backward_noise
    by_x0 = one.A[k] * x + one.B[k] * mix.denoised(x, α, σ)
    by_noise = other.A[k] * x + other.B[k] * σ * mix.score(x, α, σ)
    assert by_noise == pytest.approx(by_x0, abs=1e-12)


def test_spread_from_noise_converges_to_the_datas() -> None:
    """With ᾱ_T = 4e−5 the spread of the samples misses the data's by O(1/T); with 50 of 1000
    steps it is that of the linear step, and of 20,000 chains (false-fail rate 1e-6)."""
    miss = [1.7 - Ladder.ddpm(schedules.betas(schedules.Linear(), T)).spread_from_noise(1.7)
            for T in (500, 1000, 2000)]  # fmt: skip
    assert np.log2(miss[0] / miss[1]) == pytest.approx(1, abs=0.03)
    assert np.log2(miss[1] / miss[2]) == pytest.approx(1, abs=0.02)
    ladder = Ladder.ddpm(schedules.ddpm_betas(50))
    data = Gaussians(np.ones(1), np.zeros((1, 1)), np.array([1.7]))
    rng = np.random.default_rng(2)
    x, variance = rng.standard_normal((20_000, 1)), 1.0
    for k in reversed(range(50)):
        α, σ = float(ladder.α[k + 1]), float(ladder.σ[k + 1])
        A, B, s = (float(v[k]) for v in ladder.backward)
        x = A * x + B * data.denoised(x, α, σ) + s * rng.standard_normal(x.shape)
        factor = A + B * data.denoised(np.ones((1, 1)), α, σ)[0, 0]
        variance = factor**2 * variance + s**2
    assert ladder.spread_from_noise(1.7) ** 2 == pytest.approx(variance, rel=1e-12)
    stats.mean("variance", x[:, 0] ** 2, ladder.spread_from_noise(1.7) ** 2)


def test_the_chain_itself_has_these_moments() -> None:
    """20,000 chains: regression of x_k on x_{k+1} gives A (its residual is uncorrelated with
    x_{k+1}) and s. False-fail rate 1e-6 each."""
    ladder, k, n, x0 = LADDERS["uneven"], 7, 20_000, 1.5
    rng = np.random.default_rng(8)
    x = previous = np.full(n, x0)
    for a, b in zip(ladder.a[: k + 1], ladder.b[: k + 1], strict=True):
        previous, x = x, a * x + b * rng.standard_normal(n)
    A, B, s = (float(v[k]) for v in ladder.backward)
    residual = previous - A * x - B * x0
    stats.mean("mean", residual, 0.0)
    stats.mean("correlation", residual * x, 0.0)
    stats.mean("variance", residual**2, s**2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Ladder.langevin(np.array([0.1, 1.0])), "0 < gamma < 1"),
        (lambda: Ladder.langevin(np.array([])), "0 < gamma < 1"),
        (lambda: Ladder.ddpm(np.array([0.1, math.nan])), "0 < beta < 1"),
        (lambda: Ladder.ddpm(0.5), "one or more"),
        (lambda: Ladder(np.ones(2), np.ones(3)), "one for each a"),
        (lambda: Ladder(np.ones(2), np.array([1.0, 0.0])), "> 0"),
        (lambda: Ladder.of(VP(), np.array([1.0, 0.5])), "ascending"),
        (lambda: taylor(np.array([0.1]), np.array([1.0]), 3), "1 or 2"),
    ],
)
def test_bad_input_gets_one_line(call, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        call()
    assert "\n" not in str(refused.value)


def test_fields_are_in_the_order_of_the_formula() -> None:
    assert Backward._fields == ("A", "B", "s")
