"""Guidance: samples of a class, or more of a class than the data have.

    classifier-free    (1 + w) ∇log p_t(x|y) − w ∇log p_t(x)           Ho & Salimans (2022)
    by a classifier    ∇log p_t(x) + γ ∇log p_t(y|x)                   Dhariwal & Nichol (2021)

By Bayes' rule ∇log p_t(y|x) = ∇log p_t(x|y) − ∇log p_t(x): both are one field where γ = 1 + w. It
is the score of the data at w = −1, of the class at w = 0, and of p_t(x) p_t(y|x)^γ for every w. But
no noising process has these laws at all t, so a sampler that follows the field does not end at the
law for t = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.processes import ExactScore
from toyflows.diffusion.schedules import Time
from toyflows.errors import InputError
from toyflows.pictures import Labels


class Score(Protocol):
    """∇log p_t with its divergence; x (n, …), t a number or (n,)."""

    def __call__(self, x: Array, t: Time) -> Array: ...

    def divergence(self, x: Array, t: Time) -> Array: ...


@dataclass(frozen=True)
class Guided:
    """(1 + w) conditional − w free, a score of the same kind."""

    conditional: Score
    free: Score
    w: float

    def __call__(self, x: Array, t: Time) -> Array:
        return (1 + self.w) * self.conditional(x, t) - self.w * self.free(x, t)

    def divergence(self, x: Array, t: Time) -> Array:
        """∇·s (n,)."""
        mine, other = self.conditional.divergence(x, t), self.free.divergence(x, t)
        return (1 + self.w) * mine - self.w * other


def of_class(law: Gaussians, owner: Sequence[int] | Labels, y: int) -> Gaussians:
    """p(x|y) of a mixture whose component k belongs to the class owner[k]."""
    mine = np.equal(owner, y)
    if not mine.any():
        raise InputError("class", y, f"must be 0 to {np.max(owner)}")
    weights = law.weights[mine]
    return Gaussians(weights / weights.sum(), law.means[mine], law.spreads[mine])


@dataclass(frozen=True, eq=False)
class Classifier:
    """The exact p_t(y|x) of a mixture whose component k belongs to the class owner[k] (K,)."""

    score: ExactScore
    owner: Sequence[int] | Labels

    def probabilities(self, x: Array, t: Time) -> Array:
        """p_t(y|x) (n, classes)."""
        process, owner = self.score.process, np.asarray(self.owner)
        r = self.score.mixture.responsibilities(x, process.alpha(t), process.sigma(t))
        return np.stack([r[:, owner == y].sum(axis=1) for y in range(owner.max() + 1)], axis=1)

    def slope(self, x: Array, t: Time, y: int) -> Array:
        """∇log p_t(y|x), in the shape of x."""
        return np.asarray(self.of_class(y)(x, t) - self.score(x, t))

    def of_class(self, y: int) -> ExactScore:
        """∇log p_t(x|y)."""
        law = of_class(self.score.mixture, self.owner, y)
        return ExactScore(law, self.score.process)
