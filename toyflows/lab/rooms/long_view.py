"""Room 2: PCD runs past θ*, its walkers fall over, θ comes back: the loop as it happens."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.flows import equation, registry
from toyflows.lab._controls import Choice, Control, Slider, Values, seed
from toyflows.lab._explain import Mark
from toyflows.lab._long_run import MOST, OPTIONS, Record, record
from toyflows.lab._long_words import message, numbers
from toyflows.lab._room import Change, Frame, Room
from toyflows.mixture import Mixture
from toyflows.pages.mathml import mathml
from toyflows.state import State

if TYPE_CHECKING:
    from toyflows.lab._job import Job
    from toyflows.lab._look import Look

CURES = ("none", "tempering", "jarzynski")
POINTS = 500  # of a line on the page
TAIL = 300  # steps behind the present point that are drawn thick
DOTS = 250  # walkers that are drawn one by one
TELL, CHUNK = 0.3, 500  # seconds, and steps, between two looks at a long answer
TURNS = 40  # that are marked
RESTS = 0.05  # from θ*: no turn of a swing any more


class Loop:
    """The scene: PCD's exact law and walkers, and the walkers of a cure."""

    def __init__(self, values: Values):
        v = self.values = values
        rest = v["theta_star"], v["separation"], v["dt"], v["rate"]
        chance = v["walkers"], v["seed"]
        self.records: dict[str, Record] = {
            "exact": record("pcd", "grid", *rest, 0, 0),
            "walkers": record("pcd", "walkers", *rest, *chance),
        }
        if v["cure"] != CURES[0]:
            self.records["cure"] = record(v["cure"], "walkers", *rest, *chance)
        self.target = self.records["exact"].backend.target
        self.step = 0
        self.state: State = self.records["walkers"].near(0)

    def advance(self, steps: int, job: Job) -> None:
        """See Scene."""
        told, end = time.monotonic(), self.step + steps
        while self.step < end:
            now = min(self.step + CHUNK, end)
            for name in ("exact", "cure"):
                if name in self.records:
                    self.records[name].reach(now, job)
            self.state = self.records["walkers"].on(self.state, now, job)
            self.step = now
            if now < end and time.monotonic() - told > TELL:
                job.tell(self.frame())
                told = time.monotonic()

    # ---------------------------------------------------------------- what is seen
    def frame(self) -> Frame:
        """See Scene."""
        v, mix, step = self.values, self.target.mixture, self.step
        keep, tail = thinned(0, step), thinned(max(0, step - TAIL), step)
        out: Frame = {"t": short(v["dt"] * keep)}
        for name, known in self.records.items():
            θ, _, b = short(known.path[keep].T)
            out |= {f"{name}_θ": θ, f"{name}_b": b}
            out[name], _, out[f"in_b_{name}"] = known.path[step].tolist()
        if "cure" in out:  # the last bits of a weighted share depend on where a piece ended
            out["in_b_cure"] = float(out["cure_b"][-1])
        walkers = self.records["walkers"].path
        out["tail_θ"], _, out["tail_b"] = short(walkers[tail].T)
        out |= self._known() | self._landscape(mix, out["exact"]) | self._turns()
        return out | {"message": message(out), "says": numbers(out)}

    def _known(self) -> Frame:
        """What does not depend on chance: the target, the formula, the speed."""
        v, mix, step = self.values, self.target.mixture, self.step
        exact, pcd = self.records["exact"].path, self.records["exact"].flow
        assert pcd.separated is not None
        drift = v["rate"] * float(pcd.separated(self.target, 0.0, 0.0))
        before = max(0, step - max(1, round(1 / v["dt"])))
        moved, _, gone = (exact[step] - exact[before]).tolist()
        reach = max(0.56 * mix.d**2, 1.05 * float(np.abs(exact[: step + 1, 0]).max()))
        θs = np.linspace(-reach, reach, 201)
        return {
            "step": step, "time": step * v["dt"], "d": mix.d, "θ_star": self.target.θ_star,
            "q_star": self.target.q_star, "drift": drift, "speed": float(exact[step, 1]),
            "start_b": mix.weight_b(0.0), "reach": reach, "bistable": mix.bistable_up_to,
            "gone": gone, "falling": int(abs(gone) * mix.d**2 > abs(moved)),
            "equilibrium_θ": short(θs),
            "equilibrium": short(np.array([mix.weight_b(θ) for θ in θs.tolist()])),
            "cure_name": v["cure"],
        }  # fmt: skip

    def _landscape(self, mix: Mixture, θ: float) -> Frame:
        x = np.linspace(mix.a - 4, mix.b + 4, 401)
        chains = self.state.cold
        assert chains is not None
        return {
            "x": short(x), "energy": short(mix.energy(x, θ)),
            "dots": short(chains.x[:DOTS]), "dots_U": short(mix.energy(chains.x[:DOTS], θ)),
            "barrier": barrier(mix, θ), "mixing": mix.mixing_time(θ),
        }  # fmt: skip

    def _turns(self) -> Frame:
        """Where θ of the exact law turned, RESTS from θ* at least, the first TURNS of them."""
        path = self.records["exact"].path[: self.step + 1]
        at = np.flatnonzero(path[1:, 1] * path[:-1, 1] < 0) + 1
        at = at[np.abs(path[at, 0] - self.target.θ_star) > RESTS][:TURNS]
        θ, _, b = path[at].T
        return {"turns_t": at * self.values["dt"], "turns_θ": θ, "turns_b": b}


