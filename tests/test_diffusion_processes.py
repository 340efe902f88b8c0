"""Schedules and processes: α and σ solve their equations; grids of times; refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from toyflows import stats
from toyflows.diffusion import schedules
from toyflows.diffusion.gaussians import song_ermon
from toyflows.diffusion.processes import OU, VE, VP, ExactScore, Process, log_snr, process, times
from toyflows.diffusion.schedules import Constant, Cosine, Geometric, Linear, schedule
from toyflows.errors import InputError

SCHEDULES = [Constant(), Linear(), Geometric(), Cosine(), Cosine(shift=0.05, most=30.0),
             Geometric(3.0, 3.0)]  # fmt: skip
PROCESSES: list[Process] = [VE(), VE(0.1, 10.0), OU(), OU(0.5), *(VP(s) for s in SCHEDULES)]
TIMES = np.array([0.03, 0.2, 0.5, 0.77, 0.95, 0.9995])


def difference(f, t: np.ndarray, h: float = 2e-5) -> np.ndarray:
    """f'(t) by differences of order 4."""
    return (8 * (f(t + h) - f(t - h)) - (f(t + 2 * h) - f(t - 2 * h))) / (12 * h)


@pytest.mark.parametrize("p", PROCESSES, ids=str)
def test_drift_and_noise_belong_to_the_marginals(p: Process) -> None:
    """α' = fα and (σ²)' = 2fσ² + g², by differences."""
    rate = difference(p.alpha, TIMES)
    assert rate == pytest.approx(p.f(TIMES) * p.alpha(TIMES), rel=1e-7, abs=1e-9)
    variance = difference(lambda t: p.sigma(t) ** 2, TIMES)
    wanted = 2 * p.f(TIMES) * p.sigma(TIMES) ** 2 + p.g2(TIMES)
    assert variance == pytest.approx(wanted, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("p", PROCESSES, ids=str)
def test_marginals_solve_the_moment_equations(p: Process) -> None:
    """m' = f m and v' = 2f v + g² from (1, σ(0)²) by scipy's solver, up to t = 0.95."""

    def rates(t: float, y: np.ndarray) -> list[float]:
        return [float(p.f(t)) * y[0], 2 * float(p.f(t)) * y[1] + float(p.g2(t))]

    start = [1.0, float(p.sigma(0.0)) ** 2]
    at = TIMES[:-1]
    with np.errstate(under="ignore"):
        run = solve_ivp(rates, (0, 0.95), start, "DOP853", at, rtol=1e-12, atol=1e-13)
    assert run.y[0] == pytest.approx(p.alpha(at), rel=1e-9, abs=1e-12)
    assert run.y[1] == pytest.approx(p.sigma(at) ** 2, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("p", PROCESSES, ids=str)
def test_ends_and_shapes(p: Process) -> None:
    assert float(p.alpha(0.0)) == 1.0
    assert float(p.sigma(0.0)) == (p.sigma_min if isinstance(p, VE) else 0.0)
    for value in (p.alpha, p.sigma, p.f, p.g2):
        assert np.shape(value(0.5)) == ()
        assert value(TIMES).shape == TIMES.shape
        assert value(TIMES)[2] == value(0.5)
    ratio = p.alpha(TIMES) ** 2 / p.sigma(TIMES) ** 2
    assert np.exp(log_snr(p, TIMES)) == pytest.approx(ratio, rel=1e-11)
    assert np.all(np.diff(ratio) < 0)
    if isinstance(p, VE):
        assert p.prior_sigma == pytest.approx(p.sigma(1.0), rel=1e-14)
    else:
        assert p.alpha(TIMES) ** 2 + p.sigma(TIMES) ** 2 == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("s", SCHEDULES, ids=str)
def test_alpha_bar_is_the_integral_of_beta(s: schedules.Schedule) -> None:
    for t in (0.3, 0.9):
        area = quad(lambda u: float(s.beta(u)), 0, t, epsabs=1e-13, epsrel=1e-13)[0]
        assert float(s.log_alpha_bar(t)) == pytest.approx(-area, rel=1e-12)


def test_cosine_is_nichols_and_dhariwals() -> None:
    """ᾱ(t) = cos²φ(t)/cos²φ(0), so β_k = 1 − ᾱ_{k+1}/ᾱ_k at T = 1000, until the bound of β."""
    k = np.arange(1001)
    ᾱ = np.cos((k / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2
    β = 1 - ᾱ[1:] / ᾱ[:-1]
    made = schedules.betas(Cosine(), 1000)
    assert made[:-3] == pytest.approx(β[:-3], rel=1e-9)
    assert made[-2:] == pytest.approx(1 - math.exp(-0.999), rel=1e-6)
    s = Cosine(most=50.0)
    clip = s._clipped
    assert (s.beta(clip + 1e-9), s.beta(1.0)) == pytest.approx((50, 50), rel=1e-14)
    assert s.beta(clip - 1e-6) == pytest.approx(50, rel=1e-3)
    assert s.log_alpha_bar(1.0) == pytest.approx(s.log_alpha_bar(clip) - 50 * (1 - clip), rel=1e-13)


def test_linear_is_ddpms_up_to_the_order_of_a_step() -> None:
    """ᾱ_T of Ho et al.'s 1000 steps is 4.0e−5, the continuous one's e^{−10.05}."""
    ddpm = schedules.ddpm_betas(1000)
    assert (ddpm[0], ddpm[-1], len(ddpm)) == (1e-4, 0.02, 1000)
    ᾱ = float(np.prod(1 - ddpm))
    assert ᾱ == pytest.approx(4.04e-5, rel=5e-3)
    assert float(Linear().log_alpha_bar(1.0)) == pytest.approx(-10.05, rel=1e-15)
    assert math.log(ᾱ) == pytest.approx(-10.05, abs=0.07)  # ½Σβ² = 0.067


@pytest.mark.parametrize("s", SCHEDULES, ids=str)
@pytest.mark.parametrize("steps", [1, 7, 400])
def test_chains_have_the_schedules_marginals(s: schedules.Schedule, steps: int) -> None:
    made = schedules.betas(s, steps)
    assert made.shape == (steps,)
    assert np.log1p(-made).cumsum()[-1] == pytest.approx(float(s.log_alpha_bar(1.0)), rel=1e-11)


def test_warning_names_what_is_left() -> None:
    """50 of the steps that were made for 1000 leave ᾱ_T = 0.6: 78 % of each point."""
    ᾱ = float(np.prod(1 - schedules.ddpm_betas(50)))
    words = schedules.warning(ᾱ)
    assert words is not None
    assert "ᾱ_T = 0.603" in words
    assert "78%" in words
    assert "\n" not in words
    assert schedules.warning(0.01) is None
    assert schedules.warning(0.0101) is not None
    for s in (Linear(), Cosine(), Constant(), Geometric()):
        assert schedules.warning(math.exp(s.log_alpha_bar(1.0))) is None, s


def test_spread_from_noise_is_the_flow_of_a_gaussian() -> None:
    """x' = f x − ½ g² ∇log p back from 1 to 0 scales x by s/√(ᾱs² + 1 − ᾱ); at the threshold of
    the warning, data of spread 1.74 come out 1 % too narrow."""
    p, s = VP(Constant(0.8)), 1.7

    def slope(t: float, x: np.ndarray) -> np.ndarray:
        variance = (p.alpha(t) * s) ** 2 + p.sigma(t) ** 2
        return float(p.f(t)) * x + 0.5 * float(p.g2(t)) * x / variance

    end = solve_ivp(slope, (1, 0), [1.0], rtol=1e-11, atol=1e-13).y[0, -1]
    assert schedules.spread_from_noise(math.exp(-0.8), s) == pytest.approx(end, rel=1e-9)
    limit = schedules.LARGEST_LEFTOVER**2
    assert schedules.spread_from_noise(limit, 1.74) / 1.74 == pytest.approx(0.99, abs=2e-4)


@pytest.mark.parametrize("p", PROCESSES, ids=str)
@pytest.mark.parametrize("spacing", ["uniform", "log-snr"])
def test_times_fall_from_one_to_zero(p: Process, spacing: str) -> None:
    for steps in (1, 2, 10, 100):
        t = times(p, steps, spacing)
        assert t.shape == (steps + 1,)
        assert (t[0], t[-1]) == (1.0, 0.0)
        assert np.all(np.diff(t) < 0)
    if spacing == "log-snr":
        inner = t if isinstance(p, VE) else t[:-1]
        gaps = np.diff(log_snr(p, inner))
        assert gaps == pytest.approx(gaps.mean(), rel=1e-6)


def test_geometric_ladder() -> None:
    σ = schedules.geometric_ladder(20.0, 0.01, 10)
    assert (σ[0], σ[-1], len(σ)) == (20.0, 0.01, 10)
    assert σ[1:] / σ[:-1] == pytest.approx((0.01 / 20) ** (1 / 9), rel=1e-13)


def test_the_forward_equation_reaches_the_marginal() -> None:
    """Euler–Maruyama forward, 400 steps, from one point: mean and second moment at t = 0.6.

    False-fail rate 1e-6 each; the bias of the step, O(1/400), is computed by its own recursion.
    """
    p, n, steps, x0 = VP(Linear()), 20_000, 400, 2.0
    rng = np.random.default_rng(5)
    x, m, v, h = np.full(n, x0), x0, 0.0, 0.6 / steps
    for t in np.arange(steps) * h:
        f, g2 = float(p.f(t)), float(p.g2(t))
        x = x + h * f * x + math.sqrt(h * g2) * rng.standard_normal(n)
        m, v = m * (1 + h * f), v * (1 + h * f) ** 2 + h * g2
    mean, second = float(p.alpha(0.6)) * x0, float(p.sigma(0.6)) ** 2
    stats.mean("mean", x, mean, bias=abs(m - mean))
    stats.mean("variance", (x - mean) ** 2, second, bias=abs(v - second) + (m - mean) ** 2)
    assert abs(v - second) < 0.01


def test_exact_score_is_the_score_of_the_noised_law() -> None:
    mix, t = song_ermon(), np.array([0.2, 0.9])
    x = np.array([[0.3, -4.0], [1.0, 0.5]])
    for p in (VE(), VP(), OU()):
        exact = ExactScore(mix, p)
        for i in range(2):
            α, σ = float(p.alpha(t[i])), float(p.sigma(t[i]))
            law, point = mix.at(α, σ), x[i : i + 1]
            assert exact(x, t)[i] == pytest.approx(law.score(point)[0], rel=1e-12)
            assert exact(point, t[i])[0] == pytest.approx(law.score(point)[0], rel=1e-12)
            assert exact.divergence(x, t)[i] == pytest.approx(law.divergence(point)[0], rel=1e-12)
            assert exact.log_density(x, t)[i] == pytest.approx(law.log_density(point)[0], rel=1e-12)


def test_processes_by_name() -> None:
    assert process("ve", sigma_max="20") == VE(sigma_max=20.0)
    assert process("ou", time=2) == OU(2.0)
    assert process("vp") == VP(Linear())
    assert process("vp", schedule="cosine", shift=0.01) == VP(Cosine(shift=0.01))
    assert schedule("geometric", last=30) == Geometric(last=30.0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: process("vq"), "did you mean"),
        (lambda: process("ve", sigmamax=1), "did you mean sigma_max"),
        (lambda: process("ve", sigma_min=60.0), "sigma_min < sigma_max"),
        (lambda: process("ve", sigma_min=-1.0), "0 < sigma_min"),
        (lambda: process("ve", sigma_max=math.inf), "finite"),
        (lambda: process("ou", time=0.0), "time > 0"),
        (lambda: process("ou", time="soon"), "must be a number"),
        (lambda: process("vp", schedule="cosin"), "did you mean cosine"),
        (lambda: process("vp", beta=1.0), "unknown option"),
        (lambda: process("ou", schedule="cosine"), "only vp has a schedule"),
        (lambda: Constant(0.0), "level > 0"),
        (lambda: Cosine(most=0.01), "most >"),
        (lambda: schedules.betas(Linear(), 0), "1 to 100000000"),
        (lambda: schedules.ddpm_betas(10, 0.0), "0 < first"),
        (lambda: schedules.geometric_ladder(1.0, 2.0, 5), "smallest < largest"),
        (lambda: schedules.geometric_ladder(2.0, 1.0, 1), "2 or more"),
        (lambda: schedules.leftover(1.5), "ᾱ_T ≤ 1"),
        (lambda: times(VP(), 10**11), "1 to 100000000"),
        (lambda: times(VP(), 5, "even"), "uniform or log-snr"),
    ],
)
def test_bad_input_gets_one_line(call, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        call()
    assert "\n" not in str(refused.value)
