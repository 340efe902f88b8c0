"""Processes of this machine, one thread each, each at its own pipe.

A process has one chunk at work and one in its pipe, so that it never waits for us. Where it dies,
its pipe ends: its chunks are given to others, a new process takes its place, the rest go on.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Self

from toyflows import kernels
from toyflows.sweep.engines.base import ATTEMPTS, WorkersLost
from toyflows.sweep.point import Chunk, Refused, Rows, work
from toyflows.workers import BLAS, become_worker, deaf_to_interrupts, environment, without_main

AHEAD = 2  # chunks that a process has: one at work, one waiting


@dataclass
class _Task:
    chunk: Chunk
    lost: int = 0


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    tasks: deque[_Task] = field(default_factory=deque)


class Local:
    """Engine with `jobs` processes."""

    def __init__(self, jobs: int):
        self.jobs = jobs
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    def run(self, chunks: Iterator[Chunk]) -> Iterator[Rows | Refused]:
        again: deque[_Task] = deque()
        while True:
            self._hand_out(chunks, again)
            busy = [w for w in self._workers if w.tasks]
            if not busy and not again:
                return
            for ready in wait([w.pipe for w in busy]) if busy else ():
                worker = next(w for w in busy if w.pipe is ready)
                if worker not in self._workers:  # found dead when it was given a chunk
                    continue
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    self._lose(worker, again)
                    continue
                worker.tasks.popleft()
                self._hand_out(chunks, again)  # before the caller takes its time
                yield answer

    def _hand_out(self, chunks: Iterator[Chunk], again: deque[_Task]) -> None:
        """To every process as much as it may have, the lost chunks first; the idle come first."""
        for held in range(AHEAD):
            for place in range(self.jobs):
                if place < len(self._workers) and len(self._workers[place].tasks) > held:
                    continue
                if again:
                    task = again.popleft()
                elif (chunk := next(chunks, None)) is not None:
                    task = _Task(chunk)
                else:
                    return
                if place == len(self._workers):
                    self._workers.append(_start())
                self._give(self._workers[place], task, again)

    def _give(self, worker: _Worker, task: _Task, again: deque[_Task]) -> None:
        worker.tasks.append(task)
        try:
            worker.pipe.send(task.chunk)
        except OSError:  # it has just died: what it had and this one
            self._lose(worker, again)

    def _lose(self, worker: _Worker, again: deque[_Task]) -> None:
        """Its chunks are to be done again, and a new process stands in its place. Only the chunk
        that was at work may be to blame."""
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        first = worker.tasks[0]
        first.lost += 1
        if first.lost >= ATTEMPTS:
            code = worker.process.exitcode
            raise WorkersLost(
                f"{ATTEMPTS} workers in turn died (the last with exit code {code}) at a chunk that "
                f"begins with {first.chunk.runs[0]}"
            )
        again.extend(worker.tasks)
        self._workers[self._workers.index(worker)] = _start()


def _start() -> _Worker:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    with environment((*BLAS, "NUMBA_NUM_THREADS")), deaf_to_interrupts(), without_main():
        process.start()
    theirs.close()  # else the pipe would not end with the process
    return _Worker(process, mine)


def _serve(pipe: Connection) -> None:
    """In the worker: chunks in, rows out. A thread reads, so that the parent's send never waits for
    our work while ours waits for the parent."""
    become_worker()
    kernels.own_process = True  # nobody else's Numba code is here: 0.3 s less to start
    todo: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()

    def read() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                todo.put(pipe.recv())
        todo.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (chunk := todo.get()) is not None:
        pipe.send(work(chunk))
