"""K modes in D dimensions: the two-mode laboratory with more of both.

    from toyflows import modes
    run = modes.flow("pcd", positions=[[0, 0], [6, 0], [3, 5]], theta_star=[0, 1, 0.5])
    run.weights, run.verdict, run.plot()

Reading order: family (the mixture, in NumPy), target, walkers, plane (the exact law), follow,
result, run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

HOME = {"Modes": "family", "Run": "result", "flow": "run"}
__all__ = ["Modes", "Run", "flow"]

if TYPE_CHECKING:
    from toyflows.modes.family import Modes
    from toyflows.modes.result import Run
    from toyflows.modes.run import flow


def __getattr__(name: str) -> Any:
    """On first use: importing the package costs nothing."""
    if name in HOME:
        return getattr(import_module(f"toyflows.modes.{HOME[name]}"), name)
    raise AttributeError(f"module 'toyflows.modes' has no attribute {name!r}")
