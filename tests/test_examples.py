"""The methods of docs/examples: short, documented, and judged as they should be."""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_cli import call

from toyflows import bench, own
from toyflows.settings import RunSettings

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


def test_they_pass_through_check() -> None:
    for path, word in ((ED, LEARNS), (MPF, LEARNS), (UNDERDAMPED, LEARNS)):
        done = call("check", str(path), "--separation", "4", "--walkers", "1000", "--dt", "0.2",
                    "--rate", "1" if path == UNDERDAMPED else "5", "--json")  # fmt: skip
        (cell,) = json.loads(done.stdout)["cells"]
        assert (cell["backend"], cell["verdict"]["kind"]) == ("walkers", word)
