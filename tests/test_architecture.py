"""The rules of docs/architecture.md, read from the sources with `ast`."""

from __future__ import annotations

import ast
import functools
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"toyflows": ROOT / "toyflows", "toyflows.cli": ROOT / "cli"}
PACKAGES |= {"toyflows.figures": ROOT / "figures"}
HOMES = {  # of a library: the modules that may import it
    "numba": ("toyflows.kernels",),
    "llvmlite": ("toyflows.kernels",),
    # The letters' outlines are those of the fonts that matplotlib ships.
    "matplotlib": (
        "toyflows.figures",
        "toyflows.run_files",
        "toyflows.run",
        "toyflows.images.glyphs",
    ),
    "typer": ("toyflows.cli",),
    "rich": ("toyflows.cli",),
    "bokeh": ("toyflows.lab",),
    "tornado": ("toyflows.lab",),
    "sphinx": ("toyflows.site.conf",),
    "latex2mathml": ("toyflows.site",),
    "nbclient": ("toyflows.site",),
    "distributed": ("toyflows.sweep.engines.dask",),
    "xarray": ("toyflows.sweep.result", "toyflows.sweep.store"),
}
COME_WITH = {  # imported, and required by a declared library
    "rich": "typer", "PIL": "matplotlib", "contourpy": "matplotlib", "llvmlite": "numba",
    "tornado": "bokeh", "nbformat": "nbclient", "distributed": "dask",
}  # fmt: skip


def modules() -> dict[str, Path]:
    """Every module of the distribution by its installed name."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(p for p in parts if p != "__init__")] = path
    return found


MODULES = modules()


@functools.cache
def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text("utf-8"))


@functools.cache
def imports(name: str) -> frozenset[str]:
    """Absolute names imported anywhere in the module, also inside functions."""
    names = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                names.add(whole if whole in MODULES else str(node.module))
    return frozenset(names)


@functools.cache
def own(name: str) -> frozenset[str]:
    """The modules of ours that it imports; none where its names come on first use."""
    lazy = any(isinstance(n, ast.Assign) and "lazy" in ast.dump(n.value) for n in tree(name).body)
    if lazy and MODULES[name].name == "__init__.py":
        return frozenset()
    return imports(name) & MODULES.keys() - {name}


def layers() -> dict[str, int]:
    """Names of modules and packages by their place in the table of docs/architecture.md."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = page.partition("| layer | holds |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    names = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    assert len(names) == len(set(names))
    return {f"toyflows.{n.rstrip('/').replace('/', '.')}": k for k, n in enumerate(names)}


PLACES = layers()


def place(name: str) -> int:
    """Of the longest name in the table that the module has or is in; −1 for toyflows itself."""
    while name and name not in PLACES:
        name = name.rpartition(".")[0]
    return PLACES.get(name, -1)


def test_the_table_names_what_there_is() -> None:
    known = {name.rpartition(".")[0] for name in MODULES} | MODULES.keys()
    assert PLACES.keys() - known == set()
    assert [name for name in MODULES if place(name) < 0 and name != "toyflows"] == []


def test_a_file_imports_only_from_what_stands_before_it() -> None:
    upward = [f"{name} imports {wanted}" for name in MODULES for wanted in own(name)
              if place(wanted) > place(name)]  # fmt: skip
    assert upward == []


def test_nowhere_is_there_a_circle() -> None:
    """Kahn's algorithm: modules whose imports are all done are done; a circle is never."""
    left = {name: set(own(name)) for name in MODULES}
    while done := [name for name, wanted in left.items() if not wanted & left.keys()]:
        for name in done:
            del left[name]
    assert sorted(left) == []


def test_each_library_has_its_home() -> None:
    for library, homes in HOMES.items():
        users = {m for m in MODULES if any(i.split(".")[0] == library for i in imports(m))}
        assert {m for m in users if not m.startswith(homes)} == set(), library


