"""Diffusion models that come with the package, and how they are made again.

As for the energy models (`images/shipped.py`): a file has the mean weights of a run of
`toyflows train`. Its header has the command and the first losses, which a test checks.
"""

from __future__ import annotations

import dataclasses
import itertools
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toyflows.diffusion import sources
from toyflows.diffusion.train import Config, Record, train
from toyflows.diffusion.trained import Model
from toyflows.files import weights_folder
from toyflows.nn import checkpoint
from toyflows.nn.training import State

FIRST = 20  # steps whose losses are recorded
STEPS = 12_000
RECIPES = {"ddpm28": Config("ddpm", "glyphs", 28, labels=True, cosine=STEPS)}


def command(config: Config) -> str:
    """What a user types for the run of a recipe."""
    words = ["toyflows", "train", config.kind, "--target", config.target]
    words += ["--size", str(config.size), "--seed", str(config.seed)]
    return shlex.join([*words, "-p", f"labels={str(config.labels).lower()}", "--steps", str(STEPS)])


def load(name: str) -> Model:
    """The shipped model of this name."""
    return Model.load(weights_folder() / f"{name}.npz")


def make(name: str, folder: Path, threads: int | None, tell: Callable[[Record], Any]) -> Path:
    """Trains again what ships under this name, into `folder`; what is finished there stays, what
    was begun goes on. `tell` hears each step."""
    path, begun = folder / f"{name}.npz", folder / f"{name}.run.npz"
    if path.exists():
        return path
    model = Model.load(begun) if begun.exists() else new(RECIPES[name])
    batch, net = model.source().batch, model.config.net(threads)
    run = train(model.config, model.state, batch, net, _keep(model, begun))
    while model.state.step < STEPS:
        tell(next(run))
    ship(model, path)
    begun.unlink(missing_ok=True)
    return path


def new(config: Config) -> Model:
    """A run before its first step."""
    return Model.new(config, sources.find(*config.asked))


def _keep(model: Model, path: Path) -> Callable[[State], Any]:
    return lambda state: dataclasses.replace(model, state=state).save(path)


def ship(model: Model, path: Path) -> Path:
    """Writes the mean weights of a run, with what they are held to."""
    c = model.config
    told = {**dataclasses.asdict(c), "command": command(c), "losses": first_losses(c)}
    header = checkpoint.Header(c.kind, told, c.seed, model.state.step, model.data_hash)
    return checkpoint.save(path, {"θ": model.state.mean.mean}, header)


def first_losses(config: Config, steps: int = FIRST) -> list[float]:
    """The losses of the first steps of a run."""
    model = new(config)
    batch, net = model.source().batch, model.config.net()
    run = train(model.config, model.state, batch, net, lambda state: None)
    return [record.loss for record in itertools.islice(run, steps)]
