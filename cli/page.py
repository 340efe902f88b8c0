"""`toyflows page`: recorded runs, or the live room, as one html file without server and network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toyflows.cli import _options, _run
from toyflows.cli._errors import refuse_swept, refuse_typed, refusing, typed
from toyflows.cli._output import progress_bar
from toyflows.limits import MANY_RUNS

OF_SAVED = ("out", "file", "title")  # what a page of saved runs may be told
OF_LIVE = ("out", "live", "title")  # and one that computes itself


def page(
    out: Annotated[Path, typer.Option(help="The page: .html or .htm.")],
    file: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN.npz]...", help="Saved runs, instead of new ones."),
    ] = None,
    loss: _run.Losses = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="Vary a parameter: separation=4,8,14 or rate=0.1:10:5:log; up to twice.",
        ),
    ] = None,
    theta_star: _run.ThetaStar = None,
    q_star: _run.QStar = None,
    theta0: _run.Theta0 = 0.0,
    separation: _run.Separation = 20.0,
    time: _run.Time = 100.0,
    dt: _run.Dt = 0.05,
    rate: _run.Rate = 1.0,
    walkers: _run.Walkers = MANY_RUNS,
    seed: _run.Seed = 0,
    p: _run.Options = None,
    frames: Annotated[
        int | None, typer.Option(help="Recorded times of a run. Default: up to 120 that fit.")
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the browser's window.")] = "",
    live: Annotated[
        bool, typer.Option("--live", help="A page that computes the runs itself, in the browser.")
    ] = False,
    jobs: _options.Jobs = None,
) -> None:
    """Write runs as one page to open anywhere: θ(t), densities, walkers, and a time scrubber.

    Example: toyflows page --loss pcd --loss nce --theta-star 1.4 --over separation=4,8,14,20
    --out page.html; or, to compute in the browser: toyflows page --live --out live.html
    """
    with refusing():
        from toyflows import kernels, pages
        from toyflows.limits import check_workers
        from toyflows.registry import named_values

        kernels.own_process = True
        pages.check_out(out)
        check_workers(jobs=jobs)
        if live:
            others = [name for name in typed() if name not in OF_LIVE]
            refuse_typed(others, "cannot be said with --live: that page has controls for it")
            pages.live.write(out, title)
            print(f"saved   {out} ({out.stat().st_size / 1e3:.0f} kB, computes in the browser)")
            return
        if file:
            others = [name for name in typed() if name not in OF_SAVED]
            refuse_typed(others, f"{file[0]} is a saved run, with settings of its own")
            count = _saved(out, file, title)
        else:
            refuse_swept(text.partition("=")[0] for text in over or ())
            asked = pages.plan(
                loss or [], over or [], theta_star=theta_star, q_star=q_star, theta0=theta0,
                separation=separation, time=time, dt=dt, rate=rate, walkers=walkers, seed=seed,
                options=named_values(p or []), frames=frames,
            )  # fmt: skip
            count = len(asked.runs)
            with progress_bar("running", 1) as progress:
                pages.write(out, asked, title, jobs, progress)
        size = out.stat().st_size / 1e6
        print(f"saved   {out} ({size:.2f} MB, {count} run{'s' if count > 1 else ''})")


def _saved(out: Path, files: list[Path], title: str) -> int:
    """The page of saved runs, each named by its file."""
    from toyflows import pages
    from toyflows.saved import load_two_modes

    names = [path.stem for path in files]
    if len(set(names)) < len(names):
        names = [str(path) for path in files]
    pages.write_runs(
        out, [(n, load_two_modes(f)) for n, f in zip(names, files, strict=True)], title
    )
    return len(files)
