"""The GAN flow: its gradient, its orbits, and the eigenvalues of any flow at rest (linear.py)."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toyflows
from toyflows import linear, solve, stats
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cli.flow import _print
from toyflows.errors import InputError
from toyflows.flows import make, registry
from toyflows.flows.base import Flow
from toyflows.flows.ml import MaximumLikelihood
from toyflows.state import Trajectory
from toyflows.target import Target

FORMS = ("minimax", "non-saturating", "wasserstein")
KINDS = [{"loss": form, "dirac": dirac} for form in FORMS for dirac in (False, True)]


def log_σ(t: float) -> float:
    return -float(np.logaddexp(0.0, -t))


def value(loss: str, dirac: bool, Q: float, B: float, w: float, c: float) -> tuple[float, float]:
    """V, and what the generator climbs: −V, or E_{ρ_θ}[log D]; written out, one form after the
    other."""
    if loss == "wasserstein":
        V = w * Q - w * B
        return V, -V
    if dirac:
        V = log_σ(0.0) + log_σ(-w * (B - Q))
        return V, log_σ(w * (B - Q)) if loss == "non-saturating" else -V
    V = Q * log_σ(w + c) + (1 - Q) * log_σ(c) + B * log_σ(-w - c) + (1 - B) * log_σ(-c)
    return V, B * log_σ(w + c) + (1 - B) * log_σ(c) if loss == "non-saturating" else -V


def slope(f, at: float, step: float = 1e-5) -> float:
    return (f(at + step) - f(at - step)) / (2 * step)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(("θ", "w", "c"), [(0.7, 1.3, -0.4), (-2.0, -0.6, 0.9), (1.5, 3.0, 1.0)])
def test_the_flow_is_the_gradient_of_its_value(kind: dict, θ: float, w: float, c: float) -> None:
    """θ̇, ẇ, ċ on the grid are difference quotients of V, minus γw, with the shares of mode b by
    the normal distribution function; so is the closed form, up to the modes' overlap at m."""
    target = Target.exact(-0.8, 12.0)
    flow, tail = make("gan", penalty=0.3, **kind), 0.5 * math.erfc(6 / math.sqrt(2))
    extra = dict(zip(flow.extra(target, θ), (w, c), strict=False))

    def share(θ: float) -> float:
        return tail + (1 - 2 * tail) / (1 + math.exp(θ))

    Q, B = share(-0.8), share(θ)
    wanted = [
        slope(lambda θ: value(**kind, Q=Q, B=share(θ), w=w, c=c)[1], θ),
        slope(lambda w: value(**kind, Q=Q, B=B, w=w, c=c)[0], w) - 0.3 * w,
        slope(lambda c: value(**kind, Q=Q, B=B, w=w, c=c)[0], c),
    ][: 1 + len(extra)]
    ops = Grid(target, 0.05)
    assert flow.velocity(ops, θ, ops.model(θ), **extra) == pytest.approx(wanted, abs=1e-8)
    assert flow.separated(target, θ, θ, **extra) == pytest.approx(wanted, abs=3 * tail)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_walkers_average_to_the_grid_away_from_the_start(kind: dict) -> None:
    """With a discriminator that has learned something: the contract test sees w ≈ 0 only. Student's
    test over 24 replicas, false-fail rate 1e−6 each; it detects 3 % of θ̇."""
    target, flow = Target.exact(0.9, 8.0), make("gan", **kind)
    extra = dict(zip(flow.extra(target, 0.3), (1.3, -0.4), strict=False))
    exact = flow.velocity(Grid(target, 0.05), 0.3, Grid(target, 0.05).model(0.3), **extra)
    seen = []
    for seed in range(24):
        ops = Walkers(target, 0.05, 10_000, seed)
        seen.append(flow.velocity(ops, 0.3, ops.model(0.3), **extra))
    for name, samples, wanted in zip(("θ̇", "ẇ", "ċ"), np.array(seen).T, exact, strict=False):
        checked = stats.mean(name, samples, wanted, bias=1e-6)
        assert name != "θ̇" or checked.detects < 0.03 * abs(wanted)


def test_options_are_checked() -> None:
    for options in ({"loss": "minmax"}, {"penalty": -0.1}):
        with pytest.raises(InputError, match=next(iter(options))):
            make("gan", **options)
    with pytest.raises(InputError, match="did you mean minimax"):
        make("gan", loss="minmax")


