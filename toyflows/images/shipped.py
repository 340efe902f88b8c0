"""Trained weights that come with the package, so that figures need no training.

A file has the mean weights of a run of `toyflows train`. Its header has the command that makes it
again, its first losses and its scores, which a test checks. `make` makes it again.
"""

from __future__ import annotations

import dataclasses
import itertools
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from toyflows import display
from toyflows.errors import InputError, nearest
from toyflows.files import weights_folder
from toyflows.images import detection, shifted, uses
from toyflows.images.base import Parts
from toyflows.images.calibration import reliability
from toyflows.images.engines import engine_of
from toyflows.images.sgld import Engine
from toyflows.images.train import KINDS, Config, Model, Record, State, train
from toyflows.nn import checkpoint as file
from toyflows.nn.layers import Array

FIRST = 20  # steps whose losses are recorded
COUNT = 1000  # images of a set that is scored


@dataclass(frozen=True)
class Recipe:
    """How a file is made: the kind and the size, other numbers of Config, the number of steps."""

    kind: str
    size: int
    steps: int
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def config(self) -> Config:
        """The configuration of the run."""
        given: dict[str, Any] = {"kind": self.kind, "size": self.size, **self.numbers}
        return Config(**given)

    @property
    def command(self) -> str:
        """What a user types for the same run."""
        words = ["toyflows", "train", self.kind, "--size", str(self.size), "--seed", "0"]
        for name, value in self.numbers.items():
            words += ["-p", f"{name}={value:g}"]
        return shlex.join([*words, "--steps", str(self.steps)])


RECIPES = {
    "classifier28": Recipe("classifier", 28, 2000),
    "ebm28": Recipe("ebm", 28, 2706),
    "ebm56": Recipe("ebm", 56, 3144),
    "jem28": Recipe("jem", 28, 3400),
}


@dataclass(frozen=True, eq=False)
class Shipped:
    """θ, how it was trained, and what the header promises."""

    config: Config
    θ: Array
    step: int
    command: str
    losses: tuple[float, ...]  # of the first steps
    scores: dict[str, float]
    data_hash: str

    def __repr__(self) -> str:
        c = self.config
        return f"Shipped({c.kind} of {c.data}, {c.size} × {c.size} pixels, step {self.step})"

    def _repr_html_(self) -> str:
        told = f"{self.θ.size} weights after {self.step} steps of {self.command}"
        rows = self.scores.items()
        return display.page(display.words(told, self.config.kind), display.table(rows))

    def engine(self, threads: int = 1) -> Engine:
        """The fastest engine that knows the network."""
        return engine_of(self.config.network(), "", threads)


def names() -> list[str]:
    """The names of all shipped files."""
    return [name for name in RECIPES if (weights_folder() / f"{name}.npz").exists()]


def load(name: str) -> Shipped:
    """The shipped weights of this name. Raises InputError for another name or a damaged file."""
    if name not in names():
        raise InputError("checkpoint", name, f"unknown; {nearest(name, names())}")
    return read(weights_folder() / f"{name}.npz")


def read(path: Path) -> Shipped:
    """The weights in a file that `ship` wrote."""
    arrays, header = file.load(path)
    told = header.configuration
    command, losses, scores = (told[key] for key in ("command", "losses", "scores"))
    config = file.configured(Config, header, arrays, path)
    return Shipped(config, arrays["θ"], header.step, command, tuple(losses), scores, header.data)


def place(checkpoint: str | Path) -> Path:
    """The file that is meant: a checkpoint, or shipped weights by their name."""
    path = Path(checkpoint)
    if path.exists():
        return path
    known = {found.stem: found for found in weights_folder().glob("*.npz")}
    if str(path) in known:
        return known[str(path)]
    why = f"there is no such file, and no weights in {weights_folder()}"
    if known:
        why = f"there is no such file; {nearest(str(path), sorted(known))}"
    raise InputError("checkpoint", checkpoint, why)


def find(checkpoint: str | Path, *kinds: str) -> Model:
    """The run of a checkpoint, or a run that ended at shipped weights: without chains."""
    path = place(checkpoint)
    if path.parent != weights_folder():
        return Model.load(path, *kinds)
    try:
        file.load(path, kinds or KINDS)
    except InputError as error:
        raise InputError(error.name, checkpoint, error.why) from None
    s = load(path.stem)
    state = State.new(dataclasses.replace(s.config, sampler="short-run"))
    state.θ, state.step = s.θ, s.step
    state.mean = dataclasses.replace(state.mean, mean=s.θ, steps=s.step)
    return Model(s.config, state, s.data_hash)


# ---- making them


def make(name: str, folder: Path, threads: int | None, tell: Callable[[Record], Any]) -> Path:
    """Trains again what ships under this name, into `folder`; what is finished there stays, what
    was begun goes on. `tell` hears each step."""
    recipe, path, begun = RECIPES[name], folder / f"{name}.npz", folder / f"{name}.run.npz"
    if path.exists() and read(path).command == recipe.command:
        return path
    model = Model.load(begun) if begun.exists() else Model.new(recipe.config, recipe.config.parts())
    c, state, data = model.config, model.state, model.parts()

    def keep(kept: State) -> None:
        dataclasses.replace(model, state=kept).save(begun)

    run = train(c, state, data.train, model.engine(threads), keep)
    while state.step < recipe.steps:
        tell(next(run))
    ship(model, path, recipe.command)
    begun.unlink(missing_ok=True)
    return path


def ship(model: Model, path: Path, command: str) -> Path:
    """Writes the mean weights of a run, with what they are held to."""
    c, parts, θ = model.config, model.parts(), model.state.mean.mean
    told: dict[str, Any] = {
        **dataclasses.asdict(c),
        "command": command,
        "losses": first_losses(c, parts),
        "scores": scores(c, model.engine(), θ, parts),
    }
    header = file.Header(c.kind, told, c.seed, model.state.step, model.data_hash)
    return file.save(path, {"θ": θ}, header)


def first_losses(config: Config, parts: Parts, steps: int = FIRST) -> list[float]:
    """The losses of the first steps of a run."""
    model = Model.new(config, parts)
    run = train(config, model.state, parts.train, model.engine(), lambda state: None)
    return [record.loss.total for record in itertools.islice(run, steps)]


def scores(config: Config, engine: Engine, θ: Array, parts: Parts) -> dict[str, float]:
    """Accuracy and calibration error on the test images where classes were learned; how well the
    energy tells test images from each set of outsiders where an energy was."""
    found: dict[str, float] = {}
    if config.labelled:
        f = engine.outputs(θ, parts.test.x)
        found["accuracy"] = float(np.mean(f.argmax(axis=1) == parts.test.y))
        found["calibration error"] = reliability(f, parts.test.y).error
    if config.sampled:
        found |= auroc(engine, θ, parts)
    return found


def auroc(engine: Engine, θ: Array, parts: Parts, seed: int = 0) -> dict[str, float]:
    """How well the energy tells test images from each set of outsiders."""
    inside = uses.scores(engine, θ, parts.test.x[:COUNT])["energy"]
    return {
        name: detection.auroc(inside, uses.scores(engine, θ, of(parts, seed)[:COUNT])["energy"])
        for name, of in shifted.SETS.items()
    }
