"""A replay buffer with fresh noise (Du & Mordatch 2019): persistent chains that restart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.errors import InputError
from toyflows.flows.short_run import ShortRun

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.flows.base import Course
    from toyflows.state import Particles
    from toyflows.target import Target


@dataclass(frozen=True)
class ReplayBuffer(ShortRun):
    """θ̇ = E_ν[∂_θU_θ] − E_data[∂_θU_θ],   ν = ((1−p)μ + p N(m,s²)) P_θ^k,   μ ← μ + (ν − μ)/B

    μ is a buffer of B batches, at first of noise. Each step draws one batch from it, replaces each
    particle by fresh noise with probability p = `fresh`, moves it k steps, and puts it back. For
    separated modes no particle crosses: its mode is the basin it was born in, and the law at rest
    is that of short-run chains, θ = d s Φ⁻¹(1−q*) =: θ_f for every p > 0 and B. The share f of b in
    the buffer follows ḟ = λ(Φ(−θ/(ds)) − f), λ = p/(B dt), and θ̇ = (1−p)f + pΦ(−θ/(ds)) − q*; so
    near θ_f, with κ = φ(Φ⁻¹(q*))/(ds) and at rate 1,
        θ̈ + (λ + pκ) θ̇ + λκ (θ − θ_f) = 0:
    a spiral if (λ + pκ)² < 4λκ, else a node. p = 1 is `short-run`; p = 0 and B = 1 is `pcd` from
    noise, its chains moved before they are used: it runs away. Source: Du & Mordatch 2019.
    """

    name = "replay-buffer"
    title = "Replay buffer with fresh noise"
    buffer: int = 10
    fresh: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.buffer <= 10_000:
            raise InputError("p", f"buffer={self.buffer}", "must be 1 ≤ buffer ≤ 10000")
        if not 0 <= self.fresh <= 1:
            raise InputError("p", f"fresh={self.fresh}", "must be 0 ≤ fresh ≤ 1")

    @property
    def copies(self) -> int:
        return self.buffer

    def init(self, ops: Backend, θ0: float) -> Cloud | None:
        return ops.noise(self.noise, many=self.buffer, substep=1)  # substep 0 is the fresh noise

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        batch = ops.pick(chains, self.buffer)
        return self.moved(ops, θ, ops.blend(batch, ops.noise(self.noise), self.fresh))

    def store(self, ops: Backend, chains: Any, negatives: Cloud | None) -> Particles | None:
        assert negatives is not None
        return ops.put(chains, negatives, self.buffer)

    def chain_time(self, dt: float) -> float:
        """The mean life of a chain, 1/p uses of k steps."""
        return super().chain_time(dt) / self.fresh if self.fresh > 0 else math.inf

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float | None:
        return None  # the buffer remembers

    def frontiers(self, target: Target, run: Course) -> dict[str, float]:
        return {}  # the life of a chain is random

    def fixed_point(self, target: Target) -> float | None:
        return super().fixed_point(target) if self.fresh > 0 else None
