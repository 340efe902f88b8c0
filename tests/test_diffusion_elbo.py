"""DDPM's bound: closed forms for a Gaussian, above −log p for mixtures, order in 1/T, pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyflows import stats
from toyflows.diffusion import elbo, quadrature
from toyflows.diffusion.chain import Ladder
from toyflows.diffusion.gaussians import Gaussians, two_modes
from toyflows.diffusion.processes import VE
from toyflows.diffusion.schedules import Constant, Linear, betas
from toyflows.errors import InputError

MIXTURE = Gaussians(np.array([0.2, 0.8]), np.array([[-0.9], [0.9]]), np.array([0.4, 0.25]))


def ddpm(T: int, schedule=None) -> Ladder:
    return Ladder.ddpm(betas(schedule or Linear(), T))


def entropy(law: Gaussians) -> float:
    return float(quadrature.mean(lambda x: -law.log_density(x), law))


def squares(law: Gaussians) -> float:
    return float(quadrature.mean(lambda x: (x**2).sum(axis=1), law))


def gap(law: Gaussians, ladder: Ladder, kind: str) -> float:
    """Bound less entropy, for the exact model, all by quadrature."""
    errors, D = elbo.least_errors(law, ladder), law.dimension
    v = elbo.variances(kind, ladder, errors, D)
    return float(elbo.bound(ladder, errors, squares(law), D, v).total) - entropy(law)


LADDERS = {
    "ddpm": (ddpm(7), 1.0),
    "one step": (Ladder.ddpm([0.9]), 1.0),
    "lecture": (Ladder.langevin(np.linspace(0.01, 0.2, 20)), 1.0),
    "ve": (Ladder.of(VE(0.05, 20.0), np.linspace(0, 1, 30)), 20.0),
}


@pytest.mark.parametrize("name", LADDERS)
def test_for_a_gaussian_the_bound_is_entropy_and_the_end_of_the_chain(name: str) -> None:
    """The step back is Gaussian, so with the optimal variances nothing is lost between: bound =
    entropy + KL(q(x_T) ‖ N(0, τ²I)), for each ladder; D = 3, mean μ, spread c."""
    (ladder, τ), c, D, μ = LADDERS[name], 0.6, 3, np.array([1.0, -0.5, 0.2])
    α, σ = ladder.α[1:], ladder.σ[1:]
    errors = D * c**2 * σ**2 / (α**2 * c**2 + σ**2)
    v = elbo.variances("optimal", ladder, errors, D)
    found = elbo.bound(ladder, errors, D * c**2 + μ @ μ, D, v, τ)
    spread = α[-1] ** 2 * c**2 + σ[-1] ** 2
    end = (D * (spread / τ**2 - 1 - math.log(spread / τ**2)) + α[-1] ** 2 * (μ @ μ) / τ**2) / 2
    wanted = D / 2 * math.log(2 * math.pi * math.e * c**2) + end
    assert float(found.total) == pytest.approx(wanted, abs=1e-11)
    assert found.steps.shape == (ladder.steps - 1,)
    assert found.bits(D).total == pytest.approx(wanted / D / math.log(2), abs=1e-11)
    one = Gaussians(np.ones(1), μ[None, :2], np.array([c]))
    assert elbo.least_errors(one, ladder) == pytest.approx(errors * 2 / D, rel=1e-9)


def test_steps_weigh_the_errors_by_the_fall_of_the_signal_to_noise_ratio() -> None:
    """B²/s² = SNR_k − SNR_{k+1} with SNR = α²/σ² (Kingma et al. 2021), for all ladders."""
    for ladder, _ in LADDERS.values():
        snr = (ladder.α[1:] / ladder.σ[1:]) ** 2
        _, B, s = ladder.backward
        assert (B[1:] / s[1:]) ** 2 == pytest.approx(snr[:-1] - snr[1:], rel=1e-8)


def test_each_term_is_the_divergence_it_says() -> None:
    """KL between the two Gaussians by the trapezoid rule, for one x₀, one x̂₀, D = 1."""
    ladder, x0, guess, xs = ddpm(4), 0.7, -0.2, np.array([0.0, 0.3, -1.1, 0.4])
    v = np.array([0.02, 0.3, 0.5, 0.8])
    found = elbo.bound(ladder, np.full(4, (x0 - guess) ** 2), x0**2, 1, v)
    A, B, s = ladder.backward
    for k in (1, 2, 3):
        means = A[k] * xs[k] + B[k] * x0, A[k] * xs[k] + B[k] * guess
        assert found.steps[k - 1] == pytest.approx(kl(means[0], s[k], means[1], math.sqrt(v[k])))
    wanted = kl(ladder.α[-1] * x0, ladder.σ[-1], 0.0, 1.0)
    assert float(found.prior) == pytest.approx(wanted, abs=1e-12)
    assert float(found.data) == pytest.approx(-float(log_normal(x0, guess, math.sqrt(v[0]))))


def log_normal(x, mean, spread):
    return -0.5 * ((x - mean) / spread) ** 2 - math.log(spread) - 0.5 * math.log(2 * math.pi)


def kl(m1: float, s1: float, m2: float, s2: float) -> float:
    z = np.linspace(-9, 9, 361)
    x = m1 + s1 * z
    ratio = log_normal(x, m1, s1) - log_normal(x, m2, s2)
    return float(np.exp(-(z**2) / 2) @ ratio / np.exp(-(z**2) / 2).sum())


def test_least_errors_against_the_posterior_itself() -> None:
    """E|x₀ − E[x₀|x]|² on the grid of pairs (x₀, noise); the second axis adds a Gaussian's."""
    ladder = ddpm(5)
    z, w0 = quadrature.nodes(MIXTURE)
    e = np.linspace(-8.5, 8.5, 171)
    w = np.outer(w0, np.exp(-(e**2) / 2) / np.exp(-(e**2) / 2).sum()).ravel()
    denoised, found = elbo.exact(MIXTURE, ladder), elbo.least_errors(MIXTURE, ladder)
    with np.errstate(under="ignore"):
        for k in range(1, 6):
            x = (ladder.α[k] * z + ladder.σ[k] * e).reshape(-1, 1)
            r = np.repeat(z[:, 0], e.size) - denoised(x, k)[:, 0]
            assert found[k - 1] == pytest.approx(float(w @ r**2), abs=1e-10)
    flat, deep = (elbo.least_errors(two_modes(2.0, 0.3, D), ladder) for D in (1, 2))
    gauss = ladder.σ[1:] ** 2 / (ladder.α[1:] ** 2 + ladder.σ[1:] ** 2)
    assert deep == pytest.approx(flat + gauss, abs=1e-9)


