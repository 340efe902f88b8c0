"""Denoising score matching at one noise and at many, from the noised law up to the flows."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad

from toyflows import solve, stats
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.errors import InputError
from toyflows.flows import make
from toyflows.flows.score_matching import ScoreMatching
from toyflows.mixture import Mixture
from toyflows.target import Target

SKEWED = Mixture(-1.0, 5.0)


def points(n: int = 300) -> Target:
    """A small data set whose modes are neither normal nor at ∓d/2."""
    rng = np.random.default_rng(4)
    x = np.where(rng.random(n) < 0.3, 5.0 + rng.uniform(-2, 2, n), -1.0 + rng.laplace(size=n))
    return Target.of_points(x, -1.0, 5.0, 0.8)


def flow_at(σ: float, target: Target, θ: float, model: str = "noised") -> float:
    return solve.velocity(make("denoising", sigma=σ, model=model), Grid(target, 0.05), θ)


# ------------------------------------------------------------------ the noised law
@pytest.mark.parametrize("σ", [0.3, 1.0, 4.0])
@np.errstate(under="ignore")
def test_noised_mixture_is_the_convolution(σ: float) -> None:
    """ρ_θ * N(0, σ²) by adaptive quadrature, at modes that are not symmetric about 0."""
    noised, s, θ = SKEWED.noised(σ), math.sqrt(1 + σ**2), 0.7

    def integrand(ε: float, y: float) -> float:
        return float(SKEWED.density(np.array(y - σ * ε), θ)) * math.exp(-ε * ε / 2)

    for y in (-4.0, 1.3, 2.0, 6.1):
        wanted = quad(integrand, -9, 9, args=(y,), epsabs=1e-13, limit=200)[0]
        u = SKEWED.m + (y - SKEWED.m) / s
        ours = noised.density(np.array(u), θ) / s * math.sqrt(2 * math.pi)
        assert ours == pytest.approx(wanted, abs=1e-11)


@pytest.mark.parametrize("σ_model", [0.0, 1.7])
@np.errstate(under="ignore")
def test_integrand_is_the_gradient_of_the_loss(σ_model: float) -> None:
    """Against central differences in θ of ½|s_θ + ε/σ|², with s_θ that of log density in x, of the
    model and of the noised model."""
    rng = np.random.default_rng(0)
    pairs, σ, θ, step = np.stack([rng.uniform(-6, 10, 200), rng.normal(size=200)]), 1.7, 0.4, 1e-4
    noised, s = SKEWED.noised(σ_model), math.sqrt(1 + σ_model**2)

    def loss(θ: float) -> np.ndarray:
        def log_density(y: np.ndarray) -> np.ndarray:
            return np.log(noised.density(SKEWED.m + (y - SKEWED.m) / s, θ))

        score = (log_density(pairs[0] + step) - log_density(pairs[0] - step)) / (2 * step)
        return 0.5 * (score + pairs[1] / σ) ** 2

    wanted = -(loss(θ + 1e-3) - loss(θ - 1e-3)) / 2e-3
    assert np.max(np.abs(SKEWED.denoising(pairs, θ, σ, σ_model) - wanted)) < 1e-6
    assert np.max(np.abs(wanted)) > 0.1


@pytest.mark.parametrize("target", [Target.exact(0.8, 5.0), points()], ids=["mixture", "points"])
@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("σ", [0.05, 1.0, 6.0])
@np.errstate(under="ignore")
def test_noised_pairs_of_the_grid(target: Target, σ: float, sharp: bool) -> None:
    """E[f(y)] and E[ε f(y)] against the sum over data × 1201 nodes of ε, to 1e−12: for functions
    as sharp as a responsibility of the noised mixture, and of the mixture itself."""
    cloud, σ_model = Grid(target, 0.05).noised(σ, sharp=sharp), 0.0 if sharp else σ
    mix, s = target.mixture.noised(σ_model), math.sqrt(1 + σ_model**2)
    ε = np.linspace(-9, 9, 1201)
    w = target.data.weights[:, None] * (np.exp(-(ε**2) / 2) / np.exp(-(ε**2) / 2).sum())
    y = target.data.x[:, None] + σ * ε
    for θ in (-2.0, 0.0, 3.0):

        def f(y: np.ndarray, θ: float = θ) -> np.ndarray:
            return mix.responsibility(mix.m + (y - mix.m) / s, θ)

        assert cloud.mean(lambda p: f(p[0])) == pytest.approx(np.sum(w * f(y)), abs=1e-12)
        assert cloud.mean(lambda p: p[1] * f(p[0])) == pytest.approx(
            np.sum(w * ε * f(y)), abs=1e-12
        )


def test_noised_pairs_of_walkers() -> None:
    """y − σε are the step's data points on every level, ε is the level's own and standard normal;
    more walkers extend fewer, and threads do not matter."""
    target = Target.exact(0.4, 8.0)
    few, many = Walkers(target, 0.05, 3_000, 5, step=7), Walkers(target, 0.05, 5_000, 5, 2, step=7)
    x = few.data_particles().x
    levels = [few.noised(σ, level).x for level, σ in enumerate((0.5, 3.0, 3.0))]
    for (y, ε), σ in zip(levels, (0.5, 3.0, 3.0), strict=True):
        assert np.max(np.abs(y - σ * ε - x)) < 1e-13
        stats.mean("ε²", ε**2, 1.0)  # detects 12 %
        stats.mean("ε x", ε * x, 0.0)
    for one, other in ((0, 1), (1, 2), (0, 2)):
        stats.mean("ε ε'", levels[one][1] * levels[other][1], 0.0)
    assert np.array_equal(many.noised(3.0, 1).x[:, :3_000], levels[1])
    assert not np.array_equal(few.at(8).noised(3.0, 1).x[1], levels[1][1])
    data = points()
    y, ε = Walkers(data, 0.05, 3_000).noised(0.5).x
    assert np.max(np.min(np.abs((y - 0.5 * ε)[:, None] - data.data.x), axis=1)) < 1e-13


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(("θ", "σ"), [(0.0, 1.0), (-30.0, 0.3), (200.0, 8.0), (-700.0, 0.001)])
def test_kernel_is_its_numpy_twin(threads: int, plain: bool, θ: float, σ: float) -> None:
    """To 1e−12 of the mean's terms, however far the tail; the same bits on two threads."""
    backend = Walkers(Target.exact(0.4), 0.05, 5_000, 3, threads)
    cloud, f, args = backend.noised(σ), backend.mixture.denoising, (θ, σ, 0.0 if plain else σ)
    ours = backend.mean(cloud, f, *args)
    terms = f(cloud.x, *args)
    with np.errstate(under="ignore"):
        assert abs(ours - terms.mean()) <= 1e-12 * np.abs(terms).mean() + 1e-300
    assert ours == Walkers(Target.exact(0.4), 0.05, 5_000, 3).mean(cloud, f, *args)


