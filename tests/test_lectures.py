"""docs/lectures.md: every function, figure and command that it names is there."""

from __future__ import annotations

import re
import shlex
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "lectures.md").read_text("utf-8")
ROWS = [re.split(r"(?<!\\)\|", line)[1:-1] for line in PAGE.splitlines() if line.startswith("| ")]
ROWS = [[cell.strip() for cell in row] for row in ROWS if row[0].strip() not in ("subject", "---")]
COMMANDS = sorted({row[4].strip("`") for row in ROWS if row[4]})
# HOUSE.md's twelve, each a function on the page: README names the page, the page links its file.
TWELVE = [
    "mixture.Mixture.energy", "flows.ml.MaximumLikelihood.velocity", "flows.nce.NCE.fixed_point",
    "flows.score_matching.ScoreMatching.velocity", "mixture.Mixture.langevin",
    "images.sgld.langevin", "images.energy.loss", "lattice.hopfield.hebb",
    "lattice.rbm.RBM.free_energy", "diffusion.objectives.sliced", "diffusion.chain.Ladder.backward",
    "diffusion.elbo.bound",
]  # fmt: skip


def functions(row: list[str]) -> list[tuple[str, Path]]:
    """The dotted names of a row, and the files that they link to."""
    found = re.findall(r"\[`([^`]+)`\]\(([^)]+)\)", row[2])
    return [(name, (ROOT / "docs" / place).resolve()) for name, place in found]


def test_the_rows_have_five_cells() -> None:
    assert len(ROWS) > 40
    assert {len(row) for row in ROWS} == {5}


def test_every_function_stands_in_the_file_that_is_linked() -> None:
    for row in ROWS:
        assert functions(row), row
        for name, file in functions(row):
            inside = file.relative_to(ROOT / "toyflows").with_suffix("").parts
            own = name.split(".")[len(inside) :]
            assert name.split(".")[: len(inside)] == list(inside)
            thing = reduce(getattr, own, import_module(".".join(("toyflows", *inside))))
            assert own, name
            assert thing is not None
            assert f" {own[-1]}" in file.read_text("utf-8"), f"{name} is inherited"


def test_every_figure_is_one() -> None:
    from toyflows.figures._registry import ids

    for row in ROWS:
        told = re.fullmatch(r"\[`(\w+)`\]\(\.\./figures/(\w+)\.py\)", row[3])
        assert told is not None, row
        assert told[1] == told[2]
        assert told[1] in ids()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one(command: str) -> None:
    """The command, its options and the words for a choice are known; nothing is run."""
    from toyflows.cli.main import app
    from toyflows.diffusion.methods import registry as samplers
    from toyflows.flows import registry as flows

    words = shlex.split(command)
    group = typer.main.get_command(app).commands[words.pop(0)]
    while words and words[0] in getattr(group, "commands", ()):
        group = group.commands[words.pop(0)]
    known = {option for parameter in group.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known
    for option, names in (("--loss", flows()), ("--sampler", samplers())):
        if option in words:
            assert words[words.index(option) + 1] in names


def test_twelve_formulas_are_two_hops_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8").partition("## Reading the code")[2]
    assert "(docs/lectures.md)" in readme
    named = {name for row in ROWS for name, _ in functions(row)}
    assert set(TWELVE) <= named
