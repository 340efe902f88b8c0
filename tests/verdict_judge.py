"""An independent judge of verdicts: which words a setting allows, and why.

It shares no code with toyflows/verdict.py, nor with linear.py. From the product it takes the
equation (`flow.velocity` on the exact law; of the GAN not even that) and, where particles persist,
`flow.step` on the exact law. Its path is its own Euler loop, its zeros come from its own scan and
halving, its future from its own long run. A displacement takes persistent particles along by the
method's own rule (`advance`): Jarzynski's weights follow. The rules are VERDICTS': the judge allows
one word where they decide and several in the grey zones, which are

* a number within a tenth of its threshold: |θ − θ*| ≈ NEAR, time needed ≈ 100 T, a tenth done;
* the time to come back, where it matters from which displacement: 50 T to 200 T;
* persistent particles whose run, twice as long, is still under way, or which are reborn; an
  overshoot that is moving away at T and back by 2T; a swing crossed twice that is damped, or one
  about a place beside θ*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from verdict_draws import PERSISTENT, Case, most_steps

from toyflows.backends.grid import Grid
from toyflows.flows import Flow
from toyflows.target import Target

NEAR = 0.03  # |θ − θ*| at θ*
LITTLE = 0.1  # share of the way, below which nothing was learned
AGES = 100.0  # runs as long
GREY = 0.1  # relative width of a grey zone on either side
BEYOND = 1e8  # where numbers count as infinite
ROUND_OFF = 1e-13  # of a difference of two expectations of order 1
FAR = 300.0  # |θ| to which zeros are searched
EPS = 1e-9

WORDS = ("converges", "on its way", "no learning", "biased", "mode collapse", "oscillates",
         "diverges")  # fmt: skip
CONVERGES, WAY, NOTHING, BIASED, COLLAPSE, SWINGS, DIVERGES = WORDS
Array = np.ndarray[Any, np.dtype[np.float64]]
Rates = Callable[[Array], Array]


class Ruling(NamedTuple):
    """The words that are right, the reason, where the judge's own path ends (nan: nowhere), where
    it comes to rest (nan: unknown), the time still needed to θ* (nan: unknown)."""

    words: frozenset[str]
    why: str
    end: float = math.nan
    rest: float = math.nan
    needs: float = math.nan


def rule(case: Case, patience: int = 1) -> Ruling:
    """The judge's words for a setting on the exact law; with more patience persistent particles are
    followed for longer."""
    with np.errstate(under="ignore", over="ignore"):
        if case.flow.name in PERSISTENT:
            return _persistent(case, patience)
        flow, target = case.flow, Target.exact(case.θ_star, case.d)
        if flow.extra(target, case.θ0):
            return _several(case, *rates(case))
        return _line(case, line(case))


def near_words(x: float, inside: str, outside: str) -> set[str]:
    """`inside` for |x| ≤ NEAR, `outside` beyond, both within a tenth of it."""
    words = {inside} if abs(x) <= NEAR * (1 + GREY) else set()
    return words | ({outside} if abs(x) >= NEAR * (1 - GREY) else set())


# ------------------------------------------------------------------ one coordinate
@dataclass
class Line:
    """rate·θ̇ as a function of θ."""

    of: Callable[[float], float]
    round_off: float = 0.0  # of a difference of expectations: it has no digits below
    pieces: int = 100

    def __call__(self, θ: float) -> float:
        return self.of(θ) if abs(θ) <= BEYOND else math.nan

    def elapsed(self, start: float, end: float, pieces: int = 0) -> float:
        """Time from `start` to `end`; inf where the velocity does not lead there.

        On a piece log|v| is linear: ∫dθ/v = Δθ (1/v₁ − 1/v₀)/log(v₀/v₁).
        """
        if start == end:
            return 0.0
        many = pieces or self.pieces
        time = self._elapsed(start, end, many)
        while not pieces and many < 5000 and time < math.inf:  # until twice as many say the same
            before, many = time, 2 * many
            time = self._elapsed(start, end, many)
            if abs(time - before) < 0.02 * time:
                break
        return time

    def _elapsed(self, start: float, end: float, pieces: int) -> float:
        θ = np.linspace(start, end, pieces + 1)
        v = np.array([self(x) for x in θ.tolist()]) * math.copysign(1.0, end - start)
        if not np.all(v > 0):
            return math.inf
        slow, ratio = 1 / v, np.log(v[:-1] / v[1:])
        small = np.abs(ratio) < 1e-3
        mean = np.where(small, 0.5 * (slow[1:] + slow[:-1]),
                        np.diff(slow) / np.where(small, 1.0, ratio))  # fmt: skip
        return float(np.sum(mean) * abs(end - start) / pieces)

    def zero_ahead(self, θ: float) -> float:
        """The first zero that the velocity leads to from θ; nan if none within FAR."""
        v = self(θ)
        if v == 0:
            return math.nan if self._lost(θ - 0.25, θ + 0.25) else θ
        side, step, last = math.copysign(1.0, v), 0.01, θ
        while abs(last) < FAR:
            there = last + side * step
            if self(there) * side <= 0:
                return math.nan if self._lost(last, there) else self._halve(last, there)
            last, step = there, min(1.15 * step, 0.25 if abs(last) < 30 else 2.0)
        return math.nan

    def _lost(self, *θ: float) -> bool:
        """Is the change of sign one of rounding?"""
        sizes = [abs(self(x)) for x in θ]
        return max(sizes) < max(1e-290, 3 * self.round_off)

    def _halve(self, low: float, high: float) -> float:
        sign = self(low) > 0
        for _ in range(45):
            middle = 0.5 * (low + high)
            if (self(middle) > 0) == sign:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)


def line(case: Case) -> Line:
    """The velocity of a method without persistent particles, on the exact law."""
    ops, flow = Grid(Target.exact(case.θ_star, case.d), case.dt), case.flow
    chains, known = flow.init(ops, case.θ0), {}

    def v(θ: float) -> float:
        if θ not in known:
            known[θ] = case.rate * float(flow.velocity(ops, θ, flow.negatives(ops, θ, chains)))
        return known[θ]

    return Line(
        v,
        ROUND_OFF * case.rate * flow.has_negatives,
        100 if most_steps(case.method, case.d, case.dt) > 600 else 40,
    )


def euler(v: Line, case: Case, θ: float, steps: int) -> Iterator[float]:
    """θ after 0, 1, … steps; a kinked flow's step ends on θ* where it would pass it."""
    star, kinked = case.θ_star, case.flow.kinked
    yield θ
    for _ in range(steps):
        new = θ + case.dt * v(θ)
        θ = star if kinked and (θ - star) * (new - star) <= 0 else new
        yield θ
        if not abs(θ) <= BEYOND:
            return


