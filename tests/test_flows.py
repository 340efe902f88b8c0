"""The contract of every method in the folder, present and future; then what each of them is known
to do. The parametrised tests read the registry: a file dropped into flows/ is tested too."""

from __future__ import annotations

import dataclasses
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from toyflows import solve, stats
from toyflows.backends.base import KERNELS
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.errors import Diverged, InputError
from toyflows.flows import Flow, equation, make, registry
from toyflows.target import Target

NAMES = list(registry())
OPTIONS = [
    ("nce", {"normalised": True}),
    ("nce", {"learn_c": True}),
    ("nce", {"mu": 0.8}),
    ("cd", {"k": 3, "h": 0.03}),
    ("cd", {"k": 2, "kernel": "mala"}),
    ("denoising", {"model": "noised"}),
    ("pcd", {"kernel": "mala"}),
    ("bregman", {"generator": "kl"}),
    ("bregman", {"generator": "power", "alpha": 0.3}),
    ("wasserstein", {"p": 2}),
    ("gan", {"loss": "non-saturating", "penalty": 0.2}),
    ("gan", {"loss": "wasserstein"}),
    ("gan", {"dirac": True}),
    ("short-run", {"k": 5, "noise": 2.0, "h": 0.03}),
    ("replay-buffer", {"buffer": 3, "fresh": 0.4, "k": 2, "h": 0.03}),
]
METHODS = [(name, {}) for name in NAMES] + OPTIONS
SLOW = {"score-matching": 1e-23, "denoising": 1e-12, "multi-noise": 5e-3}  # |θ̇| at d = 20
SLOW |= {"short-run": 3.5e-3, "replay-buffer": 3.5e-3}  # < κ/2, κ = φ(Φ⁻¹(q*))/(ds), s ≤ 2


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    """A frozen dataclass with defaults, an equation first, at most 60 lines of code a method."""
    cls = registry()[name]
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen
    assert all(f.default is not dataclasses.MISSING for f in dataclasses.fields(cls))
    assert "θ̇ =" in equation(cls)
    assert cls.title


@pytest.mark.parametrize(("name", "options"), METHODS, ids=str)
@pytest.mark.parametrize("d", [5.0])
def test_backends_agree(name: str, options: dict, d: float) -> None:
    """After three steps from one θ, the walkers' mean θ̇ over independent replicas is the grid's.

    Student's test at a false-fail rate of 1e−6 each; the replicas' spread makes it detect less than
    1 % of the responsibility's range. Three steps: the particles have moved, and θ with them, whose
    noise enters the mean at order 1/N = 1e−4 of that spread.
    """
    target, flow, replicas = Target.exact(0.9, d), make(name, **options), 24
    if not flow.sampled:
        return
    exact = solve.run(flow, Grid(target, 0.1), 0.3, 3, rate=2.0)
    runs = [
        solve.run(flow, Walkers(target, 0.1, 10_000, seed=s), 0.3, 3, rate=2.0)
        for s in range(replicas)
    ]
    for k in range(4):
        velocities = [run.velocity[k] for run in runs]
        checked = stats.mean(f"velocity at step {k}", velocities, exact.velocity[k], bias=2e-6)
        assert checked.detects < 0.01 * max(1.0, d)
    if flow.has_negatives:
        stats.mean("mode_b", [run.mode_b[3] for run in runs], exact.mode_b[3], bias=2e-6)


@pytest.mark.parametrize(("name", "options"), METHODS, ids=str)
@pytest.mark.parametrize("d", [6.0, 10.0, 20.0])
@pytest.mark.parametrize("θ", [-3.0, 0.0, 2.5])
def test_theory_is_the_grid_within_its_stated_error(name, options, d, θ) -> None:
    """|velocity − separated| ≤ separated_error at the start of a run, for every closed form."""
    target, flow = Target.exact(-math.log(4), d), make(name, **options)
    extra = flow.extra(target, θ)
    told = flow.separated(target, θ, θ, **extra)
    if told is None:  # a method may have no closed form
        return
    exact = solve.run(flow, Grid(target, 0.05), θ, 1).velocity[0]
    bound = flow.separated_error(target, θ)
    assert abs(exact - np.atleast_1d(told)[0]) <= bound * (1 + 1e-9) + 5e-15
    assert bound < 0.5


