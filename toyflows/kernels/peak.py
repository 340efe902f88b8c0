"""The most that the registers of this machine can do: multiply and add, with nothing to fetch."""

from __future__ import annotations

from toyflows.kernels.jit import kernel, wide_vectors
from toyflows.kernels.lanes import OCTET, WIDTH, add_outer, load, store, zeros
from toyflows.kernels.machine import HERE

COLUMNS = 3
ROWS = HERE.rows(COLUMNS, OCTET)
SUMS = ROWS * COLUMNS  # that go on at once: more than an fma takes cycles
OPERATIONS = 2 * WIDTH * SUMS  # of one round
ROOM = WIDTH * SUMS  # numbers that `rounds` reads and writes


@kernel
def rounds(numbers, many):
    """`many` times, each of SUMS registers s ← s + u v; numbers (ROOM,) float32."""
    wide_vectors()
    u, v = load(numbers, 0, WIDTH, 0, ROWS, 1), load(numbers, 0, WIDTH, 0, COLUMNS, 1)
    sums = zeros(ROWS, COLUMNS)
    for _ in range(many):
        sums = add_outer(sums, u, v)
    store(numbers, 0, COLUMNS * WIDTH, WIDTH, sums, COLUMNS)
