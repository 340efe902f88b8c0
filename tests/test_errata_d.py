"""docs/errata.md: the slips of [D], Conforti & Durmus: printed fails, correct holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import erf

from toyflows.diffusion import objectives, quadrature
from toyflows.diffusion.chain import Ladder, taylor
from toyflows.diffusion.gaussians import two_modes
from toyflows.diffusion.processes import VE

GAMMA = 0.01


def test_D_implicit() -> None:
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


def test_D_chain() -> None:
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


def test_D_step_back() -> None:
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
def test_D_score() -> None:
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


def test_D_denoising() -> None:
    """X ~ N(0, 1), Y = X + √ε Z: the best s given y is E of its target. ∇_y log φ gives the score
    −y/(1 + ε), ∇_x log φ minus it; ∇_x log p(y) is 0. By quadrature over x."""
    ε, x = 0.5, np.linspace(-9, 9, 1801)
    for y in (-1.4, 0.8):
        w = np.exp(-(x**2) / 2 - (y - x) ** 2 / (2 * ε))

        def mean(f, w=w) -> float:
            return float(w @ f / w.sum())

        score = -y / (1 + ε)
        assert mean(-(y - x) / ε) == pytest.approx(score, abs=1e-12)
        assert mean((y - x) / ε) == pytest.approx(-score, abs=1e-12)


def backward(score, noise: float, n: int, start: float, drift: float = 2.0) -> float:
    """The variance of Y after n steps Y ← Y + γ(Y·pull + drift·score) + √(2γ)Z, scores −Y/v."""
    v = start
    for k in range(n):
        v = (1 + noise * GAMMA - drift * GAMMA / score(k)) ** 2 * v + 2 * GAMMA
    return v


def test_D_time() -> None:
    """Gaussian data of variance ¼, exact scores, 600 steps of γ = 0.01 back from N(0, 1): with
    p_{n−k} and s((n − k)γ, ·) the data come out, to the step's error, with p_k and s(kγ, ·)
    noise."""
    n, v = 600, [0.25]
    for _ in range(n):
        v.append((1 - GAMMA) ** 2 * v[-1] + 2 * GAMMA)

    def flow(t: float) -> float:  # the variance in continuous time
        return 1 - 0.75 * math.exp(-2 * t)

    reversed_chain = [backward(lambda k, o=o: v[n - k - o], 1.0, n, 1.0) for o in (0, 1)]
    reversed_flow = backward(lambda k: flow((n - k) * GAMMA), 1.0, n, 1.0)
    assert [*reversed_chain, reversed_flow] == pytest.approx([0.25] * 3, abs=0.03)
    printed = [
        backward(lambda k: v[k], 1.0, n, 1.0),
        backward(lambda k: flow(k * GAMMA), 1.0, n, 1.0),
    ]
    assert min(printed) > 0.9


def test_D_spreads() -> None:
    """The iterated chain has the variance σ_k², not σ_k; a step has the mean a x_k and the
    variance b², and the noise at the top of an annealed start σ_n²."""
    ladder = Ladder.langevin(np.full(40, GAMMA))
    v = 0.0
    for k in range(40):
        v = (1 - GAMMA) ** 2 * v + 2 * GAMMA
        assert v == pytest.approx(ladder.σ[k + 1] ** 2, rel=1e-12)
        assert abs(ladder.σ[k + 1] / v - 1) > 0.3
    ve = VE(0.1, 5.0)
    assert ve.sigma(1.0) ** 2 == pytest.approx(25)  # of N(0, 5² I)
    step = Ladder.langevin(np.full(1, GAMMA))
    assert (step.a[0], step.b[0] ** 2) == pytest.approx((1 - GAMMA, 2 * GAMMA))


def test_D_product() -> None:
    """−2 log N(x; 0, σ²) by differences of x: |x|²/σ² up to a constant, twice what is printed."""
    σ2, x = 0.3, np.array([0.0, 1.0])
    law = np.exp(-(x**2) / (2 * σ2)) / math.sqrt(2 * math.pi * σ2)
    rise = float(np.diff(-2 * np.log(law))[0])
    assert rise == pytest.approx(1 / σ2, rel=1e-12)
    assert abs(rise - 1 / (2 * σ2)) > 1.6


def test_D_one_step() -> None:
    """Chain X + √(2γ)Z, data of variance ¼, 200 steps back: σ_t² = 2γt and a drift of 2γ score
    bring the data; Langevin with K = 1 has γ score, and the printed σ_t² = γt is another law's."""
    n, top = 200, 0.25 + 2 * GAMMA * 200

    def at(per_step: float):
        return lambda k: 0.25 + per_step * GAMMA * (n - k)

    reversal = backward(at(2.0), 0.0, n, top)
    assert reversal == pytest.approx(0.25, abs=0.03)
    for per_step in (2.0, 1.0):
        assert backward(at(per_step), 0.0, n, top, drift=1.0) > 0.45