def short(x: Array) -> NDArray[np.float32]:
    """The values as float32, as they are drawn."""
    with np.errstate(under="ignore"):
        return x.astype(np.float32)


def thinned(first: int, last: int) -> Any:
    """Steps from `first` to `last`, both among them, at most POINTS + 2 of them; the same ones
    whenever the line has grown a little."""
    apart = max(1, math.ceil((last - first) / POINTS))
    return np.unique(np.append(np.arange(first, last + 1, apart), last))


def barrier(mix: Mixture, θ: float) -> float:
    """Height of the ridge above the bottom of the lighter mode, b where θ ≥ 0: what a walker climbs
    that leaves it. 0 beyond `bistable_up_to`."""
    if abs(θ) >= mix.bistable_up_to:
        return 0.0
    x = np.linspace(mix.a - 1, mix.b + 1, 4001)
    U: Array = mix.energy(x, θ)
    U = U if θ >= 0 else U[::-1]  # the lighter mode on the right
    inside = np.flatnonzero((U[1:-1] >= U[:-2]) & (U[1:-1] > U[2:])) + 1  # the ridge
    return float(U[inside[-1]] - U[inside[-1] :].min()) if inside.size else 0.0


MARKS = (
    Mark("data", "data, θ*", "What is to be learned: θ*, and the share q* of the data in mode b."),
    Mark("exact", "exact law", "PCD without chance: its law is followed exactly. Points: turns."),
    Mark("walkers", "walkers", "PCD on samples; the thick end is where it is now."),
    Mark("formula", "formula", "The lecture’s formula: the walkers never change their mode."),
    Mark("ink", "at rest", "The share that the model has at each θ. Learned is where it meets q*."),
    Mark("grey", "a cure", "The second run, if one is chosen."),
)


class LongView(Room):
    """The loop in the plane of θ and the share of walkers in b, θ(t), and the landscape."""

    name = "long-view"
    title = "PCD, the long view"
    about = "PCD for a long time: θ runs on, turns, and comes back in a loop"
    order = 2
    tall = 1000
    usual = 6000
    steps = 6000
    most = MOST
    speeds = (1, 5, 10, 20, 50, 100)
    speed = 20

    def controls(self, given: Mapping[str, str]) -> tuple[Control, ...]:
        """See Room."""
        return (
            Slider(name="theta_star", label="true θ*", default=1.4, low=-3, high=3, step=0.1),
            Slider(name="separation", label="separation d", default=12.0, low=6, high=20, step=0.5),
            Slider(name="rate", label="rate of θ", default=1.0, low=0.1, high=10, log=True,
                   step=0.05),
            Slider(name="dt", label="step dt", default=0.2, low=0.02, high=0.5, log=True,
                   step=0.05),
            Choice(name="cure", label="a cure beside it", default=CURES[0], of=CURES,
                   words={"none": "nothing", "jarzynski": "work weights"}),
            Slider(name="walkers", label="walkers", default=10_000, low=100, high=100_000, log=True,
                   step=0.25, integer=True),
            seed(),
        )  # fmt: skip

    def equation(self, values: Values) -> str:
        """PCD's."""
        return mathml(equation(registry()["pcd"]), coloured=True)

    def marks(self, values: Values) -> tuple[Mark, ...]:
        """See Room."""
        return MARKS

    def unit(self, values: Values) -> tuple[str, float]:
        """See Room."""
        return "t", values["dt"]

    def start(self, values: Values, job: Job) -> Loop:
        """See Room."""
        return Loop(values)

    def view(self, look: Look, change: Change) -> Any:
        """See Room."""
        from toyflows.lab._long_view import LongViewView

        return LongViewView(look)

    def command(self, values: Values, step: int) -> str | None:
        """The command that runs PCD with these settings."""
        v = values
        return (f"toyflows flow --loss pcd --theta-star {v['theta_star']:.10g} --theta0 0 "
                f"--separation {v['separation']:.10g} --time {max(step, 1) * v['dt']:.10g} "
                f"--dt {v['dt']:.10g} --rate {v['rate']:.10g} --walkers {v['walkers']} "
                f"--seed {v['seed']} --backend walkers --backend grid")  # fmt: skip

    def python(self, values: Values, step: int) -> str:
        """See Room."""
        v = values
        lines = ["import toyflows", ""]
        for loss, backends in (("pcd", ("walkers", "grid")), (v["cure"], ("walkers",))):
            if loss == CURES[0]:
                continue
            given = f", options={OPTIONS[loss]!r}" if loss in OPTIONS else ""
            lines += [
                f"run = toyflows.flow({loss!r}, theta_star={v['theta_star']!r}, "
                f"separation={v['separation']!r}, time={max(step, 1) * v['dt']:.10g},",
                f"    dt={v['dt']!r}, rate={v['rate']!r}, backends={backends!r}, "
                f"walkers={v['walkers']}, seed={v['seed']}{given})",
                "for name, path in run.backends.items():",
                "    print(name, float(path.θ[-1]), float(path.mode_b[-1]))",
            ]
        return "\n".join(lines) + "\n"

    def film(self, values: Values, step: int) -> Any:
        """θ(t) and the densities of PCD."""
        from toyflows import film

        v = values
        return film.two_modes(
            "pcd", theta_star=v["theta_star"], separation=v["separation"], dt=v["dt"],
            rate=v["rate"], walkers=v["walkers"], seed=v["seed"], time=max(step, 1) * v["dt"],
        )  # fmt: skip
