"""Persistent chains with work weights (Jarzynski's correction) and their θ: no logarithm a step.

With U_θ = ½(x − a)² − log(1 + e^z), F = ∂_xU = (x − a) − d r, the log weight `Mixture.work` that a
step x → y adds while θ goes to θ' telescopes, and the square drops out:

    log w' = log w + A_θ(x) − ½d(y − x)(r_θ(x) + r_θ'(y)) − A_θ'(y),   A_θ = ¼h F² − log(1 + e^z)

So T = log w + A is carried along, and w = e^{T − A} = 2^{(T − ¼hF²) log₂e − t}/r, t = −z log₂e: two
exponentials a walker-step. T and A are rounded to multiples of 2^{−41} (GRAIN), which makes T − A
exact: log w is all there is to know, and a run may be cut after any step without changing a bit
(while |log w| < 4096). The rounding costs 2^{−41} = 5e−13 a step.

Each block of walkers sums its weights in units of its own power of two: nothing overflows, however
far θ jumps, and no scale is carried from step to step.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import as_i64, f64, fma, i64, kernel, wide_vectors
from toyflows.kernels.langevin import plus_negative, sorted_responsibility, tree_sum
from toyflows.kernels.polynomials import EDGE, LOG2E, ROUND_64, ROUND_BITS, exp2_f64, log2_f64
from toyflows.kernels.random import BLOCK, HALF, MOVE, normals_of_block, stream_keys
from toyflows.kernels.team import meet, next_share

LEAST = -1000.0  # 2^LEAST of the block's largest weight stands for all below
GRAIN = 1.5 * 2.0**12  # adding and subtracting it rounds to a multiple of 2^−40 (2^−41 below −2^11)
LOG_2 = math.log(2.0)


@kernel
def look_block(x, r, D, d, m, θ):
    """D (n ≤ 1024,) = 1 + 2^t and r = 1/D at x, D with a minus sign where x > m."""
    wide_vectors()
    slope, offset = -d * LOG2E, (d * m + θ) * LOG2E
    for j in range(x.size):
        t = min(max(fma(slope, x[j], offset), -EDGE), EDGE)
        one = 1.0 + exp2_f64(t)
        r[j] = 1.0 / one
        D[j] = math.copysign(one, m - x[j])


@kernel
def move_block(x, T, P, r, log_w, g, h, a, d, m, θ):
    """Moves x (n,) with noise g. Before the call T holds T + P r of the last step and P =
    −½d(y − x); afterwards those of this step. log_w = log₂(w r), before it.

    Returns (the largest log_w, rounded, walkers that crossed m).
    """
    wide_vectors()
    slope, offset = -d * LOG2E, (d * m + θ) * LOG2E
    quarter, half_d = -0.25 * h, -0.5 * d
    top, crossed = i64(0), plus_negative(0, 0.0)
    for j in range(x.size):
        old, rj = x[j], r[j]
        F = fma(-d, rj, old - a)
        Tj = (fma(P[j], rj, T[j]) + GRAIN) - GRAIN
        t = min(fma(slope, old, offset), EDGE)
        u = fma(fma(quarter * F, F, Tj), LOG2E, -t)
        log_w[j] = u
        top = max(top, as_i64(u + ROUND_64))  # as integers: a maximum of floats is not vectorised
        new = fma(-h, F, old) + f64(g[j])
        p = half_d * (new - old)
        x[j] = new
        P[j] = p
        T[j] = fma(p, rj, Tj)
        crossed = plus_negative(crossed, (m - old) * (m - new))
    return f64(top - ROUND_BITS), crossed


@kernel
def weigh_block(log_w, r, D, top, sums):
    """sums (4, 512) = pairs of w, w r, w², and w where D < 0, with w = 2^(log_w − top) |D|."""
    wide_vectors()
    u0, r0, D0 = log_w[:HALF], r[:HALF], D[:HALF]
    u1, r1, D1 = log_w[HALF:], r[HALF:], D[HALF:]
    w, wr, ww, w_b = sums[0], sums[1], sums[2], sums[3]
    for j in range(HALF):
        a = exp2_f64(max(u0[j] - top, LEAST)) * D0[j]
        b = exp2_f64(max(u1[j] - top, LEAST)) * D1[j]
        w_b[j] = max(-a, 0.0) + max(-b, 0.0)
        a, b = abs(a), abs(b)
        w[j] = a + b
        wr[j] = fma(a, r0[j], b * r1[j])
        ww[j] = fma(a, a, b * b)


@kernel
def weighted_blocks(x, T, P, part, first, last, bits, g, scratch, sums, keys, h, a, b, θ):
    """One step of the blocks first ≤ block < last; part[block] = (Σw, Σw r, Σw², Σw in b) before
    it in units of 2^part[block, 5], and the walkers that crossed in it."""
    d, m = b - a, 0.5 * (a + b)
    r, D, log_w = scratch[0], scratch[1], scratch[2]
    for block in range(first, last):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        xs = x[here]
        normals_of_block(bits, g, block, keys[0], keys[1], math.sqrt(2.0 * h))
        look_block(xs, r, D, d, m, θ)
        top, crossed = move_block(xs, T[here], P[here], r, log_w, g, h, a, d, m, θ)
        log_w[xs.size :], D[xs.size :] = top, 0.0
        weigh_block(log_w, r, D, top, sums)
        for i in range(4):
            part[block, i] = tree_sum(sums[i])
        part[block, 4] = crossed
        part[block, 5] = top


@kernel
def action_block(x, A, r, h, a, d, m, θ):
    """A (n ≤ 1024,) = ¼h F² − log(1 + e^z), rounded, and r."""
    wide_vectors()
    slope, offset = -d * LOG2E, (d * m + θ) * LOG2E
    for j in range(x.size):
        t = min(fma(slope, x[j], offset), EDGE)
        D = 1.0 + exp2_f64(max(t, -EDGE))
        r[j] = 1.0 / D
        F = fma(-d, r[j], x[j] - a)
        A[j] = (fma(0.25 * h * F, F, LOG_2 * (t - log2_f64(D))) + GRAIN) - GRAIN


@kernel
def enter_block(logw, P, A):
    """log w → T, with no displacement yet."""
    wide_vectors()
    for j in range(logw.size):
        logw[j] = ((logw[j] + A[j]) + GRAIN) - GRAIN
        P[j] = 0.0


@kernel
def leave_block(T, P, A, r):
    """T → log w, as the next step would have found it."""
    wide_vectors()
    for j in range(T.size):
        T[j] = ((fma(P[j], r[j], T[j]) + GRAIN) - GRAIN) - A[j]


@kernel
def change(entering, rank, size, x, T, P, A, r, h, a, b, θ):
    """log w → (T, P) or back, for this thread's part of the blocks."""
    blocks = (x.size + BLOCK - 1) // BLOCK
    for block in range(rank * blocks // size, (rank + 1) * blocks // size):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        xs = x[here]
        action_block(xs, A, r, h, a, b - a, 0.5 * (a + b), θ)
        if entering:
            enter_block(T[here], P[here], A)
        else:
            leave_block(T[here], P[here], A, r)


@kernel
def totals(part, out):
    """out (5,) = Σ of part's (Σw, Σw r, Σw², Σw in b, crossed) over its blocks, in their order.
    Returns the power of two that the weights are in units of."""
    top = part[0, 5]
    for block in range(part.shape[0]):
        top = max(top, part[block, 5])
    out[:] = 0.0
    for block in range(part.shape[0]):
        unit = 2.0 ** max(part[block, 5] - top, LEAST)
        for i in range(4):
            out[i] += part[block, i] * (unit * unit if i == 2 else unit)
        out[4] += part[block, 4]
    return top


@kernel
def weighted(
    rank, size, sync, sums, x, logw, P, steps, seed, step, h, η, a, b, θ, data_x, data_w,
    data_tail, below, path,
):  # fmt: skip
    """`steps` steps of θ ← θ + η(E_w r_θ(x) − E_data r_θ), each followed by a Langevin step of x
    with its work; x and logw (N,) are changed in place, P (N,) is scratch.

    Threads, and sums (2, blocks, 6), as in `chains.persistent`. path (steps, 6): θ, its velocity,
    the weight of b, walkers that crossed, log Σw, and the effective size as a share of N. Returns θ
    and the number of steps done: it stops, without cleaning up, where the effective size is not
    above `below`, except at its first step.
    """
    blocks = (x.size + BLOCK - 1) // BLOCK
    bits, g = np.empty(HALF, np.uint64), np.empty(BLOCK, np.float32)
    scratch, four, total = np.zeros((3, BLOCK)), np.empty((4, HALF)), np.empty(5)
    data_r = scratch[0]
    change(True, rank, size, x, logw, P, scratch[0], scratch[1], h, a, b, θ)
    meet(sync, size)
    for k in range(steps):
        part = sums[k % 2]
        keys = stream_keys(seed, step + k, MOVE)
        for turn in range(size):
            first, last = next_share(sync, rank, size, turn, k, blocks)
            while first < last:
                weighted_blocks(
                    x, logw, P, part, first, last, bits, g, scratch, four, keys, h, a, b, θ
                )
                first, last = next_share(sync, rank, size, turn, k, blocks)
        meet(sync, size * (k + 2))
        top = totals(part, total)
        size_left = total[0] * total[0] / (total[2] * x.size)
        if k > 0 and size_left <= below:
            return θ, k
        mean = sorted_responsibility(data_x, data_w, data_tail, data_r, b - a, 0.5 * (a + b), θ)
        velocity = total[1] / total[0] - mean
        if rank == 0:
            path[k, 0] = θ
            path[k, 1] = velocity
            path[k, 2] = total[3] / total[0]
            path[k, 3] = total[4]
            path[k, 4] = math.log(total[0]) + top * LOG_2
            path[k, 5] = size_left
        θ += η * velocity
    change(False, rank, size, x, logw, P, scratch[0], scratch[1], h, a, b, θ)
    return θ, steps
