"""What a run passes from step to step (State), what it shows (Info), and what it leaves
(Trajectory). A State holds only what the next step needs; nothing in it is ever changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from toyflows.cloud import Array, Cloud

Particles = Cloud | tuple[Cloud, ...]  # several clouds: one a temperature


class State(NamedTuple):
    """θ and further named coordinates after `step` steps, with the persistent particles."""

    step: int
    θ: float
    extra: dict[str, float]
    chains: Particles | None

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
            seen={name: join(self.seen[name], later.seen[name]) for name in self.seen},
        )
