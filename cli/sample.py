"""`toyflows sample` draws images from a trained energy, fills their holes, takes their noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli._errors import refusing
from toyflows.errors import InputError

if TYPE_CHECKING:
    from toyflows.images.base import Pixels
    from toyflows.images.train import Model
    from toyflows.images.uses import Sampler


def register(app: typer.Typer) -> None:
    """Adds this family's command."""
    app.command()(sample)


def sample(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Of toyflows train.")],
    out: Annotated[Path, typer.Option(help="A .png, or an .npz of the numbers.")],
    count: Annotated[int, typer.Option(help="Number of images.")] = 16,
    steps: Annotated[int, typer.Option(help="Langevin steps.")] = 256,
    snapshots: Annotated[int, typer.Option(help="Rows of the picture between start and end.")] = 4,
    class_: Annotated[
        list[str] | None,
        typer.Option("--class", help="Of a jem: this class; of several, their energies' sum."),
    ] = None,
    inpaint: Annotated[
        str | None, typer.Option(help="Fill this part: left, right, top, bottom or middle.")
    ] = None,
    denoise: Annotated[
        float | None, typer.Option(metavar="SPREAD", help="Add this noise and take it away.")
    ] = None,
    pull: Annotated[float, typer.Option(help="How much --denoise holds to what it saw.")] = 0.03,
    buffer: Annotated[bool, typer.Option("--buffer", help="Begin at the run's chains.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 0,
    threads: Annotated[int | None, typer.Option(help="Threads. Default: all cores.")] = None,
) -> None:
    """Draw images by Langevin from noise, or from the chains of the training run.

    Example: toyflows sample letters.npz --class A --out a.png
    """
    with refusing():
        _check(count, steps, snapshots, (inpaint is not None) + (denoise is not None) + buffer)
        from toyflows.files import check_writable
        from toyflows.images import uses
        from toyflows.images.train import Model

        uses.check_picture(out)
        check_writable(out)
        model = Model.load(checkpoint)
        sampler = _sampler(model, steps, seed, class_ or [], threads)
        if inpaint is not None:
            rows = _inpainted(model, sampler, inpaint, count, snapshots)
        elif denoise is not None:
            rows = _denoised(model, sampler, denoise, pull, count, snapshots)
        elif buffer:
            chains = sampler.follow(_chains(model, count, checkpoint), snapshots)
            rows = {f"step {k}": x for k, x in chains}
        else:
            chains = sampler.from_noise(count, model.config.size, snapshots)
            rows = {f"step {k}": x for k, x in chains}
        uses.save(out, list(rows.values()), list(rows))
        print("rows    " + ", ".join(rows))
        print(f"saved   {out}")


def _check(count: int, steps: int, snapshots: int, uses: int) -> None:
    for name, value in (("count", count), ("steps", steps), ("snapshots", snapshots)):
        if value < 1:
            raise InputError(name, value, "allowed is 1 or more")
    if count > 10_000:
        raise InputError("count", count, "allowed is 10000 or less")
    if uses > 1:
        raise InputError("inpaint", "--denoise --buffer", "allowed is one of the three")


def _sampler(model: Model, steps: int, seed: int, names: list[str], threads: int | None) -> Sampler:
    import dataclasses

    from toyflows.images import uses

    if names and model.config.kind != "jem":
        raise InputError("class", names[0], "an ebm knows no classes")
    classes = uses.places(names, model.config.classes)
    chain = dataclasses.replace(model.config.chain, steps=steps)
    return uses.Sampler(model.engine(threads), model.state.θ, chain, seed, classes)


def _tests(model: Model, sampler: Sampler, count: int) -> Pixels:
    """Test images of the sampler's classes, or of all."""
    import numpy as np

    from toyflows.images.sgld import stream

    test = model.parts().test
    rows = np.flatnonzero(np.isin(test.y, sampler.classes) if sampler.classes else test.y >= 0)
    return test.x[stream(sampler.seed, "tests").permutation(rows)[:count]]


def _chains(model: Model, count: int, checkpoint: Path) -> Any:
    from toyflows.images.base import pixels

    if not len(model.state.buffer):
        raise InputError("buffer", checkpoint, f"the sampler {model.config.sampler} has none")
    return pixels(model.state.buffer[:count])


def _inpainted(
    model: Model, sampler: Sampler, part: str, count: int, snapshots: int
) -> dict[str, Pixels]:
    """The images, and their parts from noise to the end."""
    from toyflows.images import uses

    known = uses.known_without(part, model.config.size)
    x = _tests(model, sampler, count)
    found = {f"step {k}": z for k, z in sampler.inpaint(x, known, snapshots)}
    last = list(found.values())[-1]
    print(f"spread of the error in the filled pixels: {uses.spread((last - x)[:, ~known]):.4f}")
    return {"image": x, **found}


def _denoised(
    model: Model, sampler: Sampler, σ: float, pull: float, count: int, snapshots: int
) -> dict[str, Pixels]:
    """The images, with noise, and the noise going."""
    from toyflows.images import uses

    if not σ >= 0:
        raise InputError("denoise", σ, "allowed is 0 or more")
    x = _tests(model, sampler, count)
    seen = uses.noised(x, σ, sampler.seed)
    found = {f"step {k}": z for k, z in sampler.denoise(seen, pull, snapshots)}
    last = list(found.values())[-1]
    print(f"spread of the error: {uses.spread(seen - x):.4f} → {uses.spread(last - x):.4f}")
    return {"image": x, **found}
