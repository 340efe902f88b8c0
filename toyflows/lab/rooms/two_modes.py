"""Room 1: a method, or two side by side, learns the weight of two modes while the class watches."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import Field
from typing import TYPE_CHECKING, Any

from toyflows.errors import InputError
from toyflows.flows import Flow, equation
from toyflows.flows.nce import NCE
from toyflows.lab import _methods
from toyflows.lab._controls import Choice, Control, Slider, Switch, Values, seed
from toyflows.lab._explain import Mark
from toyflows.lab._room import Change, Frame, Room
from toyflows.pages.live import NAMES
from toyflows.pages.mathml import mathml
from toyflows.registry import options_of
from toyflows.target import Target

if TYPE_CHECKING:
    from toyflows.lab._job import Job
    from toyflows.lab._look import Look
    from toyflows.lab._runs import Side

NONE = "nothing"  # no second method
TELL = 0.3  # seconds between two looks at a long answer


class Run:
    """The scene: one side, or two."""

    def __init__(self, sides: dict[str, Side]):
        self.sides, self.step = sides, 0
        for side in sides.values():
            side.begin()

    def advance(self, steps: int, job: Job) -> None:
        """The walkers of all sides, then their exact laws; a long answer is shown in parts."""
        told, first = time.monotonic(), self.step == 0
        for name in ("walkers", "grid"):
            for side in self.sides.values():
                left = steps if name in side.backends else 0
                while left > 0:
                    side.advance(name, min(left, 100), job)
                    left -= min(left, 100)
                    if time.monotonic() - told > TELL:
                        job.tell(self._frame(self.step + steps - left))
                        told = time.monotonic()
            if first and name == "walkers" and steps > 100:
                job.tell(self._frame(self.step + steps))
        self.step += steps
        if self.whole:  # the verdict takes as long again as the run: what is seen comes first
            job.tell(self._frame(self.step))

    @property
    def whole(self) -> bool:
        """Is the run as long as the room's: a run that plays has no verdict."""
        return self.step == TwoModes.steps

    def frame(self) -> Frame:
        return self._frame(self.step, self.whole)

    def _frame(self, step: int, whole: bool = False) -> Frame:
        out: Frame = {}
        for name, side in self.sides.items():
            seen = side.seen(step, whole) | side.densities(_shown(side))
            out |= {f"{name}.{key}": value for key, value in seen.items()}
            out[f"{name}.title"] = side.flow.title
            out[f"{name}.end"] = TwoModes.steps * side.dt  # of a whole run
        return out | {"θ_star": next(iter(self.sides.values())).target.θ_star}


def _shown(side: Side) -> float:
    run = side.runs.get("grid") or side.runs["walkers"]
    return float(run.θ[-1])


class TwoModes(Room):
    """θ(t) on three backends, densities, the landscape with walkers on it, and the phase line."""

    name = "two-modes"
    title = "Two modes"
    about = "A method learns the weight of two modes"
    order = 1
    steps = complete = usual = 600
    most = 6000
    tall = 1150
    staged = True

    def controls(self, given: Mapping[str, str]) -> tuple[Control, ...]:
        flows = _methods.known()
        method = _known(given.get("method", ""), "pcd")
        versus = given.get("versus", NONE)
        fused = all(flows[n].fused for n in (method, versus) if n in flows)
        groups = _methods.grouped()
        names = [name for group in groups.values() for name in group]
        words = _methods.titles() | {NONE: "nothing"}
        return (
            Choice(name="method", label="method", default="pcd", of=names, words=words,
                   groups=groups),
            *_options(flows[method], "p.", ""),
            Choice(name="versus", label="a second method, below it", default=NONE,
                   of=[NONE, *names], words=words, groups=groups),
            *(_options(flows[versus], "v.", "below: ") if versus in flows else ()),
            *_numbers(100_000 if fused else 10_000),
            seed(),
        )  # fmt: skip

    def unit(self, values: Values) -> tuple[str, float]:
        return "t", values["dt"]

    def start(self, values: Values, job: Job) -> Run:
        from toyflows.lab._runs import Side
        from toyflows.limits import check_ranges

        v = values
        check_ranges(v["theta0"], v["dt"], v["dt"], v["rate"], v["walkers"], v["seed"])
        target = Target.exact(v["theta_star"], v["separation"])
        sides = {
            prefix: Side(flow, target, v["theta0"], v["dt"], v["rate"], v["walkers"], v["seed"])
            for prefix, flow in flows_of(values).items()
        }
        return Run(sides)

    def view(self, look: Look, change: Change) -> Any:
        from toyflows.lab._two_modes_view import TwoModesView

        return TwoModesView(look)

    def equation(self, values: Values) -> str:
        """That of the first method, and of the second where there is one."""
        told = (equation(flow) for flow in _classes(values))
        return " &nbsp; ".join(mathml(text, coloured=True) for text in told if text)

    def marks(self, values: Values) -> list[Mark]:
        """See Room."""
        with_noise = any(issubclass(flow, NCE) for flow in _classes(values))
        return [*MARKS, NOISE] if with_noise else list(MARKS)

    def command(self, values: Values, step: int) -> str | None:
        """The command of the method, and in a second line that of the other."""
        lines = [self._command(values, step, "method", "p.")]
        if values["versus"] != NONE:
            lines.append(self._command(values, step, "versus", "v."))
        return "\n".join(lines)

    def _command(self, values: Values, step: int, which: str, prefix: str) -> str:
        v = values
        words = ["toyflows flow", f"--loss {shlex.quote(v[which])}",
                 f"--theta-star {v['theta_star']:.10g}",
                 f"--theta0 {v['theta0']:.10g}", f"--separation {v['separation']:.10g}",
                 f"--time {max(step, 1) * v['dt']:.10g}", f"--dt {v['dt']:.10g}",
                 f"--rate {v['rate']:.10g}", f"--walkers {v['walkers']}",
                 f"--seed {v['seed']}"]  # fmt: skip
        return " ".join([*words, *(f"-p {n}={x}" for n, x in _given(v, prefix).items())])

    def python(self, values: Values, step: int) -> str:
        v, words = values, ("says",) if step == self.steps else ("now", "so_far")
        lines = ["import toyflows", ""]
        for name, loss, prefix in (("run", v["method"], "p."), ("other", v["versus"], "v.")):
            if loss == NONE:
                continue
            given = _given(v, prefix)
            options = f", options={given!r}" if given else ""
            lines += [
                f"{name} = toyflows.flow({loss!r}, theta_star={v['theta_star']!r}, "
                f"theta0={v['theta0']!r}, separation={v['separation']!r},",
                f"    time={max(step, 1) * v['dt']:.10g}, dt={v['dt']!r}, rate={v['rate']!r}, "
                f"walkers={v['walkers']}, seed={v['seed']}{options})",
                f"print({{name: float(path.θ[-1]) for name, path in {name}.backends.items()}})",
                f"print({', '.join(f'{name}.verdict.{word}' for word in words)})",
            ]
        return "\n".join(lines) + "\n"

    def film(self, values: Values, step: int) -> Any:
        from toyflows import film

        v, flows = values, flows_of(values)
        return film.two_modes(
            flows["one"], versus=flows.get("two"), theta_star=v["theta_star"],
            theta0=v["theta0"], separation=v["separation"], dt=v["dt"],
            rate=v["rate"], walkers=v["walkers"], seed=v["seed"], time=max(step, 1) * v["dt"],
        )  # fmt: skip


