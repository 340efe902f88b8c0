"""A team of threads inside one kernel: the walkers' parallelism, without OpenMP.

A step of 10⁵ walkers takes 0.1 ms, so threads must meet as often. Numba's own layers do not fit:
OpenMP's threads spin for as long as a neighbour holds the processor (the prototype was then 40 ×
slower than one thread), workqueue needs 0.1 ms a launch. Here Python threads enter the kernel once
for many steps, take blocks from each other, and meet at a counter; who waits long gives its time
slice away (sched_yield).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from toyflows.kernels.jit import kernel

APART = 16  # counters stand this far apart, so that no two threads write to one cache line
LONGEST = 8  # blocks taken at once: 8 µs
SPINS = 20_000  # looks at the counter, about 20 µs, before giving the time slice away
_yield = types.ExternalFunction(
    "SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32()
)


def _address(context, builder, signature, args):
    return context.make_array(signature.args[0])(context, builder, args[0]).data


@intrinsic
def add_one(typingctx, counter):
    """Atomically counter[0] += 1."""

    def codegen(context, builder, signature, args):
        one = context.get_constant(types.int64, 1)
        place = _address(context, builder, signature, args)
        return builder.atomic_rmw("add", place, one, "seq_cst")

    return types.int64(counter), codegen


@intrinsic
def look(typingctx, counter):
    """Atomically read counter[0]."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(_address(context, builder, signature, args), "seq_cst", 8)

    return types.int64(counter), codegen


@kernel
def meet(sync, everyone):
    """Waits until `everyone` arrivals have been counted since sync was zero."""
    add_one(sync)
    spins = 0
    while look(sync) < everyone:
        spins += 1
        if spins > SPINS:
            _yield()


@kernel
def next_share(sync, rank, size, turn, step, blocks):
    """The next (first, last) blocks for thread `rank` in its `turn`-th share; (0, 0): none is left.

    Thread n owns the n-th part of the blocks, and with turn = 0 a thread takes from its own part;
    afterwards from the others', so that a thread that was held up does not hold up all. In each
    step each thread draws from each part until it is empty, hence one number too many a thread.
    """
    owner = (rank + turn) % size
    start, end = owner * blocks // size, (owner + 1) * blocks // size
    length = max(1, min(LONGEST, (end - start) // 8))
    pieces = (end - start + length - 1) // length
    place = APART * (1 + owner)
    first = start + length * (add_one(sync[place:]) - step * (pieces + size))
    return (first, min(first + length, end)) if first < end else (0, 0)


def new_sync(size: int) -> NDArray[np.int64]:
    """Counters for a team: of arrivals, and of the pieces taken from each thread's part."""
    return np.zeros(APART * (1 + size), np.int64)


class Pace:
    """Whether a team or one thread is faster just now, from the calls made so far.

    Results are the same bits for any number of threads, so the choice is free: on a machine whose
    other cores are busy, a team is slower than one thread. Each way is tried once, then the faster
    one is taken, and the other again at every 16th call, in case the neighbour has left.
    """

    def __init__(self, size: int):
        self.size = size
        self.calls = 0
        self.seconds: dict[int, float] = {}  # per unit of work, by number of threads

    def run(self, f: Callable[[int, int], Any], work: int) -> Any:
        """team.run(f, …) with the number of threads that is the faster one."""
        size = self._choice()
        start = time.perf_counter()
        result = run(f, size)
        self.seconds[size] = (time.perf_counter() - start) / work
        self.calls += 1
        return result

    def _choice(self) -> int:
        for size in (self.size, 1):
            if size not in self.seconds:
                return size
        best = min(self.seconds, key=self.seconds.__getitem__)
        return best if self.calls % 16 else self.size + 1 - best


def run(f: Callable[[int, int], Any], size: int) -> Any:
    """Calls f(rank, size) on `size` threads at once; returns what rank 0 returned."""
    others = [threading.Thread(target=f, args=(rank, size)) for rank in range(1, size)]
    for thread in others:
        thread.start()
    result = f(0, size)
    for thread in others:
        thread.join()
    return result
