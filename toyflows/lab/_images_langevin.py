"""Langevin chains of a shipped energy, at the temperature and the step of the audience."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toyflows.images import uses
from toyflows.images.glyphs import CLASSES
from toyflows.images.sgld import Chain
from toyflows.lab import _images_models as models
from toyflows.lab._images_axis import Axis, sides
from toyflows.lab._images_chains import BAND, CHAINS, State
from toyflows.nn.layers import Array
from toyflows.pictures import Pixels

if TYPE_CHECKING:
    from toyflows.lab._room import Frame

FIRST, SECOND = 64, 256  # up to these steps energies are seen at each step, at every 4th


@dataclass(frozen=True)
class Langevin:
    """x ← x − h · clip(∂E/∂x, ±c) + √(2hT) ξ, into [−1, 1], from uniform noise, of a shipped
    energy, or of one class's. h and T are those of its training times `pace` and `heat`."""

    name: str
    label: int | None = None
    pace: float = 1.0
    heat: float = 1.0
    seed: int = 0

    def chain(self, steps: int) -> Chain:
        """The numbers of the chain. noise = √(2hT) is the trained one's times √(pace · heat)."""
        c = models.model(self.name)[0].config
        noise = c.noise * math.sqrt(self.pace * self.heat)
        return Chain(steps, c.step * self.pace, noise, c.clip)

    def begin(self) -> State:
        """Every pixel uniform."""
        model, engine = models.model(self.name)
        noise = uses.Sampler(engine, model.θ, self.chain(0), self.seed)
        _, x = next(noise.from_noise(CHAINS, model.config.size))
        return State(0, x, (0,), self.energies(x)[None])

    def follow(self, state: State, most: int) -> State:
        """Energies are seen at each of the first 64 steps, then at every 4th, later every 8th."""
        every = 1 if state.step < FIRST else 4 if state.step < SECOND else 8
        to = min(state.step - state.step % every + every, state.step + most)
        model, engine = models.model(self.name)
        label = None if self.label is None else np.full((CHAINS, 1), self.label)
        x = engine.langevin(
            model.θ, state.x, self.chain(to - state.step), self.seed, state.step, label
        )
        marks, seen = state.marks, state.seen
        if to % every == 0:
            marks, seen = (*marks, to), np.concatenate([seen, self.energies(x)[None]])
        return State(to, x, marks, seen)

    def energies(self, x: Pixels) -> Array:
        """E(x), or E(x|y), of each image (16,)."""
        model, engine = models.model(self.name)
        return models.energies(engine, model.θ, x, self.label).astype(np.float32)

    def frame(self, state: State) -> Frame:
        """The energies along the chains, and those of test letters."""
        letters, E = models.letter_energies(self.name, self.label), self.energies(state.x)
        low, high = np.quantile(letters, BAND)
        among = int(np.sum(high >= E))
        axis, chain = Axis.of(letters), self.chain(0)
        return {
            "kind": "energy",
            "marks": np.append(state.marks, state.step),
            "energies": np.concatenate([state.seen, E[None]]),
            "places": axis.at(np.concatenate([state.seen, E[None]])),
            "energy": float(E.mean(dtype=np.float64)),
            "among": among,
            "band": axis.at([low, high]),
            **sides(axis, state.seen, letters, E),
            "message": self._message(state.step, among),
            "of": "E(x)" if self.label is None else f"E(x|{CLASSES[self.label]})",
            "note": f"h = {chain.step:.3g},  T = {_power(chain.temperature)},"
            f"  slope clipped at ±{chain.clip:g}",
        }

    def _message(self, step: int, among: int) -> str:
        if step == 0:
            return "Noise: press play, and the energy falls"
        if among == 0:
            return f"Step {step}: no chain has a letter's energy yet"
        return f"Step {step}: {among} of {CHAINS} chains have a letter's energy"


def _power(v: float) -> str:
    """1.3e-06 as 1.3·10⁻⁶."""
    digits, power = f"{v:.1e}".split("e")
    return f"{digits}·10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
