"""The network of a diffusion model and what it predicts, for points and for images alike.

With V = α² + σ², for data of mean 0 and spread 1, x_t/√V has spread 1, and the network f answers

    f(x_t/√V, t) ≈ v = (αε − σx_0)/√V:     ε̂ = σx/V + α/√V f,     score = −ε̂/σ.

So f = 0 is the exact score of N(0, I), and |ε − ε̂|² = (α²/V) |v − f|² is the loss of DDPM, and at
α = 1 that of NCSN with λ = σ². Sources: Ho et al. 2020, Eq. (14); Song & Ermon 2019, Eq. (6); v at
V = 1: Salimans & Ho 2022; at α = 1: Karras et al. 2022, Eq. (7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from toyflows import display
from toyflows.cloud import Array
from toyflows.diffusion.gaussians import column
from toyflows.diffusion.processes import Process
from toyflows.diffusion.schedules import Time
from toyflows.errors import InputError
from toyflows.nn.network import Network
from toyflows.nn.reference import Reference

if TYPE_CHECKING:
    from toyflows.nn.compiled.mlp import FastMLP
    from toyflows.nn.compiled.unet import FastUNet

Floats = NDArray[Any]
Labels = NDArray[np.int64]
CLOCK = 1000.0  # the network gets 1000 t, as DDPM counts
GAIN = 4.0  # of points: at 1 it begins almost linear, and of the symmetric 8 Gaussians it stays so


class Net(Protocol):
    """f with the parameters θ: x (N, …), t (N,) and, where it has classes, labels (N,)."""

    @property
    def network(self) -> Network:
        """The reference network: the number of parameters, and their first values."""

    @property
    def classes(self) -> int:
        """The number of classes; the label `classes` means no class."""

    def forward(self, θ: Floats, x: Floats, t: Floats, labels: Labels | None) -> Floats:
        """f, in the shape of x."""

    def loss_and_gradient(
        self, θ: Floats, x: Floats, t: Floats, target: Floats, weight: Floats, labels: Labels | None
    ) -> tuple[float, Floats]:
        """The mean of weight (f − target)² over points and their numbers, and its ∂/∂θ."""

    def divergence(self, θ: Floats, x: Floats, t: Floats, labels: Labels | None) -> Floats:
        """Σ_i ∂f_i/∂x_i (N,). Raises InputError where it cannot be computed."""


class _Answered:
    """What both networks say of what answers them: a compiled twin, or NumPy."""

    fast: FastMLP | FastUNet | Reference

    @property
    def network(self) -> Network:
        """See Net."""
        return self.fast.network

    @property
    def classes(self) -> int:
        """See Net."""
        return self.fast.classes


@dataclass(frozen=True, eq=False)
class PointNet(_Answered):
    """A dense network for points x (N, D)."""

    fast: FastMLP | Reference

    def forward(self, θ: Floats, x: Floats, t: Floats, labels: Labels | None) -> Floats:
        """See Net."""
        return self.fast.forward(θ, _loud(x), t, labels)

    def loss_and_gradient(
        self, θ: Floats, x: Floats, t: Floats, target: Floats, weight: Floats, labels: Labels | None
    ) -> tuple[float, Floats]:
        """See Net."""
        return self.fast.loss_and_gradient(θ, _loud(x), t, target, weight / x.shape[1], labels)

    def divergence(self, θ: Floats, x: Floats, t: Floats, labels: Labels | None) -> Floats:
        """See Net."""
        return np.multiply(GAIN, self.fast.divergence(θ, _loud(x), t, labels)[1])


def _loud(x: Floats) -> Floats:
    return np.multiply(GAIN, x, dtype=x.dtype)


@dataclass(frozen=True, eq=False)
class ImageNet(_Answered):
    """A U-Net for images x (N, size, size)."""

    fast: FastUNet | Reference
    threads: int = 1

    def forward(self, θ: Floats, x: Floats, t: Floats, labels: Labels | None) -> Floats:
        """See Net."""
        return self.fast.forward(θ, x[..., None], t, labels, self.threads)[..., 0]

    def loss_and_gradient(
        self, θ: Floats, x: Floats, t: Floats, target: Floats, weight: Floats, labels: Labels | None
    ) -> tuple[float, Floats]:
        """See Net."""
        images, wanted = x[..., None], target[..., None]
        return self.fast.loss_and_gradient(θ, images, t, wanted, weight, labels, self.threads)

    def divergence(self, θ: Floats, x: Floats, t: Floats, labels: Labels | None) -> Floats:
        """See Net."""
        raise InputError("checkpoint", "of images", "must be points: a U-Net has no exact "
                         "divergence")  # fmt: skip


def loss_and_gradient(
    net: Net, θ: Floats, process: Process, x0: Floats, ε: Floats, t: Floats, labels: Labels | None
) -> tuple[float, Floats]:
    """The mean of (ε − ε̂(αx_0 + σε, t))² over points and their numbers, and its ∂/∂θ."""
    with np.errstate(under="ignore"):
        α, σ = column(process.alpha(t), x0), column(process.sigma(t), x0)
        root = np.sqrt(α**2 + σ**2)
        x, v = (α * x0 + σ * ε) / root, (α * ε - σ * x0) / root
        weight = np.square(α / root).ravel()
        x, t, v, weight = (np.asarray(a, np.float32) for a in (x, CLOCK * t, v, weight))
        return net.loss_and_gradient(θ, x, t, v, weight, labels)


@dataclass(frozen=True, eq=False)
class LearnedScore:
    """∇log p_t that a network has learned, of a class or (`label` None) of all.

    x (N, …) of any float type, t a number or (N,). Times below `first`, which the network has not
    seen, are taken for it; so the score stays finite where σ(0) = 0.
    """

    net: Net
    θ: Floats
    process: Process
    first: float
    label: int | Labels | None = None
    __repr__ = display.short

    def __call__(self, x: Floats, t: Time) -> Floats:
        """The denoised x, with x's shape and type."""
        α, σ, V, t = self._at(t)
        with np.errstate(under="ignore"):
            f = self._ask(self.net.forward, x / column(np.sqrt(V), x), t)
            score = x * column(-1 / V, x) - column(α / (σ * np.sqrt(V)), x) * f
        return np.asarray(score, x.dtype)

    def divergence(self, x: Floats, t: Time) -> Array:
        """∇·s (N,), exact; of points only."""
        α, σ, V, t = self._at(t)
        with np.errstate(under="ignore"):
            bend = self._ask(self.net.divergence, x / column(np.sqrt(V), x), t)
            return np.asarray(-x[0].size / V - α / (σ * V) * bend, np.float64)

    def noise(self, x: Floats, t: Time) -> Floats:
        """ε̂ = −σ score."""
        return np.asarray(-column(self._at(t)[1], x) * self(x, t), x.dtype)

    def of_class(self, label: int | Labels | None) -> LearnedScore:
        """The same network for this class, or for one class of each x (N,), or for no class."""
        K = self.net.classes
        if label is not None and not 0 <= np.min(label) <= np.max(label) < K:
            known = f"0 to {K - 1}" if K else "none: it has no classes"
            raise InputError("class", label, f"must be {known}")
        return replace(self, label=label)

    def _at(self, t: Time) -> tuple[Any, Any, Any, Any]:
        """α, σ, V and the time itself, not below the first."""
        t = np.maximum(t, self.first)
        α, σ = self.process.alpha(t), self.process.sigma(t)
        return α, σ, α**2 + σ**2, t

    def _ask(self, what: Any, x: Floats, t: Any) -> Floats:
        label = None if self.label is None else np.asarray(self.label)
        told = np.asarray(CLOCK * t, np.float32)
        answer: Floats = what(self.θ, np.asarray(x, np.float32), told, label)
        return answer
