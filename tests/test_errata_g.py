"""docs/errata.md: the slips of [G], Gavves: the printed formula fails, the correct one holds."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from toyflows.diffusion import gaussian_law
from toyflows.diffusion.gaussians import Gaussians, two_modes
from toyflows.diffusion.methods import make as make_sampler
from toyflows.diffusion.processes import OU, VE, VP, ExactScore, times
from toyflows.diffusion.schedules import ddpm_betas
from toyflows.errors import InputError
from toyflows.lattice import ising_exact
from toyflows.lattice.enumeration import states
from toyflows.lattice.hopfield import Hopfield
from toyflows.lattice.ising import Ising, heat_bath, metropolis
from toyflows.lattice.rbm import RBM


def test_G_hopfield_descent() -> None:
    """f = Σ w x x + Σ b x rises at each change that the update makes; −f falls."""
    rng = np.random.default_rng(3)
    W = rng.standard_normal((8, 8))
    W = W + W.T
    np.fill_diagonal(W, 0)
    net = Hopfield(W, rng.standard_normal(8))
    changes = []
    for k in range(40):
        if k % 8 == 0:
            s = rng.choice([-1.0, 1.0], 8)
        i = k % 8
        before = s @ W @ s / 2 + net.b @ s
        wanted = np.sign(net.activations(s)[i])
        if wanted != s[i]:
            s[i] = wanted
            changes.append(s @ W @ s / 2 + net.b @ s - before)
    assert len(changes) >= 10
    assert min(changes) > 0


def test_G_hopfield_learning() -> None:
    """The algorithm as printed, line by line: w_ii = 0 at the start of each pass leaves a diagonal
    after the last; set to 0 after it there is none. Its y = σ(a) is p(x = 1) at T = 2."""
    x = np.random.default_rng(0).choice([-1.0, 1.0], (4, 9))
    t, w = (x + 1) / 2, x.T @ x
    for _ in range(30):
        np.fill_diagonal(w, 0)
        a = x @ w
        y = 1 / (1 + np.exp(-a))
        g = x.T @ (t - y)
        w = w + 0.01 * (g + g.T - 0.01 * w)
    assert np.abs(np.diag(w)).max() > 1e-4
    with pytest.raises(InputError, match="zero diagonal"):
        Hopfield(w, np.zeros(9))
    np.fill_diagonal(w, 0)
    a = float(Hopfield(w, np.zeros(9)).activations(x[0])[0]) / 10
    T = 2.0
    weights = np.exp(np.array([1.0, -1.0]) * a / T)  # of s_i = ±1 given the others, E = −a s_i
    assert weights[0] / weights.sum() == pytest.approx(1 / (1 + math.exp(-a)), rel=1e-12)
    assert abs(1 / (1 + math.exp(-2 * a)) - 1 / (1 + math.exp(-a))) > 0.01


def test_G_partition() -> None:
    """p = p̃/Z with one Z for all x: a Z(x) would be p̃(x)/p(x), which does not depend on x.
    256 × 256 units have 65536² weights, half of them free as W is symmetric."""
    p = np.exp(-np.array([0.3, 1.2, -0.5]))
    law = p / p.sum()
    assert np.ptp(p / law) < 1e-12
    N = 256 * 256
    assert f"{N * N:.3g}" == "4.29e+09"
    assert f"{N * (N - 1) // 2:.4g}" == "2.147e+09"


def test_G_hopfield_energy() -> None:
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


def test_G_gibbs() -> None:
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


def stationary(P: np.ndarray) -> np.ndarray:
    """The law that P keeps."""
    A = np.vstack([P.T - np.eye(len(P)), np.ones(len(P))])
    return np.linalg.lstsq(A, np.append(np.zeros(len(P)), 1.0), rcond=None)[0]


def test_G_metropolis() -> None:
    """Five states, each proposed alike. "Otherwise x stays with probability p(x̂)/p(x)" keeps
    another law; "moves with that probability" keeps p."""
    p = np.array([0.0139, 0.8105, 0.0893, 0.0453, 0.0410])
    p /= p.sum()
    ratio = np.minimum(1, p / p[:, None])
    for moves, holds in ((ratio, True), (np.where(ratio < 1, 1 - ratio, 1), False)):
        P = moves / 5
        np.fill_diagonal(P, 0)
        np.fill_diagonal(P, 1 - P.sum(axis=1))
        law = stationary(P)
        assert (np.abs(law - p).max() < 1e-12) == holds
        if not holds:
            assert law == pytest.approx([0.1678, 0.2098, 0.2519, 0.2272, 0.1433], abs=2e-4)


X = states(3)  # of three units, of each layer
W3 = np.array([[1.1, -0.7, 0.4], [0.2, 0.9, -1.3], [-0.5, 0.3, 0.8]])
B3, C3 = np.array([0.5, -1.0, 0.2]), np.array([-0.4, 0.8, 1.1])  # biases of x and of v


def machine(W: np.ndarray = W3, units: np.ndarray = X) -> tuple[np.ndarray, np.ndarray]:
    """p(x, v) (8, 8) of E = −xᵀWv − b·x − c·v by enumeration, and the energies."""
    E = -(units @ W @ units.T) - (units @ B3)[:, None] - units @ C3
    return np.exp(-E) / np.exp(-E).sum(), E


def σ(a):
    return 1 / (1 + np.exp(-a))


def test_G_rbm() -> None:
    """p(v_j = 1 | x) has v's own bias c_j, p(x_i = 1 | v) has b_i: by enumeration, and in toyflows'
    RBM."""
    p, _ = machine()
    for k in range(8):
        up, down = p[k] @ X / p[k].sum(), p[:, k] @ X / p[:, k].sum()
        assert up == pytest.approx(σ(X[k] @ W3 + C3), abs=1e-14)
        assert down == pytest.approx(σ(W3 @ X[k] + B3), abs=1e-14)
        assert np.abs(up - σ(X[k] @ W3 + B3)).max() > 0.1
        assert np.abs(down - σ(W3 @ X[k] + C3)).max() > 0.1
    law = RBM(W3, B3, C3)
    assert law.free_energy(X) == pytest.approx(-np.log(np.exp(-machine()[1]).sum(axis=1)))


def test_G_units() -> None:
    """Units of ±1 are 1 with probability σ(2a), those of 0 and 1 with σ(a)."""
    signs = 2 * X - 1
    p, _ = machine(units=signs)
    for k in range(8):
        up, a = p[k] @ X / p[k].sum(), signs[k] @ W3 + C3
        assert up == pytest.approx(σ(2 * a), abs=1e-14)
        assert np.abs(up - σ(a)).max() > 0.05
    E = [float(machine(W3 + d * np.outer(np.eye(3)[0], np.eye(3)[2]))[1][3, 4]) for d in (0, 1)]
    assert E[1] - E[0] == pytest.approx(-X[3][0] * X[4][2])  # ∂E/∂W_02 = −x_0 v_2, of E = −xᵀWv


def test_G_cd() -> None:
    """CD_1 = KL(p0‖p) − KL(p1‖p) on five states, p1 = p0 P held: its derivative is
    E_0[∂E] − E_1[∂E], and minus that as printed."""
    φ, p0, θ = np.array([0.3, -1.2, 2.0, 0.0, 0.7]), np.array([0.1, 0.4, 0.05, 0.3, 0.15]), 0.6

    def law(θ: float) -> np.ndarray:
        return np.exp(-θ * φ) / np.exp(-θ * φ).sum()

    ratio = np.minimum(1, law(θ) / law(θ)[:, None]) / 5
    np.fill_diagonal(ratio, 0)
    p1 = p0 @ (ratio + np.diag(1 - ratio.sum(axis=1)))

    def kl(q: np.ndarray, θ: float) -> float:
        return float(q @ np.log(q / law(θ)))

    right = float(p0 @ φ - p1 @ φ)
    found = (kl(p0, θ + 1e-5) - kl(p1, θ + 1e-5) - kl(p0, θ - 1e-5) + kl(p1, θ - 1e-5)) / 2e-5
    assert found == pytest.approx(right, abs=1e-9)
    assert abs(found + right) > 0.03


def test_G_cd_rbm() -> None:
    """∂ log p(x)/∂W = −E[∂E | x] + E[∂E], by differences; with two minus signs it is another."""
    p, _ = machine()
    k, step = 5, 1e-6
    data = np.outer(X[k], p[k] @ X / p[k].sum())  # −∂E/∂W = x vᵀ
    model = X.T @ p @ X
    for i, j in product(range(3), repeat=2):
        bump = np.zeros((3, 3))
        bump[i, j] = step
        logs = [math.log(machine(W3 + s * bump)[0][k].sum()) for s in (1, -1)]
        assert (logs[0] - logs[1]) / (2 * step) == pytest.approx(data[i, j] - model[i, j], abs=1e-8)
    assert np.abs(data + model - (data - model)).max() > 0.5


def test_G_kl() -> None:
    """KL(p0‖p) = const − Σ p0 log p: the difference is one number for all p, the ratio is not."""
    p0 = np.array([0.1, 0.4, 0.2, 0.3])
    models = [np.array([0.25] * 4), np.array([0.7, 0.1, 0.1, 0.1]), p0[::-1]]
    kl = np.array([p0 @ np.log(p0 / p) for p in models])
    cross = np.array([-p0 @ np.log(p) for p in models])
    assert np.ptp(kl - cross) < 1e-12
    assert np.ptp(kl / cross) > 0.1


def test_G_fisher() -> None:
    """Two data points noised with σ = 1, at y: E|target − s|² is least at the score, E|target − s|
    at the nearer point's target (a median)."""
    y, x, w = 0.2, np.array([-2.0, 2.0]), np.array([0.75, 0.25])
    w = w * np.exp(-((y - x) ** 2) / 2)
    w, targets = w / w.sum(), x - y
    mix = Gaussians(np.array([0.75, 0.25]), x[:, None], np.ones(2))
    score = float(mix.score(np.array([[y]]))[0, 0])
    s = np.linspace(-3, 3, 60001)
    for power, best in ((2, score), (1, targets[np.argmax(w)])):
        loss = w @ np.abs(targets[:, None] - s) ** power
        assert s[np.argmin(loss)] == pytest.approx(best, abs=1e-4)
    assert abs(targets[np.argmax(w)] - score) > 0.5


