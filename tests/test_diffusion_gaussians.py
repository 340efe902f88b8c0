"""Mixtures of Gaussians: densities, scores and denoisers against differences and quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from toyflows import stats
from toyflows.diffusion.gaussians import Gaussians, song_ermon, two_modes
from toyflows.errors import InputError
from toyflows.mixture import Mixture


def random_mixture(D: int, K: int = 3) -> Gaussians:
    rng = np.random.default_rng(D)
    w = rng.uniform(0.5, 2, K)
    return Gaussians(w / w.sum(), rng.normal(0, 2, (K, D)), rng.uniform(0.4, 1.8, K))


def points(D: int, n: int = 7) -> np.ndarray:
    return np.random.default_rng(100 + D).normal(0, 3, (n, D))


def differences(f, x: np.ndarray, h: float = 1e-3) -> np.ndarray:
    """∂f/∂x_i along the last axis, by differences of order 6."""
    out = []
    for i in range(x.shape[1]):
        e = h * np.eye(x.shape[1])[i]
        pairs = [(f(x + j * e) - f(x - j * e)) / h for j in (1, 2, 3)]
        out.append(0.75 * pairs[0] - 0.15 * pairs[1] + pairs[2] / 60)
    return np.stack(out, axis=-1)


NOISED = [(1.0, 0.0), (0.6, 0.8), (1.0, 3.0), (0.05, 1.0)]


@pytest.mark.parametrize("D", [1, 2, 5, 17])
@pytest.mark.parametrize(("α", "σ"), NOISED)
def test_score_and_divergence_are_differences(D: int, α: float, σ: float) -> None:
    mix, x = random_mixture(D), points(D)
    score = mix.score(x, α, σ)
    wanted = differences(lambda x: mix.log_density(x, α, σ), x)
    assert score == pytest.approx(wanted, rel=1e-8, abs=1e-8)
    jacobian = differences(lambda x: mix.score(x, α, σ), x)  # (n, D, D): of score_i along j
    assert jacobian == pytest.approx(np.swapaxes(jacobian, 1, 2), abs=1e-8)
    trace = np.trace(jacobian, axis1=1, axis2=2)
    assert mix.divergence(x, α, σ) == pytest.approx(trace, rel=1e-8, abs=1e-8)


def test_one_gaussian_in_closed_form() -> None:
    mix = Gaussians(np.ones(1), np.array([[1.0, -2.0, 0.5]]), np.array([1.5]))
    x, α, σ = points(3), 0.7, 1.1
    v = (α * 1.5) ** 2 + σ**2
    off = x - α * mix.means
    log_p = -0.5 * (off**2).sum(axis=1) / v - 1.5 * math.log(2 * math.pi * v)
    assert mix.log_density(x, α, σ) == pytest.approx(log_p, rel=1e-14)
    assert mix.score(x, α, σ) == pytest.approx(-off / v, rel=1e-13)
    assert mix.divergence(x, α, σ) == pytest.approx(np.full(7, -3 / v), rel=1e-14)
    mean = mix.means + α * 1.5**2 / v * off
    assert mix.denoised(x, α, σ) == pytest.approx(mean, rel=1e-13)


def test_two_modes_are_the_mixture_of_the_first_lectures() -> None:
    mixture, mix = Mixture(-3.0, 3.0), two_modes(6.0, 0.3)
    θ, x = math.log(0.7 / 0.3), np.linspace(-6, 6, 41)
    assert mix.score(x[:, None])[:, 0] == pytest.approx(-mixture.dU_dx(x, θ), abs=1e-13)
    assert np.exp(mix.log_density(x[:, None])) == pytest.approx(mixture.density(x, θ), rel=1e-12)
    assert mix.responsibilities(x[:, None])[:, 1] == pytest.approx(
        mixture.responsibility(x, θ), rel=1e-12
    )


@pytest.mark.parametrize(("α", "σ"), NOISED[1:])
def test_noised_law_is_the_convolution(α: float, σ: float) -> None:
    """p_t(x) = ∫ p(x_0) N(x; αx_0, σ²) dx_0, and E[X | x] by the same quadrature."""
    mix = random_mixture(1)
    reach = [float(v) for v in (mix.means.min() - 20, mix.means.max() + 20)]
    for x in (-2.3, 0.4, 3.1):

        def joint(x0: float, x: float = x) -> float:
            with np.errstate(under="ignore"):
                prior = math.exp(mix.log_density(np.array([[x0]]))[0])
            return prior * math.exp(-0.5 * ((x - α * x0) / σ) ** 2) / σ / math.sqrt(2 * math.pi)

        nodes = sorted({*reach, *mix.means[:, 0].tolist(), min(max(x / α, reach[0]), reach[1])})
        exact = {"epsabs": 1e-14, "epsrel": 1e-12, "limit": 200, "points": nodes}
        density = quad(joint, *reach, **exact)[0]
        mean = quad(lambda x0: x0 * joint(x0), *reach, **exact)[0] / density
        at = np.array([[x]])
        assert math.exp(mix.log_density(at, α, σ)[0]) == pytest.approx(density, rel=1e-10)
        assert math.exp(mix.at(α, σ).log_density(at)[0]) == pytest.approx(density, rel=1e-10)
        assert mix.denoised(at, α, σ)[0, 0] == pytest.approx(mean, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("D", [1, 3, 30])
def test_tweedie(D: int) -> None:
    """E[X | x] = (x + σ² ∇log p)/α: two formulas that share only the responsibilities."""
    mix, x, α, σ = random_mixture(D), points(D), 0.4, 1.3
    tweedie = (x + σ**2 * mix.at(α, σ).score(x)) / α
    assert mix.denoised(x, α, σ) == pytest.approx(tweedie, abs=1e-12)


def test_a_time_for_each_point_is_each_point_by_itself() -> None:
    mix, x = random_mixture(4), points(4)
    α, σ = np.linspace(0.1, 1, 7), np.linspace(2, 0.1, 7)
    for method in (mix.log_density, mix.score, mix.divergence, mix.denoised, mix.responsibilities):
        single = [method(x[i : i + 1], float(α[i]), float(σ[i]))[0] for i in range(7)]
        assert method(x, α, σ) == pytest.approx(np.array(single), rel=1e-13, abs=1e-14)


def test_far_away_only_the_widest_component_is_seen() -> None:
    """At |x| = 10⁵ the densities underflow, their logarithm, score and divergence do not."""
    mix = Gaussians(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.array([1.0, 2.0]))
    x = np.array([[1e5], [-1e5]])
    assert mix.score(x) == pytest.approx(-(x - 1) / 4, rel=1e-14)
    assert mix.divergence(x) == pytest.approx([-0.25, -0.25], rel=1e-13)
    assert np.isfinite(mix.log_density(x)).all()
    assert mix.responsibilities(x) == pytest.approx(np.array([[0.0, 1.0]] * 2), abs=1e-300)


@pytest.mark.parametrize("σ", [1e-3, 1e3])
def test_an_image_has_no_overflow(σ: float) -> None:
    """In 784 dimensions σ^784 is no number; its logarithm is."""
    means = np.array([np.zeros(784), np.full(784, 1e-3)])
    mix = Gaussians(np.array([0.5, 0.5]), means, np.full(2, 1e-3))
    s = math.hypot(σ, 1e-3)
    at_mode = -784 * math.log(s * math.sqrt(2 * math.pi))
    other = math.exp(-784e-6 / (2 * s**2))
    wanted = at_mode + math.log(0.5 + 0.5 * other)
    assert mix.log_density(means[:1], 1.0, σ)[0] == pytest.approx(wanted, rel=1e-13)
    assert np.isfinite(mix.score(means, 1.0, σ)).all()


@pytest.mark.parametrize("far", [0.0, 1e4, 1e6])
def test_divergence_does_not_cancel_far_from_the_origin(far: float) -> None:
    """Moved by `far` (a whole number: no rounding), the divergence has the same digits."""
    x = np.array([[0.25], [1.0], [-3.5]])
    moved = Gaussians(np.array([0.25, 0.75]), np.array([[-2.0], [2.0]]) + far, np.ones(2))
    r = moved.responsibilities(x + far)
    assert moved.divergence(x + far) == pytest.approx(r[:, 0] * r[:, 1] * 16 - 1, rel=1e-14)


def test_samples_have_the_moments_of_the_law() -> None:
    """Means of x, x xᵀ and of the labels: false-fail rate 1e-6 each."""
    mix, n = random_mixture(2), 40_000
    x, label = mix.sample_with_labels(n, np.random.default_rng(1))
    first = mix.weights @ mix.means
    second = (mix.weights[:, None, None] * mix.means[:, :, None] * mix.means[:, None]).sum(axis=0)
    second = second + np.eye(2) * (mix.weights @ mix.spreads**2)
    for i in range(2):
        stats.mean("mean", x[:, i], float(first[i]))
        for j in range(2):
            stats.mean("second moment", x[:, i] * x[:, j], float(second[i, j]))
    for k in range(3):
        stats.proportion("label", int((label == k).sum()), n, float(mix.weights[k]))
        distance = ((x - mix.means[k])[label == k] ** 2).sum(axis=1)
        stats.mean("spread of a component", distance, float(2 * mix.spreads[k] ** 2))


def test_the_mean_score_is_zero_and_fisher_is_minus_divergence() -> None:
    """∫p ∇log p = 0 and ∫p |∇log p|² = −∫p Δlog p, on a grid in 2-D (spectrally exact)."""
    mix = song_ermon()
    axis = np.linspace(-14, 14, 281)
    x = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    with np.errstate(under="ignore"):
        p = np.exp(mix.log_density(x)) * (axis[1] - axis[0]) ** 2
        score = mix.score(x)
        assert p.sum() == pytest.approx(1, abs=1e-12)
        assert p @ score == pytest.approx(0, abs=1e-12)
        assert p @ (score**2).sum(axis=1) == pytest.approx(-p @ mix.divergence(x), rel=1e-11)
        assert p[x.sum(axis=1) > 0].sum() == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(
    ("weights", "means", "spreads", "option"),
    [
        ([0.5, 0.6], [[0.0], [1.0]], [1, 1], "weights"),
        ([1.0, 0.0], [[0.0], [1.0]], [1, 1], "weights"),
        ([0.5, 0.5], [[0.0], [1.0]], [1, 0], "spreads"),
        ([0.5, 0.5], [[0.0], [1.0]], [1], "spreads"),
        ([0.5, 0.5], [0.0, 1.0], [1, 1], "means"),
        ([0.5, 0.5], [[0.0], [math.nan]], [1, 1], "means"),
        ([], [], [], "weights"),
    ],
)
def test_what_is_no_mixture_is_refused(weights, means, spreads, option: str) -> None:
    with pytest.raises(InputError, match="must be") as refused:
        Gaussians(np.array(weights), np.array(means), np.array(spreads))
    assert refused.value.name == option
    assert "\n" not in str(refused.value)


def test_points_of_another_dimension_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(n, 2\)"):
        song_ermon().score(np.zeros((3, 1)))
    with pytest.raises(InputError, match="0 < q < 1"):
        two_modes(4.0, 1.0)
