"""`toyflows flows` lists the training methods."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer


def flows(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """List the training methods, each with its equation and its options."""
    from toyflows.flows import equation, registry
    from toyflows.registry import options_of

    if markdown:
        print(_markdown())
        return
    for name, method in registry().items():
        print(f"{name:16}{equation(method)}")
        fields = options_of(method)
        if fields:
            print(" " * 16 + "  ".join(f"-p {f.name}={f.default}" for f in fields))
        if method.note:
            print(textwrap.indent(textwrap.fill(method.note, 84), " " * 16))


def _markdown() -> str:
    """docs/methods.md: one row a method."""
    from toyflows.flows import equation, registry
    from toyflows.registry import options_of

    rows = ["# Training methods", "", "Made by `toyflows flows --markdown`; one file each in"]
    rows[-1] += " `toyflows/flows/`."
    rows += ["", "The definitions are Coste's [C] where he has one; [G] is Gavves, lecture 8."]
    rows += ["", "| method | | equation | options | remark |", "| --- | --- | --- | --- | --- |"]
    for name, method in registry().items():
        fields = options_of(method)
        options = ", ".join(f"`{f.name}={f.default}`" for f in fields)
        law, note = (text.replace("|", "\\|") for text in (equation(method), method.note))
        rows.append(f"| `{name}` | {method.title} | {law} | {options} | {note} |")
    return "\n".join(rows)
