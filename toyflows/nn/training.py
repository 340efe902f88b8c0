"""What all trainings share: their state, and a loop that goes back after a divergence."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

import numpy as np

from toyflows.errors import Diverged
from toyflows.nn.layers import Array
from toyflows.nn.optimise import EMA, Adam

ROLLBACKS = 8  # each halves the rate
KEPT = "kept/"  # names in a checkpoint of what belongs to the state to go back to


@dataclass
class State:
    """The state of a run at a step; the checkpoint holds all of it."""

    θ: Array
    adam: Adam
    mean: EMA
    history: Array  # (steps, columns) float32
    more: dict[str, Array] = field(default_factory=dict)  # what else the run remembers, by name
    step: int = 0
    rollbacks: int = 0
    kept: Self | None = None  # where a step that is lost goes back to

    def copy(self) -> Self:
        """A copy that shares no array with this state and has no earlier state."""
        return self.of({k: v.copy() for k, v in self._own().items()}, self.adam, self.mean)

    def arrays(self) -> dict[str, Array]:
        """By the names they have in a checkpoint. A run that stops between two checkpoints has the
        earlier one with it: a step that is lost later goes back there, as without the stop."""
        if self.kept is None or self.kept.step == self.step:
            return self._own()
        kept = {KEPT + name: x for name, x in self.kept._own().items() if name != "history"}
        return self._own() | kept

    def _own(self) -> dict[str, Array]:
        return {
            "θ": self.θ, "adam/m": self.adam.m, "adam/v": self.adam.v, "mean": self.mean.mean,
            "history": self.history, "counts": np.array([self.step, self.rollbacks]), **self.more,
        }  # fmt: skip

    @classmethod
    def of(cls, arrays: dict[str, Array], adam: Adam, mean: EMA) -> Self:
        """The state of these arrays, with the constants of `adam` and `mean`."""
        rest = dict(arrays)
        kept = {n.removeprefix(KEPT): rest.pop(n) for n in arrays if n.startswith(KEPT)}
        step, rollbacks = map(int, rest.pop("counts"))
        adam = dataclasses.replace(adam, m=rest.pop("adam/m"), v=rest.pop("adam/v"), steps=step)
        mean = dataclasses.replace(mean, mean=rest.pop("mean"), steps=step)
        state = cls(rest.pop("θ"), adam, mean, rest.pop("history"), rest, step, rollbacks)
        if kept:
            kept["history"] = state.history[: max(0, int(kept["counts"][0]))]
            state.kept = cls.of(kept, adam, mean)
        return state

    def key(self, seed: int) -> int:
        """The seed from here on: after a rollback the run uses other noise."""
        words = np.random.SeedSequence([seed, self.rollbacks])
        return int(words.generate_state(1, np.uint32)[0])

    def seen(self, *numbers: float) -> None:
        """Adds the row of a step that is done to the history."""
        self.history = np.concatenate([self.history, np.array([numbers]).astype(np.float32)])
        self.step += 1


def with_kept(own: dict[str, Array], found: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays that a checkpoint must hold for this state, given those found in it."""
    if not any(name.startswith(KEPT) for name in found):
        return own
    return own | {KEPT + name: x for name, x in own.items() if name != "history"}


class Record(Protocol):
    """The numbers of a step, a NamedTuple. `lost`: why it was undone; the run is back at `step`."""

    @property
    def lost(self) -> str: ...

    def _replace(self, *, step: int = ..., lost: str = ...) -> Any: ...


R = TypeVar("R", bound=Record)
S = TypeVar("S", bound=State)


class Lost(Diverged):
    """A run that diverges again and again."""

    def __init__(self, why: str):
        text = f"diverged {ROLLBACKS + 1} times, at last with {why}"
        ArithmeticError.__init__(self, f"{text}; try a smaller rate (-p rate=…)")


def steps(
    state: S,
    advance: Callable[[], R],
    every: int,
    keep: Callable[[S], Any],
    sound: Callable[[S], bool] = lambda state: True,
    end: int = 0,
) -> Iterator[R]:
    """Calls `advance`, which steps `state`, for as long as its records are taken, or up to the step
    `end` where the rate has fallen to 0 (0: never). `keep` is called with what a checkpoint is to
    hold: every so many steps if the state is `sound`, and after a rollback.

    A step that is lost is undone: the run goes back to the last state kept, or to its beginning,
    with half the rate and other noise, ROLLBACKS times; then Lost is raised. The state at
    which a run was stopped is no restore point: `state.kept` is saved with it.
    """
    good = state.kept = state.kept or state.copy()
    while not end or state.step < end:
        record = advance()
        if not record.lost and not np.isfinite(state.θ).all():
            record = record._replace(lost="weights that are not finite")
        if record.lost:
            if good.rollbacks == ROLLBACKS:
                raise Lost(record.lost)
            good.rollbacks += 1
            vars(state).update(vars(good.copy()))
            state.kept = good
            record = record._replace(step=state.step)
        if record.lost or (state.step % every == 0 and sound(state)):
            good = state.kept = state.copy()
            keep(good)
        yield record
