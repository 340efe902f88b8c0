"""docs/errata.md: for each slip, the printed formula fails and the correct one holds."""

from __future__ import annotations

import math
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.cloud import Cloud
from toyflows.diffusion import gaussian_law, objectives, quadrature
from toyflows.diffusion.chain import Ladder
from toyflows.diffusion.gaussians import Gaussians, two_modes
from toyflows.diffusion.methods import make as make_sampler
from toyflows.diffusion.processes import OU, VE, VP, ExactScore, times
from toyflows.flows import make
from toyflows.lattice import ising_exact
from toyflows.lattice.hopfield import Hopfield
from toyflows.lattice.ising import Ising, heat_bath, metropolis
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
    """θ̇ = −∇_θ E_*|s_θ − s_*|², without a ½; the printed +∇_θE would climb. The score points to
    the modes."""

    target = Target.exact(0.5, 4.0)
    mix = target.mixture

    def fisher(θ: float) -> float:
        return target.data.mean(lambda x: (mix.dU_dx(x, θ) - mix.dU_dx(x, 0.5)) ** 2)

    for θ in (-1.0, 2.0):
        flow = solve.velocity(make("score-matching"), Grid(target, 0.1), θ)
        assert flow == pytest.approx(-slope(fisher, θ), rel=1e-6)
        assert flow * slope(fisher, θ) < 0
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
        return float(np.sum(w * (score(y, θ) + sign * ε / σ) ** 2))

    for at in (-6.0, 1.5, 5.0):  # a window of width 0.4 around each point
        near = np.exp(-(((y - at) / 0.2) ** 2)) * w
        best = float(np.sum(near * -ε / σ) / near.sum())
        mean_score = float(np.sum(near * score(y, θ_star)) / near.sum())
        assert best == pytest.approx(mean_score, abs=1e-10)
        assert abs(-best - mean_score) > 0.05
    flow = make("denoising", sigma=σ, model="noised")
    for θ in (-1.0, 1.5, θ_star):
        descent = -slope(lambda t: loss(t, 1.0), θ)
        assert solve.velocity(flow, Grid(target, 0.1), θ) == pytest.approx(descent, abs=1e-9)
        assert abs(descent + slope(lambda t: loss(t, -1.0), θ)) > 0.005
    rest = -0.7721787
    assert abs(slope(lambda t: loss(t, 1.0), θ_star)) < 1e-9
    assert slope(lambda t: loss(t, -1.0), rest) == pytest.approx(0, abs=1e-6)


def test_8_laplacian_of_score_matching_has_the_factor_2() -> None:
    """s = c∇log p_* is best at c = 1, as printed at ½; a Gaussian fitted to N(0, 1) gets the
    variance 1, as printed 2. E[s²] + factor·E[s'] by quadrature; twice `implicit` is factor 2."""
    law = two_modes(3.0, 0.3)
    v, scales = np.linspace(0.5, 3, 251), np.linspace(0, 2, 201)
    square = float(quadrature.mean(lambda x: law.score(x)[:, 0] ** 2, law))
    slope = float(quadrature.mean(law.divergence, law))
    for factor, c, variance in ((2, 1.0, 1.0), (1, 0.5, 2.0)):
        loss = scales**2 * square + factor * scales * slope
        assert scales[np.argmin(loss)] == pytest.approx(c, abs=1e-9)
        assert v[np.argmin(1 / v**2 - factor / v)] == pytest.approx(variance, abs=1e-9)

    def half(x):
        return objectives.implicit(lambda x, t: law.score(x), lambda x, t: law.divergence(x), x, 0)

    assert 2 * float(quadrature.mean(half, law)) == pytest.approx(square + 2 * slope, abs=1e-12)


def test_9_law_of_the_discrete_chain() -> None:
    """One step after the other against the formulas, and the printed exponents k and 2k."""
    γ = 0.03
    ladder = Ladder.langevin(np.full(20, γ))
    α, v = 1.0, 0.0
    for k in range(20):
        α, v = (1 - γ) * α, (1 - γ) ** 2 * v + 2 * γ
        assert ((1 - γ) ** (k + 1), ladder.α[k + 1]) == pytest.approx((α, α), rel=1e-13)
        variance = (1 - (1 - γ) ** (2 * (k + 1))) / (1 - γ / 2)
        assert (variance, ladder.σ[k + 1] ** 2) == pytest.approx((v, v), rel=1e-12)
        assert abs((1 - γ) ** k / α - 1) > γ
        assert abs((1 - (1 - γ) ** (2 * k)) / (1 - γ / 2) / v - 1) > 0.01


