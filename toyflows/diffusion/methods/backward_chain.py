"""The lecture's discrete chain, run backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyflows.cloud import Array
from toyflows.diffusion.chain import Ladder, taylor
from toyflows.diffusion.methods.base import Method, Model, Normals, noise
from toyflows.diffusion.schedules import Time
from toyflows.errors import InputError


@dataclass(frozen=True)
class Steps:
    """A ladder as a process that is only seen at its own times t = k/K; f and g² it has none."""

    ladder: Ladder
    name = "ladder"

    @property
    def times(self) -> Array:
        """1, …, 1/K, 0: the grid of the run back."""
        return np.arange(self.ladder.steps, -1, -1) / self.ladder.steps

    @property
    def prior_sigma(self) -> float:
        """σ_K."""
        return float(self.ladder.σ[-1])

    def number(self, t: Time) -> Any:
        """k = Kt."""
        k = np.rint(np.multiply(t, self.ladder.steps)).astype(int)
        if np.abs(k - np.multiply(t, self.ladder.steps)).max() > 1e-6:
            raise InputError("times", t, f"must be k/{self.ladder.steps}: a chain has no others")
        return k

    def alpha(self, t: Time) -> Any:
        return self.ladder.α[self.number(t)]

    def sigma(self, t: Time) -> Any:
        return self.ladder.σ[self.number(t)]

    def f(self, t: Time) -> Any:
        raise InputError(
            "sampler", "of an SDE or ODE", "a chain has backward-chain, ancestral, ddim"
        )

    g2 = f


@dataclass(frozen=True)
class BackwardChain(Method):
    """x_k = A x_{k+1} − B ẑ + s z,    ẑ = −σ_{k+1} score

    A, B, s are those of p(x_k | x_{k+1}, x_0) of a `Ladder` (the process is `Steps(ladder)`): this
    is ancestral sampling. With `expansion` 1 or 2 they are the lectures' series in γ to this
    order; the first, (1 + γ) x_{k+1} + 2γ score + √(2γ) z, is Euler–Maruyama.
    """

    name = "backward-chain"
    title = "the discrete chain run backward"
    expansion: int = 0

    def __post_init__(self) -> None:
        if self.expansion not in (0, 1, 2):
            raise InputError("p", f"expansion={self.expansion}", "must be 0 (exact), 1 or 2")

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        if not isinstance(model.process, Steps):
            raise InputError("sampler", self.name, "is for a chain of discrete steps only")
        ladder, k = model.process.ladder, int(model.process.number(s))
        if k + 1 != model.process.number(t):
            raise InputError("times", f"{t:g}, {s:g}", "must be every step of the chain")
        σ = float(ladder.σ[k + 1])
        A, B, spread = (float(v[k]) for v in self._kernel(ladder))
        return A * x + B * σ * model.score(x, t) + spread * noise(rng, x)

    def _kernel(self, ladder: Ladder) -> tuple[Array, Array, Array]:
        if self.expansion == 0:
            return ladder.backward_noise
        γ = 1 - ladder.a
        if not np.allclose(ladder.b**2, 2 * γ):
            raise InputError("p", f"expansion={self.expansion}", "is for the lectures' chain "
                             "(1 − γ) x + √(2γ) z only")  # fmt: skip
        return taylor(γ, ladder.σ[1:], self.expansion)