# ------------------------------------------------------------------ eigenvalues
def jacobian(q: float, γ: float, loss: str, dirac: bool) -> np.ndarray:
    """∂(θ̇, ẇ, ċ)/∂(θ, w, c) at θ*, w = c = 0, by hand."""
    s = q * (1 - q)
    if loss == "wasserstein" or dirac:
        s = s if loss == "wasserstein" else s / 2
        return np.array([[0, -s], [s, -γ]])
    return np.array([[0, -s / 2, 0], [s / 2, -q / 2 - γ, -q / 2], [0, -q / 2, -0.5]])


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("q", [0.8, 0.5, 0.03])
@pytest.mark.parametrize("γ", [0.0, 0.1, 2.0])
def test_eigenvalues_are_those_of_the_matrix(kind: dict, q: float, γ: float) -> None:
    """To 1e−8; all imaginary for the bilinear forms without penalty, all decaying otherwise."""
    λ = linear.eigenvalues(make("gan", penalty=γ, **kind), Grid(Target.from_q(q), 0.05))
    wanted = np.linalg.eigvals(jacobian(q, γ, **kind)).astype(complex)
    wanted = wanted[np.lexsort((-wanted.imag, -wanted.real))]
    if len(λ) == 3 or γ:
        assert np.all(λ.real < 0)
        assert λ == pytest.approx(wanted, abs=1e-8)
    else:
        assert np.all(λ.real == 0)
        assert np.sort(λ.imag) == pytest.approx(np.sort(wanted.imag), abs=1e-8)
        assert λ[0].imag == pytest.approx(q * (1 - q) / (2 if kind["loss"] != "wasserstein" else 1))


def test_the_lectures_numbers() -> None:
    """−0.025 ± 0.056i and −0.850 at q* = 0.8; the penalty γ = 0.05 damps the same pair faster."""
    grid = Grid(Target.from_q(0.8), 0.05)
    assert linear.in_words(linear.eigenvalues(make("gan"), grid)) == "−0.025 ± 0.056i, −0.850"
    faster = linear.eigenvalues(make("gan", penalty=0.05), grid)
    assert faster[0].real == pytest.approx(-0.039, abs=5e-4)
    assert faster[0].imag > 0


def test_non_saturating_is_minimax_near_rest_only() -> None:
    target, near = Target.from_q(0.8), {"w": 1e-3, "c": 1e-3}
    one, other = (make("gan", loss=form) for form in FORMS[:2])
    grid, θ = Grid(target, 0.05), target.θ_star
    assert linear.eigenvalues(one, grid) == pytest.approx(linear.eigenvalues(other, grid), abs=1e-9)
    for scale, rel in ((1.0, 2e-3), (1000.0, None)):
        there = {name: scale * v for name, v in near.items()}
        a, b = (flow.separated(target, θ + 0.1, θ, **there)[0] for flow in (one, other))
        assert (a == pytest.approx(b, rel=rel)) if rel else abs(a - b) > 0.5 * abs(a)


@pytest.mark.parametrize(("q", "mu"), [(0.8, 0.0), (0.3, 0.7), (0.9975, 5.0)])
def test_eigenvalues_of_the_other_methods(q: float, mu: float) -> None:
    """ML −q*(1−q*), NCE −pq*/(p+q*) with p = p_b(μ), NCE with c by its matrix, each to 1e−9."""
    target = Target.from_q(q)
    grid, p = Grid(target, 0.05), 1 / (1 + math.exp(mu))
    A_b, A_a = p * q / (p + q), (1 - p) * (1 - q) / (2 - p - q)
    both = np.linalg.eigvalsh(-np.array([[A_b, A_b], [A_b, A_a + A_b]]))[::-1]
    for flow, wanted in (
        (make("ml"), [-q * (1 - q)]),
        (make("nce", mu=mu), [-A_b]),
        (make("nce", mu=mu, learn_c=True), both),
    ):
        λ = linear.eigenvalues(flow, grid)
        assert np.all(λ.imag == 0)
        assert λ.real == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("d", [6.0, 20.0])
