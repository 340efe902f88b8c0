"""What is to be learned: the family {ρ_θ}, the law of the data, and the true θ*.

The data law is the same on every backend, and known exactly: quadrature nodes of ρ_{θ*}, or the
user's own points with equal weights. What a backend samples are the particles of the method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyflows.cloud import Array, Cloud
from toyflows.errors import InputError
from toyflows.mixture import Law, Mixture, theta_of

AT_ONCE = 1 << 13  # numbers that NumPy looks at together: memory stays flat
LARGEST_THETA = 700.0  # e^−700 is still a normal float64


def spacing(d: float) -> float:
    """Node distance at which the trapezoid rule has no error left: min(0.6, 0.5/d).

    Its error is e^{−2πy/Δ} for an integrand analytic in |Im x| < y: the Gaussian asks for
    e^{−2π²/Δ²}, the poles of r_θ at Im x = π/d for e^{−2π²/(dΔ)} = e^{−39}.
    """
    return min(0.6, 0.5 / d)


def nodes(low: float, high: float, dx: float, m: float) -> Array:
    """Equidistant nodes that cover [low, high], with one node at m."""
    k = np.arange(-math.ceil((m - low) / dx), math.ceil((high - m) / dx) + 1, dtype=np.float64)
    return m + dx * k


@dataclass(frozen=True)
class Target:
    """Mixture family, true θ*, and the data law as a sorted Cloud (n,)."""

    mixture: Mixture
    θ_star: float
    data: Cloud
    empirical: bool = False

    @property
    def theta_star(self) -> float:
        """θ*."""
        return self.θ_star

    @property
    def q_star(self) -> float:
        """The true weight of mode b, p_b(θ*)."""
        return self.mixture.weight_b(self.θ_star)

    def divergence(self, θ: Array) -> Array | None:
        """KL(ρ_* | ρ_θ) (n,) for θ (n,), by quadrature; None for the user's points, which have no
        density.

        As E_*[e^v − 1 − v] with v = log ρ_θ − log ρ_*: no term is negative, and none cancels.
        """
        if self.empirical:
            return None
        mix, x, w = self.mixture, self.data.x, self.data.weights
        log_Z = np.array([mix.log_Z(value) for value in θ.tolist()])
        log_ρ = -mix.energy(x, self.θ_star) - mix.log_Z(self.θ_star)
        many, found = max(1, AT_ONCE // w.size), []
        with np.errstate(under="ignore"):
            for i in range(0, θ.size, many):
                part = θ[i : i + many]
                if mix.closed_forms:
                    U = mix.energy(x, part[:, None])  # (records, nodes)
                else:
                    U = np.stack([mix.energy(x, value) for value in part.tolist()])
                v = -U - log_Z[i : i + many, None] - log_ρ
                found.append((np.expm1(v) - v) @ w)
        return np.concatenate(found)

    @classmethod
    def exact(cls, θ_star: float, separation: float = 20.0) -> Target:
        """Data law ρ_{θ*} itself, on nodes that reach 9 spreads beyond the modes."""
        if not abs(θ_star) <= LARGEST_THETA:
            raise InputError("theta_star", θ_star, f"must be |θ*| ≤ {LARGEST_THETA:g}")
        mixture = Mixture.separated(separation)
        x = nodes(mixture.a - 9.0, mixture.b + 9.0, spacing(mixture.d), mixture.m)
        return cls(mixture, θ_star, Law(mixture, θ_star, x))

    @classmethod
    def of_model(cls, model: Any, θ_star: float) -> Target:
        """Data law ρ_{θ*} of a family of one's own (energy.py)."""
        if not abs(θ_star) <= LARGEST_THETA:
            raise InputError("theta_star", θ_star, f"must be |θ*| ≤ {LARGEST_THETA:g}")
        model.check(θ_star)
        return cls(model, θ_star, Law(model, θ_star, model.x))

    @classmethod
    def from_q(cls, q_star: float, separation: float = 20.0) -> Target:
        """The same, said by the weight of mode b."""
        if not 0.0 < q_star < 1.0:
            raise InputError("q_star", q_star, "must be 0 < q* < 1")
        return cls.exact(theta_of(q_star), separation)

    @classmethod
    def of_points(cls, x: Array, a: float, b: float, θ_star: float) -> Target:
        """Data law = the points x (n,), in units of the modes' spread."""
        return cls(Mixture(a, b), θ_star, Cloud(np.sort(x)), empirical=True)
