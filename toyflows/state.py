"""What a run passes from step to step (State), what it lets be seen (Info), what it leaves behind
(Trajectory). A State holds only what the next step needs; nothing in it is ever changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from toyflows.cloud import Array, Cloud


class State(NamedTuple):
    """θ and further named coordinates after `step` steps, with the persistent particles."""

    step: int
    θ: float
    extra: dict[str, float]
    chains: Cloud | None


class Info(NamedTuple):
    """Seen at a state: θ̇, the fraction of negatives in mode b (nan: the method has none)."""

    velocity: float
    mode_b: float


@dataclass(frozen=True)
class Trajectory:
    """A recorded run. Arrays are (n,), one entry a record: t = step·dt, θ, θ̇ (per unit of `rate`),
    mode_b, and the crossings of the centre so far, summed over walkers (nan where not counted)."""

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
    state: State | None = None
    walkers: int | None = None

    def then(self, later: Trajectory) -> Trajectory:
        """This run and its continuation, as the uninterrupted run would have recorded them."""
        keep = self.t < later.t[0]

        def join(mine: Array, theirs: Array) -> Array:
            return np.concatenate([mine[keep], theirs])

        return replace(
            later,
            t=join(self.t, later.t),
            θ=join(self.θ, later.θ),
            velocity=join(self.velocity, later.velocity),
            mode_b=join(self.mode_b, later.mode_b),
            crossings=join(self.crossings, self.crossings[-1] + later.crossings),
            extra={name: join(self.extra[name], later.extra[name]) for name in self.extra},
        )
