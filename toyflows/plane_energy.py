"""A family of one's own in the plane, given by its energy as a function.

    model = PlaneEnergy(lambda x, θ: (x[0]**2 - 4)**2 / 4 + x[1]**2 / 2 + θ * x[0] / 2,
                        low=(-4, -5), high=(4, 5))
    toyflows.flow("pcd", model=model, theta_star=0.7)

As toyflows/energy.py on the line: ρ_θ = e^{−U_θ}/Z_θ on the rectangle, where all of its mass must
be. Points are x (2, n); what lies beyond the middle of the first axis is called mode b.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from toyflows.cloud import Array, Cloud
from toyflows.energy import COARSE, EMPTY, STEP, Energy, Function
from toyflows.errors import InputError
from toyflows.target import nodes

POINTS = 100  # nodes of the longer side, where `finest` is not given
MOST_NODES = 200_000


class PlaneEnergy(Energy):
    """The family of U(x, θ), x (2, n) and θ a number, with values (n,).

    slope and rise are ∇U (2, n) and ∂_θU (n,), by central differences where not given. `finest` is
    the distance of nodes, a hundredth of the longer side unless given: ρ_θ must be smooth on it.
    Raises InputError unless low and high are two finite numbers each, low < high in both, and there
    are at most 200,000 nodes.
    """

    dimension: ClassVar[int] = 2

    def __init__(
        self, U: Function, low: Sequence[float], high: Sequence[float], *,
        slope: Function | None = None, rise: Function | None = None, finest: float | None = None,
    ):  # fmt: skip
        ends = np.array([low, high], dtype=float).T
        if ends.shape != (2, 2) or not (np.isfinite(ends).all() and np.all(ends @ [-1, 1] > 0)):
            why = "must be two finite numbers each, low < high"
            raise InputError("model", f"low={low}, high={high}", why)
        sides = ends @ [-1.0, 1.0]
        dx = float(sides.max()) / POINTS if finest is None else finest
        if not (0 < dx <= sides.min() / 10 and math.prod(sides / dx) <= MOST_NODES):
            why = f"must leave 10 nodes a side at least, and {MOST_NODES:,} in all at most"
            raise InputError("model", f"finest={dx:g}", why)
        left, right = ends[0].tolist()
        super().__init__(U, left, right, slope=slope, rise=rise, finest=(right - left) / 20)
        object.__setattr__(self, "dx", dx)
        object.__setattr__(self, "ends", ends)

    ends: Array  # (2, 2): low and high of each axis

    @property
    def centre(self) -> Array:
        """The middle of the rectangle (2, 1)."""
        return self.ends.mean(axis=1, keepdims=True)

    def axes(self, dx: float, temperature: float = 1.0, hold: Array | None = None) -> list[Array]:
        """Nodes of each axis dx apart: from low to high, √T times as wide for e^{−U/T}, and as far
        as the points `hold` (2, n) go."""
        found = []
        for k, (low, high) in enumerate(self.ends.tolist()):
            middle, wider = 0.5 * (low + high), math.sqrt(max(temperature, 1.0))
            first, last = middle + wider * (low - middle), middle + wider * (high - middle)
            if hold is not None:
                first, last = min(first, float(hold[k].min())), max(last, float(hold[k].max()))
            found.append(nodes(first, last, dx, middle))
        return found

    @cached_property
    def x(self) -> Array:
        """All nodes (2, n)."""
        return points_of(self.axes(self.dx))

    # ------------------------------------------------------------ the energy and its slopes
    def energy(self, x: Array, θ: Any) -> Array:
        """U_θ(x) (n,)."""
        return np.broadcast_to(np.asarray(self.U(x, θ), float), x.shape[1:])

    def dU_dx(self, x: Array, θ: float) -> Array:
        """∇U (2, n)."""
        if self.slope is not None:
            return np.broadcast_to(np.asarray(self.slope(x, θ), float), x.shape)
        U = self.energy
        return np.stack([self._along(lambda y: U(y, θ), x, k, STEP) for k in (0, 1)])

    def _along(self, f: Callable[[Array], Array], x: Array, k: int, step: float) -> Array:
        """∂f/∂x_k (n,)."""

        def moved(e: float) -> Array:
            y = x.copy()
            y[k] += e
            return f(y)

        return self._difference(moved, step)

    def responsibility(self, x: Array, θ: float) -> Array:
        """∂_θU (n,)."""
        if self.rise is not None:
            return np.broadcast_to(np.asarray(self.rise(x, θ), float), x.shape[1:])
        return super().responsibility(x, θ)

    def hyvärinen(self, x: Array, θ: float) -> Array:
        """∂_θ[ΔU − ½|∇U|²], by differences: 1e−5 of it."""

        def inner(θ: float) -> Array:
            curved = self._along(lambda y: self.dU_dx(y, θ)[0], x, 0, COARSE)
            curved = curved + self._along(lambda y: self.dU_dx(y, θ)[1], x, 1, COARSE)
            return np.asarray(curved - 0.5 * np.sum(self.dU_dx(x, θ) ** 2, axis=0))

        return (inner(θ + COARSE) - inner(θ - COARSE)) / (2 * COARSE)

    def work(self, x: Array, y: Array, θ: float, θ_new: float, h: float) -> Array:
        """`Mixture.work` with the products of vectors (n,)."""

        def α(x: Array, y: Array, θ: float) -> Array:
            F = self.dU_dx(x, θ)
            along = np.sum((0.5 * (y - x) + 0.25 * h * F) * F, axis=0)
            return np.asarray(self.energy(x, θ) + along)

        return α(x, y, θ) - α(y, x, θ_new)

    def in_b(self, x: Array) -> Array:
        """1 where x is beyond the middle of the first axis, ½ on it, 0 elsewhere (n,)."""
        return np.heaviside(x[0] - self.m, 0.5)

    # ------------------------------------------------------------ the law
    def log_Z(self, θ: float) -> float:
        """log ∫ e^{−U_θ}, by the trapezoid rule."""
        return self.law(θ).log_mass + 2 * math.log(self.dx)

    def weight_b(self, θ: float) -> float:
        """The mass beyond the middle of the first axis."""
        return share_beyond(self.law(θ), self.m)

    share_b = weight_b

    def quantile(self, u: Array, θ: float) -> Array:
        """x (2, n) of uniform u (2, n): x_1 from its marginal law, x_2 from that given x_1, both
        linear between nodes."""
        rows, columns = self.axes(self.dx)
        w = self.law(θ).weights.reshape(rows.size, columns.size)
        marginal = w.sum(axis=1)
        first = np.interp(u[0], np.cumsum(marginal) - 0.5 * marginal, rows)
        row = np.rint((first - rows[0]) / self.dx).astype(np.intp)
        cells = np.cumsum(w, axis=1) - 0.5 * w
        second = np.empty_like(first)
        for i in np.unique(row):
            here, mass = row == i, max(float(marginal[i]), 1e-300)
            second[here] = np.interp(u[1, here], cells[i] / mass, columns)
        return np.stack([first, second])

    def check(self, θ: float) -> None:
        """Raises InputError unless U_θ is finite on the nodes and has its mass inside."""
        rows, columns = self.axes(self.dx)
        U = self.energy(self.x, θ).reshape(rows.size, columns.size)
        if not np.isfinite(U).all():
            raise InputError("model", f"U(x, {θ:g})", "must be finite from low to high")
        edge = min(U[0].min(), U[-1].min(), U[:, 0].min(), U[:, -1].min())
        with np.errstate(under="ignore"):
            ends = float(np.exp(U.min() - edge))
        if ends > EMPTY:
            low, high = (tuple(v) for v in self.ends.T.tolist())
            why = f"must hold all the mass: at the edge ρ is {ends:.1e} of its largest value"
            raise InputError("model", f"low={low}, high={high}", why)

    def mixing_time(self, θ: float) -> float:
        """1/λ₁, λ₁ the spectral gap of Langevin's generator Δ − ∇U·∇, of its finite volumes
        (Lie, Fackeldey & Weber 2013): rates √(ρ_j/ρ_i)/Δ² to the four nodes beside a node,
        of which √ρ_i(…)/√ρ_j is symmetric. Its error is of order Δ²."""
        from scipy import sparse

        shape = tuple(axis.size for axis in self.axes(self.dx))
        half = -0.5 * self.energy(self.x, θ).reshape(shape)
        out = np.zeros(shape)
        with np.errstate(under="ignore"):
            for f, rate in ((half, out), (half.T, out.T)):
                up = np.exp(np.clip(np.diff(f, axis=0), -300.0, 300.0))
                rate[:-1] += up
                rate[1:] += 1 / up
        beside = [sparse.diags_array([np.ones(n - 1)] * 2, offsets=[-1, 1]) for n in shape]
        eye = [sparse.eye_array(n) for n in shape]
        L = sparse.diags_array(out.ravel()) - (
            sparse.kron(beside[0], eye[1]) + sparse.kron(eye[0], beside[1])
        )
        λ = sparse.linalg.eigsh(L.tocsc() / self.dx**2, k=2, sigma=-1e-3, which="LM",
                                return_eigenvectors=False)  # fmt: skip
        return float(1 / max(np.sort(λ)[1], 1e-300))


def points_of(axes: Sequence[Array]) -> Array:
    """All nodes (2, n) of two axes, the second the faster."""
    return np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")])


def share_beyond(cloud: Cloud, m: float) -> float:
    """The mass of weights on nodes (2, n) beyond x_1 = m, integrated along x_1."""
    rows, at = np.unique(cloud.x[0], return_inverse=True)
    with np.errstate(divide="ignore"):
        marginal = np.log(np.bincount(at, cloud.weights))
    return Cloud(rows, marginal).beyond(m)
