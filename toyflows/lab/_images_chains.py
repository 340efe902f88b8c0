"""Sixteen chains from noise to images: how far they have gone, and what is read in them.

A state is never changed, only followed by another: some of the states that were passed are kept for
all visitors of the process, so that going back in time does not begin at noise.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from toyflows import pictures
from toyflows.images.glyphs import CLASSES
from toyflows.lab import _images_models as models
from toyflows.nn.layers import Array
from toyflows.pictures import Pixels

if TYPE_CHECKING:
    from toyflows.lab._job import Job
    from toyflows.lab._room import Frame

CHAINS, ACROSS = 16, 4
BAND = (0.05, 0.95)  # quantiles of test letters that are shown
SURE = 0.9  # probability at which the reader is believed
KEPT_WALKS, KEPT_EVERY = 8, 32  # walks whose states are kept, and at which of their steps


@dataclass(frozen=True, eq=False)
class State:
    """After `step` steps: images (16, size, size), and a number of each chain (marks, 16) at some
    of the steps up to here. A diffusion has its guess of the end, and what its noise goes on with.
    """

    step: int
    x: Pixels
    marks: tuple[int, ...]
    seen: Array
    guess: Pixels | None = None
    score: Array | None = None
    random: Mapping[str, Any] | None = None


class Walk(Protocol):
    """How the chains begin and move: a frozen dataclass of everything that decides it."""

    def begin(self) -> State:
        """Starts the chains at noise."""

    def follow(self, state: State, most: int) -> State:
        """The state at the next mark, or after `most` steps where that is before."""

    def frame(self, state: State) -> Frame:
        """The numbers beside the images."""


class Memory:
    """Keeps some states of the latest walks."""

    def __init__(self, walks: int = KEPT_WALKS, every: int = KEPT_EVERY):
        self.walks, self.every = walks, every
        self.kept: OrderedDict[Walk, dict[int, State]] = OrderedDict()
        self.lock = threading.Lock()

    def keep(self, walk: Walk, state: State) -> None:
        """Keeps a state whose step is a multiple of `every`."""
        if state.step % self.every:
            return
        with self.lock:
            self.kept.setdefault(walk, {})[state.step] = state
            self.kept.move_to_end(walk)
            while len(self.kept) > self.walks:
                self.kept.popitem(last=False)

    def before(self, walk: Walk, step: int, state: State) -> State:
        """The last kept state up to `step`, or `state` where that is later."""
        with self.lock:
            known = [s for k, s in self.kept.get(walk, {}).items() if state.step < k <= step]
        return max(known, key=lambda s: s.step, default=state)


MEMORY = Memory()


class Chains:
    """The scene: a walk, and how far it has gone."""

    def __init__(self, walk: Walk, memory: Memory = MEMORY):
        self.walk, self.memory, self.step = walk, memory, 0
        self.state = walk.begin()

    def advance(self, steps: int, job: Job) -> None:
        """Goes on from the latest state that is kept."""
        end = self.step + steps
        self.state = self.memory.before(self.walk, end, self.state)
        self.step = self.state.step
        while self.step < end:
            job.check()
            self.state = self.walk.follow(self.state, end - self.step)
            self.step = self.state.step
            self.memory.keep(self.walk, self.state)

    def frame(self) -> Frame:
        """The images as one sheet, and what a classifier that was trained alone reads in them."""
        x, guess = self.state.x, self.state.guess
        return {
            "act": "chains",
            "sheet": sheet(x),
            **reading(x if guess is None else guess),
            "named": int(self.step > 0),  # nobody reads pure noise
            **self.walk.frame(self.state),
        }


def sheet(x: Pixels) -> np.ndarray:
    """The images as grey levels 0 … 255, in rows of four."""
    return pictures.sheet(list(x.reshape(-1, ACROSS, *x.shape[1:])))


def reading(x: Pixels) -> Frame:
    """The likeliest letter of each image, and its probability."""
    q = models.read(x)
    return {"read": "".join(CLASSES[k] for k in q.argmax(axis=1)), "sure": q.max(axis=1)}
