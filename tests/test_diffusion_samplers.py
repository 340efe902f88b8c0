"""Samplers: exact identities, measured orders on laws without sampling noise, marginals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from toyflows import stats
from toyflows.diffusion import gaussian_law
from toyflows.diffusion.chain import Ladder
from toyflows.diffusion.gaussians import Gaussians, song_ermon, two_modes
from toyflows.diffusion.methods import Model, base, make, registry
from toyflows.diffusion.methods.backward_chain import Steps
from toyflows.diffusion.processes import OU, VE, VP, ExactScore, Process, times
from toyflows.diffusion.samplers import forward, run
from toyflows.errors import InputError

PROCESSES: list[Process] = [VE(), VP(), OU(3.0)]
IDS = ["VE", "VP", "OU"]
MEAN, SPREAD = 1.5, 0.7
ONE = Gaussians(np.ones(1), np.array([[MEAN]]), np.array([SPREAD]))
TWO = two_modes(6.0, 0.8)


class Affine:
    """The score of N(MEAN, SPREAD²) noised: ExactScore(ONE, process), in fewer operations."""

    def __init__(self, process: Process):
        self.process = process

    def __call__(self, x, t):
        α, σ = float(self.process.alpha(t)), float(self.process.sigma(t))
        return (α * MEAN - x) / ((α * SPREAD) ** 2 + σ**2)


def error(method, process: Process, grid: np.ndarray) -> float:
    """W2 distance between N(MEAN, SPREAD²), noised by σ(0), and the law that the method makes of
    the exact one at t = 1."""
    α, σ, end = process.alpha(grid[0]), process.sigma(grid[0]), process.sigma(grid[-1])
    start = α * MEAN, (α * SPREAD) ** 2 + σ**2
    law = gaussian_law.follow(method, Affine(process), process, *start, grid)
    return law.distance(MEAN, SPREAD**2 + end**2)


def slopes(errors: list[float], ratio: float) -> np.ndarray:
    e = np.array(errors)
    return np.log(e[:-1] / e[1:]) / math.log(ratio)


# --- measured orders


@pytest.mark.parametrize("process", PROCESSES[1:], ids=IDS[1:])
@pytest.mark.parametrize("name", ["euler-maruyama", "ode-euler", "ode-heun"])
def test_order(name: str, process: Process) -> None:
    method = make(name)
    found = slopes([error(method, process, times(process, n)) for n in (512, 1024, 2048)], 2)
    assert found == pytest.approx(method.order, rel=0.02)


def test_orders_on_the_ve_ladder() -> None:
    """Here the first-order error of Euler–Maruyama cancels on one Gaussian; others keep theirs."""
    for name, order in (("ode-euler", 1), ("ode-heun", 2), ("ancestral", 1), ("ddim", 1),
                        ("euler-maruyama", 2)):  # fmt: skip
        found = slopes([error(make(name), VE(), times(VE(), n)) for n in (512, 1024, 2048)], 2)
        assert found == pytest.approx(order, rel=0.02), name


def test_ddim_and_ancestral_lose_a_logarithm_on_uniform_times() -> None:
    """Where σ ~ √t, uniform steps are never small in σ/α at the end: the error is log n/n, so that
    n times it grows by the same for each doubling. On times even in arctan σ/α the order is 1."""
    process = OU(3.0)
    even = [
        0.5 * np.log1p(np.tan(φ) ** 2) / 3.0
        for φ in (np.linspace(np.arctan(process.sigma(1.0) / process.alpha(1.0)), 0, n + 1)
                  for n in (512, 1024, 2048))
    ]  # fmt: skip
    for name in ("ddim", "ancestral"):
        grown = np.diff([n * error(make(name), process, times(process, n))
                         for n in (1024, 2048, 4096, 8192)])  # fmt: skip
        assert grown.min() > 0.7
        assert grown == pytest.approx(grown.mean(), rel=0.03)
    found = slopes([error(make("ddim"), process, np.minimum(grid, 1)) for grid in even], 2)
    assert found == pytest.approx(1, abs=0.02)


def test_the_backward_chain() -> None:
    """The lecture's chain with γ = 3/K: exact kernel log K/K as ancestral, its first-order series
    K⁻¹ with a fifth of the error: σ̃ is the noise where x_0 is known, too little where it is not."""
    errors = {0: [], 1: [], 2: []}
    for K in (256, 512, 1024):
        chain = Steps(Ladder.langevin(np.full(K, 3 / K)))
        for expansion, found in errors.items():
            method = make("backward-chain", expansion=expansion)
            found.append(error(method, chain, chain.times))
    assert slopes(errors[1], 2) == pytest.approx(1, rel=0.02)
    assert errors[1][-1] < 0.25 * errors[0][-1]
    assert errors[2] == pytest.approx(errors[0], rel=0.05)


def test_a_corrector_of_fixed_snr_ends_in_order_one_half() -> None:
    """At step h ∝ σ² ~ t the corrector's own bias is h; its law freezes where the Langevin time
    left, n t², is about 1, so at t ~ n^−½. With snr ∝ n^−½ it is part of the SDE: order 1."""
    process = OU(3.0)
    fixed = [error(make("predictor-corrector", snr=0.3), process, times(process, n))
             for n in (4096, 16384)]  # fmt: skip
    assert slopes(fixed, 4) == pytest.approx(0.5, abs=0.06)
    assert slopes(fixed, 4)[0] < 0.55
    scaled = [
        error(make("predictor-corrector", snr=2 / math.sqrt(n)), process, times(process, n))
        for n in (256, 512, 1024)
    ]
    assert slopes(scaled, 2) == pytest.approx(1, rel=0.02)


def test_the_adaptive_solver_keeps_its_tolerance() -> None:
    """Against the exact flow of one Gaussian, x_0 = m + (x_1 − αm) s/√(α²s² + σ²)."""
    process = VP()
    x = np.random.default_rng(0).normal(size=(200, 1))
    α, σ = process.alpha(1.0), process.sigma(1.0)
    wanted = MEAN + (x - α * MEAN) * SPREAD / np.hypot(α * SPREAD, σ)
    spent = []
    for tolerance in (1e-4, 1e-6, 1e-8):
        method = make("ode-rk45", tolerance=tolerance)
        end = run(method, Affine(process), process, x, [1, 0], np.random.default_rng(0))
        assert np.abs(end.x - wanted).max() < 10 * tolerance
        assert np.abs(end.x - wanted).max() > 1e-3 * tolerance, "no more than asked for"
        spent.append(end.evaluations)
    cost = math.log(spent[2] / spent[1]) / math.log(100)  # order 5: tolerance^(−1/5)
    assert 0.1 < cost < 0.25


# --- the exact law of a method


def test_the_law_of_one_step_by_hand() -> None:
    process, t, s = OU(3.0), 0.5, 0.3
    law = gaussian_law.follow(
        make("euler-maruyama"), Affine(process), process, 0.4, 2.0, np.array([t, s])
    )
    v = (process.alpha(t) * SPREAD) ** 2 + process.sigma(t) ** 2
    A, b = 1 + 0.2 * (3 - 6 / v), 0.2 * 6 * process.alpha(t) * MEAN / v
    assert law == pytest.approx((0.4 * A + b, 2 * A**2 + 0.2 * 6, 1), rel=1e-12)


def test_the_law_is_that_of_samples() -> None:
    """10⁵ points, five steps, two draws a step: mean and spread, false-fail rate 2e-6."""
    process, rng, n = VP(), np.random.default_rng(1), 100_000
    method, grid = make("predictor-corrector", predictor="ancestral"), np.linspace(1, 0.1, 6)
    law = gaussian_law.follow(method, Affine(process), process, 0.5, 4.0, grid)
    found = run(method, Affine(process), process, rng.normal(0.5, 2, (n, 1)), grid, rng)
    assert found.evaluations == law.evaluations == 10
    stats.mean("mean", found.x[:, 0], law.mean)
    stats.mean("variance", (found.x[:, 0] - law.mean) ** 2, law.variance)


def test_a_score_that_is_not_affine_has_no_such_law() -> None:
    score = ExactScore(TWO, OU(3.0))
    with pytest.raises(InputError, match="one Gaussian"):
        gaussian_law.follow(make("ode-euler"), score, OU(3.0), 0.0, 1.0, times(OU(3.0), 10))


# --- identities


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
@pytest.mark.parametrize(("t", "s"), [(1.0, 0.8), (0.5, 0.49), (0.1, 0.0)])
def test_ddim_is_ddpm_at_one_and_eulers_ode_at_zero(process: Process, t: float, s: float) -> None:
    """η = 1: the ancestral step with the same noise. η = 0: Euler for x/α against σ/α, slope ε̂."""
    x = np.random.default_rng(0).normal(0, process.prior_sigma, (50, 2))
    score = ExactScore(song_ermon(), process)
    both = [
        run(make(name, **o), score, process, x, [t, s], np.random.default_rng(1)).x
        for name, o in (("ddim", {"eta": 1.0}), ("ancestral", {}))
    ]
    scale = np.abs(x).max()
    assert both[0] == pytest.approx(both[1], abs=1e-12 * scale)
    α, σ = (lambda t: float(process.alpha(t))), (lambda t: float(process.sigma(t)))
    slope = -σ(t) * score(x, t)
    wanted = α(s) * (x / α(t) + (σ(s) / α(s) - σ(t) / α(t)) * slope)
    got = run(make("ddim"), score, process, x, [t, s], np.random.default_rng(1)).x
    assert got == pytest.approx(wanted, abs=1e-12 * scale)
    assert np.abs(got - both[0]).max() > 1e-3 * abs(t - s) * scale or s == 0


@pytest.mark.parametrize("chain", [Ladder.ddpm(np.linspace(1e-4, 0.5, 20)),
                                   Ladder.langevin(np.linspace(0.05, 0.2, 20))])  # fmt: skip
def test_ancestral_is_the_backward_kernel_with_the_denoised_point(chain: Ladder) -> None:
    """A x_{k+1} + B E[x_0 | x_{k+1}] + s z with the A, B, s of `chain`; also as backward-chain."""
    process, x = Steps(chain), np.random.default_rng(0).normal(0, 1, (50, 2))
    score = ExactScore(song_ermon(), process)
    for k in (0, 7, 19):
        t, s = (k + 1) / 20, k / 20
        z = np.random.default_rng(1).standard_normal(x.shape)
        clean = song_ermon().denoised(x, chain.α[k + 1], chain.σ[k + 1])
        A, B, spread = (v[k] for v in chain.backward)
        for name in ("ancestral", "backward-chain"):
            got = run(make(name), score, process, x, [t, s], np.random.default_rng(1)).x
            assert got == pytest.approx(A * x + B * clean + spread * z, abs=1e-11)


def test_the_first_series_of_the_backward_chain_is_euler_maruyama() -> None:
    """On OU of duration Kγ, at the chain's own score: (1 + γ)x + 2γ score + √(2γ) z."""
    chain = Steps(Ladder.langevin(np.full(8, 0.05)))
    score = ExactScore(song_ermon(), chain)
    x = np.random.default_rng(0).normal(0, 1, (50, 2))
    first = make("backward-chain", expansion=1)
    a = run(first, score, chain, x, chain.times, np.random.default_rng(1)).x
    b = run(make("euler-maruyama"), score, OU(0.4), x, chain.times, np.random.default_rng(1)).x
    assert a == pytest.approx(b, abs=1e-11)


