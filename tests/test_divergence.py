"""KL(ρ_* | ρ_θ) along a run, and persistent chains that start in the data."""

from __future__ import annotations

import csv
import json
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from test_cli import call

import toyflows
from toyflows import bench, modes, solve, stats
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.errors import InputError
from toyflows.flows import make
from toyflows.modes.family import Modes
from toyflows.modes.target import target_of
from toyflows.settings import RunSettings
from toyflows.target import Target


# ------------------------------------------------------------------ the divergence
@pytest.mark.parametrize("d", [0.5, 3.0])
def test_the_divergence_is_the_integral(d: float) -> None:
    """Against QUADPACK, to 1e−10 of itself, also at 1e−9 where the two logs nearly cancel."""
    target = Target.exact(0.9, d)
    mix = target.mixture
    for θ in (-2.0, 0.9 + 1e-4, 5.0):

        def f(x: float, θ: float = θ) -> float:
            at = np.array([x])
            p, log_q = float(mix.density(at, 0.9)[0]), mix.energy(at, θ)[0] + mix.log_Z(θ)
            v = float(mix.energy(at, 0.9)[0] + mix.log_Z(0.9) - log_q)
            return p * (math.expm1(v) - v)

        wanted = quad(f, -12, 12, epsabs=0, epsrel=1e-12, limit=400, points=[0.0])[0]
        found = target.divergence(np.array([θ]))
        assert found is not None
        assert float(found[0]) == pytest.approx(wanted, rel=1e-7 if wanted < 1e-7 else 1e-10)


def test_the_divergence_of_far_modes_is_that_of_two_numbers() -> None:
    """q* log(q*/p) + (1−q*) log((1−q*)/(1−p)) at d = 20, and for three modes in 50 dimensions."""
    target = Target.exact(1.4)
    q, θ = target.q_star, np.array([-30.0, 0.0, 1.4, 9.0])
    p = np.array([target.mixture.weight_b(v) for v in θ.tolist()])
    wanted = q * np.log(q / p) + (1 - q) * np.log1p(-q) - (1 - q) * np.array(
        [-math.log1p(math.exp(-v)) if v > -20 else v for v in θ.tolist()])  # fmt: skip
    assert target.divergence(θ) == pytest.approx(wanted, rel=1e-13, abs=1e-13)
    places = np.zeros((3, 50))
    places[:, 0] = -20.0, 0.0, 25.0
    many = target_of(Modes(places), None, [0.2, 0.3, 0.5])
    found = many.divergence(np.zeros((1, 2)))
    assert found is not None
    q3 = np.array([0.2, 0.3, 0.5])
    assert found == pytest.approx([float(np.sum(q3 * np.log(3 * q3)))], abs=1e-12)


def test_the_users_points_have_no_divergence() -> None:
    target = Target.of_points(np.array([-1.0, 1.0, 2.0]), -1.5, 1.5, 0.0)
    assert target.divergence(np.zeros(1)) is None


