"""`toyflows train` teaches images to an energy model, a JEM or a classifier; points or images to a
diffusion model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _options, _training
from toyflows.cli._errors import refuse_typed, refusing, say
from toyflows.errors import InputError, nearest
from toyflows.registry import named_values

if TYPE_CHECKING:
    from toyflows.images.base import Parts
    from toyflows.images.train import Config, Model, Record

STEPS = 2000  # where neither --steps nor --minutes says when to stop
SPELLED = ("kind", "size", "data", "sampler", "seed")  # options that are not given by -p
DIFFUSION = ("ddpm", "ncsn")


def train(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="ebm|jem|classifier|ddpm|ncsn",
            help="ebm, jem: energy models (jem with classes); classifier; ddpm, ncsn: diffusion.",
        ),
    ],
    size: Annotated[int | None, typer.Option(help="Pixels per side. Default: 28.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|glyphs", help="Images for ebm, jem and classifier; an .npz works too."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|FOLDER",
            help="Data for ddpm and ncsn: a law's name, a file of points, a drawing or images.",
        ),
    ] = None,
    columns: _options.Columns = None,
    skip_missing: _options.SkipMissing = None,
    sampler: Annotated[
        str | None,
        typer.Option(help="Start of the chains: contrastive-divergence, persistent or short-run."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Stop at this step. Default: 2000, ddpm and ncsn 4000 or 20,000."),
    ] = None,
    minutes: _options.Minutes = None,
    seed: _options.NewSeed = None,
    threads: _options.Threads = None,
    p: _options.Numbers = None,
    resume: _options.Resume = False,
    out: _options.CheckpointOut = Path("checkpoint.npz"),
) -> None:
    """Train an energy model, a classifier or a diffusion model; --resume continues a run.

    Examples: toyflows train jem --size 28 --minutes 10 --out letters.npz;
    toyflows train ddpm --target swiss-roll --out roll.npz
    """
    with refusing():
        given = {"kind": kind, "size": size, "data": data, "sampler": sampler, "seed": seed}
        given |= {"target": target, "columns": columns, "skip_missing": skip_missing}
        given = {name: value for name, value in given.items() if value is not None}
        _training.check(out, resume, steps, minutes, threads)
        length = _training.Length(steps, minutes)
        if kind in DIFFUSION:
            from toyflows.cli import _diffusion

            _diffusion.train(given, named_values(p or []), length, threads, resume, out)
        else:
            _train(given, named_values(p or []), length, threads, resume, out)


def _train(
    given: dict[str, Any], pairs: dict[str, str], length: _training.Length, threads: int | None,
    resume: bool, out: Path,
) -> None:  # fmt: skip
    """Energy models and classifiers."""
    from toyflows.images.train import KINDS, Config

    if given["kind"] not in KINDS:
        raise InputError("kind", given["kind"], nearest(given["kind"], (*KINDS, *DIFFUSION)))
    if "target" in given:
        raise InputError("target", given["target"], "is for ddpm and ncsn; here it is --data")
    refuse_typed(["columns"], "is for points of ddpm and ncsn; here the data are images")
    if "skip_missing" in given:
        name = "skip_missing" if given["skip_missing"] else "no_skip_missing"
        raise InputError(name, "", "is for points of ddpm and ncsn; here the data are images")
    if given["kind"] == "classifier":
        refuse_typed(["sampler"], "is for ebm and jem; a classifier draws no samples")
    given = _training.read(Config, SPELLED, given, pairs)
    model, parts = _resumed(out, given) if resume else _begun(given)
    _training.check_used(model.config, pairs)
    length.check(model.config.cosine)
    if not resume:
        model.save(out)
    for file, why in getattr(parts, "skipped", ()):
        say(f"left out {file}: {why}")
    _run(model, parts, _training.Clock(model, length.or_steps(STEPS)), threads, out)


def _begun(given: dict[str, Any]) -> tuple[Model, Parts]:
    from toyflows.images.train import Config, Model

    config = Config(**given)
    parts = config.parts()
    return Model.new(config, parts), parts


def _resumed(out: Path, given: dict[str, Any]) -> tuple[Model, Parts]:
    """The run of the file; what is given again must be what it was begun with."""
    from toyflows.images.train import Model

    model = Model.load(out, given["kind"])
    _training.check_same(model, given, SPELLED)
    return model, model.parts()


def _run(
    model: Model, parts: Parts, clock: _training.Clock, threads: int | None, out: Path
) -> None:
    """Trains until the clock says so; the last state is saved too."""
    import dataclasses

    from toyflows.images import train

    config, state = model.config, model.state
    engine = model.engine(threads)
    print(f"{config.kind} of {len(parts.train)} images {config.size} × {config.size} of "
          f"{len(config.classes)} classes, {state.θ.size} weights, {config.sampler}, "
          f"engine {engine.name}, from step {state.step}")  # fmt: skip

    def keep(kept: train.State) -> None:
        dataclasses.replace(model, state=kept).save(out)

    records = train.train(config, state, parts.train, engine, keep)
    _training.follow(records, clock, _heads(config), lambda record: _cells(record, clock, config))
    clock.tell_end()
    model.save(out)
    print(f"saved   {out} at step {state.step}")


def _heads(config: Config) -> list[str]:
    heads = ["step", "loss", "E data", "E model", "gradient", "samples/s", "left"]
    return heads + ["log loss", "right"] * config.labelled


def _cells(record: Record, clock: _training.Clock, config: Config) -> list[str]:
    loss = record.loss
    cells = [str(record.step), f"{loss.total:.4f}", f"{loss.data:+.4f}", f"{loss.model:+.4f}"]
    cells += [f"{record.norm:.3g}", f"{clock.samples():.0f}", clock.left_told()]
    if config.labelled:
        cells += [f"{loss.entropy:.4f}", f"{loss.accuracy:.0%}"]
    return cells
