"""Minimum probability flow (Sohl-Dickstein, Battaglino & DeWeese 2011, eq. 13).

    K(θ) = E e^{½(U_θ(x) − U_θ(x'))},   x of the data, x' = x + gξ:

how fast probability would flow from the data to x' under a master equation that leaves ρ_θ as it
is. Steps of g = 1 do not reach from mode to mode: it learns at d = 4 only. Steps of g = 12 do, and
it learns at d = 20 too:   toyflows check docs/examples/minimum_probability_flow.py --rate 5
"""

from dataclasses import dataclass

import numpy as np

from toyflows.flows import Flow


@dataclass(frozen=True)
class MinimumProbabilityFlow(Flow):
    """θ̇ = −∂_θK = ½ E[(∂_θU_θ(x') − ∂_θU_θ(x)) e^{½(U_θ(x) − U_θ(x'))}]"""

    name = "minimum-probability-flow"
    title = "Minimum probability flow"
    exact = False  # one random x' a data point: walkers only
    has_negatives = False
    g: float = 1.0

    def velocity(self, ops, θ, negatives, **extra):
        x, mix = ops.data_particles().x, ops.mixture
        y = x + self.g * ops.rng().normal(size=x.size)
        with np.errstate(under="ignore"):
            flows = np.exp(0.5 * (mix.energy(x, θ) - mix.energy(y, θ)))
            return 0.5 * float(
                np.mean((mix.responsibility(y, θ) - mix.responsibility(x, θ)) * flows)
            )
