"""Worker processes: each has one thread and stops with its parent, which alone handles Ctrl-C."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

# One thread each, for numbers that do not depend on `jobs`: a BLAS sum's order depends on threads.
# (toyflows.files.available_cores reads the first, so toyflows.flow starts one thread too.)
BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

T = TypeVar("T")
R = TypeVar("R")


def in_workers(
    work: Callable[[T], R], todo: Sequence[T], jobs: int, died: Callable[[T, BaseException], R]
) -> Iterator[R]:
    """`work` in `jobs` processes, as it is done. When the caller stops, so do they, at once.

    `died` says what becomes of an item whose worker gave no answer.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    with environment((*BLAS, "NUMBA_NUM_THREADS")):
        pool = ProcessPoolExecutor(jobs, context, become_worker)
        try:
            with deaf_to_interrupts():
                futures = {pool.submit(work, item): item for item in todo}
            for future in as_completed(futures):
                error = future.exception()
                yield died(futures[future], error) if error is not None else future.result()
        except BaseException:
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def environment(names: Sequence[str]) -> Iterator[None]:
    """The environment variables `names` are 1 for now."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def become_worker() -> None:
    """In a new worker: Ctrl-C is the parent's business, and without a parent there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave() -> None:
        parent.join()
        os._exit(1)  # the parent was killed: nobody would write the manifest

    threading.Thread(target=leave, daemon=True).start()


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Processes that are started here do not run the user's script once more, as multiprocessing
    would have them: a script works without `if __name__ == "__main__"`."""
    main = sys.modules["__main__"]
    hidden = {name: vars(main).pop(name, None) for name in ("__file__", "__spec__")}
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update({name: value for name, value in hidden.items() if value is not None})


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started here ignore Ctrl-C from their first instruction on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
