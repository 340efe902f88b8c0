"""Independent draws from the mixture, and sample means of the named integrands over an ensemble.

The sums run over blocks of 1024 in block order, so that they are the same bits for any number of
threads. The integrands are those of mixture.py, which is their reference.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import f64, i64, kernel, u64, wide_vectors
from toyflows.kernels.langevin import responsibility_block, tree_sum
from toyflows.kernels.polynomials import LOG2E, exp2_f64
from toyflows.kernels.random import BLOCK, HALF, fill_bits, normals_of_block, stream_keys

LOWEST = -1000.0  # 2^LOWEST stands for 0


@kernel
def place(x, g, bits, a, b, p_b):
    """x (n ≤ 1024,) = g + (b where a uniform number falls below p_b, else a)."""
    wide_vectors()
    for j in range(x.size):
        u = f64(i64(bits[j] >> u64(11))) * 2.0**-53
        x[j] = g[j] + (b if u < p_b else a)


@kernel
def draw(x, first, last, seed, step, stream, modes, a, b, p_b):
    """x[blocks first … last) = draws from (1 − p_b) N(a, 1) + p_b N(b, 1); `stream` gives the
    normals, `modes` the choice of the mode."""
    bits = np.empty(BLOCK, np.uint64)
    g = np.empty(BLOCK, np.float32)
    k1, k2 = stream_keys(seed, step, stream)
    m1, m2 = stream_keys(seed, step, modes)
    for block in range(first, last):
        normals_of_block(bits[:HALF], g, block, k1, k2, 1.0)
        fill_bits(bits, u64(block) * u64(BLOCK), m1, m2)
        place(x[block * BLOCK : (block + 1) * BLOCK], g, bits, a, b, p_b)


@kernel
def uniforms(out, seed, step, stream):
    """out (n,) = uniform numbers in [0, 1) of (seed, step, stream)."""
    bits = np.empty(out.size, np.uint64)
    k1, k2 = stream_keys(seed, step, stream)
    fill_bits(bits, u64(0), k1, k2)
    for j in range(out.size):
        out[j] = f64(i64(bits[j] >> u64(11))) * 2.0**-53


@kernel
def hyvärinen_block(x, out, a, d, m, θ):
    """out (n,) = d r(1−r) [ d(1−r) − (x−a) ]."""
    wide_vectors()
    slope, offset = d * LOG2E, -(d * m + θ) * LOG2E
    for j in range(x.size):
        t = slope * x[j] + offset
        e = exp2_f64(max(-abs(t), LOWEST))
        y = 1.0 / (1.0 + e)  # 1/(1 + e^−|z|)
        not_r = e * y if t >= 0.0 else y
        out[j] = d * (e * y * y) * (d * not_r - (x[j] - a))


@kernel
def discriminator_block(x, D, Dr, r, d, m, θ, μ, c):
    """D = e^{−U_θ−c}/(e^{−U_θ−c} + e^{−U_μ}), D r_θ and r_θ at x (n ≤ 1024,).

    With y = d(x − m):  D = A/(A + e^c B),  A = 1 + e^{y−θ},  B = 1 + e^{y−μ},  both times e^−max.
    """
    wide_vectors()
    slope, offset = d * LOG2E, -(d * m) * LOG2E
    θ2, μ2, odds = θ * LOG2E, μ * LOG2E, math.exp(c)
    least = min(θ2, μ2)
    for j in range(x.size):
        y = slope * x[j] + offset
        top = max(y - least, 0.0)
        one = exp2_f64(max(-top, LOWEST))
        model = exp2_f64(max(y - θ2 - top, LOWEST))
        noise = exp2_f64(max(y - μ2 - top, LOWEST))
        A = one + model
        D[j] = A / (A + odds * (one + noise))
        r[j] = model / A
        Dr[j] = D[j] * r[j]


@kernel
def sum_responsibility(x, first, last, sums, d, m, θ):
    """sums[block, 0] = Σ r_θ over each block first ≤ block < last."""
    r = np.empty(BLOCK, x.dtype)
    for block in range(first, last):
        xs = x[block * BLOCK : (block + 1) * BLOCK]
        responsibility_block(xs, r, d, m, θ)
        r[xs.size :] = 0
        sums[block, 0] = tree_sum(r)


@kernel
def sum_hyvärinen(x, first, last, sums, a, d, m, θ):
    """sums[block, 0] = Σ of the score-matching integrand over each block."""
    v = np.empty(BLOCK, np.float64)
    for block in range(first, last):
        xs = x[block * BLOCK : (block + 1) * BLOCK]
        hyvärinen_block(xs, v, a, d, m, θ)
        v[xs.size :] = 0.0
        sums[block, 0] = tree_sum(v)


@kernel
def sum_discriminator(x, first, last, sums, d, m, θ, μ, c):
    """sums[block] = (Σ D, Σ D r_θ, Σ r_θ) over each block."""
    v = np.empty((3, BLOCK), np.float64)
    for block in range(first, last):
        xs = x[block * BLOCK : (block + 1) * BLOCK]
        discriminator_block(xs, v[0], v[1], v[2], d, m, θ, μ, c)
        v[:, xs.size :] = 0.0
        for i in range(3):
            sums[block, i] = tree_sum(v[i])


@kernel
def count_in_b(x, first, last, sums, m):
    """sums[block, 0] = number of x > m in each block."""
    wide_vectors()
    for block in range(first, last):
        n = 0
        for v in x[block * BLOCK : (block + 1) * BLOCK]:
            n += v > m
        sums[block, 0] = n


@kernel
def spread(x, g, y, ε, σ):
    """y = x + σε and ε = g at x (n ≤ 1024,), float64 from float32."""
    wide_vectors()
    for j in range(x.size):
        ε[j] = g[j]
        y[j] = x[j] + σ * f64(g[j])


@kernel
def add_noise(x, pairs, first, last, seed, step, stream, σ):
    """pairs (2, n) = (x + σε, ε) of x (n,) and unit normals ε, for each block."""
    bits = np.empty(HALF, np.uint64)
    g = np.empty(BLOCK, np.float32)
    k1, k2 = stream_keys(seed, step, stream)
    for block in range(first, last):
        normals_of_block(bits, g, block, k1, k2, 1.0)
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        spread(x[here], g, pairs[0, here], pairs[1, here], σ)


@kernel
def denoising_block(y, ε, out, a, d, m, θ, σ, σ_model):
    """out (n,) = D r(1−r) [ ε/σ − (y−a)/s² + D r ] with D = d/s², s² = 1 + σ_model².

    Mixture.denoising, with the score of the noised model written in y and not in units of s; r is
    the logistic function of D(y−m) − θ.
    """
    wide_vectors()
    v, w = 1.0 / (1.0 + σ_model * σ_model), 1.0 / σ
    D = d * v
    slope, offset = D * LOG2E, -(D * m + θ) * LOG2E
    for j in range(y.size):
        t = slope * y[j] + offset
        e = exp2_f64(max(-abs(t), LOWEST))
        p = 1.0 / (1.0 + e)  # 1/(1 + e^−|z|)
        r = p if t >= 0.0 else e * p
        out[j] = D * (e * p * p) * (w * ε[j] - v * (y[j] - a) + D * r)


@kernel
def sum_denoising(y, first, last, sums, ε, a, d, m, θ, σ, σ_model):
    """sums[block, 0] = Σ of the denoising integrand over each block of the pairs (y, ε)."""
    out = np.empty(BLOCK, np.float64)
    for block in range(first, last):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        ys = y[here]
        denoising_block(ys, ε[here], out, a, d, m, θ, σ, σ_model)
        out[ys.size :] = 0.0
        sums[block, 0] = tree_sum(out)