# A subnormal product raises in the tests.
NEAR_AND_FAR = st.floats(-8, 8).map(lambda θ: θ if abs(θ) > 1e-200 else 0.0)
MORE = [
    ("nce", {"mu": -5.0}),
    ("nce", {"mu": 5.0, "normalised": True}),
    ("nce", {"mu": 3.0, "learn_c": True}),
    ("bregman", {"generator": "power", "alpha": 0.9}),
    ("bregman", {"generator": "power", "alpha": 0.05}),
    ("short-run", {"k": 1}),
    ("short-run", {"k": 30, "noise": 0.5, "kernel": "mala"}),
]


@pytest.mark.parametrize(("name", "options"), METHODS + MORE, ids=str)
@settings(deadline=None, max_examples=15)
@given(
    d=st.floats(0.5, 60.0),
    θ_star=NEAR_AND_FAR,
    θ=NEAR_AND_FAR | st.none(),
    dt=st.floats(0.01, 0.5),
)
def test_every_stated_error_is_a_bound(name, options, d, θ_star, θ, dt) -> None:
    """|velocity − separated| ≤ separated_error of all rates, from the start on (None: at θ*), up to
    the round-off of energies of d², 2e−16 d², and the tails that a grid leaves out: 1.2e−15 beyond
    8 deviations, times x²."""
    target, flow = Target.exact(θ_star, d), make(name, **options)
    θ = θ_star if θ is None else θ
    extra = flow.extra(target, θ)
    told, bound = flow.separated(target, θ, θ, **extra), flow.separated_error(target, θ)
    if told is None or math.isnan(bound):
        return
    grid = Grid(target, dt)
    particles = flow.negatives(grid, θ, flow.init(grid, θ))
    wrong = np.abs(np.subtract(flow.velocity(grid, θ, particles, **extra), told))
    assert np.all(wrong <= bound * (1 + 1e-9) + 1e-13 + 2e-16 * d * d)


@pytest.mark.parametrize(("name", "options"), METHODS, ids=str)
def test_fixed_points_are_where_they_are_said_to_be(name: str, options: dict) -> None:
    """At the stated fixed point, with the extra coordinates at rest too, all rates (θ̇ and theirs)
    are exponentially small; elsewhere they are not."""
    target, flow = Target.exact(1.1, 20.0), make(name, **options)
    there = flow.fixed_point(target)
    if there is None:
        return
    extra = flow.extra(target, there) | flow.rest(target)

    def fastest(θ: float) -> float:
        ops = Grid(target, 0.05)
        particles = flow.negatives(ops, θ, flow.init(ops, θ))
        return float(np.max(np.abs(flow.velocity(ops, θ, particles, **extra))))

    error = flow.separated_error(target, there)
    assert fastest(there) < max(1e-14, 0.0 if math.isnan(error) else error)
    assert fastest(there + 0.5) > SLOW.get(name, 0.01)


# ------------------------------------------------------------------ the lecture's four messages
def test_maximum_likelihood_reaches_theta_star() -> None:
    for θ_star in (-1.4, 0.0, 1.4, 3.0):
        steps = round(16 / (Target.exact(θ_star).q_star * (1 - Target.exact(θ_star).q_star)) / 0.2)
        run = solve.run(make("ml"), Grid(Target.exact(θ_star), 0.2), 0.5, steps)
        assert run.θ[-1] == pytest.approx(θ_star, abs=1e-6)


