"""`toyflows verdicts`: every method at every separation, judged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toyflows.cli import _options, _run
from toyflows.cli._errors import refuse_walkers, refusing
from toyflows.cli._output import progress_bar, say_saved, screen, table
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
    jobs: _options.Jobs = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Save to .png .pdf .svg .json .csv or .md; repeatable."),
    ] = None,
    json: _options.Json = False,
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

        _options.check_outs(out or (), SUFFIXES)
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


def _watched(cells: Iterable[Cell], of: int) -> list[Cell]:
    """All cells, with a progress bar on stderr where that is a terminal."""
    found = []
    with progress_bar("judging", of) as tell:
        for cell in cells:
            found.append(cell)
            tell(len(found))
    return found


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
    from toyflows.bench import rows

    separations = sorted({cell.separation for cell in cells})
    widest = 20 + 16 * len(separations)  # words are not broken, however narrow the terminal
    heads = ["method", *(f"d = {d:g}" for d in separations)]
    shown = table(heads, left=heads, padding=(0, 1))
    for method, row in rows(cells):
        words = [row[d].verdict.kind for d in separations]
        shown.add_row(method, *(f"[{COLOUR[word]}]{word}[/]" for word in words))
    screen(width=widest).print(shown)
    say_saved(out)
