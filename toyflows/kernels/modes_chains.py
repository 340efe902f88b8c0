"""Persistent chains among K modes with their θ: thousands of steps in one call (chains.py's twin).

θ ← θ + η(mean r_θ(x) − E_data r_θ),     then a Langevin step of x at the old θ
"""

from __future__ import annotations

import numpy as np

from toyflows.kernels.jit import f64, i64, kernel, wide_vectors
from toyflows.kernels.modes import (
    label_block,
    logits_block,
    move_block,
    soften_block,
    sum_responsibility,
    sum_rows,
)
from toyflows.kernels.random import BLOCK, HALF, stream_keys
from toyflows.kernels.team import meet, next_share


@kernel
def count_of(label, k):
    """How many of label (n,) are k."""
    wide_vectors()
    n = i64(0)
    for j in range(label.size):
        n += i64(label[j] == k)
    return n


@kernel
def renew(old, new):
    """old = new; returns how many differed."""
    wide_vectors()
    n = i64(0)
    for j in range(old.size):
        n += i64(old[j] != new[j])
        old[j] = new[j]
    return n


@kernel
def chain_blocks(x, labels, part, first, last, bits, g, z, s, keys, h, model, θ):
    """One step of the blocks: part[block] = (Σ r_k, walkers in mode k) of k ≥ 2 before it, then
    the walkers whose mode is another than in `labels`, which it renews."""
    A, β, c, a, α = model
    K = A.shape[0]
    for block in range(first, last):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        xs = x[:, here]
        n = xs.shape[1]
        logits_block(xs, z, s[0], A, β, c)
        label_block(z, n, s[0], s[1])
        for k in range(K):
            part[block, K + k] = count_of(s[1, :n], f64(k + 1))
        part[block, 2 * K] = renew(labels[here], s[1, :n])
        soften_block(z, n, s[0], s[1], θ)
        move_block(xs, z, block, bits, g, s[0], s[1], keys[0], keys[1], h, 1.0, A, β, a, α)
        sum_rows(z, n, part[block])


@kernel
def column_sums(part, out):
    """out = Σ_block part[block], in block order."""
    out[:] = 0.0
    for block in range(part.shape[0]):
        for i in range(part.shape[1]):
            out[i] += part[block, i]


@kernel
def persistent(
    rank, size, sync, sums, x, labels, steps, seed, step, stream, h, η, model, θ, data_x, data_w,
    data_model, path,
):  # fmt: skip
    """`steps` steps of θ ← θ + η(mean r_θ(x) − E_data r_θ), each followed by a Langevin step of x;
    data as nodes (rank, M) with weights (M,). θ (K−1,) belongs to the thread.

    Threads and sums (2, blocks + data blocks, 2(K−1) + 1) as in chains.persistent; the data's sums
    are shared out like the walkers'. path (steps, 3(K−1) + 1): θ, θ̇, walkers in each mode, walkers
    that changed modes in the step before. labels (N,): the walkers' modes, which it renews.
    """
    K, N = θ.size, x.shape[1]
    own, of_data = (N + BLOCK - 1) // BLOCK, (data_x.shape[1] + BLOCK - 1) // BLOCK
    bits, g = np.empty(HALF, np.uint64), np.empty(BLOCK, np.float32)
    z, s = np.empty((K, BLOCK)), np.empty((3, BLOCK))
    seen, data = np.empty(2 * K + 1), np.empty(2 * K + 1)
    for t in range(steps):
        part = sums[t % 2]
        keys = stream_keys(seed, step + t, stream)
        for turn in range(size):
            first, last = next_share(sync, rank, size, turn, t, own + of_data)
            while first < last:
                chain_blocks(x, labels, part, first, min(last, own), bits, g, z, s, keys, h, model,
                             θ)  # fmt: skip
                sum_responsibility(data_x, max(first - own, 0), last - own, part[own:], data_w,
                                   data_model, θ)  # fmt: skip
                first, last = next_share(sync, rank, size, turn, t, own + of_data)
        meet(sync, size * (t + 1))
        column_sums(part[:own], seen)
        column_sums(part[own:], data)
        for k in range(K):
            velocity = seen[k] / N - data[k]
            if rank == 0:
                path[t, k], path[t, K + k], path[t, 2 * K + k] = θ[k], velocity, seen[K + k]
                path[t, 3 * K] = seen[2 * K]
            θ[k] += η * velocity
