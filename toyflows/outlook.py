"""Where a method takes θ from where a run stopped: what a verdict is made of.

    no persistent particles   θ̇ = v(θ) on the exact law: its zeros and the time to them (field.py);
                              with further coordinates (NCE's c, a GAN's w and c) the same equation
                              followed, by Euler's own steps where these are unstable
    persistent particles      the exact law, from the state in which the run stopped, for as long
                              again (a short run for LEAST)
    no exact law              independent replicas (other seeds), each for as long again; what they
                              do on average, and their spread is the noise

A run that is at θ*, and stays, is moved by 2 tolerances: only what comes back is held there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyflows import linear, solve, stationary
from toyflows.backends.grid import Grid
from toyflows.cloud import Array, Cloud
from toyflows.errors import Diverged, InputError
from toyflows.field import Ahead, chatter, follow, walk
from toyflows.flows.base import NEAR, Flow
from toyflows.path_ahead import (
    BENT,
    DEVIATIONS,
    RUNS,
    Line,
    Outlook,
    jitter,
    left_by_noise,
    read,
    straight,
)
from toyflows.state import State, Trajectory
from toyflows.target import Target, nodes

LEAST = 100.0  # time for which a persistent method is followed, at least, as far as WORK allows
WORK = 3e9  # pairs of nodes: a second of one core, about
REPLICAS = 4
NOISIEST = 0.1  # in θ: with fewer walkers in a mode, their noise is no excuse
SLOPE = 1e-3  # half-width of the difference that gives v' at a zero
FIRST_PIECE = 100  # steps
ONWARDS = 3  # times longer is a path followed that heads for θ* and may stop before it
FOLLOWS = 0.1  # share of the held particles' velocity: θ is slow enough for them
FINE = 1e-8  # accuracy of the rest point of held particles
COARSE = 1e-2  # share of the walkers' noise to which a rest point is found
AT_REST = 0.1  # tolerances from the rest point: the swings about θ* have ended beside it
STOPS = 0.01  # share of the speed that is left where the method stops by itself


def is_field(flow: Flow) -> bool:
    """Is θ̇ a function of θ (and further coordinates) alone: no persistent particles?"""
    kind = type(flow)
    moved = kind.advance is not Flow.advance or kind.store is not Flow.store
    moved = moved or kind.memory is not Flow.memory
    return not moved and (kind.step is Flow.step or flow.kinked)


def outlook(flow: Flow, target: Target, run: Trajectory, backend: Any = None) -> Outlook:
    """What comes after the run's last record. `backend` is the one it was made on: asked for where
    the flow has no exact law."""
    # Speeds may be 1e−304: their products are 0 and the times they need infinite, as they should.
    with np.errstate(under="ignore", over="ignore"):
        return _Case(flow, target, run, backend).found()


@dataclass(frozen=True)
class _Case:
    flow: Flow
    target: Target
    run: Trajectory
    backend: Any

    @property
    def exact(self) -> Grid:
        return Grid(self.target, self.run.dt)

    @property
    def η(self) -> float:
        return self.run.rate * self.run.dt

    @property
    def θ(self) -> float:
        return float(self.run.θ[-1])

    @property
    def lasted(self) -> float:
        return float(self.run.t[-1] - self.run.t[0])

    def _steps(self, state: State) -> int:
        """Of what is followed: as long again, and a short run for LEAST if that is cheap. A step's
        work is at most that of each pair of nodes, for each move of each set of particles."""
        clouds = state.chains if isinstance(state.chains, tuple) else (state.chains,)
        n = self.exact.x.size
        pairs = n * sum(cloud.size for cloud in clouds if cloud is not None)
        work = max(pairs, n) * getattr(self.flow, "k", 1)
        least = min(round(LEAST / self.run.dt), int(WORK / work))
        return max(round(self.lasted / self.run.dt), least)

    @property
    def past(self) -> Line:
        return Line(self.run.t, (self.run.θ - self.target.θ_star)[:, None])

    def found(self) -> Outlook:
        state = self.run.state
        if not self.flow.exact or (state and state.memory and self.run.backend == "walkers"):
            return self._replicas()  # what is kept of single walkers has no law either
        if self.run.backend != "theory" and not is_field(self.flow):
            return self._persistent()
        return self._alone() if not self.run.extra else self._together()

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
        if λ is not None and self.η > linear.largest_step(λ) > 0 and self.run.state is not None:
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

    def _side(self) -> float:
        """On which side of θ* the run is."""
        return math.copysign(1.0, self.θ - self.target.θ_star)

    def _by_steps(self, noise: float) -> Outlook:
        """Followed by the method's own steps: what these do, not the equation, is what is seen."""
        return self._followed(self.exact, self._on_grid(), noise)[0]

    # ------------------------------------------------------------------ persistent particles
    def _persistent(self) -> Outlook:
        out, state = self._followed(self.exact, self._on_grid(), self._noise_of_particles())
        known = out.followed == 0 or bool(self.run.extra) or bool(state.memory)
        if out.goes in ("star", "rest", "away", "swings") and not known:
            out = self._at_last(out, state)
        if self.run.walkers and out.goes in ("away", "rest"):
            # a share of b that is off by its own noise drives θ as long as it is fixed
            p = self._first_share
            drawn = DEVIATIONS * math.sqrt(p * (1 - p) / self.run.walkers)
            if np.max(np.abs(self.run.velocity)) <= drawn:  # and all that has moved is noise
                moved = float(np.max(np.abs(self.run.θ - self.run.θ[0])))
                return out._replace(goes="still", noise=max(out.noise, moved / DEVIATIONS))
        return out

    def _at_last(self, out: Outlook, state: State) -> Outlook:
        """The same, where the field of held particles knows more (stationary.py): θ follows it, or
        will come to rest beside θ*."""
        star, near, rate = self.target.θ_star, out.near, self.run.rate
        assert state.chains is not None
        g = stationary.field(self.flow, self.exact, state.chains)
        there = abs(self.θ - star) <= near
        try:
            v, held = self.flow.observe(self.exact, state).velocity, g(state.θ)
            follows = abs(v - held) <= FOLLOWS * abs(held)
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
            return out
        if out.goes == "swings" and abs(ahead.at - state.θ) > AT_REST * near:
            return out  # a swing passes its rest, and goes on
        goes = "rest" if abs(ahead.at - star) > near else "stays" if there else "star"
        needs, passed = out.needs, out.passed
        if follows:
            needs = out.followed + ahead.time / rate
            if math.isnan(passed) and (ahead.at - star) * (state.θ - star) < 0:
                passed = out.followed + ahead.passed / rate
        return out._replace(goes=goes, rest=ahead.at, needs=needs, exact=True, passed=passed)

    def _on_grid(self) -> State:
        state = self.run.state
        assert state is not None
        if self.run.backend == "grid" or state.chains is None or is_field(self.flow):
            chains = state.chains if self.run.backend == "grid" else None
            fresh = self.flow.init(self.exact, float(self.run.θ[0]))
            return state._replace(chains=chains if chains is not None else fresh)
        clouds = state.chains if isinstance(state.chains, tuple) else (state.chains,)
        gathered = tuple(_on_nodes(self.exact, cloud) for cloud in clouds)
        ladder = isinstance(state.chains, tuple)
        return state._replace(step=0, chains=gathered if ladder else gathered[0])

    def _followed(self, ops: Any, state: State, noise: float) -> tuple[Outlook, State]:
        near = NEAR + DEVIATIONS * noise
        there = abs(state.θ - self.target.θ_star) <= near
        try:
            ahead, later = self._continued(ops, state, near)
            there = there and not ahead.leaves(near)
            if there:
                ahead, later = self._continued(ops, self._aside(ops, state, near), near)
            state = later
        except ArithmeticError:  # Diverged, or a user's own numbers
            return Outlook("away", noise=noise, needs=0.0), state
        out = self._read(ahead, noise, there)
        for _ in range(ONWARDS):
            heads = out.goes == "?" and not self._stops(ops, state)
            if not heads and not (out.goes == "away" and ahead.slows()):
                break
            more, state = self._continued(ops, state, near)
            ahead = ahead.then(Line(ahead.t[-1] + more.t, more.gap))
            out = self._read(ahead, noise, there)
        if out.goes == "?":  # heads for θ*, as a straight line does: would it be held there?
            held = self._stops(ops, state) or self._is_held(ops, near, out.needs)
            out = out._replace(goes="star" if held else "away",
                               passed=math.nan if held else out.needs,
                               needs=out.needs if held else math.inf)  # fmt: skip
        return out, state

    def _aside(self, ops: Any, state: State, near: float) -> State:
        """The state moved off θ* by two tolerances more."""
        return self.flow.displaced(ops, state, state.θ + 2 * near * self._side())

    def _continued(self, ops: Any, state: State, near: float) -> tuple[Line, State]:
        """Up to `steps` steps on from the state, in pieces that double; it ends early where θ*
        holds θ."""
        θ, left, part = [np.array([state.θ])], self._steps(state), FIRST_PIECE
        while left > 0:
            part = min(part, left)
            piece = solve.run(self.flow, ops, state.θ, part, self.run.rate, 1, state)
            assert piece.state is not None
            state, left = piece.state, left - part
            θ.append(piece.θ[1:])
            stays = np.max(np.abs(piece.θ - self.target.θ_star)) <= near
            if stays and np.ptp(piece.θ) <= BENT * near:
                break
            part = sum(map(len, θ)) - 1
        path = np.concatenate(θ)[:, None] - self.target.θ_star
        return Line(np.arange(len(path), dtype=np.float64) * self.run.dt, path), state

    def _stops(self, ops: Any, state: State) -> bool:
        """Would θ stop at θ* if it were there now, the particles where they are?"""
        there = self.flow.displaced(ops, state, self.target.θ_star)
        speeds = [abs(self.flow.observe(ops, s).velocity) for s in (there, state)]
        return speeds[0] <= STOPS * speeds[1]

    def _is_held(self, ops: Any, near: float, needs: float) -> bool:
        """Does θ come back to θ* from beside it, the particles in the law of θ*? As slowly as it
        comes to θ*, which `needs` that time, is enough."""
        start = self.flow.begin(ops, self.target.θ_star)
        if isinstance(start.chains, tuple):  # a ladder begins at one temperature, or in the data
            law = stationary.held(self.flow, ops, start.θ, start.chains)
            start = start._replace(chains=law if law is not None else start.chains)
        beside = self._aside(ops, start, near)
        try:
            ahead, _ = self._continued(ops, beside, near)
        except Diverged:
            return False
        lasted = max(self.lasted, needs / RUNS)
        return read(None, ahead, np.array([near]), lasted, there=True).goes == "stays"

    # ------------------------------------------------------------------ no exact law
    def _replicas(self) -> Outlook:
        """The run and others of other seeds, each for as long again: their mean, their spread. A
        rest must be the same in as long again: a turn looks like one."""
        steps, star = round(self.lasted / self.run.dt), self.target.θ_star
        states = [self.run.state]
        seeds = [self.backend.seed + 1_000_003 * k for k in range(1, REPLICAS)]
        backends = [self.backend, *(replace(self.backend, seed=seed) for seed in seeds)]
        θ0, rate = float(self.run.θ[0]), self.run.rate
        for other in backends[1:]:
            states.append(solve.run(self.flow, other, θ0, steps, rate, max(1, steps // 100)).state)
        noise = float(np.std([s.θ for s in states if s], ddof=1))
        near = NEAR + DEVIATIONS * noise
        there = abs(self.θ - star) <= near
        if there:
            states = [
                self._aside(ops, s, near) for ops, s in zip(backends, states, strict=True) if s
            ]
        paths, states = self._go_on(backends, states, steps)
        out = self._of_replicas(paths, noise, there)
        for _ in range(ONWARDS):
            if out.goes != "rest":
                break
            more, states = self._go_on(backends, states, paths.shape[1] - 1)
            paths, before = np.hstack([paths, more[:, 1:]]), out
            out = self._of_replicas(paths, noise, there)
            if np.ptp([before.rest, out.rest, float(more.mean(axis=0)[-1])]) <= near:
                break
        return out

    def _go_on(
        self, backends: list[Any], states: list[State | None], steps: int
    ) -> tuple[Array, list[State | None]]:
        """θ of the replicas (REPLICAS, steps + 1) from these states on, and their last states."""
        runs = [
            solve.run(self.flow, ops, 0.0, steps, self.run.rate, 1, state)
            for ops, state in zip(backends, states, strict=True)
        ]
        return np.array([run.θ for run in runs]), [run.state for run in runs]

    def _of_replicas(self, paths: Array, noise: float, there: bool) -> Outlook:
        star, ways = self.target.θ_star, paths[:, -1] - paths[:, 0]
        mean = paths.mean(axis=0) - star
        ahead = Line(np.arange(mean.size) * self.run.dt, mean[:, None])
        blur = DEVIATIONS * math.sqrt(0.5 * (noise**2 + float(np.var(ways, ddof=1))))
        if abs(mean[0] + star - float(self.run.θ[0])) > blur:  # it has moved: may be at a turn
            blur = 0.0
        out = self._read(ahead, noise, there, blur=blur)
        if out.goes == "rest" and not there and straight(paths):
            way, gap = float(mean[-1] - mean[0]), float(mean[-1])
            needs = float(ahead.t[-1]) * abs(gap / way) if way * gap < 0 else math.inf
            out = out._replace(goes="star" if way * gap < 0 else "away", needs=needs, rest=math.nan)
        return out._replace(goes="star") if out.goes == "?" else out

    # ------------------------------------------------------------------ reading, and noise
    def _read(
        self, ahead: Line, noise: float, there: bool, settled: bool = False, blur: float = 0.0
    ) -> Outlook:
        near = np.array([NEAR + DEVIATIONS * noise])
        out = read(self.past, ahead, near, self.lasted, there, settled, blur)
        if out.goes in ("star", "rest") and not there:
            out = out._replace(passed=ahead.reaches())
        star, rate = self.target.θ_star, self.run.rate
        return out._replace(rest=star + out.rest, drift=out.drift / rate, noise=noise)

    @property
    def _first_share(self) -> float:
        """Of mode b among the persistent particles at the start."""
        if getattr(self.flow, "start", "model") == "data":
            return self.target.q_star
        return self.target.mixture.weight_b(float(self.run.θ[0]))

    def _noise_of_path(self) -> float:
        if not self.run.walkers:
            return 0.0
        n = max(1.0, self.lasted / self.run.dt)
        return left_by_noise(jitter(self.run.velocity), self.η, n)

    def _noise_of_field(self, v: Callable[[float], float]) -> float:
        if not self.run.walkers:
            return 0.0
        star, n = self.target.θ_star, max(1.0, self.lasted / self.run.dt)
        λ = (v(star - NEAR) - v(star + NEAR)) / (2 * NEAR)
        return left_by_noise(jitter(self.run.velocity), self.η, n, max(λ, 1e-300))

    def _noise_of_particles(self) -> float:
        """N particles leave 1/√(N p(1−p)) in θ while none changes mode: their share of b, p at the
        start, is fixed. Where they do, with the mixing time τ, a spiral keeps √(γτ/N) at the rate γ
        (flows/pcd.py)."""
        run, mix = self.run, self.target.mixture
        if not run.walkers:
            return 0.0
        p = self._first_share
        frozen = 1 / math.sqrt(run.walkers * max(p * (1 - p), 1e-12))
        changed = float(run.crossings[-1]) / run.walkers
        if not changed >= 1:
            return min(frozen, NOISIEST)
        spiral = math.sqrt(run.rate * mix.mixing_time(self.θ) / run.walkers)
        return min(spiral, frozen, NOISIEST)


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
        found = linear.at_rest(self.rates, y)
        if found is None or np.max(np.abs(found[1] - y)) > self.near:
            return False
        if np.all(np.linalg.eigvals(found[0]).real < 0):
            self.rest = found[1]
        return self.rest is not None


def _on_nodes(grid: Grid, cloud: Cloud) -> Cloud:
    """Walkers as weights on nodes, each shared by the two beside it: its mean is kept."""
    x, m, dx = cloud.x, grid.mixture.m, grid.dx
    to = nodes(min(x.min(), grid.x[0]) - dx, max(x.max(), grid.x[-1]) + dx, dx, m)
    place = (x - to[0]) / dx
    k = place.astype(np.intp)
    f, w = place - k, cloud.weights
    heights = np.bincount(k, w * (1 - f), to.size) + np.bincount(k + 1, w * f, to.size)
    with np.errstate(divide="ignore"):
        return Cloud(to, np.log(heights) + cloud.log_mass)
