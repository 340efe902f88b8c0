"""K modes and their true weights in plain numbers: what a sweep stores and sends to its workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from toyflows.modes.family import Modes
from toyflows.modes.target import ModesTarget, numbers_of_modes, target_of

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Among:
    """Positions (K, D), spreads (K,) and θ* (K,), the first 0. Equal ones make equal runs."""

    positions: tuple[Numbers, ...]
    spreads: Numbers
    theta_star: Numbers

    @classmethod
    def make(
        cls,
        positions: ArrayLike,
        spreads: ArrayLike = 1.0,
        theta_star: ArrayLike | None = None,
        q_star: ArrayLike | None = None,
    ) -> Among:
        """As `modes.flow` takes them. Raises InputError."""
        modes = Modes(positions, spreads)
        θ = target_of(modes, theta_star, q_star).θ_star
        places = tuple(tuple(row) for row in modes.positions.tolist())
        return cls(places, tuple(modes.spreads.tolist()), (0.0, *θ.tolist()))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Among:
        """What `to_dict` told."""
        return cls.make(told["positions"], told["spreads"], told["theta_star"])

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def K(self) -> int:
        """Number of modes."""
        return len(self.positions)

    @cached_property
    def target(self) -> ModesTarget:
        """What is to be learned."""
        return target_of(Modes(self.positions, self.spreads), self.theta_star, None)

    def start(self, theta0: ArrayLike | None) -> Numbers:
        """θ0 (K,) with 0 as its first number; None: equal weights. Raises InputError("theta0")."""
        if theta0 is None:
            return (0.0,) * self.K
        θ = numbers_of_modes("theta0", theta0, self.target.mixture)
        return tuple(np.subtract(θ, θ[0]).tolist())