# ------------------------------------------------------------------ denoising
@pytest.mark.parametrize("model", ["plain", "noised"])
@pytest.mark.parametrize(
    ("d", "σ", "θ_star", "θ"),
    [(1.0, 0.3, 1.4, 0.0), (4.0, 1.0, -2.0, 3.0), (4.0, 5.0, 1.4, 0.0), (12.0, 0.1, -2.0, 3.0),
     (20.0, 1.0, 1.4, 0.0), (20.0, 8.0, -2.0, 3.0)],
)  # fmt: skip
def test_it_descends_the_lectures_loss(model, d, σ, θ_star, θ) -> None:
    """θ̇ = −∂_θ E|s_θ(x + σε) + ε/σ|² by 40-digit quadrature, to 1e−6 of itself (1e−10 at d = 20,
    σ = 1): given its mode c and y, noise has the mean E[ε | y, c] = σ(y − c)/(1 + σ²)."""
    ours = flow_at(σ, Target.exact(θ_star, d), θ, model)
    with mp.workdps(40):
        s2 = 1 + mp.mpf(σ) ** 2
        v = s2 if model == "noised" else mp.mpf(1)  # variance of the model's modes

        def slope(y: mp.mpf) -> mp.mpf:
            """−2 (s_θ + ε/σ) ∂_θs_θ over the law of y"""
            r = 1 / (1 + mp.exp(θ - d * y / v))
            s, ds = -(y + d / mp.mpf(2) - d * r) / v, -d * r * (1 - r) / v
            weights = {-1: 1 / (1 + mp.exp(-mp.mpf(θ_star))), 1: 1 / (1 + mp.exp(mp.mpf(θ_star)))}
            away = {side: y - side * mp.mpf(d) / 2 for side in weights}
            return sum(
                -2 * (s + away[k] / s2) * ds * weights[k] * mp.exp(-(away[k] ** 2) / (2 * s2))
                for k in weights
            ) / mp.sqrt(2 * mp.pi * s2)

        far = d / 2 + 9 * math.sqrt(s2)
        cuts = {-far, far, *(θ * v / d + u * v / d for u in range(-60, 61, 4))}
        wanted = mp.quad(slope, sorted(mp.mpf(c) for c in cuts if abs(c) <= far))
    assert ours == pytest.approx(float(wanted), rel=1e-6, abs=0)


