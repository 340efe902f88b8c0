"""`toyflows.check`: a method on the bench from Python, built in or of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from toyflows import bench
from toyflows.errors import InputError
from toyflows.flows.base import Flow

SEPARATIONS = (4.0, 10.0, 20.0)


def check(
    method: str | Path | Flow | type[Flow],
    separations: Sequence[float] = SEPARATIONS,
    backend: str = "grid",
    theta_star: float = bench.Setting.θ_star,
    **setting: float,
) -> bench.Rows:
    """The table of verdicts of `method` at these separations of the modes.

    `method` is a name with options ("cd k=10"), a flow, its class, or a file NAME.py with methods
    of one's own, which runs in this process (`toyflows check` gives it one of its own). `backend`
    is "grid" or "walkers"; a method that needs samples runs on walkers. `setting` has the other
    fields of `bench.Setting`: θ0, time, dt, rate, walkers, seed. Raises InputError.
    """
    if backend not in ("grid", "walkers"):
        raise InputError("backend", backend, "must be grid or walkers")
    shared = bench.Setting(theta_star, **setting)  # type: ignore[arg-type]
    cells = []
    for name, flow, known in _flows(method):
        where = backend if backend in known else known[0]
        found = (bench.cell(flow, d, shared, where) for d in separations)
        cells += [replace(cell, method=name) for cell in found]
    return bench.rows(cells)


def _flows(method: str | Path | Flow | type[Flow]) -> list[tuple[str, Flow, tuple[str, ...]]]:
    """The name of each flow, the flow, and the backends that it runs on."""
    if isinstance(method, Path) or (isinstance(method, str) and method.endswith(".py")):
        from toyflows.own import check_path, load

        check_path(Path(method))
        return [(own.name, own.guarded(), own.backends) for own in load(Path(method))]
    flow = bench.parse(method) if isinstance(method, str) else method
    flow = flow() if isinstance(flow, type) else flow
    return [(bench.label(flow), flow, ("grid", "walkers") if flow.sampled else ("grid",))]
