"""Ctrl-C and SIGTERM end a command within a second, whatever it is at.

Python hears of a signal only between two of its own instructions, so that a long call of compiled
code does not notice it. But the system's handler writes a byte at once (signal.set_wakeup_fd). A
second thread reads the byte, leaves time for an orderly end, and else ends the process itself.

A thread that still computes must not meet a Python that is being taken down under it: compiled code
then ends in an abort or worse. Where one is left, the system ends the process, all at once.

Python drops what is raised in a finaliser or in the callback of a weak reference, and prints it as
"ignored". A Stopped that ends so is raised again, a moment later.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from toyflows import files
from toyflows.errors import say

GRACE = 0.6  # seconds for the orderly end
WATCH = "watch"  # name of the thread
WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Stopped(KeyboardInterrupt):
    """A signal of WORDS."""

    def __init__(self, number: int):
        super().__init__(WORDS[signal.Signals(number)])
        self.code = 128 + number


@contextlib.contextmanager
def heeding() -> Iterator[None]:
    """Within, the signals raise Stopped, once; a second one is not heard, as the end is sure."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    theirs = {n: signal.getsignal(n) for n in WORDS}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    over = threading.Event()
    dropped = threading.Event()
    watch = threading.Thread(target=_watch, name=WATCH, args=(reader, over, dropped), daemon=True)
    watch.start()
    hook, sys.unraisablehook = sys.unraisablehook, _hook(sys.unraisablehook, dropped)
    for n, handler in theirs.items():
        if handler is not signal.SIG_IGN:  # as of a program that nohup or a shell's & began
            signal.signal(n, _stop)
    try:
        yield
    finally:
        over.set()
        sys.unraisablehook = hook
        signal.set_wakeup_fd(woken)
        os.close(writer)
        for n, handler in theirs.items():
            signal.signal(n, handler)


def _stop(number: int, _: Any) -> NoReturn:
    for n in WORDS:
        signal.signal(n, signal.SIG_IGN)
    raise Stopped(number)


def _hook(theirs: Callable[[Any], None], dropped: threading.Event) -> Callable[[Any], None]:
    """What Python calls with an exception that it drops; `theirs` has all others."""

    def heard(lost: Any) -> None:
        if isinstance(lost.exc_value, Stopped):
            signal.signal(lost.exc_value.code - 128, _stop)
            dropped.set()
        else:
            theirs(lost)

    return heard


def _watch(reader: int, over: threading.Event, dropped: threading.Event) -> None:
    """Reads until the pipe is closed, which is the end without a signal."""
    with open(reader, "rb", buffering=0) as heard:
        while (byte := heard.read(1)) and byte[0] not in WORDS:
            pass
        if not byte:
            return
        end = time.monotonic() + GRACE
        while (left := end - time.monotonic()) > 0 and dropped.wait(left):
            dropped.clear()
            _thread.interrupt_main(signal.Signals(byte[0]))
    for path in list(files.BEGUN):
        path.unlink(missing_ok=True)
    _kill_children()
    if not over.is_set():
        say(WORDS[signal.Signals(byte[0])])
    os._exit(128 + byte[0])


def _kill_children() -> None:
    if running := sys.modules.get("multiprocessing"):
        for child in running.active_children():
            child.kill()


def leave(code: int) -> NoReturn:
    """Ends the process with this exit code; call it last."""
    computing = (t for t in threading.enumerate() if t.daemon and t.name != WATCH)
    if not any(computing):
        sys.exit(code)
    atexit._run_exitfuncs()
    _kill_children()
    with contextlib.suppress(OSError, ValueError):  # a closed stream has nothing left to write
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
