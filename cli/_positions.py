"""The options that say where K modes are, and rows of numbers in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toyflows.errors import InputError

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".npy", ".npz", ".gz")

Positions = Annotated[
    str | None,
    typer.Option(metavar='"X,Y; X,Y; …"|FILE.csv', help="Where the modes are, one row each."),
]
Spreads = Annotated[str, typer.Option(metavar="s|s,s,…", help="One spread, or each mode's.")]
Dimension = Annotated[
    int | None, typer.Option(help="D, where the positions' further coordinates are 0.")
]


def row(name: str, text: str) -> list[float]:
    """Numbers between commas; a row of one is a number for all."""
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise InputError(name, text, "must be numbers between commas") from None


def rows(text: str | None, dimension: int | None) -> list[list[float]]:
    """Rows of numbers from the text, or the file of that name, with zeros up to `dimension`."""
    if text is None:
        raise InputError("positions", "(none)", 'must be rows of numbers, as "0,0; 6,0; 3,5"')
    from toyflows.tables import Choice, read

    if Path(text).suffix in SUFFIXES:
        found = read(text, Choice(width=None, option="positions")).x.tolist()
    else:
        found = [row("positions", line) for line in text.split(";") if line.strip()]
    if not found or any(len(one) != len(found[0]) for one in found):
        raise InputError("positions", text, "must be rows of equally many numbers")
    if dimension is None:
        return found
    if not len(found[0]) <= dimension <= 10_000:
        raise InputError("dimension", dimension, f"must be {len(found[0])} to 10000")
    return [one + [0.0] * (dimension - len(one)) for one in found]


def number(name: str, text: str) -> float:
    """Of two modes. Raises InputError."""
    try:
        return float(text)
    except ValueError:
        raise InputError(
            name, text, "must be a number; with --positions, one for each mode"
        ) from None