def test_G_noise() -> None:
    """Noise σ_t Z has the variance σ_t², to be written N(0, σ_t² I): Gauss–Hermite of order 20."""
    z, w = np.polynomial.hermite_e.hermegauss(20)
    σ_t = 0.3
    variance = float(w @ (σ_t * z) ** 2 / w.sum())
    assert variance == pytest.approx(σ_t**2, rel=1e-12)
    assert abs(variance - σ_t) > 0.2


def test_G_ddpm() -> None:
    """Ho's schedule, 300 of its 1000 steps one by one: the variance is 1 − ᾱ, not its root."""
    β = ddpm_betas(1000)
    v = 0.0
    for k in range(300):
        v = (1 - β[k]) * v + β[k]
    left = 1 - float(np.prod(1 - β[:300]))
    assert v == pytest.approx(left, rel=1e-12)
    assert (left, math.sqrt(left)) == pytest.approx((0.6036, 0.7769), abs=5e-4)


def test_G_likelihood_bound() -> None:
    """dX = −X dt + √2 dW to T = 3, data N(0, ¼), score halved, all Gaussian: the KL of what comes
    out is below ½∫g²E|∇log p − s|² + KL(p_T‖π), and above the printed E_t[…] + KL."""
    T, κ, n = 3.0, 0.5, 30_000
    dt = T / n
    t = (np.arange(n) + 0.5) * dt
    v = 1 - 0.75 * np.exp(-2 * t)  # of p_t
    out = 1.0
    for vt in v[::-1].tolist():  # the reverse SDE with s = −κx/v: variance, by the midpoint of v
        rate = 2 * (1 - 2 * κ / vt)
        out = out * math.exp(rate * dt) + 2 * math.expm1(rate * dt) / rate

    def kl(a: float, b: float) -> float:  # of N(0, a) from N(0, b)
        return 0.5 * (a / b - 1 - math.log(a / b))

    error = float(np.sum((1 - κ) ** 2 / v) * dt)
    end = kl(1 - 0.75 * math.exp(-2 * T), 1.0)
    assert kl(0.25, out) == pytest.approx(0.6229, abs=1e-3)
    assert error / T + end < kl(0.25, out) < error + end


def test_G_ladder() -> None:
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


@pytest.mark.parametrize("process", [VE(0.1, 5.0), VP(), OU(3.0)], ids=["VE", "VP", "OU"])
def test_G_probability_flow(process) -> None:
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
