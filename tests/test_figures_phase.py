"""The phase diagrams: sweeps that ship, the theory's lines against exact runs, four figures."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through
from sweep_engine import Here
from typer.testing import CliRunner

from toyflows import files, solve
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.errors import InputError
from toyflows.figures import (
    _cache,
    _manifest,
    _map,
    phase_chain,
    phase_learning,
    phase_noise,
    phase_pcd,
)
from toyflows.flows import base, make
from toyflows.flows._hysteresis import hazard, round_trip, turning_point
from toyflows.flows.base import Course
from toyflows.method import method as parse
from toyflows.stats import ClaimError, mean
from toyflows.sweep import stored
from toyflows.sweep.plan import Plan
from toyflows.sweep.run import carry_out
from toyflows.target import Target

SHIPPED = ["phase_chain", "phase_learning", "phase_noise", "phase_pcd", "phase_pcd_exact"]
FIGURES = [phase_chain, phase_learning, phase_noise, phase_pcd]
STAR = -math.log(4)


# ------------------------------------------------------------------ sweeps that ship
@pytest.mark.parametrize("name", SHIPPED)
def test_a_stored_sweep_is_what_its_plan_gives(name: str) -> None:
    """Three of its runs that are cheap enough, drawn at random: the verdict, and its numbers up to
    what another class of CPU rounds otherwise."""
    assert stored.names() == SHIPPED
    result = stored.load(name)
    assert (files.PLANS / f"{name}.npz").stat().st_size < 300_000
    plan = result.plan
    settings = [plan.run(k).settings for k in range(plan.runs)]
    chain = [getattr(parse(plan.run(k).settings.loss), "k", 1) for k in range(plan.runs)]
    cheap = [k for k, s in enumerate(settings) if s.steps * chain[k] <= 2000
             and (s.separation <= 8 or s.steps <= 300)]  # fmt: skip
    drawn_runs = np.random.default_rng(5).choice(cheap, 3, replace=False).tolist()
    for k, row in zip(drawn_runs, stored.again(plan, drawn_runs), strict=True):
        for quantity, values in result.values.items():
            was = values.reshape(-1)[k]
            assert _map.equal(was, row[quantity]), (k, quantity, was, row[quantity])


def test_the_sweep_of_another_plan_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(files.PLANS / "phase_pcd_exact.npz", tmp_path / "phase_pcd.npz")
    monkeypatch.setenv("TOYFLOWS_SWEEPS", str(tmp_path))
    with pytest.raises(InputError, match=r"is not what phase_pcd\.toml plans"):
        stored.load("phase_pcd")
    with pytest.raises(InputError, match="unknown; did you mean phase_pcd"):
        stored.load("phase_pdc")


def test_resweep_makes_figures_from_the_new_sweeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`figures all --resweep` sweeps first, says what differs, and leaves the sweeps to be read;
    another sweep is another key in the cache of computations."""
    from toyflows.cli import figures
    from toyflows.figures import _make

    plans, out, made = tmp_path / "plans", tmp_path / "g", []
    plans.mkdir()
    (plans / "tiny.toml").write_text('loss = "pcd"\nbackend = "walkers"\nwalkers = 50\ntime = 1\n'
                                     '[over]\nseparation = [2, 3]\n')  # fmt: skip
    monkeypatch.setattr(files, "PLANS", plans)
    monkeypatch.setattr(stored, "make_engine", lambda *words: Here())
    monkeypatch.setattr(_make, "make", lambda ids, *rest: made.append(files.sweeps_folder()) or [])
    monkeypatch.setenv("TOYFLOWS_SWEEPS", "")
    result = carry_out(Plan.load(plans / "tiny.toml"), plans / "tiny.npz", Here())
    altered = result["verdict"].copy()
    altered[0, 0, 0] = 5 - altered[0, 0, 0]
    arrays = result.to_arrays() | {"verdict": altered}
    np.savez(plans / "tiny.npz", **arrays)
    before = _cache.sources()
    done = CliRunner().invoke(figures.app, ["all", "--resweep", "--out", str(out)])
    assert "tiny: 2 runs, 1 of other verdict than shipped" in done.stdout
    assert made == [out / "sweeps"]
    assert np.array_equal(stored.load("tiny")["verdict"], result["verdict"])
    assert _cache.sources() != before


def test_resweep_refuses_before_it_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toyflows.cli import figures

    monkeypatch.setattr(stored, "make", lambda *words: pytest.fail("swept"))
    words = ["all", "--resweep", "--out", str(tmp_path / "g"), "--format", "gif"]
    assert CliRunner().invoke(figures.app, words).exit_code == 2
    assert not (tmp_path / "g").exists()


def test_stored_runs_are_compared_up_to_rounding() -> None:
    data = _map.kept("phase_learning")
    θ = data["phase_learning/theta"]
    rounded, other = θ * (1 + 1e-9), θ * (1 + 1e-4) + 1e-6
    for changed, unlike in ((θ, 0), (rounded, 0), (other, 5)):
        data["phase_learning/theta"] = changed
        assert _map.unlike(data, "phase_learning", 1.0, 0).tolist() == [unlike, 5]


