"""A new flow file and a new figure file, dropped into a copy of the package, appear everywhere: in
the command line, the tables, the contract tests, the gallery. Nothing else is edited."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FLOW = '''"""Maximum likelihood at half the speed."""

from dataclasses import dataclass

from toyflows.flows.ml import MaximumLikelihood


@dataclass(frozen=True)
class Lazy(MaximumLikelihood):
    """θ̇ = κ (E_{ρ_θ}[∂_θU_θ] − E_data[∂_θU_θ])"""

    name = "lazy"
    title = "Lazy maximum likelihood"
    kappa: float = 0.5

    def velocity(self, ops, θ, negatives, **extra):
        return self.kappa * super().velocity(ops, θ, negatives)

    def separated(self, target, θ, θ0, **extra):
        return self.kappa * super().separated(target, θ, θ0)
'''

FIGURE = '''"""Lazy learning still arrives.

θ(t) of the flow `lazy` on the grid, d = 20. Shows that half the speed is half the speed.
"""

import numpy as np

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.figures import _style as style
from toyflows.flows import make
from toyflows.stats import close
from toyflows.target import Target


def compute(scale, seed):
    run = solve.run(make("lazy"), Grid(Target.exact(1.4), 0.5), 0.0, 600)
    return {"t": run.t, "θ": run.θ}


def claim(data):
    return {"end": close("θ at the end", data["θ"][-1], 1.4, atol=1e-6)}


def draw(fig, data):
    fig.subplots().plot(data["t"], data["θ"], color=style.EXACT)
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is installed (cli and figures inside), with the two new files."""
    site = tmp_path_factory.mktemp("site")
    skip = shutil.ignore_patterns("__pycache__")
    for source, place in (("toyflows", "."), ("cli", "cli"), ("figures", "figures")):
        shutil.copytree(ROOT / source, site / "toyflows" / place, ignore=skip, dirs_exist_ok=True)
    (site / "toyflows" / "flows" / "lazy.py").write_text(FLOW, encoding="utf-8")
    (site / "toyflows" / "figures" / "lazy_arrives.py").write_text(FIGURE, encoding="utf-8")
    return site


def run(copy: Path, *words: str) -> str:
    """A Python command in which `toyflows` is the copy and not the installed package."""
    script = (
        f"import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)]; \
sys.path.insert(0, {str(copy)!r}); import toyflows; assert {str(copy)!r} in toyflows.__file__; "
    )
    done = subprocess.run(
        [sys.executable, "-c", script + words[0], *words[1:]],
        cwd=copy, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONSAFEPATH": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


MAIN = "from toyflows.cli.main import main; main()"


def test_the_method_is_in_the_command_line_and_the_tables(copy: Path) -> None:
    listed = run(copy, MAIN, "flows")
    assert "lazy " in listed
    assert "-p kappa=0.5" in listed
    assert "| `lazy` | Lazy maximum likelihood |" in run(copy, MAIN, "flows", "--markdown")
    words = ("flow", "--loss", "lazy", "--theta-star", "1.4", "-p", "kappa=0.8", "--json")
    told = json.loads(run(copy, MAIN, *words, "--walkers", "2000"))
    assert set(told["backends"]) == {"theory", "grid", "walkers"}
    assert told["options"] == {"kappa": 0.8}
    assert told["verdict"]["kind"] == "converges"


def test_the_figure_is_listed_made_and_in_the_gallery(copy: Path) -> None:
    assert "lazy_arrives" in run(copy, MAIN, "figures", "list")
    run(copy, MAIN, "figures", "one", "lazy_arrives", "--out", "g", "--jobs", "1")
    assert (copy / "g" / "lazy_arrives.png").is_file()
    assert "Lazy learning still arrives" in (copy / "g" / "index.html").read_text("utf-8")
    assert "lazy_arrives" in json.loads((copy / "g" / "manifest.json").read_text())["figures"]


def test_the_contract_tests_run_on_it_and_can_fail(copy: Path) -> None:
    """The parametrised tests of test_flows.py find it; with a wrong closed form they go red."""
    tests = str(ROOT / "tests" / "test_flows.py")
    pytest_main = "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    words = ("-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "-k", "lazy and not resumed")
    said = run(copy, pytest_main, tests, *words)
    assert " passed" in said
    assert "failed" not in said
    assert int(said.split(" passed")[0].split()[-1]) >= 10
    wrong = FLOW.replace("self.kappa * super().separated", "0.9 * super().separated")
    (copy / "toyflows" / "flows" / "lazy.py").write_text(wrong, encoding="utf-8")
    with pytest.raises(AssertionError, match="failed"):
        run(copy, pytest_main, tests, *words)