@pytest.mark.parametrize(
    ("d", "θ_star", "θ"), [(4, 1.4, 0.0), (8, -2.0, 3.0), (14, 1.4, 0.0), (20, -2.0, 3.0)]
)
def test_score_matching_is_exact_at_every_size(d: int, θ_star: float, θ: float) -> None:
    """θ̇ on the grid against 40-digit quadrature of the Fisher divergence's derivative, to 1e−6 of
    itself (1e−21 at d = 20: no cancellation), and against the docstring's closed form."""
    target = Target.exact(θ_star, float(d))
    ours = solve.run(make("score-matching"), Grid(target, 0.05), θ, 1).velocity[0]
    with mp.workdps(40):
        a, b, s, t = mp.mpf(-d) / 2, mp.mpf(d) / 2, mp.mpf(θ_star), mp.mpf(θ)

        def fisher(x):
            """2ρ_* (s_θ − s_*) ∂_θ s_θ, with s_θ − s_* = d (r_θ − r_*)"""
            r, r_star = 1 / (1 + mp.exp(t - d * x)), 1 / (1 + mp.exp(s - d * x))
            bump = mp.exp(-((x - a) ** 2) / 2) + mp.exp(-s - (x - b) ** 2 / 2)
            return (
                2
                * d
                * d
                * (r - r_star)
                * r
                * (1 - r)
                * bump
                / ((1 + mp.exp(-s)) * mp.sqrt(2 * mp.pi))
            )

        wanted = mp.quad(fisher, mp.linspace(-d / 2 - 8, d / 2 + 8, 8 * d + 41))
        integral = mp.quad(lambda x: mp.exp(-x * x / 2) * mp.sech((d * x - t) / 2) ** 3,
                           mp.linspace(-8, 8, 161))  # fmt: skip
        closed = (d * d * mp.exp(-mp.mpf(d * d) / 8) * mp.sinh((s - t) / 2)
                  / (4 * mp.sqrt(2 * mp.pi) * mp.cosh(s / 2)) * integral)  # fmt: skip
    assert ours == pytest.approx(float(wanted), rel=1e-6, abs=0)
    assert ours == pytest.approx(float(closed), rel=1e-6, abs=0)


PAIRS = [(-math.log(4), 0.0), (1.4, 0.0), (1.4, -2.0), (0.3, 1.7), (-2.5, 2.5)]


@pytest.mark.parametrize(("θ_star", "mu"), PAIRS)
def test_nce_ends_at_the_corrected_fixed_point(θ_star: float, mu: float) -> None:
    """θ* + log((1+e^{−θ*})/(1+e^{−μ})) to 1e−6, and not the printed μ + log(…)."""
    bias = math.log((1 + math.exp(-θ_star)) / (1 + math.exp(-mu)))
    run = solve.run(make("nce", mu=mu), Grid(Target.exact(θ_star), 0.5), 0.0, 800)
    assert run.θ[-1] == pytest.approx(θ_star + bias, abs=1e-6)
    assert abs(run.θ[-1] - (mu + bias)) > 0.1
    if (θ_star, mu) == PAIRS[0]:
        assert run.θ[-1] == pytest.approx(-0.4700, abs=5e-5)


@pytest.mark.parametrize(("θ_star", "mu"), PAIRS[::2])
@pytest.mark.parametrize("cure", ["normalised", "learn_c"])
def test_the_cures_of_nce_reach_theta_star(θ_star: float, mu: float, cure: str) -> None:
    """θ → θ* to 1e−6; a learned c ends at the bias it removes."""
    flow = make("nce", mu=mu, **{cure: True})
    run = solve.run(flow, Grid(Target.exact(θ_star), 1.0), 0.0, 4000, rate=2.0, every=4000)
    assert run.θ[-1] == pytest.approx(θ_star, abs=1e-6)
    if cure == "learn_c":
        bias = math.log((1 + math.exp(-θ_star)) / (1 + math.exp(-mu)))
        assert run.extra["c"][-1] == pytest.approx(bias, abs=1e-6)


@pytest.mark.parametrize(("θ_star", "θ0"), [(-math.log(4), 0.0), (1.4, 0.0), (0.0, 2.0)])
def test_pcd_drifts_at_its_initial_error(θ_star: float, θ0: float) -> None:
    """θ̇ = p_b(θ0) − q* to 1e−12 on the grid while |θ| is small; on walkers the same with their own
    initial share of b, which is binomial, and no walker crosses."""
    target, n = Target.exact(θ_star), 40_000
    grid = solve.run(make("pcd"), Grid(target, 0.05), θ0, 400)
    wanted = target.mixture.weight_b(θ0) - target.q_star
    assert np.max(np.abs(grid.velocity - wanted)) < 1e-12
    run = solve.run(make("pcd"), Walkers(target, 0.05, n), θ0, 400)
    share = run.mode_b[0]
    stats.proportion("walkers in b", round(share * n), n, target.mixture.weight_b(θ0))
    assert np.max(np.abs(run.velocity - (share - target.q_star))) < 1e-9
    assert run.crossings[-1] == 0


