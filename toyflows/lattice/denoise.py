"""An image cleaned by the pairwise posterior: pixels x = ±1 that like their neighbours, y seen.

    p(x | y) = Π_i ψ_i(x_i) Π_<ij> ψ_ij(x_i, x_j)/Z,   ψ_i = e^{η x_i y_i},   ψ_ij = e^{J x_i x_j}

an Ising model in the field η y, with free borders, of energy E = −η Σ x_i y_i − J Σ_<ij> x_i x_j.
Where each pixel was flipped with the probability ε, η = ½ log((1 − ε)/ε). Three answers: ICM
(Besag 1986) lowers E pixel by pixel; Gibbs draws x and takes the sign of its mean, which makes the
expected number of wrong pixels least; a minimal cut is the mode itself (Greig et al. 1989). [G]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.lattice.ising import Spins

ROUNDS = 1000  # of ICM, which ends long before
CAPACITY = 2**31 - 1  # scipy's flows are 32-bit numbers
LARGEST, STRONGEST, LEAST = 1 << 20, 100.0, 0.001  # pixels, J, distance of ε from 0 and ½


@dataclass(frozen=True)
class Posterior:
    """η: trust in a pixel; J: how much neighbours like to be equal."""

    η: float
    J: float

    def __post_init__(self) -> None:
        if not 0 <= self.J <= STRONGEST:
            raise InputError("coupling", self.J, f"must be 0 to {STRONGEST:g}")

    @classmethod
    def of_noise(cls, ε: float, J: float) -> Posterior:
        """The posterior for pixels flipped with the probability ε < ½."""
        if not LEAST <= ε <= 0.5 - LEAST:
            raise InputError("noise", ε, f"must be {LEAST} to {0.5 - LEAST}")
        return cls(0.5 * math.log((1 - ε) / ε), J)

    def energy(self, x: Spins, y: Spins) -> float:
        """E(x)."""
        s = x.astype(np.int64)
        bonds = np.sum(s[1:] * s[:-1]) + np.sum(s[:, 1:] * s[:, :-1])
        return float(-self.η * np.sum(s * y) - self.J * bonds)

    def field(self, x: Spins, y: Spins) -> Array:
        """f with ρ(x_i = 1 | the others) = 1/(1 + e^{−2 f_i})."""
        around = np.zeros(x.shape)
        around[1:] += x[:-1]
        around[:-1] += x[1:]
        around[:, 1:] += x[:, :-1]
        around[:, :-1] += x[:, 1:]
        return self.η * y + self.J * around


def flipped(x: Spins, ε: float, rng: np.random.Generator) -> Spins:
    """x with each pixel flipped with the probability ε."""
    return np.where(rng.random(x.shape) < ε, -x, x).astype(np.int8)


def icm(model: Posterior, y: Spins) -> tuple[Spins, list[float]]:
    """Iterated conditional modes from y, a colour at a time: (x, E after each round); a pixel whose
    field is zero stays. E never rises, and the end is a local minimum."""
    x, colours = y.copy(), _colours(y.shape)
    path = [model.energy(x, y)]
    for _ in range(ROUNDS):
        before = x.copy()
        for colour in colours:
            f = model.field(x, y)
            x = np.where(colour & (f != 0), np.sign(f), x).astype(np.int8)
        path.append(model.energy(x, y))
        if np.array_equal(x, before):
            break
    return x, path


def gibbs(
    model: Posterior, y: Spins, sweeps: int, burn: int, rng: np.random.Generator,
    progress: Callable[[int], None] | None = None,
) -> Array:  # fmt: skip
    """The posterior mean of each pixel, from `sweeps` sweeps after `burn`.

    Its sum is of conditional means tanh f_i and not of the draws: the same mean, less noise.
    """
    x, colours, total = y.copy(), _colours(y.shape), np.zeros(y.shape)
    with np.errstate(under="ignore"):
        for k in range(burn + sweeps):
            for colour in colours:
                mean = np.tanh(model.field(x, y))
                draw = np.where(2 * rng.random(y.shape) - 1 < mean, 1, -1)
                x = np.where(colour, draw, x).astype(np.int8)
                if k >= burn:
                    total += np.where(colour, mean, 0.0)
            if progress is not None:
                progress(k + 1)
    return total / sweeps


def mode(model: Posterior, y: Spins) -> Spins:
    """The x of least energy, by a minimal cut between a source (+1) and a sink (−1).

    A cut costs 2η for each pixel on the other side than y, 2J for each bond between the sides. The
    two are rounded to integers as large as 32 bits let them be.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    if y.size > LARGEST:
        raise InputError("image", f"of {y.size} pixels", f"must be at most {LARGEST}")
    scale = (CAPACITY // 2) / (y.size * model.η + 4 * model.J)
    trust, bond = round(scale * model.η), round(scale * model.J)
    n, node = y.size, np.arange(y.size).reshape(y.shape)
    up, down = node[y > 0], node[y <= 0]
    a = np.concatenate([node[1:].ravel(), node[:, 1:].ravel()])
    b = np.concatenate([node[:-1].ravel(), node[:, :-1].ravel()])
    start = np.concatenate([np.full(len(up), n), down, a, b])
    end = np.concatenate([up, np.full(len(down), n + 1), b, a])
    cost = np.repeat([trust, bond], [n, 2 * len(a)]).astype(np.int32)
    graph = csr_array((cost, (start.astype(np.int32), end.astype(np.int32))), shape=(n + 2, n + 2))
    left = graph - maximum_flow(graph, n, n + 1).flow
    left.eliminate_zeros()
    reached = breadth_first_order(left, n, return_predecessors=False)
    x = np.full(n + 2, -1, np.int8)
    x[reached] = 1
    return x[:n].reshape(y.shape)


def _colours(shape: tuple[int, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The two halves of a checkerboard."""
    even = np.indices(shape).sum(axis=0) % 2 == 0
    return even, ~even
