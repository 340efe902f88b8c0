"""Unadjusted Langevin for an ensemble of walkers, and the mean of r_θ over the data.

    x ← x − h ∂_xU_θ(x) + √(2h) ξ,      ∂_xU = (x − a) − d r,    r = σ(d(x − m) − θ)

Blocks of 1024 walkers, and for each three short loops over L1-resident scratch (bits, normals,
drift), because a loop that mixes element sizes is vectorised at the wider one. The r that is
summed is the r of the drift, at (x, θ) before the move: one exponential a walker-step.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from toyflows.kernels.jit import as_i32, as_i64, fma, i32, i64, kernel, wide_vectors
from toyflows.kernels.polynomials import LOG2E, sigmoid2
from toyflows.kernels.random import BLOCK, HALF, normals_of_block, stream_keys

SATURATED = 40.0  # 1 − σ(40) = 4e−18


def plus_negative(count, v):
    """count + (1 where the sign bit of v is set), in an integer as wide as v, so that it
    vectorises at v's width."""
    return count + int(np.signbit(v))


@overload(plus_negative)
def _plus_negative(count, v):
    if v == types.float32:
        return lambda count, v: i32(i32(count) - i32(as_i32(v) >> i32(31)))
    return lambda count, v: i64(count) - (as_i64(v) >> i64(63))


@kernel
def tree_sum(v):
    """Σ v (16·2^k,) in a fixed tree order: the same bits at any vector width. Destroys v."""
    wide_vectors()
    s = v.size // 2
    while s >= 16:
        low, high = v[:s], v[s : 2 * s]
        for j in range(s):
            low[j] += high[j]
        s //= 2
    total = 0.0
    for j in range(16):
        total += v[j]
    return total


@kernel
def drift_block(x, g, r, h, a, d, m, θ):
    """Moves x (n ≤ 1024,) by one step with noise g; r (n,) = responsibilities before the move.

    Returns (walkers with x > m before the move, walkers that crossed m).
    """
    wide_vectors()
    t = x.dtype.type
    slope, offset = t(-d * LOG2E), t((d * m + θ) * LOG2E)
    minus_h, mode_a, minus_d, centre = t(-h), t(a), t(-d), t(m)
    in_b = crossed = plus_negative(0, t(0.0))
    for j in range(x.size):
        old = x[j]
        rj = sigmoid2(fma(slope, old, offset))
        new = fma(minus_h, fma(minus_d, rj, old - mode_a), old) + t(g[j])
        x[j] = new
        r[j] = rj
        in_b = plus_negative(in_b, centre - old)
        crossed = plus_negative(crossed, (centre - old) * (centre - new))
    return in_b, crossed


@kernel
def langevin(x, first, last, seed, step, stream, h, T, a, b, θ):
    """One step at temperature T in place for the blocks first ≤ block < last of x (N,)."""
    bits = np.empty(HALF, np.uint64)
    g = np.empty(BLOCK, np.float32)
    r = np.empty(BLOCK, x.dtype)
    k1, k2 = stream_keys(seed, step, stream)
    for block in range(first, last):
        normals_of_block(bits, g, block, k1, k2, math.sqrt(2.0 * h * T))
        xs = x[block * BLOCK : (block + 1) * BLOCK]
        drift_block(xs, g, r, h, a, b - a, 0.5 * (a + b), θ)


@kernel
def responsibility_block(x, r, d, m, θ):
    """r (n,) = σ(d(x − m) − θ) of x (n ≤ 1024,)."""
    wide_vectors()
    t = x.dtype.type
    slope, offset = t(-d * LOG2E), t((d * m + θ) * LOG2E)
    for j in range(x.size):
        r[j] = sigmoid2(fma(slope, x[j], offset))


@kernel
def first_above(x, least):
    """The first i where x[i] ≥ least of sorted x (n,), else n. np.searchsorted takes four times as
    long to compile as all that calls it."""
    low, high = 0, x.size
    while low < high:
        middle = (low + high) // 2
        if x[middle] >= least:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def sorted_responsibility(x, w, tail, r, d, m, θ):
    """Σ_i w_i σ(d(x_i − m) − θ) for sorted x (n,), weights w (n,), tail_i = Σ_{j≥i} w_j (n + 1,).

    Only the points with |z| < 40 need their σ: beyond, it is 0 or 1 to 4e−18. r (1024,): scratch.
    """
    wide_vectors()
    low = first_above(x, m + (θ - SATURATED) / d)
    high = first_above(x, m + (θ + SATURATED) / d)
    total = tail[high]
    for start in range(low, high, BLOCK):
        n = min(BLOCK, high - start)
        responsibility_block(x[start : start + n], r, d, m, θ)
        for j in range(n):
            r[j] *= w[start + j]
        r[n:] = 0.0
        total += tree_sum(r)
    return total