def _line(case: Case, v: Line) -> Ruling:
    path = list(euler(v, case, case.θ0, case.steps))
    end, star = path[-1], case.θ_star
    if not abs(end) <= BEYOND:
        return Ruling(frozenset({DIVERGES}), "θ leaves the numbers", end)
    return _line_from(case, v, end, _settled_map(case, v, end), end - star)


def _settled_map(case: Case, v: Line, end: float) -> tuple[float, float, bool]:
    """Where Euler's map goes from the end: low and high of its last turns, and whether they shrink.

    Where steps are short, it follows the flow: then (end, end, True).
    """
    if case.flow.kinked:
        return end, end, True
    z = v.zero_ahead(end)
    slope = 0.0 if math.isnan(z) else case.dt * (v(z + 1e-4) - v(z - 1e-4)) / 2e-4
    if slope > -0.9 and abs(case.dt * v(end)) < 0.2:
        return end, end, True
    on = np.array(list(euler(v, case, end, 600)))
    if not abs(on[-1]) <= BEYOND:
        return -math.inf, math.inf, False
    first, last = on[100:200], on[-100:]
    shrinks = bool(np.ptp(last) <= 0.9 * np.ptp(first)) or np.ptp(last) < 1e-6
    return float(last.min()), float(last.max()), shrinks


def _line_from(
    case: Case, v: Line, end: float, turns: tuple[float, float, bool], x: float
) -> Ruling:
    star, (low, high, shrinks) = case.θ_star, turns
    if high - low > 2 * NEAR and not shrinks:
        if math.isinf(high):
            return Ruling(frozenset({DIVERGES, SWINGS}), "the map leaves the numbers later", end)
        about = low < star < high
        words = {SWINGS} if about else {SWINGS, BIASED}
        return Ruling(frozenset(words), f"the map turns between {low:.4g} and {high:.4g}", end)
    start = 0.5 * (low + high)
    z = v.zero_ahead(start)
    if abs(x) <= NEAR * (1 + GREY):
        held = [_comes_back(case, v, side) for side in (-1.0, 1.0)]
        if all(t < math.inf for t in held) or _dead(case, v):
            return _at_star(case, held, x, end, z)
    return _goes(case, v, end, z, x)


