"""What an engine must do. It only carries: what is computed is point.work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self

from toyflows.sweep.point import Chunk, Refused, Rows

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
