"""The rules of docs/architecture.md, read from the sources with `ast`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"toyflows": ROOT / "toyflows", "toyflows.cli": ROOT / "cli"}
PACKAGES |= {"toyflows.figures": ROOT / "figures"}

# Reading order: a module imports only from its own layer's earlier files or from earlier layers.
LAYERS = [
    "toyflows.lazy", "toyflows.errors", "toyflows.registry", "toyflows.files", "toyflows.archive",
    "toyflows.workers",
    "toyflows.display",
    "toyflows.cloud", "toyflows.mixture", "toyflows.target", "toyflows.energy", "toyflows.limits",
    "toyflows.state",
    "toyflows.stats", "toyflows.doubt", "toyflows.nn",
    "toyflows.kernels.jit", "toyflows.kernels.polynomials", "toyflows.kernels.random",
    "toyflows.kernels.lanes", "toyflows.kernels.vectors", "toyflows.kernels.tiles",
    "toyflows.kernels.energy_chain",
    "toyflows.kernels.winograd", "toyflows.kernels.group_norm", "toyflows.kernels.program",
    "toyflows.kernels.adam", "toyflows.nn.optimise", "toyflows.nn.training",
    "toyflows.nn.passes", "toyflows.nn.fast",
    "toyflows.nn.mlp_passes", "toyflows.nn.fast_mlp", "toyflows.nn.unet_blocks",
    "toyflows.nn.unet_passes", "toyflows.nn.fast_unet", "toyflows.images",
    "toyflows.kernels.team", "toyflows.kernels.langevin", "toyflows.kernels.metropolis",
    "toyflows.kernels.chains", "toyflows.kernels.weighted", "toyflows.kernels.sample",
    "toyflows.kernels.banded", "toyflows.kernels.exact_law", "toyflows.kernels.swap",
    "toyflows.kernels.hopfield", "toyflows.kernels.ising",
    "toyflows.kernels.boltzmann", "toyflows.kernels.rbm", "toyflows.kernels.modes",
    "toyflows.kernels.modes_chains", "toyflows.kernels.plane",
    "toyflows.backends.base", "toyflows.backends.pairs",
    "toyflows.backends.noised", "toyflows.backends.grid", "toyflows.backends.walkers",
    "toyflows.backends.energies",
    "toyflows.flows.base", "toyflows.flows", "toyflows.backends.theory", "toyflows.solve",
    "toyflows.linear", "toyflows.field", "toyflows.stationary", "toyflows.outlook",
    "toyflows.verdict",
    "toyflows.alarms", "toyflows.own", "toyflows.method", "toyflows.settings", "toyflows.bench",
    "toyflows.checks",
    "toyflows.apart", "toyflows.numerals", "toyflows.rows", "toyflows.tables",
    "toyflows.data", "toyflows.sweep.axis",
    "toyflows.sweep.settings", "toyflows.sweep.plan",
    "toyflows.sweep.point", "toyflows.sweep.engines", "toyflows.sweep.result",
    "toyflows.sweep.store", "toyflows.sweep.run", "toyflows.sweep.stored",
    "toyflows.sweep.chart", "toyflows.sweep",
    "toyflows.diffusion",
    "toyflows.diffusion.schedules", "toyflows.diffusion.gaussians", "toyflows.diffusion.processes",
    "toyflows.diffusion.quadrature",
    "toyflows.diffusion.chain", "toyflows.diffusion.targets", "toyflows.diffusion.metrics",
    "toyflows.diffusion.objectives", "toyflows.diffusion.elbo", "toyflows.diffusion.methods",
    "toyflows.diffusion.samplers", "toyflows.diffusion.gaussian_law",
    "toyflows.diffusion.likelihood", "toyflows.diffusion.guidance",
    "toyflows.diffusion.denoisers", "toyflows.diffusion.sources", "toyflows.diffusion.train",
    "toyflows.diffusion.trained", "toyflows.diffusion.shipped", "toyflows.diffusion.drawing",
    "toyflows.lattice", "toyflows.lattice.patterns", "toyflows.lattice.hopfield",
    "toyflows.lattice.capacity", "toyflows.lattice.continuous", "toyflows.lattice.modern",
    "toyflows.lattice.experts",
    "toyflows.modes.family", "toyflows.modes.target", "toyflows.modes.walkers",
    "toyflows.modes.plane", "toyflows.modes.follow", "toyflows.modes.ahead",
    "toyflows.frames", "toyflows.figures", "toyflows.run_files", "toyflows.run",
    "toyflows.modes.result", "toyflows.modes.run", "toyflows.modes", "toyflows.saved",
    "toyflows.film", "toyflows.pages", "toyflows.lab", "toyflows.cli", "toyflows.__main__",
]  # fmt: skip
# Upward on purpose: the picture of a Run names its type.
ALLOWED = {("toyflows.figures._signature", "toyflows.run")}


def modules() -> dict[str, Path]:
    """Every module of the distribution by its installed name."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(p for p in parts if p != "__init__")] = path
    return found


