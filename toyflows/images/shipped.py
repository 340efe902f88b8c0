"""Trained weights that come with the package, so that figures need no training.

A file has the mean weights of a run of `toyflows train`, and in its header the command that makes
it again, its first losses and its scores: what a test holds it to.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toyflows.errors import InputError, nearest
from toyflows.images import detection, shifted, uses
from toyflows.images.base import Parts
from toyflows.images.engines import engine_of
from toyflows.images.sgld import Engine
from toyflows.images.train import Config, Model, train
from toyflows.nn import checkpoint
from toyflows.nn.layers import Array

FOLDER = Path(__file__).parent / "weights"
FIRST = 20  # steps whose losses are recorded
COUNT = 1000  # images of a set that is scored


@dataclass(frozen=True, eq=False)
class Shipped:
    """θ, how it was trained, and what the header promises."""

    config: Config
    θ: Array
    command: str
    losses: tuple[float, ...]  # of the first steps
    auroc: dict[str, float]  # of the energy, by set of outsiders
    data_hash: str

    def engine(self, threads: int = 1) -> Engine:
        """The fastest engine that knows the network."""
        return engine_of(self.config.network(), "", threads)


def names() -> list[str]:
    """Of all shipped files."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def load(name: str) -> Shipped:
    """The shipped weights of this name. Raises InputError for another name or a damaged file."""
    if name not in names():
        raise InputError("checkpoint", name, f"unknown; {nearest(name, names())}")
    arrays, header = checkpoint.load(FOLDER / f"{name}.npz")
    told = dict(header.configuration)
    command, losses, auroc = (told.pop(key) for key in ("command", "losses", "auroc"))
    config = Config(**{**told, "classes": tuple(told["classes"])})
    return Shipped(config, arrays["θ"], command, tuple(losses), auroc, header.data)


def ship(model: Model, path: Path) -> Path:
    """Writes the mean weights of a run, with what they are held to."""
    c, parts = model.config, model.parts()
    told: dict[str, Any] = {
        **dataclasses.asdict(c),
        "command": f"toyflows train {c.kind} --size {c.size} --seed {c.seed} --sampler {c.sampler} "
        f"--steps {model.state.step}",
        "losses": first_losses(c, parts),
        "auroc": auroc(model.engine(), model.state.mean.mean, parts),
    }
    header = checkpoint.Header(c.kind, told, c.seed, model.state.step, model.data_hash)
    return checkpoint.save(path, {"θ": model.state.mean.mean}, header)


def first_losses(config: Config, parts: Parts, steps: int = FIRST) -> list[float]:
    """The losses of the first steps of a run."""
    model = Model.new(config, parts)
    run = train(config, model.state, parts.train, model.engine(), lambda state: None)
    return [record.loss.total for record in itertools.islice(run, steps)]


def auroc(engine: Engine, θ: Array, parts: Parts, seed: int = 0) -> dict[str, float]:
    """How well the energy tells test images from each set of outsiders."""
    inside = uses.scores(engine, θ, parts.test.x[:COUNT])["energy"]
    return {
        name: detection.auroc(inside, uses.scores(engine, θ, of(parts, seed)[:COUNT])["energy"])
        for name, of in shifted.SETS.items()
    }
