"""`toyflows classify` asks a JEM or a classifier for the classes of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _options
from toyflows.cli._errors import refusing
from toyflows.cli._output import print_json
from toyflows.errors import InputError
from toyflows.limits import STEEPEST, check_between

if TYPE_CHECKING:
    from toyflows.images.base import Images
    from toyflows.images.train import Model

CONFUSED = 8  # pairs of classes that are printed


def classify(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT", help="Checkpoint of a jem or a classifier, such as jem28."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Classify these images, sorted by class. Default: the test images.",
        ),
    ] = None,
    threads: _options.Threads = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Divide the logits by this temperature before the softmax.",
            show_default="fitted to the model's validation images",
        ),
    ] = None,
    json: _options.Json = False,
) -> None:
    """Classify images: accuracy, cross-entropy, calibration and the confusion of classes.

    Example: toyflows classify jem28
    """
    with refusing():
        if temperature is not None:
            check_between("temperature", temperature, 1 / STEEPEST, STEEPEST)
        found = _judged(checkpoint, data, threads, temperature)
        if json:
            print_json(found)
            return
        print("{images} images: {accuracy:.1%} right, cross-entropy {cross_entropy:.4f}, "
              "calibration error {calibration_error:.4f}; "
              "a linear classifier has {linear:.1%} right".format(**found))  # fmt: skip
        print("  with the logits divided by the temperature {temperature:.4g}, {fitted}: "
              "cross-entropy {cross_entropy_at_temperature:.4f}, "
              "calibration error {calibration_error_at_temperature:.4f}"
              .format(**found))  # fmt: skip
        for pair in found["confused"]:
            print("  {times:4} × {true} taken for {called}".format(**pair))


def _judged(
    checkpoint: Path, data: str | None, threads: int | None, temperature: float | None
) -> dict[str, Any]:
    import numpy as np

    from toyflows.images import shipped
    from toyflows.images.baseline import LinearClassifier
    from toyflows.images.calibration import reliability
    from toyflows.images.calibration import temperature as fit
    from toyflows.images.energy import cross_entropy

    model = shipped.find(checkpoint, "jem", "classifier")
    names, parts = model.config.classes, model.parts()
    images = parts.test if data is None else _own(data, model)
    engine = model.engine(threads)
    f = engine.outputs(model.state.mean.mean, images.x).astype(np.float64)
    fitted = "as given"
    if temperature is None:
        fitted = "fitted to the validation images"
        valid = engine.outputs(model.state.mean.mean, parts.valid.x)
        temperature = fit(valid, parts.valid.y)
    called = f.argmax(axis=1)
    pairs, times = np.unique(
        np.stack([images.y, called])[:, called != images.y], axis=1, return_counts=True
    )
    worst = np.argsort(-times, kind="stable")[:CONFUSED]
    return {
        "images": len(images),
        "accuracy": float(np.mean(called == images.y)),
        "cross_entropy": cross_entropy(f, images.y)[0],
        "calibration_error": reliability(f, images.y).error,
        "temperature": temperature,
        "fitted": fitted,
        "cross_entropy_at_temperature": cross_entropy(f / temperature, images.y)[0],
        "calibration_error_at_temperature": reliability(f / temperature, images.y).error,
        "linear": LinearClassifier.fit(parts.train, len(names)).accuracy(images),
        "confused": [
            {"true": names[pairs[0, k]], "called": names[pairs[1, k]], "times": int(times[k])}
            for k in worst
        ],
    }


def _own(source: str, model: Model) -> Images:
    """All images of the user's set; their classes by name."""
    import numpy as np

    from toyflows.images import folder
    from toyflows.images.base import Images

    parts, known = folder.load(source, model.config.size), model.config.classes
    for name in parts.classes:
        if name not in known:
            raise InputError("data", source, f"has a class {name}; the run knows {' '.join(known)}")
    place = np.array([known.index(name) for name in parts.classes])
    three = (parts.train, parts.valid, parts.test)
    x, y = (np.concatenate([getattr(part, name) for part in three]) for name in ("x", "y"))
    return Images(x, place[y])
