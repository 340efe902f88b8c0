"""Options that several commands have, alike in each: names, help and defaults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from toyflows.errors import InputError

Column = Annotated[
    str | None,
    typer.Option(metavar="NAME|N|all", help="Learn this column of --data, by its name or number."),
]
Columns = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Read these columns of the file, by names or numbers."),
]
SkipMissing = Annotated[
    bool | None,
    typer.Option(
        "--skip-missing/--no-skip-missing",
        help="Leave out missing values, or read codes such as -999 as numbers.",
        show_default=False,
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object only.")]
RunOut = Annotated[
    list[Path] | None, typer.Option(help="Save to .png .pdf .svg .json .csv or .npz; repeatable.")
]
Show = Annotated[bool, typer.Option("--show", help="Open the picture in a window.")]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.")]
Threads = Annotated[int | None, typer.Option(help="Number of threads. Default: all cores.")]
Jobs = Annotated[int | None, typer.Option(help="Processes to use. Default: all cores.")]

# of models in files
CHECKPOINT = "Checkpoint of toyflows train, or shipped weights such as ebm28."
Checkpoint = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help=CHECKPOINT)]
Exact = Annotated[
    str | None,
    typer.Option(metavar="LAW", help="Use the exact score of this law instead of a checkpoint."),
]
Process = Annotated[
    str | None, typer.Option(help="Noising process for --exact: vp, ve or ou. Default: vp.")
]
Sampler = Annotated[
    str | None, typer.Option(help="Sampler of a diffusion model: ancestral, ddim, ode-heun, …")
]
Spacing = Annotated[str, typer.Option(help="Spacing of the diffusion times: uniform or log-snr.")]
Guidance = Annotated[
    float,
    typer.Option(
        metavar="W", help="Guidance weight W: score = (1+W)·conditional − W·unconditional."
    ),
]
SamplerOptions = Annotated[
    list[str] | None,
    typer.Option(
        "-p", metavar="NAME=VALUE", help="An option of the sampler or process; repeatable."
    ),
]

# of training
NewSeed = Annotated[int | None, typer.Option(help="Seed of all random numbers.")]
Minutes = Annotated[float | None, typer.Option(help="Stop after this many minutes.")]
Numbers = Annotated[
    list[str] | None,
    typer.Option(
        "-p", metavar="NAME=VALUE", help="A number of the training, as batch=64; repeatable."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in the file --out.")]
CheckpointOut = Annotated[Path, typer.Option(help="File of the checkpoint, an .npz.")]


def check_outs(paths: Iterable[Path], suffixes: Sequence[str]) -> None:
    """Raises InputError("out") unless each can be written, with one of these suffixes."""
    from toyflows.files import check_writable

    for path in paths:
        if path.suffix not in suffixes:
            raise InputError("out", path, f"the suffix must be one of {' '.join(suffixes)}")
        check_writable(path)
