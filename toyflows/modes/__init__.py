"""K modes in D dimensions: the two-mode laboratory with more of both.

    from toyflows import modes
    run = modes.flow("pcd", positions=[[0, 0], [6, 0], [3, 5]], theta_star=[0, 1, 0.5], time=5)
    print(run.weights[-1], run.verdict)

Reading order: family (the mixture, in NumPy), target, walkers, plane (the exact law), follow,
result, run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toyflows.lazy import lazy

__all__ = ["Modes", "Run", "flow"]

if TYPE_CHECKING:
    from toyflows.modes.family import Modes
    from toyflows.modes.result import Run
    from toyflows.modes.run import flow

__getattr__, __dir__ = lazy(__name__, {"family": "Modes", "result": "Run", "run": "flow"})