def _comes_back(case: Case, v: Line, side: float) -> float:
    """Time from θ* ± 2 NEAR into NEAR."""
    star = case.θ_star
    return v.elapsed(star + 2 * side * NEAR, star + side * NEAR, 12)


def _dead(case: Case, v: Line) -> bool:
    """Does nothing move about θ*, in 100 T or 1e5, but for round-off?"""
    about = [v(case.θ_star + k * NEAR) for k in (-2, -1, 0, 1, 2)]
    return max(map(abs, about)) * AGES * case.time < 0.1 * NEAR


def _at_star(case: Case, held: list[float], x: float, end: float, z: float) -> Ruling:
    slowest, ages = max(held), AGES * case.time
    words = set()
    if slowest < 2 * ages:
        words |= near_words(x, CONVERGES, WAY)
    if slowest > 0.5 * ages:
        words |= {NOTHING}
        if _done(case, end) > LITTLE * (1 - GREY):  # came from afar, and cannot be pushed back
            words |= {CONVERGES, WAY}
    if NOTHING not in words and abs(z - case.θ_star) > NEAR * (1 - GREY):
        words |= {BIASED}
    return Ruling(frozenset(words), f"at θ*; displaced, it is back in {slowest:.3g}", end, z,
                  0.0 if abs(x) <= NEAR else math.nan)  # fmt: skip


def _done(case: Case, end: float) -> float:
    """Share of the way from θ0 to θ*; all of it where θ has passed θ*; nan of none."""
    way, left = case.θ0 - case.θ_star, end - case.θ_star
    if abs(way) <= NEAR:
        return math.nan
    return 1 - max(left / way, 0.0)


def _goes(case: Case, v: Line, end: float, z: float, x: float) -> Ruling:
    """Not held at θ*: the zero ahead, and the time to it."""
    if math.isnan(z):
        return _nowhere(case, v, end, x)
    star, done = case.θ_star, _done(case, end)
    words = near_words(z - star, WAY, BIASED)
    goal = star if WAY in words else z
    to = goal + math.copysign(min(NEAR, abs(end - goal)), end - goal)
    needs = v.elapsed(end, to)
    if not needs < math.inf and abs(end - z) < 2 * NEAR:
        needs = 0.0  # it is there
    to_rest = 1 - abs(end - z) / abs(case.θ0 - z) if case.θ0 != z else 1.0
    low = high = to_rest if math.isnan(done) else done
    if math.isnan(done):  # it began at θ*: has it left?
        low = 1.0 if abs(x) > NEAR * (1 + GREY) else to_rest
        high = 1.0 if abs(x) > NEAR * (1 - GREY) else to_rest
    if WAY not in words:  # the way to θ*, or to where it goes
        low, high = min(low, to_rest), max(high, to_rest)
        if (z - star) * x < 0:
            needs = min(needs, v.elapsed(end, star))
        gone = abs(end - case.θ0) / max(abs(case.θ0 - star), NEAR)
        high = max(high, gone if (end - case.θ0) * (z - case.θ0) > 0 else 0.0)
    words = _slow(words, low, high, needs, AGES * case.time)
    if abs(x) <= NEAR * (1 + GREY) and WAY in words:
        words |= {CONVERGES}
    why = f"{end:.4g} goes to {z:.5g} in {needs:.3g}, {low:.3g} to {high:.3g} done"
    return Ruling(frozenset(words), why, end, z, needs)


def _slow(words: set[str], low: float, high: float, needs: float, ages: float) -> set[str]:
    """With "no learning", or replaced by it, where a time ≥ `needs` is to come and a share between
    `low` and `high` is done."""
    if low < LITTLE * (1 + GREY) and needs > ages * (1 - GREY):
        surely = high < LITTLE * (1 - GREY) and needs > ages * (1 + GREY)
        return {NOTHING} if surely else words | {NOTHING}
    return words


def _nowhere(case: Case, v: Line, end: float, x: float) -> Ruling:
    """No zero ahead: the velocity dies out, on this side of θ* or beyond it."""
    done, ages, why = _done(case, end), AGES * case.time, "no zero ahead but round-off"
    share = 0.0 if math.isnan(done) else done
    if abs(v(end)) * ages < NEAR or (x * v(end) < 0 and v._lost(case.θ_star, end)):
        words = {NOTHING} if share < LITTLE * (1 + GREY) else {NOTHING, BIASED, WAY}
    elif x * v(end) < 0:
        needs = v.elapsed(end, case.θ_star)
        words = _slow({COLLAPSE, BIASED}, share, share, needs, ages)
        why += f", past θ* in {needs:.3g}"
    else:
        words = {COLLAPSE, BIASED}
        if abs(v(end)) * ages < abs(x) * (1 + GREY) and share < LITTLE * (1 + GREY):
            words |= {NOTHING}  # 100 T take it less than as far off again
    return Ruling(frozenset(words), why, end)


