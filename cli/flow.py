"""`toyflows flow` runs one training method."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _options, _run
from toyflows.cli._errors import refuse_walkers, refusing, say
from toyflows.cli._output import print_json, say_saved, screen, table
from toyflows.limits import ONE_RUN
from toyflows.registry import named_values

if TYPE_CHECKING:
    from typing import TypeVar

    from rich.console import Console

    from toyflows.modes.result import Run as RunOfModes
    from toyflows.run import Run
    from toyflows.verdict import Verdict

    AnyRun = TypeVar("AnyRun", Run, RunOfModes)


def flow(
    loss: _run.LossOrResume = None,
    theta_star: _run.ThetaStar = None,
    q_star: _run.QStar = None,
    theta0: _run.Theta0 = 0.0,
    separation: Annotated[
        float | None,
        typer.Option(help="The distance d of the modes, in spreads. Default: 20."),
    ] = None,
    time: _run.Time = 100.0,
    dt: _run.Dt = 0.05,
    rate: _run.Rate = 1.0,
    backend: Annotated[
        list[str] | None,
        typer.Option(help="theory, grid or walkers; repeatable. Default: all that apply."),
    ] = None,
    walkers: _run.Walkers = ONE_RUN,
    seed: _run.Seed = 0,
    threads: _run.Threads = None,
    p: _run.Options = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="FILE|-|old-faithful", help="Learn these 1-D numbers; -: stdin."),
    ] = None,
    column: _options.Column = None,
    skip_missing: _options.SkipMissing = None,
    modes: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="A B", help="The modes of the data, instead of fitting them."),
    ] = None,
    resume: _run.Resume = None,
    out: _options.RunOut = None,
    json: _options.Json = False,
    show: _options.Show = False,
) -> None:
    """Follow θ under one training method: the lecture's formula, the exact law, the walkers.

    Example: toyflows flow --loss pcd --theta-star 1.4
    """
    with refusing():
        from toyflows import kernels, run

        kernels.own_process = True
        _run.check_out(out, resume)
        refuse_walkers(backend)
        with bars() as report:
            done = _run.gone_on(resume, time, run.Run, report) if resume else run.flow(
                _run.check_loss(loss), theta_star=theta_star, q_star=q_star, theta0=theta0,
                separation=separation, time=time, dt=dt, rate=rate, backends=backend,
                walkers=walkers, seed=seed, threads=threads, data=data, modes=modes, column=column,
                skip_missing=skip_missing, report=report,
                options=named_values(p or []),
            )  # fmt: skip
        told(done, out or [], json, show, _print)


@contextlib.contextmanager
def bars() -> Iterator[Callable[[str, int, int], None] | None]:
    """A progress bar a backend, on stderr and only where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from toyflows import kernels

    tasks: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True), transient=True) as bars:

        def report(name: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=of)
            bars.update(tasks[name], completed=done, total=of)

        kernels.report = report
        try:
            yield report
        finally:
            kernels.report = None


def _print(run: Run, out: list[Path]) -> None:
    """The compact table, the verdict, and where the files are."""
    from rich.markup import escape

    from toyflows import linear
    from toyflows.flows import equation

    mix, target, s = run.target.mixture, run.target, run.settings
    console = screen()
    console.print(f"[bold]{s.loss}[/]   {escape(equation(type(run.flow)))}")
    if run.read is not None:
        console.print(f"data    {escape(str(run.read))}")
    console.print(f"target  θ* = {target.θ_star:+.4f}   q* = {target.q_star:.4f}   "
                  "(q: weight of mode b; θ > 0 makes mode b light)")  # fmt: skip
    console.print(f"start   θ0 = {s.theta0:+.4f}   q0 = {mix.weight_b(s.theta0):.4f}   "
                  f"d = {mix.d:g}, dt = {s.dt:g}, rate = {s.rate:g}, seed = {s.seed}")  # fmt: skip
    negatives = next((tr for n, tr in run.backends.items() if n != "theory"), None)
    counted = negatives is not None and math.isfinite(negatives.mode_b[0])
    heads = ["t", *(head for name in run.backends for head in (f"θ {name}", "q"))]
    shown = table([*heads, *["negatives in b"] * counted])
    for row in _rows(run, negatives.mode_b if counted and negatives else None):
        shown.add_row(*row)
    console.print(shown)
    print_verdict(console, run.verdict)
    if run.eigenvalues is not None:
        console.print(f"eigenvalues at rest  {linear.in_words(run.eigenvalues)}")
    for alarm in run.alarms:
        console.print(f"[bold]alarm[/]   {alarm}")
    say_saved(out)


def print_verdict(console: Console, verdict: Verdict) -> None:
    """The three tenses: what is seen, what was, and the verdict on the whole run."""
    console.print(f"now     {verdict.now}")
    console.print(f"so far  {verdict.so_far}")
    console.print(f"verdict [bold]{verdict.kind}[/] ({verdict.number:.6g})")
    console.print(verdict.says)


def _rows(run: Run, mode_b: Any) -> Iterator[list[str]]:
    """About ten rows, evenly spread over the records."""
    first = next(iter(run.backends.values()))
    last = first.t.size - 1
    for k in sorted({round(i * last / 8) for i in range(9)}):
        row = [f"{first.t[k]:g}"]
        for tr in run.backends.values():
            row += [f"{tr.θ[k]:+.4f}", f"{run.target.mixture.weight_b(tr.θ[k]):.4f}"]
        yield row if mode_b is None else [*row, f"{mode_b[k]:.4f}"]


def told(
    run: AnyRun,
    out: list[Path],
    json: bool,
    show: bool,
    table: Callable[[AnyRun, list[Path]], None],
) -> None:
    """What becomes of a finished run: its files, its JSON or its table, its picture in a window."""
    for path in out:
        run.save(path)
    if json:
        print_json(run.to_dict())
    else:
        table(run, out)
    if show:
        _show(run)


def _show(run: Run | RunOfModes) -> None:
    """The picture, opened by the system's own viewer."""
    import tempfile
    import webbrowser

    with tempfile.NamedTemporaryFile(suffix=".png", prefix="toyflows-", delete=False) as file:
        picture = run.save(file.name)
    if not webbrowser.open(picture.as_uri()):
        say(f"--show found no viewer; the picture is {picture}")
