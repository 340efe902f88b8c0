"""A family of one's own on the line, given by its energy as a function.

    model = Energy(lambda x, θ: 0.25 * (x * x - 4) ** 2 + θ * x / 2, low=-5.0, high=5.0)
    toyflows.flow("pcd", model=model, theta_star=0.7)

ρ_θ = e^{−U_θ}/Z_θ on [low, high], where all of its mass must be. `Model` is what the laboratory
asks of a family; `Mixture` has it in closed form, here it is differences and quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, NoReturn, Protocol

import numpy as np

from toyflows import display
from toyflows.cloud import Array, Cloud
from toyflows.errors import InputError
from toyflows.mixture import Mixture
from toyflows.numerics import expit
from toyflows.target import nodes

POINTS = 800  # nodes between low and high, where `finest` is not given
STEP, COARSE = 1e-5, 1e-3  # of first and of further differences, as a share of (high − low)/20
EMPTY = 1e-10  # density at the ends, as a share of the largest, above which mass is cut off


def _two_gaussians(*args: Any) -> NoReturn:
    raise InputError("loss", "with a model", "needs the closed forms of two Gaussian modes")


_REFUSED: Any = _two_gaussians
Function = Callable[[Array, float], Any]


class Model(Protocol):
    """What a family {ρ_θ} on the line must say: energy, slopes, normaliser, sampler."""

    def energy(self, x: Array, θ: float) -> Array:
        """U_θ(x) (n,)."""

    def dU_dx(self, x: Array, θ: float) -> Array:
        """∂_xU (n,): Langevin's drift is minus it."""

    def responsibility(self, x: Array, θ: float) -> Array:
        """∂_θU (n,): of two modes, the responsibility of b."""

    def log_Z(self, θ: float) -> float:
        """log ∫ e^{−U_θ}."""

    def quantile(self, u: Array, θ: float) -> Array:
        """x (n,) with ρ_θ(−∞, x) = u: the sampler, for uniform u."""


class Energy(Mixture):
    """The family of U(x, θ), x (n,) and θ a number, with values (n,).

    slope and rise are ∂_xU and ∂_θU, by central differences (error 1e−9 of U) where not given.
    `finest` is the distance of nodes, (high − low)/800 unless given: ρ_θ must be smooth on it. Mass
    beyond (low + high)/2 is called mode b. Raises InputError unless low < high are finite.
    """

    closed_forms: ClassVar[bool] = False
    __repr__ = display.short

    def __init__(
        self, U: Function, low: float, high: float, *, slope: Function | None = None,
        rise: Function | None = None, finest: float | None = None,
    ):  # fmt: skip
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError("model", f"low={low}, high={high}", "must be finite, low < high")
        dx = (high - low) / POINTS if finest is None else finest
        if not (high - low) / 100_000 <= dx <= (high - low) / 10:
            raise InputError(
                "model", f"finest={finest}", "must be 10 to 100000 parts of high − low"
            )
        given = {"a": low, "b": high, "U": U, "slope": slope, "rise": rise, "dx": dx}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    U: Function
    slope: Function | None
    rise: Function | None
    dx: float

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    @property
    def d(self) -> float:
        """As far as nodes go: spacing(d) = 0.5/d is their distance."""
        return 0.5 / self.dx

    @cached_property
    def x(self) -> Array:
        """The nodes from low to high."""
        return nodes(self.a, self.b, self.dx, self.m)

    def range(self, reach: float, temperature: float = 1.0) -> tuple[float, float]:
        """From low to high, √T times as wide for the law e^{−U/T}: U is asked for there too."""
        wider = math.sqrt(max(temperature, 1.0))
        low, high = float(self.x[0]), float(self.x[-1])
        return self.m + wider * (low - self.m), self.m + wider * (high - self.m)

    # ------------------------------------------------------------ the energy and its slopes
    def energy(self, x: Array, θ: Any) -> Array:
        """U_θ(x) (n,)."""
        return np.broadcast_to(np.asarray(self.U(x, θ), float), x.shape)

    def dU_dx(self, x: Array, θ: float) -> Array:
        """∂_xU."""
        if self.slope is not None:
            return np.broadcast_to(np.asarray(self.slope(x, θ), float), x.shape)
        return self._difference(lambda e: self.energy(x + e, θ), STEP)

    def responsibility(self, x: Array, θ: float) -> Array:
        """∂_θU."""
        if self.rise is not None:
            return np.broadcast_to(np.asarray(self.rise(x, θ), float), x.shape)
        return (self.energy(x, θ + STEP) - self.energy(x, θ - STEP)) / (2 * STEP)

    def _difference(self, f: Callable[[float], Array], step: float) -> Array:
        e = step * (self.b - self.a) / 20
        return np.asarray((f(e) - f(-e)) / (2 * e))

    def hyvärinen(self, x: Array, θ: float) -> Array:
        """∂_θ[∂_xxU − ½(∂_xU)²], by differences: 1e−5 of it."""

        def inner(θ: float) -> Array:
            curved = self._difference(lambda e: self.dU_dx(x + e, θ), COARSE)
            return curved - 0.5 * self.dU_dx(x, θ) ** 2

        return (inner(θ + COARSE) - inner(θ - COARSE)) / (2 * COARSE)

    def discriminator(self, x: Array, θ: float, μ: float, c: float) -> Array:
        """(D, D ∂_θU, ∂_θU) (3, n), D = σ(U_μ − U_θ − c)."""
        r = self.responsibility(x, θ)
        D = expit(self.energy(x, μ) - self.energy(x, θ) - c)
        return np.stack([D, D * r, r])

    # ------------------------------------------------------------ the law
    def law(self, θ: float) -> Cloud:
        """ρ_θ on its nodes."""
        return Cloud(self.x, -self.energy(self.x, θ))

    def log_Z(self, θ: float) -> float:
        """log ∫ e^{−U_θ}, by the trapezoid rule."""
        return self.law(θ).log_mass + math.log(self.dx)

    def weight_b(self, θ: float) -> float:
        """The mass beyond the centre."""
        return self.law(θ).beyond(self.m)

    share_b = weight_b

    def centred(self, x: Array, θ: float) -> Array:
        """∂_θU − E_{ρ_θ}[∂_θU] = −∂_θ log ρ_θ."""
        mean = self.law(θ).mean(lambda y: self.responsibility(y, θ))
        return self.responsibility(x, θ) - mean

    def quantile(self, u: Array, θ: float) -> Array:
        """x with ρ_θ(−∞, x) = u, linear between nodes."""
        w = self.law(θ).weights
        return np.interp(u, np.cumsum(w) - 0.5 * w, self.x)

    def check(self, θ: float) -> None:
        """Raises InputError unless U_θ is finite on the nodes and has its mass between the ends."""
        U = self.energy(self.x, θ)
        if not np.isfinite(U).all():
            raise InputError("model", f"U(x, {θ:g})", "must be finite from low to high")
        with np.errstate(under="ignore"):
            ends = float(np.exp(U.min() - min(U[0], U[-1])))
        if ends > EMPTY:
            why = f"must hold all the mass: at an end ρ is {ends:.1e} of its largest value"
            raise InputError("model", f"low={self.a:g}, high={self.b:g}", why)

    def _fine_at_ridge(self, θ: float) -> Array:
        return self.x

    @property
    def bistable_up_to(self) -> float:
        """Not known: 0."""
        return 0.0

    overlap = noised = denoising = share_b_slope = ridge = piecewise = _REFUSED
    in_b_centred = logit = d2U_dxdx = _REFUSED
