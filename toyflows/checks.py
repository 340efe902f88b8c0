"""`toyflows.check`: a method on the bench from Python, built in or of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from toyflows import bench
from toyflows.errors import InputError
from toyflows.flows.base import Flow
from toyflows.method import FILE, Given, label, method
from toyflows.own import check_path, load
from toyflows.settings import not_on

SEPARATIONS = (4.0, 10.0, 20.0)


def check(
    given: Given | Path,
    separations: Sequence[float] = SEPARATIONS,
    backend: str = "grid",
    **numbers: float,
) -> bench.Rows:
    """The table of verdicts of a method at these separations of the modes.

    `given` is a name with options ("cd k=10"), a flow, its class, or a file NAME.py, of which every
    method is judged, in this process (`toyflows check` gives it one of its own). `backend` is
    "grid" or "walkers"; a method that has only one of them runs there. `numbers` are settings by
    name: theta_star or q_star, theta0, time, dt, rate, walkers, seed. Raises InputError.
    """
    if backend not in ("grid", "walkers"):
        raise InputError("backend", backend, "must be grid or walkers")
    shared, cells = bench.setting(numbers, separations), []
    for name, flow in _flows(given):
        where = backend if not not_on(flow, backend) else "walkers" if backend == "grid" else "grid"
        found = (bench.cell(flow, d, shared, where) for d in separations)
        cells += [replace(cell, method=name) for cell in found]
    return bench.rows(cells)


def _flows(given: Given | Path) -> list[tuple[str, Flow]]:
    """The flows by their names."""
    told = FILE.match(str(given)) if isinstance(given, str | Path) else None
    if told and not told[2]:
        check_path(Path(told[1]))
        return [(own.name, own.guarded()) for own in load(Path(told[1]))]
    flow = method(given)
    return [(label(flow), flow)]