def flows_of(values: Values) -> dict[str, Flow]:
    """The methods that are shown, by the prefix of their numbers: one, or two."""
    out = {"one": _methods.made(values["method"], _given(values, "p."))}
    if values["versus"] != NONE:
        out["two"] = _methods.made(values["versus"], _given(values, "v."))
    return out


MARKS = (
    Mark("data", "data, θ*", "What is to be learned: the law of the data, and its θ*."),
    Mark("exact", "exact law", "The method without chance: its law is followed exactly."),
    Mark("walkers", "samples, walkers", "The method on samples. Walkers are samples that it keeps: "
         "its negatives, points on the energy, bars in the densities."),
    Mark("formula", "formula", "The lecture's formula, for modes that are far apart."),
)  # fmt: skip
NOISE = Mark("accent", "noise", "The law of the noise that NCE compares with.")


def _numbers(walkers: int) -> tuple[Slider, ...]:
    """The numbers that every method has."""
    return (
        Slider(name="theta_star", label="true θ*", default=1.4, low=-6, high=6, step=0.1),
        Slider(name="theta0", label="start θ0", default=0.0, low=-10, high=10, step=0.1),
        Slider(name="separation", label="distance d", default=8.0, low=0.5, high=24, step=0.5),
        Slider(name="dt", label="step dt", default=0.05, low=0.001, high=0.5, log=True, step=0.05),
        Slider(name="rate", label="rate of θ", default=1.0, low=0.01, high=10, log=True,
               step=0.05),
        Slider(name="walkers", label="walkers", default=walkers, low=10, high=1_000_000, log=True,
               step=0.25, integer=True),
    )  # fmt: skip


def _classes(values: Values) -> list[type[Flow]]:
    """Of the methods that are shown, whether their options go together or not."""
    known = _methods.known()
    return [known[values[name]] for name in ("method", "versus") if values[name] in known]


def _known(name: str, default: str) -> str:
    return name if name in _methods.known() else default


def _given(values: Values, prefix: str) -> dict[str, Any]:
    """The options of a method among the values."""
    return {n.removeprefix(prefix): v for n, v in values.items() if n.startswith(prefix)}


def _options(flow: type[Flow], prefix: str, whose: str) -> list[Control]:
    """A control for each option of the method, made from the field: its words, or the numbers
    around its default that the method accepts."""
    shown = [f for f in options_of(flow) if f.name != "start"]  # no place for it in a hall's type
    return [_option(flow, f, prefix, whose) for f in shown]


def _option(flow: type[Flow], field: Field[Any], prefix: str, whose: str) -> Control:
    name: str = field.name
    default: Any = field.default
    label = whose + NAMES.get(name, name)
    common: dict[str, Any] = {"name": prefix + name, "label": label, "default": default}
    if isinstance(default, bool):
        return Switch(**common)
    if isinstance(default, str):
        return Choice(**common, of=field.metadata.get("one_of", (default,)))
    whole = isinstance(default, int)
    low, high = 0.0, max(50 if whole else 2.0, 4.0 * abs(default))
    ends = [v for v in (-high, low, default / 100, 1.0, default) if _accepts(flow, name, v, whole)]
    tops = [v for v in (high, default * 2, 1.0, 2.0, default) if _accepts(flow, name, v, whole)]
    step = 1.0 if whole else (max(tops) - min(ends)) / 100 or 1.0
    return Slider(**common, low=min(ends), high=max(tops), step=step, integer=whole)


def _accepts(flow: type[Flow], name: str, value: float, whole: bool) -> bool:
    try:
        flow(**{name: int(value) if whole else float(value)})
    except InputError:
        return False
    return not whole or value == int(value)
