"""`toyflows ood` asks how well a trained energy tells outsiders from insiders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from toyflows.cli import _options
from toyflows.cli._errors import refusing
from toyflows.cli._output import print_json, say_saved, screen, table
from toyflows.errors import InputError

Scores = dict[str, Any]  # by name, an array a set of images
PICTURES = (".png", ".pdf", ".svg")
SCORES = ("energy", "gradient", "probability")
ALIASES = {"gradient-norm": "gradient", "approximate-mass": "gradient"}


def ood(
    checkpoint: _options.Checkpoint,
    score: Annotated[
        list[str] | None,
        typer.Option(help="Score: energy, gradient or probability; repeatable. Default: all."),
    ] = None,
    outside: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Folder or .npz of your own images from outside the data."
        ),
    ] = None,
    count: Annotated[int, typer.Option(help="Largest number of images per set.")] = 1000,
    seed: Annotated[
        int, typer.Option(help="Seed of the choice of images and of the intervals.")
    ] = 0,
    threads: _options.Threads = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="Save the histograms of one score (the first asked for, or the energy) to .png, "
            ".pdf or .svg; repeatable."
        ),
    ] = None,
    json: _options.Json = False,
) -> None:
    """Test how well a model detects images from outside its data: AUROC, AUPR and FPR95.

    Example: toyflows ood ebm28 --score energy
    """
    with refusing():
        from toyflows.limits import check_seed

        if count < 2:
            raise InputError("count", count, "must be 2 or more")
        check_seed(seed)
        _options.check_outs(out or [], PICTURES)
        wanted = _wanted(score or [])
        inside, strange = _scores(checkpoint, wanted, outside, count, seed, threads)
        found = _table(wanted or list(inside), inside, strange, seed)
        for path in out or []:
            _save(path, checkpoint.name, (wanted or ["energy"])[0], inside, strange, found)
        if json:
            print_json(found)
        else:
            _print(found)
            say_saved(out or [])


def _wanted(names: list[str]) -> list[str]:
    for name in names:
        if name not in (*SCORES, *ALIASES):
            raise InputError("score", name, f"must be {', '.join((*SCORES, *ALIASES))}")
    return [ALIASES.get(name, name) for name in names]


def _scores(
    checkpoint: Path, wanted: list[str], outside: str | None, count: int, seed: int,
    threads: int | None,
) -> tuple[Scores, dict[str, Scores]]:  # fmt: skip
    """Every score of the test images, and of each set of outsiders."""
    from toyflows.images import shifted, shipped, uses

    model = shipped.find(checkpoint)
    if "probability" in wanted and not model.config.labelled:
        raise InputError("score", "probability", "an ebm knows no classes")
    parts = model.parts()
    engine, θ = model.engine(threads), model.state.mean.mean
    if outside is None:
        sets = ((name, of(parts, seed)) for name, of in shifted.SETS.items())
    else:
        sets = ((name, x) for name, x in [(Path(outside).name, _own(outside, model.config.size))])
    inside = uses.scores(engine, θ, parts.test.x[:count])
    return inside, {name: uses.scores(engine, θ, x[:count]) for name, x in sets}


def _table(
    wanted: list[str], inside: Scores, strange: dict[str, Scores], seed: int
) -> list[dict[str, Any]]:
    """A row for each score and set of outsiders."""
    import dataclasses

    from toyflows.images.detection import detect

    return [
        {"score": score, "set": name,
         **dataclasses.asdict(detect(inside[score], scores[score], seed))}
        for name, scores in strange.items()
        for score in wanted
    ]  # fmt: skip


def _save(
    path: Path, model: str, score: str, inside: Scores, strange: dict[str, Scores],
    rows: list[dict[str, Any]],
) -> None:  # fmt: skip
    """The picture of one score."""
    from toyflows.figures._ridges import picture
    from toyflows.figures._signature import save_picture
    from toyflows.files import whole_file

    scores = {"test images": inside[score]} | {name: x[score] for name, x in strange.items()}
    areas = {row["set"]: row["auroc"] for row in rows if row["score"] == score}
    with whole_file(path) as temporary:
        save_picture(picture(model, score, scores, areas), temporary)


def _own(source: str, size: int) -> Any:
    """All images of the user's set."""
    import numpy as np

    from toyflows.images import folder

    try:
        parts = folder.load(source, size)
    except InputError as error:
        raise InputError("outside", error.value, error.why) from None
    return np.concatenate([part.x for part in (parts.train, parts.valid, parts.test)])


def _print(rows: list[dict[str, Any]]) -> None:
    words = ("score", "outsiders")
    shown = table([*words, "AUROC", "95 %", "AUPR", "FPR95"], left=words)
    for row in sorted(rows, key=lambda row: str(row["score"])):
        interval = f"{row['low']:.3f} … {row['high']:.3f}"
        cells = [row["score"], row["set"], f"{row['auroc']:.3f}", interval]
        shown.add_row(*cells, f"{row['aupr']:.3f}", f"{row['fpr95']:.3f}")
    screen().print(shown)
