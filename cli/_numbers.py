"""The options that say how a file of numbers is read, alike in every command."""

from __future__ import annotations

from typing import Annotated

import typer

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
