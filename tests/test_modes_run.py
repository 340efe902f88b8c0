"""`toyflows.modes.flow` and `toyflows modes`: results, files, and one line for what cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import toyflows
from toyflows import modes
from toyflows.errors import InputError
from toyflows.modes.follow import SUITED

TRIANGLE = [[0, 0], [6, 0], [3, 5]]
SHORT = {"positions": TRIANGLE, "theta_star": [0, 1, 0.5], "time": 2.0, "walkers": 500}
CALL = ["--positions", "0,0; 6,0; 3,5", "--time", "2", "--walkers", "500"]


def toyflows_modes(*args: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "toyflows"), "modes"]
    return subprocess.run([*command, *args], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("loss", ["ml", "pcd", "cd", "score-matching", "short-run"])
def test_two_modes_get_the_lectures_verdict(loss: str) -> None:
    old = toyflows.flow(loss, theta_star=1.4, separation=6.0, time=20.0, backends=["grid"])
    new = modes.flow(
        loss, positions=[-3, 3], theta_star=[0, 1.4], time=20.0, backends=["grid"]
    )  # fmt: skip
    assert new.verdict.kind == old.verdict.kind
    assert new.θ[-1, 1] == pytest.approx(old.backends["grid"].θ[-1], abs=1e-8)


@pytest.mark.parametrize(
    ("loss", "time", "kind"),
    [
        ("ml", 60.0, "converges"),
        ("ml", 8.0, "on its way"),
        ("ml", 5.0, "on its way"),
        ("tempering", 60.0, "converges"),
        ("pcd", 60.0, "mode collapse"),
        ("pcd", 7.0, "mode collapse"),  # passing θ* at its smallest distance
        ("pcd", 3.0, "mode collapse"),  # sideways: the distance alone seems to come to rest
        ("cd", 60.0, "no learning"),
    ],
)
def test_three_modes_are_judged(loss: str, time: float, kind: str) -> None:
    apart = [[0, 0], [10, 0], [5, 9]]
    run = modes.flow(loss, positions=apart, theta_star=[0, 1, 0.5], time=time, walkers=4000)
    assert run.verdict.kind == kind
    np.testing.assert_allclose(run.weights.sum(axis=1), 1.0, atol=1e-12)
    assert np.all(run.θ[:, 0] == 0.0)


@pytest.mark.parametrize(
    ("loss", "kinds"),
    [
        ("ml", ["on its way"]),
        ("jarzynski", ["on its way", "converges"]),
        ("cd k=2", ["no learning"]),
    ],
)
def test_few_walkers_in_a_plane_get_the_methods_word(loss: str, kinds: list[str]) -> None:
    """Whatever the seed: the word is of the exact law, or of replicas. One noisy path alone made
    "biased" of one in four. With work weights the noise of 500 walkers is ±0.1 in θ, and four of
    these from θ* may be "converges"."""
    for seed in range(4):
        run = modes.flow(
            loss, positions=[[0, 0], [6, 0], [3, 5]], theta_star=[0, 1, 0.5], time=10, dt=0.1,
            rate=0.55, walkers=500, seed=seed, backends="walkers",
        )  # fmt: skip
        assert run.verdict.kind in kinds, seed


def test_who_turns_back_farther_from_the_weights_than_at_first_has_not_learned_them() -> None:
    near = [[0, 0], [6, 0], [3, 5]]
    run = modes.flow("pcd", positions=near, theta_star=[0, 1, 0.5], time=50.0)
    r = np.linalg.norm(run.judged.θ - run.target.θ_star, axis=1)
    assert r[0] < r[-1] < r.max()
    assert run.verdict.kind in ("on its way", "oscillates")  # it returns: no collapse


def test_the_separated_path_is_the_walkers_path_for_modes_apart() -> None:
    run = modes.flow("ml", positions=[[0, 0], [12, 0], [6, 11]], q_star=[0.5, 0.2, 0.3], time=40.0)
    told, seen = run.backends["theory"], run.backends["walkers"]
    np.testing.assert_allclose(seen.θ, told.θ, atol=0.05)
    np.testing.assert_allclose(told.θ[-1], run.target.θ_star, atol=0.02)


def test_a_run_is_one_line_and_knows_its_walkers() -> None:
    run = modes.flow("pcd", **SHORT)
    assert "\n" not in repr(run)
    assert repr(run).startswith("Run(pcd, 3 modes in 2-D, t = 2: weights (")
    assert run.walkers is not None
    assert run.walkers.shape == (2, 500)
    again = modes.flow("pcd", **SHORT, threads=2)
    np.testing.assert_array_equal(again.walkers, run.walkers)


def test_every_suffix_is_written(tmp_path: Path) -> None:
    run = modes.flow("jarzynski", **SHORT)
    for suffix in (".png", ".json", ".csv", ".npz"):
        assert run.save(tmp_path / f"run{suffix}").stat().st_size > 500
    table = (tmp_path / "run.csv").read_text().splitlines()
    assert (
        table[0]
        == "backend,t,theta_1,theta_2,theta_3,q_1,q_2,q_3,kl,log_Z,effective_size,kl_from_log_Z"
    )
    assert len(table) == 1 + 2 * 41
    with np.load(tmp_path / "run.npz") as saved:
        np.testing.assert_array_equal(saved["walkers"], run.walkers)
        np.testing.assert_allclose(saved["walkers/q"][-1], run.weights[-1])
    assert set(json.loads((tmp_path / "run.json").read_text())) == set(run.to_dict())


def test_json_is_one_object_and_equals_the_library() -> None:
    done = toyflows_modes("--loss", "pcd", "--theta-star", "0,1,0.5", *CALL, "--json")
    assert json.loads(done.stdout) == json.loads(json.dumps(modes.flow("pcd", **SHORT).to_dict()))


def test_the_table_has_the_weights_and_the_verdict(tmp_path: Path) -> None:
    (tmp_path / "modes.csv").write_text("-3\n3\n")
    done = toyflows_modes(
        "--loss", "ml", "--positions", str(tmp_path / "modes.csv"), "--dimension", "50",
        "--q-star", "0.8,0.2", "--time", "20", "--walkers", "1000", "--out",
        str(tmp_path / "run.png"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 modes in 50-D" in done.stdout
    assert "verdict" in done.stdout
    assert "q_1 grid" in done.stdout
    assert (tmp_path / "run.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--loss", "gan", "--theta-star", "0,1,0.5"], "--loss gan: is for two modes on the line"),
        (["--loss", "pdc", "--theta-star", "0,1,0.5"], "--loss pdc: unknown; did you mean pcd"),
        (["--loss", "ml", "--theta-star", "0,1"], "--theta-star 0,1: must be 3 numbers"),
        (["--loss", "ml", "--theta-star", "0,1,x"], "--theta-star 0,1,x: must be numbers"),
        (["--loss", "ml", "--theta-star", "0,1,nan"], "--theta-star 0,1,nan: must be finite"),
        (["--loss", "ml"], "--theta-star and --q-star: neither"),
        (["--loss", "ml", "--q-star", "0.3,0.3,0.3"], "--q-star 0.3,0.3,0.3: must be > 0"),
        (["--loss", "ml", "--theta-star", "0,1,1", "--spreads", "1,2"], "--spreads 1,2: must be"),
        (["--loss", "ml", "--theta-star", "0,1,1", "--dimension", "1"], "--dimension 1: must be"),
        (["--loss", "tempering", "--theta-star", "0,1,1", "--backend", "grid"], "is for walkers"),
        (["--loss", "ml", "--theta-star", "0,1,1", "--backend", "x"], "--backend x: unknown"),
        (["--loss", "ml", "--theta-star", "0,1,1", "--spreads", "0.3", "--dt", "0.2"], "--dt 0.2"),
        (["--loss", "ml", "--theta-star", "0,1,1", "--out", "run.gif"], "--out run.gif: the"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line(args: list[str], said: str) -> None:
    done = toyflows_modes(*args, *CALL)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


def test_too_many_walkers_are_refused_before_anything_is_made() -> None:
    with pytest.raises(InputError, match="GiB"):
        modes.flow("pcd", **SHORT | {"walkers": 10**11})


@pytest.mark.parametrize("seed", range(4))
def test_every_allowed_run_ends_in_numbers(seed: int) -> None:
    """Every method at random modes, spreads and far θ, with floating-point errors raised."""
    rng = np.random.default_rng(seed)
    for loss in SUITED:
        K, D = int(rng.choice([2, 3, 7])), int(rng.choice([1, 2, 3, 30]))
        positions = rng.normal(size=(K, D)) * 10 ** rng.uniform(-1, 1) / D**0.5
        spreads = np.ones(1) if rng.random() < 0.5 else rng.uniform(0.8, 2, K)
        θ = [rng.uniform(-1, 1, K) * 10 ** rng.uniform(0, 2.5) for _ in range(2)]
        run = modes.flow(
            loss, positions=positions, spreads=spreads, theta_star=θ[0], theta0=θ[1], dt=0.05,
            time=0.4, rate=10 ** rng.uniform(-3, 0.5), walkers=int(rng.choice([1, 300])),
        )  # fmt: skip
        json.dumps(run.to_dict(), allow_nan=False)
        assert np.isfinite(run.θ).all()


def test_a_plane_with_too_many_nodes_is_refused() -> None:
    with pytest.raises(InputError, match="nodes at a step of 1e-05"):
        modes.flow("pcd", **SHORT | {"dt": 1e-5, "time": 1e-4, "backends": ["grid"]})