@pytest.mark.parametrize("σ", [0.1, 0.7, 1.0, 3.0, 8.0, 30.0])
@pytest.mark.parametrize("d", [1.0, 4.0, 10.0, 20.0])
def test_it_is_score_matching_of_nearer_modes(d: float, σ: float) -> None:
    """1/(1 + σ²) × the flow of score matching at separation d/√(1+σ²), to 1e−10 of itself."""
    s2 = 1 + σ**2
    for θ_star, θ in ((1.4, 0.0), (-2.0, 3.0), (0.3, -4.0)):
        near = Grid(Target.exact(θ_star, d / math.sqrt(s2)), 0.05)
        wanted = solve.velocity(make("score-matching"), near, θ) / s2
        assert flow_at(σ, Target.exact(θ_star, d), θ) == pytest.approx(wanted, rel=1e-10, abs=0)


def test_the_rate_over_four_decades() -> None:
    """At θ = 0, log|θ̇| less the prefactor √(2π)d'/8 tanh(θ*/2)/(1+σ²) falls as −d'²/8, d' =
    d/√(1+σ²): slope −1 within 0.5 %, and the rest is the stated relative error ≤ 0.94/d'²."""
    target = Target.exact(1.4, 20.0)
    σ = np.linspace(1.5, 4.0, 12)
    near = 20 / np.sqrt(1 + σ**2)
    exact = np.array([flow_at(v, target, 0.0) for v in σ.tolist()])
    prefactor = math.sqrt(2 * math.pi) * near / 8 * math.tanh(0.7) / (1 + σ**2)
    assert exact[-1] / exact[0] > 1e4
    stats.slope("rate", near**2 / 8, np.log(exact / prefactor), -1.0, rtol=0.005)
    rest = np.abs(exact / (prefactor * np.exp(-(near**2) / 8)) - 1)
    assert np.all(rest < 2 * (math.pi**2 / 4 - 2) / near**2)
    for v, θ_dot in zip(σ.tolist(), exact, strict=True):
        flow = make("denoising", sigma=v, model="noised")
        assert abs(flow.separated(target, 0.0, 0.0) - θ_dot) <= flow.separated_error(target, 0.0)


@pytest.mark.parametrize("model", ["plain", "noised"])
@pytest.mark.parametrize("target", [Target.exact(0.8, 4.0), points()], ids=["mixture", "points"])
def test_without_noise_it_is_score_matching(target: Target, model: str) -> None:
    """The difference falls as σ²: slope 2 in log–log within 1 %, and below 0.2 % at σ = 0.01."""
    grid, σ = Grid(target, 0.05), np.array([0.01, 0.02, 0.04])
    limit = solve.velocity(make("score-matching"), grid, 0.2)
    rest = np.array([flow_at(v, target, 0.2, model) for v in σ.tolist()]) / limit - 1
    assert abs(rest[0]) < 2e-3
    stats.slope("order", np.log(σ), np.log(np.abs(rest)), 2.0, rtol=0.01)


@pytest.mark.parametrize(("name", "options"), [
    ("denoising", {"sigma": 2.0}), ("denoising", {"sigma": 2.0, "model": "noised"}),
    ("multi-noise", {}),
])  # fmt: skip
def test_walkers_agree_with_the_grid_on_data_points(name: str, options: dict) -> None:
    """Mean θ̇ of 24 replicas at 1e−6; it detects 2 % of the flow's range, about 0.6."""
    target, flow = points(), make(name, **options)
    exact = solve.velocity(flow, Grid(target, 0.05), -1.0)
    seen = [solve.velocity(flow, Walkers(target, 0.05, 20_000, seed), -1.0) for seed in range(24)]
    assert stats.mean("velocity", seen, exact).detects < 0.012 < abs(exact) / 4


def test_it_learns_the_weight_if_the_noise_is_of_the_modes_size() -> None:
    """d = 20: σ = 8 reaches θ* (its pull is 2e−3, so θ moves at rate 75); σ = 1 does not move."""
    grid = Grid(Target.exact(1.4), 0.05)

    def end(σ: float) -> float:
        flow = make("denoising", sigma=σ, model="noised")
        return float(solve.run(flow, grid, 0.0, 2000, rate=75.0).θ[-1])

    assert end(8.0) == pytest.approx(1.4, abs=1e-3)
    assert abs(end(1.0)) < 1e-6


