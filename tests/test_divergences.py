"""Divergences and their flows: each velocity is minus the slope of a divergence that is computed
here from its definition; the laws of kinks, tails and identities."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import wasserstein_distance

from toyflows import solve, stats
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.errors import InputError
from toyflows.flows import Flow, make
from toyflows.target import Target

STAR = -math.log(4)
F_DIVERGENCES = ["reverse-kl", "hellinger", "total-variation"]
KINKED = [("total-variation", {}), ("wasserstein", {}), ("wasserstein", {"p": 2})]
OTHERS = [
    ("score-matching", {}),
    ("bregman", {"generator": "kl"}),
    ("bregman", {"generator": "l2"}),
    ("bregman", {"generator": "power", "alpha": 0.3}),
]
ALL = [(name, {}) for name in F_DIVERGENCES] + KINKED[1:] + OTHERS


# ------------------------------------------------------------------ the definitions, once more
def law(d: float, θ: float):
    """Density, distribution function and upper tail of ρ_θ, from scratch."""
    p = 1 / (1 + math.exp(θ))

    def normal(x: float) -> float:
        return math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)

    def mixed(f, x: float, sign: float = 1.0) -> float:
        return (1 - p) * f(sign * (x + d / 2)) + p * f(sign * (x - d / 2))

    def Φ(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    return lambda x: mixed(normal, x), lambda x: mixed(Φ, x), lambda x: mixed(Φ, x, -1.0)


def score(d: float, θ: float, x: float) -> float:
    p = 1 / (1 + math.exp(θ))
    a, b = (1 - p) * math.exp(-((x + d / 2) ** 2) / 2), p * math.exp(-((x - d / 2) ** 2) / 2)
    return -(a * (x + d / 2) + b * (x - d / 2)) / (a + b)


def transported(d: float, θ: float, star: float, x: float) -> float:
    """T(x), by Brent's method on whichever tail is the smaller."""
    (_, F, S), (_, F_star, S_star) = law(d, θ), law(d, star)
    level, tail = F(x), S(x)
    if level < tail:
        return brentq(lambda y: F_star(y) - level, x - d - 1, x + d + 1, xtol=1e-14)
    return brentq(lambda y: tail - S_star(y), x - d - 1, x + d + 1, xtol=1e-14)


def definition(name: str, options: dict, d: float, θ: float, star: float = STAR) -> float:
    """The divergence by adaptive quadrature of its definition."""
    (ρ, F, _), (ρ_star, F_star, _) = law(d, θ), law(d, star)
    α = options.get("alpha", 0.0)

    def fisher(x: float) -> float:
        return ρ_star(x) * (score(d, θ, x) - score(d, star, x)) ** 2

    def power(x: float) -> float:
        s, t = ρ_star(x), ρ(x)
        return (s ** (1 + α) - t ** (1 + α)) / (α * (1 + α)) - t**α / α * (s - t)

    def squared(x: float) -> float:
        return ρ(x) * (x - transported(d, θ, star, x)) ** 2 / d

    integrand = {
        "reverse-kl": lambda x: ρ(x) * math.log(ρ(x) / ρ_star(x)),
        "hellinger": lambda x: 0.5 * (math.sqrt(ρ(x)) - math.sqrt(ρ_star(x))) ** 2,
        "total-variation": lambda x: 0.5 * abs(ρ(x) - ρ_star(x)),
        "score-matching": fisher,
        "wasserstein": squared if options.get("p") == 2 else lambda x: abs(F(x) - F_star(x)),
        "kl": lambda x: ρ_star(x) * math.log(ρ_star(x) / ρ(x)),
        "l2": lambda x: (ρ(x) - ρ_star(x)) ** 2,
        "power": power,
    }[options.get("generator", name)]
    cuts = [-d / 2 - 9, -d / 2, 0.0, d / 2, d / 2 + 9, θ / d, star / d]
    if options.get("p") == 2:  # T leaps from mode to mode where F_θ = 1 − q*
        cuts.append(brentq(lambda x: F(x) - 1 / (1 + math.exp(-star)), -d, d, xtol=1e-14))
    return math.fsum(
        quad(integrand, lo, hi, epsabs=1e-14, epsrel=1e-12, limit=400)[0]
        for lo, hi in pairwise(sorted(cuts))
    )


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")  # at its rounding error
@pytest.mark.parametrize("d", [3.0, 6.0, 12.0])
@pytest.mark.parametrize(("name", "options"), ALL, ids=str)
def test_each_velocity_is_minus_the_slope_of_its_divergence(name, options, d) -> None:
    """To 1e−8 of itself (the differences' own error is 1e−9); and each value to 1e−10."""
    target, flow, e = Target.exact(STAR, d), make(name, **options), 0.01
    θs = (0.3,) if options.get("p") == 2 and d == 6 else (-3.0, 0.3, 2.0)
    for θ in θs:
        small = {"rel": 1e-10, "abs": 1e-15}
        assert flow.value(target, θ) == pytest.approx(definition(name, options, d, θ), **small)
        D = [definition(name, options, d, θ + k * e) for k in (-2, -1, 1, 2)]
        slope = (D[0] - 8 * D[1] + 8 * D[2] - D[3]) / (12 * e)
        ours = solve.velocity(flow, Grid(target, 0.05), θ)
        assert ours == pytest.approx(-slope, rel=1e-8, abs=1e-11)


