"""Where the chunks of a sweep are worked: processes of this machine, or a Dask cluster.

An engine only carries: what is computed is point.work, and the same bits come home from each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self

from toyflows.errors import InputError, nearest
from toyflows.files import available_cores
from toyflows.limits import check_workers
from toyflows.sweep.point import Chunk, Refused, Rows

ENGINES = ("local", "dask")
ATTEMPTS = 3  # of a chunk whose worker was lost: a chunk that kills three is to blame itself


class Engine(Protocol):
    """A context: its workers live within the `with`."""

    jobs: int

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...

    def run(self, chunks: Iterator[Chunk]) -> Iterator[Rows | Refused]:
        """What comes of each chunk, as it is done. Chunks are taken when they are needed; a chunk
        whose worker is lost is done again by another. Raises WorkersLost."""


class WorkersLost(RuntimeError):
    """A chunk has lost its worker ATTEMPTS times; one line for the user."""


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