# ------------------------------------------------------------------ the model as it is
SETTINGS = [(d, σ, θ_star) for d in (1.0, 3.0, 6.0, 10.0, 20.0, 60.0) for σ in (0.3, 1.0, 3.0, 8.0)
            for θ_star in (1.4, -6.0)]  # fmt: skip


@pytest.mark.parametrize(("d", "σ", "θ_star"), SETTINGS)
def test_the_plain_model_rests_where_it_is_said_to(d: float, σ: float, θ_star: float) -> None:
    """There the exact θ̇ is 1e−9 of what it is at 0 and at θ*, and it pulls from both sides; it is
    between 0 and s²θ*, and not at θ*. Data of equal modes: at 0."""
    target, flow = Target.exact(θ_star, d), make("denoising", sigma=σ)
    there = flow.fixed_point(target)
    v = {θ: flow_at(σ, target, θ, "plain") for θ in (0.0, θ_star, there, there - 1, there + 1)}
    assert abs(v[there]) < 1e-9 * min(abs(v[0.0]), abs(v[θ_star]))
    assert v[there - 1] > 0 > v[there + 1]
    assert 0 < there / θ_star < 1 + σ**2
    assert abs(there - θ_star) > 0.003
    equal = Target.exact(0.0, d)
    assert flow.fixed_point(equal) == 0.0
    assert abs(flow_at(σ, equal, 0.0, "plain")) < 1e-12 * abs(v[0.0])


def test_a_run_of_the_plain_model_ends_there() -> None:
    target, flow = Target.exact(1.4, 6.0), make("denoising")
    run = solve.run(flow, Grid(target, 0.05), 0.0, 1000, rate=40.0)
    assert run.θ[-1] == pytest.approx(flow.fixed_point(target), abs=1e-9)
    assert run.θ[-1] == pytest.approx(1.8306, abs=5e-5)


def test_far_modes_and_much_noise_give_the_docstrings_rests() -> None:
    """As d → ∞, s²θ*, the rest falling as 1/d²; for s² ≫ 1 the root of tanh((θ* − θ/s²)/2) =
    (4s²/(1 + 2π²/3d²) − 2) θ/d², to 1/s²; and the three numbers."""

    def rest(d: float, σ: float) -> float:
        return make("denoising", sigma=σ).fixed_point(Target.exact(1.4, d))

    d = np.array([40.0, 60.0, 80.0])
    off = np.array([2.8 - rest(v, 1.0) for v in d.tolist()])
    stats.slope("order", np.log(d), np.log(off), -2.0, rtol=0.02)
    for d in (3.0, 10.0, 20.0, 60.0):
        for σ in (8.0, 16.0):
            s2, θ = 1 + σ**2, rest(d, σ)
            told = (4 * s2 / (1 + 2 * math.pi**2 / (3 * d**2)) - 2) * θ / d**2
            assert told == pytest.approx(math.tanh((1.4 - θ / s2) / 2), rel=0.5 / s2)
    assert [round(rest(20.0, σ), 2) for σ in (1.0, 3.0, 8.0)] == [2.65, 4.66, 0.95]


def test_the_plain_models_closed_form_holds_its_bound() -> None:
    """|θ̇ − separated| ≤ separated_error at 300 random settings, where that is finite; it is less
    than a tenth of the speed at θ = 0 of far modes."""
    rng, bounded = np.random.default_rng(1), 0
    for _ in range(300):
        d, σ = np.exp(rng.uniform(np.log([0.5, 0.05]), np.log([60, 15]))).tolist()
        θ_star, θ = rng.uniform(-8, 8, 2).tolist()
        target, flow = Target.exact(θ_star, d), make("denoising", sigma=σ)
        bound = flow.separated_error(target, θ)
        if math.isfinite(bound):
            off = abs(flow_at(σ, target, θ, "plain") - flow.separated(target, θ, θ))
            assert off <= bound * (1 + 1e-9) + 1e-300, (d, σ, θ_star, θ)
            bounded += 1
    assert bounded > 200
    for d in (10.0, 20.0, 60.0):
        target, flow = Target.exact(1.4, d), make("denoising", sigma=2.0)
        assert flow.separated_error(target, 0.0) < 0.1 * flow.separated(target, 0.0, 0.0)


