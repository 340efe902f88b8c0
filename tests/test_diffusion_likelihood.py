"""The likelihood by the probability-flow ODE: closed forms, normalisation, Hutchinson."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate
from typer.testing import CliRunner

from toyflows import stats
from toyflows.cli.main import app
from toyflows.diffusion.gaussians import Gaussians, song_ermon, two_modes
from toyflows.diffusion.likelihood import differences, gaussian, hutchinson, log_likelihood
from toyflows.diffusion.methods.base import Model
from toyflows.diffusion.processes import OU, VE, VP, ExactScore, Process
from toyflows.errors import InputError

PROCESSES: list[Process] = [VE(), VP(), OU(3.0)]
IDS = ["VE", "VP", "OU"]
FIVE = Gaussians(
    np.array([0.5, 0.2, 0.3]),
    np.array([[2.0, 0, 0, 0, 1], [-2, 1, 0, 0, 0], [0, 0, 3, -1, 0]]),
    np.array([1.0, 0.6, 0.8]),
)
MIXTURES = {"1-D": two_modes(6.0, 0.8), "2-D": song_ermon(), "5-D": FIVE}


def by_ode(score: ExactScore, x: np.ndarray, **how) -> np.ndarray:
    """With the exact law at t = 1."""
    return log_likelihood(
        x, score, score.divergence, score.process, lambda y: score.log_density(y, 1.0), **how
    )


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
def test_is_the_closed_form(mixture: Gaussians, process: Process) -> None:
    """Within 1e-6, a tenth of what is promised, at samples and far outside; the tolerance rules."""
    rng, score = np.random.default_rng(0), ExactScore(mixture, process)
    x = np.concatenate([mixture.sample(60, rng), rng.uniform(-9, 9, (40, mixture.dimension))])
    exact = score.log_density(x, 0.0)
    error = np.abs(by_ode(score, x) - exact).max()
    assert error < 1e-6
    assert np.abs(by_ode(score, x, tolerance=1e-4) - exact).max() > 10 * error


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_from_pure_noise_it_is_the_models_own_density(process: Process) -> None:
    """One Gaussian: x_1 = αm + (x − m)√(α²s² + σ²)/s_0 is N(0, prior_sigma²); s_0² = s² + σ(0)²."""
    m, s = 1.5, 0.7
    score = ExactScore(Gaussians(np.ones(1), np.array([[m]]), np.array([s])), process)
    α, σ = process.alpha(1.0), process.sigma(1.0)
    stretch = np.hypot(α * s, σ) / np.hypot(s, process.sigma(0.0))
    x = np.linspace(-2, 4, 13)[:, None]
    x1 = (α * m + (x - m) * stretch)[:, 0] / process.prior_sigma
    wanted = -(x1**2) / 2 + np.log(stretch / process.prior_sigma / math.sqrt(2 * math.pi))
    found = log_likelihood(x, score, score.divergence, process)
    assert found == pytest.approx(wanted, abs=1e-6)
    assert np.abs(found - score.log_density(x, 0.0)).max() > 1e-4, "noise is not the exact law"


@pytest.mark.parametrize("process", PROCESSES[1:], ids=IDS[1:])
def test_a_wrong_score_has_a_density_too(process: Process) -> None:
    """∫p = 1 for any score and its own divergence; with another's divergence it is not."""
    wrong = ExactScore(two_modes(3.0, 0.5), VP())
    other = ExactScore(two_modes(6.0, 0.8), VP())

    def score(x, t):
        return 0.8 * wrong(x, t) + 0.1 * np.sin(x)

    def divergence(x, t):
        return 0.8 * wrong.divergence(x, t) + 0.1 * np.cos(x[:, 0])

    x = np.linspace(-16, 16, 801)[:, None]
    with np.errstate(under="ignore"):
        mass = np.exp(log_likelihood(x, score, divergence, process)).sum() * (x[1] - x[0])
        bad = np.exp(log_likelihood(x, score, other.divergence, process)).sum() * (x[1] - x[0])
    assert mass == pytest.approx(1, abs=1e-5)
    assert abs(bad - 1) > 0.01


def test_it_may_start_later() -> None:
    """log p_t of the noised law."""
    score, x = ExactScore(song_ermon(), VP()), song_ermon().sample(9, np.random.default_rng(0))
    assert by_ode(score, x, first=0.2) == pytest.approx(score.log_density(x, 0.2), abs=1e-6)


def test_the_slides_ode_has_another_density() -> None:
    """[G]'s ODE without ½ (docs/errata.md, G.probability-flow) moves the same points elsewhere."""

    score, x = ExactScore(two_modes(6.0, 0.8), VP()), np.linspace(-5, 5, 9)[:, None]
    found = by_ode(score, x, share=1.0)
    assert np.abs(found - score.log_density(x, 0.0)).min() > 1


# --- Hutchinson