@pytest.mark.parametrize("kind", elbo.VARIANCES)
@pytest.mark.parametrize("law", [MIXTURE, two_modes(1.6, 0.5), two_modes(6.0, 0.1)], ids=str)
def test_bound_is_above_the_exact_value_for_mixtures(law: Gaussians, kind: str) -> None:
    for T in (1, 2, 10, 100):
        assert gap(law, ddpm(T), kind) > 0


@pytest.mark.parametrize("kind", ["forward", "optimal"])
def test_the_gap_closes_at_order_one(kind: str) -> None:
    """T = 250 … 2000: the slope of log gap over log T is −1 to 5 %."""
    T = np.array([250, 500, 1000, 2000])
    gaps = np.array([gap(MIXTURE, ddpm(n), kind) for n in T])
    assert gaps[-1] < 3e-3
    assert np.polyfit(np.log(T), np.log(gaps), 1)[0] == pytest.approx(-1, abs=0.05)


def test_with_the_posteriors_variance_half_of_eulers_constant_stays() -> None:
    """Its first steps cost ½Σ(1/k − log(1 + 1/k)): the gap per dimension tends to γ/2 at constant
    β, for any smooth law. Gaussian data, closed form, T = 10⁴ and 10⁵: 2 % and 0.3 % off."""
    c, D = 0.7, 2
    for T, off in ((10_000, 0.02), (100_000, 0.003)):
        ladder = ddpm(T, Constant(10.0))
        errors = D * c**2 * ladder.σ[1:] ** 2 / (ladder.α[1:] ** 2 * c**2 + ladder.σ[1:] ** 2)
        v = elbo.variances("posterior", ladder)
        total = float(elbo.bound(ladder, errors, D * c**2, D, v).total)
        lost = (total - D / 2 * math.log(2 * math.pi * math.e * c**2)) / D
        assert lost == pytest.approx(np.euler_gamma / 2, rel=off)


def test_one_step_bounds_the_models_own_density_at_each_point() -> None:
    """T = 1: −log p(x₀) = −log ∫ N(x₁; 0, 1) N(x₀; x̂₀(x₁), v) dx₁ on a grid, for any model."""
    ladder, v = Ladder.ddpm([0.8]), np.array([0.3])
    z = np.linspace(-9, 9, 1801)
    with np.errstate(under="ignore"):
        φ = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
        for model in (np.tanh, lambda x: 0.3 * x, lambda x: 1 - x):
            for x0 in (-2.0, 0.0, 0.5, 1.5):
                error = φ @ (x0 - model(ladder.α[1] * x0 + ladder.σ[1] * z)) ** 2
                bound = elbo.bound(ladder, np.array([error]), x0**2, 1, v)
                density = φ @ np.exp(log_normal(x0, model(z), math.sqrt(0.3)))
                assert float(bound.total) > -math.log(density)


