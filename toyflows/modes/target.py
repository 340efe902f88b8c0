"""What is to be learned: the modes, the true θ*, and the law of the data.

Where the modes stand on a line or in a plane, E_data is a quadrature there, exact to round-off. In
more dimensions it is an average over fresh data points with a control variate that is exact at θ*:
    E_data[r_θ] ≈ q* + mean(r_θ − r_θ*),     which has no noise where modes are well apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from toyflows import display
from toyflows.cloud import Array, Cloud
from toyflows.errors import InputError
from toyflows.modes.family import Modes, shown
from toyflows.settings import check_one_target
from toyflows.target import LARGEST_THETA, nodes

REACH = 9.0  # spreads: the wells are cut where they are e^{−40}
MOST_NODES = 1_000_000
MOST_VALUES = 100_000_000  # of energies, for a divergence at each record


def steepest(modes: Modes) -> float:
    """The largest |∇(log φ_j − log φ_k)| near the modes: r_θ has its poles at π/steepest."""
    μ, α = modes.positions, modes.α
    g = α[:, None, None] * (μ[:, None] - μ[None])  # (mode, at the place of mode, D)
    apart = np.linalg.norm(g[:, None] - g[None], axis=3).max()
    return float(apart + 3.0 * np.ptp(α) * modes.spreads.max())


def spacing(modes: Modes) -> float:
    """Node distance of the trapezoid rule in each direction: min(0.6 s, 0.75/steepest).

    Its error is e^{−2π²s²/Δ²} for the Gaussian and e^{−2π²/0.75} = e^{−26} for the poles of r_θ.
    """
    return min(0.6 * float(modes.spreads.min()), 0.75 / steepest(modes))


def axes_of(flat: Modes, dx: float, stretch: float = 1.0) -> list[Array]:
    """Equidistant nodes of each axis of `flat`, `stretch` × REACH spreads beyond the modes."""
    reach = REACH * stretch * float(flat.spreads.max())
    μ = flat.positions
    return [nodes(μ[:, i].min() - reach, μ[:, i].max() + reach, dx, 0.0) for i in range(flat.D)]


def count_nodes(flat: Modes, dx: float) -> float:
    """About how many nodes there are."""
    reach = 2 * REACH * float(flat.spreads.max())
    return float(np.prod((np.ptp(flat.positions, axis=0) + reach) / dx))


@dataclass(frozen=True, eq=False)
class ModesTarget:
    """Modes, and the true θ* (K−1,)."""

    mixture: Modes
    θ_star: Array
    empirical = False
    __repr__ = display.short

    @property
    def theta_star(self) -> Array:
        """θ*."""
        return self.θ_star

    @property
    def q_star(self) -> Array:
        """The true weights of the modes from the second on (K−1,)."""
        return self.mixture.weight_b(self.θ_star)

    @cached_property
    def flat(self) -> Modes | None:
        """The modes in their line or plane; None where there is none, or it asks for more than 10⁶
        nodes."""
        flat = self.mixture.flat
        if flat is None or flat.D > 2:
            return None
        return flat if count_nodes(flat, spacing(flat)) <= MOST_NODES else None

    def divergence(self, θ: Array) -> Array | None:
        """KL(ρ_* | ρ_θ) (n,) for θ (n, K−1), by quadrature as `Target.divergence`; None where the
        data's law is no quadrature, or a long one."""
        flat, data = self.flat, self.data
        if flat is None or data is None or data.size * len(θ) > MOST_VALUES:
            return None
        log_ρ = -flat.energy(data.x, self.θ_star) - flat.log_Z(self.θ_star)

        def of(value: Array) -> float:
            v = -flat.energy(data.x, value) - flat.log_Z(value) - log_ρ
            return float((np.expm1(v) - v) @ data.weights)

        with np.errstate(under="ignore"):
            return np.array([of(value) for value in θ])

    @cached_property
    def data(self) -> Cloud | None:
        """ρ_θ* on nodes (rank, M) of `flat`; None where that is None."""
        flat = self.flat
        if flat is None:
            return None
        mesh = np.meshgrid(*axes_of(flat, spacing(flat)), indexing="ij")
        x = np.stack([axis.ravel() for axis in mesh])
        U = flat.energy(x, self.θ_star)
        kept = U - U.min() < 0.5 * REACH**2 + 5.0
        return Cloud(np.ascontiguousarray(x[:, kept]), -U[kept])


def target_of(modes: Modes, theta_star: ArrayLike | None, q_star: ArrayLike | None) -> ModesTarget:
    """From θ* (K,), of which only the differences count, or from the weights (K,).

    Raises InputError unless one of the two is given, with K numbers.
    """
    check_one_target(theta_star, q_star)
    if q_star is not None:
        q = numbers_of_modes("q_star", q_star, modes)
        if q.min() <= 0 or abs(q.sum() - 1) > 1e-6:
            raise InputError("q_star", shown(q), "must be > 0, of sum 1")
        return ModesTarget(modes, modes.theta_of(q))
    θ = numbers_of_modes("theta_star", theta_star, modes)
    return ModesTarget(modes, θ[1:] - θ[0])


def numbers_of_modes(name: str, given: ArrayLike | None, modes: Modes) -> Array:
    """The values as K finite numbers (K,). Raises InputError(name) for anything else."""
    try:
        value = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise InputError(name, given, f"must be {modes.K} numbers") from None
    if value.shape != (modes.K,):
        raise InputError(name, shown(value), f"must be {modes.K} numbers, one for each mode")
    if not (np.isfinite(value).all() and np.ptp(value) <= LARGEST_THETA):
        why = f"must be finite numbers, no more than {LARGEST_THETA:g} apart"
        raise InputError(name, shown(value), why)
    return value
