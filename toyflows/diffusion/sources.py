"""What a diffusion model learns from: batches that are a function of (key, step), and fresh data.

Points are drawn anew in each batch, in units in which they have mean 0 and spread 1 (the root mean
variance of the axes). Images are those of a set, each once in an epoch, in [−1, 1].
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from toyflows.diffusion import targets
from toyflows.diffusion.denoisers import Floats, Labels
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.targets import Target
from toyflows.errors import InputError
from toyflows.images import folder, glyphs
from toyflows.images.base import Parts
from toyflows.nn import checkpoint
from toyflows.seeds import order, stream
from toyflows.tables import check_goes_with

MEASURED = 20_000  # points whose mean and spread are taken for the law's


@dataclass(frozen=True)
class Units:
    """The model's units: z = (x − centre)/spread."""

    centre: tuple[float, ...] = (0.0,)
    spread: float = 1.0

    def inward(self, x: Floats) -> Floats:
        """Data x (n, …) as z, of x's type."""
        return np.asarray((x - np.asarray(self.centre, x.dtype)) / self.spread, x.dtype)

    def outward(self, z: Floats) -> Floats:
        """z back as data."""
        return np.asarray(np.asarray(self.centre, z.dtype) + self.spread * z, z.dtype)

    def mixture(self, law: Gaussians) -> Gaussians:
        """The law of z where this is that of x."""
        return Gaussians(law.weights, self.inward(law.means), law.spreads / self.spread)

    @classmethod
    def of_mixture(cls, law: Gaussians) -> Units:
        """The units in which the law has mean 0 and, over its axes, mean variance 1."""
        mean = law.weights @ law.means
        variance = law.weights @ (np.square(law.means - mean).mean(axis=1) + law.spreads**2)
        return cls(tuple(mean.tolist()), math.sqrt(variance))

    @classmethod
    def of_points(cls, x: Floats) -> Units:
        """The same units for a sample (n, D)."""
        return cls(tuple(x.mean(axis=0).tolist()), math.sqrt(x.var(axis=0).mean()))


class Source(Protocol):
    """Data, their classes and the units to learn them in."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; with fewer than two, none is learned."""

    @property
    def data_hash(self) -> str:
        """The hash of all data that a run depends on."""

    @property
    def units(self) -> Units:
        """The units of the model."""

    def batch(self, count: int, key: int, step: int) -> tuple[Floats, Labels]:
        """x_0 (count, …) float32 in the model's units, and classes (count,)."""

    def fresh(self, count: int, rng: np.random.Generator) -> tuple[Floats, Labels]:
        """Fresh data in their own units; at most as many images as the set has."""


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a law; of a user's file, its rows drawn again and again."""

    target: Target
    data_hash: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """See Source."""
        return tuple(map(str, range(self.target.classes)))

    @cached_property
    def units(self) -> Units:
        """See Source."""
        return Units.of_points(self.target.sample(MEASURED, stream(0, "units")))

    def batch(self, count: int, key: int, step: int) -> tuple[Floats, Labels]:
        """See Source."""
        x, y = self.target.sample_with_labels(count, stream(key, "data", step))
        return np.asarray(self.units.inward(x), np.float32), y

    def fresh(self, count: int, rng: np.random.Generator) -> tuple[Floats, Labels]:
        """See Source."""
        return self.target.sample_with_labels(count, rng)


@dataclass(frozen=True, eq=False)
class Pictures:
    """The images of a set: those to learn from in epochs, the test's to judge by."""

    parts: Parts
    units = Units()

    @property
    def classes(self) -> tuple[str, ...]:
        """See Source."""
        return self.parts.classes

    @property
    def data_hash(self) -> str:
        """See Source."""
        return self.parts.data_hash

    def batch(self, count: int, key: int, step: int) -> tuple[Floats, Labels]:
        """See Source."""
        train = self.parts.train
        chosen = train[order(len(train), count, key, step)]
        return chosen.x, chosen.y

    def fresh(self, count: int, rng: np.random.Generator) -> tuple[Floats, Labels]:
        """See Source."""
        test = self.parts.test
        chosen = test[rng.permutation(len(test))[:count]]
        return chosen.x, chosen.y


def holds_images(source: str) -> bool:
    """Whether it is a set of images rather than a law or a file of points."""
    return source == "glyphs" or Path(source).is_dir()


def find(
    source: str, size: int, labelled: bool, columns: str = "", skip_missing: bool | None = None
) -> Source:
    """The data of this name: images where a size is given, else points; the last two arguments
    say how a file is read.

    Raises InputError("target") for unknown data.
    """
    found: Source
    if size or holds_images(source):
        check_goes_with(None, "target FILE", columns=columns, skip_missing=skip_missing)
        found = _pictures(source, size, labelled)
    else:
        found = _points(source, columns, skip_missing)
    if labelled and len(found.classes) < 2:
        raise InputError("p", "labels=True", f"{source} has no classes")
    return found


def _pictures(source: str, size: int, labelled: bool) -> Pictures:
    if not size:
        raise InputError("target", source, "has images: --size says of how many pixels a side")
    if source == "glyphs":
        return Pictures(glyphs.load(size))
    try:
        return Pictures(folder.load(source, size, labelled=labelled))
    except InputError as error:
        name = "target" if error.name == "data" else error.name
        raise InputError(name, error.value, error.why) from None


def _points(source: str, columns: str, skip_missing: bool | None) -> Points:
    target = targets.find(source, columns, skip_missing)
    if source in targets.TARGETS:
        return Points(target, checkpoint.digest(target.sample(1000, stream(0, "digest"))))
    return Points(target, hashlib.sha256(Path(source).read_bytes()).hexdigest())
