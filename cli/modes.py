"""`toyflows modes` runs one training method among K modes in D dimensions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toyflows.cli import _options, _positions, _run
from toyflows.cli._errors import refuse_walkers, refusing
from toyflows.cli._output import say_saved, screen, table
from toyflows.cli.flow import bars, print_verdict, told
from toyflows.registry import named_values

if TYPE_CHECKING:
    from rich.table import Table

    from toyflows.modes.follow import Path as Recorded
    from toyflows.modes.result import Run


def modes(
    loss: _run.LossOrResume = None,
    positions: _positions.Positions = None,
    theta_star: Annotated[
        str | None, typer.Option(metavar="θ,θ,…", help="True θ*: the weights are softmax(−θ*).")
    ] = None,
    q_star: Annotated[
        str | None, typer.Option(metavar="q,q,…", help="The true weights, not θ*.")
    ] = None,
    theta0: Annotated[
        str | None, typer.Option(metavar="θ,θ,…", help="Where θ starts. Default: equal weights.")
    ] = None,
    spreads: _positions.Spreads = "1",
    dimension: _positions.Dimension = None,
    time: _run.Time = 100.0,
    dt: _run.Dt = 0.05,
    rate: _run.Rate = 1.0,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help="theory, grid or walkers; repeatable. Default: the quick ones that apply."
        ),
    ] = None,
    walkers: _run.Walkers = 20_000,
    seed: _run.Seed = 0,
    threads: _run.Threads = None,
    p: _run.Options = None,
    resume: _run.Resume = None,
    out: _options.RunOut = None,
    json: _options.Json = False,
    show: _options.Show = False,
) -> None:
    """Follow the weights of K modes in D dimensions: the formula, the exact law, the walkers.

    Example: toyflows modes --loss pcd --positions "0,0; 6,0; 3,5" --theta-star 0,1,0.5
    """
    with refusing():
        from toyflows import kernels
        from toyflows.modes import result, run

        kernels.own_process = True
        _run.check_out(out, resume)
        refuse_walkers(backend)
        given = {"theta_star": theta_star, "q_star": q_star, "theta0": theta0, "spreads": spreads}
        rows = {
            name: _positions.row(name, text) for name, text in given.items() if text is not None
        }
        with bars() as report:
            done = _run.gone_on(resume, time, result.Run, report) if resume else run.flow(
                _run.check_loss(loss), positions=_positions.rows(positions, dimension), time=time,
                dt=dt, rate=rate, backends=backend, walkers=walkers, seed=seed, threads=threads,
                report=report, options=named_values(p or []), **rows,
            )  # fmt: skip
        told(done, out or [], json, show, _print)


def _print(run: Run, out: list[Path]) -> None:
    """The compact table, the verdict, and where the files are."""
    from rich.markup import escape

    from toyflows.flows import equation

    mix, s, target = run.target.mixture, run.settings, run.target
    console = screen()
    console.print(f"[bold]{s.loss}[/]   {escape(equation(type(run.flow)))}")
    q_star = _shown(mix.weights(target.θ_star))
    console.print(f"target  θ* = {_shown([0, *target.θ_star])}   q* = {q_star} = softmax(−θ*)")
    console.print(f"start   θ0 = {_shown(s.theta0)}   {mix.K} modes in {mix.D}-D, dt = {s.dt:g}, "
                  f"rate = {s.rate:g}, seed = {s.seed}")  # fmt: skip
    console.print(_table(run))
    print_verdict(console, run.verdict)
    for alarm in run.alarms:
        console.print(f"[bold]alarm[/]   {alarm}")
    say_saved(out)


def _table(run: Run) -> Table:
    """About ten rows: the weights of the first six modes, and on the last backend KL(ρ_* | ρ_θ)."""
    paths, shown = run.backends, min(run.target.mixture.K, 6)
    first, most = next(iter(paths.values())), list(paths.values())[-1]
    heads = ["t", *(f"q_{k + 1}" + f" {n}" * (k == 0) for n in paths for k in range(shown))]
    heads += _divergences(most).values()  # one of them: three would not fit the line
    made = table(heads)
    last = first.t.size - 1
    for i in sorted({round(j * last / 8) for j in range(9)}):
        row = [f"{first.t[i]:g}"]
        for path in paths.values():
            row += [f"{w:.4f}" for w in run.target.mixture.weights(path.θ[i])[:shown]]
        made.add_row(*row, *(f"{most.seen[key][i]:.3g}" for key in _divergences(most)))
    return made


def _divergences(path: Recorded) -> dict[str, str]:
    """The columns of the KL that the path shows, and how they are headed."""
    titles = {"kl": "KL", "kl_from_log_Z": "KL(log_Z)"}
    return {key: title for key, title in titles.items() if key in path.seen}


def _shown(values: Iterable[float]) -> str:
    """(0, 1, 0.5) of at most six."""
    numbers = [f"{v:.4g}" for v in values]
    return f"({', '.join(numbers[:6])}{', …' if len(numbers) > 6 else ''})"
