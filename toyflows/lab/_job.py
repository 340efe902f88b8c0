"""Computations of many visitors on a few cores: one at a time for each, the newest wins.

A visitor's new setting cancels what is still computed for the old one. Jobs wait in the order they
came; a playing visitor's next frame goes to the end of the line, so that all play at one speed. A
long job also goes back to the end after each SLICE if others wait, so that nobody keeps the cores.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SLICE = 0.25  # seconds
Work = Callable[["Job"], Any]
Deliver = Callable[[Any], None]


class Cancelled(Exception):
    """The visitor has changed the setting."""


class Job:
    """One computation, as the code inside it sees it."""

    def __init__(self, work: Work, told: Deliver, done: Deliver, failed: Deliver):
        self.work, self.told, self.done, self.failed = work, told, done, failed
        self.cancelled = self.over = False
        self.began: float | None = None
        self.desk: Desk | None = None  # where it runs
        self.until = 0.0  # when its turn ends

    @property
    def busy(self) -> bool:
        """Whether it waits or runs, and somebody waits for it."""
        return not (self.over or self.cancelled)

    def check(self) -> None:
        """Raises Cancelled where nobody waits for this any more; lets others go first where its
        turn is over."""
        if self.desk is not None and not self.cancelled and time.monotonic() > self.until:
            self.desk.let_others(self)
        if self.cancelled:
            raise Cancelled

    def tell(self, frame: Any) -> None:
        """Shows a part of the answer."""
        self.check()
        self.told(frame)

    def run(self) -> None:
        """Runs it, unless it was cancelled, and delivers."""
        try:
            self.check()
            self.began = time.monotonic()
            found = self.work(self)
            self.check()
        except Cancelled:
            return
        except Exception as error:
            self.over = True
            if not self.cancelled:
                self.failed(error)
            return
        self.over = True
        self.done(found)


@dataclass(frozen=True, eq=False)
class Pause:
    """The place in the line of a job that goes on later."""

    job: Job
    over: threading.Event = field(default_factory=threading.Event)


class Desk:
    """The line of waiting jobs, and the threads that take from it."""

    def __init__(self, cores: int):
        self.line: deque[Job | Pause] = deque()
        self.wake = threading.Condition()
        self.closed = False
        self.running: set[Job] = set()
        self.threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(cores)]
        for thread in self.threads:
            thread.start()

    def put(self, job: Job, instead: Job | None = None) -> None:
        """Puts a job at the end of the line, or in the place of a job that still waits there."""
        with self.wake:
            if instead is not None and instead in self.line:
                self.line[self.line.index(instead)] = job
            else:
                self.line.append(job)
                self.wake.notify()
            if self.closed:
                job.cancelled = True

    def drop(self, job: Job) -> None:
        """Cancels it, whether it waits or runs."""
        job.cancelled = True
        with self.wake:
            if job in self.line:
                self.line.remove(job)

    def before(self, job: Job) -> int:
        """How many jobs wait before this one."""
        with self.wake:
            return self.line.index(job) if job in self.line else 0

    def close(self) -> None:
        """Cancels all that waits or runs."""
        with self.wake:
            self.closed = True
            for job in self.running:
                job.cancelled = True
            for waiting in self.line:
                if isinstance(waiting, Pause):
                    waiting.over.set()
                else:
                    waiting.cancelled = True
            self.wake.notify_all()

    def let_others(self, job: Job) -> None:
        """Called by a running job: waits at the end of the line, while another thread takes the
        place of its own. The thread that finds the pause in the line ends: there are always as many
        as cores."""
        with self.wake:
            if self.line and not self.closed:
                pause = Pause(job)
                self.line.append(pause)
            else:
                pause = None
        if pause is not None:
            threading.Thread(target=self._serve, daemon=True).start()
            pause.over.wait()
        job.until = time.monotonic() + SLICE

    def _serve(self) -> None:
        while True:
            with self.wake:
                self.wake.wait_for(lambda: self.line or self.closed)
                if self.closed:
                    return
                job = self.line.popleft()
                if isinstance(job, Pause):
                    job.over.set()
                    return
                self.running.add(job)
            job.desk, job.until = self, time.monotonic() + SLICE
            try:
                job.run()
            except Exception:
                traceback.print_exc()  # of telling it: the desk serves the others on
            finally:
                with self.wake:
                    self.running.discard(job)


class Slot:
    """One visitor's place at the desk: its newest job, and no other."""

    def __init__(self, desk: Desk):
        self.desk = desk
        self.job: Job | None = None

    def ask(self, work: Work, told: Deliver, done: Deliver, failed: Deliver) -> Job:
        """Cancels what is computed for this visitor and asks for `work` instead, in the place in
        the line that the visitor has."""
        before, self.job = self.job, Job(work, told, done, failed)
        if before is not None:
            before.cancelled = True
        self.desk.put(self.job, before)
        return self.job

    def leave(self) -> None:
        """The visitor leaves: nothing more is computed for him."""
        if self.job is not None:
            self.desk.drop(self.job)
