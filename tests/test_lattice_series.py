"""Error bars of correlated series: τ of an AR(1) process, coverage, functions of means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from toyflows import doubt
from toyflows.lattice.series import autocovariance, estimate, integrated_time
from toyflows.stats import mean


def ar1(ρ: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """x_t = ρ x_{t−1} + √(1 − ρ²) ξ, stationary with variance 1."""
    ξ = rng.standard_normal(n) * math.sqrt(1 - ρ * ρ)
    ξ[0] /= math.sqrt(1 - ρ * ρ)
    with np.errstate(under="ignore"):
        return lfilter([1.0], [1.0, -ρ], ξ)


def test_autocovariance_is_its_sum() -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, 50)
    y = x - x.mean()
    wanted = [np.sum(y[: 50 - t] * y[t:]) / (50 - t) for t in range(50)]
    np.testing.assert_allclose(autocovariance(x), wanted, atol=1e-12)


@pytest.mark.parametrize("ρ", [-0.9, 0.0, 0.5, 0.9, 0.98])
def test_error_of_the_mean_covers_it(ρ: float) -> None:
    """800 independent series: (mean/error)² has the mean 1 up to the window's bias, e^{−6} of τ and
    what a short series hides (10 % allowed); τ = ½(1 + ρ)/(1 − ρ) within 10 %. False-fail 2e−6;
    detects an error bar that is too small by 20 %."""
    rng = np.random.default_rng(1)
    τ = 0.5 * (1 + ρ) / (1 - ρ)
    n = max(300, int(300 * τ))
    z, found = [], []
    for _ in range(800):
        x = ar1(ρ, n, rng)
        time, error = integrated_time(x)
        z.append((x.mean() / error) ** 2)
        found.append(time)
    assert mean("z²", z, 1.0, bias=0.1).detects < 0.56
    mean("τ", found, τ, bias=0.1 * τ)


@pytest.mark.parametrize("ρ", [-0.5, -0.99, -0.999])
def test_values_that_alternate_have_an_error(ρ: float) -> None:
    """As an independent AR(1) series of 2000 has it, 1/((1 − ρ)√n) in units of ξ: within a third.
    An error bar has a deviation of 7 %: a false fail in 1 of 10⁵; an error of 0 is always red."""
    n, rng = 2000, np.random.default_rng(3)
    τ, error = integrated_time(ar1(ρ, n, rng))
    assert error == pytest.approx(math.sqrt((1 + ρ) / (1 - ρ) / n), rel=0.33)
    assert τ == pytest.approx(0.5 * (1 + ρ) / (1 - ρ), rel=0.7)


def test_doubt_is_told() -> None:
    """Of what does not change, changes now and then, or has few independent values."""
    rng, first = np.random.default_rng(4), lambda m: float(m[0])
    rare = np.zeros(2000)
    rare[[100, 500, 501]] = 1.0
    slow = ar1(0.99, 2000, rng)
    for x, word in (
        (np.ones(2000), "nothing changed"), (rare, "only 4 of"), (slow, "independent"),
    ):  # fmt: skip
        found = estimate(first, x[None])
        assert word in found.doubt
        assert found.believed is None
    fine = estimate(first, ar1(0.9, 2000, rng)[None])
    assert fine.doubt == ""
    assert fine.believed == fine.error > 0


def test_a_constant_has_no_error() -> None:
    for value in (0.0, 1.0, -0.1):
        assert integrated_time(np.full(100, value)) == (0.5, 0.0)


def test_a_function_of_means() -> None:
    """f = ⟨x⟩²⟨y⟩ of independent series: the error is that of propagation, and covers f."""
    rng = np.random.default_rng(2)
    z = []
    for _ in range(400):
        x, y = 1 + ar1(0.5, 2000, rng), 2 + ar1(0.8, 2000, rng)
        value, error, τ, _ = estimate(lambda m: float(m[0] ** 2 * m[1]), np.stack([x, y]))
        error /= doubt.widened(1.0, 2000, τ)  # as it was found
        z.append(((value - 2.0) / error) ** 2)
        wanted = math.hypot(2 * 1 * 2 * integrated_time(x)[1], 1 * integrated_time(y)[1])
        assert error == pytest.approx(wanted, rel=0.3)
        assert 0.8 < τ < 5
    mean("z²", z, 1.0, bias=0.1)