def test_D_taylor() -> None:
    """B_{k|k+1} → 2γ/σ_{k+1} as γ → 0 at a given σ: B σ/2γ → 1, and B/2γ does not."""
    for k in (1, 5, 50):
        ladder = Ladder.langevin(np.full(60, GAMMA))
        B, σ = ladder.backward_noise.B[k], ladder.σ[k + 1]
        assert B * σ / (2 * GAMMA) == pytest.approx(1 / (1 - GAMMA), rel=1e-12)
        assert taylor(np.array([GAMMA]), np.array([σ])).B[0] == pytest.approx(2 * GAMMA / σ)
        assert B / (2 * GAMMA) > 1.2


def test_D_first_order() -> None:
    """E[Z | X_{k+1}] = −√(2γ) score(X_{k+1}), from the covariances; Z and X_k are independent, so
    that at X_k the best prediction is 0."""
    v = 0.25  # of X_k
    v_next = (1 - GAMMA) ** 2 * v + 2 * GAMMA
    cov = np.array([[v, 0.0], [0.0, 1.0]])  # of X_k and Z
    move = np.array([1 - GAMMA, math.sqrt(2 * GAMMA)])  # X_{k+1} = move · (X_k, Z)
    at_next = (move @ cov @ [0, 1]) / (move @ cov @ move)
    assert at_next == pytest.approx(math.sqrt(2 * GAMMA) / v_next, rel=1e-12)
    assert ([1, 0] @ cov @ [0, 1]) / v == 0
    assert 1 / v_next == pytest.approx(3.773, abs=5e-4)


def test_D_bound() -> None:
    """L_k = E log p_θ(X_k | X_{k+1}) is largest at the truth, so that Σ −L_k is to be minimised, of
    the n steps k = 0 … n − 1. Fisher's identity needs σ_k > 0: k = 1 … n, as in D.score."""
    v = 0.25
    v_next, cross = (1 - GAMMA) ** 2 * v + 2 * GAMMA, (1 - GAMMA) * v
    A, variance = cross / v_next, v - cross**2 / v_next
    means = A + np.linspace(-0.5, 0.5, 101)
    L = -(v - 2 * means * cross + means**2 * v_next) / (2 * variance)
    assert means[np.argmax(L)] == pytest.approx(A, abs=1e-12)
    assert np.argmin(L) in (0, 100)  # Σ L_k has no least value
    ladder = Ladder.langevin(np.full(12, GAMMA))
    assert ladder.backward.A.size == 12
    assert ladder.σ[0] == 0 < ladder.σ[1:].min()


def test_D_marginal() -> None:
    """On a chain of two states: Σ over x_0 … x_{k−1} of p_{0:k} is the law of x_k, of p_{0:k−1} it
    is 1."""
    start, step = np.array([0.3, 0.7]), np.array([[0.9, 0.1], [0.4, 0.6]])
    p01 = start[:, None] * step
    p012 = p01[:, :, None] * step
    assert p012.sum(axis=(0, 1)) == pytest.approx(start @ step @ step)
    assert p01.sum() == pytest.approx(1)


def test_D_decoder() -> None:
    """L_0 as printed and as it must be, over all 256 levels by erf: the probabilities of the levels
    add to 1; printed they are negative and have another factor."""
    σ, μ, levels = 0.05, 0.1, 2 * np.arange(256) / 255 - 1
    low = np.where(levels > -0.999, levels - 1 / 255, -math.inf)
    high = np.where(levels < 0.999, levels + 1 / 255, math.inf)

    def over(a, b, width: float):  # ∫_a^b e^{−((x−μ)/width)²} dx
        return width * math.sqrt(math.pi) / 2 * (erf((b - μ) / width) - erf((a - μ) / width))

    right = over(low, high, math.sqrt(2) * σ) / math.sqrt(2 * math.pi * σ**2)
    printed = over(high, low, σ) / (2 * math.pi * σ**2)
    assert right.sum() == pytest.approx(1, abs=1e-12)
    assert right.min() >= 0
    assert printed.sum() == pytest.approx(-1 / (2 * math.sqrt(math.pi) * σ))  # −5.64