def test_differences_are_the_scores_derivative() -> None:
    score, x = ExactScore(FIVE, VP()), FIVE.sample(20, np.random.default_rng(0))
    product = differences(score)
    columns = [product(x, 0.3, np.tile(e, (20, 1))) for e in np.eye(5)]
    trace = sum(c[:, i] for i, c in enumerate(columns))
    assert trace == pytest.approx(score.divergence(x, 0.3), abs=1e-8)
    jacobian = np.stack(columns, axis=2)
    assert jacobian == pytest.approx(jacobian.transpose(0, 2, 1), abs=1e-8), "a Hessian"


def test_hutchinson_is_unbiased() -> None:
    """3 points, 400 independent probes each, five dimensions: false-fail rate 3e-6; detects 0.2 at
    an estimate's spread of 0.7."""
    score, rng = ExactScore(FIVE, OU(3.0)), np.random.default_rng(1)
    for point in FIVE.sample(3, rng):
        x = np.tile(point, (400, 1))
        probe = rng.choice([-1.0, 1.0], x.shape)
        found = log_likelihood(
            x, score, hutchinson(differences(score), probe), score.process,
            lambda y: score.log_density(y, 1.0), tolerance=1e-6,
        )  # fmt: skip
        wanted = float(score.log_density(point[None], 0.0)[0])
        checked = stats.mean("log p", found, wanted, bias=1e-4)
        assert 0.05 < checked.detects < 0.3
        assert found.std() > 0.1


def test_one_probe_is_exact_on_the_line() -> None:
    """v² = 1."""
    score, x = ExactScore(two_modes(6.0, 0.8), VP()), np.linspace(-5, 5, 9)[:, None]
    exact = hutchinson(differences(score), -np.ones_like(x))
    found = log_likelihood(x, score, exact, VP(), lambda y: score.log_density(y, 1.0))
    assert found == pytest.approx(score.log_density(x, 0.0), abs=1e-6)


# --- shapes and refusals


def test_images_are_points() -> None:
    """A 2 × 2 image of independent normals of variance α²v + σ²: score and density in its shape."""
    process, v = VP(), 4.0

    def variance(t):
        return float(process.alpha(t) ** 2 * v + process.sigma(t) ** 2)

    x = np.random.default_rng(0).normal(size=(3, 2, 2))
    found = log_likelihood(
        x, lambda x, t: -x / variance(t), lambda x, t: np.full(len(x), -4 / variance(t)), process,
        gaussian(math.sqrt(variance(1.0))),
    )  # fmt: skip
    assert found == pytest.approx(gaussian(2.0)(x), abs=1e-6)
    assert gaussian(2.0)(x) == pytest.approx(gaussian(2.0)(x.reshape(3, 4)), abs=1e-12)


def test_bad_input_is_refused() -> None:
    score = ExactScore(two_modes(6.0, 0.8), VP())
    for x, how, said in (
        (np.zeros((0, 1)), {}, "one or more"),
        (np.array([[math.nan]]), {}, "finite"),
        (np.zeros((1, 1)), {"tolerance": 0.0}, "tolerance > 0"),
        (np.zeros((1, 1)), {"first": 1.0}, "first < 1"),
    ):
        with pytest.raises(InputError, match=said):
            by_ode(score, x, **how)


def test_a_score_that_breaks_is_said(recwarn: pytest.WarningsRecorder) -> None:
    """A field that blows up stops the solver, with the time in one line."""

    def blow(x, t):
        with np.errstate(all="ignore"):
            return np.where(t > 0.5, np.nan, x)

    with pytest.raises(ArithmeticError, match=r"stopped at t = 0\.5"):
        log_likelihood(np.ones((1, 1)), blow, lambda x, t: np.ones(len(x)), VP())


def test_a_solver_that_gives_up_ends_the_command_with_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As of a trained network in which the steps become too small."""
    solve = integrate.solve_ivp

    def gives_up(*words: object, **how: object) -> object:
        end = solve(*words, **how)
        end.success, end.message = False, "too small"
        return end

    monkeypatch.setattr(integrate, "solve_ivp", gives_up)
    for words, said in (
        (["likelihood", "--exact", "two-modes", "--count", "5"], "likelihood stopped at t = 1: "),
        (["sample", "--exact", "two-modes", "--count", "5", "--sampler", "ode-rk45", "--out",
          str(tmp_path / "a.csv")], "ode-rk45 stopped at t = "),
    ):  # fmt: skip
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 1
        assert done.stderr.startswith(f"toyflows: {said}")
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_both_drifts_of_the_model() -> None:
    """share ½ and 1 of g² score over −f x."""
    model = Model(lambda x, t: -x, VP(), 0.0)
    x, β = np.ones((1, 1)), VP().g2(0.3)
    assert model.reverse_drift(x, 0.3, 0.5).item() == pytest.approx(0, abs=1e-12)
    assert model.reverse_drift(x, 0.3, 1.0).item() == pytest.approx(-β / 2)
