"""The options that say a run, alike in every command: names, help and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli._errors import refuse_typed, typed
from toyflows.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

OF_RESUMED = ("resume", "time", "out", "json", "show")  # what can be said beside --resume
METHOD = 'The training method, as "cd k=10"; or a file of your own, as my.py or "my.py:Name k=3".'
METHODS = 'A training method, as "cd k=10", or a file of your own, "my.py:Name k=3"; repeatable.'

LISTED = f"{METHOD} `toyflows flows` lists the built-in ones."
Loss = Annotated[str, typer.Option(help=LISTED)]
LossOrResume = Annotated[str | None, typer.Option(help=LISTED, show_default=False)]
Resume = Annotated[
    Path | None,
    typer.Option(metavar="RUN.npz", help="Go on with this saved run until --time."),
]
Losses = Annotated[list[str] | None, typer.Option(help=METHODS)]
ThetaStar = Annotated[
    float | None, typer.Option(help="The true θ*; θ > 0 makes mode b the light one.")
]
QStar = Annotated[float | None, typer.Option(help="The true weight of mode b, instead of θ*.")]
QStarOf08 = Annotated[
    float | None,
    typer.Option(help="The true weight of mode b, instead of θ*. Default: 0.8."),
]
Theta0 = Annotated[float, typer.Option(help="Where θ starts.")]
Separation = Annotated[float, typer.Option(help="The distance d of the modes, in spreads.")]
Time = Annotated[float, typer.Option(help="How long a run is.")]
Dt = Annotated[float, typer.Option(help="The time step of θ and of the walkers.")]
Rate = Annotated[float, typer.Option(help="The speed of θ against the speed of the walkers.")]
Walkers = Annotated[int, typer.Option(help="The number of walkers.")]
Seed = Annotated[int, typer.Option(help="The seed of the walkers' noise.")]
Threads = Annotated[
    int | None, typer.Option(help="The number of threads. Default: all cores, where it helps.")
]
Options = Annotated[
    list[str] | None,
    typer.Option("-p", metavar="NAME=VALUE", help="An option of the method; repeatable."),
]


def check_out(out: list[Path] | None, resume: Path | None) -> None:
    """Raises InputError unless the run can be saved there; the file that it goes on with may be one
    of them."""
    from toyflows.files import goes_on_with
    from toyflows.run_files import check_out

    if resume is not None:
        goes_on_with(resume)
    for path in out or ():
        check_out(path)


def gone_on(path: Path, time: float, kind: type, report: Callable[..., None] | None) -> Any:
    """The saved run of this kind, continued until `time`. Raises InputError."""
    from toyflows import saved

    others = [name for name in typed() if name not in OF_RESUMED]
    refuse_typed(others, f"is said by the saved run {path}; must be one of the two")
    run = saved.load(path)
    if not isinstance(run, kind):
        other = "flow" if kind.__module__.startswith("toyflows.modes") else "modes"
        raise InputError("resume", path, f"is a run of toyflows {other}")
    return run.resume(time, report)


def check_loss(loss: str | None) -> str:
    """The method, or InputError where none is said."""
    if loss is None:
        raise InputError("loss", "(none)", "must be a method; `toyflows flows` lists them")
    return loss