MODULES = modules()


def imports(path: Path) -> set[str]:
    """Absolute names imported anywhere in the file, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def layer(name: str) -> int:
    """Position of a module in the reading order: of its longest listed prefix."""
    while name and name not in LAYERS:
        name = name.rpartition(".")[0]
    return LAYERS.index(name) if name else -1


def test_every_module_has_a_layer() -> None:
    free = {"toyflows", "toyflows.kernels", "toyflows.backends", "toyflows.datasets"}
    assert [m for m in MODULES if layer(m) < 0 and m not in free] == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_file_imports_only_from_lower_layers(name: str) -> None:
    if "__dir__ = lazy(" in MODULES[name].read_text():
        return  # a package's names, imported on first use
    for wanted in imports(MODULES[name]):
        target = wanted if wanted in MODULES else wanted.rpartition(".")[0]
        if target not in MODULES or layer(target) < 0 or layer(name) < 0:
            continue
        if (name, LAYERS[layer(target)]) in ALLOWED:
            continue
        assert layer(target) <= layer(name), f"{name} imports {wanted}, which is read later"


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("numba", ("toyflows.kernels",)),
        ("llvmlite", ("toyflows.kernels", "toyflows.cli.doctor")),
        # The letters' outlines are those of the fonts that matplotlib ships.
        (
            "matplotlib",
            ("toyflows.figures", "toyflows.run_files", "toyflows.run", "toyflows.images.glyphs"),
        ),
        ("typer", ("toyflows.cli",)),
        ("rich", ("toyflows.cli",)),
    ],
)
def test_each_library_has_its_home(library: str, homes: tuple[str, ...]) -> None:
    users = {
        m for m, path in MODULES.items() if any(i.split(".")[0] == library for i in imports(path))
    }
    assert {m for m in users if not m.startswith(homes)} == set()


def test_a_run_only_names_the_type_of_its_figure() -> None:
    """toyflows.run may say `matplotlib.figure.Figure` to a type checker, and no more."""
    tree = ast.parse(MODULES["toyflows.run"].read_text())
    guarded = [
        n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n)
    ]
    inside = {id(node) for guard in guarded for node in ast.walk(guard)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and "matplotlib" in node.module:
            assert id(node) in inside


def test_no_pickle_anywhere() -> None:
    for name, path in MODULES.items():
        assert not {"pickle", "joblib", "dill", "shelve"} & {i.split(".")[0] for i in imports(path)}
        assert "allow_pickle=True" not in path.read_text(), name


@pytest.mark.parametrize("path", sorted((ROOT / "toyflows" / "flows").glob("[!_]*.py")), ids=str)
def test_a_method_fits_on_a_page(path: Path) -> None:
    """At most 60 lines of code (docstrings, comments, imports and blank lines not counted)."""
    if path.stem == "base":
        return
    tree = ast.parse(path.read_text())
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.Import | ast.ImportFrom):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue
            lines.add(node.lineno)
    assert len(lines) <= 60


@pytest.mark.parametrize("name", sorted(MODULES))
def test_functions_fit_on_a_screen(name: str) -> None:
    """At most 50 lines, docstring included; the options of the command line are not counted."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.FunctionDef):
            length = node.end_lineno - node.body[0].lineno + 1
            assert length <= 50, f"{name}.{node.name} has {length} lines"


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
