"""Drawing samples of a trained model, or with exact scores, and judging them beside fresh data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from toyflows.cloud import Array
from toyflows.diffusion import guidance, methods, metrics, targets
from toyflows.diffusion.chain import Ladder
from toyflows.diffusion.denoisers import Floats, Labels
from toyflows.diffusion.gaussians import Gaussians, two_modes
from toyflows.diffusion.guidance import Guided, of_class
from toyflows.diffusion.methods.backward_chain import BackwardChain, Steps
from toyflows.diffusion.methods.base import Score
from toyflows.diffusion.processes import ExactScore, Process, times
from toyflows.diffusion.samplers import Sampled, Watch, run
from toyflows.diffusion.sources import Units
from toyflows.diffusion.train import Config
from toyflows.errors import InputError, nearest
from toyflows.seeds import stream

ANNEALED = "annealed-langevin"
STEPS = {"ode-rk45": 1, ANNEALED: 50, "ddim": 50, "ode-euler": 50, "ode-heun": 50, "others": 200}
TWO_MODES = "two-modes"  # unit Gaussians 20 apart, of weights 0.8 and 0.2
STRONGEST = 1e3  # guidance
LANGEVIN = 0.2  # of annealed Langevin: ε in units of σ_L²; Song & Ermon take 2e-5 at σ_L = 0.01


class Subject(Protocol):
    """The source of samples: a trained Model, or Exact."""

    @property
    def units(self) -> Units:
        """The units of the score, in units of the data."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""

    @property
    def process(self) -> Process:
        """The process whose marginals p_t have this score."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that it knows."""

    def score(self, threads: int | None = 1, label: int | None = None) -> guidance.Score:
        """∇log p_t, or of a class."""

    def fresh(self, count: int, rng: np.random.Generator) -> tuple[Floats, Labels]:
        """Data (count, …) to judge by, and their classes."""


@dataclass(frozen=True)
class Plan:
    """How samples are drawn: a method by its name and options, and its grid of times.

    Where the options do not say it, annealed Langevin has ε = 0.2 σ_L².
    """

    sampler: str
    steps: int = 0  # 0: the sampler's, see STEPS
    spacing: str = "uniform"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        methods.make(self.sampler, **self.options)
        if not self.steps:
            object.__setattr__(self, "steps", STEPS.get(self.sampler, STEPS["others"]))

    @classmethod
    def default(cls, config: Config) -> Plan:
        """The paper's: ancestral sampling of a ddpm, annealed Langevin of an ncsn."""
        return cls("ancestral", config.levels) if config.kind == "ddpm" else cls(ANNEALED)

    @property
    def told(self) -> str:
        """The plan in words."""
        given = "".join(f", {name} {value}" for name, value in self.options.items())
        return f"{self.sampler} in {self.steps} steps{given}"

    def draw(
        self, score: Score, process: Process, shape: tuple[int, ...], rng: np.random.Generator,
        dtype: str = "float64", watch: Watch | None = None,
    ) -> Sampled:  # fmt: skip
        """Samples of this shape (n, …), from noise, in the units of the score."""
        grid = times(process, self.steps, self.spacing)
        start: Array = (process.prior_sigma * rng.standard_normal(shape)).astype(dtype)
        options = dict(self.options)
        if self.sampler == ANNEALED:
            if process.sigma(grid[-1]) == 0:  # no step fits a level without noise
                grid = grid[:-1]
            options = {"epsilon": LANGEVIN * float(process.sigma(grid[-1])) ** 2} | options
        if self.sampler == BackwardChain.name:
            process = Steps(Ladder.of(_without_noise_at_0(process), grid[::-1]))
            grid = process.times
        return run(methods.make(self.sampler, **options), score, process, start, grid, rng, watch)


def _without_noise_at_0(process: Process) -> Process:
    if process.sigma(0.0) > 0:
        raise InputError("sampler", BackwardChain.name, "not for ncsn and ve: their chain has noise"
                         " at its end")  # fmt: skip
    return process


@dataclass(frozen=True, eq=False)
class Exact:
    """A mixture with known scores in a model's place: only the sampler's error remains."""

    law: Gaussians
    process: Process
    labelled: bool = True  # each component is a class

    @classmethod
    def of(cls, name: str, process: Process) -> Exact:
        """A law by its name. Raises InputError("exact") where it is no mixture of Gaussians."""
        if name == TWO_MODES:
            return cls(two_modes(20.0, 0.2, 2), process)
        known = targets.TARGETS
        if name not in known or (law := known[name].mixture) is None:
            laws = [TWO_MODES, *(k for k, target in known.items() if target.as_mixture)]
            raise InputError("exact", name, f"has no exact score; {nearest(name, laws)}")
        return cls(law, process, known[name].classes == len(law.weights))

    @cached_property
    def units(self) -> Units:
        """The units in which the law has mean 0 and spread 1."""
        return Units.of_mixture(self.law)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return (self.law.dimension,)

    @property
    def classes(self) -> tuple[str, ...]:
        """The numbers of the components, where they are classes."""
        return tuple(map(str, range(len(self.law.weights)))) if self.labelled else ()

    def score(self, threads: int | None = 1, label: int | None = None) -> ExactScore:
        """∇log p_t, or of a class, in these units."""
        return ExactScore(self.units.mixture(self.law_of(label)), self.process)

    def law_of(self, label: int | None) -> Gaussians:
        """The law, or that of a class."""
        return (
            self.law if label is None else of_class(self.law, range(len(self.law.weights)), label)
        )

    def fresh(self, count: int, rng: np.random.Generator) -> tuple[Floats, Labels]:
        """Points of the law, and their components."""
        return self.law.sample_with_labels(count, rng)


def guided(
    subject: Subject, label: int | None, w: float, threads: int | None = 1
) -> guidance.Score:
    """The subject's score; of a class if one is given, guided towards it with w ≠ 0."""
    if not abs(w) <= STRONGEST:
        raise InputError("guidance", w, f"must be −{STRONGEST:g} … {STRONGEST:g}")
    mine = subject.score(threads, label)
    if w == 0:
        return mine
    if label is None:
        raise InputError("guidance", w, "is towards a class: --class says which")
    return Guided(mine, subject.score(threads), w)


@dataclass(frozen=True)
class Quality:
    """The distance of samples from fresh data, and its floor: the distance of data from data."""

    distance: float
    floor: float

    @property
    def ratio(self) -> float:
        """distance/floor: 1 means as near as data are to data."""
        return self.distance / self.floor


METRICS: dict[str, metrics.Metric] = {
    "sliced W2": metrics.sliced_w2,
    "energy distance": metrics.energy_distance,
}


def quality(
    x: Array, sampler: metrics.Sampler, names: Sequence[str] = tuple(METRICS), seed: int = 0,
    replicas: int = 8,
) -> dict[str, Quality]:  # fmt: skip
    """Mean distances of x (n, D) from as many fresh points, `replicas` times, and the floors."""
    found = {}
    for name in names:
        metric = METRICS[name]
        fresh = (sampler(len(x), stream(seed, "fresh", r)) for r in range(replicas))
        distance = float(np.mean([metric(x, y) for y in fresh]))
        found[name] = Quality(distance, metrics.floor(metric, sampler, len(x), replicas, seed).mean)
    return found
