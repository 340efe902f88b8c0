"""What every act of the room of noise has: a state that is remembered, and the parts of a frame.

A scene's state is copied every EVERY steps into a bounded memory of the process, so that going back
in time, or to a scene that another visitor has seen, does not begin at step 0. The copies change
nothing: the state after a step is a function of the settings.
"""

from __future__ import annotations

import copy
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians
from toyflows.lab._job import Job
from toyflows.lab._noise_laws import DRAWN, MOST, density, points
from toyflows.lab._room import Frame

LENGTH = 1000  # steps of every act
EVERY = 50
BOUND = 64 << 20  # bytes of all copies
BOX = 3.2  # half a side of a picture
PIXELS = 128
NOTHING = np.zeros((0, 2), np.float32)
# All that a frame has; what an act does not show is empty.
BLANK: Frame = {
    "title": "", "fresh": 0, "left_name": "", "left_second": "", "right_name": "", "note": "",
    "left_image": NOTHING, "right_image": NOTHING, "left_arrows": np.zeros((0, 4), np.float32),
    "left_learned": np.zeros((0, 4), np.float32), "left_dots": NOTHING, "right_dots": NOTHING,
    "data": NOTHING, "weights": np.zeros(0), "left_shares": np.zeros(0),
    "right_shares": np.zeros(0), "right_weights": np.zeros(0), "paths": np.zeros((0, 0, 2)),
    "path_times": np.zeros(0), "now": -1.0, "loss": NOTHING, "floor": 0.0, "length": 0,
}  # fmt: skip


class Memory:
    """Copies of states by (what of, step); those that were not used for long are forgotten."""

    def __init__(self, bound: int):
        self.bound, self.bytes = bound, 0
        self.lock = threading.Lock()
        self.kept: OrderedDict[tuple[Hashable, int], tuple[Any, int]] = OrderedDict()

    def put(self, key: Hashable, step: int, state: Any, size: int) -> None:
        """Keeps a state; nobody may change it."""
        with self.lock:
            self.bytes += size - self.kept.pop((key, step), (None, 0))[1]
            self.kept[key, step] = state, size
            while self.bytes > self.bound:
                self.bytes -= self.kept.popitem(last=False)[1][1]

    def latest(self, key: Hashable, low: int, high: int) -> tuple[int, Any] | None:
        """The latest kept step from low to high, and its state."""
        with self.lock:
            steps = [step for what, step in self.kept if what == key and low <= step <= high]
            if not steps:
                return None
            self.kept.move_to_end((key, max(steps)))
            return max(steps), self.kept[key, max(steps)][0]

    def once(self, key: Hashable, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """An array that is made at most once while it is remembered."""
        if found := self.latest(key, 0, 0):
            return cast(NDArray[Any], found[1])
        made = make()
        self.put(key, 0, made, made.nbytes)
        return made


MEMORY = Memory(BOUND)
State = dict[str, Any]


def copied(state: State) -> State:
    """A state that shares with this one only what is never changed in place: its arrays."""
    return {name: _copied(value) for name, value in state.items()}


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return list(value)
    return copy.deepcopy(value) if isinstance(value, np.random.Generator) else value


class Act:
    """A scene: `move` changes only `state`, and depends only on `key`."""

    def __init__(self, values: Mapping[str, Any], key: Hashable):
        self.values, self.key = values, key
        self.step = 0
        self.state: State = {}

    def move(self, job: Job) -> None:
        """Makes one step, in new arrays only."""
        raise NotImplementedError

    def seen(self) -> Frame:
        """The parts of the frame that are not blank."""
        raise NotImplementedError

    def advance(self, steps: int, job: Job) -> None:
        """See Scene. After LENGTH steps nothing moves any more."""
        end = self.step + steps
        if found := MEMORY.latest(self.key, self.step + 1, min(end, LENGTH)):
            self.step, self.state = found[0], copied(found[1])
        while self.step < min(end, LENGTH):
            job.check()
            self.move(job)
            self.step += 1
            if self.step % EVERY == 0:
                size = sum(_bytes(v) for v in self.state.values())
                MEMORY.put(self.key, self.step, copied(self.state), size)
        self.step = end

    def frame(self) -> Frame:
        """See Scene."""
        v = self.values
        drawn = points(v["points"]) if v["target"] == DRAWN else NOTHING
        about = {"act": v["show"], "target": v["target"], "fresh": int(not v["points"])}
        found = BLANK | about | {"data": drawn.astype(np.float32)} | self.seen()
        if len(drawn):
            found["note"] = (
                f"{on_points(len(drawn), v['kernel'])} · draw: drag or tap; double tap: anew"
            )
        return found


def _bytes(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_bytes, value))
    return int(getattr(value, "nbytes", 100)) + 100


def shade(p: Array) -> NDArray[np.uint8]:
    """A density as a shade, 0 … 255, thin regions lifted: √(p/max p)."""
    with np.errstate(under="ignore"):
        return np.rint(255 * np.sqrt(p / max(p.max(), 1e-300))).astype(np.uint8)


def pixels(half: float, n: int) -> Array:
    """The middles (n,) of the pixels of [−half, half]."""
    return half * ((np.arange(n) + 0.5) / n * 2 - 1)


def box(law: Gaussians, α: float = 1.0, σ: float = 0.0, scale: float = 1.0) -> NDArray[np.uint8]:
    """The shade (PIXELS, PIXELS) of αX + σZ, over the square of half side BOX · scale."""
    side = pixels(scale * BOX, PIXELS)
    return shade(density(law, side, side, α, σ))


def lattice(wide: float, high: float, step: float) -> Array:
    """Points (m, 2) at equal steps about 0, |x| ≤ wide, |y| ≤ high."""
    sides = [step * np.arange(-math.floor(s / step), math.floor(s / step) + 1)
             for s in (wide, high)]  # fmt: skip
    return np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)


def arrows(at: Array, field: Array, spread: float, longest: float) -> Array:
    """Arrows (m, 4), from and to: along the field, of length `longest` u/(1 + u), u = |field|
    spread, with `at` in the middle."""
    u = spread * np.linalg.norm(field, axis=1, keepdims=True)
    with np.errstate(under="ignore"):
        half = 0.5 * longest * field * (spread / (1 + u))
    return np.concatenate([at - half, at + half], axis=1).astype(np.float32)


def on_points(n: int, kernel: float) -> str:
    """The law of drawn points."""
    most = ", the most that are kept" if n == MOST else ""
    return f"Gaussians of spread {kernel:.3g} on {n} points{most}, and their exact score"
