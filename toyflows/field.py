"""A vector field θ̇ = v(θ) looked at ahead of where a run stopped: its zeros, and the time to them.

A method without persistent particles is such a field on the exact law, so that nothing about its
future is guessed. One coordinate is walked along; several are followed (ode.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from toyflows.target import LARGEST_THETA

Speed = Callable[[float], float]

FIRST, WIDEST = 0.02, 0.5  # steps of `walk`: v(θ) changes over a unit of θ, as p_b(θ) does
GROWS = 0.1  # share of the way behind that the next step may have: far away v is flat
ROUND_OFF = 1e-14  # a difference of two means of order 1 that is smaller is no motion
HALVINGS = 80
LEVEL = 0.1  # relative change of v that is no matter for a time
APART = 0.01  # relative error of a time
FINEST = 1e-6  # of the places between which v is looked at
CHATTER = 200  # steps


class Ahead(NamedTuple):
    """What lies ahead of a place: `end` is "zero" (v changes sign at `at`), "still" (v is lost in
    round-off from `at` on) or "away" (v keeps its sign to the end of the numbers); `time` is that
    to within `near` of a zero, else to `at`; `passed` that to θ*, nan if it is not passed."""

    end: str
    at: float
    time: float
    passed: float


def walk(v: Speed, θ: float, star: float, near: float, fine: float = 0.0) -> Ahead:
    """Where θ̇ = v(θ) takes θ: to the first change of sign of v ahead of it, found to `fine`."""
    speed = v(θ)
    side = math.copysign(1.0, speed)
    if abs(speed) < ROUND_OFF:
        low, high = v(θ - near), v(θ + near)
        if low > ROUND_OFF and high < -ROUND_OFF:
            return Ahead("zero", _zero(v, θ - near, θ + near, 1.0), 0.0, math.nan)
        if not _wakes(v, θ, star, near):
            return Ahead("still", θ, math.inf, math.nan)
    seen = [(θ, speed)]
    while abs(seen[-1][0]) <= LARGEST_THETA:
        here, speed = seen[-1]
        to = here + side * _stride(side * (here - θ))
        marks = [m for m in (star - near, star, star + near) if side * (m - here) > 1e-12]
        to = side * min([side * to, *(side * m for m in marks)])
        new = v(to)
        if not math.isfinite(new):
            break
        if abs(new) < ROUND_OFF and v(to + side * near) * side < -ROUND_OFF:
            to, new = to + side * near, -side  # a zero at a mark: beyond it v has turned
        if new * side <= 0 and abs(new) > ROUND_OFF:
            at = _zero(v, here, to, side, fine)
            return Ahead(
                "zero", at, _until(v, seen, at - side * near, side), _until(v, seen, star, side)
            )
        seen.append((to, new))
        if abs(new) < ROUND_OFF and (abs(speed) < ROUND_OFF or new * side <= 0):
            at = seen[-2][0]
            return Ahead("still", at, _until(v, seen, at, side), _until(v, seen, star, side))
    here = seen[-1][0]
    return Ahead("away", here, _until(v, seen, here, side), _until(v, seen, star, side))


def _until(v: Speed, seen: list[tuple[float, float]], place: float, side: float) -> float:
    """Time along the places seen to `place`; 0 if it lies behind them."""
    time, (here, speed) = 0.0, seen[0]
    if side * (place - here) <= 0:
        return 0.0
    for to, new in seen[1:]:
        if side * (to - place) >= 0:
            return time + _time(v, here, speed, place, v(place))
        time += _time(v, here, speed, to, new)
        here, speed = to, new
    return time + _time(v, here, speed, place, v(place))


def _wakes(v: Speed, θ: float, star: float, near: float) -> bool:
    """Is v above round-off on the way to θ*, though not here? Only a field whose small values are
    exact (score matching's) may say where it goes from here."""
    side = math.copysign(1.0, star - θ)
    return abs(star - θ) > near and v(θ) * side > 0 and abs(v(star - side * near)) > ROUND_OFF


def _stride(gone: float) -> float:
    return max(min(FIRST + gone, WIDEST), GROWS * gone)


def _time(v: Speed, a: float, u: float, b: float, w: float) -> float:
    """∫_a^b dθ/v where v(a) = u and v(b) = w, of one sign: as if v were linear, on halves where
    these say something else."""
    whole = _linear(a, u, b, w)
    if math.isinf(whole) or abs(w - u) < LEVEL * abs(u) or abs(b - a) < FINEST:
        return whole
    middle = 0.5 * (a + b)
    speed = v(middle)
    halves = _linear(a, u, middle, speed) + _linear(middle, speed, b, w)
    if not abs(halves - whole) > APART * halves:
        return halves
    return _time(v, a, u, middle, speed) + _time(v, middle, speed, b, w)


def _linear(a: float, u: float, b: float, w: float) -> float:
    """∫_a^b dθ/v for a v that is linear between v(a) = u and v(b) = w."""
    u, w = abs(u), abs(w)
    if u == 0 or w == 0:
        return math.inf
    same = abs(w - u) < 1e-6 * u
    return abs(b - a) * (1 / u if same else (math.log(w) - math.log(u)) / (w - u))


def _zero(v: Speed, a: float, b: float, side: float, fine: float = 0.0) -> float:
    """Where v, of the sign `side` at a and not at b, changes it: by halving, which finds the last
    bit; to `fine` by Brent's method, where a v costs more than that is worth."""
    if fine > 0:
        return _brent(v, a, b, fine)
    for _ in range(HALVINGS):
        middle = 0.5 * (a + b)
        if middle in (a, b):
            break
        if v(middle) * side > 0:
            a = middle
        else:
            b = middle
    return b


def _brent(v: Speed, a: float, b: float, fine: float) -> float:
    """A zero of v between a and b; raises ArithmeticError where v is not a number."""
    from scipy.optimize import brentq  # 0.2 s: not before it is needed

    def finite(θ: float) -> float:
        speed = v(θ)
        if not math.isfinite(speed):
            raise ArithmeticError(f"v({θ}) is not a number")
        return speed

    return float(brentq(finite, a, b, xtol=fine))


def chatter(v: Speed, at: float, η: float) -> float:
    """How far Euler's steps θ + ηv(θ) end up from a zero of v, begun beside it: 0 where they are
    stable there."""
    θ, far = at + 1e-3, 0.0
    for k in range(CHATTER):
        θ += η * v(θ)
        if not abs(θ) <= LARGEST_THETA:
            return math.inf
        far = max(far, abs(θ - at)) if k > CHATTER // 2 else 0.0
    return far
