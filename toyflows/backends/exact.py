"""The backend of the exact law, by the family."""

from __future__ import annotations

from toyflows.backends.grid import Grid
from toyflows.target import Target


def exact_law(target: Target, h: float) -> Grid:
    """Nodes of the line, or of a plane for a family there."""
    if target.mixture.dimension == 1:
        return Grid(target, h)
    from toyflows.backends.plane import PlaneGrid  # numba: not before it is needed

    return PlaneGrid(target, h)
