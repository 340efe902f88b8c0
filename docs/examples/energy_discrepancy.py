"""Energy discrepancy (Schröder, Ou, Lim, Li, Vollmer & Duncan 2023, eq. 9): no MCMC, no score.

    L(θ) = E log[ w/M + (1/M) Σ_j e^{U_θ(x) − U_θ(x_j)} ],   x of the data, x_j = x + σξ + σξ_j

Data are compared with points beside them. Where σ is much smaller than the distance of the modes,
no x_j is in the other mode: as blind to the weight as score matching. σ = 1 learns at d = 4 only,
σ = 10 at d = 20 too:   toyflows check docs/examples/energy_discrepancy.py
"""

from dataclasses import dataclass

import numpy as np

from toyflows.flows import Flow


@dataclass(frozen=True)
class EnergyDiscrepancy(Flow):
    """θ̇ = E Σ_j s_j (∂_θU_θ(x_j) − ∂_θU_θ(x)),   s_j = e^{U_θ(x)−U_θ(x_j)} / (w + Σ_i e^{…})"""

    name = "energy-discrepancy"
    title = "Energy discrepancy"
    exact = False  # M random neighbours: walkers only
    has_negatives = False
    sigma: float = 1.0
    m: int = 4
    w: float = 1.0

    def velocity(self, ops, θ, negatives, **extra):
        x, mix, rng = ops.data_particles().x, ops.mixture, ops.rng()
        beside = x + self.sigma * (rng.normal(size=x.size) + rng.normal(size=(self.m, x.size)))
        with np.errstate(under="ignore"):
            s = np.exp(mix.energy(x, θ) - mix.energy(beside, θ))  # (M, n)
            s /= self.w + s.sum(axis=0)
            r, there = mix.responsibility(x, θ), mix.responsibility(beside, θ)
            return float(np.mean(np.sum(s * (there - r), axis=0)))
