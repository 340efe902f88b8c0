"""The law that persistent particles reach if θ is held, and the field of θ that it gives.

Let F_θ be what one step does to the particles' law ν at a fixed θ: their moves, exchanges, the new
ones of a buffer. The particles that follow a slow θ are in its stationary law, and then

    θ̇ = g(θ) = v(θ, ν_θ),   F_θ ν_θ = ν_θ

is a field like that of a method without particles. Wherever the method comes to rest, g is 0,
whether the particles are fast or not. ν_θ is found from the step itself, by Anderson's acceleration
of ν ← F_θ ν (Anderson 1965; Walker & Ni 2011, eq. 2.2: for a linear F it is GMRES), which needs 10
to 50 steps where the slowest mode has a life of 10⁶. Where particles do not mix, ν_θ is not one
law: what is found then depends on where the search began, and `field` says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from toyflows.backends.grid import Grid
from toyflows.cloud import Array, Cloud
from toyflows.flows.base import Flow
from toyflows.state import Particles, State

FIRST = 4  # plain steps, after which the laws have their nodes
MOST = 120
SETTLED = 1e-12  # Σ|F_θν − ν|
DEPTH = 40  # earlier steps that are used
TINY = 1e-40  # a weight that is none: its products would be slow, below the smallest float
ALIKE, SMALL = 1e-6, 1e-3  # of velocities found from two ends, or of one that is small
ELSEWHERE = 6.0  # in θ: with nearly all particles in one mode


def held(flow: Flow, ops: Grid, θ: float, chains: Particles) -> Particles | None:
    """The stationary law of the particles at θ, sought from `chains`; None if it is not found."""

    def after(chains: Particles) -> Particles:
        if type(flow).step is Flow.step:  # without its means, which are half the cost
            stored = flow.store(ops, chains, flow.negatives(ops, θ, chains))
            moved = flow.advance(ops, θ, θ, stored)
        else:
            moved = flow.step(ops, State(0, θ, {}, chains), 0.0)[0].chains
        assert moved is not None
        return moved

    with np.errstate(under="ignore"):
        for _ in range(FIRST):
            before, chains = chains, after(chains)
        if not _same_nodes(before, chains):
            return None
        law = chains
        found = _accelerated(lambda w: _weights(after(_with(law, w))), _weights(law))
    return None if found is None else _with(law, found)


def field(flow: Flow, ops: Grid, chains: Particles) -> Callable[[float], float]:
    """g(θ) as a function, nan where the stationary law is not found or is not one law: it is sought
    from `chains` and from the other mode, and each time from where the last search ended."""
    known: dict[float, float] = {}
    two = [chains]

    def g(θ: float) -> float:
        if θ not in known:
            if len(two) < 2:
                side = math.copysign(ELSEWHERE, ops.target.θ_star - θ)
                other = flow.begin(ops, θ + side).chains
                assert other is not None  # a method without particles is a field already
                two.append(other)
            laws = [law for c in two if (law := held(flow, ops, θ, c)) is not None]
            v = [flow.observe(ops, State(0, θ, {}, law)).velocity for law in laws]
            alike = len(v) == 2 and abs(v[0] - v[1]) <= ALIKE * max(abs(v[0]), SMALL)
            two[:] = laws if len(laws) == 2 else two
            known[θ] = v[0] if alike else math.nan
        return known[θ]

    return g


def _accelerated(step: Callable[[Array], Array], w: Array) -> Array | None:
    """w = step(w), or None if MOST steps do not lead there. Kept of each earlier step: a direction
    of w and the change of the error along it; the changes are orthonormal."""
    directions, changes = np.empty((2, DEPTH, w.size))
    kept = 0
    before: tuple[Array, Array] | None = None
    for _ in range(MOST):
        error = step(w) - w
        error[np.abs(error) < TINY] = 0.0
        if np.sum(np.abs(error)) <= SETTLED:
            return w
        if before is not None:
            moved, change = w - before[0], error - before[1]
            to, change = _without(moved, change, directions[:kept], changes[:kept])
            size = float(np.linalg.norm(change))
            if 0 < size < np.inf:
                directions[kept], changes[kept] = to / size, change / size
                kept = (kept + 1) % DEPTH  # begun anew where it is full: round-off gathers in them
        before = w, error
        to, left = _without(w, error, directions[:kept], changes[:kept])
        w = to + left
        w[w < TINY] = 0.0
    return None


def _without(w: Array, error: Array, directions: Array, changes: Array) -> tuple[Array, Array]:
    """w, moved along the directions to where the error is as small as they can make it. Twice: once
    leaves round-off along changes that are nearly alike (Giraud et al. 2005)."""
    for _ in range(2):
        shares = changes @ error
        w, error = w - shares @ directions, error - shares @ changes
    return w, error


def _clouds(chains: Particles) -> tuple[Cloud, ...]:
    return chains if isinstance(chains, tuple) else (chains,)


def _same_nodes(before: Particles, after: Particles) -> bool:
    pairs = zip(_clouds(before), _clouds(after), strict=True)
    return all(np.array_equal(one.x, other.x) for one, other in pairs)


def _weights(chains: Particles) -> Array:
    return np.concatenate([cloud.weights for cloud in _clouds(chains)])


def _with(chains: Particles, w: Array) -> Particles:
    """The same nodes, with the weights w."""
    clouds = _clouds(chains)
    parts = np.split(w, np.cumsum([cloud.size for cloud in clouds])[:-1])
    with np.errstate(divide="ignore"):
        new = tuple(Cloud(c.x, np.log(part)) for c, part in zip(clouds, parts, strict=True))
    return new if isinstance(chains, tuple) else new[0]
