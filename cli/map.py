"""`toyflows map`: a sweep as a phase diagram."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toyflows.cli import _options
from toyflows.cli._errors import refusing
from toyflows.cli._output import print_json, say_saved
from toyflows.errors import InputError

if TYPE_CHECKING:
    from toyflows.sweep.axis import Value
    from toyflows.sweep.chart import Chart

SUFFIXES = (".png", ".pdf", ".svg")


def map(
    result: Annotated[
        Path, typer.Argument(help="File that `toyflows sweep` wrote, finished or not.")
    ],
    x: Annotated[
        str | None, typer.Option(help="Horizontal axis. Default: the first axis of the sweep.")
    ] = None,
    y: Annotated[
        str | None, typer.Option(help="Vertical axis, or loss. Default: the second axis.")
    ] = None,
    panel: Annotated[
        str | None, typer.Option(help="Draw one map for each value of this axis.")
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option(help="Fix another axis at NAME=VALUE; repeatable.")
    ] = None,
    show: Annotated[
        str | None,
        typer.Option(help="Quantity to colour: verdict (default), share, distance, theta, …"),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Save to .png .pdf or .svg; repeatable. Default: RESULT.png."),
    ] = None,
    json: _options.Json = False,
) -> None:
    """Draw a sweep as a phase diagram with the lines of the theory.

    Example: toyflows map phase.npz --x separation --y rate --out phase.pdf
    """
    with refusing():
        if not result.name:
            raise InputError("result", result, "must be a file that toyflows sweep wrote")
        places = out or ([] if json else [result.with_suffix(".png")])
        _options.check_outs(places, SUFFIXES)
        from toyflows.sweep.chart import chart
        from toyflows.sweep.store import load_so_far

        found, done = load_so_far(result)
        fixed = dict(_fixed(text) for text in at or ())
        seen = chart(found, done, x=x, y=y, over=panel, show=show, at=fixed)
        for path in places:
            _save(path, seen)
    if json:
        print_json(seen.to_dict())
        return
    print(seen.message)
    if seen.missing:
        print(f"missing {seen.missing:,} of {seen.runs:,} runs, left blank")
    say_saved(places)


def _fixed(text: str) -> tuple[str, Value]:
    """From "name=value"."""
    from toyflows.sweep.axis import Axis

    name, equals, value = text.partition("=")
    if not equals or not value.strip():
        raise InputError("at", text, "must be NAME=VALUE")
    if name == "loss":
        return name, value
    return name.replace("-", "_"), Axis.of(name, value).values[0]


def _save(path: Path, seen: Chart) -> None:
    from toyflows.figures import _map
    from toyflows.figures._signature import save_picture
    from toyflows.files import whole_file

    with whole_file(path) as temporary:
        save_picture(_map.picture(seen), temporary)
