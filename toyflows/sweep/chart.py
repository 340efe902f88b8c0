"""Two dimensions of a sweep as a map, a third as its panels, and the lines that the theory draws.

What a picture of it shows (figures/_map.py) and what `toyflows map --json` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.errors import InputError, nearest
from toyflows.flows.base import Course
from toyflows.modes.among import Among
from toyflows.own import OwnFileError
from toyflows.sweep.axis import Value
from toyflows.sweep.plan import Plan
from toyflows.sweep.point import EACH
from toyflows.sweep.result import Result
from toyflows.verdict import KINDS

MISSING = -1  # in place of a verdict
MOST_PANELS = 12
SHOWN = {
    "verdict": "verdict", "number": "verdict's number", "needs": "time still needed",
    "theta": "θ", "bias": "θ − θ*", "distance": "distance |θ − θ*|",
    "share": "share of the way done", "drift": "drift θ̇", "crossings": "crossings",
    "effective_size": "effective size",
}  # fmt: skip
FROM_THETA = ("bias", "distance", "share")  # need not be kept


@dataclass(frozen=True, eq=False)
class Panel:
    """One map (y, x): `values` are places in KINDS, or numbers (nan where θ diverged); `there` says
    where any run is done; `lines` are fields whose zeros are the theory's lines."""

    name: Value | None
    values: NDArray[Any]
    there: NDArray[np.bool_]
    lines: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Chart:
    """The panels, all over the same `xs` and `ys`; `missing` of `runs` are still to be done."""

    x: str
    y: str
    over: str | None
    show: str
    xs: tuple[Value, ...]
    ys: tuple[Value, ...]
    panels: tuple[Panel, ...]
    runs: int
    missing: int

    @property
    def message(self) -> str:
        """What the map shows, in a sentence."""
        if self.show != "verdict":
            seen = np.concatenate([p.values[p.there & np.isfinite(p.values)] for p in self.panels])
            span = f"from {seen.min():.3g} to {seen.max():.3g}" if seen.size else "nowhere known"
            return f"{SHOWN[self.show]} over {self.x} and {self.y}: {span}".replace("-", "−")
        learned = [float(np.mean(p.values[p.there] == 0)) for p in self.panels if p.there.any()]
        if not learned:
            return "No run of this sweep is done yet"
        if len(learned) == 1:
            return f"The weight is learned at {_share(learned[0])} of the map"
        told = f"learned at {_share(min(learned))} to {_share(max(learned))} of each map"
        return f"The weight is {told}, by {self.over}"

    def to_dict(self) -> dict[str, Any]:
        """Plain words and numbers; None where nothing is, or θ diverged."""
        panels = [{"name": p.name, "values": _plain(p, self.show)} for p in self.panels]
        return {
            "message": self.message, "show": self.show, "x": self.x, "y": self.y,
            "panel": self.over, "xs": list(self.xs), "ys": list(self.ys), "panels": panels,
            "runs": self.runs, "missing": self.missing,
        }  # fmt: skip


def chart(
    result: Result,
    done: NDArray[np.bool_] | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    over: str | None = None,
    show: str | None = None,
    at: Mapping[str, Value] | None = None,
) -> Chart:
    """A map of the sweep over the dimensions x and y, a panel for each value of `over`.

    Unless said, x and y are the plan's first axes, then the methods, and `over` is what is left.
    `at` fixes other dimensions; `show` is the quantity (SHOWN). Repeats give their most frequent
    verdict, or their mean; runs that are not `done` are blank.

    Raises InputError for a dimension, value or quantity that the sweep has not.
    """
    plan = result.plan
    if show is None:
        usual = SHOWN if plan.among is None else [name for name in SHOWN if name not in EACH]
        show = next((name for name in usual if name in result.values), "verdict")
    if show not in SHOWN:
        raise InputError("show", show, f"no map; {nearest(show, SHOWN)}")
    values = _kept(result, show)
    places = {name: _place(plan, result, name, value) for name, value in (at or {}).items()}
    x, y, over = _dimensions(plan, x, y, over, set(places))
    there = np.ones(plan.shape, bool) if done is None else done
    panels = tuple(
        _panel(plan, values, there, show, (x, y), over, k, places)
        for k in range(len(_coords(plan, over)) if over else 1)
    )
    return Chart(
        x, y, over, show, _coords(plan, x), _coords(plan, y), panels, int(there.size),
        int(np.sum(~there)),
    )  # fmt: skip


