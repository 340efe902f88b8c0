"""What a path of θ does that goes on where a run stopped: the words that are read out of it.

A path that is followed has an end. What is not seen of it is told as "?", or by the limit of a
geometric sequence where its last part is one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from toyflows.cloud import Array
from toyflows.flows.base import NEAR

RUNS = 100  # times the length of this run: a method that needs more does not learn
DEVIATIONS = 4.0  # of the walkers' noise: 6e−5 are beyond
BENT = 0.25  # share of the remaining distance by which a path's limit may miss θ*
SWINGS = 0.5  # a half swing as a share of the one before: above it, what was seen to swing goes on
DAMPED = 0.9  # the same of swings that are all to come: below it they are damped
NEARLY = 0.1  # share of a limit's distance from θ*; with more left, a path may go elsewhere
FARTHER = 4.0  # tolerances: a θ that was moved by 2 and moves as far again is not held


class Outlook(NamedTuple):
    """`goes`: "stays" (at θ*, and held there), "star" (to θ*), "rest" (to `rest`, elsewhere),
    "swings" (about θ*, undamped as far as it was followed), "away", or "still" (nothing moves).

    `needs` is the time to θ* or `rest` from the end of the run (inf: never), `passed` that to θ*
    where θ does not stay; `exact`: `rest` is a zero of the equation, else it is extrapolated;
    `drift` is θ̇ where it was last seen, `period` that of the swings, `noise` the deviation of θ
    that comes of the number of walkers, `followed` for how long it was looked ahead."""

    goes: str
    rest: float = math.nan
    needs: float = math.inf
    exact: bool = False
    passed: float = math.nan
    drift: float = 0.0
    period: float = math.nan
    noise: float = 0.0
    followed: float = 0.0

    @property
    def near(self) -> float:
        """The tolerance of "at θ*"."""
        return NEAR + DEVIATIONS * self.noise


class Line(NamedTuple):
    """θ − θ* along a path: t (n,), gap (n, coordinates)."""

    t: Array
    gap: Array

    def off(self, near: Array) -> Array:
        """The largest distance from θ* in tolerances (n,)."""
        return np.asarray(np.max(np.abs(self.gap) / near, axis=1))

    def crossed(self, near: Array) -> Array:
        """The times at which the coordinate that does so most often crosses θ*, hesitations within
        ±near not counted."""
        found: list[Array] = []
        for gap, tolerance in zip(self.gap.T, near, strict=True):
            outside = np.flatnonzero(np.abs(gap) > tolerance)
            turned = np.diff(np.sign(gap[outside])) != 0
            found.append(self.t[outside[1:][turned]])
        return max(found, key=len)

    def then(self, later: Line) -> Line:
        return Line(np.append(self.t, later.t[1:]), np.concatenate([self.gap, later.gap[1:]]))

    def distance(self) -> Array:
        """Of one coordinate, towards where it begins (n,): the sign changes where θ passes θ*."""
        return self.gap[:, 0] * math.copysign(1.0, self.gap[0, 0])

    def reaches(self) -> float:
        """When θ passes θ* first; nan where it does not."""
        return _first_at(self.distance(), self.t)

    def leaves(self, near: float) -> bool:
        """Does it go farther from θ* than `near`?"""
        return bool(np.max(np.abs(self.gap)) > near)

    def slows(self) -> bool:
        """Is the last speed less than half of the largest? Then it may come to rest."""
        speed = np.max(np.abs(np.diff(self.gap, axis=0)) / np.diff(self.t)[:, None], axis=1)
        return bool(speed[-1] < 0.5 * speed.max())

    def only(self, k: int) -> Line:
        """Its coordinate k."""
        return Line(self.t, self.gap[:, k : k + 1])

    def norm(self) -> Line:
        """|θ − θ*| in place of the coordinates."""
        return Line(self.t, np.linalg.norm(self.gap, axis=1, keepdims=True))


def read(
    past: Line | None, ahead: Line, near: Array, lasted: float, there: bool, settled: bool = False,
    blur: float = 0.0,
) -> Outlook:  # fmt: skip
    """What a path does that goes on where `past` ends. `there`: it began at θ*, was moved by two
    tolerances, and is asked whether it comes back. "?": it heads straight for θ* and was not
    followed to it. `rest` is relative to θ*; what moves by no more than `blur` does not move."""
    if near.size > 1:
        return _together(past, ahead, near, lasted, there, settled, blur)
    d, t, off = ahead.distance(), ahead.t, ahead.off(near)
    span, n = float(t[-1]), t.size
    tail = slice(int(np.searchsorted(t, 0.75 * span)), n)
    crossed = np.zeros(0) if past is None else past.crossed(near)
    whole = ahead if past is None or there else past.then(Line(past.t[-1] + t, ahead.gap))
    swings = whole.crossed(near)
    out = Outlook("away", followed=span, drift=_drift(ahead), period=_period(swings))
    limit = math.inf if settled else _limit(d, t)
    if off[-1] <= 1 and (settled or np.max(off[tail]) <= 2):
        # It passes slowly; but what stays at θ* if it is not moved has no rest beyond it.
        if math.isfinite(limit) and abs(limit) > float(np.min(near)) and (not there or limit > 0):
            sign = math.copysign(1.0, float(ahead.gap[0, 0]))
            return out._replace(goes="rest", rest=sign * limit, needs=span)
        inside = int(np.flatnonzero(np.append(True, off > 1)).max())
        held = there and float(off.max()) <= FARTHER  # else it passed θ* and comes back
        return out._replace(goes="stays" if held else "star", needs=float(t[min(inside, n - 1)]))
    if settled:
        return out._replace(goes="rest", rest=float(ahead.gap[-1, 0]), needs=span, exact=True)
    if crossed.size == 1 and _gone(d, t, lasted) and not _comes_to_rest(d, limit):
        # whatever comes when the particles are far away
        k = max(2, int(np.searchsorted(t, lasted)))
        return out._replace(drift=_drift(Line(t[:k], ahead.gap[:k])))
    if (swings.size >= 3 or crossed.size >= 2) and np.max(off[n // 2 :]) > 1:
        ratio = _damping(whole, swings)
        seen = swings.size >= 3 and swings[-1] > whole.t[-1] - 0.5 * span
        if ratio > (DAMPED if seen and crossed.size < 2 else SWINGS):
            return out._replace(goes="swings")
        if seen:
            left = math.log(max(float(np.max(off[n // 2 :])), 1.0)) / -math.log(ratio)
            return out._replace(goes="stays" if there else "star",
                                needs=span + 0.5 * out.period * left)  # fmt: skip
    reach = float(np.min(near)) * max(span, 1e-300) / (RUNS * max(lasted, 1e-300))
    if np.max(np.abs(d - d[0])) <= max(reach, blur):
        return out._replace(goes="still", rest=float(ahead.gap[-1, 0]), needs=0.0)
    sign = math.copysign(1.0, float(ahead.gap[0, 0]))
    back = crossed.size > 0 or float(d.max()) > d[0] + float(np.min(near))
    out = _straight(out, d, t, float(np.min(near)), lasted, there, back)
    if there:
        held = out.goes == "?" or (out.goes == "star" and float(off.max()) <= FARTHER)
        return out._replace(goes="stays" if held else out.goes, rest=out.rest * sign)
    return _first_turn(out, d, t, off, lasted, crossed.size > 0)._replace(rest=out.rest * sign)


def _together(
    past: Line | None, ahead: Line, near: Array, lasted: float, there: bool, settled: bool,
    blur: float,
) -> Outlook:  # fmt: skip
    """What several coordinates do: the worst of what each does, but one of them may go away while
    |θ − θ*| falls."""
    parts = [
        read(past and past.only(k), ahead.only(k), near[k : k + 1], lasted, there, settled, blur)
        for k in range(near.size)
    ]
    worst = _worst(parts, np.abs(ahead.gap[-1]) <= near)
    if worst.goes != "away" or there:
        return worst
    falls = read(
        past and past.norm(), ahead.norm(), near.min(keepdims=True), lasted, there, settled
    )
    return falls._replace(goes="?") if falls.goes in ("star", "?") else worst


def _first_turn(
    out: Outlook, d: Array, t: Array, off: Array, lasted: float, crossed: bool
) -> Outlook:
    """What an overshoot is called: on the way back if that is where it begins, gone if it still
    goes away at twice the time of the run and is not seen at θ* again."""
    n = t.size
    soon = d[: max(2, n // 50)]
    if out.goes == "away" and crossed and soon[-1] < soon[0]:
        # it is on the way back from an overshoot, if only to pass θ* again
        at = int(np.argmax(off <= 1)) or n - 1
        return out._replace(goes="star", needs=float(t[at]), passed=math.nan)
    if _gone(d, t, lasted) and out.goes in ("star", "?"):
        return out._replace(goes="away", passed=math.nan)
    again = d[t <= max(lasted, float(t[1]))]
    beyond = float(again[-1]) < -d[0] and again[-1] <= again.min() + 1e-9
    once = np.count_nonzero(np.diff(np.sign(d[off > 1]))) == 1
    if beyond and once and out.goes == "star":  # and is not back in the time that was looked ahead
        return out._replace(goes="away")
    return out


def _comes_to_rest(d: Array, limit: float) -> bool:
    """Does a path that goes away all the time end at its limit?"""
    return bool(abs(limit - d[-1]) < NEARLY * abs(limit) < math.inf and d[-1] >= d.max() - 1e-9)


def _gone(d: Array, t: Array, lasted: float) -> bool:
    """Does it still go away at twice the time of the run?"""
    again = d[t <= max(lasted, float(t[1]))]
    return bool(again[-1] > d[0] + NEAR and again[-1] >= again.max() - 1e-9)


WORST = ("swings", "away", "?", "rest", "star", "stays", "still")


def _worst(parts: list[Outlook], there: Array) -> Outlook:
    """What several coordinates do together: the first of WORST that one of them does. One that
    stands still is at its target, or at rest elsewhere, if others move."""
    if all(p.goes == "still" for p in parts):
        return parts[0]
    moving = [
        p._replace(goes="stays" if at else "rest") if p.goes == "still" else p
        for p, at in zip(parts, there.tolist(), strict=True)
    ]
    worst = min(moving, key=lambda p: WORST.index(p.goes))
    return worst._replace(needs=max(p.needs for p in moving))


def _damping(whole: Line, crossed: Array) -> float:
    """The last whole swing as a share of the one before; 1 where there are no two."""
    k = np.searchsorted(whole.t, crossed)
    swings = [float(np.max(np.abs(g))) for g in np.split(whole.gap, k) if g.size]
    return 1.0 if len(swings) < 3 else max(swings[-2] / swings[-3], 1e-300)


def _limit(d: Array, t: Array) -> float:
    """Where a path tends to that falls as e^{−λt} in its last three tenths; inf where it does not:
    there its steps have the same ratio, where it turns round the later one is smaller."""
    x = np.interp(np.array([0.7, 0.8, 0.9, 1.0]) * t[-1], t, d)
    first, second, last = (float(v) for v in np.diff(x))
    if second == 0 or abs(last) < 1e-12 * (1 + abs(x[-1])):
        return float(x[-1]) if abs(last) < 1e-12 * (1 + abs(x[-1])) else math.inf
    earlier, ratio = second / first if first else 0.0, last / second
    falls = 0.97 if last * x[-1] > 0 else 0.8  # going away, a turn is the likelier
    if not (0 < ratio < 1 and earlier > 0 and ratio >= falls * earlier):
        return math.inf
    return float(x[-1]) + last * ratio / (1 - ratio)


def _straight(
    out: Outlook, d: Array, t: Array, near: float, lasted: float, there: bool, back: bool
) -> Outlook:
    """A path that neither settled nor swings, from its last half: x0, x1, x2 at even times. `back`:
    it has been farther from θ*, or beyond it, so that it is on the way back."""
    span = float(t[-1])
    x0, x1, x2 = (float(v) for v in np.interp([0.5 * span, 0.75 * span, span], t, d))
    before, last = x1 - x0, x2 - x1
    close = _limit(d, t)
    elsewhere = near < abs(close) < math.inf
    if there and elsewhere and close > 0:  # what stays at θ* if not moved has no rest beyond it
        return out._replace(goes="rest", rest=close, needs=span)
    if there and 0 <= x2 < d[0] and last <= 0:
        return out._replace(goes="stays")  # RUNS runs at this pace would bring it back
    side = math.copysign(1.0, x2)
    gap, towards = abs(x2), last * side < 0
    passed = _first_at(d, t) if side < 0 else math.nan
    quarter = 0.25 * span
    needs = span + gap / max(abs(last), 1e-300) * quarter
    out = out._replace(passed=passed)
    ratio = last / before if before * last > 0 else math.inf
    if abs(last) * (RUNS * lasted) <= near * quarter:  # it has come to rest
        return out._replace(goes="rest", rest=x2, needs=_since(d, t, x2, near))
    if side * float(d.min() if side > 0 else d.max()) > near and _turns(d, t) >= 2:
        level = float(np.mean(d[d.size // 2 :]))  # it swings about a place that is not θ*
        return out._replace(goes="rest", rest=level, needs=span)
    if math.isinf(close) and gap < 0.5 * float(np.abs(d).max()) and _hovers(d, t) and gap > near:
        return out._replace(goes="rest", rest=x2, needs=span)
    if before * last <= 0:  # it has just turned
        return out._replace(goes="star", needs=needs) if towards else out
    if ratio < 1:
        limit = x2 + last * ratio / (1 - ratio)
        slow = quarter / -math.log(ratio)
        if abs(limit) <= max(near, BENT * gap):
            needs = span + slow * math.log(max(gap / near, 1.0))
            return out._replace(goes="star", needs=needs)
        if elsewhere and close * x2 > 0 and abs(close - x2) < NEARLY * abs(close):
            return out._replace(goes="rest", rest=close, needs=_since(d, t, close, near))
    if not towards:
        return out
    return out._replace(goes="star" if side < 0 or back else "?", needs=needs)


def _since(d: Array, t: Array, level: float, near: float) -> float:
    """From when on the distance d is within `near` of a level; the end where it is not."""
    beyond = np.flatnonzero(np.abs(d - level) > near)
    return float(t[min(beyond[-1] + 1, t.size - 1)]) if beyond.size else 0.0


def _first_at(d: Array, t: Array) -> float:
    """When the distance d is 0 or less first; nan where it never is."""
    beyond = d <= 0
    return float(t[np.argmax(beyond)]) if beyond.any() else math.nan


def _hovers(d: Array, t: Array) -> bool:
    """Has the path slowed down, in its last three tenths, beside where it is?"""
    x = np.interp(np.array([0.7, 0.8, 0.9, 1.0]) * t[-1], t, d)
    steps = np.abs(np.diff(x))
    return bool(np.sum(steps) < NEARLY * abs(x[-1]) and steps[2] < 0.5 * steps[0])


def _turns(d: Array, t: Array) -> int:
    """How often the path turns round, as seen at 64 times."""
    steps = np.diff(np.interp(np.linspace(0.0, float(t[-1]), 64), t, d))
    return int(np.count_nonzero(steps[1:] * steps[:-1] < 0))


def _drift(line: Line) -> float:
    """Mean speed over the last twentieth (of the first coordinate)."""
    k = max(0, line.t.size - max(2, line.t.size // 20))
    time = max(float(line.t[-1] - line.t[k]), 1e-300)
    return float(line.gap[-1, 0] - line.gap[k, 0]) / time


def _period(crossed: Array) -> float:
    return 2.0 * float(np.mean(np.diff(crossed))) if crossed.size > 1 else math.nan


# ---------------------------------------------------------------------- noise in a path
def straight(paths: Array) -> bool:
    """Do these replicas (runs, steps) move, at a speed that does not change, as far as their spread
    can tell? Then their mean tends to no limit that is known."""
    half = paths.shape[1] // 2
    first, second = paths[:, half] - paths[:, 0], paths[:, -1] - paths[:, half]
    error = [float(np.std(v, ddof=1)) / math.sqrt(len(v)) for v in (first + second, second - first)]
    way, bend = (abs(float(np.mean(v))) for v in (first + second, second - first))
    return way > 2 * DEVIATIONS * error[0] and bend < DEVIATIONS * error[1]


def jitter(velocity: Array) -> float:
    """Standard deviation of the walkers' noise in θ̇: a smooth path has no second difference."""
    v = velocity[-max(20, velocity.size // 4) :]
    return float(np.std(np.diff(v, 2))) / math.sqrt(6.0) if v.size > 6 else 0.0


def left_by_noise(s: float, η: float, n: float, λ: float = 0.05) -> float:
    """Deviation of θ that fresh noise s in θ̇ leaves: sη√n after n steps, and where θ* pulls back
    at the rate λ no more than s√(η/(2 − ηλ)λ). λ is of the order 0.05 unless it is known."""
    return s * min(η * math.sqrt(n), math.sqrt(η / max(λ * (2 - η * λ), 1e-300)))