def test_ddim_is_exact_on_one_point() -> None:
    """ε̂ is then constant along the path: any steps lead to the point."""
    process, at = VP(), np.array([2.0, -1.0])

    def score(x, t):
        return (process.alpha(t) * at - x) / process.sigma(t) ** 2

    x = np.random.default_rng(0).normal(size=(20, 2))
    for grid in ([1, 0], [1, 0.3, 0.1, 0]):
        end = run(make("ddim"), score, process, x, grid, np.random.default_rng(0))
        assert end.x == pytest.approx(np.tile(at, (20, 1)), abs=1e-12)


def test_a_corrector_without_corrections_is_its_predictor() -> None:
    score, x = ExactScore(TWO, VP()), np.random.default_rng(0).normal(size=(30, 1))
    for name in ("euler-maruyama", "ancestral"):
        bare = make("predictor-corrector", predictor=name, corrections=0)
        ends = [run(m, score, VP(), x, times(VP(), 9), np.random.default_rng(1))
                for m in (bare, make(name))]  # fmt: skip
        assert np.array_equal(ends[0].x, ends[1].x)
        assert ends[0].evaluations == ends[1].evaluations == 9


# --- the three marginals

N, STEPS = 20_000, 500
BIAS = 0.004  # of a CDF by 500 steps; 0.002 is the largest seen against 4000


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_forward_reverse_and_flow_have_the_exact_marginals(process: Process) -> None:
    """On two modes of weights 0.2 and 0.8: Kolmogorov–Smirnov at three times each, false-fail rate
    9e-6 in all, detects 0.03 in a CDF. The slide's ODE without ½ is caught
    (docs/errata.md, G.probability-flow)."""
    rng, score = np.random.default_rng(2), ExactScore(TWO, process)

    def law(t: float):
        return TWO.at(process.alpha(t), process.sigma(t))

    def check(k: int, t: float, x: np.ndarray) -> None:
        if k % (STEPS // 2) == 0:
            stats.same_law(f"{name} at {t:g}", x, lambda y: gaussian_law.cdf(law(t), y), bias=BIAS)

    rising = times(process, STEPS)[::-1]
    name = "forward SDE"
    forward(process, law(0.0).sample(N, rng), rising, rng, check)
    start = law(1.0).sample(N, rng)
    for name in ("euler-maruyama", "ode-heun"):
        run(make(name), score, process, start, rising[::-1], rng, check)
    name = "the slide's ODE"
    with pytest.raises(stats.ClaimError, match="slide"):
        run(Printed(), score, process, start, rising[::-1], rng, check)


class Printed(base.Method):
    """dX/dt = f X − g² score: [G]'s slide, without the ½."""

    def step(self, model, x, t, s, rng):
        return x + (t - s) * model.reverse_drift(x, t, 1.0)


@pytest.mark.parametrize("name", ["ancestral", "ddim", "predictor-corrector"])
def test_the_others_end_in_the_data(name: str) -> None:
    """VP, 500 steps, two modes: as above, false-fail rate 1e-6 each."""
    rng, process = np.random.default_rng(3), VP()
    start = TWO.at(process.alpha(1.0), process.sigma(1.0)).sample(N, rng)
    end = run(make(name), ExactScore(TWO, process), process, start, times(process, STEPS), rng)
    stats.same_law(name, end.x, lambda y: gaussian_law.cdf(TWO, y), bias=0.01)


# --- Langevin


def test_langevin_keeps_the_weights_of_its_start_and_annealed_finds_those_of_the_data() -> None:
    """Song & Ermon's mixture, start uniform on [−8, 8]². Langevin: no walker of 2000 leaves
    the mode it has reached. Annealed: 0.8 but for 0.008 of walkers (of 100,000) that noise no
    longer carries across; false-fail rate 1e-6, detects 0.08."""
    rng, n, mixture = np.random.default_rng(4), 2000, song_ermon()
    ladder = VE(0.5, 10.0)
    start = rng.uniform(-8, 8, (n, 2))

    def upper(x):
        return x.sum(axis=1) > 0

    seen: dict[int, np.ndarray] = {}
    score = ExactScore(mixture, ladder)
    plain = run(make("langevin"), lambda x, t: mixture.score(x), ladder, start, times(ladder, 500),
                rng, lambda k, t, x: seen.update({k: upper(x)}))  # fmt: skip
    assert np.array_equal(seen[100], upper(plain.x))
    assert np.mean(upper(start) == upper(plain.x)) > 0.98
    assert plain.evaluations == 500
    annealed = make("annealed-langevin", steps=50)
    end = run(annealed, score, ladder, start, times(ladder, 20), rng)
    stats.mean("upper mode", upper(end.x), 0.8, bias=0.01)
    with pytest.raises(stats.ClaimError):
        stats.mean("upper mode", upper(plain.x), 0.8, bias=0.01)
    assert end.evaluations == 1000


def test_annealed_langevin_takes_the_steps_of_algorithm_1() -> None:
    """With a score of zero a step is √α_i z: the largest noise comes first."""
    ladder, moves = VE(0.5, 8.0), []
    grid = times(ladder, 4)

    def score(x, t):
        moves.append((t, x.copy()))
        return np.zeros_like(x)

    class Ones:
        def standard_normal(self, size, dtype):
            return np.ones(size, dtype)

    method = make("annealed-langevin", epsilon=0.04, steps=2)
    end = run(method, score, ladder, np.zeros((1, 1)), grid, Ones())
    levels = [t for t, _ in moves]
    assert levels == np.repeat(grid[1:], 2).tolist()
    x = np.array([m[1].item() for m in moves] + [end.x.item()])
    wanted = np.sqrt(0.04) * ladder.sigma(np.array(levels)) / 0.5
    assert np.diff(x) == pytest.approx(wanted, rel=1e-12)


def test_langevin_on_a_gaussian_has_the_unadjusted_law() -> None:
    """Stationary variance s²/(1 − h/2s²), exact."""
    process, h = VE(1e-3, 1.0), 0.1
    law = gaussian_law.follow(
        make("langevin", h=h), Affine(process), process, 0.0, 1.0, times(process, 400)
    )
    v = SPREAD**2 + 1e-6
    assert law[:2] == pytest.approx((MEAN, v / (1 - h / (2 * v))), rel=1e-9)


# --- laws on the line


def test_distance_to_a_mixture_on_the_line() -> None:
    """W1 of shifted quantiles is the shift; of quantiles next to nothing; of two points by hand."""
    x = gaussian_law.quantiles(TWO, 20_000)
    assert gaussian_law.cdf(TWO, x) == pytest.approx((np.arange(20_000) + 0.5) / 20_000, abs=1e-7)
    assert gaussian_law.distance(x, TWO) < 5e-4  # 13/4n and the tails
    assert gaussian_law.distance(x + 0.3, TWO) == pytest.approx(0.3, rel=1e-3)
    normal = Gaussians(np.ones(1), np.zeros((1, 1)), np.ones(1))
    y = np.linspace(-9, 9, 200_001)
    F = ((y > -1) * 0.5 + (y > 2) * 0.5) - gaussian_law.cdf(normal, y)
    wanted = float(np.abs(F).sum() * (y[1] - y[0]))
    found = gaussian_law.distance(np.array([2.0, -1.0]), normal)
    assert found == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(InputError, match="one dimension"):
        gaussian_law.cdf(song_ermon(), x)


# --- the loop


@pytest.mark.parametrize("name", [n for n in registry() if n != "backward-chain"])
def test_every_method_keeps_shape_dtype_and_start(name: str) -> None:
    """Images in float32 stay so, and the start is not written to."""
    x = np.random.default_rng(0).normal(size=(3, 4, 4)).astype(np.float32)
    kept, seen, calls = x.copy(), [], []

    def score(y, t):
        assert y.dtype == np.float32
        assert isinstance(t, float)
        calls.append(t)
        return -y

    process, grid = VP(), np.linspace(1, 0.2, 5)
    end = run(make(name), score, process, x, grid, np.random.default_rng(1),
              lambda k, t, y: seen.append((k, t, y.shape, y.dtype)))  # fmt: skip
    assert end.x.dtype == np.float32
    assert end.x.shape == x.shape
    assert np.array_equal(x, kept)
    assert end.evaluations == len(calls)
    assert seen == [(k, t, x.shape, np.float32) for k, t in enumerate(grid.tolist())]


def test_evaluations_a_step() -> None:
    x, process = np.zeros((2, 1)), OU(3.0)
    wanted = {"ode-heun": 2, "predictor-corrector": 2, "annealed-langevin": 10}
    for name in set(registry()) - {"ode-rk45", "backward-chain"}:
        end = run(
            make(name), Affine(process), process, x, [0.9, 0.6, 0.3], np.random.default_rng(0)
        )
        assert end.evaluations == 2 * wanted.get(name, 1), name


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: make("ddmi"), "did you mean ddim"),
        (lambda: make("ddim", η=1), "unknown option"),
        (lambda: make("ddim", eta=1.5), "must be 0 to 1"),
        (lambda: make("ddim", eta="x"), "must be a number"),
        (lambda: make("langevin", h=-1.0), "h > 0"),
        (lambda: make("ode-rk45", tolerance=0.0), "tolerance > 0"),
        (lambda: make("annealed-langevin", steps=0), "steps > 0"),
        (lambda: make("predictor-corrector", predictor="nope"), "unknown"),
        (lambda: make("predictor-corrector", predictor="predictor-corrector"), "another"),
        (lambda: make("predictor-corrector", corrections=-1), "0 or more"),
        (lambda: make("backward-chain", expansion=3), "0 .exact., 1 or 2"),
        (lambda: walk("ddim", [1.0]), "two times or more"),
        (lambda: walk("ddim", [0.0, 1.0]), "must fall"),
        (lambda: walk("ddim", [1.0, 1.0, 0.0]), "must fall"),
        (lambda: walk("ddim", [1.0, math.nan]), "must fall"),
        (lambda: walk("ddim", [2.0, 0.0]), "must fall"),
        (lambda: walk("annealed-langevin", [1.0, 0.0]), "σ > 0"),
        (lambda: walk("backward-chain", [1.0, 0.0]), "chain of discrete steps"),
        (lambda: walk("backward-chain", [1.0, 0.0], CHAIN), "every step"),
        (lambda: walk("ancestral", [1.0, 0.3], CHAIN), "must be k/4"),
        (lambda: walk("euler-maruyama", [1.0, 0.75], CHAIN), "backward-chain, ancestral"),
        (lambda: walk("backward-chain", [1.0, 0.75], DDPM, expansion=1), "the lectures' chain"),
        (lambda: forward(OU(), np.zeros((1, 1)), [1.0, 0.0], np.random.default_rng(0)), "rise"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(call, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


CHAIN = Steps(Ladder.langevin(np.full(4, 0.1)))
DDPM = Steps(Ladder.ddpm(np.full(4, 0.1)))


def walk(name: str, grid: list[float], process: Process | None = None, **options) -> None:
    x, process = np.zeros((1, 1)), process or OU(3.0)
    run(make(name, **options), lambda x, t: -x, process, x, grid, np.random.default_rng(0))


def test_two_methods_of_one_name_are_refused(monkeypatch) -> None:
    from toyflows.diffusion.methods import ddim

    monkeypatch.setattr(ddim.DDIM, "name", "ancestral")
    base.registry.cache_clear()
    try:
        with pytest.raises(RuntimeError, match=r"ancestral.*and.*ddim"):
            registry()
    finally:
        monkeypatch.undo()
        base.registry.cache_clear()
    assert "ddim" in registry()


def test_the_model_counts() -> None:
    model = Model(lambda x, t: -x, OU(3.0), 0.0)
    assert replace(model, end=0.5).evaluations == 0
    model.reverse_drift(np.ones((1, 1)), 0.5, 1.0)
    assert model.evaluations == 1