# ------------------------------------------------------------------ further coordinates
def rates(case: Case) -> tuple[Rates, Array]:
    """rate·(θ̇, …) of y = (θ, …), and where it rests."""
    target, flow = Target.exact(case.θ_star, case.d), case.flow
    if flow.name == "gan":
        return _gan(case, flow), np.append(case.θ_star, np.zeros(len(flow.extra(target, 0.0))))
    ops, names = Grid(target, case.dt), list(flow.extra(target, case.θ0))

    def f(y: Array) -> Array:
        θ, *more = map(float, y)
        of = dict(zip(names, more, strict=True))
        return case.rate * np.array(flow.velocity(ops, θ, flow.negatives(ops, θ, None), **of))

    log_Z = math.log1p(math.exp(-case.θ_star)) - math.log1p(math.exp(-flow.mu))  # type: ignore
    return f, np.array([case.θ_star, log_Z])


def _gan(case: Case, flow: Any) -> Rates:
    """The GAN of two numbers, in closed form: the shares of x > m are Φ(−d/2) + p erf(d/√8)."""
    apart, beyond = math.erf(case.d / math.sqrt(8)), 0.5 * math.erfc(case.d / math.sqrt(8))
    linear, saturates = flow.loss == "wasserstein", flow.loss == "non-saturating"
    γ, r = flow.penalty, case.rate

    def σ(t: float) -> float:
        return 1 / (1 + math.exp(-t)) if t > -700 else 0.0

    def f(t: float) -> float:
        return t if linear else min(t, 0.0) - math.log1p(math.exp(-abs(t)))

    def df(t: float) -> float:
        return 1.0 if linear else σ(-t)

    Q = beyond + σ(-case.θ_star) * apart
    s = 1.0 if saturates else -1.0

    def rates(y: Array) -> Any:
        θ, w, c = y[0], y[1], y[2] if len(y) > 2 else 0.0
        B, dB = beyond + σ(-θ) * apart, -σ(-θ) * σ(θ) * apart
        if flow.dirac:
            u = w * (B - Q)
            return r * w * dB * df(s * u), r * ((Q - B) * df(-u) - γ * w)
        θ_dot = s * dB * (f(s * (w + c)) - f(s * c))
        in_b = Q * df(w + c) - B * df(-w - c)
        if linear:
            return r * θ_dot, r * (in_b - γ * w)
        in_a = (1 - Q) * df(c) - (1 - B) * df(-c)
        return r * θ_dot, r * (in_b - γ * w), r * (in_b + in_a)

    return rates


def _iterate(f: Rates, y: Any, dt: float, steps: int) -> list[Any]:
    """Euler's map; it ends where a coordinate leaves the numbers."""
    y = tuple(map(float, y))
    out = [y]
    for _ in range(steps):
        y = tuple(a + dt * float(b) for a, b in zip(y, f(y), strict=True))  # type: ignore[arg-type]
        out.append(y)
        if not all(abs(a) <= BEYOND for a in y):
            break
    return out


def eigenvalues(f: Rates, y: Array) -> Array:
    """Of ∂f/∂y by central differences."""
    e = 1e-5 * np.eye(y.size)
    J = [(np.array(f(y + one)) - np.array(f(y - one))) / 2e-5 for one in e]
    return np.linalg.eigvals(np.stack(J, axis=1))


def _several(case: Case, f: Rates, rest: Array) -> Ruling:
    start = np.append(case.θ0, np.zeros(rest.size - 1))
    path = np.array(_iterate(f, start, case.dt, case.steps))
    end = path[-1]
    if not np.all(np.abs(end) <= BEYOND):
        return Ruling(frozenset({DIVERGES}), "a coordinate leaves the numbers", float(end[0]))
    λ = eigenvalues(f, rest)
    turning = np.abs(λ.imag) > 1e-6 * np.abs(λ).max()
    x = path[:, 0] - case.θ_star
    if np.any(turning & (np.abs(λ.real) < 1e-6 * np.abs(λ))):
        return _circles(case, f, path)
    t, future = _future(case, f, end, rest, float(np.abs(1 + case.dt * λ).max()))
    return _spirals(case, f, end, x, t, future, float(np.abs(1 + case.dt * λ).max()))


