"""docs/errata.md: for each slip, the printed formula fails and the correct one holds."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.cloud import Cloud
from toyflows.flows import make
from toyflows.target import Target

TARGET = Target.exact(-math.log(4), 12.0)
MIX, GRID = TARGET.mixture, Grid(TARGET, 0.1)
STEP = 1e-5


def slope(f, θ: float) -> float:
    return (f(θ + STEP) - f(θ - STEP)) / (2 * STEP)


def test_1_fixed_point_of_nce() -> None:
    bias = math.log((1 + math.exp(-TARGET.θ_star)) / 2)
    end = solve.run(make("nce"), Grid(TARGET, 0.5), 0.0, 800).θ[-1]
    assert end == pytest.approx(TARGET.θ_star + bias, abs=1e-6)
    assert (TARGET.θ_star + bias, 0.0 + bias) == pytest.approx((-0.4700, 0.9163), abs=5e-5)
    assert abs(end - bias) > 1.0


def test_2_flow_of_nce_climbs_the_classifiers_likelihood() -> None:
    """θ̇ = +∇_θ of E_data[log D] + E_μ[log(1−D)]; minus it, or the value itself, is not the flow."""

    def likelihood(θ: float) -> float:
        def D(x):
            return MIX.discriminator(x, θ, 0.5, 0.0)[0]

        return TARGET.data.mean(lambda x: np.log(D(x))) + GRID.model(0.5).mean(
            lambda x: np.log1p(-D(x))
        )

    for θ in (-2.0, 0.3, 1.7):
        flow = solve.velocity(make("nce", mu=0.5), GRID, θ)
        assert flow == pytest.approx(slope(likelihood, θ), abs=1e-8)
        assert abs(flow + slope(likelihood, θ)) > 0.05
        assert abs(flow - likelihood(θ)) > 0.05


def test_3_pcd_stays_bounded() -> None:
    """At d = 8: the printed line leaves ±d²/2 = ±32 for good, the exact law never does."""
    target = Target.exact(-math.log(4), 8.0)
    exact = solve.run(make("pcd"), Grid(target, 0.1), 0.0, 10_000, every=10)
    printed = solve.lecture(make("pcd"), target, 0.0, 0.1, 10_000, every=10)
    assert np.max(np.abs(exact.θ)) < 32
    assert printed.θ[-1] < -290
    turns = np.flatnonzero(np.diff(np.sign(np.diff(exact.θ)))) + 1
    swings = np.abs(np.diff(exact.θ[turns]))
    assert len(turns) >= 4
    assert np.all(np.diff(swings) < 0), "a damped loop"


def test_4_flow_of_score_matching_descends() -> None:
    """θ̇ = −½∇_θ E|s_θ − s_*|²; with the printed sign it would climb. The score points to modes."""

    target = Target.exact(0.5, 4.0)
    mix = target.mixture

    def fisher(θ: float) -> float:
        return 0.5 * target.data.mean(lambda x: (mix.dU_dx(x, θ) - mix.dU_dx(x, 0.5)) ** 2)

    for θ in (-1.0, 2.0):
        flow = solve.velocity(make("score-matching"), Grid(target, 0.1), θ)
        assert flow == pytest.approx(-slope(fisher, θ), rel=1e-6)
        assert flow * -slope(fisher, θ) > 0
    for x, mode in ((np.array([-7.0]), MIX.a), (np.array([6.5]), MIX.b)):
        score = float(-MIX.dU_dx(x, 0.0)[0])
        assert score == pytest.approx(-(x[0] - mode), abs=1e-6)
        assert abs(score - (x[0] - mode)) > 0.5


@pytest.mark.parametrize(("noise", "variance"), [(2.0, 1.0), (1.0, 0.5)])
def test_5_noise_of_langevin(noise: float, variance: float) -> None:
    """Drift η, noise √(noise·η): the exact second moment of one Gaussian mode as η → 0."""
    η, v = 1e-3, 3.0
    for _ in range(20_000):
        v = (1 - η) ** 2 * v + noise * η
    assert v == pytest.approx(variance, rel=1e-3)
    if noise == 2.0:  # the noise of the product's kernel
        grid = Grid(Target.exact(0.0, 4.0), 0.01)
        cloud = Cloud(grid.x, -0.5 * (grid.x - grid.mixture.a) ** 2)
        for _ in range(1500):
            cloud = grid.move(cloud, 600.0)
        spread = cloud.mean(lambda x: (x - grid.mixture.a) ** 2)
        assert spread == pytest.approx(1 / (1 - 0.01 / 2), abs=1e-10)


def test_6_gradient_of_the_likelihood() -> None:
    """∇L = −E_*[∇U] − ∇log Z, which is the flow; −E_*[U] − ∇log Z is not a gradient of L."""

    def L(θ: float) -> float:
        return -TARGET.data.mean(lambda x: MIX.energy(x, θ)) - MIX.log_Z(θ)

    for θ in (-1.0, 0.4):
        correct = -TARGET.data.mean(lambda x: MIX.responsibility(x, θ)) - slope(MIX.log_Z, θ)
        printed = -TARGET.data.mean(lambda x: MIX.energy(x, θ)) - slope(MIX.log_Z, θ)
        assert slope(L, θ) == pytest.approx(correct, abs=1e-8)
        assert solve.velocity(make("ml"), GRID, θ) == pytest.approx(correct, abs=1e-8)
        assert abs(slope(L, θ) - printed) > 0.01


@np.errstate(under="ignore")
def test_7_target_of_denoising_score_matching() -> None:
    """Over pairs (x, ε) by quadrature, σ = 2: the mean of −ε/σ given x + σε is the score, that of
    ε/σ minus it; θ̇ descends the correct loss, to θ*, and not the printed one, to −0.77."""
    target, σ, θ_star = Target.exact(0.5, 6.0), 2.0, 0.5
    data, ε = target.data, np.linspace(-9, 9, 181)
    w = data.weights[:, None] * (np.exp(-(ε**2) / 2) / np.exp(-(ε**2) / 2).sum())
    y = data.x[:, None] + σ * ε
    noised, s = target.mixture.noised(σ), math.sqrt(1 + σ**2)

    def score(y, θ: float):
        return -noised.dU_dx(y / s, θ) / s

    def loss(θ: float, sign: float) -> float:
        return 0.5 * float(np.sum(w * (score(y, θ) + sign * ε / σ) ** 2))

    for at in (-6.0, 1.5, 5.0):  # a window of width 0.4 around each point
        near = np.exp(-(((y - at) / 0.2) ** 2)) * w
        best = float(np.sum(near * -ε / σ) / near.sum())
        mean_score = float(np.sum(near * score(y, θ_star)) / near.sum())
        assert best == pytest.approx(mean_score, abs=1e-10)
        assert abs(-best - mean_score) > 0.05
    flow = make("denoising", sigma=σ)
    for θ in (-1.0, 1.5, θ_star):
        descent = -slope(lambda t: loss(t, 1.0), θ)
        assert solve.velocity(flow, Grid(target, 0.1), θ) == pytest.approx(descent, abs=1e-9)
        assert abs(descent + slope(lambda t: loss(t, -1.0), θ)) > 0.005
    rest = -0.7721787
    assert abs(slope(lambda t: loss(t, 1.0), θ_star)) < 1e-9
    assert slope(lambda t: loss(t, -1.0), rest) == pytest.approx(0, abs=1e-6)


def test_15_gradient_of_log_Z() -> None:
    """On five states with E_θ(x) = θ·φ(x): −∂log q(x) by differences, and both formulas."""
    φ, θ = np.array([0.3, -1.2, 2.0, 0.0, 0.7]), 0.6

    def minus_log_q(θ: float) -> np.ndarray:
        return θ * φ + math.log(np.exp(-θ * φ).sum())

    wanted = (minus_log_q(θ + STEP) - minus_log_q(θ - STEP)) / (2 * STEP)
    mean = np.exp(-minus_log_q(θ)) @ φ  # E_q[∂E] = −∂log Z
    assert φ - mean == pytest.approx(wanted, abs=1e-9)
    assert np.max(np.abs(φ + mean - wanted)) > 0.1


def test_every_section_has_its_test() -> None:
    text = (Path(__file__).parent.parent / "docs" / "errata.md").read_text("utf-8")
    numbers = re.findall(r"^## (\d+)\.", text, re.MULTILINE)
    assert numbers
    assert all(any(name.startswith(f"test_{n}_") for name in globals()) for n in numbers)