def test_every_library_is_declared_or_comes_with_one_that_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *itertools.chain(*project["optional-dependencies"].values()),
    ]
    declared = {re.split(r"[\[>=]", word)[0] for word in wanted}
    used = {i.split(".")[0] for name in MODULES for i in imports(name)} - {"toyflows", "_typeshed"}
    foreign = used - sys.stdlib_module_names
    assert {COME_WITH.get(name, name) for name in foreign} <= declared
    assert COME_WITH.keys() <= foreign


def test_a_run_only_names_the_type_of_its_figure() -> None:
    """toyflows.run may say `matplotlib.figure.Figure` to a type checker, and no more."""
    whole = tree("toyflows.run")
    guarded = [n for n in ast.walk(whole) if isinstance(n, ast.If)
               and "TYPE_CHECKING" in ast.dump(n.test)]  # fmt: skip
    inside = {id(node) for guard in guarded for node in ast.walk(guard)}
    for node in ast.walk(whole):
        if isinstance(node, ast.ImportFrom) and node.module and "matplotlib" in node.module:
            assert id(node) in inside


def test_no_pickle_anywhere() -> None:
    for name, path in MODULES.items():
        found = {i.split(".")[0] for i in imports(name)}
        assert not {"pickle", "joblib", "dill", "shelve"} & found, name
        assert "allow_pickle=True" not in path.read_text("utf-8"), name


def test_a_method_fits_on_a_page() -> None:
    """At most 60 lines of code (docstrings, comments, imports and blank lines not counted)."""
    for path in sorted((ROOT / "toyflows" / "flows").glob("[!_]*.py")):
        if path.stem == "base":
            continue
        lines = set()
        for node in ast.walk(tree(f"toyflows.flows.{path.stem}")):
            if isinstance(node, ast.stmt) and not isinstance(node, ast.Import | ast.ImportFrom):
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    continue
                lines.add(node.lineno)
        assert len(lines) <= 60, path.stem


def test_functions_fit_on_a_screen() -> None:
    """At most 50 lines, docstring included; the options of the command line are not counted."""
    for name in MODULES:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.FunctionDef):
                length = node.end_lineno - node.body[0].lineno + 1
                assert length <= 50, f"{name}.{node.name} has {length} lines"


def test_the_wheel_has_every_folder() -> None:
    """pyproject.toml's packages are the folders that hold modules."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = {n if p.name == "__init__.py" else n.rpartition(".")[0] for n, p in MODULES.items()}
    assert set(setup["packages"]) == folders


LISTING = [["--help"], ["flow", "--help"], ["flows"], ["figures", "list"], ["--version"],
           ["check", "--help"], ["new", "flow", "--help"], ["verdicts", "--help"]]  # fmt: skip
REFUSING = [
    ["flow", "--loss", "nope", "--theta-star", "1"],
    ["flow", "--loss", "pcd"],
    ["flow", "--loss", "pcd", "--theta-star", "1", "--dt", "9"],
    ["figures", "one", "nope"],
    ["check", "nope.py"],
    ["new", "flow", "pcd"],
    ["verdicts", "--separation", "0"],
    ["verdicts", "--loss", "nope"],
]


@pytest.mark.parametrize("call", LISTING + REFUSING, ids=" ".join)
def test_listing_and_refusing_import_nothing_heavy(call: list[str]) -> None:
    """No numba, scipy or matplotlib; --help not even numpy."""
    script = (
        "import sys; from toyflows.cli.main import main\n"
        f"sys.argv[1:] = {call!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    code = end.code\n"
        "heavy = {'numba', 'scipy', 'matplotlib', 'llvmlite'} & set(sys.modules)\n"
        "print('code', code, 'heavy', sorted(heavy), 'numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"code {0 if call in LISTING else 2} heavy []"), (
        done.stdout + done.stderr
    )
    if call[-1] in ("--help", "--version"):
        assert last.endswith("False")
