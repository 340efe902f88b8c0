"""`toyflows inspect` says what a checkpoint is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toyflows.cli import _options
from toyflows.cli._errors import refusing
from toyflows.cli._output import print_json


def inspect(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A checkpoint file, or the name of shipped weights such as ebm28.",
        ),
    ],
    json: _options.Json = False,
) -> None:
    """Print a checkpoint's kind, step, configuration, data and arrays; every byte is checked.

    Example: toyflows inspect ebm28
    """
    with refusing():
        import dataclasses

        from toyflows.images import shipped
        from toyflows.nn import checkpoint as file

        _, header = file.load(shipped.place(checkpoint))
        if json:
            print_json(dataclasses.asdict(header))
            return
        print(f"{header.kind} at step {header.step}, seed {header.seed}, data {header.data[:16]}…")
        written = header.versions
        print("written by " + ", ".join(f"{name} {written[name]}" for name in written))
        for name, value in header.configuration.items():
            told = " ".join(map(str, value)) if isinstance(value, list) else value
            print(f"  {name:12}{told}")
        for name, (shape, dtype, digest) in header.arrays.items():
            print(f"  {name:12}{' × '.join(map(str, shape)):20}{dtype:6}{digest[:16]}…")