def test_walkers_turn_where_the_grid_turns() -> None:
    """First turning point at d = 8: mean over 16 replicas against the grid (false-fail rate 1e−6
    each; it detects 0.3 in t and 0.15 in θ; the noise's own bias is of order 1/N)."""
    target, steps = Target.exact(-math.log(4), 8.0), 1600
    exact = solve.run(make("pcd"), Grid(target, 0.05), 0.0, steps)
    k = int(np.argmin(exact.θ))
    turns = []
    for seed in range(16):
        run = solve.run(make("pcd"), Walkers(target, 0.05, 20_000, seed), 0.0, steps)
        j = int(np.argmin(run.θ))
        turns.append((run.t[j], run.θ[j]))
    t, θ = np.array(turns).T
    assert stats.mean("t", t, exact.t[k], bias=0.05).detects < 1.5
    assert stats.mean("θ", θ, exact.θ[k], bias=0.01).detects < 0.3


def test_cd_1_is_score_matching_times_half_the_step() -> None:
    """CD-1's drift over (h/2) × `score-matching` tends to 1 at order 1 in h (Hyvärinen 2007):
    within 1 % at h = 1e−4, and the rest falls with the step."""
    target = Target.exact(1.4, 4.0)
    for θ in (0.0, 2.5):
        grid = Grid(target, 0.05)
        score = solve.velocity(make("score-matching"), grid, θ)
        rest = [
            solve.velocity(make("cd", h=h), grid, θ) / (h / 2 * score) - 1 for h in (4e-4, 1e-4)
        ]
        assert abs(rest[1]) < 0.01
        assert rest[0] / rest[1] == pytest.approx(4, rel=0.05)


def test_cd_k_tends_to_maximum_likelihood_past_the_mixing_time() -> None:
    """At d = 4 the drift of CD-k grows with k and ends at ML's, up to the O(h) of the kernel."""
    target, θ = Target.exact(1.4, 4.0), 0.0
    grid = Grid(target, 0.05)
    ml = solve.velocity(make("ml"), grid, θ)
    shares = [solve.velocity(make("cd", k=k), grid, θ) / ml for k in (1, 10, 100, 1000)]
    assert np.all(np.diff(shares) > 0)
    assert shares[0] < 0.02
    assert shares[-1] == pytest.approx(1, abs=0.01)


def test_cd_does_not_learn_at_the_lectures_separation() -> None:
    """At d = 20 even CD-100 moves θ by less than 1e−9: no chain leaves its mode."""
    run = solve.run(make("cd", k=100), Grid(Target.exact(1.4), 0.05), 0.0, 1)
    assert abs(run.velocity[0]) < 1e-9


# ------------------------------------------------------------------ running, resuming, refusing
def clouds(state) -> tuple:
    """The persistent particles of a state: none, one cloud, or a ladder of them."""
    chains = state.chains
    return chains if isinstance(chains, tuple) else () if chains is None else (chains,)


@pytest.mark.parametrize(("name", "options"), METHODS, ids=str)
@pytest.mark.parametrize("kind", [Grid, Walkers])
def test_a_resumed_run_is_the_uninterrupted_one(name, options, kind) -> None:
    target, flow = Target.exact(1.4, 6.0), make(name, **options)
    if not flow.sampled and kind is Walkers:
        return
    backend = kind(target, 0.05) if kind is Grid else Walkers(target, 0.05, 3_000, seed=4)
    whole = solve.run(flow, backend, 0.1, 50, every=7)
    first = solve.run(flow, backend, 0.1, 23, every=7)
    kept = [cloud.x.copy() for cloud in clouds(first.state)]
    both = first.then(solve.run(flow, backend, steps=27, every=7, state=first.state))
    multiples = both.t / 0.05 % 7 < 1e-6
    multiples[-1] = True
    for column in ("t", "θ", "velocity", "mode_b", "crossings"):
        ours, theirs = getattr(both, column)[multiples], getattr(whole, column)
        assert np.array_equal(ours, theirs, equal_nan=True), column
    for column in ("extra", "seen"):
        ours, theirs = getattr(both, column), getattr(whole, column)
        assert list(ours) == list(theirs)
        assert all(
            np.array_equal(ours[name][multiples], theirs[name], equal_nan=True) for name in ours
        )
    for ours, theirs in zip(clouds(both.state), clouds(whole.state), strict=True):
        assert np.array_equal(ours.x, theirs.x)
        assert np.array_equal(ours.weights, theirs.weights)
    for ours, x in zip(clouds(first.state), kept, strict=True):
        assert np.array_equal(ours.x, x), "a state was changed in place"