# ------------------------------------------------------------------ many noises
@pytest.mark.parametrize(("weight", "power"), [("sigma2", 2), ("uniform", 0)])
def test_it_is_the_weighted_mean_of_its_levels(weight: str, power: int) -> None:
    """(1/L) Σ λ(σ_l) θ̇_l over σ = 0.5, 1, 2, 4; on walkers each level has its own noise."""
    target = Target.exact(1.4, 6.0)
    flow = make("multi-noise", low=0.5, high=4.0, levels=4, weight=weight)
    wanted = sum(σ**power * flow_at(σ, target, 0.3) for σ in (0.5, 1.0, 2.0, 4.0)) / 4
    assert solve.velocity(flow, Grid(target, 0.05), 0.3) == pytest.approx(wanted, rel=1e-12)
    walkers = Walkers(target, 0.05, 2_000)
    levels = [
        2 * σ**power * walkers.mean(walkers.noised(σ, level), target.mixture.denoising, 0.3, σ, σ)
        for level, σ in enumerate((0.5, 1.0, 2.0, 4.0))
    ]
    assert solve.velocity(flow, walkers, 0.3) == pytest.approx(sum(levels) / 4, rel=1e-12)


def test_it_learns_where_score_matching_does_not() -> None:
    """d = 20 with default options: most of the way within t = 50, all of it later, on walkers too;
    score matching moves by 1e−19."""
    target, flow = Target.exact(1.4), make("multi-noise")
    run = solve.run(flow, Grid(target, 0.5), 0.0, 1200)
    assert run.θ[100] > 1.0
    assert run.θ[-1] == pytest.approx(1.4, abs=1e-3)
    walkers = solve.run(flow, Walkers(target, 0.5, 2_000), 0.0, 100)
    assert walkers.θ[-1] == pytest.approx(run.θ[100], abs=0.05)
    assert abs(solve.run(make("score-matching"), Grid(target, 0.5), 0.0, 1200).θ[-1]) < 1e-17


def test_only_levels_near_half_the_separation_learn() -> None:
    """The docstring's d/6 and d/2 at d = 20: λθ̇ at σ ≤ d/6 is below 10 % of its largest value,
    which is taken between d/3 and d/2."""
    target, σ = Target.exact(1.4), np.linspace(1.0, 20.0, 115)
    pull = σ**2 * np.array([flow_at(v, target, 0.0) for v in σ.tolist()])
    assert np.all(pull[σ <= 20 / 6] < 0.1 * pull.max())
    assert 20 / 3 < σ[np.argmax(pull)] < 20 / 2
    assert pull[-1] > 0.5 * pull.max()


# ------------------------------------------------------------------ refusals and extremes
@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("denoising", {"sigma": 0.0}, "0.001 ≤ sigma ≤ 1000"),
        ("denoising", {"sigma": 2e3}, "0.001 ≤ sigma ≤ 1000"),
        ("denoising", {"model": "noise"}, "did you mean noised"),
        ("multi-noise", {"low": 0.0}, "0.001 ≤ low"),
        ("multi-noise", {"high": 1e4}, "≤ high ≤ 1000"),
        ("multi-noise", {"low": 2.0, "high": 1.0}, "high ≥ low = 2"),
        ("multi-noise", {"levels": 0}, "1 ≤ levels ≤ 100$"),
        ("multi-noise", {"weight": "sigma"}, "did you mean sigma2"),
    ],
)
def test_refusals(name: str, options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make(name, **options)


@pytest.mark.parametrize("d", [1e-6, 3.0, 100.0])
@pytest.mark.parametrize("σ", [1e-3, 1e3])
def test_every_allowed_number_gives_a_number(d: float, σ: float) -> None:
    """At the ends of what is allowed nothing overflows, divides by 0 or is nan."""
    target = Target.exact(-700.0, d)
    for flow in (
        make("denoising", sigma=σ),
        make("denoising", sigma=σ, model="noised"),
        make("multi-noise", low=1e-3, high=1e3, levels=3),
    ):
        for θ in (-700.0, 0.0, 700.0):
            told = flow.separated(target, θ, θ)
            assert told is None or math.isfinite(told)
            for backend in (Grid(target, 0.05), Walkers(target, 0.05, 100)):
                assert math.isfinite(solve.velocity(flow, backend, θ))


def test_the_closed_form_is_score_matchings() -> None:
    """separated is ScoreMatching's at d/s over s², for a target whose modes are not symmetric."""
    target, flow = points(), make("denoising", sigma=0.5, model="noised")
    d = 6 / math.sqrt(1.25)
    wanted = ScoreMatching().separated(Target.exact(0.8, d), 0.2, 0.2) / 1.25
    assert flow.separated(target, 0.2, 0.2) == pytest.approx(wanted, rel=1e-12)