def _circles(case: Case, f: Rates, path: Array) -> Ruling:
    """No eigenvalue pulls back: it swings, unless nothing happens in 100 T."""
    end = path[-1]
    words, why = {SWINGS}, "imaginary eigenvalues"
    if np.abs(path[:, 0]).max() > 30:  # Euler's steps have thrown it where p(1−p) = 1e−13
        return Ruling(frozenset({SWINGS, COLLAPSE, BIASED, DIVERGES, NOTHING}), "thrown far",
                      float(end[0]))  # fmt: skip
    on = np.array(_iterate(f, end, case.dt, round(AGES * case.steps)))[:, 0] - case.θ_star
    if np.all(np.abs(on) > NEAR) and _progress(case, path[:, 0]) < LITTLE * (1 + GREY):
        words, why = words | {NOTHING}, why + ", slower than 100 T"
    return Ruling(frozenset(words), why, float(end[0]))


def _progress(case: Case, θ: Array) -> float:
    """The largest share of the way so far; 1 where there is none."""
    way = abs(case.θ0 - case.θ_star)
    return 1.0 if way <= NEAR else float(1 - np.abs(θ - case.θ_star).min() / way)


def _future(case: Case, f: Rates, end: Any, rest: Array, radius: float) -> tuple[Array, Array]:
    """Times after T (n,) and θ − θ* (n,), to 100 T: the map itself where it is cheap (the GAN) or
    stiff, else, after as long again, an integrator's steps."""
    steps = round(AGES * case.steps)
    cheap = case.flow.name == "gan"
    on = np.array(_iterate(f, end, case.dt, steps if cheap else min(case.steps, 400)))
    t, x = case.dt * np.arange(len(on)), on[:, 0] - case.θ_star
    if cheap or radius > 1 - EPS or len(on) > steps:
        return t, x
    from scipy.integrate import solve_ivp

    got = solve_ivp(lambda _, y: f(y), (t[-1], AGES * case.time), on[-1], method="LSODA",
                    rtol=1e-7, atol=1e-10)  # fmt: skip
    return np.append(t, got.t), np.append(x, got.y[0] - case.θ_star)