# ------------------------------------------------------------------ the theory's lines
def course(**other: float) -> Course:
    return Course(**{"θ0": 0.0, "time": 100.0, "dt": 0.1, "rate": 1.0, "walkers": math.inf} | other)


def test_lines_and_verdicts_mean_the_same_numbers() -> None:
    assert phase_pcd.NOISE.endswith(f"= {base.NEAR}")
    assert phase_chain.BIAS.endswith(f"= {base.NEAR}")


@pytest.mark.parametrize(
    ("name", "options", "d"), [("score-matching", {}, 8.0), ("denoising", {"sigma": 2.0}, 16.0)]
)
def test_a_run_as_long_as_the_line_says_has_gone_a_tenth_of_the_way(
    name: str, options: dict, d: float
) -> None:
    """Exact law. Up to what θ̇ falls on the way, 5 %, and the formula's error, of order 1/d²."""
    flow, target = make(name, **options), Target.exact(STAR, d)
    time = 100 * math.exp(-flow.frontiers(target, course())["a tenth of the way"])
    run = solve.run(flow, Grid(target, time / 400), 0.0, 400)
    assert run.θ[-1] / STAR == pytest.approx(0.1, rel=0.08)


@pytest.mark.parametrize("k", [1, 20, 200, 1000])
def test_cds_first_speed_is_what_its_line_says(k: int) -> None:
    """Exact law, chains of 0.05 to 50 at d = 6, τ = 72: within a quarter."""
    flow, target = make("cd", k=k, h=0.05), Target.exact(STAR, 6.0)
    told = math.exp(flow.frontiers(target, course())["a tenth of the way"])
    seen = solve.velocity(flow, Grid(target, 0.1)) * 100 / (0.1 * STAR)
    assert seen == pytest.approx(told, rel=0.25)


def test_leading_order_is_the_limit_of_far_modes() -> None:
    """d²/log t of the full line tends to 8(1+σ²), from above, as 1 + O(log d/d²)."""
    flow, ratio = make("denoising", sigma=1.0), []
    for d in (10.0, 20.0, 40.0):
        at = flow.frontiers(Target.exact(STAR, d), course())
        log_t = math.log(100.0) - at["a tenth of the way"]
        lead = math.log(100.0) - at["d² = 8(1+σ²) log t"]
        assert lead == pytest.approx(d**2 / 16, rel=1e-12)
        ratio.append(lead / log_t)
    assert 1.0 < ratio[2] < 1.03
    assert abs(ratio[2] - 1) < abs(ratio[1] - 1) < abs(ratio[0] - 1)


def test_chains_as_long_as_the_line_says_leave_a_bias_of_the_line() -> None:
    """Short-run chains at rest, d = 4 (MALA of 0.025, whose refusals slow it down by 4 %): 0.03 to
    a quarter, or 6 % of the chain."""
    target, h = Target.exact(STAR, 4.0), 0.025
    one = make("short-run", k=1, h=h, kernel="mala").frontiers(target, course())["bias = 0.03"]
    k = round(math.exp(-one))
    flow = make("short-run", k=k, h=h, kernel="mala")
    assert abs(flow.frontiers(target, course())["bias = 0.03"]) < 1 / k
    θ = STAR
    for _ in range(4):  # θ̇ = 0 by Newton's method, as θ̇ has nearly the slope of maximum likelihood
        θ += solve.velocity(flow, Grid(target, 1.0), θ) / 0.16
    assert abs(θ - STAR) == pytest.approx(0.03, rel=0.25)


def test_pcd_turns_and_comes_back_when_the_formula_says() -> None:
    """At d = 20 the Fokker–Planck equation's turn, −142.98 (pcd_long_run); at d = 8 the grid's."""
    far = Target.exact(STAR, 20.0).mixture
    assert turning_point(far, 1.0, 0.5, 0.2) == pytest.approx(142.98, rel=0.005)
    for rate in (0.6, 3.0):
        target = Target.exact(STAR, 8.0)
        run = solve.run(make("pcd"), Grid(target, 0.1), 0.0, round(300 / rate**0.6) * 10, rate)
        first = int(run.θ.argmin())
        back = run.t[first + int(np.flatnonzero(run.θ[first:] > STAR)[0])]
        assert -run.θ[first] == pytest.approx(turning_point(target.mixture, rate, 0.5, 0.2),
                                              rel=0.03)  # fmt: skip
        told = round_trip(target.mixture, rate, 0.5, 0.2, 0.0, -STAR)
        assert back == pytest.approx(told, rel=0.02)
        line = make("pcd").frontiers(target, course(rate=rate, time=told))["back at θ* within t"]
        assert line == pytest.approx(0.0, abs=1e-12)


