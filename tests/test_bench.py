"""Alarms, the bench and its table."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import toyflows
from toyflows import bench
from toyflows.alarms import alarms
from toyflows.errors import InputError
from toyflows.flows import Flow, make
from toyflows.flows.base import NEAR
from toyflows.method import label
from toyflows.method import method as flow_of
from toyflows.settings import RunSettings
from toyflows.state import Trajectory
from toyflows.target import Target

QUICK = RunSettings(time=40.0, dt=0.1)


# ------------------------------------------------------------------ alarms
def warned(loss: str, **options: object) -> str:
    options = {"theta_star": 1.4, "walkers": 2_000, "time": 10.0} | options
    return "; ".join(toyflows.flow(loss, **options).alarms)


def test_walkers_that_never_cross_are_told() -> None:
    assert "none of the 2,000 walkers changed mode in a time of 10" in warned("pcd")
    assert warned("pcd", separation=3.0) == ""
    assert warned("ml") == ""


def test_chains_shorter_than_the_mixing_time_are_told() -> None:
    assert "chains of time 0.05 are shorter than the mixing time" in warned("cd")
    τ = Target.exact(1.4, 3.0).mixture.mixing_time(0.0)
    k = math.ceil(2 * τ / 0.2)
    assert warned("cd", separation=3.0, k=k, dt=0.2, time=1.0, backends=["grid"]) == ""


def test_the_vanishing_basin_is_told_with_its_time() -> None:
    run = toyflows.flow("pcd", theta_star=-1.4, separation=8.0, time=150.0, backends=["grid"])
    limit = run.target.mixture.bistable_up_to
    path = run.backends["grid"]
    assert np.max(np.abs(path.θ)) < limit
    assert not run.alarms
    other = Trajectory(
        "?", "grid", 0.1, 1.0, np.arange(3.0), np.array([0.0, -30.0, 2.0]), *np.zeros((3, 3))
    )
    told = alarms(make("pcd"), run.target, other)
    assert told == [
        f"|θ| passed {limit:.4g} at t = 1: there the lighter mode no longer has a basin"
    ]


def test_a_small_effective_size_is_told() -> None:
    assert "effective sample size fell to" in warned(
        "jarzynski", separation=4.0, theta0=-6.0, rate=5.0
    )
    assert "effective" not in warned("jarzynski", separation=4.0)


# ------------------------------------------------------------------ the table
@dataclass(frozen=True)
class Explodes(Flow):
    """θ̇ = 1 + θ²"""

    name = "explodes"

    def velocity(self, ops, θ, negatives, **extra):
        return 1 + θ * θ


def test_cells_are_the_lectures_verdicts() -> None:
    cells = list(bench.table([make("pcd"), make("ml"), make("cd", k=2)], [3.0, 20.0], QUICK))
    words = {(c.method, c.separation): c.verdict.kind for c in cells}
    assert words == {
        ("ml", 3.0): "converges",
        ("ml", 20.0): "converges",
        ("pcd", 3.0): "converges",
        ("pcd", 20.0): "mode collapse",
        ("cd k=2", 3.0): "on its way",
        ("cd k=2", 20.0): "no learning",
    }
    assert [name for name, _ in bench.rows(cells)] == ["ml", "cd k=2", "pcd"]


def test_a_diverging_method_is_judged() -> None:
    cell = bench.cell(Explodes(), 4.0, QUICK)
    assert (cell.verdict.kind, cell.run) == ("diverges", None)
    assert cell.verdict.number == pytest.approx(math.pi / 2, abs=1.0)


def test_processes_give_the_same_table() -> None:
    flows = [make("ml"), make("nce", mu=0.5)]
    one = bench.rows(list(bench.table(flows, [2.0, 6.0], QUICK)))
    two = bench.rows(list(bench.table(flows, [2.0, 6.0], QUICK, jobs=2)))
    assert one == two
    assert [name for name, _ in one] == ["ml", "nce mu=0.5"]


def test_labels_are_read_back() -> None:
    for flow in (make("ml"), make("cd", k=3, h=0.1), make("nce", learn_c=True)):
        assert flow_of(label(flow)) == flow
    with pytest.raises(InputError, match="did you mean pcd"):
        flow_of("pcdd")


def test_walkers_are_judged_too() -> None:
    cell = bench.cell(make("pcd"), 20.0, QUICK, "walkers")
    assert cell.verdict.kind == "mode collapse"
    assert any("10,000 walkers" in text for text in cell.alarms)


def test_the_command_writes_what_it_prints(tmp_path: Path) -> None:
    call = ["verdicts", "--loss", "ml", "--loss", "cd k=2", "--separation", "3", "--separation"]
    call += ["12", "--time", "40", "--jobs", "1", "--json"]
    for name in ("t.json", "t.csv", "t.md", "t.png"):
        call += ["--out", str(tmp_path / name)]
    script = "from toyflows.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *call],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (tmp_path / "t.json").read_text("utf-8") == done.stdout
    assert [c["verdict"] for c in told["cells"]] == [
        "converges", "converges", "on its way", "no learning",
    ]  # fmt: skip
    learns, stands = (told["cells"][k] for k in (0, 3))
    assert learns["now"].startswith("θ = ")
    assert learns["needs"] is None
    assert stands["noise"] == NEAR
    assert told["cells"][2]["needs"] > 0
    assert "of the way" in told["cells"][2]["so_far"]
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.reader(file))
    assert [row[3] for row in rows[1:]] == [c["verdict"] for c in told["cells"]]
    assert "| cd k=2 | on its way | no learning |" in (tmp_path / "t.md").read_text("utf-8")
    assert (tmp_path / "t.png").stat().st_size > 5000
