"""docs/errata.md: for each slip, the printed formula fails and the correct one holds: [C] and [F].

[D] and [G] are in test_errata_d.py and test_errata_g.py. A slip's test has the slip's name.
"""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from toyflows import errata, solve
from toyflows.backends.grid import Grid
from toyflows.cli.main import app, main
from toyflows.cloud import Cloud
from toyflows.flows import make
from toyflows.images.energy import energy
from toyflows.target import Target

TARGET = Target.exact(-math.log(4), 12.0)
MIX, GRID = TARGET.mixture, Grid(TARGET, 0.1)
STEP = 1e-5


def slope(f, θ: float) -> float:
    return (f(θ + STEP) - f(θ - STEP)) / (2 * STEP)


def test_C_energy() -> None:
    """The lecture's own U_θ is negative at b where θ < 0: R, not R_+. Only e^{−U} must be
    integrable, which it is."""
    assert float(MIX.energy(np.array([MIX.b]), TARGET.θ_star)[0]) == pytest.approx(-math.log(4))
    x = np.linspace(-30, 30, 6001)
    total = float(np.exp(-MIX.energy(x, TARGET.θ_star)).sum() * (x[1] - x[0]))
    assert total == pytest.approx(math.exp(MIX.log_Z(TARGET.θ_star)), rel=1e-12)


def test_C_likelihood() -> None:
    """∇L = −E_*[∇U] − ∇log Z, which is the flow; −E_*[U] − ∇log Z is not a gradient of L."""

    def L(θ: float) -> float:
        return -TARGET.data.mean(lambda x: MIX.energy(x, θ)) - MIX.log_Z(θ)

    for θ in (-1.0, 0.4):
        correct = -TARGET.data.mean(lambda x: MIX.responsibility(x, θ)) - slope(MIX.log_Z, θ)
        printed = -TARGET.data.mean(lambda x: MIX.energy(x, θ)) - slope(MIX.log_Z, θ)
        assert slope(L, θ) == pytest.approx(correct, abs=1e-8)
        assert solve.velocity(make("ml"), GRID, θ) == pytest.approx(correct, abs=1e-8)
        assert abs(slope(L, θ) - printed) > 0.01


def test_C_difference() -> None:
    """L = −E_*[U] − log Z on quadrature nodes, d = 4: ∇L = E_θ[∇U] − E_*[∇U]. ∇ before the whole
    difference also moves the law of E_θ, which adds −Cov_θ(U, ∇U)."""
    target = Target.exact(-math.log(4), 4.0)
    mix, data, x = target.mixture, target.data, np.linspace(-20, 20, 4001)

    def model(f, θ: float) -> float:
        return float(np.sum(f(x) * mix.density(x, θ)) * (x[1] - x[0]))

    def U(θ: float):
        return lambda x: mix.energy(x, θ)

    for θ in (-0.5, 1.0):
        wanted = slope(lambda t: -data.mean(U(t)) - mix.log_Z(t), θ)
        rate = partial(mix.responsibility, θ=θ)
        assert model(rate, θ) - data.mean(rate) == pytest.approx(wanted, abs=1e-8)
        printed = slope(lambda t: model(U(t), t) - data.mean(U(t)), θ)
        product = model(lambda x, θ=θ: mix.energy(x, θ) * mix.responsibility(x, θ), θ)
        extra = model(U(θ), θ) * model(rate, θ) - product
        assert printed == pytest.approx(wanted + extra, abs=1e-7)
        assert abs(printed - wanted) > 0.01


@pytest.mark.parametrize(("noise", "variance"), [(2.0, 1.0), (1.0, 0.5)])
def test_C_langevin(noise: float, variance: float) -> None:
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


def test_C_pcd() -> None:
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


def test_C_score_matching() -> None:
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


def test_C_denoising_identity() -> None:
    """DSM − SM by quadrature at three θ, σ = 2: a constant for SM against the noised data's score,
    and not against that of the data."""
    θ_star, σ, x = 0.5, 2.0, np.linspace(-25, 25, 2001)
    target = Target.exact(θ_star, 4.0)
    mix, z = target.mixture, np.linspace(-8, 8, 161)
    w = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    p = mix.density(x, θ_star) * (x[1] - x[0])
    spread = math.sqrt(1 + σ**2)
    noised = mix.noised(σ)
    y = x[:, None] + σ * z

    def minus_noised(y):  # ∂ of the energy of ρ_* with noise
        return noised.dU_dx(y / spread, θ_star) / spread

    clean, noisy = [], []
    for θ in (-2.0, 0.0, 1.0):
        U = mix.dU_dx(y, θ)
        dsm = float(np.sum(p[:, None] * w * (U - z / σ) ** 2))
        clean.append(dsm - target.data.mean(lambda x, θ=θ: (mix.dU_dx(x, θ)
                     - mix.dU_dx(x, θ_star)) ** 2))  # fmt: skip
        noisy.append(dsm - float(np.sum(p[:, None] * w * (U - minus_noised(y)) ** 2)))
    assert np.ptp(noisy) < 1e-9
    assert np.ptp(clean) > 0.1


@np.errstate(under="ignore")
def test_C_denoising() -> None:
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


def test_C_nce() -> None:
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


