"""`toyflows verdicts`: every method at every separation, judged."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toyflows.cli import _run
from toyflows.cli._errors import refuse_walkers, refusing
from toyflows.errors import InputError
from toyflows.limits import MANY_RUNS
from toyflows.registry import named_values

if TYPE_CHECKING:
    from toyflows.bench import Cell
    from toyflows.settings import RunSettings

SUFFIXES = (".png", ".pdf", ".svg", ".json", ".csv", ".md")
COLOUR = {
    "converges": "green",
    "on its way": "cyan",
    "biased": "yellow",
    "no learning": "dim",
    "mode collapse": "red",
    "oscillates": "magenta",
    "diverges": "bold red",
}


def register(app: typer.Typer) -> None:
    """Adds this family's command."""
    app.command()(verdicts)


def verdicts(
    loss: Annotated[
        list[str] | None, typer.Option(help=f"{_run.METHODS} Default: all built-in ones.")
    ] = None,
    separation: Annotated[
        list[float] | None, typer.Option(help="A distance d of the modes; repeatable.")
    ] = None,
    theta_star: _run.ThetaStar = None,
    q_star: _run.QStarOf08 = None,
    theta0: _run.Theta0 = 0.0,
    time: _run.Time = 100.0,
    dt: _run.Dt = 0.05,
    rate: _run.Rate = 1.0,
    backend: Annotated[str, typer.Option(help="grid (the exact law) or walkers.")] = "grid",
    walkers: _run.Walkers = MANY_RUNS,
    seed: _run.Seed = 0,
    p: _run.Options = None,
    jobs: Annotated[int | None, typer.Option(help="Processes to use. Default: all cores.")] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Save to .png .pdf .svg .json .csv or .md; repeatable."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object only.")] = False,
) -> None:
    """Judge every method at a list of separations; the exact law unless walkers are asked for.

    Example: toyflows verdicts --loss ml --loss pcd --separation 4 --separation 20
    """
    with refusing():
        from toyflows import bench
        from toyflows.files import available_cores
        from toyflows.flows import registry
        from toyflows.limits import check_workers
        from toyflows.method import methods
        from toyflows.settings import check_particles

        for path in out or ():
            _check_out(path)
        if backend not in ("grid", "walkers"):
            raise InputError("backend", backend, "must be grid or walkers")
        check_workers(jobs=jobs)
        separations = tuple(dict.fromkeys(separation or bench.SEPARATIONS))
        numbers = {"theta_star": theta_star, "q_star": q_star, "theta0": theta0, "time": time,
                   "dt": dt, "rate": rate, "walkers": walkers, "seed": seed}  # fmt: skip
        setting = bench.setting(numbers, separations)
        flows = list(methods(loss or list(registry()), named_values(p or [])).values())
        if all(flow.exact for flow in flows):  # others run on walkers all the same
            refuse_walkers([backend])
        for flow in flows if backend == "walkers" else ():
            check_particles(flow, walkers)
        cells = _watched(
            bench.table(flows, separations, setting, backend, jobs or available_cores()),
            len(flows) * len(separations),
        )
        for path in out or ():
            _save(path, cells, setting)
        if json:
            print(bench.to_json(cells, setting))
        else:
            _print(cells, out or [])


def _check_out(path: Path) -> None:
    from toyflows.files import check_writable

    if path.suffix not in SUFFIXES:
        raise InputError("out", path, f"the suffix must be one of {' '.join(SUFFIXES)}")
    check_writable(path)


def _watched(cells: Iterable[Cell], of: int) -> list[Cell]:
    """All cells, with a progress bar on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        return list(cells)
    from rich.console import Console
    from rich.progress import track

    return list(track(cells, "judging", of, console=Console(stderr=True), transient=True))


def _save(path: Path, cells: list[Cell], setting: RunSettings) -> None:
    from toyflows import bench
    from toyflows.files import whole_file

    text = {".json": bench.to_json, ".csv": bench.to_csv, ".md": bench.to_markdown}
    with whole_file(path) as temporary:
        if path.suffix in text:
            temporary.write_text(text[path.suffix](cells, setting) + "\n", encoding="utf-8")
        else:
            from toyflows.figures import _table
            from toyflows.figures._signature import save_picture

            save_picture(_table.picture(cells, setting), temporary)


def _print(cells: list[Cell], out: list[Path]) -> None:
    """The table, the methods that learn at most separations first."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from toyflows.bench import rows

    separations = sorted({cell.separation for cell in cells})
    widest = 20 + 16 * len(separations)  # words are not broken, however narrow the terminal
    console = Console(highlight=False, soft_wrap=True, width=widest)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("method")
    for d in separations:
        table.add_column(f"d = {d:g}")
    for method, row in rows(cells):
        words = [row[d].verdict.kind for d in separations]
        table.add_row(method, *(f"[{COLOUR[word]}]{word}[/]" for word in words))
    console.print(table)
    for path in out:
        console.print(f"saved   {path}")
