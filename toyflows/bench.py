"""The bench: a method, a separation, one run, one verdict; and the table of many.

Every method is judged in the same setting, on the exact law where it has one. A method whose θ
leaves the finite numbers is judged too: "diverges".
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from toyflows import display, linear, solve
from toyflows.alarms import alarms
from toyflows.backends.base import Backend
from toyflows.backends.grid import Grid
from toyflows.errors import Diverged, InputError
from toyflows.flows.base import Flow, make
from toyflows.limits import check_ranges
from toyflows.registry import named_values, options_of
from toyflows.state import Trajectory
from toyflows.target import Target
from toyflows.verdict import Verdict, diverged, judge
from toyflows.workers import in_workers

SEPARATIONS = (2.0, 4.0, 6.0, 8.0, 10.0, 14.0, 20.0)


@dataclass(frozen=True)
class Setting:
    """What all methods of a table share; q* = 0.8 and θ0 = 0 unless said otherwise."""

    θ_star: float = -math.log(4)
    θ0: float = 0.0
    time: float = 100.0
    dt: float = 0.05
    rate: float = 1.0
    walkers: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(self.θ0, self.time, self.dt, self.rate, self.walkers, self.seed)

    @property
    def steps(self) -> int:
        return round(self.time / self.dt)


@dataclass(frozen=True)
class Cell:
    """One method (see `label`) at one separation; `run` is None where θ diverged."""

    method: str
    separation: float
    backend: str
    verdict: Verdict
    run: Trajectory | None
    alarms: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        told = f"{self.method} at d = {self.separation:g}: {self.verdict.kind}."
        warned = map(display.words, self.alarms)
        return display.page(display.words(self.verdict.says, told), *warned)


def label(flow: Flow) -> str:
    """The method's name and those of its options that are not the default: "cd k=10"."""
    options = {f.name: getattr(flow, f.name) for f in options_of(type(flow)) if
               getattr(flow, f.name) != f.default}  # fmt: skip
    return " ".join([flow.name, *(f"{name}={value}" for name, value in options.items())])


def parse(words: str) -> Flow:
    """The flow that `label` names. Raises InputError."""
    name, *pairs = words.split() or [words]
    try:
        options = named_values(pairs)
    except InputError as error:
        raise InputError("loss", words, error.why) from None
    return make(name, **options)


def cell(flow: Flow, d: float, setting: Setting, backend: str = "grid") -> Cell:
    """The flow's run at separation d on "grid" or "walkers", judged."""
    target = Target.exact(setting.θ_star, d)
    ops = _backend(backend, target, setting)
    try:
        run = solve.run(
            flow, ops, setting.θ0, setting.steps, setting.rate, max(1, setting.steps // 2000)
        )
        verdict = judge(flow, target, run, ops)
    except Diverged as error:
        known = error.with_limit(linear.stable_step(flow, Grid(target, setting.dt)))
        return Cell(label(flow), d, backend, diverged(known), None)
    return Cell(label(flow), d, backend, verdict, run, tuple(alarms(flow, target, run)))


def _backend(name: str, target: Target, setting: Setting) -> Backend:
    if name == "grid":
        return Grid(target, setting.dt)
    from toyflows.backends.walkers import Walkers

    return Walkers(target, setting.dt, setting.walkers, setting.seed)


def table(
    flows: Sequence[Flow],
    separations: Sequence[float],
    setting: Setting,
    backend: str = "grid",
    jobs: int = 1,
) -> Iterator[Cell]:
    """Every method at every separation, as they are done, on `jobs` processes; without the paths.

    The slow ones, at large separations, come first.
    """
    ordered = sorted(separations, reverse=True)
    todo = [
        (flow, d, setting, backend if flow.sampled else "grid") for d in ordered for flow in flows
    ]
    if jobs == 1:
        yield from map(_without_path, todo)
    else:
        yield from in_workers(_without_path, todo, min(jobs, len(todo)), _died)


def _without_path(item: tuple[Flow, float, Setting, str]) -> Cell:
    return replace(cell(*item), run=None)


def _died(item: tuple[Flow, float, Setting, str], error: BaseException) -> Cell:
    raise error


class Rows(list[tuple[str, dict[float, Cell]]]):
    """Each method with its cells by separation: the table of words."""

    def words(self) -> tuple[list[str], list[list[str]]]:
        """The names of the columns, and the cells of each row."""
        separations = sorted({d for _, row in self for d in row})
        heads = ["method", *(f"d = {d:g}" for d in separations)]
        return heads, [[name, *(row[d].verdict.kind for d in separations)] for name, row in self]

    def __repr__(self) -> str:
        heads, lines = self.words()
        rule = "| --- " * len(heads) + "|"
        head, *body = ("| " + " | ".join(line) + " |" for line in [heads, *lines])
        return "\n".join([head, rule, *body])

    def _repr_html_(self) -> str:
        heads, lines = self.words()
        return display.page(display.table(lines, heads))


def rows(cells: Sequence[Cell]) -> Rows:
    """Each method with its cells by separation; those that learn at most separations first."""
    found: dict[str, dict[float, Cell]] = {}
    for one in sorted(cells, key=lambda c: c.separation):
        found.setdefault(one.method, {})[one.separation] = one

    def failures(row: tuple[str, dict[float, Cell]]) -> tuple[int, str]:
        learns = ("converges", "on its way")
        return sum(c.verdict.kind not in learns for c in row[1].values()), row[0]

    return Rows(sorted(found.items(), key=failures))


def plain(verdict: Verdict) -> dict[str, Any]:
    """All that it says, for JSON: a number that is not finite is null."""
    number = verdict.number if math.isfinite(verdict.number) else None
    return asdict(verdict) | {"number": number}


def _but_kind(verdict: Verdict) -> dict[str, Any]:
    return {name: said for name, said in plain(verdict).items() if name != "kind"}


def to_json(cells: Sequence[Cell], setting: Setting) -> str:
    """The setting, and one object a cell; numbers that are not finite are null."""
    s = setting
    head = {
        "theta_star": s.θ_star, "theta0": s.θ0, "time": s.steps * s.dt, "dt": s.dt,
        "rate": s.rate, "walkers": s.walkers, "seed": s.seed,
    }  # fmt: skip
    table = [
        {
            "method": c.method, "separation": c.separation, "backend": c.backend,
            "verdict": c.verdict.kind, **_but_kind(c.verdict), "alarms": list(c.alarms),
        }
        for _, row in rows(cells)
        for c in row.values()
    ]  # fmt: skip
    return json.dumps({**head, "cells": table}, ensure_ascii=False, allow_nan=False)


def to_csv(cells: Sequence[Cell], setting: Setting) -> str:
    """One row a cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "separation", "backend", "verdict", "number"])
    for method, row in rows(cells):
        for d, c in row.items():
            writer.writerow([method, d, c.backend, c.verdict.kind, c.verdict.number])
    return text.getvalue().rstrip()


def to_markdown(cells: Sequence[Cell], setting: Setting) -> str:
    """The table of words."""
    return repr(rows(cells))
