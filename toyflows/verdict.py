"""What a run shows, in one word, with the number that proves it and one sentence for the class.

The word is decided by the first line that holds, from where the method takes θ after the run's last
record (outlook.py), never by the method's name:

    θ or another coordinate has left the finite numbers      diverges        the time
    θ is at θ*, and comes back when it is moved off           converges       |θ − θ*|
    θ is at θ*, and does not come back, as nothing moves      no learning     the largest |θ̇|
    θ swings about θ*, undamped as far as it was followed     oscillates      the period
    nothing moves, or 100 runs as long would not bring θ
      to θ* or to its rest, and a tenth of the way is not done no learning     the largest |θ̇|
    θ goes to θ*                                              on its way      share of the way done
    θ is at rest elsewhere, or goes to it                     biased          the rest
    θ leaves θ*, or passes it and goes on                     mode collapse   θ̇

The way is that to θ* or to the rest, whichever is shorter; what began at θ* and has left it has
moved. A swing that was seen to cross θ* twice is undamped while each is above half of the one
before. "At θ*" is within 0.03 (half a per cent of weight), and four deviations of the noise that N
walkers leave in θ. Beside the verdict stand two sentences: what the run does at its end (`now`) and
what it has done (`so_far`). A run that still plays has only these two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows import display
from toyflows.errors import Diverged
from toyflows.flows.base import LEARNED, NEAR, Flow
from toyflows.outlook import outlook
from toyflows.path_ahead import RUNS, Outlook
from toyflows.state import Trajectory
from toyflows.target import Target

KINDS = (
    "converges", "biased", "no learning", "mode collapse", "oscillates", "diverges", "on its way",
)  # fmt: skip
MESSAGE = {  # above a picture of the run; {} is the method's title
    "converges": "{} learns the weight",
    "on its way": "{} is on its way to the weight",
    "biased": "{} comes to rest at the wrong weight",
    "no learning": "{} does not move the weight",
    "mode collapse": "{} runs away from the weight",
    "oscillates": "{} never settles on the weight",
    "diverges": "{} leaves the finite numbers",
}


@dataclass(frozen=True)
class Verdict:
    """`kind` is one of KINDS; `number` proves it (see above); `says` is the sentence. `now` and
    `so_far` are sentences of what the run has shown; `needs` is the time still needed to θ* (or to
    the rest), None where there is none or it is not known; `noise` is the tolerance used."""

    kind: str
    number: float
    says: str
    now: str = ""
    so_far: str = ""
    needs: float | None = None
    noise: float = NEAR

    def __repr__(self) -> str:
        return f"Verdict({self.kind}, {self.number:.6g}: {self.says})"

    def _repr_html_(self) -> str:
        return display.page(display.words(self.says, f"{self.kind}."))


def judge(flow: Flow, target: Target, run: Trajectory, backend: Any = None) -> Verdict:
    """The verdict on a recorded run of `flow`. `backend` is the one it was made on: needed where
    the flow has no exact law (Flow.exact)."""
    with np.errstate(under="ignore"):  # θ̇ and |θ − θ*| may be 1e−304
        return _judged(flow, target, run, outlook(flow, target, run, backend))


def _judged(flow: Flow, target: Target, run: Trajectory, ahead: Outlook) -> Verdict:
    seen = _Seen(flow, target, run, ahead)
    kind = seen.kind
    number, says = getattr(seen, kind.replace(" ", "_"))()
    needs = ahead.needs if kind in ("on its way", "biased") else math.inf
    return Verdict(kind, number, says, now(run, target, ahead.near), so_far(run, target),
                   needs if math.isfinite(needs) else None, ahead.near)  # fmt: skip


def word(ahead: Outlook, there: bool, moved: bool, speed: float, lasted: float) -> str:
    """The decision table above. `there`: the run ended at θ*; `moved`: θ* was passed, or a tenth
    of the way is done, at least; `speed` is |dθ/dt| over |θ − θ*|, at the end."""
    if ahead.goes in ("stays", "swings"):
        return "converges" if ahead.goes == "stays" else "oscillates"
    if ahead.goes == "still" and there:
        return "no learning"
    if _too_slow(ahead, speed, lasted) and not moved:
        return "no learning"
    words = {"star": "on its way", "rest": "biased", "still": "biased", "away": "mode collapse"}
    return words[ahead.goes]


def _too_slow(ahead: Outlook, speed: float, lasted: float) -> bool:
    """Would RUNS runs as long not bring θ to θ*, its rest, past θ*, or as far off again?"""
    runs = RUNS * lasted
    if ahead.goes == "away":
        return ahead.passed > runs if math.isfinite(ahead.passed) else speed * runs < 1
    first = ahead.passed if math.isfinite(ahead.passed) else ahead.needs  # at θ*, if not for good
    return ahead.goes == "still" or min(first, ahead.needs) > runs


def diverged(error: Diverged) -> Verdict:
    """The verdict on a run that ended in `error`."""
    return Verdict("diverges", error.time, f"The run {error}.", so_far=f"The run {error}.")


def now(run: Trajectory, target: Target, near: float = NEAR) -> str:
    """Where θ is and how it moves: no word about the future."""
    gap, start = (float(run.θ[k]) - target.θ_star for k in (-1, 0))
    speed, where = run.rate * float(run.velocity[-1]), f"θ = {float(run.θ[-1]):.4g} is"
    moves = f"moving at {speed:+.2g} a unit of time"
    if abs(gap) <= near:
        return f"{where} at θ* = {target.θ_star:.4g}, within {near:.2g}, {moves}."
    side = "beyond" if gap * start < 0 else "short of" if abs(gap) < abs(start) else "from"
    return f"{where} {abs(gap):.3g} {side} θ* = {target.θ_star:.4g}, {moves}."


def so_far(run: Trajectory, target: Target) -> str:
    """What has happened since the start."""
    gap, passed = run.θ - target.θ_star, beyond(run, target)
    if passed.size:
        told = f"θ passed θ* at t = {run.t[passed[0]]:.3g}"
    elif abs(gap[0]) <= NEAR:
        told = f"θ began at θ* and has been up to {np.max(np.abs(gap)):.2g} from it"
    elif abs(gap[-1]) > abs(gap[0]):
        told = f"θ has gone {abs(gap[-1]) - abs(gap[0]):.3g} away from θ*"
    else:
        told = f"θ has done {_share(1 - abs(gap[-1] / gap[0]))} of the way to θ*"
    return f"{told}{changes(run)}."


def beyond(run: Trajectory, target: Target) -> NDArray[np.intp]:
    """The records at which θ is on the other side of θ* than at the start."""
    side = np.sign(run.θ - target.θ_star)
    return np.flatnonzero(side * side[0] < 0)


def changes(run: Trajectory) -> str:
    """How often the persistent walkers changed mode, as a clause; "" where none are counted."""
    many = float(run.crossings[-1])
    if not run.walkers or not math.isfinite(many):
        return ""
    if many == 0:
        return "; no walker has changed mode"
    return f"; the {run.walkers:,} walkers changed mode {many:,.0f} times"


def _share(part: float) -> str:
    return f"{100 * part:.3g} %" if part >= 0.001 else "less than 0.1 %"


@dataclass(frozen=True)
class _Seen:
    """A run and what comes after it; a method for each word gives its number and sentence."""

    flow: Flow
    target: Target
    run: Trajectory
    ahead: Outlook

    @property
    def gap(self) -> float:
        return float(self.run.θ[-1]) - self.target.θ_star

    @property
    def fastest(self) -> float:
        return float(np.max(np.abs(self.run.velocity)))

    @property
    def _slower(self) -> float:
        """The smaller of |θ̇| at the end of the run and where it was last seen."""
        return min(abs(float(self.run.velocity[-1])), abs(self.ahead.drift))

    @property
    def kind(self) -> str:
        run, near = self.run, self.ahead.near
        began = way = abs(float(run.θ[0]) - self.target.θ_star)
        if began > near and self.ahead.goes in ("star", "rest"):  # the other way is no part of it
            to = self.ahead.rest if self.ahead.goes == "rest" else self.target.θ_star
            way = abs(float(run.θ[0]) - to)
            moved = way - float(np.min(np.abs(run.θ - to)))
            way = min(began, way)  # of a rest far beyond θ*, or far on this side
        else:
            moved = float(np.max(np.abs(run.θ - run.θ[0])))
        passed = began > near and beyond(run, self.target).size > 0
        lasted = float(run.t[-1] - run.t[0])
        return word(self.ahead, abs(self.gap) <= near, passed or moved > max(LEARNED * way, near),
                    run.rate * self._slower / max(abs(self.gap), near), lasted)  # fmt: skip

    @property
    def _within(self) -> str:
        noise = self.ahead.noise
        if noise <= 0.1 * NEAR:
            return ""
        far = "" if abs(self.gap) <= noise else ", and four times that at the most"
        return f" (within the walkers' noise, ±{noise:.1g}{far})"

    def converges(self) -> tuple[float, str]:
        gap, star = abs(self.gap), self.target.θ_star
        return gap, (f"θ ends at {self.run.θ[-1]:.6g}, {gap:.1e} from θ* = {star:.6g}"
                     f"{self._within}: the method learns the weight, and holds it.")  # fmt: skip

    def on_its_way(self) -> tuple[float, str]:
        start, star = float(self.run.θ[0]) - self.target.θ_star, self.target.θ_star
        done = 1 - abs(self.gap) / max(abs(start), 1e-300)
        needs = self.ahead.needs
        time = f"; it needs a time of about {needs:.2g} more" if math.isfinite(needs) else ""
        if done > 0 and self.gap * start > 0:
            where = f"θ has done {_share(done)} of the way to θ* = {star:.4g}"
            return done, f"{where}{time}."
        side = "beyond" if self.gap * start < 0 else "from"
        back = self.gap * float(self.run.velocity[-1]) <= 0
        how = "on the way back" if back else "and turns back to it"
        where = f"θ is {abs(self.gap):.3g} {side} θ* = {star:.4g}, {how}"
        return max(done, 0.0), f"{where}{time}."

    def no_learning(self) -> tuple[float, str]:
        fastest, ahead = self.fastest, self.ahead
        speed = self.run.rate * fastest
        way = max(abs(self.gap), ahead.near)
        known = [t for t in (ahead.needs, ahead.passed) if math.isfinite(t) and t > 0]
        needs = min(known) if known else way / speed if speed > 0 else math.inf
        long = f"a time of {needs:.1e}" if math.isfinite(needs) else "for ever"
        if abs(self.gap) <= ahead.near and ahead.goes != "star":
            return fastest, (f"|θ̇| ≤ {fastest:.1e}: θ is beside θ* since the start, and if it were "
                             "not, this method would not bring it there.")  # fmt: skip
        to = "its rest" if ahead.goes == "rest" else "θ*"
        return fastest, (f"|θ̇| ≤ {fastest:.1e}: the way to {to} would take {long}; "
                         "this run does not learn the weight.")  # fmt: skip

    def biased(self) -> tuple[float, str]:
        ahead, star = self.ahead, self.target.θ_star
        if not math.isfinite(ahead.rest):  # a field that is lost in round-off where θ is
            ahead = ahead._replace(rest=float(self.run.θ[-1]))
        p, q = self.target.mixture.weight_b(ahead.rest), self.target.q_star
        learns = f"the method learns the weight {p:.3f} in place of {q:.3f}"
        if not ahead.exact:
            return ahead.rest, (f"θ draws near to about {ahead.rest:.3g}, not to θ* = {star:.6g}: "
                                f"{learns}, as far as it was followed.")  # fmt: skip
        # so many digits that θ̇ at the printed number is below 1e−6 of the largest speed
        digits = min(15, max(4, math.ceil(6 - math.log10(max(self.fastest, 1e-9)))))
        rest = f"{ahead.rest:.{digits}f}"
        if abs(float(self.run.θ[-1]) - ahead.rest) <= NEAR:
            return ahead.rest, f"θ comes to rest at {rest}, not at θ* = {star:.6g}: {learns}."
        time = f" (in a time of about {ahead.needs:.2g})" if math.isfinite(ahead.needs) else ""
        return (
            ahead.rest,
            f"θ heads for its rest at {rest}{time}, not for θ* = {star:.6g}: {learns}.",
        )

    def mode_collapse(self) -> tuple[float, str]:
        run, star = self.run, self.target.θ_star
        speed = float(np.mean(run.velocity[-max(2, run.t.size // 20) :]))
        says = f"θ drifts on at {speed:+.4f}{self._formula(speed)}"
        passed = beyond(run, self.target)
        if passed.size:
            says += f", past θ* = {star:.4g} since t = {run.t[passed[0]]:.3g}"
        elif self.gap * speed < 0 and math.isfinite(self.ahead.passed):
            when = float(run.t[-1]) + self.ahead.passed
            says += f"; it passes θ* = {star:.4g} at about t = {when:.3g} and goes on"
        else:
            says += f", away from θ* = {star:.4g}"
        return speed, f"{says}{changes(run)}."

    def _formula(self, speed: float) -> str:
        """The lecture's constant drift, of a method whose closed form it is."""
        run, target = self.run, self.target
        p = target.mixture.weight_b(float(run.θ[0])) - target.q_star
        when = "" if abs(speed - p) <= 0.02 * abs(p) else "at the start "
        θs = {float(run.θ[0]), float(run.θ[-1])}
        if (
            run.extra
            or not target.mixture.closed_forms
            or any(self.flow.separated(target, θ, float(run.θ[0])) != p for θ in θs)
        ):
            return " a unit of time"
        return f" a unit of time ({when}p_b(θ0) − q* = {p:+.4f})"

    def oscillates(self) -> tuple[float, str]:
        run, star, period = self.run, self.target.θ_star, self.ahead.period
        gap = run.θ - star
        outside = np.flatnonzero(np.abs(gap) > self.ahead.near)
        times = run.t[outside[1:][np.diff(np.sign(gap[outside])) != 0]]
        if times.size < 2:
            return period, (f"θ swings about θ* = {star:.4g} undamped, with a period of about "
                            f"{period:.3g}, longer than was seen of it.")  # fmt: skip
        period = 2.0 * float(np.mean(np.diff(times)))
        between = f"θ swings between {run.θ.min():.4g} and {run.θ.max():.4g}"
        return period, (f"{between}, crossing θ* = {star:.4g} {times.size} times, with a period of "
                        f"{period:.4g}.")  # fmt: skip
