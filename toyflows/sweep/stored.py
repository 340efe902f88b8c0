"""Small sweeps that come with the package, so that their figures need no sweep.

Each is a plan, plans/NAME.toml, and what `toyflows sweep NAME.toml --out NAME.npz` made of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from toyflows import files
from toyflows.errors import InputError, nearest
from toyflows.sweep.engines import make_engine
from toyflows.sweep.plan import Plan
from toyflows.sweep.point import measure
from toyflows.sweep.result import Result
from toyflows.sweep.run import Report, carry_out
from toyflows.sweep.store import load as load_file


def names() -> list[str]:
    """The names of all stored sweeps."""
    return sorted(path.stem for path in files.PLANS.glob("*.toml"))


def plan(name: str) -> Plan:
    """The recipe. Raises InputError."""
    if name not in names():
        raise InputError("file", name, f"unknown; {nearest(name, names())}")
    return Plan.load(files.PLANS / f"{name}.toml")


def load(name: str) -> Result:
    """The sweep of this name. Raises InputError where it is not its plan's."""
    wanted, result = plan(name), load_file(files.sweeps_folder() / f"{name}.npz")
    if result.plan != wanted:
        raise InputError(
            "path", files.sweeps_folder() / f"{name}.npz", f"is not what {name}.toml plans"
        )
    return result


def make(name: str, into: Path, jobs: int | None = None, report: Report | None = None) -> Result:
    """Computes the sweep again, into this folder; what is done there stays."""
    return carry_out(plan(name), into / f"{name}.npz", make_engine("local", jobs), report)


def again(plan: Plan, runs: Iterable[int], backend: str | None = None) -> list[dict[str, Any]]:
    """The numbers (point.COLUMNS) of these runs of a plan, computed now; on another backend."""
    asked = [plan.run(k) for k in runs]
    return [measure(replace(run, backend=backend) if backend else run) for run in asked]