def _panel(
    plan: Plan, values: NDArray[Any], there: NDArray[np.bool_], show: str, axes: tuple[str, str],
    over: str | None, k: int, fixed: Mapping[str, int],
) -> Panel:  # fmt: skip
    """The k-th."""
    chosen = dict(fixed) | ({over: k} if over else {})
    x, y = (plan.dims.index(name) for name in axes)
    shown = (y, x, len(plan.dims) - 1)
    places = [chosen.get(name, 0) for name in plan.dims]
    index = np.ix_(*(range(plan.shape[d]) if d in shown else [places[d]]
                     for d in range(len(plan.dims))))  # fmt: skip

    def cut(array: NDArray[Any]) -> NDArray[Any]:
        return np.moveaxis(array[index], shown, (-3, -2, -1)).reshape(
            plan.shape[y], plan.shape[x], plan.repeats
        )

    seen, known = cut(values), cut(there)
    merged = _most_frequent(seen, known) if show == "verdict" else _mean(seen, known)
    name = _coords(plan, over)[k] if over else None
    return Panel(name, merged, np.any(known, axis=-1), _lines(plan, places, x, y))


def _lines(plan: Plan, places: list[int], x: int, y: int) -> dict[str, NDArray[np.float64]]:
    """The theory's fields at the plan's points (y, x); none where a dimension has words, or where a
    method has no such line."""
    if any(not _numbers(_coords(plan, plan.dims[d])) for d in (x, y)):
        return {}
    out: dict[str, NDArray[np.float64]] = {}
    for j in range(plan.shape[y]):
        for i in range(plan.shape[x]):
            places[y], places[x] = j, i
            for name, value in _frontiers(plan, places).items():
                field = out.setdefault(name, np.full((plan.shape[y], plan.shape[x]), np.nan))
                field[j, i] = value
    return out


def _frontiers(plan: Plan, places: list[int]) -> dict[str, float]:
    run = plan.run(int(np.ravel_multi_index(places, plan.shape)))
    if run.among is not None:
        return {}
    s, walkers = run.settings, float(run.settings.walkers) if run.backend == "walkers" else np.inf
    course = Course(s.theta0, s.time, s.dt, s.rate, walkers)
    try:
        return run.flow.frontiers(s.target, course)
    except OwnFileError:  # a method in a file that is not here
        return {}


def _dimensions(
    plan: Plan, x: str | None, y: str | None, over: str | None, fixed: set[str]
) -> tuple[str, str, str | None]:
    """Those asked for, the others from the plan; refuses what is left over."""
    sizes = dict(zip(plan.dims, plan.shape, strict=True))
    order = [*plan.dims[1:-1], "loss"]
    for option, name in (("x", x), ("y", y), ("panel", over)):
        if name is not None and (name not in order or name in fixed):
            why = "is fixed by --at" if name in fixed else f"no dimension; {nearest(name, order)}"
            raise InputError(option, name, why)
    asked = [name for name in (x, y, over) if name is not None]
    if len(set(asked)) < len(asked):
        raise InputError("y", y or over or "", "is taken twice; must be different dimensions")
    free = [name for name in order if sizes[name] > 1 and name not in {*asked, *fixed}]
    x = x or (free.pop(0) if free else None)
    y = y or (free.pop(0) if free else None)
    if x is None or y is None:
        raise InputError("x", x or "", f"a map needs two dimensions of {', '.join(order)}")
    over = over or (free.pop(0) if free else None)
    if free:
        raise InputError("at", f"{free[0]}=", f"is left over; choose one of "
                         f"{', '.join(map(str, _coords(plan, free[0])[:4]))}, …")  # fmt: skip
    if over and sizes[over] > MOST_PANELS:
        raise InputError("panel", over, f"has {sizes[over]} values; must be at most {MOST_PANELS}")
    return x, y, over


