"""A Dask cluster: somebody's scheduler, or a LocalCluster of our own (extra `cluster`).

The scheduler gives the chunks of a lost worker to the others. Only a window of chunks is known to
it at a time, so that a plan of 10⁶ runs does not sit in its memory.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any, Self

from toyflows.errors import InputError
from toyflows.files import available_cores
from toyflows.sweep.engines.base import ATTEMPTS, WorkersLost
from toyflows.sweep.point import Chunk, Refused, Rows, work
from toyflows.workers import BLAS, deaf_to_interrupts, environment

PATIENCE = 5.0  # seconds in which a scheduler must answer
AHEAD = 3  # chunks a thread of the cluster that are handed out at a time


class Dask:
    """Engine on the scheduler at that address, or on `jobs` processes of its own."""

    def __init__(self, jobs: int | None = None, scheduler: str | None = None):
        try:
            import distributed
        except ImportError:
            why = "needs Dask: pip install 'toyflows[cluster]'"
            raise InputError("engine", "dask", why) from None
        if scheduler is not None and jobs is not None:
            raise InputError("jobs", jobs, "the scheduler has its own workers")
        if scheduler is not None and "://" not in scheduler:
            raise InputError("scheduler", scheduler, "must be an address as tcp://host:8786")
        self._dask: Any = distributed
        self._address, self.jobs = scheduler, jobs or available_cores()
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._held.enter_context(_quiet())
        place: Any = self._address
        if place is None:
            with environment((*BLAS, "NUMBA_NUM_THREADS")), deaf_to_interrupts():
                place = self._held.enter_context(self._dask.LocalCluster(
                    self.jobs, threads_per_worker=1, host="127.0.0.1",
                    dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
                    silence_logs=logging.ERROR,
                ))  # fmt: skip
        try:
            client = self._dask.Client(place, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, self._dask.core.CommClosedError):
            self._held.close()
            why = f"no scheduler answers within {PATIENCE:g} s"
            raise InputError("scheduler", place, why) from None
        self._client = self._held.enter_context(client)
        threads = sum(self._client.nthreads().values())
        if not threads:
            self._held.close()
            raise InputError("scheduler", self._address, "the scheduler has no workers")
        self.jobs = threads
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def run(self, chunks: Iterator[Chunk]) -> Iterator[Rows | Refused]:
        done = self._dask.as_completed(loop=self._client.loop)
        client = self._dask.client
        lost = (
            client.FutureCancelledError,
            client.ClosedClientError,
            self._dask.core.CommClosedError,
        )
        try:
            for _ in range(AHEAD * self.jobs):
                self._submit(chunks, done)
            for future in done:
                answer = future.result()
                self._submit(chunks, done)
                yield answer
        except self._dask.scheduler.KilledWorker as error:
            first = " ".join(str(error).split())[:200]
            raise WorkersLost(f"{ATTEMPTS} workers in turn died at a chunk: {first}") from None
        except lost:
            raise WorkersLost("the connection to the scheduler is lost") from None

    def _submit(self, chunks: Iterator[Chunk], done: Any) -> None:
        if (chunk := next(chunks, None)) is not None:
            done.add(self._client.submit(work, chunk, pure=False, retries=ATTEMPTS - 1))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the cluster's own words about a connection that ends."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    before = [(logger, logger.level) for logger in map(logging.getLogger, names)]
    for logger, _ in before:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)