def test_eigenvalue_of_score_matching(d: float) -> None:
    """Its exact flow's derivative at θ* (flows/score_matching.py), to 1e−6 of itself: 1e−22."""
    θ, s = 1.1, np.linspace(-9, 9, 20_001)
    with np.errstate(under="ignore"):
        sech = 1 / np.cosh(np.clip((d * s - θ) / 2, -200, 200))
        integral = np.sum(np.exp(-(s**2) / 2) * sech**3) * (s[1] - s[0])
    wanted = -(d**2) * math.exp(-(d**2) / 8) / (8 * math.sqrt(2 * math.pi) * math.cosh(θ / 2))
    λ = linear.eigenvalues(make("score-matching"), Grid(Target.exact(θ, d), 0.05))
    assert λ.real == pytest.approx([wanted * integral], rel=1e-6, abs=0)


def test_overlapping_modes_rest_where_the_exact_law_does() -> None:
    """At d = 2 NCE does not rest at the separated modes' θ: λ is the decay seen in a long run."""
    target, flow = Target.exact(1.1, 2.0), make("nce")
    run = solve.run(flow, Grid(target, 0.05), 0.0, 4000)
    assert abs(run.θ[-1] - flow.fixed_point(target)) > 0.02
    left = run.θ[[1000, 1400]] - run.θ[-1]
    decay = (left[1] / left[0]) ** (1 / 400)
    λ = linear.eigenvalues(flow, Grid(target, 0.05))
    assert 1 + 0.05 * λ[0].real == pytest.approx(decay, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("d", [2.0, 3.0])
def test_eigenvalues_of_overlapping_modes(kind: dict, d: float) -> None:
    """The matrix with the shares of x > m that the normal law gives, to 1e−8; and circles are
    circles there too."""
    target, tail = Target.from_q(0.8, d), 0.5 * math.erfc(d / math.sqrt(8))
    J = jacobian(0.8, 0.0, **kind)
    J[0, 1] *= 1 - 2 * tail
    J[1, 0] *= 1 - 2 * tail
    if len(J) == 3:
        J[1, 1] = J[1, 2] = J[2, 1] = -(tail + (1 - 2 * tail) * 0.8) / 2
    λ = linear.eigenvalues(make("gan", **kind), Grid(target, 0.05))
    wanted = np.linalg.eigvals(J).astype(complex)
    assert np.sort_complex(λ) == pytest.approx(np.sort_complex(wanted), abs=1e-8)
    assert len(J) == 3 or np.all(λ.real == 0)


@given(
    kind=st.sampled_from(KINDS), γ=st.sampled_from([0.0, 0.3]), d=st.floats(0.5, 20.0),
    θ_star=st.floats(-5, 5), off=st.floats(-0.3, 0.3),
)  # fmt: skip
def test_the_exact_law_rests_at_theta_star(kind, γ, d, θ_star, off) -> None:
    """Newton's steps on the rates of (θ, w, c), from beside the rest, end at (θ*, 0, 0) to 1e−9 for
    every form, at every separation. (θ* = 5 at d = 1 was 4.13 with a summed jump.)"""
    target = Target.exact(θ_star, d)
    flow, grid = make("gan", penalty=γ, **kind), Grid(target, 0.05)
    names = list(flow.extra(target, 0.0))

    def rates(y: np.ndarray) -> np.ndarray:
        extra = dict(zip(names, y[1:].tolist(), strict=True))
        return np.array(flow.velocity(grid, float(y[0]), grid.model(float(y[0])), **extra))

    y = np.append(θ_star + off, np.zeros(len(names)))
    for _ in range(12):
        steps = 1e-4 * np.eye(y.size)
        J = np.stack([(rates(y + e) - rates(y - e)) / 2e-4 for e in steps], axis=1)
        y = y - np.linalg.solve(J, rates(y))
    assert y == pytest.approx([θ_star] + [0.0] * len(names), abs=1e-9)


@given(kind=st.sampled_from(KINDS), d=st.floats(0.5, 60.0), θ_star=st.floats(-8, 8),
       θ=st.floats(-8, 8))  # fmt: skip
def test_the_stated_error_holds_for_every_rate(kind, d, θ_star, θ) -> None:
    """2Φ(−d/2) bounds the error of θ̇, ẇ and ċ at w = c = 0."""
    target, flow = Target.exact(θ_star, d), make("gan", **kind)
    grid, extra = Grid(target, 0.05), flow.extra(target, θ)
    exact = flow.velocity(grid, θ, grid.model(θ), **extra)
    error = np.abs(np.subtract(exact, flow.separated(target, θ, θ, **extra)))
    assert np.all(error <= flow.separated_error(target, θ) + 1e-15)


class Straying(MaximumLikelihood):
    """θ̇ = 1, said to rest at θ*."""

    name = ""

    def velocity(self, ops, θ, negatives, **extra):
        return 1.0 + 1e-3 * θ


class Jumping(MaximumLikelihood):
    """θ̇ = sign(θ* − θ): no derivative at rest."""

    name = ""

    def velocity(self, ops, θ, negatives, **extra):
        return float(np.sign(ops.target.θ_star - θ))


def test_no_eigenvalues_where_there_is_no_rest_or_a_memory() -> None:
    grid = Grid(Target.exact(1.4), 0.05)
    for name in ("pcd", "jarzynski", "cd"):
        assert linear.eigenvalues(make(name), grid) is None
    assert linear.eigenvalues(Straying(), grid) is None
    assert linear.eigenvalues(Jumping(), grid) is None
    assert type(make("pcd")).advance is not Flow.advance


def test_every_method_has_eigenvalues_or_none() -> None:
    """None of those at a fixed point of the registry grows; no target is too extreme."""
    for θ_star, d in ((1.1, 8.0), (-700.0, 0.01), (300.0, 20.0), (40.0, 100.0)):
        for name in registry():
            λ = linear.eigenvalues(make(name), Grid(Target.exact(θ_star, d), 0.05))
            assert λ is None or np.all(np.isfinite(λ)), name
            assert λ is None or θ_star != 1.1 or np.all(λ.real < 0), name


def test_in_words() -> None:
    def words(*λ: complex) -> str:
        return linear.in_words(np.array(λ, complex))

    assert words(0.16j, -0.16j) == "±0.160i"
    assert words(-2.4e-22) == "−2.4e−22"
    assert words(0.0, -0.0052, -1.5) == "0.000, −0.0052, −1.500"
    for z, said in ((0.1j, "an undamped circle of period 62.8"),
                    (-0.1 + 0.5j, "a damped spiral of period 12.6"),
                    (0.1 + 0.5j, "a growing spiral of period 12.6")):  # fmt: skip
        assert said in linear.motion(np.array([z, z.conjugate()]))
    assert linear.motion(np.array([-1 + 0j])) == ""


# ------------------------------------------------------------------ spirals and circles
def turns(run: Trajectory, θ_star: float) -> tuple[np.ndarray, np.ndarray]:
    """Times of the crossings of θ* (interpolated), and the extremes between them."""
    gap = run.θ - θ_star
    k = np.flatnonzero(gap[:-1] * gap[1:] < 0)
    t = run.t[k] + gap[k] / (gap[k] - gap[k + 1]) * run.dt
    return t, np.array([np.max(np.abs(g)) for g in np.split(gap, k + 1)[1:-1]])


@pytest.mark.parametrize(
    "options", [{}, {"loss": "non-saturating", "penalty": 0.03}, {"dirac": True, "penalty": 0.05},
                {"loss": "wasserstein", "penalty": 0.1}], ids=str,
)  # fmt: skip
@pytest.mark.parametrize("backend", ["theory", "grid"])
def test_a_simulated_spiral_has_the_eigenvalues(options: dict, backend: str) -> None:
    """From 0.01 off, crossings π/ω apart and swings that shrink by e^{Re λ π/ω}, both to 1 %."""
    target, h = Target.from_q(0.8), 0.025
    flow, grid, start = make("gan", **options), Grid(target, h), target.θ_star + 0.01
    λ = linear.eigenvalues(flow, grid)[0]
    steps = round(4.2 * math.pi / λ.imag / h)
    if backend == "theory":
        run = solve.lecture(flow, target, start, h, steps)
    else:
        run = solve.run(flow, grid, start, steps)
    t, swings = turns(run, target.θ_star)
    assert len(swings) >= 3
    assert np.diff(t)[1:] == pytest.approx(math.pi / λ.imag, rel=0.01)
    shrunk = np.log(swings[2:] / swings[1:-1])
    assert shrunk == pytest.approx(λ.real * math.pi / λ.imag, rel=0.01)


@pytest.mark.parametrize("h", [0.4, 0.1])
def test_eulers_step_opens_the_circle(h: float) -> None:
    """The radius √((θ−θ*)² + w²) of Wasserstein's circle grows at log(1 + h²ω²)/2h ≈ hω²/2 on the
    grid: the algorithm's doing, first order in h, and not the flow's, whose theory keeps it."""
    target, flow, ω = Target.from_q(0.8), make("gan", loss="wasserstein"), 0.16
    steps = round(150 / h)

    def growth(run: Trajectory) -> float:
        radius = np.hypot(run.θ - target.θ_star, run.extra["w"])
        return math.log(radius[-1] / radius[0]) / (run.t[-1] - run.t[0])

    start = target.θ_star + 1e-4
    euler = growth(solve.run(flow, Grid(target, h), start, steps))
    assert euler == pytest.approx(math.log1p((h * ω) ** 2) / (2 * h), rel=1e-3)
    assert euler == pytest.approx(h * ω**2 / 2, rel=0.01)
    assert growth(solve.lecture(flow, target, start, h, steps)) == pytest.approx(0.0, abs=1e-6)


def level(target: Target, θ: np.ndarray, w: np.ndarray) -> np.ndarray:
    q = target.q_star
    return w**2 / 2 + q * np.exp(θ) + (1 - q) * np.exp(-θ) + (2 * q - 1) * θ


def test_orbits_without_penalty_close() -> None:
    """w²/2 + q*e^θ + (1−q*)e^{−θ} + (2q*−1)θ is kept to 1e−9 (Runge–Kutta, dt = 0.02) from far out,
    by Wasserstein's form and by the Dirac limit, which runs the same orbit more slowly; the
    non-saturating Dirac form and a penalty leave it."""
    target = Target.from_q(0.7)

    def drift(**options) -> float:
        run = solve.lecture(make("gan", **options), target, 1.5, 0.02, 6000)
        assert np.ptp(run.θ) > 3
        H = level(target, run.θ, run.extra["w"])
        return float(np.max(np.abs(H / H[0] - 1)))

    assert drift(loss="wasserstein") < 1e-9
    assert drift(dirac=True) < 1e-9
    assert drift(dirac=True, loss="non-saturating") > 1e-2
    assert drift(loss="wasserstein", penalty=0.05) > 1e-2


# ------------------------------------------------------------------ verdicts
def test_a_spiral_converges_and_a_circle_oscillates() -> None:
    """Also where the swing is still wider than `near` at the end; and the eigenvalues are told, in
    the run's own time."""
    run = toyflows.flow("gan", q_star=0.8, time=100.0, backends=["grid"])
    assert abs(run.backends["grid"].θ[-1] - run.target.θ_star) > 0.03
    assert run.verdict.kind == "on its way"
    assert "Small motions about the rest: a damped spiral of period 112." in run.verdict.says
    out = json.loads(json.dumps(run.to_dict(), allow_nan=False))
    assert [complex(*z) for z in out["eigenvalues"]] == pytest.approx(run.eigenvalues)
    fast = toyflows.flow("gan", q_star=0.8, time=50.0, rate=2.0, backends=["grid"])
    assert fast.eigenvalues == pytest.approx(2 * run.eigenvalues)
    wasserstein = {"loss": "wasserstein"}
    circle = toyflows.flow("gan", q_star=0.8, options=wasserstein, backends=["grid"], dt=0.01)
    assert circle.verdict.kind == "oscillates"
    assert "an undamped circle of period 39.3." in circle.verdict.says
    assert toyflows.flow("pcd", q_star=0.8, time=1.0, backends=["grid"]).eigenvalues is None


def test_the_command_line_prints_the_eigenvalues_where_there_are_any(capsys) -> None:
    for loss, said in (("gan", "eigenvalues at rest  −0.025 ± 0.056i, −0.850\n"), ("pcd", "")):
        _print(toyflows.flow(loss, q_star=0.8, time=1.0, backends=["theory"]), [])
        printed = capsys.readouterr().out
        assert said in printed
        assert ("eigenvalues at rest " in printed) == bool(said)
