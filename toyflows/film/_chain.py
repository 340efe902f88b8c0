"""The film of images out of noise: Langevin chains of an energy, a sampler of a diffusion model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from toyflows.cloud import Array
from toyflows.errors import InputError, nearest
from toyflows.film._reel import SIZE, Check, Draw, Film, Reel, at_most
from toyflows.limits import STEEPEST, check_between, check_seed, check_workers

if TYPE_CHECKING:
    from toyflows.diffusion.drawing import Plan
    from toyflows.diffusion.methods.base import Score
    from toyflows.diffusion.trained import Model as Diffusion
    from toyflows.figures._film_chain import Story
    from toyflows.images.sgld import Chain
    from toyflows.images.train import Model as Energy

COUNT, STEPS = 100, 10_000  # at most
LANGEVIN = 256  # steps of a chain where nothing is said


def chain(
    checkpoint: str | Path,
    *,
    count: int = 16,
    letter: str | None = None,
    steps: int = 0,
    temperature: float | None = None,
    sampler: str | None = None,
    spacing: str = "log-snr",
    options: Mapping[str, Any] | None = None,
    guidance: float = 0.0,
    seed: int = 0,
    threads: int | None = None,
    seconds: float = 6.0,
    fps: int = 20,
    size: tuple[int, int] = SIZE,
) -> Film:
    """Images out of noise: Langevin chains of an energy model (ebm, jem), or what a sampler draws
    from a diffusion model (ddpm, ncsn). A checkpoint, or a model that ships by its name.

    `letter` is a class; `steps` = 0 is 256 of a chain, of a sampler its own,
    which for a ddpm is 200 here. Raises InputError.
    """
    from toyflows.diffusion.train import KINDS
    from toyflows.images import shipped
    from toyflows.nn import checkpoint as file

    reel = Reel(seconds, fps, size)
    at_most("count", count, COUNT)
    if steps:
        at_most("steps", steps, STEPS)
    check_seed(seed)
    check_workers(threads=threads)
    kind = file.load(shipped.place(checkpoint))[1].kind
    drawn = {"sampler": sampler, "p": next(iter(options or {}), None), "guidance": guidance or None}
    _refuse({"temperature": temperature} if kind in KINDS else drawn, checkpoint, kind)
    source: Source = (
        _diffusion(checkpoint, letter, sampler, steps, spacing, options or {}, guidance, threads)
        if kind in KINDS
        else _energies(checkpoint, letter, steps, temperature, threads)
    )
    _check_sheet(count, source.pixels, size)
    shown = reel.steps(source.steps)

    def begin(check: Check) -> Draw:
        from toyflows.figures._film_chain import Images

        return Images(source.story(count, seed, frozenset(shown), check), size)

    return Film(reel, shown, begin)


def _refuse(given: Mapping[str, Any], checkpoint: str | Path, kind: str) -> None:
    for name, value in given.items():
        if value is not None:
            raise InputError(name, value, f"not for {checkpoint}, which is of kind {kind}")


def _check_sheet(count: int, pixels: int, size: tuple[int, int]) -> None:
    """Raises InputError where the film has less than a pixel for one of an image."""
    from toyflows.figures._film import square
    from toyflows.pictures import RIM

    across = math.ceil(math.sqrt(count)) * (pixels + RIM) + RIM
    if across > square(size)[2]:
        raise InputError("count", count, f"does not fit into {size[0]} × {size[1]}: the images "
                         f"need {across} pixels of {int(square(size)[2])}")  # fmt: skip


class Source(Protocol):
    """Where images come from: in so many steps, so many pixels a side."""

    @property
    def steps(self) -> int: ...

    @property
    def pixels(self) -> int: ...

    def story(self, count: int, seed: int, shown: Collection[int], check: Check) -> Story:
        """`count` images at the steps that are shown."""


# ---- energies


@dataclass(frozen=True, eq=False)
class Energies:
    """Chains of images/uses.py."""

    model: Energy
    chain: Chain
    letter: str | None
    threads: int | None

    @property
    def steps(self) -> int:
        """See Source."""
        return self.chain.steps

    @property
    def pixels(self) -> int:
        """See Source."""
        return self.model.config.size

    def story(self, count: int, seed: int, shown: Collection[int], check: Check) -> Story:
        """See Source; with the energy of each image."""
        from toyflows.figures._film_chain import Moment, Story
        from toyflows.images import uses
        from toyflows.images.energy import energy
        from toyflows.pictures import levels

        engine, θ = self.model.engine(self.threads), self.model.state.θ
        of = _classes(self.letter, self.model)
        sampler = uses.Sampler(engine, θ, self.chain, seed, of)
        labels = np.array([of] * count, np.int64) if of else None
        moments = {}
        for k, x in sampler.from_noise(count, self.pixels, self.steps):
            check()
            if k in shown:
                E = energy(engine.outputs(θ, x), labels)[0]
                moments[k] = Moment(float(k), levels(x), np.asarray(E, float))
        what = _what(self.letter, self.model.config.data)
        words = f"{count} Langevin chains\n{self.steps} steps, T = {self.chain.temperature:.2g}"
        return Story(f"A learned energy draws {what} out of noise", words, True, moments)


def _energies(
    checkpoint: str | Path, letter: str | None, steps: int, temperature: float | None,
    threads: int | None,
) -> Energies:  # fmt: skip
    from toyflows.images import shipped

    model = shipped.find(checkpoint, "ebm", "jem")
    _classes(letter, model)
    chain = dataclasses.replace(model.config.chain, steps=steps or LANGEVIN)
    if temperature is not None:
        check_between("temperature", temperature, 0, STEEPEST)
        chain = dataclasses.replace(chain, noise=math.sqrt(2 * chain.step * temperature))
    return Energies(model, chain, letter, threads)


def _classes(letter: str | None, model: Energy) -> tuple[int, ...]:
    from toyflows.images.uses import places

    if letter is None:
        return ()
    if model.config.kind != "jem":
        raise InputError("class", letter, "an ebm knows no classes")
    return places([letter], model.config.classes)


# ---- diffusion


@dataclass(frozen=True, eq=False)
class Sampler:
    """A plan of diffusion/drawing.py."""

    model: Diffusion
    plan: Plan
    score: Score
    letter: str | None

    @property
    def steps(self) -> int:
        """See Source."""
        return self.plan.steps

    @property
    def pixels(self) -> int:
        """See Source."""
        return self.model.config.size

    def story(self, count: int, seed: int, shown: Collection[int], check: Check) -> Story:
        """See Source; with the level of the noise."""
        from toyflows.figures._film_chain import Moment, Story
        from toyflows.pictures import levels
        from toyflows.seeds import stream

        process, moments = self.model.process, dict[int, Moment]()

        def watch(k: int, t: float, x: Array) -> None:
            check()
            if k in shown or k == self.steps or t == 0:
                level = float(process.sigma(t)) / float(process.alpha(t))
                moments[k] = Moment(t, levels(x), np.array([level]))

        shape, rng = (count, *self.model.shape), stream(seed, "sample")
        self.plan.draw(self.score, process, shape, rng, "float32", watch)
        what = _what(self.letter, self.model.config.target)
        words = f"{count} samples\n{self.plan.told}"
        return Story(f"A diffusion model draws {what} out of noise", words, False, moments)


def _diffusion(
    checkpoint: str | Path, letter: str | None, sampler: str | None, steps: int, spacing: str,
    options: Mapping[str, Any], guidance: float, threads: int | None,
) -> Sampler:  # fmt: skip
    from toyflows.diffusion.drawing import Plan, guided
    from toyflows.diffusion.processes import times
    from toyflows.diffusion.trained import Model
    from toyflows.images import shipped

    model = Model.load(shipped.place(checkpoint))
    if not model.config.size:
        raise InputError("checkpoint", checkpoint, "has points; must be a model of images")
    name = sampler or Plan.default(model.config).sampler
    plan = Plan(name, steps, spacing, dict(options))
    times(model.process, plan.steps, spacing)  # refuses what cannot be
    if letter is not None and letter not in model.classes:
        known = nearest(letter, model.classes) if model.classes else "it knows no classes"
        raise InputError("class", letter, known)
    label = None if letter is None else model.classes.index(letter)
    return Sampler(model, plan, guided(model, label, guidance, threads), letter)


def _what(letter: str | None, data: str) -> str:
    if letter is not None:
        return f"“{letter}”"
    return "letters" if data == "glyphs" else "images"
