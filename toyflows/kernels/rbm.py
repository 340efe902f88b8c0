"""Binary units: drawn given their activations, and summed out over all states of a layer.

    p = σ(β (x + b)),     s = 1 with probability p, else 0

p is right to 3e−7 of itself. Random numbers are those of (seed, step, stream) at the place (row,
unit), the midpoints of 2³¹ cells, rounded to float32.

The sums run over the states (low p, high q) of a layer cut in two: what a unit i of the other layer
sees is low[i, p] + high[q, i]. So 2^m states need tables of 2^{m/2}; the inner loops are over p.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import f32, f64, fma, i32, kernel, u32, u64, wide_vectors
from toyflows.kernels.polynomials import LOG2E, exp2_f64, sigmoid2
from toyflows.kernels.random import fill_bits, stream_keys

LOWEST = -1000.0  # 2^LOWEST stands for 0
FACTORS = 512  # in [1, 2], whose product is still a float64


@kernel
def draw_row(x, b, scale, words, p, s):
    """One row (n,) of `draw_units`; scale = −β log₂e, words (n,) are 32 random bits each."""
    wide_vectors()
    for j in range(x.size):
        u = fma(f32(i32(u32(words[j] >> u32(1)))), f32(2.0**-31), f32(2.0**-32))
        chance = sigmoid2(scale * f32(x[j] + b[j]))
        p[j] = chance
        s[j] = f32(1.0) if u < chance else f32(0.0)


@kernel
def draw_units(x, b, β, p, s, seed, step, stream):
    """p and s (rows, n) from the activations x (rows, n), biases b (n,), β (rows,); p may be x."""
    rows, n = x.shape
    length = (n + 1) // 2
    bits = np.empty(length, np.uint64)
    words = bits.view(np.uint32)
    k1, k2 = stream_keys(seed, step, stream)
    for r in range(rows):
        fill_bits(bits, u64(r) * u64(length), k1, k2)
        draw_row(x[r], b, f32(-β[r] * LOG2E), words[:n], p[r], s[r])


@kernel
def soft_row(x, b, β, factor):
    """factor (n,) = 1 + e^{−β|x + b|}; returns Σ_j max(β(x + b), 0)."""
    wide_vectors()
    for j in range(x.size):
        t = β * (f64(x[j]) + b[j])
        factor[j] = 1.0 + exp2_f64(max(-abs(t) * LOG2E, LOWEST))
    total = 0.0
    for j in range(x.size):
        total += max(β * (f64(x[j]) + b[j]), 0.0)
    return total


@kernel
def soft_sums(x, b, β, out):
    """out (rows,) = Σ_j log(1 + e^{β (x_rj + b_j)}), one logarithm for up to 512 units."""
    factor = np.empty(x.shape[1])
    for r in range(x.shape[0]):
        total, product = soft_row(x[r], b, β, factor), 1.0
        for j in range(factor.size):
            product *= factor[j]
            if (j + 1) % FACTORS == 0:
                total += math.log(product)
                product = 1.0
        out[r] = total + math.log(product)


@kernel
def soft_step(low, high, total, product):
    """total + log(product) grows by log(1 + e^{low[p] + high}), for every p."""
    wide_vectors()
    for p in range(low.size):
        t = low[p] + high
        total[p] += max(t, 0.0)
        product[p] *= 1.0 + exp2_f64(max(-abs(t) * LOG2E, LOWEST))


@kernel
def state_sums(low, high, out):
    """out (Q, P) += Σ_i log(1 + e^{low[i, p] + high[q, i]}), of all states (q, p)."""
    n, P = low.shape
    total, product = np.empty(P), np.empty(P)
    for q in range(high.shape[0]):
        total[:] = 0.0
        product[:] = 1.0
        for i in range(n):
            soft_step(low[i], high[q, i], total, product)
            if (i + 1) % FACTORS == 0 or i == n - 1:
                for p in range(P):
                    total[p] += math.log(product[p])
                product[:] = 1.0
        for p in range(P):
            out[q, p] += total[p]


@kernel
def mean_step(low, high, weight, by_low, scratch):
    """by_low (P,) += weight σ(low + high); the sum of these terms, as a tree. P is a power of 2."""
    wide_vectors()
    n = low.size
    for p in range(n):
        term = weight[p] * sigmoid2((low[p] + high) * -LOG2E)
        by_low[p] += term
        scratch[p] = term
    while n > 1:
        n //= 2
        for p in range(n):
            scratch[p] += scratch[n + p]
    return scratch[0]


@kernel
def state_means(low, high, weight, by_low, by_high):
    """by_low (n, P) += Σ_q and by_high (Q, n) += Σ_p of weight[q, p] σ(low[i, p] + high[q, i])."""
    scratch = np.empty(low.shape[1])
    for q in range(high.shape[0]):
        for i in range(low.shape[0]):
            by_high[q, i] += mean_step(low[i], high[q, i], weight[q], by_low[i], scratch)
