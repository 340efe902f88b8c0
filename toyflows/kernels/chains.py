"""Persistent chains with their θ: thousands of steps in one call.

θ ← θ + η(mean r_θ(x) − E_data r_θ),     then a Langevin or Metropolis step of x at the old θ
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import kernel
from toyflows.kernels.langevin import drift_block, sorted_responsibility, tree_sum
from toyflows.kernels.metropolis import metropolis_block
from toyflows.kernels.random import ACCEPT, BLOCK, HALF, MOVE, normals_of_block, stream_keys
from toyflows.kernels.team import meet, next_share


@kernel
def total_of(column):
    """Σ_block column[block], in block order."""
    total = 0.0
    for block in range(column.size):
        total += column[block]
    return total


@kernel
def chain_blocks(x, part, first, last, bits, g, r, scratch, keys, h, a, b, θ):
    """One step of the blocks first ≤ block < last, a Metropolis step where there is scratch for it;
    part[block] = (Σ r_θ before it, walkers in b before it, walkers that crossed in it)."""
    d, m = b - a, 0.5 * (a + b)
    for block in range(first, last):
        xs = x[block * BLOCK : (block + 1) * BLOCK]
        if scratch is None:
            normals_of_block(bits, g, block, keys[0], keys[1], math.sqrt(2.0 * h))
            in_b, crossed = drift_block(xs, g, r, h, a, d, m, θ)
        else:
            in_b, crossed = metropolis_block(
                xs, block, bits, g, r, scratch, keys, h, 1.0, a, d, m, θ
            )
        r[xs.size :] = 0
        part[block, 0] = tree_sum(r)
        part[block, 1] = in_b
        part[block, 2] = crossed


@kernel
def persistent(
    rank, size, sync, sums, x, steps, seed, step, h, η, a, b, θ, data_x, data_w, data_tail, path,
    metropolis,
):  # fmt: skip
    """`steps` steps; Metropolis' where `metropolis` is not None.

    Run by `size` threads at once: each takes its own share of the blocks first, then helps the
    others (sync: team.py). After a step all wait for each other and add the same block sums in the
    same order, so that every thread knows the same θ. sums (2, blocks, ≥ 3) alternate between
    steps, so that one wait a step is enough. path (steps, 4): θ, its velocity, walkers in b before
    the step, walkers that crossed in it. Returns θ. Passing None lets Numba
    drop the Metropolis branch, so that the other compiles faster.
    """
    blocks = (x.size + BLOCK - 1) // BLOCK
    bits, g = np.empty(HALF, np.uint64), np.empty(BLOCK, np.float32)
    r, data_r = np.empty(BLOCK, x.dtype), np.empty(BLOCK, np.float64)
    scratch = None if metropolis is None else np.empty((3, BLOCK))
    for k in range(steps):
        part = sums[k % 2]
        keys = stream_keys(seed, step + k, MOVE) + stream_keys(seed, step + k, ACCEPT)
        for turn in range(size):
            first, last = next_share(sync, rank, size, turn, k, blocks)
            while first < last:
                chain_blocks(x, part, first, last, bits, g, r, scratch, keys, h, a, b, θ)
                first, last = next_share(sync, rank, size, turn, k, blocks)
        meet(sync, size * (k + 1))
        mean = sorted_responsibility(data_x, data_w, data_tail, data_r, b - a, 0.5 * (a + b), θ)
        velocity = total_of(part[:, 0]) / x.size - mean
        if rank == 0:
            path[k, 0] = θ
            path[k, 1] = velocity
            path[k, 2] = total_of(part[:, 1])
            path[k, 3] = total_of(part[:, 2])
        θ += η * velocity
    return θ
