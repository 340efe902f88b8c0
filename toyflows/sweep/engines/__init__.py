"""Where the chunks of a sweep are worked: processes of this machine, or a Dask cluster.

An engine only carries: what is computed is point.work, and the same bits come home from each.
"""

from __future__ import annotations

from toyflows.errors import InputError, nearest
from toyflows.files import available_cores
from toyflows.limits import check_workers
from toyflows.sweep.engines.base import Engine, WorkersLost

__all__ = ["ENGINES", "Engine", "WorkersLost", "make_engine"]

ENGINES = ("local", "dask")


def make_engine(name: str, jobs: int | None = None, scheduler: str | None = None) -> Engine:
    """Raises InputError for an unknown engine, a missing extra or settings that contradict."""
    if name not in ENGINES:
        raise InputError("engine", name, f"unknown; {nearest(name, ENGINES)}")
    check_workers(jobs=jobs)
    if name == "dask":
        from toyflows.sweep.engines.dask import Dask

        return Dask(jobs, scheduler)
    if scheduler is not None:
        raise InputError("scheduler", scheduler, "goes with --engine dask")
    from toyflows.sweep.engines.local import Local

    return Local(jobs or available_cores())
