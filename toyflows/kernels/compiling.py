"""What the command line hears of compilation: one line, and how far it is."""

from __future__ import annotations

import time
from typing import Any

from numba.core import event
from numba.core.dispatcher import Dispatcher

from toyflows import kernels
from toyflows.kernels.cache import say_once

PATIENCE = 2.0  # seconds without a bar


def _not_compiled(kernel: Dispatcher, found: set[Dispatcher]) -> set[Dispatcher]:
    """The kernel and those that it calls, directly or not, as far as they have no machine code."""
    if kernel not in found and not kernel.overloads:
        found.add(kernel)
        for name in kernel.py_func.__code__.co_names:
            inner = kernel.py_func.__globals__.get(name)
            if isinstance(inner, Dispatcher):
                _not_compiled(inner, found)
    return found


class Listener(event.Listener):
    """Counts the kernels that are compiled, those inside others first."""

    def __init__(self) -> None:
        self.depth, self.done, self.of, self.begun = 0, 0, 0, 0.0

    def on_start(self, event: Any) -> None:
        """A function begins; only what is not in the cache is heard of."""
        if self.depth == 0:
            say_once(event.data["dispatcher"].py_func.__name__)
            self.begun = self.begun or time.monotonic()
            self.of = self.done + len(_not_compiled(event.data["dispatcher"], set()))
        self.depth += 1

    def on_end(self, event: Any) -> None:
        """It is compiled; functions of Numba's own count as a part of the kernel."""
        self.depth -= 1
        ours = event.data["dispatcher"].py_func.__module__.startswith("toyflows.")
        self.done = self.of if self.depth == 0 else min(self.done + ours, self.of)
        if kernels.report and time.monotonic() > self.begun + PATIENCE:
            kernels.report("compiling", self.done, self.of)


def listen() -> None:
    """From now on."""
    event.register("numba:compile", Listener())
