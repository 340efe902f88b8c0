"""What the gradient flows of divergences share: θ̇ = −∂_θ D(ρ_θ, ρ_*), by quadrature.

With the modes N_a and N_b, p = p_b(θ) and u = ρ_θ/ρ_*,

    ρ_θ − ρ_* = (p − q*) (N_b − N_a),      ∂_θρ_θ = −ρ_θ (r_θ − p) = −p(1−p) (N_b − N_a),
    u = (1 − r_*) u_a + r_* u_b,      u_a = (1−p)/(1−q*),   u_b = p/q*.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from toyflows.cloud import Array
from toyflows.flows.base import Flow
from toyflows.flows.ml import MaximumLikelihood
from toyflows.mixture import Mixture
from toyflows.numerics import expit
from toyflows.state import Info, State

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.target import Target


def variance(mix: Mixture, θ: float) -> float:
    """p_b(1 − p_b) = −dp_b/dθ, exact in both tails."""
    return mix.weight_b(θ) * mix.weight_b(-θ)


def excess(target: Target, θ: float) -> float:
    """p_b(θ) − q*, without cancellation: p(1−q) = q(1−p) e^{θ*−θ}."""
    weight, δ = target.mixture.weight_b, target.θ_star - θ
    less = math.expm1(-min(abs(δ), 700.0))
    if δ > 0:
        return -weight(θ) * weight(-target.θ_star) * less
    return target.q_star * weight(-θ) * less


def log_ratio(x: Array, θ: float, target: Target) -> Array:
    """log u = log ρ_θ(x)/ρ_*(x) = log(1 + r_* e) − log(1 + q* e), e = e^{θ*−θ} − 1 ≥ 0.

    For θ > θ* the modes change roles, so that e ≥ 0 and no sum cancels.
    """
    δ = target.θ_star - θ
    side = 1.0 if δ >= 0 else -1.0
    e = math.expm1(min(abs(δ), 700.0))
    with np.errstate(under="ignore"):
        share = expit(side * target.mixture.logit(x, target.θ_star))
        weight = target.mixture.weight_b(side * target.θ_star)
        return np.log1p(share * e) - math.log1p(weight * e)


class Divergence(Flow):
    """Descent of `value`, which needs the density of the data; its one fixed point is θ*."""

    has_negatives = False
    sampled = False
    needs_density = True

    def value(self, target: Target, θ: float) -> float:
        """D(ρ_θ, ρ_*), whose descent the flow is."""
        raise NotImplementedError

    def fixed_point(self, target: Target) -> float | None:
        return target.θ_star


class FDivergence(Divergence):
    """θ̇ = −∂_θ E_*[f(u)] = E_{ρ_θ}[f'(u) (r_θ − p_b(θ))] = p(1−p) (E_b[f'(u)] − E_a[f'(u)])

    f is convex with f(1) = f'(1) = 0, which changes neither D nor θ̇, and f'' falls.
    """

    def f(self, log_u: Array) -> Array:
        """f at u."""
        raise NotImplementedError

    def slope(self, log_u: Array) -> Array:
        """f' at u."""
        raise NotImplementedError

    def curvature(self, log_u: float) -> float:
        """f'' at u."""
        raise NotImplementedError

    def value(self, target: Target, θ: float) -> float:
        return target.data.mean(lambda x: self.f(log_ratio(x, θ, target)))

    def velocity(self, ops: Backend, θ: float, negatives: None, **extra: float) -> float:
        def pull(x: Array, θ: float) -> Array:
            return self.slope(log_ratio(x, θ, ops.target)) * ops.mixture.centred(x, θ)

        return float(ops.mean(ops.model(θ), pull, θ))

    def _limits(self, target: Target, θ: float) -> tuple[float, float]:
        """log u_a and log u_b."""
        weight, star = target.mixture.weight_b, target.θ_star
        return math.log(weight(-θ) / weight(-star)), math.log(weight(θ) / weight(star))

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> float:
        """p(1−p) [f'(p/q*) − f'((1−p)/(1−q*))]."""
        at_a, at_b = (float(self.slope(np.array(u))) for u in self._limits(target, θ))
        return variance(target.mixture, θ) * (at_b - at_a)

    def separated_error(self, target: Target, θ: float) -> float:
        """p(1−p) f''(min u) |u_b − u_a| 2e^{−k²/2}, k = d/2 − |θ*|/d; at most |separated|.

        In mode b |f'(u) − f'(u_b)| ≤ f''(min u) |u − u_b|, u − u_b = (u_a − u_b)(1 − r_*), and
        E_b[1 − r_*] ≤ e^{−k²/2} (see MaximumLikelihood); likewise in a. As u is between u_a and
        u_b, θ̇ is between 0 and `separated`.
        """
        u_a, u_b = self._limits(target, θ)
        most = abs(self.separated(target, θ, θ))
        if max(abs(u_a), abs(u_b)) > 200.0:
            return most
        leak = 2 * MaximumLikelihood().separated_error(target, target.θ_star)
        lipschitz = self.curvature(min(u_a, u_b)) * abs(math.exp(u_b) - math.exp(u_a))
        return min(most, variance(target.mixture, θ) * lipschitz * leak)


class Kinked(Divergence):
    """θ̇ = κ p(1−p) sgn(θ* − θ), the descent of κ |p_b(θ) − q*|: its speed does not fall at θ*.

    Euler's step would swing about θ* for ever. The proximal step, which minimises
    value(θ') + (θ' − θ)²/2η, ends on θ* where Euler's would pass it, and stays: so does `step`.
    """

    kinked = True

    def κ(self, mix: Mixture) -> float:
        """The divergence of the two modes from each other."""
        raise NotImplementedError

    def value(self, target: Target, θ: float) -> float:
        return self.κ(target.mixture) * abs(excess(target, θ))

    def velocity(self, ops: Backend, θ: float, negatives: None, **extra: float) -> float:
        return self.κ(ops.mixture) * self._to_star(ops.target, θ)

    def _to_star(self, target: Target, θ: float) -> float:
        """p(1−p) sgn(θ* − θ)."""
        side = (θ < target.θ_star) - (θ > target.θ_star)
        return side * variance(target.mixture, θ)

    def step(self, ops: Backend, state: State, η: float) -> tuple[State, Info]:
        star = ops.target.θ_star
        new, info = super().step(ops, state, η)
        passed = (state.θ - star) * (new.θ - star) <= 0
        return (new._replace(θ=star) if passed else new), info

    def arrival(self, target: Target, θ0: float) -> float:
        """Time from θ0 to θ*: |2(θ* − θ0) + 2(sinh θ* − sinh θ0)|/κ, as 1/p(1−p) = 2 + 2cosh θ."""
        star, κ = target.θ_star, self.κ(target.mixture)
        return abs(2 * (star - θ0) + 2 * (math.sinh(star) - math.sinh(θ0))) / κ