FUSED = [(n, {"kernel": k}) for n in NAMES for k in KERNELS
         if (registry()[n].fused, k) in Walkers.sweeps]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), FUSED, ids=str)
def test_the_fused_kernel_is_the_flows_own_step(name: str, options: dict) -> None:
    """Bit for bit: Walkers.persistent against step() of the flow's file; with weights, whose form
    there is another one, to 1e−12."""
    target, flow = Target.exact(1.4, 7.0), make(name, **options)
    backend = Walkers(target, 0.05, 5_000, seed=2)
    fused = solve.run(flow, backend, 0.2, 60)
    state, seen = flow.begin(backend, 0.2), []
    for _ in range(60):
        state, info = flow.step(backend, state, 0.05)
        seen.append(info)
    weighted = state.chains.logw is not None
    for ours, theirs in (
        (state.θ, fused.θ[-1]),
        (state.chains.x, fused.state.chains.x),
        ([i.velocity for i in seen], fused.velocity[:-1]),
        ([i.mode_b for i in seen], fused.mode_b[:-1]),
        *(([i.seen[name] for i in seen], column[:-1]) for name, column in fused.seen.items()),
    ):
        assert np.max(np.abs(np.subtract(ours, theirs))) <= (1e-12 if weighted else 0.0)
    assert list(fused.seen) == list(seen[0].seen)


def test_a_run_does_not_depend_on_how_it_is_cut_into_calls(monkeypatch) -> None:
    """60 steps in one kernel call or in 9, on one thread or on two that take turns."""
    target, flow = Target.exact(1.4, 5.0), make("pcd")
    whole = solve.run(flow, Walkers(target, 0.05, 3_000, 7), 0.2, 60)
    monkeypatch.setattr("toyflows.backends.walkers.WALKER_STEPS_A_CALL", 7 * 3_000)
    told = []
    cut = solve.run(flow, Walkers(target, 0.05, 3_000, 7, threads=2), 0.2, 60, progress=told.append)
    assert told == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    for column in ("t", "θ", "velocity", "mode_b", "crossings"):
        assert np.array_equal(getattr(cut, column), getattr(whole, column)), column
    assert np.array_equal(cut.state.chains.x, whole.state.chains.x)


def test_a_changed_step_is_not_fused() -> None:
    """A subclass of a fused flow that changes its step does not get the old kernel."""

    class Louder(registry()["pcd"]):
        name = ""

        def velocity(self, ops, θ, negatives, **extra):
            return 2 * super().velocity(ops, θ, negatives)

    assert registry()["pcd"].fused
    assert not Louder.fused


class Explodes(Flow):
    """θ̇ = 1 + θ²: infinite after a time of π/2."""

    name = "explodes"

    def velocity(self, ops, θ, negatives, **extra):
        return 1 + θ * θ


@pytest.mark.parametrize("bad", [lambda θ: 1 + θ * θ, lambda θ: math.nan])
def test_a_diverging_run_stops_and_says_where(bad) -> None:
    flow = Explodes()
    object.__setattr__(flow, "velocity", lambda ops, θ, negatives, **extra: bad(θ))
    with pytest.raises(Diverged, match=r"diverged at step \d+ \(t = ") as caught:
        solve.run(flow, Grid(Target.exact(1.4), 0.05), 0.0, 2000)
    assert caught.value.step < 60


def test_two_flows_of_one_name_are_refused(monkeypatch, tmp_path) -> None:
    """The error names both modules."""
    import shutil
    import sys
    from pathlib import Path

    import toyflows.flows as package
    from toyflows.flows import base

    copy = tmp_path / "flows"
    shutil.copytree(Path(base.__file__).parent, copy)
    (copy / "zz_again.py").write_text((copy / "ml.py").read_text())
    monkeypatch.setattr(base, "__file__", str(copy / "base.py"))
    monkeypatch.setattr(package, "__path__", [str(copy), *package.__path__])
    try:
        with pytest.raises(
            RuntimeError, match=r"toyflows\.flows\.ml and toyflows\.flows\.zz_again"
        ):
            registry.__wrapped__()
    finally:
        sys.modules.pop("toyflows.flows.zz_again", None)


