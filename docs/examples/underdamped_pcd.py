"""Persistent contrastive divergence with momenta (Tieleman 2008; BAOAB of Leimkuhler & Matthews
2013): does inertia carry the chains over the barrier?

    dx = v dt,   dv = −∂_xU_θ dt − γv dt + √(2γ) dW

It does not: chains cross at a rate of order e^{−d²/8} at any friction γ (Kramers 1940). As with PCD
θ comes to θ* at d = 4, runs far beyond it at d = 10 until the chains fall over, and away at d = 20:
toyflows check docs/examples/underdamped_pcd.py
"""

from dataclasses import dataclass

from toyflows.flows import Flow


@dataclass(frozen=True)
class UnderdampedPCD(Flow):
    """θ̇ = E_{ν_t}[∂_θU_θ] − E_data[∂_θU_θ],   ν_t the law of underdamped Langevin chains"""

    name = "underdamped-pcd"
    title = "PCD with momenta"
    exact = False  # momenta have no place on the grid: walkers only
    friction: float = 1.0

    def init(self, ops, θ0):
        return ops.model(θ0)

    def memory(self, ops, θ0, chains):
        return {"v": ops.rng().normal(size=chains.size)}

    def velocity(self, ops, θ, negatives, **extra):
        r = ops.mixture.responsibility
        return ops.mean(negatives, r, θ) - ops.mean(ops.data(), r, θ)

    def advance(self, ops, θ, θ_new, chains):
        v = ops.memory["v"]
        chains, ops.memory["v"] = ops.underdamped(chains, v, θ, friction=self.friction)
        return chains
