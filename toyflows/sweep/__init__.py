"""Sweeps: methods × settings × repeats, on every core or a cluster, resumable.

Reading order: axis, plan, point, engines, result, store, run. A run's bits depend on its own
settings only: not on the plan around it, its chunk, its engine, or how often the sweep was stopped.
"""

from toyflows.sweep.axis import Axis
from toyflows.sweep.plan import Plan
from toyflows.sweep.result import Result
from toyflows.sweep.run import sweep
from toyflows.sweep.store import load

__all__ = ["Axis", "Plan", "Result", "load", "sweep"]