def _place(plan: Plan, result: Result, name: str, value: Value) -> int:
    """Of the value of a dimension."""
    try:
        result.select(**{name: value})
    except InputError as error:
        raise InputError("at", error.value, error.why) from None
    return _coords(plan, name).index(value)


def _coords(plan: Plan, name: str) -> tuple[Value, ...]:
    if name == "loss":
        return plan.losses
    return next(axis.values for axis in plan.axes if axis.name == name)


def _numbers(values: tuple[Value, ...]) -> bool:
    return len(values) > 1 and all(type(v) in (int, float) for v in values)


def _kept(result: Result, show: str) -> NDArray[Any]:
    if result.plan.among is not None and show in EACH:
        raise InputError("show", show, "has a value for each mode; must be verdict, distance, …")
    if show in result.values:
        return result.values[show]
    if show in FROM_THETA and "theta" in result.values:
        return _from_theta(result, show)
    have = [name for name in SHOWN if name in result.values]
    have += [name for name in FROM_THETA if "theta" in result.values and name not in have]
    raise InputError("show", show, f"was not kept; must be {', '.join(have)}")


def _from_theta(result: Result, show: str) -> NDArray[np.float64]:
    """The bias, the distance from θ*, or how much of the way from θ0 to θ* is done: negative where
    θ is farther off than at the start."""
    if result.plan.among is not None:
        return _among(result, result.plan.among, show)
    settings = [result.plan.run(k).settings for k in range(result.plan.runs)]
    star, start = np.array([(s.theta_star, s.theta0) for s in settings]).T
    bias = result["theta"] - star.reshape(result.plan.shape)
    if show == "bias":
        return np.asarray(bias)
    way = np.maximum(np.abs(start - star), 1e-300).reshape(result.plan.shape)
    return np.abs(bias) if show == "distance" else 1 - np.abs(bias) / way


def _among(result: Result, among: Among, show: str) -> NDArray[np.float64]:
    """The same among K modes: of the θ_k that is farthest off."""
    star = np.array(among.theta_star)
    distance = np.abs(result["theta"] - star).max(axis=-1)
    way = max(float(np.abs(np.array(result.plan.base.theta0) - star).max()), 1e-300)
    return np.asarray(distance if show == "distance" else 1 - distance / way)


def _most_frequent(kinds: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """Over the last dimension; the first in KINDS of equals, MISSING where none is known."""
    count = np.stack([np.sum((kinds == k) & known, axis=-1) for k in range(len(KINDS))])
    return np.where(known.any(axis=-1), count.argmax(axis=0), MISSING).astype(np.int8)


def _mean(numbers: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """Over the last dimension, of the known; nan where one of them is."""
    total = np.where(known, numbers, 0.0).sum(axis=-1)
    return np.where(known.any(axis=-1), total / np.maximum(known.sum(axis=-1), 1), np.nan)


def _plain(panel: Panel, show: str) -> list[list[Any]]:
    if show == "verdict":
        return [[KINDS[v] if v != MISSING else None for v in row] for row in panel.values.tolist()]
    return [[v if np.isfinite(v) else None for v in row] for row in panel.values.tolist()]


def _share(part: float) -> str:
    """As a percentage that says 0 or 100 only where it is."""
    return f"{100 * part:.0f} %" if 0.005 <= part <= 0.995 or part in (0, 1) else (
        "< 1 %" if part < 0.5 else "> 99 %")  # fmt: skip
