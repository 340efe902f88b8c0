"""`toyflows figures`: list, one ID…, all, replay MANIFEST."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli._errors import refusing
from toyflows.errors import InputError
from toyflows.figures import _look
from toyflows.files import available_cores

if TYPE_CHECKING:
    from toyflows.figures._make import Result

app = typer.Typer(
    help="Make the figures of the lectures and check their claims.",
    no_args_is_help=True,
)

OutOption = Annotated[Path, typer.Option("--out", help="Folder of the figures and of the gallery.")]
FormatOption = Annotated[
    str, typer.Option("--format", help="Format: png, pdf, svg, or several with commas.")
]
ScaleOption = Annotated[
    float, typer.Option(help="Factor on the size of the computation, up to 10; 0.05 is quick.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of all random numbers.")]
JobsOption = Annotated[
    int | None,
    typer.Option(help="Number of figures made at the same time.", show_default="all processors"),
]
NoTitleOption = Annotated[
    bool, typer.Option("--no-title", help="Leave the sentence above the figure out.")
]
WidthOption = Annotated[
    float | None,
    typer.Option(help="Width of the picture in cm; letters and lines shrink with it.",
                 show_default="32.5, as drawn"),
]  # fmt: skip
ThemeOption = Annotated[
    str, typer.Option(help="Theme: light, dark (for slides on black) or paper (serif, no grid).")
]
GALLERY = Path("gallery")


@app.command("list")
def list_figures() -> None:
    """List the figures and what each shows."""
    from toyflows.figures import _registry

    with refusing():
        width = max(map(len, _registry.ids()), default=0)
        for figure in _registry.ids():
            print(f"{figure:<{width}}  {_title(figure)}")


@app.command()
def one(
    figures: Annotated[
        list[str],
        typer.Argument(
            metavar="ID...", help="Names of the figures; `toyflows figures list` prints them."
        ),
    ],
    out: OutOption = GALLERY,
    formats: FormatOption = "png",
    scale: ScaleOption = 1.0,
    seed: SeedOption = 0,
    jobs: JobsOption = None,
    no_title: NoTitleOption = False,
    width: WidthOption = None,
    theme: ThemeOption = "light",
    panel: Annotated[
        int | None, typer.Option(help="One panel alone, without the figure's sentence.")
    ] = None,
) -> None:
    """Make the figures that you name.

    Example: toyflows figures one mode_collapse --panel 2 --width 8.5 --format pdf --out paper
    """
    with refusing():
        look = _look.Look(not no_title, width, theme, panel)
        _make(figures, out, formats, scale, seed, jobs, look)


@app.command("all")
def all_figures(
    out: OutOption = GALLERY,
    formats: FormatOption = "png",
    scale: ScaleOption = 1.0,
    seed: SeedOption = 0,
    jobs: JobsOption = None,
    no_title: NoTitleOption = False,
    width: WidthOption = None,
    theme: ThemeOption = "light",
    retrain: Annotated[
        bool,
        typer.Option("--retrain", help="First train all shipped weights again (this takes long)."),
    ] = False,
    resweep: Annotated[
        bool, typer.Option("--resweep", help="First compute all shipped sweeps again (10 minutes).")
    ] = False,
) -> None:
    """Make every figure; figures that are finished already stay as they are."""
    from toyflows.figures import _registry

    with refusing():
        look = _look.Look(not no_title, width, theme)
        if retrain:
            _retrain(out, formats, scale, seed, jobs)
        if resweep:
            _resweep(out, formats, scale, seed, jobs)
        _make(_registry.ids(), out, formats, scale, seed, jobs, look)


@app.command()
def replay(
    manifest: Annotated[Path, typer.Argument(help="Path of a gallery's manifest.json.")],
    out: Annotated[Path | None, typer.Option(help="Keep the new figures in this folder.")] = None,
    jobs: JobsOption = None,
) -> None:
    """Make a gallery's figures again, and say which numbers moved."""
    from toyflows.figures import _replay
    from toyflows.figures._make import read_manifest

    with refusing():
        count = len(read_manifest(manifest)["figures"])
        with shown(count) as progress:
            found = _replay.replay(manifest, out, _jobs(jobs), progress)
    for line in found.versions:
        print(f"version: {line}")
    for line in found.moved:
        print(f"moved: {line}")
    if found.moved:
        raise typer.Exit(1)
    print(f"same: {found.figures} figures, {found.numbers} numbers")


