"""`toyflows sample` draws images from a trained energy, fills their holes, takes their noise; and
samples of a diffusion model, or with exact scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _drawing, _options
from toyflows.cli._errors import refuse_typed, refusing
from toyflows.cli._output import print_json
from toyflows.cli.train import DIFFUSION
from toyflows.errors import InputError
from toyflows.limits import MOST_STEPS, check_whole
from toyflows.registry import named_values

if TYPE_CHECKING:
    from toyflows.images.train import Model
    from toyflows.images.uses import Sampler
    from toyflows.pictures import Pixels

# Options that are for one kind of model only.
ENERGY = ("inpaint", "denoise", "pull", "buffer")
DIFFUSIONS = ("process", "sampler", "spacing", "guidance", "p", "json")
NOISIEST = 1e6  # --denoise: pixels are within ±1


def sample(
    out: Annotated[Path, typer.Option(help="File of the samples: .png or .npz; .csv for points.")],
    checkpoint: Annotated[
        Path | None, typer.Argument(metavar="CHECKPOINT", help=_options.CHECKPOINT)
    ] = None,
    count: Annotated[
        int | None, typer.Option(help="Number of samples. Default: 16 images or 1000 points.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Langevin steps (default 256), or steps of the diffusion sampler."),
    ] = None,
    snapshots: Annotated[
        int, typer.Option(help="Number of rows in the picture between start and end.")
    ] = 4,
    class_: Annotated[
        list[str] | None,
        typer.Option("--class", help="Draw this class; a jem adds the energies of several."),
    ] = None,
    inpaint: Annotated[
        str | None, typer.Option(help="Fill in this part: left, right, top, bottom or middle.")
    ] = None,
    denoise: Annotated[
        float | None,
        typer.Option(metavar="SPREAD", help="Add noise of this spread to images and remove it."),
    ] = None,
    pull: Annotated[
        float | None,
        typer.Option(help="Strength of the pull towards the noisy image. Default: T/σ²."),
    ] = None,
    buffer: Annotated[
        bool, typer.Option("--buffer", help="Start at the chains of the training run.")
    ] = False,
    exact: _options.Exact = None,
    process: _options.Process = None,
    sampler: _options.Sampler = None,
    spacing: _options.Spacing = "uniform",
    guidance: _options.Guidance = 0.0,
    p: _options.SamplerOptions = None,
    seed: _options.Seed = 0,
    threads: _options.Threads = None,
    json: _options.Json = False,
) -> None:
    """Draw samples from an energy model (by Langevin steps) or from a diffusion model.

    Examples: toyflows sample jem28 --class A --out a.png;
    toyflows sample roll.npz --sampler ddim --steps 50 --out roll.csv
    """
    with refusing():
        energy = Energy(steps or 256, class_ or [], inpaint, denoise, pull, buffer, seed, threads)
        asked = _drawing.Asked(
            checkpoint, exact, process, sampler, steps, spacing, named_values(p or []),
            class_ or [], guidance, seed, threads,
        )  # fmt: skip
        _check(count, steps, snapshots, energy.uses)
        if exact is None and checkpoint is not None and _kind(checkpoint) not in DIFFUSION:
            refuse_typed(DIFFUSIONS, f"is for diffusion models, not for {checkpoint}")
            _run(checkpoint, energy, out, count or 16, snapshots)
            return
        refuse_typed(ENERGY, "is for energy models only")
        told = _drawing.sample(asked, out, count, snapshots, quiet=json)
        if json:
            print_json(told)


@dataclass(frozen=True)
class Energy:
    """What is asked of an energy."""

    steps: int
    classes: list[str]
    inpaint: str | None
    denoise: float | None
    pull: float | None
    buffer: bool
    seed: int
    threads: int | None

    @property
    def uses(self) -> list[str]:
        """Names of the options that say what to do."""
        given = {"inpaint": self.inpaint, "denoise": self.denoise, "buffer": self.buffer or None}
        return [name for name, value in given.items() if value is not None]


def _kind(checkpoint: Path) -> str:
    from toyflows.images import shipped
    from toyflows.nn import checkpoint as file

    return file.load(shipped.place(checkpoint))[1].kind


def _check(count: int | None, steps: int | None, snapshots: int, uses: list[str]) -> None:
    for name, value in (("count", count), ("steps", steps), ("snapshots", snapshots)):
        if value is not None:
            check_whole(name, value, 1, MOST_STEPS)
    if len(uses) > 1:
        refuse_typed(uses[1:], f"--{uses[0]} is given too; must be one of the two")
    if "denoise" not in uses:
        refuse_typed(["pull"], "goes with --denoise")


def _run(checkpoint: Path, asked: Energy, out: Path, count: int, snapshots: int) -> None:
    """Chains of an energy, written."""
    from toyflows.files import check_writable
    from toyflows.images import shipped, uses

    if count > 10_000:
        raise InputError("count", count, "must be 10000 or less")
    uses.check_picture(out)
    check_writable(out)
    model = shipped.find(checkpoint, "ebm", "jem")
    sampler = _sampler(model, asked)
    if asked.inpaint is not None:
        rows = _inpainted(model, sampler, asked.inpaint, count, snapshots)
    elif asked.denoise is not None:
        rows = _denoised(model, sampler, asked.denoise, asked.pull, count, snapshots)
    elif asked.buffer:
        chains = sampler.follow(_chains(model, count, checkpoint), snapshots)
        rows = {f"step {k}": x for k, x in chains}
    else:
        chains = sampler.from_noise(count, model.config.size, snapshots)
        rows = {f"step {k}": x for k, x in chains}
    uses.save(out, list(rows.values()), list(rows))
    print("rows    " + ", ".join(rows))
    print(f"saved   {out}")


def _sampler(model: Model, asked: Energy) -> Sampler:
    import dataclasses

    from toyflows.images import uses

    if asked.classes and model.config.kind != "jem":
        raise InputError("class", asked.classes[0], "an ebm knows no classes")
    classes = uses.places(asked.classes, model.config.classes)
    chain = dataclasses.replace(model.config.chain, steps=asked.steps)
    return uses.Sampler(model.engine(asked.threads), model.state.θ, chain, asked.seed, classes)


def _tests(model: Model, sampler: Sampler, count: int) -> Pixels:
    """Test images of the sampler's classes, or of all."""
    import numpy as np

    from toyflows.seeds import stream

    test = model.parts().test
    rows = np.flatnonzero(np.isin(test.y, sampler.classes) if sampler.classes else test.y >= 0)
    return test.x[stream(sampler.seed, "tests").permutation(rows)[:count]]


def _chains(model: Model, count: int, checkpoint: Path) -> Any:
    from toyflows.pictures import pixels

    if not len(model.state.buffer):
        raise InputError("buffer", checkpoint, "there are no chains in it")
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
    model: Model, sampler: Sampler, σ: float, pull: float | None, count: int, snapshots: int
) -> dict[str, Pixels]:
    """The images, with noise, and the noise going."""
    from toyflows.images import uses

    if not 1 / NOISIEST <= σ <= NOISIEST:
        raise InputError("denoise", σ, f"must be {1 / NOISIEST:g} to {NOISIEST:g}")
    if pull is None:
        pull = sampler.pull(σ)
    x = _tests(model, sampler, count)
    seen = uses.noised(x, σ, sampler.seed)
    found = {f"step {k}": z for k, z in sampler.denoise(seen, pull, snapshots)}
    last = list(found.values())[-1]
    print(f"spread of the error: {uses.spread(seen - x):.4f} → {uses.spread(last - x):.4f}")
    return {"image": x, **found}
