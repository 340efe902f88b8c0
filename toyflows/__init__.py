"""toyflows: how generative models learn, on a model small enough to follow exactly.

    import toyflows
    run = toyflows.flow("pcd", theta_star=1.4)
    run.plot()

Reading order: errors, cloud, mixture, target, state, stats; kernels/; backends/; flows/; solve,
verdict, data, run. Each file imports only from those before it (tests/test_architecture.py).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Run", "flow", "load"]

if TYPE_CHECKING:
    from toyflows.run import Run, flow
    from toyflows.saved import load


def __getattr__(name: str) -> Any:
    """`flow`, `load` and `Run` on first use: importing toyflows costs nothing."""
    if name in __all__:
        return getattr(import_module("toyflows." + ("saved" if name == "load" else "run")), name)
    raise AttributeError(f"module 'toyflows' has no attribute {name!r}")
