"""What a run passes from step to step (State), what it shows (Info), and what it leaves
(Trajectory). A State holds only what the next step needs; nothing in it is ever changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array, Cloud
from toyflows.errors import InputError

Particles = Cloud | tuple[Cloud, ...]  # several clouds: one a temperature


class State(NamedTuple):
    """θ and further named coordinates after `step` steps, with the persistent particles, and with
    what the method keeps of its own (`Flow.memory`)."""

    step: int
    θ: float
    extra: dict[str, float]
    chains: Particles | None
    memory: dict[str, NDArray[Any]] = {}  # noqa: RUF012  (never changed)

    @property
    def theta(self) -> float:
        """θ."""
        return self.θ

    @property
    def cold(self) -> Cloud | None:
        """The persistent particles at temperature 1: of a ladder, the first cloud."""
        return self.chains[0] if isinstance(self.chains, tuple) else self.chains


class Info(NamedTuple):
    """Seen at a state: θ̇, the fraction of negatives in mode b (nan: the method has none), and what
    else the method wants recorded, by name."""

    velocity: float
    mode_b: float
    seen: dict[str, float] = {}  # noqa: RUF012  (never changed)


@dataclass(frozen=True)
class Trajectory:
    """A recorded run. Arrays are (n,), one entry a record: t = step·dt, θ, θ̇ (per unit of `rate`),
    mode_b, and the crossings of the centre so far, summed over walkers (nan where not counted);
    `extra` holds the coordinates beyond θ, `seen` the method's own numbers (log Z, …)."""

    flow: str
    backend: str
    dt: float
    rate: float
    t: Array
    θ: Array
    velocity: Array
    mode_b: Array
    crossings: Array
    extra: dict[str, Array] = field(default_factory=dict)
    seen: dict[str, Array] = field(default_factory=dict)
    state: State | None = None
    walkers: int | None = None

    def __repr__(self) -> str:
        return (
            f"Trajectory({self.flow} on {self.backend}: {self.t.size} records, "
            f"t = {self.t[0]:g} … {self.t[-1]:g}, θ = {self.θ[0]:.4g} → {self.θ[-1]:.4g})"
        )

    @property
    def theta(self) -> Array:
        """θ."""
        return self.θ

    def then(self, later: Trajectory) -> Trajectory:
        """This run and its continuation, as the uninterrupted run would have recorded them."""
        return joined(self, later, ("t", "θ", "velocity", "mode_b"), ("extra", "seen"))


R = TypeVar("R", bound=Any)


def joined(first: R, later: R, columns: tuple[str, ...], tables: tuple[str, ...]) -> R:
    """The records of a run before those of its continuation: arrays, dicts of arrays, crossings."""
    keep = first.t < later.t[0]

    def join(mine: Array, theirs: Array) -> Array:
        return np.concatenate([mine[keep], theirs])

    done: dict[str, Any] = {c: join(getattr(first, c), getattr(later, c)) for c in columns}
    done["crossings"] = join(first.crossings, first.crossings[-1] + later.crossings)
    for name in tables:
        mine, theirs = getattr(first, name), getattr(later, name)
        if mine.keys() != theirs.keys():  # a file that was not written by us
            raise InputError("path", ", ".join(mine), "is not what the run goes on with")
        done[name] = {key: join(mine[key], theirs[key]) for key in mine}
    return replace(later, **done)
