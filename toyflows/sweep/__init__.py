"""Sweeps: methods × settings × repeats, on every core or a cluster, resumable.

    from toyflows import sweep
    result = sweep.sweep("pcd", over={"separation": (4.0, 8.0)}, time=5, walkers=1000)
    print(result.words)

Reading order: axis, plan, point, engines, result, store, run. A run's bits depend on its own
settings only: not on the plan around it, its chunk, its engine, or how often the sweep was stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toyflows.lazy import lazy

__all__ = ["Axis", "Plan", "Result", "load", "sweep"]

if TYPE_CHECKING:
    from toyflows.sweep.axis import Axis
    from toyflows.sweep.plan import Plan
    from toyflows.sweep.result import Result
    from toyflows.sweep.run import sweep
    from toyflows.sweep.store import load

__getattr__, __dir__ = lazy(__name__, {
    "axis": "Axis", "plan": "Plan", "result": "Result", "run": "sweep", "store": "load",
})  # fmt: skip
