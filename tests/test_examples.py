"""The methods of docs/examples: short, documented, and judged as they should be."""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sweep_engine import Here
from test_cli import call

from toyflows import bench, own
from toyflows.settings import RunSettings
from toyflows.sweep import run
from toyflows.sweep.plan import Plan
from toyflows.sweep.store import load

FOLDER = Path(__file__).parent.parent / "docs" / "examples"
FILES = sorted(FOLDER.glob("*.py"))
ED, MPF, UNDERDAMPED = FILES
NONE, LEARNS, FAR = "no learning", "converges", "mode collapse"


@pytest.fixture(autouse=True)
def _same_path(monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_they_are_three_short_files_that_say_their_formula_and_source() -> None:
    assert [path.stem for path in FILES] == [
        "energy_discrepancy", "minimum_probability_flow", "underdamped_pcd",
    ]  # fmt: skip
    for path in FILES:
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 40
        assert f"toyflows check docs/examples/{path.name}" in (
            ast.get_docstring(ast.parse(text)) or ""
        )
        (method,) = own.load(path)
        assert method.equation.startswith("θ̇ = ")
        assert method.backends == ("walkers",)


@pytest.mark.parametrize(
    ("path", "options", "rate", "words"),
    [
        (ED, {}, 2.0, [LEARNS, NONE, NONE]),
        (ED, {"sigma": 10.0}, 2.0, [LEARNS] * 3),
        (MPF, {}, 5.0, [LEARNS, NONE, NONE]),
        (MPF, {"g": 12.0}, 5.0, [LEARNS] * 3),
        (UNDERDAMPED, {}, 1.0, [LEARNS, "on its way", FAR]),
    ],
    ids=["ed", "ed wide", "mpf", "mpf wide", "underdamped"],
)
def test_their_verdicts_at_4_10_and_20(path, options, rate, words) -> None:
    """Narrow noise does not see the other mode, wide noise does; inertia carries no chain over the
    barrier: at d = 10 θ turns 25 beyond θ*, as PCD does."""
    (method,) = own.load(path)
    flow = replace(method.flow, **options)
    setting = RunSettings(walkers=1_000, dt=0.2, rate=rate)
    cells = [bench.cell(flow, d, setting, "walkers") for d in (4.0, 10.0, 20.0)]
    assert [cell.verdict.kind for cell in cells] == words, [cell.verdict for cell in cells]


def test_no_rest_is_read_out_of_a_turn() -> None:
    """Underdamped PCD at d = 4 swings and comes to θ*; at its first turn it is at no rest."""
    for seed in (1, 5, 7):
        setting = RunSettings(walkers=300, dt=0.2, time=5.0, seed=seed)
        assert bench.cell(str(UNDERDAMPED), 4.0, setting, "walkers").verdict.kind != "biased"


def test_they_pass_through_check() -> None:
    for path, word in ((ED, LEARNS), (MPF, LEARNS), (UNDERDAMPED, LEARNS)):
        done = call("check", str(path), "--separation", "4", "--walkers", "1000", "--dt", "0.2",
                    "--rate", "1" if path == UNDERDAMPED else "5", "--json")  # fmt: skip
        (cell,) = json.loads(done.stdout)["cells"]
        assert (cell["backend"], cell["verdict"]["kind"]) == ("walkers", word)


@pytest.mark.parametrize("engine", ["local", pytest.param("dask", marks=pytest.mark.cluster)])
def test_they_are_swept_and_mapped(engine: str, tmp_path: Path) -> None:
    """Of each engine the same numbers, and a map of the three."""
    if engine == "dask":
        pytest.importorskip("distributed")
    words = [word for path in FILES for word in ("--loss", str(path))]
    short = ["--walkers", "200", "--time", "2", "--dt", "0.2"]
    over = {"separation": [4, 10], "rate": [1, 2]}
    axes = [word for name, two in over.items() for word in ("--over", f"{name}={two[0]},{two[1]}")]
    out, here = tmp_path / "three.npz", tmp_path / "here.npz"
    call("sweep", *words, *axes, *short, "--engine", engine, "--jobs", "1", "--out", str(out))
    losses = [str(path) for path in FILES]
    run.carry_out(Plan.make(losses, over=over, walkers=200, time=2.0, dt=0.2), here, Here())
    assert out.read_bytes() == here.read_bytes()
    assert load(out).plan.runs == 3 * 2 * 2
    picture = tmp_path / "three.png"
    call("map", str(out), "--out", str(picture))
    assert picture.stat().st_size > 10_000


def test_they_run_as_one_run_and_stand_on_a_page(tmp_path: Path) -> None:
    for path in FILES:
        done = call("flow", "--loss", str(path), "--theta-star", "1.4", "--separation", "4",
                    "--walkers", "500", "--dt", "0.2", "--rate", "2", "--json")  # fmt: skip
        told = json.loads(done.stdout)["verdict"]
        assert told["kind"] in (LEARNS, "on its way"), told
    page = tmp_path / "page.html"
    words = [word for path in FILES for word in ("--loss", str(path))]
    call("page", *words, "--theta-star", "1.4", "--separation", "4", "--time", "5",
         "--out", str(page))  # fmt: skip
    text = page.read_text("utf-8")
    assert all(path.stem in text for path in FILES)
