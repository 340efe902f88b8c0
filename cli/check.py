"""`toyflows check FILE`: a method of one's own through the same bench as the built-in ones."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli._errors import refusing, say
from toyflows.cli._output import print_json
from toyflows.errors import InputError

if TYPE_CHECKING:
    from toyflows.bench import Setting

SUFFIXES = (".png", ".html", ".json")
SEPARATIONS = (4.0, 10.0, 20.0)
LONGEST = 86_400.0  # seconds
LAW = {"grid": "exact law", "walkers": "walkers"}


def register(app: typer.Typer) -> None:
    """Adds this family's command."""
    app.command()(check)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Python file with a method.")],
    name: Annotated[
        str | None, typer.Option(help="Check this method of the file only. Default: all.")
    ] = None,
    separation: Annotated[
        list[float] | None,
        typer.Option(help="A distance d of the modes; repeatable. Default: 4, 10 and 20."),
    ] = None,
    theta_star: Annotated[float | None, typer.Option(help="True θ*; θ > 0: mode b light.")] = None,
    q_star: Annotated[
        float | None, typer.Option(help="True weight of mode b, not θ*. Default: 0.8.")
    ] = None,
    theta0: Annotated[float, typer.Option(help="Where θ starts.")] = 0.0,
    time: Annotated[float, typer.Option(help="How long each run is.")] = 100.0,
    dt: Annotated[float, typer.Option(help="Time step of θ and of the walkers.")] = 0.05,
    rate: Annotated[float, typer.Option(help="Speed of θ against the walkers' speed.")] = 1.0,
    walkers: Annotated[int, typer.Option(help="Number of walkers.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of all noise.")] = 0,
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="CPU time that a cell may take.")
    ] = 300.0,
    out: Annotated[
        list[Path] | None, typer.Option(help="Save a report: .png .html or .json; repeatable.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object only.")] = False,
) -> None:
    """Judge a training method in a file of your own: docs/add_a_method.md.

    Example: toyflows check my_method.py --out report.html
    """
    with refusing():
        from toyflows import apart
        from toyflows.bench import Setting
        from toyflows.own import check_path

        check_path(file)
        for path in out or ():
            _check_out(path)
        if not 0 < time_limit <= LONGEST:
            raise InputError("time_limit", time_limit, f"must be 0 to {LONGEST:g} seconds")
        separations = list(dict.fromkeys(separation or SEPARATIONS))
        θ_star = _truth(theta_star, q_star, separations)
        setting = Setting(θ_star, theta0, time, dt, rate, walkers, seed)
        _check_memory(walkers)
        done: list[apart.Record] = []
        late = ""
        try:
            _judge(file, setting, separations, name, time_limit, done)
        except apart.OutOfTime as error:
            late = str(error)
        book = apart.book(file, setting, done) | ({"stopped": late} if late else {})
        places = [] if late else out or []
        for path in places:
            _save(path, book)
        if json:
            print_json(book)
        elif done:
            _print(book, places)
        if late:
            say(late + "; no file is written" * bool(out))
            raise typer.Exit(1)


def _check_out(path: Path) -> None:
    from toyflows.files import check_writable

    if path.suffix not in SUFFIXES:
        raise InputError("out", path, f"the suffix must be one of {' '.join(SUFFIXES)}")
    check_writable(path)


def _truth(theta_star: float | None, q_star: float | None, separations: list[float]) -> float:
    """θ*, once every target has been found possible."""
    from toyflows.target import Target

    if theta_star is not None and q_star is not None:
        raise InputError("theta_star", "and --q-star", "both are given; must be one of the two")
    for d in separations:
        if theta_star is not None:
            target = Target.exact(theta_star, d)
        else:
            target = Target.from_q(0.8 if q_star is None else q_star, d)
    return target.θ_star


def _check_memory(walkers: int) -> None:
    """Data, negatives and the copies that a user's function gets and makes."""
    from toyflows.files import free_memory

    need, free = 8 * 8 * walkers + (200 << 20), free_memory()
    if need > free:
        raise InputError("walkers", f"{walkers:,}", f"needs {need / 2**30:.1f} GiB of memory, "
                         f"there is {free / 2**30:.1f} GiB")  # fmt: skip


def _judge(
    file: Path, setting: Setting, separations: list[float], name: str | None, limit: float,
    done: list[dict[str, Any]],
) -> None:  # fmt: skip
    """The bench, cell by cell into `done`; on a terminal, stderr says what is being done."""
    from toyflows import apart

    if not sys.stderr.isatty():
        done.extend(apart.records(file, setting, separations, name, limit))
        return
    from rich.console import Console

    with Console(stderr=True).status(f"loading {file.name}") as status:

        def report(now: str) -> None:
            status.update(f"judging {file.name} at {now}")

        done.extend(apart.records(file, setting, separations, name, limit, report))


def _text(book: dict[str, Any]) -> str:
    import json

    return json.dumps(book, ensure_ascii=False, allow_nan=False)


def _save(path: Path, book: dict[str, Any]) -> None:
    from toyflows.files import whole_file

    with whole_file(path) as temporary:
        if path.suffix == ".json":
            temporary.write_text(_text(book) + "\n", encoding="utf-8")
            return
        from toyflows.figures import _report

        if path.suffix == ".html":
            temporary.write_text(_report.page(book), encoding="utf-8")
        else:
            _report.save(book, temporary)


def _print(book: dict[str, Any], out: list[Path]) -> None:
    """For each method the compact table, its verdict, and a sentence for each separation."""
    from rich.console import Console
    from rich.markup import escape

    from toyflows.apart import judged

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{escape(book['file'])}[/]")
    console.print("target  θ* = {theta_star:+.4f}   q* = {q_star:.4f}   "
                  "(q: weight of mode b; θ > 0 makes mode b light)".format(**book))  # fmt: skip
    console.print("start   θ0 = {theta0:+.4f}   q0 = {q0:.4f}   time = {time:g}, dt = {dt:g}, "
                  "rate = {rate:g}, {walkers:,} walkers, seed = {seed}".format(**book))  # fmt: skip
    for method, says in book["says"].items():
        cells = [c for c in book["cells"] if c["method"] == method]
        console.print(f"\n[bold]{escape(method)}[/]   {escape(cells[0]['equation'])}")
        console.print(_table(cells))
        console.print(f"verdict [bold]{says}[/]")
        for d, told in judged(cells, method).items():
            console.print(f"d = {d:<4g}{escape(told['verdict']['says'])}")
        for told in cells:
            for alarm in told["alarms"]:
                place = f"d = {told['separation']:g}, {LAW[told['backend']]}"
                console.print(f"[bold]alarm[/]   {place}: {escape(alarm)}")
    for path in out:
        console.print(f"saved   {path}")


def _table(cells: list[dict[str, Any]]) -> Any:
    from rich import box
    from rich.table import Table

    from toyflows.cli.verdicts import COLOUR

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("d", "law", "θ at the end", "q", "verdict"):
        table.add_column(head, justify="left" if head in ("law", "verdict") else "right")
    for told in cells:
        kind = told["verdict"]["kind"]
        ends = [told.get("theta_end", math.nan), told.get("q_end", math.nan)]
        numbers = [f"{ends[0]:+.4f}", f"{ends[1]:.4f}"] if math.isfinite(ends[0]) else ["", ""]
        table.add_row(f"{told['separation']:g}", LAW[told["backend"]], *numbers,
                      f"[{COLOUR[kind]}]{kind}[/]")  # fmt: skip
    return table
