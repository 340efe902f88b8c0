"""The bench: a method, a separation, one run, one verdict; and the table of many.

Every method is judged in the same setting, on the exact law where it has one. A method whose θ
leaves the finite numbers is judged too: "diverges".
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from toyflows import display, linear, solve
from toyflows.alarms import alarms
from toyflows.backends.base import Backend
from toyflows.backends.grid import Grid
from toyflows.errors import Diverged
from toyflows.method import Given, label, method, methods
from toyflows.settings import USUAL_STAR, RunSettings, not_on, settings
from toyflows.state import Trajectory
from toyflows.target import Target
from toyflows.verdict import Verdict, diverged, judge
from toyflows.workers import in_workers

SEPARATIONS = (2.0, 4.0, 6.0, 8.0, 10.0, 14.0, 20.0)


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


def setting(numbers: Mapping[str, Any], separations: Sequence[float]) -> RunSettings:
    """That of a table, from numbers by name; without a target q* = 0.8. Raises InputError where a
    cell cannot be run."""
    each = [settings({**numbers, "separation": d}, USUAL_STAR) for d in separations]
    return each[0]


def cell(given: Given, d: float, setting: RunSettings, backend: str = "grid") -> Cell:
    """The method's run at separation d on "grid" or "walkers", judged."""
    flow, s = method(given), replace(setting, separation=d)
    target, name = s.target, label(flow)
    ops = _backend(backend, target, s)
    try:
        run = solve.run(flow, ops, s.theta0, s.steps, s.rate, s.every)
        verdict = judge(flow, target, run, ops)
    except Diverged as error:
        known = error.with_limit(linear.stable_step(flow, Grid(target, s.dt)))
        return Cell(name, d, backend, diverged(known), None)
    return Cell(name, d, backend, verdict, run, tuple(alarms(flow, target, run)))


def _backend(name: str, target: Target, s: RunSettings) -> Backend:
    if name == "grid":
        return Grid(target, s.dt)
    from toyflows.backends.walkers import Walkers

    return Walkers(target, s.dt, s.walkers, s.seed)


def table(
    given: Given | Sequence[Given],
    separations: Sequence[float],
    setting: RunSettings,
    backend: str = "grid",
    jobs: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Cell]:
    """Every method at every separation, as they are done, on `jobs` processes; without the paths.
    Where a method does not run on this backend, it is judged on the other. `options` go to the
    methods that have them.

    The slow ones, at large separations, come first.
    """
    other = {"grid": "walkers", "walkers": "grid"}[backend]
    flows = methods(given, options).values()
    todo = [
        (flow, replace(setting, separation=d), other if not_on(flow, backend) else backend)
        for d in sorted(separations, reverse=True)
        for flow in flows
    ]
    if jobs == 1:
        yield from (replace(cell(flow, s.separation, s, on), run=None) for flow, s, on in todo)
    else:
        orders = [(s.with_method(flow), on) for flow, s, on in todo]
        yield from in_workers(_without_path, orders, min(jobs, len(todo)), _died)


def _without_path(item: tuple[RunSettings, str]) -> Cell:
    s, backend = item
    return replace(cell(s.flow(), s.separation, s, backend), run=None)


def _died(item: tuple[RunSettings, str], error: BaseException) -> Cell:
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


def to_json(cells: Sequence[Cell], setting: RunSettings) -> str:
    """The setting, and one object a cell; numbers that are not finite are null."""
    s = setting
    head = {
        "theta_star": s.theta_star, "theta0": s.theta0, "time": s.steps * s.dt, "dt": s.dt,
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


def to_csv(cells: Sequence[Cell], setting: RunSettings) -> str:
    """One row a cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "separation", "backend", "verdict", "number"])
    for name, row in rows(cells):
        for d, c in row.items():
            writer.writerow([name, d, c.backend, c.verdict.kind, c.verdict.number])
    return text.getvalue().rstrip()


def to_markdown(cells: Sequence[Cell], setting: RunSettings) -> str:
    """The table of words."""
    return repr(rows(cells))
