"""`toyflows site`: the documentation, the gallery and the live rooms as one static folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toyflows.cli._errors import refusing, say


def site(
    out: Annotated[Path, typer.Option(help="The folder; one that `site` wrote is replaced.")],
    gallery: Annotated[
        Path | None,
        typer.Option(help="A folder of figures, written by `toyflows figures all --out`."),
    ] = None,
    run: Annotated[
        bool, typer.Option("--run", help="Run the notebooks, so that their pages show results.")
    ] = False,
) -> None:
    """Write the whole documentation as a static site that needs no server and no network.

    Example: toyflows site --out site --gallery gallery
    """
    with refusing():
        from toyflows import site as pages

        pages.check(out, gallery)
        if lost := pages.missing(pages.NEEDED + pages.TO_RUN if run else pages.NEEDED):
            say(lost)
            raise typer.Exit(2)
        for line in pages.build(out, gallery, run):
            say(line)
        size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
        print(f"saved   {out} ({size / 1e6:.1f} MB); open {out / 'index.html'}")
        if gallery is None:
            print("without figures: --gallery names a folder of `toyflows figures all --out`")