def test_10_backward_kernel() -> None:
    """The mean of x_k given x_{k+1} and x_0, from the covariances: corrected exact, printed off."""
    γ, k, x0, x = 0.05, 7, -1.3, 0.4
    α, σ = (lambda n: (1 - γ) ** n), (lambda n: Ladder.langevin(np.full(20, γ)).σ[n])
    covariance = (1 - γ) * σ(k) ** 2  # of x_k and x_{k+1}, given x_0
    mean = α(k) * x0 + covariance / σ(k + 1) ** 2 * (x - α(k + 1) * x0)
    variance = σ(k) ** 2 - covariance**2 / σ(k + 1) ** 2
    front = α(k) * σ(k + 1) / (α(k + 1) * σ(k) ** 2)
    ẑ, A = (x - α(k + 1) * x0) / σ(k + 1), 1 / (1 - γ)
    assert A * x - front * variance * ẑ == pytest.approx(mean, rel=1e-12)
    made = [float(v[k]) for v in Ladder.langevin(np.full(20, γ)).backward_noise]
    assert made == pytest.approx([A, front * variance, math.sqrt(variance)], rel=1e-12)
    assert abs(A * x - front * 2 * γ * ẑ - mean) > 0.02
    assert abs(A * x - front * variance * (x - x0) / σ(k + 1) - mean) > 0.02


@np.errstate(under="ignore")
def test_11_noise_is_minus_sigma_times_the_score() -> None:
    """E[ẑ | x] by quadrature over x_0, for small and large noise; minus the score is 1/σ off."""
    mix, x0 = two_modes(4.0, 0.3), np.linspace(-12, 12, 4801)
    prior = np.exp(mix.log_density(x0[:, None]))
    ladder = Ladder.langevin(np.full(40, 0.01))
    for k in (0, 10, 39):
        α, σ = float(ladder.α[k + 1]), float(ladder.σ[k + 1])
        for x in (-2.7, 0.3, 1.1):
            ẑ = (x - α * x0) / σ
            w = prior * np.exp(-0.5 * ẑ**2)
            mean = float(w @ ẑ / w.sum())
            score = float(mix.score(np.array([[x]]), α, σ)[0, 0])
            assert mean == pytest.approx(-σ * score, abs=1e-12)
            assert -score / mean == pytest.approx(1 / σ, rel=1e-9)
            assert abs(-score / mean - 1) > 0.15
    assert 1 / ladder.σ[1] == pytest.approx(7.07, abs=0.01)


@pytest.mark.parametrize("process", [VE(0.1, 5.0), VP(), OU(3.0)], ids=["VE", "VP", "OU"])
def test_12_probability_flow(process) -> None:
    """∂_t p + ∂_x(v p) = 0 by differences for v = f x − ½ g² score, and not with the printed g²."""
    mix, x, h = two_modes(4.0, 0.3), np.linspace(-6, 6, 241)[:, None], 1e-4

    def p(x, t):
        return np.exp(mix.log_density(x, process.alpha(t), process.sigma(t)))

    def flux(x, t, share):
        score = ExactScore(mix, process)(x, t)
        return (process.f(t) * x - share * process.g2(t) * score)[:, 0] * p(x, t)

    for t in (0.1, 0.5, 0.9):
        growth = (p(x, t + h) - p(x, t - h)) / (2 * h)
        for share, holds in ((0.5, True), (1.0, False)):
            left = growth + (flux(x + h, t, share) - flux(x - h, t, share)) / (2 * h)
            assert (np.abs(left).max() < 1e-5) == holds
            assert holds or np.abs(left).max() > 0.01