@pytest.mark.parametrize("d", [0.5, 3.0, 8.0])
def test_wasserstein_1_is_scipys(d: float) -> None:
    """d|p − q*| against SciPy's distance of the two laws on nodes 0.01 apart (the trapezoid's
    error falls as their square where F_θ − F_* would change sign, which it does not)."""
    target = Target.exact(0.7, d)
    x = np.linspace(-d / 2 - 9, d / 2 + 9, 2001 + 200 * round(d))
    with np.errstate(under="ignore"):
        laws = [target.mixture.density(x, θ) for θ in (-1.2, 0.7)]
        distance = wasserstein_distance(x, x, *laws)
    assert make("wasserstein").value(target, -1.2) == pytest.approx(distance, rel=1e-10)


@pytest.mark.parametrize("d", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("θ", [-2.0, 0.5, 3.0])
def test_identities(d: float, θ: float) -> None:
    """Pinsker's, Le Cam's and Jensen's inequalities, symmetry, KL with its arguments swapped."""
    here, there = Target.exact(STAR, d), Target.exact(θ, d)

    def D(name: str, target: Target = here, other: float = θ, **options) -> float:
        return make(name, **options).value(target, other)

    TV, H2, KL = D("total-variation"), D("hellinger"), D("bregman", generator="kl")
    assert math.sqrt(KL / 2) >= TV
    assert math.sqrt(D("reverse-kl") / 2) >= TV
    assert H2 <= TV <= math.sqrt(2 * H2)
    assert D("reverse-kl") == pytest.approx(D("bregman", there, STAR, generator="kl"), rel=1e-12)
    for name, options in [("hellinger", {}), *KINKED, ("bregman", {"generator": "l2"})]:
        assert D(name, **options) == pytest.approx(D(name, there, STAR, **options), rel=1e-12)
    W1, W2 = D("wasserstein"), D("wasserstein", p=2)
    assert W1**2 / d <= W2 <= W1
    overlap = -math.expm1(-(d**2) / 4) / math.sqrt(math.pi)
    p, q = 1 / (1 + math.exp(θ)), here.q_star
    assert D("bregman") == pytest.approx((p - q) ** 2 * overlap, rel=1e-12)


@pytest.mark.parametrize("θ", [-2.0, 0.4, 3.0])
def test_bregmans_closed_forms(θ: float) -> None:
    """KL's generator is maximum likelihood, on the exact law, on walkers and on points; the flow of
    l2 is 2p(1−p)(p−q*)(1 − e^{−d²/4})/√π at any d; alpha → 0 is KL, alpha = 1 half of l2."""
    for d in (1.0, 4.0, 20.0):
        target = Target.exact(STAR, d)
        for ops in (Grid(target, 0.05), Walkers(target, 0.05, 1000, seed=3)):
            kl = solve.velocity(make("bregman", generator="kl"), ops, θ)
            assert kl == pytest.approx(solve.velocity(make("ml"), ops, θ), abs=1e-14)
        grid = Grid(target, 0.05)
        p, q = target.mixture.weight_b(θ), target.q_star
        l2 = 2 * p * (1 - p) * (p - q) * -math.expm1(-(d**2) / 4) / math.sqrt(math.pi)
        assert solve.velocity(make("bregman"), grid, θ) == pytest.approx(l2, rel=1e-12)
        half = solve.velocity(make("bregman", generator="power", alpha=1.0), grid, θ)
        assert half == pytest.approx(l2 / 2, rel=1e-12)
        ml = solve.velocity(make("ml"), grid, θ)
        near = solve.velocity(make("bregman", generator="power", alpha=1e-9), grid, θ)
        assert near == pytest.approx(ml, rel=1e-7)
    points = Target.of_points(np.array([-4.1, -3.0, 2.2, 3.1, 3.9]), -3.5, 3.5, 0.0)
    grid = Grid(points, 0.05)
    kl = solve.velocity(make("bregman", generator="kl"), grid, θ)
    assert kl == pytest.approx(solve.velocity(make("ml"), grid, θ), abs=1e-14)


def test_bregman_learns_from_points() -> None:
    """A data set of a tenth in mode b, points at quantiles of the modes, is fitted to its own
    weight: l2's θ on the points is that of the law they stand for."""
    level = (np.arange(1000) + 0.5) / 1000
    x = np.concatenate([np.repeat(ndtri(level) - 5.0, 9), ndtri(level) + 5.0])
    target = Target.of_points(x, -5.0, 5.0, math.log(9))
    flow = make("bregman")
    run = solve.run(flow, Grid(target, 0.05), 1.5, 400, rate=50.0)
    assert run.θ[-1] == pytest.approx(math.log(9), abs=2e-3)
    assert abs(run.velocity[-1]) < 1e-6


# ------------------------------------------------------------------ kinks
@pytest.mark.parametrize(("name", "options"), KINKED, ids=str)
@pytest.mark.parametrize("θ0", [-2.0, 2.5])
def test_a_kinked_flow_arrives_and_stays(name: str, options: dict, θ0: float) -> None:
    """θ is θ* to the last bit, with speed 0, from a step on; by Euler's step it would chatter."""
    target, flow = Target.exact(0.5, 12.0), make(name, **options)
    grid, rate = Grid(target, 0.02), 48 / flow.κ(target.mixture)
    run = solve.run(flow, grid, θ0, 60, rate)
    there = run.θ == 0.5
    first = int(np.argmax(there))
    assert 0 < first < 40
    assert np.all(there[first:])
    assert np.all(run.velocity[first:] == 0)
    assert np.all(np.diff(np.abs(run.θ - 0.5)[: first + 1]) < 0)

    class Euler(type(flow)):
        name, step = "", Flow.step

    chatter = solve.run(Euler(**options), grid, θ0, 60, rate).θ
    assert np.count_nonzero(np.diff(np.sign(chatter - 0.5))) > 10


@pytest.mark.parametrize("name", ["total-variation", "wasserstein"])
@pytest.mark.parametrize("θ0", [-2.5, 0.0, 2.0])
def test_arrival(name: str, θ0: float) -> None:
    """`arrival` is ∫dθ/|θ̇|. The theory arrives within a step of it; the grid, whose Euler steps are
    late by ½ log |θ̇(θ*)/θ̇(θ0)| steps, within a step of that."""
    target, flow, dt = Target.exact(1.1, 6.0), make(name), 0.01
    grid, told = Grid(target, dt), flow.arrival(target, θ0)

    def speed(θ: float) -> float:
        return (6.0 if name == "wasserstein" else 1 - 2 * ndtr(-3.0)) / (2 + 2 * math.cosh(θ))

    taken = quad(lambda θ: 1 / speed(θ), min(θ0, 1.1), max(θ0, 1.1), epsabs=1e-13)[0]
    assert told == pytest.approx(taken, rel=1e-12)
    assert flow.arrival(target, 1.1) == 0.0
    steps = round(told / dt) + 60
    exact, theory = (
        solve.run(flow, grid, θ0, steps),
        solve.lecture(flow, target, θ0, dt, steps),
    )
    late = (exact.t[np.argmax(exact.θ == 1.1)] - told) / dt
    assert -0.05 <= late - 0.5 * math.log(speed(1.1) / speed(θ0)) <= 1.05
    apart = told if name == "wasserstein" else told * (1 - 2 * ndtr(-3.0))  # TV: κ → 1
    arrived = theory.θ == 1.1
    assert abs(theory.t[np.argmax(arrived)] - apart) <= dt * (1 + 1e-9)
    assert np.all(arrived[np.argmax(arrived) :])
    assert np.all(theory.velocity[arrived] == 0)


@pytest.mark.parametrize("θ", [-3.0, 0.0, 2.5])
def test_wasserstein_2_feels_the_width_of_the_modes(θ: float) -> None:
    """|θ̇|/(p(1−p)) = d − 2c − 2ψ + C/d with ψ = φ(j) − jΦ(−j) as in the docstring: what is left
    over falls as 1/d to 1e−6, so that no closed form has an exponentially small error."""
    left = []
    for d in (15.0, 30.0):
        target = Target.exact(STAR, d)
        p, q = target.mixture.weight_b(θ), target.q_star
        if p < q:
            c, j = ndtri(p / q), ndtri((q - p) / (1 - p))
        else:
            c, j = ndtri((1 - p) / (1 - q)), ndtri(1 - q / p)
        ψ = math.exp(-j * j / 2) / math.sqrt(2 * math.pi) - j * ndtr(-j)
        v = solve.velocity(make("wasserstein", p=2), Grid(target, 0.05), θ)
        assert np.sign(v) == np.sign(p - q)
        left.append(d * (abs(v) / (p * (1 - p)) - d + 2 * c + 2 * ψ))
    assert left[0] == pytest.approx(left[1], rel=1e-6)
    assert abs(left[0]) > 0.1


def test_wasserstein_2_is_round_at_the_bottom() -> None:
    """Within |p − q*| ~ e^{−d²/8}, W_2² is quadratic: θ̇ → 2(θ*−θ)(p(1−p))² ∫K²/ρ_* /d with
    K = Φ(x−a) − Φ(x−b), also where F_θ and F_* differ by less than a float64 of 1 can hold."""
    for d, δ in ((3.0, 1e-6), (12.0, 1e-16), (20.0, 1e-28)):
        target = Target.exact(0.0, d)
        x = np.linspace(-d / 2 - 8, d / 2 + 8, 8001)
        K = ndtr(d / 2 - np.abs(x)) - ndtr(-d / 2 - np.abs(x))
        with np.errstate(under="ignore"):
            stiff = np.sum(K**2 / target.mixture.density(x, 0.0)) * (x[1] - x[0])
        v = solve.velocity(make("wasserstein", p=2), Grid(target, 0.05), -δ)
        assert v == pytest.approx(2 * δ / 16 * stiff / d, rel=1e-3, abs=0)


# ------------------------------------------------------------------ tails, bounds, refusals
@pytest.mark.parametrize(("name", "options"), [*ALL, *KINKED], ids=str)
def test_no_velocity_breaks_in_the_tails(name: str, options: dict) -> None:
    """Finite, towards θ*, and no float overflows, out to |θ| = 700 (errstate raises, see conftest);
    with the digits of the closed form where p_b is e^−40."""
    for star, θ in ((0.3, 700.0), (0.3, -700.0), (700.0, -700.0), (-700.0, 30.0), (0.3, 40.0),
                    (0.3, -40.0)):  # fmt: skip
        target, flow = Target.exact(star, 20.0), make(name, **options)
        v = solve.velocity(flow, Grid(target, 0.05), θ)
        assert math.isfinite(v)
        assert v * (star - θ) >= 0
        if name in ("hellinger", "reverse-kl") and abs(star) < 1 and abs(θ) < 50:
            assert v == pytest.approx(flow.separated(target, θ, θ), rel=1e-9, abs=0)
            assert abs(v) < 1e-7


@pytest.mark.parametrize("name", F_DIVERGENCES)
@pytest.mark.parametrize("d", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("θ", [-6.0, -1.0, 1.0, 6.0])
def test_the_exact_law_is_slower_than_separated_modes(name: str, d: float, θ: float) -> None:
    """θ̇ is between 0 and `separated`, and as near to it as `separated_error` says; that bound falls
    with d, and is not idle: at d = 8 it is below half of the speed."""
    target, flow = Target.exact(0.2, d), make(name)
    v, told = solve.velocity(flow, Grid(target, 0.05), θ), flow.separated(target, θ, θ)
    assert 0 < v / told < 1
    bound = flow.separated_error(target, θ)
    assert abs(v - told) <= bound + 1e-15
    assert bound <= abs(told)
    if d == 8 and abs(θ) == 1:
        assert bound < 0.5 * abs(v)


@pytest.mark.parametrize("alpha", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("d", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("θ", [-6.0, 0.0, 4.0])
def test_the_bound_of_bregman(alpha: float, d: float, θ: float) -> None:
    target, flow = Target.exact(0.2, d), make("bregman", generator="power", alpha=alpha)
    v, told = solve.velocity(flow, Grid(target, 0.05), θ), flow.separated(target, θ, θ)
    assert 1e-10 < abs(v - told) <= flow.separated_error(target, θ)


def test_refusals() -> None:
    """Bad options; walkers and points for a method that needs the density."""
    import toyflows

    for name, options, said in (
        ("wasserstein", {"p": 3}, "must be 1 or 2"),
        ("bregman", {"generator": "l3"}, "l2"),
        ("bregman", {"alpha": 0.0}, "0 < alpha"),
        ("bregman", {"alpha": 1.5}, "0 < alpha"),
    ):
        with pytest.raises(InputError, match=said):
            make(name, **options)
    for name in [*F_DIVERGENCES, "wasserstein"]:
        with pytest.raises(InputError, match="quadrature"):
            toyflows.flow(name, theta_star=1.0, backends=["walkers"])
        with pytest.raises(InputError, match="density"):
            toyflows.flow(name, data="old-faithful")


def test_an_estimate_of_a_mean_needs_no_density() -> None:
    """Bregman's walkers: fresh draws from ρ_θ, whose mean over replicas is the exact law's θ̇
    (Student's test, false-fail rate 1e−6, detects 0.004)."""
    target, flow = Target.exact(STAR, 6.0), make("bregman")
    exact = solve.velocity(flow, Grid(target, 0.05), 1.0)
    found = [solve.velocity(flow, Walkers(target, 0.05, 5000, seed=s), 1.0) for s in range(24)]
    assert stats.mean("θ̇", found, exact).detects < 4e-3
