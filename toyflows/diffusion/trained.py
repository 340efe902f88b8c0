"""A diffusion model and its file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toyflows import display
from toyflows.diffusion import sources
from toyflows.diffusion.denoisers import Floats, Labels, LearnedScore
from toyflows.diffusion.processes import Process
from toyflows.diffusion.sources import Source, Units
from toyflows.diffusion.train import KINDS, SEEN, Config, begin
from toyflows.errors import InputError
from toyflows.files import check_memory
from toyflows.nn import checkpoint
from toyflows.nn.training import State, with_kept


@dataclass(frozen=True, eq=False)
class Model:
    """A run as its checkpoint holds it; `data_hash` is the hash of its data."""

    config: Config
    state: State
    data_hash: str

    def __repr__(self) -> str:
        c, what = self.config, "images" if self.config.size else "points"
        return f"Model({c.kind} of {c.target}, {what}, {c.levels} levels, step {self.state.step})"

    def _repr_html_(self) -> str:
        c = self.config
        rows = {
            "weights": self.state.θ.size,
            "process": self.process,
            "one sample": " × ".join(map(str, self.shape)),
            "classes": " ".join(c.classes) or "none",
        }
        return display.page(display.words(repr(self)), display.table(rows.items()))

    @classmethod
    def new(cls, config: Config, source: Source) -> Model:
        """A run that begins: with the classes and the units of its data."""
        classes = source.classes if config.labels else ()
        found = {"classes": classes, **dataclasses.asdict(source.units)}
        config = dataclasses.replace(config, **found)
        _check_memory(config)
        return cls(config, begin(config), source.data_hash)

    def source(self) -> Source:
        """The data. Raises InputError("target") if they are not those that it learned from."""
        c = self.config
        found = sources.find(*c.asked)
        if found.data_hash != self.data_hash:
            raise InputError("target", c.target, "has changed since the run began")
        return found

    def score(self, threads: int | None = 1, label: int | None = None) -> LearnedScore:
        """∇log p_t, or of a class, in the model's units, with the mean weights."""
        return self.score_of(
            self.state.mean.mean if self.state.step else self.state.θ, threads, label
        )

    def score_of(
        self, θ: Floats, threads: int | None = 1, label: int | None = None
    ) -> LearnedScore:
        """The same score with other weights of its network."""
        c = self.config
        return LearnedScore(c.net(threads), θ, c.process, c.first_time).of_class(label)

    @property
    def units(self) -> Units:
        """The units of the model, in units of its data."""
        return Units(self.config.centre, self.config.spread)

    @property
    def process(self) -> Process:
        """The process that the config names."""
        return self.config.process

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the model has learned."""
        return self.config.classes

    def fresh(self, count: int, rng: np.random.Generator) -> tuple[Floats, Labels]:
        """Fresh data to compare with."""
        return self.source().fresh(count, rng)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        c = self.config
        return (c.size, c.size) if c.size else (len(c.centre),)

    def save(self, path: str | Path) -> Path:
        """Writes the checkpoint, whole or not at all."""
        c, s = self.config, self.state
        return checkpoint.save_run(path, c.kind, c, s.arrays(), s.step, self.data_hash)

    @classmethod
    def load(cls, path: str | Path, *kinds: str) -> Model:
        """The run that `save` wrote, or one that ended, of whose file only the weights are left.

        Raises InputError("checkpoint") for anything else, and for a run of none of these kinds.
        """
        arrays, header = checkpoint.load(path, kinds or KINDS)
        config = checkpoint.configured(Config, header, arrays, path)
        if not config.size and len(config.centre) != 2:
            raise InputError("checkpoint", path, f"has points of {len(config.centre)} numbers")
        state = begin(config)
        state.history = np.broadcast_to(np.float32(0), (header.step, len(SEEN)))
        ended = list(header.arrays) == ["θ"]
        wanted = {"θ": state.θ} if ended else with_kept(state.arrays(), arrays)
        arrays, _ = checkpoint.load(path, (), wanted)
        if ended:
            counts = np.array([header.step, 0])
            arrays = state.arrays() | {"θ": arrays["θ"], "mean": arrays["θ"], "counts": counts}
        return cls(config, State.of(arrays, state.adam, state.mean), header.data)


def _check_memory(config: Config) -> None:
    """Weights with their optimiser, mean and copies; a batch's arrays in float32."""
    numbers = config.size**2 * 8 * config.width if config.size else config.width * config.depth
    weights = config.width**2 * (200 if config.size else config.depth + 1)
    for name, need in (("batch", 8 * config.batch * numbers), ("width", 40 * weights)):
        check_memory("p", f"{name}={getattr(config, name)}", need)