def test_13_noises_of_annealed_langevin_decrease() -> None:
    """The exact law on data N(2, 0.5²), start N(0, 5²): falling noises end in the data with the
    least noise (and the step's bias), the printed rising ones in the data with the most."""
    ladder, m, v = VE(0.1, 5.0), 2.0, 0.25
    score = ExactScore(Gaussians(np.ones(1), np.array([[m]]), np.array([v**0.5])), ladder)
    falling = times(ladder, 20)

    def law(ε: float, grid: np.ndarray):
        method = make_sampler("annealed-langevin", epsilon=ε, steps=200)
        return gaussian_law.follow(method, score, ladder, 0.0, 25.0, grid)

    down = law(0.01, falling)
    assert (down.mean, down.variance) == pytest.approx((m, v + 0.1**2), rel=0.02)
    assert law(0.01, falling[::-1]).variance > 10
    assert law(5.0, falling[::-1]).variance == pytest.approx(v + 5.0**2, rel=0.1)


def test_14_gibbs_is_no_metropolis() -> None:
    """All states of 4 × 4 spins: both single-spin chains keep ρ, by different probabilities; the
    conditional law is what Gibbs draws from, and its Metropolis–Hastings ratio is 1."""
    model = Ising(4, 2.5)
    p, _, _ = ising_exact.states(model)
    states = np.arange(p.size)
    up = states[states >> 5 & 1 == 1]  # spin 5 is row 1, column 1; neighbours 1, 4, 6, 9
    down = up - 2**5
    n = sum(2 * (up >> k & 1) - 1 for k in (1, 4, 6, 9))
    conditional = p[up] / (p[up] + p[down])
    assert heat_bath(model).up[0][(n + 4) // 2] == pytest.approx(conditional, rel=1e-12)
    ratio = (p[up] * (1 - conditional)) / (p[down] * conditional)  # times proposal back, to
    assert ratio == pytest.approx(1.0, rel=1e-12)
    printed = np.minimum(1, p[up] / p[down])
    assert metropolis(model).up[0][(n + 4) // 2] == pytest.approx(printed, rel=1e-12)
    for move in (conditional, printed):
        back = move * p[down] / p[up]
        assert np.all(back <= 1 + 1e-12)  # detailed balance has a solution: ρ is kept
    assert set(np.round((printed - conditional)[n == 0], 12)) == {0.5}


def test_15_gradient_of_log_Z() -> None:
    """On five states with E_θ(x) = θ·φ(x): −∂log q(x) by differences, and both formulas."""
    φ, θ = np.array([0.3, -1.2, 2.0, 0.0, 0.7]), 0.6

    def minus_log_q(θ: float) -> np.ndarray:
        return θ * φ + math.log(np.exp(-θ * φ).sum())

    wanted = (minus_log_q(θ + STEP) - minus_log_q(θ - STEP)) / (2 * STEP)
    mean = np.exp(-minus_log_q(θ)) @ φ  # E_q[∂E] = −∂log Z
    assert φ - mean == pytest.approx(wanted, abs=1e-9)
    assert np.max(np.abs(φ + mean - wanted)) > 0.1


def test_16_energy_of_a_hopfield_network() -> None:
    """On the 16 states of four units: the update's stationary law is e^{−E} with the ½, and not
    without it; there the two energies even have different lowest states."""
    W = np.array([[0, -2.0, 1, 0], [-2.0, 0, 0.5, 1], [1, 0.5, 0, -1], [0, 1, -1, 0]])
    b = np.array([-2.0, -2.0, -2.0, -1.0])
    net = Hopfield(W, b)
    states = np.array(list(product([-1.0, 1.0], repeat=4)))
    printed = -np.sum(states * (states @ W + b), axis=1)
    sweep = np.eye(16)
    for i in range(4):
        p_up = 1 / (1 + np.exp(-2 * net.activations(states)[:, i]))
        one, place = np.zeros((16, 16)), 1 << (3 - i)
        for k in range(16):
            one[k, k | place], one[k, k & ~place] = p_up[k], 1 - p_up[k]
        sweep = sweep @ one
    for E, holds in ((net.energy(states), True), (printed, False)):
        law = np.exp(-E) / np.exp(-E).sum()
        assert (np.abs(law @ sweep - law).max() < 1e-14) == holds
        assert holds or np.abs(law @ sweep - law).max() > 0.05
    assert np.argmin(net.energy(states)) != np.argmin(printed)


def test_every_section_has_its_test() -> None:
    text = (Path(__file__).parent.parent / "docs" / "errata.md").read_text("utf-8")
    numbers = re.findall(r"^## (\d+)\.", text, re.MULTILINE)
    assert numbers
    assert all(any(name.startswith(f"test_{n}_") for name in globals()) for n in numbers)
