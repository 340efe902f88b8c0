"""`toyflows likelihood` asks a diffusion model for the density of points."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _drawing, _options
from toyflows.cli._errors import refuse_typed, refusing
from toyflows.cli._output import print_json
from toyflows.errors import InputError
from toyflows.registry import named_values

if TYPE_CHECKING:
    from toyflows.cloud import Array
    from toyflows.diffusion.drawing import Subject

LEARNED, EXACT = 1e-4, 1e-8  # tolerances of the solver: a network answers in single precision


def likelihood(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            metavar="CHECKPOINT",
            help="Checkpoint of a diffusion model of points, made by toyflows train.",
        ),
    ] = None,
    exact: _options.Exact = None,
    process: _options.Process = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="File of the points. Default: fresh points of the target."
        ),
    ] = None,
    columns: _options.Columns = None,
    skip_missing: _options.SkipMissing = None,
    count: Annotated[int, typer.Option(help="Largest number of points.")] = 1000,
    class_: Annotated[
        str | None, typer.Option("--class", help="Print the density given this class.")
    ] = None,
    p: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="NAME=VALUE", help="An option of the process; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the fresh points.")] = 0,
    json: _options.Json = False,
) -> None:
    """Print the mean log density of points, found with the probability-flow ODE.

    Example: toyflows likelihood roll.npz --data mine.csv
    """
    with refusing():
        from toyflows import tables
        from toyflows.limits import check_seed, check_whole
        from toyflows.seeds import stream

        tables.check_goes_with(data, "data", columns=columns, skip_missing=skip_missing)
        check_whole("count", count, 2, _drawing.MOST["points"])
        check_seed(seed)
        if data is not None:
            refuse_typed(["seed"], f"is for fresh points, not for {data}")
        asked = _drawing.Asked(checkpoint, exact, process, pairs=named_values(p or []),
                               classes=[class_] if class_ else [], seed=seed)  # fmt: skip
        subject, _ = asked.prepared()
        if len(subject.shape) != 1:
            raise InputError("checkpoint", checkpoint, "is of images; must be models of points")
        label = asked.label(subject)
        if data is not None:
            points = _own(data, columns, skip_missing, subject)
        else:
            points = _drawing.fresh(subject, label, count, stream(seed, "likelihood"))
        found = _found(subject, label, points[:count])
        if json:
            print_json(found)
            return
        print("{points} points: {nats:.4f} ± {error:.4f} nats, {bits_per_dimension:.4f} bits a "
              "dimension, with {evaluations} evaluations of the score".format(**found))  # fmt: skip
        if "closed_form" in found:
            print("closed form: {closed_form:.4f} nats, largest difference of a point "
                  "{largest_difference:.1e}".format(**found))  # fmt: skip


def _own(data: str, columns: str | None, skip_missing: bool | None, subject: Subject) -> Array:
    """The points of the file (n, D)."""
    from dataclasses import replace

    from toyflows.tables import Choice, read

    D = subject.shape[0]
    x = read(data, replace(Choice.of_points(columns, skip_missing, "data"), width=D)).x
    if x.shape[1:] != subject.shape or len(x) < 2:
        raise InputError("data", data, f"must be 2 rows or more of {D} numbers")
    return x


def _found(subject: Subject, label: int | None, x: Array) -> dict[str, Any]:
    """log p(x) = log p(z) − D log spread for z in the model's units."""
    import numpy as np

    from toyflows.diffusion.drawing import Exact
    from toyflows.diffusion.likelihood import FAR, log_likelihood

    score = subject.score(label=label)
    seen = 0

    def counted(z: Array, t: float) -> Array:
        nonlocal seen
        seen += 1
        return score(z, t)

    exact, D = isinstance(subject, Exact), x.shape[1]
    units = subject.units
    far = np.abs(z := units.inward(x)).max(axis=1) > FAR
    if far.any():
        raise InputError("data", f"row {int(far.argmax()) + 1}", "is farther from the data than "
                         f"{FAR:g} of their spreads")  # fmt: skip
    log_p = log_likelihood(
        z, counted, score.divergence, subject.process, tolerance=EXACT if exact else LEARNED
    ) - D * math.log(units.spread)
    mean, error = float(log_p.mean()), float(log_p.std(ddof=1) / math.sqrt(len(x)))
    found: dict[str, Any] = {
        "points": len(x), "nats": mean, "error": error,
        "bits_per_dimension": -mean / D / math.log(2), "evaluations": seen,
    }  # fmt: skip
    if isinstance(subject, Exact):
        true = subject.law_of(label).log_density(x)
        found["closed_form"] = float(true.mean())
        found["largest_difference"] = float(np.abs(log_p - true).max())
    return found
