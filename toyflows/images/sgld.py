"""Langevin chains of images, and the engines that run them.

    x ← x − step · clip(∂E/∂x, ±clip) + noise · ξ,     then into [−1, 1]

Without clip this is unadjusted Langevin at the temperature T = noise²/(2 step): the default
numbers, which train well, make it nearly a descent. Exercise sheet 3 [F] has the SGLD of η,
x ← x − (η/2) ∂E/∂x + √η ξ: that is step = η/2 and noise = √η, with T = 1. Noise is a function of
(seed, number of the step, place in the batch). Source: [F]; Du & Mordatch (2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from toyflows.errors import InputError
from toyflows.images.energy import energy
from toyflows.nn.layers import Array
from toyflows.nn.network import Network
from toyflows.pictures import Labels, Pixels
from toyflows.seeds import stream

AT_ONCE = 64  # images that NumPy takes through the network together: its windows stay in the cache


@dataclass(frozen=True)
class Chain:
    """The number of steps and the settings of one; [F]'s SGLD of η is step = η/2, noise = √η."""

    steps: int = 60
    step: float = 2.0
    noise: float = 0.005
    clip: float = 0.03

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise InputError("steps", self.steps, "must be 0 or more")
        for name in ("step", "clip"):
            if not getattr(self, name) > 0:
                raise InputError("p", f"{name}={getattr(self, name)}", f"must be {name} > 0")
        if not self.noise >= 0:
            raise InputError("p", f"noise={self.noise}", "must be noise ≥ 0")

    @property
    def temperature(self) -> float:
        """T for which noise = √(2 step T)."""
        return self.noise**2 / (2 * self.step)


class Engine(Protocol):
    """What trains and samples a network of parameters θ on images x (N, size, size)."""

    @property
    def name(self) -> str:
        """numpy or fast."""

    def outputs(self, θ: Array, x: Pixels) -> Array:
        """f (N, K)."""

    def input_gradient(self, θ: Array, x: Pixels, classes: Labels | None = None) -> Array:
        """∂E/∂x of `energy(f, classes)`, in the shape of x."""

    def langevin(
        self, θ: Array, x: Pixels, chain: Chain, seed: int, start: int, classes: Labels | None
    ) -> Pixels:
        """x after chain.steps steps; they use the noise numbered start, start + 1, …"""

    def gradients(self, θ: Array, x: Pixels, g: Array) -> Array:
        """Σ_nk g_nk ∂f_nk/∂θ, flat like θ."""


@dataclass(frozen=True, eq=False)
class Plain:
    """The engine in NumPy: any network, any dtype."""

    network: Network
    name: str = "numpy"

    def outputs(self, θ: Array, x: Pixels) -> Array:
        """See Engine."""
        parts = [self.network.forward(θ, part[..., None])[0] for part in _pieces(x)]
        return np.concatenate(parts)

    def input_gradient(self, θ: Array, x: Pixels, classes: Labels | None = None) -> Array:
        """See Engine."""
        found = []
        for k, part in enumerate(_pieces(x)):
            f, memory = self.network.forward(θ, part[..., None])
            rows = slice(k * AT_ONCE, k * AT_ONCE + len(part))
            _, slope = energy(f, None if classes is None else classes[rows])
            found.append(self.network.input_gradient(θ, memory, slope)[..., 0])
        return np.concatenate(found)

    def langevin(
        self, θ: Array, x: Pixels, chain: Chain, seed: int, start: int, classes: Labels | None
    ) -> Pixels:
        """See Engine."""
        return langevin(lambda z: self.input_gradient(θ, z, classes), x, chain, seed, start)

    def gradients(self, θ: Array, x: Pixels, g: Array) -> Array:
        """See Engine."""
        total = np.zeros_like(θ)
        for part, g_part in zip(_pieces(x), _pieces(g), strict=True):
            memory = self.network.forward(θ, part[..., None])[1]
            total += self.network.gradients(θ, memory, g_part.astype(θ.dtype))
        return total


def langevin(
    slope: Callable[[Array], Array], x: Array, chain: Chain, seed: int, start: int = 0
) -> Array:
    """x after chain.steps steps down `slope`, ∂E/∂x."""
    for k in range(start, start + chain.steps):
        g = np.clip(slope(x), -chain.clip, chain.clip)
        ξ = stream(seed, "langevin", k).standard_normal(x.shape, np.float32)
        with np.errstate(under="ignore"):
            x = np.clip(x - chain.step * g + chain.noise * ξ, -1, 1).astype(x.dtype)
    return x


def noise(rng: np.random.Generator, n: int, size: int) -> Pixels:
    """n images (n, size, size), each pixel uniform on [−1, 1)."""
    return 2 * rng.random((n, size, size), np.float32) - 1


def _pieces(x: Array) -> list[Array]:
    return [x[k : k + AT_ONCE] for k in range(0, len(x), AT_ONCE)] or [x]