def test_a_run_shows_its_divergence_in_every_file(tmp_path: Path) -> None:
    """In `seen`, JSON and CSV, on every backend; a resumed run goes on with it."""
    run = toyflows.flow("jarzynski", theta_star=1.4, time=4.0, walkers=2_000)
    told = json.loads(run.save(tmp_path / "run.json").read_text("utf-8"))["backends"]
    with run.save(tmp_path / "run.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name, path in run.backends.items():
        wanted = run.target.divergence(path.θ)
        assert np.array_equal(path.seen["kl"], wanted)
        assert told[name]["kl"] == path.seen["kl"].tolist()
        mine = [row for row in rows if row["backend"] == name]
        assert [float(row["kl"]) for row in mine] == path.seen["kl"].tolist()
        assert [row["kl_from_log_Z"] == "" for row in mine] == [name == "theory"] * len(mine)
    half = toyflows.load(run.save(tmp_path / "run.npz")).resume(6.0)
    whole = toyflows.flow("jarzynski", theta_star=1.4, time=6.0, walkers=2_000)
    assert np.array_equal(half.backends["walkers"].seen["kl"], whole.backends["walkers"].seen["kl"])


def test_the_weights_estimate_the_divergence() -> None:
    """On the exact law Jarzynski's log Z gives the KL to 1e−12; on walkers its expectation, that of
    Z, to the noise of 24 replicas (false-fail rate 1e−6)."""
    run = toyflows.flow("jarzynski", theta_star=1.4, separation=6.0, time=4.0, backends=["grid"])
    seen = run.backends["grid"].seen
    assert seen["kl_from_log_Z"] == pytest.approx(seen["kl"], abs=1e-9)
    assert seen["kl"][0] > 0.1
    off = []
    for seed in range(24):
        path = modes.flow(
            "jarzynski",
            positions=[-3.0, 3.0],
            theta_star=[0.0, 1.4],
            time=1.0,
            walkers=2_000,
            seed=seed,
            backends=["walkers"],
        ).backends["walkers"]
        off.append(float(path.seen["kl_from_log_Z"][-1] - path.seen["kl"][-1]))  # fmt: skip
    assert stats.mean("log Z", off, 0.0, bias=1e-4).detects < 0.01


def test_modes_print_and_save_the_divergence(tmp_path: Path) -> None:
    done = call("modes", "--loss", "jarzynski", "--positions=-10;6", "--dimension", "5",
                "--q-star", "0.25,0.75", "--time", "2", "--walkers", "500",
                "--out", "run.csv", cwd=tmp_path)  # fmt: skip
    assert "KL(log_Z)" in done.stdout
    with (tmp_path / "run.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = next(row for row in rows if row["backend"] == "walkers")
    wanted = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert float(first["kl"]) == pytest.approx(wanted, abs=1e-9)
    assert f"{wanted:.3g}" in done.stdout


PAGE = Path(__file__).parent.parent / "docs" / "carbone2023.md"
CALLS = re.findall(r"^    toyflows (modes .*)$", PAGE.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("words", CALLS)
def test_the_page_of_carbone_et_al_has_commands_that_run(words: str, tmp_path: Path) -> None:
    """Each for a hundredth of its time: weights and KL are printed, and θ moves as is said."""
    short = words.replace("--time 800", "--time 8").replace("--walkers 10000", "--walkers 500")
    assert short != words
    done = call(*shlex.split(short), "--json", cwd=tmp_path)
    seen = json.loads(done.stdout)["backends"]["walkers"]
    last, first = seen["q"][-1][1], seen["q"][0][1]
    assert first == 0.5
    assert (last - first > 0.03) == ("start=data" not in words)
    assert seen["kl"][0] == pytest.approx(0.1308, abs=1e-4)
    assert ("kl_from_log_Z" in seen) == ("jarzynski" in words)


# ------------------------------------------------------------------ chains that start in the data
@pytest.mark.parametrize("kernel", ["ula", "mala"])
def test_chains_that_start_in_the_data_do_not_move_theta(kernel: str) -> None:
    """θ̇ = q* − q* = 0, exactly at the start; at d = 20 it stays below 1e−9 on the exact law for any
    θ0, and the closed form is 0. With walkers θ̇ is their share's own noise, binomial."""
    flow, target = make("pcd", start="data", kernel=kernel), Target.exact(1.4)
    for θ0 in (-2.0, 0.0):
        run = solve.run(flow, Grid(target, 0.05), θ0, 100)
        assert run.velocity[0] == 0.0
        assert np.max(np.abs(run.velocity)) < 1e-9
        assert flow.separated(target, θ0, θ0) == 0.0
    n = 40_000
    run = solve.run(flow, Walkers(target, 0.05, n), 0.0, 5)
    stats.proportion("in b", round(run.mode_b[0] * n), n, target.q_star)


@pytest.mark.parametrize("backend", ["grid", "walkers"])
def test_pcd_from_the_data_learns_nothing_where_modes_are_far(backend: str) -> None:
    setting = RunSettings(walkers=4_000, dt=0.1)
    assert bench.cell(make("pcd", start="data"), 20.0, setting, backend).verdict.kind == (
        "no learning"
    )
    assert bench.cell(make("pcd", start="data"), 3.0, setting, backend).verdict.kind == "converges"


def test_tempering_may_start_in_the_data() -> None:
    """Every set of chains has the data's law, independent of the others; θ̇ is 0 at the start, and
    θ* is reached all the same."""
    flow, target = make("tempering", start="data"), Target.exact(1.4, 6.0)
    run = solve.run(flow, Grid(target, 0.1), 0.0, 1_000)
    assert run.velocity[0] == 0.0
    assert run.θ[-1] == pytest.approx(1.4, abs=0.02)
    sets = flow.begin(Walkers(target, 0.1, 4_000), 0.0).chains
    seen = np.corrcoef([cloud.x for cloud in sets])
    assert np.max(np.abs(seen - np.eye(4))) < 5 / math.sqrt(4_000)  # false-fail rate 4e−6


def test_a_start_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match=r"start=dat.*did you mean data"):
        make("pcd", start="dat")
    with pytest.raises(InputError, match="must be model: the weights are those of chains"):
        make("jarzynski", start="data")


def test_modes_start_in_the_data() -> None:
    run = modes.flow("pcd", positions=[-10.0, 6.0], q_star=[0.25, 0.75], start="data", time=10.0,
                     walkers=2_000, backends=["walkers", "theory", "grid"])  # fmt: skip
    assert np.all(run.backends["theory"].θ == 0)
    assert np.max(np.abs(run.backends["grid"].θ)) < 1e-9
    share = run.backends["walkers"].shares[0, 0]
    stats.proportion("in b", round(share * 2_000), 2_000, 0.75)


def test_modes_from_the_data_learn_nothing_where_they_are_far() -> None:
    """Shares that are off by their noise drive θ a little; that is no collapse."""
    run = modes.flow("pcd", positions=[-10.0, 6.0], q_star=[0.25, 0.75], start="data", time=100.0,
                     dt=0.2, walkers=2_000, backends=["walkers"])  # fmt: skip
    assert float(np.max(np.abs(run.θ))) > 0.2
    assert run.verdict.kind == "no learning", run.verdict
    other = modes.flow("pcd", positions=[-10.0, 6.0], q_star=[0.25, 0.75], time=100.0, dt=0.2,
                       walkers=2_000, backends=["walkers"])  # fmt: skip
    assert other.verdict.kind == "mode collapse"
