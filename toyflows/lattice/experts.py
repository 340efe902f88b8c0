"""Products of experts: p(x) = Π_k p_k(x)/Z; the energies add up.

An expert is anything with an energy: here a callable E(x) of points x (n, D) with values (n,), and
with a slope ∂E/∂x (n, D) where Langevin is wanted. Mixtures of round Gaussians allow more: their
product is the mixture of all products of their components, and a Gibbs chain that draws a component
of each expert given x, and x given the components, has it as its law. Source: Hinton 2002, Training
products of experts by minimizing contrastive divergence.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians
from toyflows.errors import InputError
from toyflows.mixture import Mixture

MOST_COMPONENTS = 100_000
MOST_NODES = 4_000_000
Field = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Expert:
    """E (n,) and ∂E/∂x (n, …) of points x (n, …); e^{−E} need not be normalised."""

    energy: Field
    slope: Field | None = None


def gaussians(law: Gaussians) -> Expert:
    """−log p of a mixture of Gaussians."""
    return Expert(lambda x: -law.log_density(x), lambda x: -law.score(x))


def two_modes(mixture: Mixture, θ: float) -> Expert:
    """U_θ of the laboratory's mixture, D = 1."""
    return Expert(
        lambda x: mixture.energy(x[:, 0], θ), lambda x: mixture.dU_dx(x[:, 0], θ)[:, None]
    )


@dataclass(frozen=True, eq=False)
class Product:
    """Experts to the powers `powers`: E = Σ_k powers_k E_k. Powers are 1 unless given."""

    experts: Sequence[Expert]
    powers: Sequence[float] = ()

    def __post_init__(self) -> None:
        if not self.experts:
            raise InputError("experts", "none", "must be one or more")
        if self.powers and len(self.powers) != len(self.experts):
            raise InputError("powers", list(self.powers), f"must be {len(self.experts)}")

    def _all(self) -> list[tuple[float, Expert]]:
        return list(zip(self.powers or [1.0] * len(self.experts), self.experts, strict=True))

    def energy(self, x: Array) -> Array:
        """E (n,)."""
        return np.asarray(sum(c * expert.energy(x) for c, expert in self._all()))

    def slope(self, x: Array) -> Array:
        """∂E/∂x, of the shape of x."""
        total = np.zeros_like(x)
        for c, expert in self._all():
            if expert.slope is None:
                raise InputError("experts", "an energy", "has no slope, which Langevin needs")
            total += c * expert.slope(x)
        return total

    def on_grid(self, *axes: Array) -> tuple[Array, float]:
        """The density on a grid of one or two evenly spaced axes, and log Z = log ∫e^{−E}.

        The trapezoid rule: exact to rounding for smooth densities whose tails end within the grid.
        """
        shape = tuple(map(len, axes))
        if len(axes) > 2 or math.prod(shape) > MOST_NODES:
            raise InputError("axes", shape, f"must be one or two, {MOST_NODES} nodes in all")
        x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        E = self.energy(x).reshape(shape)
        cell = math.prod(float(axis[1] - axis[0]) for axis in axes)
        with np.errstate(under="ignore"):
            p = np.exp(E.min() - E)
            Z = float(p.sum()) * cell
            return p / Z, math.log(Z) - float(E.min())

    def langevin(
        self, x: Array, dt: float, steps: int, rng: np.random.Generator, metropolis: bool = True
    ) -> tuple[Array, float]:
        """x (n, …) after steps of Langevin, and the share of the moves that were accepted: with
        Metropolis' test (MALA) the product is its exact law, without it up to O(dt)."""
        if not dt > 0:
            raise InputError("dt", dt, "must be > 0")
        x, accepted = np.array(x, float), 0.0
        E, F = self.energy(x), self.slope(x)
        for _ in range(steps):
            y = x - dt * F + math.sqrt(2 * dt) * rng.standard_normal(x.shape)
            E_y, F_y = self.energy(y), self.slope(y)
            forth = np.square(y - x + dt * F).reshape(len(x), -1).sum(axis=1)
            back = np.square(x - y + dt * F_y).reshape(len(x), -1).sum(axis=1)
            log_ratio = E - E_y + (forth - back) / (4 * dt)
            yes = np.log1p(-rng.random(len(x))) < log_ratio if metropolis else np.full(len(x), True)
            x[yes], E[yes], F[yes] = y[yes], E_y[yes], F_y[yes]
            accepted += float(yes.mean()) / steps
        return x, accepted


def closed_form(laws: Sequence[Gaussians]) -> tuple[Gaussians, float]:
    """The product of mixtures as a mixture, and log Z, Z = ∫Π_k p_k.

    N(μ_1, v_1) … N(μ_K, v_K) multiply to N(μ, v), 1/v = Σ1/v_k, μ/v = Σμ_k/v_k, with the weight
    Π(2πv_k)^{−D/2} (2πv)^{D/2} e^{−½(Σ|μ_k|²/v_k − |μ|²/v)}.
    """
    n = math.prod(len(law.weights) for law in laws)
    D = _dimension(laws)
    if n > MOST_COMPONENTS:
        raise InputError("experts", f"{n} components", f"must be at most {MOST_COMPONENTS}")
    log_w, means, spreads = np.empty(n), np.empty((n, D)), np.empty(n)
    for row, picks in enumerate(itertools.product(*(range(len(law.weights)) for law in laws))):
        chosen = list(zip(laws, picks, strict=True))
        μ = np.array([law.means[k] for law, k in chosen])
        v = np.array([law.spreads[k] ** 2 for law, k in chosen])
        total = 1 / np.sum(1 / v)
        mean = total * (μ / v[:, None]).sum(axis=0)
        apart = np.sum(np.square(μ - mean).sum(axis=1) / v)  # without cancellation
        log_w[row] = sum(math.log(law.weights[k]) for law, k in chosen) - 0.5 * apart
        log_w[row] += 0.5 * D * (math.log(2 * math.pi * total) - np.log(2 * math.pi * v).sum())
        means[row], spreads[row] = mean, math.sqrt(total)
    peak = float(log_w.max())
    with np.errstate(under="ignore"):
        w = np.exp(log_w - peak)
        sum_w = float(w.sum())
        w /= sum_w
    kept = w > 0  # the others are below 1e−308 of the largest
    return Gaussians(w[kept], means[kept], spreads[kept]), peak + math.log(sum_w)


def gibbs(laws: Sequence[Gaussians], x: Array, sweeps: int, rng: np.random.Generator) -> Array:
    """x (n, D) after sweeps of the chain: a component of each mixture given x, then x given them,
    which is the Gaussian of their product."""
    _dimension(laws)
    for _ in range(sweeps):
        precision, pull = np.zeros((len(x), 1)), np.zeros_like(x)
        for law in laws:
            cumulative = np.cumsum(law.responsibilities(x), axis=1)
            u = rng.random((len(x), 1)) * cumulative[:, -1:]
            k = np.minimum((u >= cumulative).sum(axis=1), len(law.weights) - 1)
            v = law.spreads[k, None] ** 2
            precision += 1 / v
            pull += law.means[k] / v
        x = pull / precision + rng.standard_normal(x.shape) / np.sqrt(precision)
    return x


def _dimension(laws: Sequence[Gaussians]) -> int:
    dimensions = {law.dimension for law in laws}
    if len(dimensions) != 1:
        raise InputError("experts", sorted(dimensions), "must be one dimension for all, D")
    return dimensions.pop()