def test_C_nce_fixed_point() -> None:
    bias = math.log((1 + math.exp(-TARGET.θ_star)) / 2)
    end = solve.run(make("nce"), Grid(TARGET, 0.5), 0.0, 800).θ[-1]
    assert end == pytest.approx(TARGET.θ_star + bias, abs=1e-6)
    assert (TARGET.θ_star + bias, 0.0 + bias) == pytest.approx((-0.4700, 0.9163), abs=5e-5)
    assert abs(end - bias) > 1.0


def test_F_log_z() -> None:
    """On five states with E_θ(x) = θ·φ(x): −∂log q(x) by differences, and both formulas."""
    φ, θ = np.array([0.3, -1.2, 2.0, 0.0, 0.7]), 0.6

    def minus_log_q(θ: float) -> np.ndarray:
        return θ * φ + math.log(np.exp(-θ * φ).sum())

    wanted = (minus_log_q(θ + STEP) - minus_log_q(θ - STEP)) / (2 * STEP)
    mean = np.exp(-minus_log_q(θ)) @ φ  # E_q[∂E] = −∂log Z
    assert φ - mean == pytest.approx(wanted, abs=1e-9)
    assert np.max(np.abs(φ + mean - wanted)) > 0.1


F_LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.0, -0.2]])  # of a clear image and of a strange one


def test_F_logits() -> None:
    """q(y|x) ∝ e^{f[y]}: its log differs from f[y], and not from e^{f[y]}, by one number a x."""
    log_q = np.log(np.exp(F_LOGITS) / np.exp(F_LOGITS).sum(axis=1, keepdims=True))
    assert np.ptp(log_q - F_LOGITS, axis=1) == pytest.approx(0, abs=1e-14)
    assert np.ptp(log_q - np.exp(F_LOGITS), axis=1).max() > 0.1


def test_F_energy_score() -> None:
    """E(x) = −log Σ e^{f} is lower for what is likely; the printed Σ e^{f} and e^{f[y]} are
    higher."""
    E, _ = energy(F_LOGITS)
    assert pytest.approx(-np.log(np.exp(F_LOGITS).sum(axis=1))) == E
    clear, strange = E.tolist()
    assert clear < strange
    printed, chosen = np.exp(F_LOGITS).sum(axis=1), np.exp(F_LOGITS[:, 0])
    assert printed[0] > printed[1]
    assert chosen[0] > chosen[1]


def test_F_level() -> None:
    """On five states: E and E + 7 have one likelihood and one gradient, so that neither can bring
    energies to 0; the sum of squares, added to the loss, does."""
    φ, θ, data = np.array([0.3, -1.2, 2.0, 0.0, 0.7]), 0.6, np.array([0.1, 0.4, 0.0, 0.3, 0.2])

    def loss(θ: float, c: float, squares: float = 0.0) -> float:
        E = θ * φ + c
        return float(data @ E + np.log(np.exp(-E).sum()) + squares * (data @ E**2))

    assert loss(θ, 7.0) == pytest.approx(loss(θ, 0.0), abs=1e-12)
    for c in (0.0, 7.0):
        assert slope(lambda t, c=c: loss(t, c), θ) == pytest.approx(
            slope(lambda t: loss(t, 0.0), θ), abs=1e-8)  # fmt: skip
    levels = np.linspace(-3, 3, 601)
    best = levels[np.argmin([loss(θ, c, 0.1) for c in levels])]
    assert abs(θ * float(data @ φ) + best) < 0.01


# ------------------------------------------------------------------ the list, the page, the command
def test_every_slip_has_its_test() -> None:
    """And every test its slip; titles, formulas and reasons are short."""
    source = "".join(p.read_text("utf-8") for p in Path(__file__).parent.glob("test_errata*.py"))
    tests = set(re.findall(r"^def (test_[CDFG]_\w+)", source, re.MULTILINE))
    assert {s.test for s in errata.slips()} == tests
    for s in errata.slips():
        assert len(s.why) <= 210, s.name
        assert s.printed != s.correct


def test_the_page_is_what_the_command_prints() -> None:
    page = Path(__file__).parent.parent / "docs" / "errata.md"
    said = CliRunner().invoke(app, ["errata", "--markdown"])
    assert said.exit_code == 0
    assert page.read_text("utf-8") == said.stdout
    headings = re.findall(r"^### (\w+)\.", said.stdout, re.MULTILINE)
    assert headings == re.findall(r"^\| \[(\w+)\]", said.stdout, re.MULTILINE)
    assert headings == [s.number for s in errata.slips()]


def test_the_command_lists_a_lecture_and_shows_one() -> None:
    def said(*words: str) -> str:
        return CliRunner().invoke(app, ["errata", *words]).stdout

    assert len(said().splitlines()) == len(errata.slips())
    assert {line[0] for line in said("g").splitlines()} == {"G"}
    number = said("G.rbm").split()[0]
    assert said(number) == said("G.rbm")
    assert "correct  p(v_j = 1 | x) = σ(xᵀW_·j + c_j)" in said("G.rbm")


def test_an_unknown_slip_is_refused_with_the_nearest(capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["toyflows", "errata", "G.rbn"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "did you mean G.rbm" in capsys.readouterr().err
