"""`toyflows errata` lists the slips in the lectures' formulas, or shows one."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from toyflows.cli._errors import refusing

if TYPE_CHECKING:
    from toyflows.errata import Slip

WIDTH = 100


def errata(
    slip: Annotated[
        str | None,
        typer.Argument(metavar="[SLIP]", help="One slip, G.rbm or G7, or all of a lecture, G."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/errata.md, all slips with reasons.")
    ] = False,
) -> None:
    """List the slips in the lectures' formulas, or show one with its reason.

    Example: toyflows errata G.rbm
    """
    with refusing():
        from toyflows import errata as book
        from toyflows.errors import InputError

        if markdown:
            if slip is not None:
                raise InputError("markdown", slip, "prints all slips; must be given alone")
            print(book.markdown())
            return
        found = book.slips() if slip is None else book.chosen(slip)
        if len(found) == 1:
            print(_told(found[0]))
            return
        width = max(len(s.name) for s in found)
        for s in found:
            print(f"{s.number:4}{s.name:{width}}  {s.title}")


def _told(slip: Slip) -> str:
    """One slip: title, both formulas, reason, test."""
    parts = {"printed": slip.printed, "correct": slip.correct, "why": slip.why, "test": slip.test}
    lines = [f"{slip.number}  {slip.name}  {slip.title}"]
    for word, text in parts.items():
        head = f"{word:9}"
        lines += textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
    return "\n".join(lines)