def test_a_round_trip_is_the_two_state_models() -> None:
    """ẋ = γ(u − u*), u̇ = −u K′(x) by small steps; and what is conserved, at the turn."""
    mixture, γ, u0, u_star = Target.exact(STAR, 10.0).mixture, 2.0, 0.6, 0.3
    grid, K = hazard(mixture)
    slope = np.gradient(K, grid)
    x, u, t, top, dt = 0.0, u0, 0.0, 0.0, 0.002
    while x > 1.0 or u > u_star:
        x, u, t = x + dt * γ * (u - u_star), u * (1 - dt * np.interp(x, grid, slope)), t + dt
        top = max(top, x)
    assert top == pytest.approx(turning_point(mixture, γ, u0, u_star), rel=2e-3)
    assert t == pytest.approx(round_trip(mixture, γ, u0, u_star, 0.0, 1.0), rel=5e-3)


def test_walkers_keep_the_spiral_alive_as_the_formula_says() -> None:
    """Var θ = γτ/N at d = 4: 24 runs; false-fail rate 1e−6, up to the two-state model's 15 %."""
    target, γ, N = Target.exact(STAR, 4.0), 1.0, 4000
    τ = target.mixture.mixing_time(STAR)
    spread = [
        float(np.mean((solve.run(make("pcd", kernel="mala"), Walkers(target, 0.1, N, seed), STAR,
                                 4000, γ).θ[400:] - STAR) ** 2))
        for seed in range(24)
    ]  # fmt: skip
    mean("Var θ", np.array(spread) * N / (γ * τ), 1.0, bias=0.15)
    line = make("pcd").frontiers(target, course(walkers=γ * τ / 0.03**2))
    assert line["walkers' noise = 0.03"] == pytest.approx(0.0, abs=1e-12)


def test_lines_are_not_inherited_by_methods_that_they_are_not_about() -> None:
    for name in ("jarzynski", "replay-buffer", "ml", "tempering"):
        assert make(name).frontiers(Target.exact(STAR, 6.0), course()) == {}
    still = make("pcd").frontiers(Target.exact(STAR, 6.0), course(θ0=STAR))
    assert still["back at θ* within t"] == -math.inf  # who starts at θ* never runs away
    assert make("score-matching").frontiers(
        Target.exact(STAR, 6.0), course(θ0=STAR, rate=2.0)
    )["a tenth of the way"] in (0.0, math.inf)  # fmt: skip


# ------------------------------------------------------------------ the figures
@pytest.fixture(scope="module")
def data() -> dict[str, dict[str, np.ndarray]]:
    """Of each figure."""
    return {f.NAME: f.compute(0.05, 3) for f in FIGURES}


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.NAME)
def test_the_claims_hold(figure: ModuleType, data: dict) -> None:
    told = _manifest.numbers(figure.NAME, figure.claim(data[figure.NAME]))
    assert told["stored numbers that differ"]["value"] == 0
    if figure is phase_pcd:
        assert told["points made on the grid"] == 3
        assert told["of other verdict there"]["value"] == 0


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.NAME)
def test_the_picture_is_readable(figure: ModuleType, data: dict) -> None:
    picture = drawn(figure, data[figure.NAME])
    assert problems(picture) == []
    assert struck_through(picture) == []


@pytest.mark.parametrize("figure", FIGURES, ids=lambda f: f.NAME)
@pytest.mark.parametrize("key", ["verdict", "unlike"])
def test_the_claims_can_fail(figure: ModuleType, key: str, data: dict) -> None:
    """With every map shifted by two cells, or one number that is not today's."""
    altered = dict(data[figure.NAME])
    if key == "unlike":
        altered["unlike"] = np.array([1, 5])
    elif figure is phase_noise:
        altered["border"] = altered["border"] * 1.05
    else:
        for name in altered:
            if name.endswith(("/verdict", "/theta")):
                altered[name] = np.roll(altered[name], 2, axis=1)
    with pytest.raises(ClaimError):
        figure.claim(altered)


def test_another_verdict_of_the_exact_law_is_seen(data: dict) -> None:
    altered = dict(data["phase_pcd"])
    altered["on the grid"] = altered["on the grid"].copy()
    altered["on the grid"][2] = 5 - altered["on the grid"][2]
    with pytest.raises(ClaimError, match="points: 1 is not at most 0"):
        phase_pcd.claim(altered)


def test_points_are_drawn_amid_one_verdict() -> None:
    kinds = np.zeros((7, 9), np.int8)
    kinds[:, 5:] = 4
    deep = phase_pcd._deep(kinds)
    assert np.argwhere(deep.any(axis=0)).ravel().tolist() == [1, 2, 3, 6, 7]
    assert np.argwhere(deep.any(axis=1)).ravel().tolist() == [1, 2, 3, 4, 5]


def test_agreement_excuses_only_what_stands_beside_a_line() -> None:
    said = np.zeros((5, 6), bool)
    said[:, 3:] = True
    found = said.copy()
    found[1, 3] = False
    assert _map.agreement(said, found) == (1 - 1 / 30, 0)
    found[1, 5] = False
    assert _map.agreement(said, found) == (1 - 2 / 30, 1)