def _make(
    figures: list[str], out: Path, formats: str, scale: float, seed: int, jobs: int | None,
    look: _look.Look,
) -> None:  # fmt: skip
    from toyflows.figures import _make

    wanted = [name.strip() for name in formats.split(",")]
    with shown(len(set(figures))) as progress:
        results = _make.make(figures, out, wanted, scale, seed, _jobs(jobs), progress, look)
    if not results:
        raise InputError("figure", "all", "there are no figure files")
    for result in results:
        if result.trace:
            print(result.trace, file=sys.stderr)
    print(f"gallery: {out / _make.GALLERY}")
    if any(result.entry is None for result in results):
        raise typer.Exit(1)


def _retrain(out: Path, formats: str, scale: float, seed: int, jobs: int | None) -> None:
    """Trains all that ships into OUT/weights, from where the figures then take it. A run that was
    stopped goes on there."""
    from toyflows.figures import _manifest

    _manifest.check(scale, seed, _jobs(jobs))
    _manifest.checked_formats([name.strip() for name in formats.split(",")])
    from toyflows.diffusion import shipped as diffusion
    from toyflows.files import SHIPPED
    from toyflows.images import curves, shipped

    folder = out / "weights"
    with _manifest.own(out):
        folder.mkdir(exist_ok=True)
        for name, recipe in shipped.RECIPES.items():
            print(f"{name}: {recipe.command}", flush=True)
            path = shipped.make(name, folder, _jobs(jobs), _told(recipe.steps))
            found, before = (shipped.read(p).scores for p in (path, SHIPPED / path.name))
            for score, value in found.items():
                print(f"  {score:24} {value:.4f}, shipped {before[score]:.4f}")
        for name, config in diffusion.RECIPES.items():
            print(f"{name}: {diffusion.command(config)}", flush=True)
            diffusion.make(name, folder, _jobs(jobs), _told(diffusion.STEPS))
        print(f"{curves.NAME}: {', '.join(curves.RUNS)}", flush=True)
        curves.make(folder, _jobs(jobs), _told(curves.STEPS))
    os.environ["TOYFLOWS_WEIGHTS"] = str(folder)


def _resweep(out: Path, formats: str, scale: float, seed: int, jobs: int | None) -> None:
    """Computes all sweeps that ship into OUT/sweeps, from where the figures then take them. What
    was stopped goes on there."""
    from toyflows.figures import _manifest

    _manifest.check(scale, seed, _jobs(jobs))
    _manifest.checked_formats([name.strip() for name in formats.split(",")])
    from toyflows.files import PLANS
    from toyflows.sweep import load, stored

    folder = out / "sweeps"
    with _manifest.own(out):
        folder.mkdir(exist_ok=True)
        for name in stored.names():
            result = stored.make(name, folder, _jobs(jobs))
            was = load(PLANS / f"{name}.npz")["verdict"]
            other = int((result["verdict"] != was).sum())
            print(f"{name}: {was.size:,} runs, {other} of other verdict than shipped", flush=True)
    os.environ["TOYFLOWS_SWEEPS"] = str(folder)


def _told(steps: int) -> Callable[[Any], None]:
    """Says how far a training is, ten times in a run."""
    every = max(1, steps // 10)

    def tell(record: Any) -> None:
        if record.step % every == 0:
            loss = getattr(record.loss, "total", record.loss)
            print(f"  step {record.step} of {steps}, loss {loss:.4f}", flush=True)

    return tell


def _jobs(asked: int | None) -> int:
    return available_cores() if asked is None else asked


def _title(figure: str) -> str:
    from toyflows.figures import _registry

    try:
        return _registry.describe(figure).title
    except _registry.NotAFigure as error:
        return f"({error})"


@contextlib.contextmanager
def shown(count: int, quiet: bool = False) -> Iterator[Callable[[Result], None]]:
    """A line on stdout for each result, unless quiet; on a terminal a bar with the time left on
    stderr."""

    def line(result: Result) -> None:
        if quiet:
            return
        print(f"{result.figure:<18} {result.seconds:7.2f} s  {result.message}", flush=True)

    if not sys.stderr.isatty():
        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        "figures", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # lines above the bar; a pipe gets them as they are
    )  # fmt: skip
    task = bar.add_task("figures", total=count)

    def line_and_step(result: Result) -> None:
        line(result)
        bar.advance(task)

    with bar:
        yield line_and_step