def _spirals(
    case: Case, f: Rates, end: Any, x: Array, t: Array, future: Array, radius: float
) -> Ruling:
    now, ages = float(x[-1]), AGES * case.time
    at = float(end[0])
    if not abs(future[-1]) <= BEYOND:
        return Ruling(frozenset({DIVERGES, SWINGS}), "the map leaves the numbers later", at)
    inside = np.abs(future) <= NEAR
    first = float(t[np.argmax(inside)]) if inside.any() else math.inf
    settles = float(t[-1]) if not inside[-1] else float(t[np.flatnonzero(~inside)[-1]]) if (
        not inside.all()) else 0.0  # fmt: skip
    if not inside[-1]:
        settles = math.inf
    if settles < math.inf and abs(now) <= NEAR * (1 + GREY):
        widest = float(np.abs(future).max())
        words = near_words(widest, CONVERGES, WAY)
        if CONVERGES in words:
            back = max(_back(case, f, end, side) for side in (-1, 1))
            words |= {NOTHING} if back > 0.5 * ages else set()
            words -= {CONVERGES} if back > 2 * ages else set()
        return Ruling(frozenset(words), f"settled within {widest:.3g}", at, case.θ_star, settles)
    if settles < math.inf:
        words = {WAY}
        if settles > (1 - GREY) * ages and _done(case, at) < LITTLE * (1 + GREY):
            words |= {NOTHING}
        return Ruling(frozenset(words), f"settles in {settles:.3g}", at, case.θ_star, settles)
    last = future[-len(future) // 4 :]
    swings = np.ptp(last) > 2 * NEAR and last.min() < 0 < last.max()
    if radius > 1 + 1e-6:
        words = {SWINGS} if swings else {SWINGS, BIASED, COLLAPSE, NOTHING}
        return Ruling(frozenset(words), f"the map is unstable at θ*, {radius:.4g}", at)
    words = {WAY} if _progress(case, x + case.θ_star) > LITTLE * (1 - GREY) else set()
    if first > ages * (1 - GREY):
        words |= {NOTHING} if not _done(case, at) > LITTLE * (1 + GREY) else set()
    else:
        words |= {WAY, NOTHING}
    return Ruling(frozenset(words), f"first at θ* in {first:.3g}, unsettled in {ages:.3g}", at,
                  case.θ_star, math.inf)  # fmt: skip


def _back(case: Case, f: Rates, end: Any, side: int) -> float:
    """Time until θ, displaced by 2 NEAR from θ*, is within NEAR."""
    y = np.append(case.θ_star + 2 * side * NEAR, np.asarray(end)[1:])
    many = round(AGES * case.steps) if case.flow.name == "gan" else min(20 * case.steps, 2000)
    x = np.array(_iterate(f, y, case.dt, many))[:, 0] - case.θ_star
    inside = np.flatnonzero(np.abs(x) <= NEAR)
    if inside.size:
        return float(case.dt * inside[0])
    speed = (abs(x[0]) - abs(x[-1])) / (case.dt * many)  # of the gradient ascent, NCE's
    return float((abs(x[0]) - NEAR) / speed) if speed > 0 else math.inf


# ------------------------------------------------------------------ persistent particles
class Long(NamedTuple):
    """θ − θ* of a run (n + 1,), of as long again or longer (m + 1,), and displaced runs' ends."""

    past: Array
    future: Array
    dt: float


def _persistent(case: Case, patience: int) -> Ruling:
    flow, ops = case.flow, Grid(Target.exact(case.θ_star, case.d), case.dt)
    state, past = _follow(flow, ops, flow.begin(ops, case.θ0), case.steps, case)
    if not abs(past[-1]) <= BEYOND:
        return Ruling(frozenset({DIVERGES}), "θ leaves the numbers", float(past[-1]))
    future, more = _as_long_again(case, flow, ops, state, patience)
    run = Long(past - case.θ_star, future - case.θ_star, case.dt)
    if not abs(future[-1]) <= BEYOND:
        return Ruling(frozenset({DIVERGES, COLLAPSE}), "leaves the numbers later", float(past[-1]))

    def displaced(side: int) -> Array:
        there = case.θ_star + 2 * side * NEAR
        chains = flow.advance(ops, state.θ, there, state.chains)  # by the method's own rule
        moved = state._replace(θ=there, chains=chains)
        return _follow(flow, ops, moved, more, case, until=NEAR)[1] - case.θ_star

    words, why, rest = _long_words(case, run, displaced)
    if COLLAPSE in words and getattr(flow, "fresh", 0.0) > 0:
        words |= {BIASED}  # its particles are reborn: far away there is a rest
    return Ruling(frozenset(words), why, float(past[-1]), rest)


def _as_long_again(
    case: Case, flow: Flow, ops: Grid, state: Any, patience: int
) -> tuple[Array, int]:
    """θ of as many steps more, or as many as pay, or a time of 100, until it is at rest."""
    least = case.steps
    most = max(least, min(round(100 / case.dt), most_steps(case.method, case.d, case.dt)))
    θ, most = np.array([state.θ]), patience * most
    while θ.size <= 3 * most and abs(θ[-1]) <= BEYOND:
        state, on = _follow(flow, ops, state, least if θ.size == 1 else most, case)
        θ = np.append(θ, on[1:])
        if np.ptp(θ[-max(2, θ.size // 3) :]) < 1e-3 * NEAR:
            break
    return θ, most


def _follow(
    flow: Flow, ops: Grid, state: Any, steps: int, case: Case, until: float = -1.0
) -> tuple[Any, Array]:
    """`steps` steps of the exact law, θ after each; stops where |θ − θ*| ≤ until."""
    θ = [state.θ]
    for _ in range(steps):
        state, _info = flow.step(ops, state, case.rate * case.dt)
        θ.append(state.θ)
        if not abs(state.θ) <= BEYOND or abs(state.θ - case.θ_star) <= until:
            break
    return state, np.array(θ)


def _crossings(x: Array, least: float = NEAR) -> Array:
    """Where x is, for the first time, beyond the other side of ±least."""
    outside = np.flatnonzero(np.abs(x) > least)
    return outside[1:][np.diff(np.sign(x[outside])) != 0]


def swings(x: Array, least: float = NEAR) -> int:
    """How often x goes from beyond one side of ±least to beyond the other."""
    return _crossings(x, least).size


def limit_of(x: Array) -> tuple[float, float]:
    """Where x tends to as a geometric sequence of thirds (Aitken), and the rest of the way."""
    a, b, c = x[0], x[len(x) // 2], x[-1]
    first, second = b - a, c - b
    if abs(second) < 1e-12:
        return float(c), 0.0
    ratio = second / first if first else math.inf
    if not 0 < ratio < 0.9:
        return math.nan, math.inf
    left = second * ratio / (1 - ratio)
    return float(c + left), abs(float(left))


def _at_last(case: Case, run: Long, limit: float) -> set[str]:
    """A path that comes to rest at `limit`: too slowly where 100 T are too few."""
    there = np.abs(run.future - limit) <= NEAR
    passed = run.future * run.past[-1] <= 0
    first = np.argmax(there | passed)
    if there[0] and not there.all():  # it leaves first: until it is back for good
        first = np.flatnonzero(~there)[-1] + 1
    way = abs(run.past[0] - limit)
    done = float(np.abs(run.past - run.past[0]).max()) / max(way, NEAR)
    least = done if way > NEAR else 0.0  # of no way nothing, or all
    return _slow(near_words(limit, WAY, BIASED), least, done, run.dt * float(first),
                 AGES * case.time)  # fmt: skip


def _long_words(
    case: Case, run: Long, displaced: Callable[[int], Array]
) -> tuple[set[str], str, float]:
    now, last = float(run.past[-1]), float(run.future[-1])
    widest = float(np.abs(run.future).max())
    tail = run.future[-max(2, len(run.future) // 5) :]
    still = float(np.ptp(tail)) < 0.2 * NEAR
    crossed = swings(run.past)
    if abs(now) <= NEAR * (1 + GREY) and widest <= NEAR * (1 + GREY):
        return _kept(case, run, displaced, widest, now)
    many = len(run.future)
    limit, left = limit_of(run.future[many // 2 :])
    earlier = limit_of(run.future[many // 4 : 3 * many // 4])[0]
    if not abs(earlier - limit) < 0.5 * left + NEAR:  # a logarithm's limits move along with it
        left = math.inf
    rest = case.θ_star + limit if left < 0.2 * NEAR else math.nan
    if np.abs(tail).max() <= NEAR and (still or left < NEAR or swings(run.future, 1e-3) > 1):
        words = _at_last(case, run, 0.0) | ({SWINGS} if crossed >= 2 else set())
        if abs(now) <= NEAR * (1 + GREY) and widest <= 2 * NEAR:
            words |= {CONVERGES} if widest <= 1.2 * NEAR else set()
        return words, f"settles within {np.abs(tail).max():.3g} in as long again", rest
    if still and left < 0.2 * NEAR and np.ptp(run.future) > NEAR:
        return _at_last(case, run, limit), f"rests at {limit:.4g} from θ*", rest
    about = swings(run.future)
    if about and np.ptp(tail) < 0.1 * abs(last) and abs(last) > NEAR:  # at rest, or it creeps on
        words = _at_last(case, run, last) | (set() if still else {COLLAPSE, WAY})
        return words, f"near {last:.4g}", rest
    if about:
        off = about > 1 and _beside(run.future[-max(2, many // 3) :])
        words = _swinging(run, crossed, about) | ({BIASED} if off else set())
        return words, f"crossed {crossed} and {about} times", rest
    return _going(case, run, crossed, limit, left, last)


def _beside(x: Array) -> bool:
    """Do these swings seem to be about a place beside θ*: by their middle, or by the mean of whole
    ones?"""
    ups = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    whole = x[ups[0] : ups[-1]] if ups.size > 1 else x
    return max(abs(0.5 * (x.max() + x.min())), abs(float(whole.mean()))) > NEAR * (1 - GREY)


def _kept(
    case: Case, run: Long, displaced: Callable[[int], Array], widest: float, now: float
) -> tuple[set[str], str, float]:
    """At θ* and staying there: held, if displaced it comes back."""
    words = near_words(max(widest, abs(now)), CONVERGES, WAY)
    ages, slowest = AGES * case.time, 0.0
    for side in (-1, 1):
        x = np.abs(displaced(side))
        back = case.dt * (len(x) - 1)
        if x[-1] > NEAR:
            speed = (x[0] - x[-1]) / back
            back = (x[0] - NEAR) / speed if speed > 0 else math.inf
        slowest = max(slowest, back)
    if slowest > 2 * ages:
        words = {NOTHING}
    elif slowest > min(0.5 * ages, case.dt * (len(run.future) - 1)):
        words |= {NOTHING}  # extrapolated
    return words, f"stays within {widest:.3g}; displaced, back in {slowest:.3g}", math.nan


def _swinging(run: Long, crossed: int, about: int) -> set[str]:
    """It crosses in as long again, and is beyond NEAR at the end of that."""
    speed = float(run.past[-1] - run.past[-2]) if len(run.past) > 1 else 0.0
    away = run.past[-1] * speed > 0
    half = len(run.future) // 2
    first, second = (float(np.abs(part).max()) for part in (run.future[:half], run.future[half:]))
    end_away = abs(run.future[-1]) > abs(run.future[-2])
    if crossed >= 2:
        undamped = second > 0.8 * max(first, float(np.abs(run.past[len(run.past) // 2 :]).max()))
        return {SWINGS} if undamped and second > 2 * NEAR else {SWINGS, WAY}
    if crossed == 1:
        return {COLLAPSE, WAY, SWINGS} if away else {WAY, SWINGS}
    if about == 1 and end_away:  # passes θ* and goes
        slows = abs(run.future[-1] - run.future[-2]) < 0.5 * np.abs(np.diff(run.future)).max()
        return {COLLAPSE, BIASED, WAY} if slows else {COLLAPSE, BIASED}  # it may rest beyond
    if about >= 2:  # it is back on this side of θ*: if that takes long, it was gone
        first, second = _crossings(run.future)[:2] * run.dt
        late = second - first > 0.5 * AGES * run.dt * len(run.past)
        return {WAY, SWINGS, COLLAPSE} if late else {WAY, SWINGS}
    return {WAY, COLLAPSE}


def _going(
    case: Case, run: Long, crossed: int, limit: float, left: float, last: float
) -> tuple[set[str], str, float]:
    """No crossing to come: away from θ*, towards it, or at rest."""
    now, ages = float(run.past[-1]), AGES * case.time
    away = abs(last) > abs(now) + EPS
    speed = abs(float(run.future[-1] - run.future[-2])) / run.dt
    fastest = float(np.abs(np.diff(run.future)).max()) / run.dt
    way = abs(case.θ0 - case.θ_star)
    moved = float(np.abs(np.append(run.past, last) - run.past[0]).max())
    done = 1 - abs(now) / way if way > NEAR else 0.0
    needs = (abs(last) - NEAR) / speed if speed else math.inf  # at least
    known = left < NEAR or left < 0.3 * abs(limit)
    if known:  # the time to the rest, if that is not θ*
        needs = left / speed * max(1.0, math.log(left / NEAR)) if left > NEAR else 0.0
    inside, gone_on = np.abs(run.future) <= NEAR, run.dt * (len(run.future) - 1)
    needs = run.dt * float(np.argmax(inside)) if inside.any() else gone_on + needs
    rest = case.θ_star + limit if left < 0.2 * NEAR else math.nan
    why = f"from {now:.4g} to {last:.4g} of θ*, limit {limit:.4g} ± {left:.2g}, done {done:.3g}"
    words: set[str] = set()
    gone = abs(now - float(run.past[0]))  # either way
    share = gone / way if way > NEAR else float(gone > NEAR)
    if speed * ages < NEAR:
        words = near_words(last, WAY, BIASED) if moved > NEAR else {NOTHING}
        words |= {NOTHING} if done < LITTLE * (1 + GREY) else set()
        creeps = last * float(run.future[-1] - run.future[-2]) < 0  # to θ* or a rest on this side
        return words | ({WAY} if creeps and share > LITTLE else set()), why, rest
    if known:
        words |= near_words(limit, WAY, BIASED) | (
            {BIASED, WAY} if left > 0.1 * abs(limit) else set()
        )
        words |= {COLLAPSE} if away and left > NEAR else set()  # no rest that was seen
    elif away:
        words |= {COLLAPSE} | ({BIASED, WAY} if speed < 0.5 * fastest else set())
    else:
        words |= {WAY} | ({SWINGS} if crossed >= 2 else set())
        words |= {COLLAPSE} if speed > 0.8 * fastest and not crossed else set()
        words |= {BIASED} if speed < 0.2 * fastest and abs(limit) > 0.5 * left + NEAR else set()
        # a steady pace, and most of the way unseen: there may be a rest on it
        words |= {BIASED} if math.isnan(limit) and abs(last) > 0.25 * abs(now) else set()
        leaves = len(run.past) > 1 and now * float(now - run.past[-2]) > 0
        words |= {COLLAPSE} if leaves else set()
        creeps = math.isfinite(limit) and abs(limit) < 2 * left  # a logarithm has no limit
        if creeps or (limit * now < 0 and abs(limit) + left > NEAR):  # it may pass θ*
            words |= {COLLAPSE, BIASED}
    longest = needs if inside.any() else needs * max(1.0, math.log(max(abs(last) / NEAR, 1.0)))
    if longest > ages * (1 - GREY):
        least = needs if needs > ages else ages  # the longest time is an estimate
        words = _slow(words, share, share, least, ages)
    return words, why, rest