def test_estimate_is_unbiased_and_a_worse_model_pays() -> None:
    """40,000 points: mean of the bound = quadrature's at 1e-6; detects 0.1 nats. A model of the
    noise 10 % off pays the error's weight more, by the same seeds."""
    ladder, rng = ddpm(8), np.random.default_rng(0)
    x0, errors = MIXTURE.sample(40_000, rng), elbo.least_errors(MIXTURE, ladder)
    model = elbo.exact(MIXTURE, ladder)
    found = elbo.estimate(model, ladder, x0, np.random.default_rng(1))
    v = elbo.variances("forward", ladder)
    wanted = elbo.bound(ladder, errors, squares(MIXTURE), 1, v)
    checked = stats.mean("bound", found.total, float(wanted.total))
    assert checked.detects < 0.1
    stats.mean("L_0", found.data, float(wanted.data))
    stats.mean("L_T", found.prior, float(wanted.prior))

    def noise(x, k):
        return (x - ladder.α[k] * model(x, k)) / ladder.σ[k]

    assert elbo.from_noise(noise, ladder)(x0, 3) == pytest.approx(model(x0, 3), abs=1e-12)
    off = elbo.from_noise(lambda x, k: 1.1 * noise(x, k), ladder)
    worse = elbo.estimate(off, ladder, x0, np.random.default_rng(1))
    assert worse.total.mean() > found.total.mean() + 0.005


@pytest.mark.parametrize("spread", [1e-3, 0.02, 0.5, 30.0])
def test_levels_have_probabilities_of_sum_one(spread: float) -> None:
    levels = np.linspace(-1, 1, 256)
    for mean in (-1.5, -0.2, 0.0, 0.999):
        with np.errstate(under="ignore"):
            total = np.exp(elbo.level_log_probability(levels, mean, spread)).sum()
        assert total == pytest.approx(1, abs=1e-12)


def test_a_levels_probability_far_in_the_tails() -> None:
    """Against mpmath, 1500 digits: to 1e-12 relative, on both sides and at the ends."""
    mp = pytest.importorskip("mpmath")
    mp.mp.dps, half = 1500, 1 / 255
    for x, mean, spread in (
        (0.2, -0.7, 0.02),
        (-0.2, 0.7, 0.02),
        (1.0, 0.0, 0.05),
        (-1.0, 0.9, 0.1),
    ):
        x = 2 * round((x + 1) * 127.5) / 255 - 1
        a, b = ((mp.mpf(x) + s * half - mp.mpf(mean)) / mp.mpf(spread) for s in (-1, 1))
        low, high = (mp.mpf(0) if x == -1 else mp.ncdf(a)), (mp.mpf(1) if x == 1 else mp.ncdf(b))
        found = float(elbo.level_log_probability(np.array(x), np.array(mean), spread))
        assert found == pytest.approx(float(mp.log(high - low)), rel=1e-12)


def test_pixels_bound_their_entropy_in_bits() -> None:
    """Images of 1 × 2 pixels on three levels, weights ½, ¼, ¼ each: 1.5 bits per dimension. Exact
    denoiser, first step small against the levels: with the posterior's variance, right for data
    that are points, the bound is above by less than 0.15 bits (false-fail rate 1e-6)."""
    values, weights = 2 * np.array([0, 128, 255]) / 255 - 1, np.array([0.5, 0.25, 0.25])

    def denoised(x, k):
        α, σ = ladder.α[k], ladder.σ[k]
        with np.errstate(under="ignore"):
            r = -((x[..., None] - α * values) ** 2) / (2 * σ**2) + np.log(weights)
            r = np.exp(r - r.max(axis=-1, keepdims=True))
            return (r @ values) / r.sum(axis=-1)

    ladder = Ladder.ddpm(np.append(1e-6, betas(Linear(), 300)))
    x0 = np.random.default_rng(2).choice(values, (4000, 1, 2), p=weights)
    bits = {
        kind: elbo.estimate(denoised, ladder, x0, np.random.default_rng(3), kind, pixels=True).bits(
            2
        )
        for kind in ("posterior", "forward")
    }
    found = bits["posterior"]
    assert found.data.mean() == pytest.approx(0, abs=1e-3)
    margin = 4.9 * found.total.std() / math.sqrt(4000)
    assert found.total.mean() - margin > 1.5
    assert found.total.mean() + margin < 1.65
    assert bits["forward"].total.mean() > 4


def test_bad_input_is_one_line() -> None:
    with pytest.raises(InputError, match="did you mean forward"):
        elbo.variances("foward", ddpm(3))
    with pytest.raises(InputError, match="needs the errors"):
        elbo.variances("optimal", ddpm(3))
    with pytest.raises(InputError, match="D ≤ 2"):
        elbo.least_errors(two_modes(1.0, 0.5, 3), ddpm(3))
