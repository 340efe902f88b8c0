"""`toyflows check FILE`: a method of one's own through the same bench as the built-in ones."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from toyflows.cli import _options, _run
from toyflows.cli._errors import refusing, say
from toyflows.cli._output import print_json, say_saved, screen
from toyflows.errors import InputError
from toyflows.limits import MANY_RUNS
from toyflows.registry import named_values

if TYPE_CHECKING:
    from rich.console import Console

SUFFIXES = (".png", ".html", ".json")
SEPARATIONS = (4.0, 10.0, 20.0)
LONGEST = 86_400.0  # seconds
MOST_SEEDS = 100
LAW = {"grid": "exact law", "walkers": "walkers"}


def check(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A Python file with a method; or my.py:Name.")
    ],
    name: Annotated[
        str | None, typer.Option(help="The method of the file to be judged. Default: all.")
    ] = None,
    separation: Annotated[
        list[float] | None,
        typer.Option(help="A distance d of the modes; repeatable. Default: 4, 10 and 20."),
    ] = None,
    theta_star: _run.ThetaStar = None,
    q_star: _run.QStarOf08 = None,
    theta0: _run.Theta0 = 0.0,
    time: _run.Time = 100.0,
    dt: _run.Dt = 0.05,
    rate: _run.Rate = 1.0,
    walkers: _run.Walkers = MANY_RUNS,
    seed: _run.Seed = 0,
    seeds: Annotated[
        int, typer.Option(help="How many seeds the walkers are judged on, from --seed on.")
    ] = 1,
    p: _run.Options = None,
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="The CPU time that a cell may take.")
    ] = 300.0,
    out: Annotated[
        list[Path] | None, typer.Option(help="Save a report: .png .html or .json; repeatable.")
    ] = None,
    json: _options.Json = False,
) -> None:
    """Judge a training method in a file of your own: docs/add_a_method.md.

    Example: toyflows check my_method.py --out report.html
    """
    with refusing():
        from toyflows import apart, bench
        from toyflows.files import check_memory
        from toyflows.limits import check_whole
        from toyflows.method import FILE
        from toyflows.own import check_path

        if (told := FILE.match(file)) and told[2]:
            file, name = told[1], name or told[2]
        path = Path(file)
        check_path(path)
        _options.check_outs(out or (), SUFFIXES)
        if not 0 < time_limit <= LONGEST:
            raise InputError("time_limit", time_limit, f"must be 0 to {LONGEST:g} seconds")
        check_whole("seeds", seeds, 1, MOST_SEEDS)
        separations = list(dict.fromkeys(separation or SEPARATIONS))
        numbers = {"theta_star": theta_star, "q_star": q_star, "theta0": theta0, "time": time,
                   "dt": dt, "rate": rate, "walkers": walkers, "seed": seed}  # fmt: skip
        setting = bench.setting(numbers, separations)
        check_memory("walkers", f"{walkers:,}", 64 * walkers + (200 << 20))  # a function copies
        done: list[apart.Record] = []
        report = _Status(path.name)
        cells = apart.records(
            path, setting, separations, name, time_limit, named_values(p or []), seeds, report
        )  # fmt: skip
        late = ""
        try:
            with report:
                for cell in cells:
                    done.append(cell)
                    if not json:
                        report.quietly(_print_cell, apart.book(path, setting, done), separations)
        except apart.OutOfTime as error:
            late = str(error)
        book = apart.book(path, setting, done) | ({"stopped": late} if late else {})
        places = [] if late else out or []
        for place in places:
            _save(place, book)
        if json:
            print_json(book)
        elif done:
            _print_end(book, places)
        if late:
            say(late + "; no file is written" * bool(out))
            raise typer.Exit(1)


class _Status:
    """On a terminal, stderr says what is being done."""

    def __init__(self, name: str) -> None:
        self._name, self._status = name, cast(Any, None)
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status(f"loading {name}")

    def __call__(self, now: str) -> None:
        if self._status is not None:
            self._status.update(f"judging {self._name} at {now}")

    def __enter__(self) -> None:
        if self._status is not None:
            self._status.start()

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()

    def quietly(self, work: Callable[..., None], *given: Any) -> None:
        """What is printed between has the terminal for itself."""
        self.__exit__()
        work(*given)
        self.__enter__()


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


def _print_cell(book: dict[str, Any], separations: list[float]) -> None:
    """The last cell as a line, below the headings that it needs."""
    from rich.markup import escape

    from toyflows.cli.verdicts import COLOUR

    console = screen()
    *before, told = book["cells"]
    wide = max(len(f"{d:g}") for d in separations)
    if not before:
        console.print(f"[bold]{escape(book['file'])}[/]")
        console.print("target  θ* = {theta_star:+.4f}   q* = {q_star:.4f}   "
                      "(q: weight of mode b; θ > 0 makes mode b light)".format(**book))  # fmt: skip
        console.print("start   θ0 = {theta0:+.4f}   q0 = {q0:.4f}   time = {time:g}, "
                      "dt = {dt:g}, rate = {rate:g}, {walkers:,} walkers, "
                      "seed = {seed}".format(**book))  # fmt: skip
    if not before or before[-1]["method"] != told["method"]:
        if before:
            _print_verdict(console, book, before[-1]["method"])
        console.print(f"\n[bold]{escape(told['method'])}[/]   {escape(told['equation'])}\n")
        head = f" {'d':>{wide}}   {'law':9}   {'θ at the end':>12}   {'q':>6}   verdict"
        console.print(f"[bold]{head}[/]\n {'─' * (len(head) + 6)}")
    kind = told["verdict"]["kind"]
    ends = [told.get("theta_end", math.nan), told.get("q_end", math.nan)]
    θ, q = (f"{ends[0]:+.4f}", f"{ends[1]:.4f}") if math.isfinite(ends[0]) else ("", "")
    seeds = f"   seed {told['seed']}" if told["seed"] != book["seed"] else ""
    console.print(f" {told['separation']:>{wide}g}   {LAW[told['backend']]:9}   {θ:>12}   {q:>6}   "
                  f"[{COLOUR[kind]}]{kind}[/]{seeds}")  # fmt: skip
    sys.stdout.flush()


def _print_verdict(console: Console, book: dict[str, Any], method: str) -> None:
    """A method's verdict, and a sentence for each separation."""
    from rich.markup import escape

    from toyflows.apart import judged

    cells = [c for c in book["cells"] if c["method"] == method]
    console.print(f"\nverdict [bold]{book['says'][method]}[/]")
    for d, told in judged(cells, method).items():
        console.print(f"d = {d:<4g}{escape(told['verdict']['says'])}")
    for told in cells:
        for alarm in told["alarms"]:
            place = f"d = {told['separation']:g}, {LAW[told['backend']]}"
            console.print(f"[bold]alarm[/]   {place}: {escape(alarm)}")


def _print_end(book: dict[str, Any], out: list[Path]) -> None:
    """The last method's verdict, and where the files are."""
    console = screen()
    _print_verdict(console, book, book["cells"][-1]["method"])
    say_saved(out)