def test_options_are_read_by_the_type_of_their_default() -> None:
    assert make("nce", mu="1").mu == 1.0
    assert make("nce", learn_c="true").learn_c is True
    for options, said in (
        ({"mu": "x"}, "must be a number"),
        ({"mu": "nan"}, "must be a number"),
        ({"mu": math.inf}, "finite"),
        ({"mu": "1e3"}, "300"),
        ({"learn_c": "1"}, "true or false"),
        ({"learn": "true"}, "did you mean learn_c"),
        ({"learn_c": True, "normalised": True}, "one cure"),
    ):
        with pytest.raises(InputError, match=said):
            make("nce", **options)
    for options in ({"k": 0}, {"k": "2.5"}, {"h": -1.0}, {"h": 2.0}):
        with pytest.raises(InputError, match="must be"):
            make("cd", **options)
    with pytest.raises(InputError, match="did you mean score-matching"):
        make("score_matching")


def test_crossings_are_counted_alike_and_predicted_by_the_grid() -> None:
    """At d = 3 walkers cross all the time: kernel and step() count the same, and their number per
    step is the exact law's probability to change sides (binomial, false-fail rate 1e−6)."""
    target, n, flow = Target.exact(0.4, 3.0), 40_000, make("pcd")
    backend = Walkers(target, 0.05, n, seed=6)
    run = solve.run(flow, backend, 0.2, 40)
    state, count = flow.begin(backend, 0.2), 0.0
    for k in range(40):
        assert run.crossings[k] == count
        after, _ = flow.step(backend, state, 0.05)
        count += backend.crossed(state.chains, after.chains)
        state = after
    assert run.crossings[-1] == count
    grid = Grid(target, 0.05)
    law, side = grid.model(0.2), grid.x > grid.mixture.m
    with np.errstate(under="ignore"):
        leaves = law.weights @ (grid.transition(0.2) * (side[:, None] != side[None, :])).sum(axis=1)
    centre = 0.5 * law.weights[grid.x == grid.mixture.m].sum()  # the node at m is on both sides
    crossed = int(run.crossings[1])
    assert abs(crossed / n - leaves) < 5 * math.sqrt(leaves / n) + 2 * centre
    assert crossed > 100


# ------------------------------------------------------------------ the lecture's curves
def test_theory_solves_its_equation() -> None:
    """PCD's line; ML's t(θ), the integral of dθ/(p_b(θ) − q*) in closed form; and score matching's
    t(θ) by quadrature."""
    target = Target.exact(1.4, 3.0)
    q = target.q_star
    t = np.arange(401) * 0.05

    def path(name: str, rate: float = 2.0) -> np.ndarray:
        return solve.lecture(make(name), target, 0.3, 0.05, 400, rate).θ

    assert path("pcd") == pytest.approx(0.3 + 2 * t * (1 / (1 + math.exp(0.3)) - q), abs=1e-12)
    flow, end = make("score-matching"), path("score-matching")[-1]
    taken = quad(lambda θ: 1 / flow.separated(target, θ, θ), 0.3, end, epsabs=1e-12)[0]
    assert taken / 2 == pytest.approx(t[-1], abs=1e-7)
    u, u0, C = np.exp(path("ml")), math.exp(0.3), 1 - q
    time = (np.log(u / u0) / C - np.log((C - q * u) / (C - q * u0)) / (q * C)) / 2
    assert time == pytest.approx(t, abs=1e-6)


def test_theory_is_of_order_four() -> None:
    """Halving dt divides the error by 16, up to a tenth."""
    target, flow = Target.exact(-2.0, 20.0), make("nce", mu=0.7, learn_c=True)
    ends = [
        solve.lecture(flow, target, 3.0, h, round(8 / h), rate=4.0).θ[-1]
        for h in (0.1, 0.05, 0.025)
    ]
    assert (ends[0] - ends[1]) / (ends[1] - ends[2]) == pytest.approx(16, rel=0.1)
