"""What `dir` and tab completion show of toyflows and its packages."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

import toyflows
from toyflows.errors import InputError

PACKAGES = ["toyflows", *(f"toyflows.{p}" for p in ("diffusion", "images", "lattice", "modes",
                                                    "nn", "sweep"))]  # fmt: skip


def test_the_front_door_is_shown() -> None:
    shown = {"flow", "load", "Run", "check", "sweep", "modes", "diffusion", "lattice", "images",
             "nn", "lab", "film", "pages", "flows"}  # fmt: skip
    assert shown <= set(dir(toyflows))


@pytest.mark.parametrize("name", PACKAGES)
def test_dir_shows_what_is_exported_and_nothing_else(name: str) -> None:
    package = import_module(name)
    shown = [n for n in dir(package) if not n.startswith("__")]
    assert sorted(shown) == sorted(package.__all__)
    for exported in shown:
        found = getattr(package, exported)
        if not inspect.ismodule(found):
            assert inspect.getdoc(found)


def test_a_name_that_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match=r"module 'toyflows\.nn' has no attribute 'nope'"):
        _ = toyflows.nn.nope  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", PACKAGES)
def test_the_example_of_a_package_runs(name: str, tmp_path: Path) -> None:
    """The indented lines of its docstring, in a fresh interpreter with only themselves."""
    lines = (import_module(name).__doc__ or "").splitlines()
    code = textwrap.dedent("\n".join(line for line in lines if line.startswith("    ")))
    assert 2 <= len(code.splitlines()) <= 4
    body = textwrap.indent(code, "    ")
    subprocess.run(
        [sys.executable, "-W", "error", "-c", f"if __name__ == '__main__':\n{body}"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip


def test_importing_packages_imports_nothing_heavy() -> None:
    heavy = "{'numba', 'scipy', 'matplotlib', 'numpy'} & set(sys.modules)"
    code = f"import sys, {', '.join(PACKAGES)}, toyflows.lab; print(dir(toyflows) and {heavy})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_the_laboratory_shows_its_rooms() -> None:
    pytest.importorskip("bokeh")
    from toyflows.lab._room import rooms

    shown = {name for name in dir(toyflows.lab) if not name.startswith("__")}
    assert shown == {name.replace("-", "_") for name in rooms()}


def test_check_judges_names_flows_and_files_alike(tmp_path: Path) -> None:
    from toyflows.flows.cd import CD

    by_name, by_flow = (toyflows.check(m, [4.0], time=5.0) for m in ("cd k=2", CD(k=2)))
    assert by_name[0][1][4.0].verdict == by_flow[0][1][4.0].verdict
    file = tmp_path / "mine.py"
    file.write_text(
        "def velocity(theta, data, negatives, mixture):\n"
        "    r = mixture.responsibility\n"
        "    return r(negatives, theta).mean() - r(data, theta).mean()\n"
    )
    (name, row), = toyflows.check(file, [4.0], time=60.0, walkers=2000)  # fmt: skip
    assert name == "mine"
    assert row[4.0].backend == "walkers"
    assert row[4.0].verdict.kind == "converges"


def test_check_refuses_an_unknown_backend() -> None:
    with pytest.raises(InputError, match="must be grid or walkers"):
        toyflows.check("pcd", backend="theory")
