"""`toyflows sweep`: methods × settings × repeats into one labelled file."""

from __future__ import annotations

import contextlib
import sys
import time as clock
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _options, _positions, _run
from toyflows.cli._errors import refuse_swept, refuse_typed, refuse_walkers, refusing, say, typed
from toyflows.cli._output import print_json
from toyflows.limits import MANY_RUNS
from toyflows.registry import named_values

if TYPE_CHECKING:
    from toyflows.sweep.plan import Plan
    from toyflows.sweep.result import Result
    from toyflows.sweep.run import Estimate

BESIDE_A_PLAN = ("out", "plan", "engine", "scheduler", "jobs", "dry_run", "json")


def sweep(
    out: Annotated[Path, typer.Option(help="The result: .npz, .nc or .zarr.")],
    plan: Annotated[
        Path | None, typer.Argument(help="A plan in TOML, for --loss, --over …")
    ] = None,
    loss: _run.Losses = None,
    over: Annotated[
        list[str] | None,
        typer.Option(help="NAME=START:STOP:COUNT[:log] or NAME=A,B,C; repeatable."),
    ] = None,
    theta_star: Annotated[
        str | None,
        typer.Option(metavar="θ|θ,θ,…", help="The true θ*; with --positions one for each mode."),
    ] = None,
    q_star: Annotated[
        str | None,
        typer.Option(metavar="q|q,q,…", help="The true weight of mode b, or all. Default: 0.8."),
    ] = None,
    theta0: Annotated[
        str | None, typer.Option(metavar="θ|θ,θ,…", help="Where θ starts. Default: equal weights.")
    ] = None,
    positions: _positions.Positions = None,
    spreads: _positions.Spreads = "1",
    dimension: _positions.Dimension = None,
    separation: _run.Separation = 20.0,
    time: _run.Time = 100.0,
    dt: _run.Dt = 0.05,
    rate: _run.Rate = 1.0,
    walkers: _run.Walkers = MANY_RUNS,
    seed: Annotated[int, typer.Option(help="The seed of all runs' seeds.")] = 0,
    p: _run.Options = None,
    backend: Annotated[str, typer.Option(help="theory, grid or walkers.")] = "walkers",
    repeats: Annotated[
        int, typer.Option(help="How many runs a point has, each with another seed.")
    ] = 1,
    keep: Annotated[
        str | None,
        typer.Option(
            help="What to keep, of verdict,needs,theta,bias,drift,crossings,effective_size,path."
        ),
    ] = None,
    engine: Annotated[str | None, typer.Option(help="Engine: local or dask.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="A Dask scheduler, tcp://host:8786.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Number of processes. Default: all.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure a pilot, say what it takes, write nothing.")
    ] = False,
    json: _options.Json = False,
) -> None:
    """Run methods at every combination of values; stopped or extended, the same command goes on.

    Example: toyflows sweep --loss pcd --over separation=2:14:7 --over rate=0.1:10:5:log
    --out phase.npz
    """
    weights = {"theta_star": theta_star, "q_star": q_star, "theta0": theta0}
    numbers = {"time": time, "dt": dt, "rate": rate, "walkers": walkers, "seed": seed}
    told = {"backend": backend, "repeats": repeats} | ({"keep": keep.split(",")} if keep else {})
    with refusing():
        from toyflows.sweep.engines import WorkersLost, make_engine
        from toyflows.sweep.run import carry_out, estimate

        if positions is None:
            refuse_typed([name for name in typed() if name in ("spreads", "dimension")],
                         "is of K modes; give --positions")  # fmt: skip
            told |= {"separation": separation}
            read: Callable[[str, str], Any] = _positions.number
        else:
            refuse_typed([name for name in typed() if name == "separation"],
                         "is of two modes; --positions say where they are")  # fmt: skip
            told |= {"positions": _positions.rows(positions, dimension),
                     "spreads": _positions.row("spreads", spreads)}  # fmt: skip
            read = _positions.row
        told |= {name: read(name, text) for name, text in weights.items() if text is not None}
        asked = _plan(plan, loss, over, p, numbers | told)
        workers = make_engine(engine or ("dask" if scheduler else "local"), jobs, scheduler)
        start, counted = clock.perf_counter(), _Counted()
        try:
            if dry_run:
                _print_estimate(estimate(asked, out, workers), json)
                return
            with _bar(counted) as report:
                result = carry_out(asked, out, workers, report)
        except WorkersLost as error:
            say(f"{error}; {counted.kept(out)}")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            if counted.total:
                say(counted.kept(out))
            raise
        _print(result, counted, clock.perf_counter() - start, out, json)


def _plan(
    path: Path | None,
    loss: list[str] | None,
    over: list[str] | None,
    p: list[str] | None,
    given: dict[str, Any],
) -> Plan:
    """From the file or from the options, never from both."""
    from toyflows.sweep.axis import Axis
    from toyflows.sweep.plan import Plan

    if path is not None:
        both = [name for name in typed() if name not in BESIDE_A_PLAN]
        refuse_typed(both, f"is said by the plan {path}; must be one of the two")
        return Plan.load(path)
    axes = [Axis.parse(text) for text in over or ()]
    refuse_swept(axis.name for axis in axes)
    refuse_walkers([given["backend"]] if "backend" in given else None)
    return Plan.make(loss or [], axes, options=named_values(p or []), **given)


class _Counted:
    """How many runs are on disk: when the sweep began, and now."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.saved = self.total = 0

    def see(self, saved: int, total: int) -> None:
        self.first = saved if self.first is None else self.first
        self.saved, self.total = saved, total

    def kept(self, out: Path) -> str:
        """What stays where the sweep is stopped."""
        told = f"{self.saved:,} of {self.total:,} runs are kept in {out}.parts"
        return f"{told}; the same command goes on"


@contextlib.contextmanager
def _bar(counted: _Counted) -> Iterator[Callable[[int, int], None]]:
    """Counts, and where stderr is a terminal shows runs done and the time left."""
    if not sys.stderr.isatty():
        yield counted.see
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = TextColumn("sweep"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)

        def report(saved: int, total: int) -> None:
            counted.see(saved, total)
            assert counted.first is not None
            bars.update(task, completed=saved - counted.first, total=total - counted.first)

        yield report


def _print_estimate(told: Estimate, json: bool) -> None:
    if json:
        import dataclasses

        print_json(dataclasses.asdict(told))
        return
    print(f"runs    {told.runs:,}, of which {told.missing:,} are still to be done")
    if told.missing:
        print(f"time    about {_time(told.seconds)} on {told.jobs} free cores")
        print(f"memory  {told.memory / 2**20:,.0f} MiB")
    print(f"file    {told.size / 2**20:,.1f} MiB")


def _time(seconds: float) -> str:
    """In words."""
    for unit, name in ((3600.0, "h"), (60.0, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.2g} s"


def _print(result: Result, counted: _Counted, seconds: float, out: Path, json: bool) -> None:
    done = counted.total - (counted.first or 0)
    if json:
        told = {
            "out": str(out), "shape": dict(zip(result.plan.dims, result.plan.shape, strict=True)),
            "runs": counted.total, "computed": done, "reused": counted.first or 0,
            "seconds": seconds, "verdicts": result.counts(), "plan": result.plan.to_dict(),
        }  # fmt: skip
        print_json(told)
        return
    reused = f", {counted.first:,} were there" if counted.first else ""
    print(f"runs    {done:,} in {_time(seconds)}{reused}")
    counts = result.counts()
    width = max(map(len, counts))
    for loss, kinds in counts.items():
        print(f"{loss:{width}}  " + ", ".join(f"{kind} {n:,}" for kind, n in kinds.items()))
    print(f"saved   {out}")
