"""Euler on the probability-flow ODE."""

from __future__ import annotations

from dataclasses import dataclass

from toyflows.cloud import Array
from toyflows.diffusion.methods.base import Method, Model, Normals, positive


@dataclass(frozen=True)
class OdeEuler(Method):
    """x_s = x + δ(−f x + ½ g² score),    δ = t − s

    of dX/dt = f X − ½ g² ∇log p_t, whose marginals are the SDE's (Song et al. 2021, Eq. 13). The
    marginals of another `share` of g² are others: 1 is the slip of a slide (docs/errata.md,
    G.probability-flow).
    """

    name = "ode-euler"
    title = "Euler on the probability-flow ODE"
    share: float = 0.5

    def __post_init__(self) -> None:
        positive("share", self.share)

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        return x + (t - s) * model.reverse_drift(x, t, self.share)
