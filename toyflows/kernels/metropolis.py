"""Langevin with Metropolis' acceptance (MALA): the sweep that leaves e^{−U_θ/T} invariant.

    y = x − h ∂_xU_θ(x) + √(2hT) ξ,     accepted where u < e^{α/T}

With 1 + e^z = 2^{−t}/r, t = −z log₂e, r = 1/(1 + 2^t), and the square of U telescoping against the
product of displacement and slopes, the log ratio `Mixture.work(x, y, θ, θ, h)` needs no logarithm:

    e^α = (r_x/r_y) 2^{t_x − t_y} e^β,    β = ¼h(F_x² − F_y²) − ½d(y − x)(r_x + r_y),   F = ∂_xU

so that with T = 1 a walker-step has three exponentials. The uniform numbers have 32 bits: they are
the midpoints (k + ½) 2^{−32}, so that an acceptance probability is right to 2^{−33}.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import as_f64, fma, i64, kernel, u64, wide_vectors
from toyflows.kernels.langevin import plus_negative, responsibility_block
from toyflows.kernels.polynomials import EDGE, LOG2E, exp2_f64, log2_f64, sigmoid2
from toyflows.kernels.random import BLOCK, HALF, fill_bits, normals_of_block, stream_keys

LARGEST = 500.0  # 2^±LARGEST stands for all beyond
TWO_52, TWO_52_BITS = 2.0**52, i64(0x4330000000000000)  # bits | k is the float64 2^52 + k


@kernel
def propose_block(x, g, y, r, h, a, d, m, θ):
    """y (n ≤ 1024,) = x − h∂_xU + g, and r at x."""
    wide_vectors()
    slope, offset = -d * LOG2E, (d * m + θ) * LOG2E
    for j in range(x.size):
        r[j] = sigmoid2(fma(slope, x[j], offset))
        y[j] = fma(-h, fma(-d, r[j], x[j] - a), x[j]) + g[j]


@kernel
def ratio_block(x, y, r, s, out, h, a, d, m, θ):
    """out (n,) = log₂(e^α s/r) for the moves x → y, with r at x and s at y."""
    wide_vectors()
    slope, offset = -d * LOG2E, (d * m + θ) * LOG2E
    half_d, quarter = -0.5 * d * LOG2E, 0.25 * h * LOG2E
    for j in range(x.size):
        at_x = min(fma(slope, x[j], offset), EDGE)
        at_y = min(fma(slope, y[j], offset), EDGE)
        F, G = fma(-d, r[j], x[j] - a), fma(-d, s[j], y[j] - a)
        slopes = fma(quarter, (F - G) * (F + G), at_x - at_y)
        out[j] = fma(half_d * (y[j] - x[j]), r[j] + s[j], slopes)


@kernel
def temper_block(log_ratio, r, s, T):
    """The ratio to the power 1/T, with r and s in it."""
    wide_vectors()
    for j in range(r.size):
        log_ratio[j] = (log_ratio[j] + log2_f64(r[j] / s[j])) / T
        r[j] = 1.0
        s[j] = 1.0


@kernel
def accept_block(x, y, r, s, log_ratio, words, m):
    """x ← y where u s < r 2^log_ratio. Returns (walkers with x > m before, those that crossed)."""
    wide_vectors()
    in_b = crossed = plus_negative(0, 0.0)
    for j in range(x.size):
        old = x[j]
        u = fma(as_f64(TWO_52_BITS | i64(words[j])) - TWO_52, 2.0**-32, 2.0**-33)
        ratio = exp2_f64(min(max(log_ratio[j], -LARGEST), LARGEST))
        new = y[j] if u * s[j] < r[j] * ratio else old
        x[j] = new
        in_b = plus_negative(in_b, m - old)
        crossed = plus_negative(crossed, (m - old) * (m - new))
    return in_b, crossed


@kernel
def metropolis_block(x, block, bits, g, r, scratch, keys, h, T, a, d, m, θ):
    """One step of one block x (n ≤ 1024,); scratch (3, 1024). Leaves in r the responsibilities
    before the step where T = 1. Returns what accept_block does."""
    n = x.size
    y, s, log_ratio = scratch[0, :n], scratch[1, :n], scratch[2, :n]
    normals_of_block(bits, g, block, keys[0], keys[1], math.sqrt(2.0 * h * T))
    propose_block(x, g, y, r, h, a, d, m, θ)
    responsibility_block(y, s, d, m, θ)
    ratio_block(x, y, r, s, log_ratio, h, a, d, m, θ)
    if T != 1.0:
        temper_block(log_ratio, r[:n], s, T)
    fill_bits(bits, u64(block) * u64(HALF), keys[2], keys[3])
    return accept_block(x, y, r, s, log_ratio, bits.view(np.uint32), m)


@kernel
def metropolis(x, first, last, seed, step, stream, accept, h, T, a, b, θ):
    """One step at temperature T in place for the blocks first ≤ block < last of x (N,); `stream`
    gives the normals, `accept` the uniform numbers."""
    bits = np.empty(HALF, np.uint64)
    g = np.empty(BLOCK, np.float32)
    r, scratch = np.empty(BLOCK), np.empty((3, BLOCK))
    keys = stream_keys(seed, step, stream) + stream_keys(seed, step, accept)
    for block in range(first, last):
        xs = x[block * BLOCK : (block + 1) * BLOCK]
        metropolis_block(xs, block, bits, g, r, scratch, keys, h, T, a, b - a, 0.5 * (a + b), θ)
