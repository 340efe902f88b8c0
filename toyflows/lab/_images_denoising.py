"""A shipped diffusion model on its way back from noise, and the image that it expects."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from toyflows.diffusion.denoisers import Floats
from toyflows.images.glyphs import CLASSES
from toyflows.lab import _images_models as models
from toyflows.lab._images_chains import BAND, CHAINS, State, sheet
from toyflows.nn.layers import Array
from toyflows.seeds import stream

if TYPE_CHECKING:
    from toyflows.diffusion.guidance import Score
    from toyflows.lab._room import Frame


@dataclass(frozen=True)
class Denoising:
    """A sampler of a shipped diffusion model, of a class if one is given, with guidance w."""

    name: str
    label: int | None = None
    w: float = 0.0
    sampler: str = "ddim"
    steps: int = 50
    seed: int = 0

    @cached_property
    def times(self) -> Array:
        """From 1 down to 0 (steps + 1,)."""
        from toyflows.diffusion.processes import times

        return times(models.diffusion(self.name)[0].process, self.steps)

    @cached_property
    def score(self) -> Score:
        """(1 + w) ∇log p_t(x|y) − w ∇log p_t(x)."""
        from toyflows.diffusion.guidance import Guided

        free = models.diffusion(self.name)[1]
        mine = free.of_class(self.label)
        return Guided(mine, free, self.w) if self.w and self.label is not None else mine

    def begin(self) -> State:
        """Standard normal noise."""
        model, rng = models.diffusion(self.name)[0], stream(self.seed, "sample")
        noise = model.process.prior_sigma * rng.standard_normal((CHAINS, *model.shape))
        return self._seen(0, noise.astype(np.float32), (), np.empty((0, CHAINS), "f4"), rng)

    def follow(self, state: State, most: int) -> State:
        """One step; after the last time nothing moves."""
        from toyflows.diffusion import methods
        from toyflows.diffusion.methods.base import Model

        if state.step >= self.steps:
            return dataclasses.replace(state, step=state.step + most)
        t, s = self.times[state.step : state.step + 2].tolist()
        assert state.random is not None
        rng, now = np.random.default_rng(), cast(Floats, state.x)
        rng.bit_generator.state = state.random

        def score(x: Array, time: float) -> Array:
            known = state.score if x is now else None  # asked for already, for the guess
            return self.score(x, time) if known is None else known

        model = Model(score, models.diffusion(self.name)[0].process, float(self.times[-1]))
        x = methods.make(self.sampler).step(model, now, t, s, rng)
        return self._seen(state.step + 1, x, state.marks, state.seen, rng)

    def _seen(
        self, step: int, x: Floats, marks: tuple[int, ...], seen: Array, rng: np.random.Generator
    ) -> State:
        """Adds E[X_0 | X_t = x] = (x + σ² score)/α, and how far that is from the mean letter."""
        t, process = float(self.times[step]), models.diffusion(self.name)[0].process
        score, guess = None, x
        if step < self.steps:
            score = self.score(x, t)
            with np.errstate(under="ignore"):
                guess = (x + float(process.sigma(t)) ** 2 * score) / float(process.alpha(t))
        guess = np.clip(guess, -1, 1).astype(np.float32)
        far = models.distances(guess, models.mean_letter(self.label)[0]).astype(np.float32)
        seen = np.concatenate([seen, far[None]])
        return State(step, x, (*marks, step), seen, guess, score, rng.bit_generator.state)

    def frame(self, state: State) -> Frame:
        """The guesses, and their distances from the mean letter along the way."""
        assert state.guess is not None
        k = min(state.step, self.steps)
        t, process = float(self.times[k]), models.diffusion(self.name)[0].process
        σ, α = float(process.sigma(t)), float(process.alpha(t))
        letters = models.mean_letter(self.label)[1]
        of = "letter" if self.label is None else CLASSES[self.label]
        return {
            "kind": "diffusion",
            "t": t,
            "mean x": float(state.x.mean(dtype=np.float64)),
            "spread x": float(state.x.std(dtype=np.float64)),
            "guesses": sheet(state.guess),
            "times": self.times[list(state.marks)],
            "far": state.seen,
            "distance": float(state.seen[-1].mean(dtype=np.float64)),
            "band": np.quantile(letters, BAND),
            "message": f"t = {t:.3g}: noise σ = {σ:.2f}, letter α = {α:.2f}"
            if t > 0
            else "t = 0: no noise is left",
            "of": f"guess to mean {of}: distance",
            "note": f"{self.sampler}, {k} of {self.steps} steps with a learned score: approximate",
        }
