"""Where a method takes θ from where a run stopped: what a verdict is made of.

    no persistent particles   θ̇ = v(θ) on the exact law: its zeros and the time to them (field.py);
                              with further coordinates (NCE's c, a GAN's w and c) the same equation
                              followed, by Euler's own steps where these are unstable
    persistent particles      the exact law, from the state in which the run stopped, for as long
                              again (a short run for LEAST)
    no exact law              independent replicas (other seeds), each for as long again; what they
                              do on average, and their spread is the noise

What is followed, and how a run that is at θ* is asked whether it is held there: followed.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from toyflows import linear, stationary
from toyflows.cloud import Array
from toyflows.errors import InputError, NoExactLaw
from toyflows.field import Ahead, chatter, walk
from toyflows.flows.base import NEAR, Flow
from toyflows.followed import RunEnd, is_field
from toyflows.ode import follow
from toyflows.path_ahead import DEVIATIONS, RUNS, Line, Outlook
from toyflows.replicas import Replicas
from toyflows.state import State, Trajectory
from toyflows.target import Target

SLOPE = 1e-3  # half-width of the difference that gives v' at a zero
FOLLOWS = 0.1  # share of the held particles' velocity: θ is slow enough for them
FINE = 1e-8  # accuracy of the rest point of held particles
COARSE = 1e-2  # share of the walkers' noise to which a rest point is found
LASTS = 0.99  # a step as a share of the one before, to the other side
AT_REST = 0.1  # tolerances from the rest point: the swings about θ* have ended beside it


def outlook(flow: Flow, target: Target, run: Trajectory, backend: Any = None) -> Outlook:
    """What comes after the run's last record. `backend` is the one it was made on: asked for where
    the flow has no exact law."""
    state = run.state
    kind: type[_Field | _Particles | Replicas] = _Field
    if not flow.exact or (state and state.memory and run.backend == "walkers"):
        kind = Replicas  # what is kept of single walkers has no law either
    elif run.backend != "theory" and not is_field(flow):
        kind = _Particles
    # Speeds may be 1e−304: their products are 0 and the times they need infinite, as they should.
    with np.errstate(under="ignore", over="ignore"):
        try:
            return kind(flow, target, run, backend).found()
        except NoExactLaw:
            return Replicas(flow, target, run, backend).found()


class _Field(RunEnd):
    """θ̇, and the rates of further coordinates, are a function of these."""

    def found(self) -> Outlook:
        return self._together() if self.run.extra else self._alone()

    # ------------------------------------------------------------------ one coordinate
    def _alone(self) -> Outlook:
        star, rates = self.target.θ_star, self._rates()

        def v(θ: float) -> float:
            try:
                return float(rates(np.array([θ]))[0])
            except (InputError, ArithmeticError):  # a user's own function, where it never was
                return math.nan

        noise = self._noise_of_field(v)
        near = NEAR + DEVIATIONS * noise
        if abs(self.θ - star) <= near:
            low, high = (walk(v, star + side * 2 * near, star, near) for side in (-1, 1))
            if all(self._arrives(a, near) for a in (low, high)):
                return Outlook("stays", needs=0.0, noise=noise, drift=v(self.θ))
        ahead = walk(v, self.θ, star, near)
        if ahead.end == "zero" and not self.flow.kinked and self.run.state is not None:
            slope = (v(ahead.at + SLOPE) - v(ahead.at - SLOPE)) / (2 * SLOPE)
            if abs(slope) * self.η >= 2.0 and chatter(v, ahead.at, self.η) > NEAR:
                return self._by_steps(noise)
        return self._told(ahead, v, noise)

    def _arrives(self, ahead: Ahead, near: float) -> bool:
        """Does what was moved off θ* come back, in RUNS runs as long?"""
        back = ahead.end == "zero" and abs(ahead.at - self.target.θ_star) <= near
        return back and ahead.time <= self.run.rate * RUNS * max(self.lasted, self.run.dt)

    def _told(self, ahead: Ahead, v: Callable[[float], float], noise: float) -> Outlook:
        star, near, rate = self.target.θ_star, NEAR + DEVIATIONS * noise, self.run.rate
        out = Outlook("away", noise=noise, drift=v(self.θ))
        if abs(self.θ - star) <= near and ahead.end == "zero" and abs(ahead.at - star) <= near:
            return out._replace(goes="still")  # at θ*, and not held there
        if ahead.end == "still" and abs(ahead.at - self.θ) <= NEAR:
            return out._replace(goes="still")
        if (ahead.at - star) * (self.θ - star) < 0:
            out = out._replace(passed=ahead.passed / rate)
        if ahead.end != "zero":  # to the end of the numbers, or to where v is lost
            return out
        goes = "star" if abs(ahead.at - star) <= near else "rest"
        return out._replace(goes=goes, rest=ahead.at, needs=ahead.time / rate, exact=True)

    def _rates(self) -> Callable[[Array], Array]:
        """(θ̇, rates of the further coordinates) on the exact law, or of the closed form."""
        names, θ0 = tuple(self.run.extra), float(self.run.θ[0])
        if self.run.backend == "theory":

            def told(y: Array) -> Array:
                θ, *more = y.tolist()
                named = dict(zip(names, more, strict=True))
                return np.atleast_1d(self.flow.separated(self.target, θ, θ0, **named))

            return told
        exact, state = self.exact, self.run.state
        chains = state.chains if self.run.backend == "grid" and state else None
        return linear.rates(self.flow, exact, chains or self.flow.init(exact, θ0), names)

    # ------------------------------------------------------------------ several coordinates
    def _together(self) -> Outlook:
        rates, names = self._rates(), tuple(self.run.extra)
        y = np.array([self.θ, *(float(self.run.extra[n][-1]) for n in names)])
        noise = self._noise_of_path()
        near = NEAR + DEVIATIONS * noise
        λ = linear.eigenvalues(self.flow, self.exact) if self.run.backend != "theory" else None
        unstable = λ is not None and self.η > linear.largest_step(λ) > 0
        if (unstable or alternates(rates, y, self.η, near)) and self.run.state is not None:
            return self._by_steps(noise)
        if λ is not None and linear.circles(λ):
            period = 2 * math.pi / float(np.abs(self.run.rate * λ.imag).max())
            return Outlook("swings", period=period, noise=noise)
        far = RUNS * max(self.lasted, self.run.dt)
        there = abs(y[0] - self.target.θ_star) <= near
        star = np.array([self.target.θ_star])
        try:
            ahead, settled = by_equation(rates, y, star, self.run.rate, far, near)
            there = there and not ahead.leaves(near)
            if there:
                y = y + np.eye(y.size)[0] * 2 * near * self._side()
                ahead, settled = by_equation(rates, y, star, self.run.rate, far, near)
        except ArithmeticError:  # beyond the floats, where Euler's steps need not come
            return self._by_steps(noise)
        out = self._read(ahead, noise, there, settled)
        if out.goes == "?":
            out = out._replace(goes="star")
        if out.goes == "away" and λ is not None and np.all(λ.real < 0):
            out = out._replace(goes="star", needs=1.01 * far)  # a swing that will be damped
        late = ahead.t[-1] >= far and ahead.off(np.array([near]))[-1] > 1 and not settled
        return out._replace(needs=max(out.needs, 1.01 * far)) if late else out

    def _by_steps(self, noise: float) -> Outlook:
        """Followed by the method's own steps: what these do, not the equation, is what is seen. Of
        what goes to θ* it is asked whether these steps hold it there."""
        out, state = self._followed(self.exact, self._on_grid(), noise)
        if out.goes != "star":
            return out
        star = self.target.θ_star - 2 * out.near * self._side()  # beyond it
        beside = state._replace(θ=star, extra=state.extra | self.flow.rest(self.target))
        ahead, _ = self._continued(self.exact, beside, out.near)
        held = self._read(ahead, noise, there=True)
        if held.goes in ("stays", "star", "still"):
            return out
        return held._replace(passed=out.needs, needs=math.inf)


class _Particles(RunEnd):
    """Particles that persist, on the exact law."""

    def found(self) -> Outlook:
        out, state = self._followed(self.exact, self._on_grid(), self._noise_of_particles())
        known = out.followed == 0 or bool(self.run.extra) or bool(state.memory)
        if out.goes in ("star", "rest", "away", "swings") and not known:
            out = self._at_last(out, state)
        elif out.goes == "stays" and not known:
            out = self._stays_at_last(out, state)
        if self.run.walkers and out.goes in ("away", "rest"):
            # a share of b that is off by its own noise drives θ as long as it is fixed
            p = self._first_share
            drawn = DEVIATIONS * math.sqrt(p * (1 - p) / self.run.walkers)
            if np.max(np.abs(self.run.velocity)) <= drawn:  # and all that has moved is noise
                moved = float(np.max(np.abs(self.run.θ - self.run.θ[0])))
                return out._replace(goes="still", noise=max(out.noise, moved / DEVIATIONS))
        return out

    def _stays_at_last(self, out: Outlook, state: State) -> Outlook:
        """The same of a θ that stayed at θ* as long as it was followed: does the field of held
        particles take it away within RUNS runs, to a rest beside θ*?"""
        star, near, rate = self.target.θ_star, out.near, self.run.rate
        assert state.chains is not None
        g = stationary.field(self.flow, self.exact, state.chains)
        try:
            low, high = g(star - near), g(star + near)
            side, speed = (-1, -low) if low < 0 else (1, high)
            leaves = near / (rate * speed) if speed > 0 else math.inf
            if not leaves <= RUNS * self.lasted:
                return out
            ahead = walk(g, star + side * near, star, near, max(FINE, COARSE * out.noise))
        except (InputError, ArithmeticError):
            return out
        if ahead.end != "zero":
            return out
        needs = out.followed + ahead.time / rate
        return out._replace(goes="rest", rest=ahead.at, needs=needs, exact=True, passed=leaves)

    def _at_last(self, out: Outlook, state: State) -> Outlook:
        """The same, where the field of held particles knows more (stationary.py): θ follows it, or
        will come to rest beside θ*."""
        star, near, rate = self.target.θ_star, out.near, self.run.rate
        assert state.chains is not None
        g = stationary.field(self.flow, self.exact, state.chains)
        there = abs(self.θ - star) <= near
        try:
            v, held = self.flow.observe(self.exact, state).velocity, g(state.θ)
            slow = math.isnan(out.period)  # what swings has that velocity now and then
            follows = slow and abs(v - held) <= FOLLOWS * abs(held)
            aside = -1 if g(star - near) < 0 else 1 if g(star + near) > 0 else 0
            if follows or out.goes == "swings":
                begin = state.θ
            elif out.goes == "rest":
                begin = out.rest
            elif out.goes == "star" and aside and not there:
                begin = star + aside * near
            else:
                return out
            ahead = walk(g, begin, star, near, max(FINE, COARSE * out.noise))
        except (InputError, ArithmeticError):
            return out
        if ahead.end != "zero":
            beyond = follows and out.goes == "away" and (ahead.at - star) * (state.θ - star) < 0
            return out._replace(passed=out.followed + ahead.passed / rate) if beyond else out
        if out.goes == "swings" and abs(ahead.at - state.θ) > AT_REST * near:
            return out  # a swing passes its rest, and goes on
        goes = "rest" if abs(ahead.at - star) > near else "stays" if there else "star"
        needs, passed = out.needs, out.passed
        same = goes == "star" or abs(out.rest - ahead.at) <= near
        arrived = out.goes == goes and same and needs <= out.followed  # and was seen to
        if (follows or out.goes == "rest") and not arrived:  # from the end of what was followed
            known = follows or 0.5 * abs(held) <= abs(v) <= 2 * abs(held)  # else particles decide
            needs = out.followed + ahead.time / rate if known else math.inf
        elif goes == "rest" and out.goes == "star":  # θ* is passed, and how often is not known
            needs, passed = math.inf, out.needs
        if follows and math.isnan(passed) and (ahead.at - star) * (state.θ - star) < 0:
            passed = out.followed + ahead.passed / rate
        return out._replace(goes=goes, rest=ahead.at, needs=needs, exact=True, passed=passed)


def by_equation(
    rates: Callable[[Array], Array], y: Array, star: Array, rate: float, far: float, near: float
) -> tuple[Line, bool]:
    """The path of ẏ = rate·rates(y), whose first coordinates have the target `star`, for a time
    `far`, or to a stable rest that it falls to: did it?"""
    settled = _Settled(rates, near)
    t, places = follow(lambda z: rate * rates(z), y, far, settled)
    gap = places[:, : star.size] - star
    if settled.rest is None:
        return Line(t, gap), False
    return Line(np.append(t, far), np.vstack([gap, settled.rest[: star.size] - star])), True


def alternates(rates: Callable[[Array], Array], y: Array, η: float, near: float) -> bool:
    """Do Euler's steps from y throw a coordinate to and fro, by more than `near`, undamped?"""
    first = η * rates(y)
    second = η * rates(y + first)
    return bool(np.any((np.abs(first) > near) & (second * first <= -LASTS * first**2)))


class _Settled:
    """Is y so near to a stable rest of ẏ = rates(y) that it falls to it? Asked now and then."""

    def __init__(self, rates: Callable[[Array], Array], near: float):
        self.rates, self.near = rates, near
        self.asked, self.rest = 0, None

    rest: Array | None

    def __call__(self, y: Array) -> bool:
        self.asked += 1
        if self.asked % 8:
            return False
        found = linear.at_rest(self.rates, y, 2 * self.near)
        if found is None or np.max(np.abs(found[1] - y)) > self.near:
            return False
        if np.all(np.linalg.eigvals(found[0]).real < 0):
            self.rest = found[1]
        return self.rest is not None
