"""Three trainings of one energy model, with and without what keeps it bounded: their curves ship.

    L2 and buffer    E²-penalty, chains go on from a buffer
    no L2            the buffer alone
    neither          chains begin at noise, and are too short to arrive

All else is equal: 32 letters a step, 20 Langevin steps. A run that diverges ends there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toyflows.files import weights_folder
from toyflows.images.train import Config, Model, Record, advance
from toyflows.nn import checkpoint
from toyflows.nn.layers import Array

NAME, KIND = "curves28", "curves"
STEPS = 5000
BASE = Config("ebm", 28, batch=32, buffer=1024, langevin=20, step=5.0)
RUNS = {
    "L2 and buffer": BASE,
    "no L2": dataclasses.replace(BASE, alpha=0.0),
    "neither": dataclasses.replace(BASE, alpha=0.0, sampler="short-run"),
}


def curve(config: Config, steps: int, tell: Callable[[Record], Any], threads: int = 1) -> Array:
    """The history (steps, len(SEEN)) of a run, to the step at which it is lost."""
    parts = config.parts()
    model = Model.new(config, parts)
    engine, state = model.engine(threads), model.state
    while state.step < steps:
        record = advance(model.config, state, parts.train, engine)
        tell(record)
        if record.lost:
            break
    return state.history


def make(folder: Path, threads: int | None, tell: Callable[[Record], Any]) -> Path:
    """Runs all and writes their histories to `folder`; what is there already stays."""
    path = folder / f"{NAME}.npz"
    if path.exists():
        return path
    found = {name: curve(config, STEPS, tell, threads or 1) for name, config in RUNS.items()}
    told = {name: dataclasses.asdict(config) for name, config in RUNS.items()}
    header = checkpoint.Header(KIND, told, BASE.seed, STEPS)
    return checkpoint.save(path, found, header)


def load() -> dict[str, Array]:
    """The histories that ship, by run."""
    return checkpoint.load(weights_folder() / f"{NAME}.npz", [KIND])[0]
