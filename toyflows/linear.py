"""The flow linearised where it rests: ẏ ≈ J (y − y∞) for y = (θ, further coordinates).

An eigenvalue λ of J is a motion e^{λt}: Re λ < 0 pulls back at the rate −Re λ, Im λ ≠ 0 turns with
the period 2π/|Im λ|. Where all λ are imaginary, the flow circles for ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.backends.base import Backend
from toyflows.cloud import Array
from toyflows.flows.base import Flow

STEP = 2.0**-9  # of the differences: their error is STEP⁴/30 f⁽⁵⁾ + ε/STEP, 1e−12 for f of order 1
ROUND_OFF = 1e-11  # share of |λ| below which its real or imaginary part is zero
NEWTON = 20  # steps at most
LOST = 1e-11  # what these differences leave of a real part that is zero
Rates = Callable[[Array], Array]


def rates(flow: Flow, ops: Backend, chains: Any, names: Sequence[str]) -> Rates:
    """(θ, the coordinates `names`) ↦ their rates, before `rate`, the particles `chains` as they
    are: the whole dynamics of a method without persistent particles."""

    def found(y: Array) -> Array:
        θ, *more = y.tolist()
        named = dict(zip(names, more, strict=True))
        v = flow.velocity(ops, θ, flow.drawn(ops, θ, chains, named), **named)
        return np.atleast_1d(np.asarray(v, float))

    return found


def eigenvalues(flow: Flow, ops: Backend) -> NDArray[np.complex128] | None:
    """Eigenvalues (n,) of J = ∂(θ̇, …)/∂(θ, …) at rest, the slowest to decay first.

    Of the method's own flow, before `rate`, on the exact law `ops` (Grid). None for a method with
    no fixed point or no exact law, with persistent particles or a memory, where θ̇ depends on more
    than (θ, …), or with a θ̇ that jumps at rest or is lost in round-off there.
    """
    θ = flow.fixed_point(ops.target)
    kind = type(flow)
    persistent = kind.advance is not Flow.advance or kind.store is not Flow.store
    if θ is None or persistent or kind.memory is not Flow.memory or not flow.exact:
        return None
    extra = flow.extra(ops.target, θ) | flow.rest(ops.target)
    with np.errstate(under="ignore"):  # θ̇ may be 1e−304
        v = rates(flow, ops, flow.init(ops, θ), tuple(extra))
        found = at_rest(v, np.array([θ, *extra.values()]))
        if found is None:
            return None
        λ = np.linalg.eigvals(found[0]).astype(np.complex128)
        for part in (λ.real, λ.imag):
            part[np.abs(part) < ROUND_OFF * np.abs(λ)] = 0.0
        λ.real[(λ.imag != 0) & (np.abs(λ.real) < LOST)] = 0.0
    return λ[np.lexsort((-λ.imag, -λ.real))] + 0.0  # no negative zeros


def largest_step(λ: NDArray[np.complex128]) -> float:
    """The largest rate·dt at which Euler's steps 1 + ηλ damp what the flow damps: the smallest
    −2 Re λ/|λ|² of the λ with Re λ < 0; inf where there is none."""
    damped = [z for z in λ.tolist() if z.real < 0]
    return min((2 * -z.real / abs(z) / max(abs(z), 1e-300) for z in damped), default=math.inf)


def stable_step(flow: Flow, ops: Backend) -> float | None:
    """`largest_step` of the flow on the exact law; None where it is not known, or none is too
    large."""
    λ = eigenvalues(flow, ops)
    found = math.inf if λ is None else largest_step(λ)
    return found if math.isfinite(found) else None


def circles(λ: NDArray[np.complex128]) -> bool:
    """Does the linearised flow turn for ever: some λ imaginary, none growing?"""
    return bool(np.any((λ.real == 0) & (λ.imag != 0)) and np.all(λ.real <= 0))


def at_rest(rates: Rates, y: Array, reach: float = 10.0) -> tuple[Array, Array] | None:
    """(J, y) where the exact law rests: by Newton's steps from y. None: none near (a step is longer
    than `reach`), or a jump.

    A direction in which nothing moves is left as it is (least squares).
    """
    for _ in range(NEWTON):
        J, smooth = _jacobian(rates, y)
        step = np.linalg.lstsq(J, -rates(y))[0]
        if np.all(np.abs(step) < 1e-9 * (1 + np.abs(y))):
            return (J, y + step) if smooth else None
        if not np.all(np.abs(step) < reach):
            return None
        y = y + step
    return None


def _jacobian(rates: Rates, y: Array) -> tuple[Array, bool]:
    """J (n, n) by central differences of order four, and whether those of order two, with one step
    and with two, agree to 1 %: of a jump the second is half of the first."""

    def differences(e: Array) -> Array:
        return (rates(y + e) - rates(y - e)) / (2 * np.max(e))

    near, far = (
        np.stack([differences(e) for e in k * STEP * np.eye(y.size)], axis=1) for k in (1, 2)
    )
    smooth = np.max(np.abs(near - far)) <= 0.01 * np.max(np.abs(near))
    return (4 * near - far) / 3, bool(smooth)


def in_words(λ: NDArray[np.complex128]) -> str:
    """The eigenvalues as text, a conjugate pair as one: −0.025 ± 0.056i, −0.850."""
    return ", ".join(_one(z) for z in λ.tolist() if z.imag >= 0)


def motion(λ: NDArray[np.complex128]) -> str:
    """What the slowest pair of eigenvalues does, as a sentence; "" where all are real."""
    for z in λ.tolist():
        if z.imag > 0:
            spiral = "a damped spiral" if z.real < 0 else "a growing spiral"
            shape = spiral if z.real else "an undamped circle"
            period = 2 * math.pi / z.imag
            return f"Small motions about the rest: {shape} of period {period:.3g}."
    return ""


def _one(z: complex) -> str:
    if z.imag == 0:
        return _number(z.real)
    return f"{_number(z.real)} ± {_number(z.imag)}i" if z.real else f"±{_number(z.imag)}i"


def _number(v: float) -> str:
    return format(v, ".3f" if v == 0 or abs(v) >= 0.01 else ".2g").replace("-", "−")
