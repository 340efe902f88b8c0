"""What a run shows, in one word, with the number that proves it and one sentence for the class.

    converges      θ ends at θ*                          number: |θ − θ*|
    biased         θ comes to rest elsewhere             number: the fixed point
    no learning    θ does not move                       number: the largest |θ̇|
    mode collapse  θ runs on, past θ*                    number: the drift at the end
    oscillates     θ swings across θ*                    number: the period
    diverges       θ leaves the finite numbers           number: the time (bench.py; no path left)

Only the recorded path is looked at, never the name of the method: a user's own method is judged by
the same rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toyflows import display
from toyflows.cloud import Array
from toyflows.flows.base import LEARNED, NEAR
from toyflows.state import Trajectory
from toyflows.target import Target

KINDS = ("converges", "biased", "no learning", "mode collapse", "oscillates", "diverges")
MESSAGE = {  # above a picture of the run; {} is the method's title
    "converges": "{} learns the weight",
    "biased": "{} comes to rest at the wrong weight",
    "no learning": "{} does not move the weight",
    "mode collapse": "{} runs away from the weight",
    "oscillates": "{} never settles on the weight",
    "diverges": "{} leaves the finite numbers",
}
AT_REST = 0.05  # of the largest speed seen
DAMPED = 0.5  # of the swing before: those still to come add up to no more than the last one
STRAIGHT = 0.95  # of the variance of θ̇: a line that explains less says nothing of the limit
ALIKE = 1.5  # two factors are the same, up to this one
SLOW = 0.25  # of the way left: who would go as far in as long a run again is not at rest


@dataclass(frozen=True)
class Verdict:
    """`kind` is one of KINDS; `number` proves it (see above); `says` is the sentence."""

    kind: str
    number: float
    says: str

    def _repr_html_(self) -> str:
        return display.page(display.words(self.says, f"{self.kind}."))


@dataclass(frozen=True)
class _Path:
    """A trajectory seen from θ*."""

    run: Trajectory
    target: Target

    @property
    def gap(self) -> Array:
        return self.run.θ - self.target.θ_star

    @property
    def tail(self) -> slice:
        """The last twentieth of the records, two at least."""
        return slice(-max(2, self.run.t.size // 20), None)

    @property
    def noise(self) -> float:
        """Standard deviation of θ from the walkers' noise: fresh noise of size s in θ̇ at each step
        leaves s√(η/2λ) in θ that is pulled back at rate λ, taken as 0.05 (its order near θ*)."""
        return self.jitter * math.sqrt(self.run.rate * self.run.dt / 0.1)

    @property
    def jitter(self) -> float:
        """Standard deviation of the walkers' noise in θ̇: a smooth path has no second difference."""
        v = self.run.velocity[self.tail]
        return float(np.std(np.diff(v, 2))) / math.sqrt(6.0) if v.size > 2 else 0.0

    @property
    def near(self) -> float:
        """So far from θ* counts as there: NEAR, and six deviations of the walkers' noise."""
        return NEAR + 6.0 * self.noise

    @property
    def speed(self) -> float:
        """Mean θ̇ of the last twentieth."""
        return float(np.mean(self.run.velocity[self.tail]))

    @property
    def rests(self) -> bool:
        """Is θ̇ gone in both halves of the last twentieth (and not just turning round)?"""
        halves = np.array_split(self.run.velocity[self.tail], 2)
        fastest = np.max(np.abs(self.run.velocity))
        return bool(max(abs(h.mean()) for h in halves) < AT_REST * fastest)

    @property
    def started_at_rest(self) -> bool:
        """Is there no drift in the first twentieth either, only noise?"""
        v = self.run.velocity
        head = v[: max(2, v.size // 20)]
        noise = 6.0 * self.jitter / math.sqrt(head.size)
        return bool(abs(head.mean()) < max(AT_REST * np.max(np.abs(v)), noise))

    @property
    def drifts(self) -> bool:
        """Is the mean θ̇ of the tail more than six of its standard errors?"""
        v = self.run.velocity[self.tail]
        return v.size > 2 and abs(self.speed) > 6.0 * self.jitter / math.sqrt(v.size)

    @property
    def aims_at_star(self) -> bool:
        """Is the limit at θ*, or SLOW of the way left from it?"""
        off = abs(self.limit() - self.target.θ_star)
        return bool(off <= max(self.near, SLOW * abs(self.gap[-1])))

    @property
    def is_slow(self) -> bool:
        """Would θ, at its speed, go SLOW of the way left in a run as long as this one?"""
        gap = float(self.gap[-1])
        ahead = self.run.rate * self.speed * float(self.run.t[-1] - self.run.t[0])
        return ahead * gap < 0 and abs(ahead) >= SLOW * abs(gap)

    @property
    def slows_down(self) -> bool:
        """Has the speed fallen by the same factor as the distance to θ*, on more than half the way?
        Persistent walkers' noise is smooth: it bends the line of `limit`, and is no jitter."""
        gap, gap0 = float(self.gap[-1]), float(self.gap[0])
        left = abs(gap) / max(abs(gap0), 1e-300)
        fastest = float(np.max(np.abs(self.run.velocity)))
        same = left / ALIKE <= abs(self.speed) / max(fastest, 1e-300) <= left * ALIKE
        return left < 0.5 and gap * gap0 > 0 and self.speed * gap < 0 and same

    def _crossed(self) -> Array:
        """Records at which θ has crossed θ*, hesitations inside ±near not counted."""
        outside = np.flatnonzero(np.abs(self.gap) > self.near)
        return outside[1:][np.diff(np.sign(self.gap[outside])) != 0]

    def crossings(self) -> Array:
        """The times of these."""
        return self.run.t[self._crossed()]

    @property
    def spirals_in(self) -> bool:
        """Does θ go, from crossing to crossing, at most DAMPED times as far as the time before?"""
        swings = np.array([np.max(np.abs(g)) for g in np.split(self.gap, self._crossed())])
        return bool(np.all(swings[1:] <= DAMPED * swings[:-1]))

    def limit(self) -> float:
        """Where θ tends to: the zero of the line θ̇ = λ(θ∞ − θ) through the second half, or nan
        where it is no such line."""
        half = slice(self.run.t.size // 2, None)
        θ, v = self.run.θ[half], self.run.velocity[half]
        spread, change = θ - θ.mean(), v - v.mean()
        if np.max(np.abs(spread)) < 1e-9:
            return float(θ[-1])
        λ = -float(spread @ v / (spread @ spread))
        bent = change + λ * spread
        straight = bent @ bent <= (1 - STRAIGHT) * (change @ change) + v.size * self.jitter**2 * 2
        return float(θ.mean() + v.mean() / λ) if λ > 0 and straight else math.nan


def judge(run: Trajectory, target: Target) -> Verdict:
    """The verdict on a recorded run of at least two records."""
    # Speeds may be 1e−304: their products are 0 and the times they need infinite, as they should.
    with np.errstate(under="ignore", over="ignore"):
        return _judge(run, target)


def _judge(run: Trajectory, target: Target) -> Verdict:
    path = _Path(run, target)
    gap0, gap = abs(path.gap[0]), float(np.max(np.abs(path.gap[path.tail])))
    fastest = float(np.max(np.abs(run.velocity)))
    if gap <= path.near:
        return _converges(path)
    if len(path.crossings()) >= 2:
        return _converges(path) if path.spirals_in else _oscillates(path)
    unmoved = gap0 > path.near and np.max(np.abs(run.θ - run.θ[0])) <= LEARNED * gap0
    if unmoved and path.started_at_rest:
        return _no_learning(path, fastest)
    if path.rests:
        slow = path.drifts and (path.aims_at_star or path.is_slow)
        return _converges(path) if slow else _biased(path, float(np.mean(run.θ[path.tail])))
    if unmoved:
        return _no_learning(path, fastest)
    if _runs_on(path):
        return _mode_collapse(path)
    if path.aims_at_star:
        return _converges(path)
    limit = path.limit()
    if math.isfinite(limit):
        return _biased(path, limit)
    return _converges(path) if path.slows_down else _mode_collapse(path)


def _runs_on(path: _Path) -> bool:
    """θ moves away from θ*, or its speed does not fall as the distance falls."""
    gap0, gap = path.gap[0], path.gap[-1]
    fastest = float(np.max(np.abs(path.run.velocity)))
    away = path.speed * gap > 0 and abs(path.speed) > 0.5 * fastest
    blind = abs(path.speed) > fastest * (0.5 + abs(gap) / max(abs(gap0), 1e-300))
    return bool(away or blind)


def _converges(path: _Path) -> Verdict:
    gap, θ = abs(float(path.gap[-1])), path.run.θ[-1]
    star = path.target.θ_star
    if gap > path.near:
        says = f"θ has come to {θ:.4g} and closes in on θ* = {star:.4g}: it learns the weight."
    else:
        says = f"θ ends at {θ:.6g}, {gap:.1e} from θ* = {star:.6g}: the method learns the weight."
    return Verdict("converges", gap, says)


def _biased(path: _Path, limit: float) -> Verdict:
    p = path.target.mixture.weight_b
    says = (
        f"θ comes to rest at {limit:.6g}, not at θ* = {path.target.θ_star:.6g}: "
        f"the method learns the weight {p(limit):.3f} in place of {path.target.q_star:.3f}."
    )
    return Verdict("biased", limit, says)


def _no_learning(path: _Path, fastest: float) -> Verdict:
    left = abs(path.gap[-1]) / fastest if fastest > 0 else math.inf
    says = (
        f"|θ̇| ≤ {fastest:.1e}: the way to θ* would take "
        f"{f'a time of {left:.0e}' if math.isfinite(left) else 'for ever'}; "
        "this run does not learn the weight."
    )
    return Verdict("no learning", fastest, says)


def _mode_collapse(path: _Path) -> Verdict:
    run, target = path.run, path.target
    predicted = target.mixture.weight_b(float(run.θ[0])) - target.q_star
    says = f"θ drifts on at {path.speed:+.4f} a unit of time (p_b(θ0) − q* = {predicted:+.4f})"
    passed = path.crossings()
    if len(passed):
        says += f", past θ* = {target.θ_star:.4g} since t = {passed[0]:.3g}"
    if run.walkers and math.isfinite(run.crossings[-1]):
        says += f"; the {run.walkers:,} walkers changed mode {run.crossings[-1]:,.0f} times"
    return Verdict("mode collapse", path.speed, says + ".")


def _oscillates(path: _Path) -> Verdict:
    times = path.crossings()
    period = 2.0 * float(np.mean(np.diff(times)))
    says = (
        f"θ swings between {path.run.θ.min():.4g} and {path.run.θ.max():.4g}, crossing "
        f"θ* = {path.target.θ_star:.4g} {len(times)} times, with a period of {period:.4g}."
    )
    return Verdict("oscillates", period, says)
