"""Walkers among K modes in D dimensions: x (D, N), one coordinate a row; cost linear in K and D.

    x ← x − h ∇U_θ(x) + √(2h) ξ,     −∇U = (μ_1 − x)/s_1² + Σ_{k≥2} r_k (A_k − 2β_k x)
    z_k = A_k·x − β_k|x|² + c_k − θ_k,     r_k = e^{z_k}/(1 + Σ_j e^{z_j})

A block of 1024 walkers reads its coordinates twice: for its logits, and to move. Each coordinate
has noise of its own, the first that of the two-mode kernels: so K = 2 in D = 1 walks where they
walk, up to round-off. `model` is (A, β, c, a, α): A, β, c of Modes.linear, a = μ_1/s_1² (D,) and
α = 1/s_1². The NumPy twin is modes/family.py.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import device, f64, fma, i64, kernel, u64, wide_vectors
from toyflows.kernels.langevin import tree_sum
from toyflows.kernels.polynomials import LOG2E, exp2_f64
from toyflows.kernels.random import BLOCK, HALF, fill_bits, mix64, normals_of_block, stream_keys

LOWEST = -1000.0  # 2^LOWEST stands for 0


@device
def coordinate_keys(k1, k2, coordinate):
    """The keys of a coordinate's noise; the first has those of the stream."""
    if coordinate == 0:
        return k1, k2
    k = mix64(k1 + u64(coordinate) * u64(0x9FB21C651E98DF25))
    return k, mix64(k ^ k2)


@kernel
def fill(out, value):
    """out = value."""
    wide_vectors()
    for j in range(out.size):
        out[j] = value


@kernel
def add_times(out, x, factor):
    """out += factor x."""
    wide_vectors()
    for j in range(out.size):
        out[j] = fma(factor, x[j], out[j])


@kernel
def add_product(out, x, y, factor):
    """out += factor x y."""
    wide_vectors()
    for j in range(out.size):
        out[j] = fma(factor * x[j], y[j], out[j])


@kernel
def logits_block(x, z, square, A, β, c):
    """z (K−1, n) = log φ_k − log φ_1 at x (D, n ≤ 1024) in units of log 2; square (n,): scratch."""
    K, D, n = A.shape[0], x.shape[0], x.shape[1]
    bent = False
    for k in range(K):
        fill(z[k, :n], c[k] * LOG2E)
        bent |= β[k] != 0.0
    if bent:
        fill(square[:n], 0.0)
    for i in range(D):
        for k in range(K):
            add_times(z[k, :n], x[i], A[k, i] * LOG2E)
        if bent:
            add_product(square[:n], x[i], x[i], 1.0)
    if bent:
        for k in range(K):
            add_times(z[k, :n], square[:n], -β[k] * LOG2E)


@kernel
def raise_top(top, z, shift):
    """top = max(top, z − shift), and z −= shift."""
    wide_vectors()
    for j in range(z.size):
        v = z[j] - shift
        z[j] = v
        top[j] = max(top[j], v)


@kernel
def power_below(z, top, total):
    """z = 2^(z − top), added to total."""
    wide_vectors()
    for j in range(z.size):
        e = exp2_f64(max(z[j] - top[j], LOWEST))
        z[j] = e
        total[j] += e


@kernel
def power_of_first(top, total):
    """total = 2^−top, the first mode's."""
    wide_vectors()
    for j in range(top.size):
        total[j] = exp2_f64(max(-top[j], LOWEST))


@kernel
def divide(z, total):
    """z /= total."""
    wide_vectors()
    for j in range(z.size):
        z[j] /= total[j]


@kernel
def soften_block(z, n, top, total, θ):
    """Logits without θ → responsibilities r (K−1, n) in place; top, total (1024,): scratch."""
    fill(top[:n], 0.0)
    for k in range(z.shape[0]):
        raise_top(top[:n], z[k, :n], θ[k] * LOG2E)
    power_of_first(top[:n], total[:n])
    for k in range(z.shape[0]):
        power_below(z[k, :n], top[:n], total[:n])
    for k in range(z.shape[0]):
        divide(z[k, :n], total[:n])


@kernel
def rise_above(label, top, z, k):
    """label = k where z > top, and top = max(top, z)."""
    wide_vectors()
    for j in range(z.size):
        label[j] = k if z[j] > top[j] else label[j]
        top[j] = max(top[j], z[j])


@kernel
def label_block(z, n, top, label):
    """label (n,) = the mode, 0 … K−1, that each walker is counted to, from logits without θ."""
    fill(top[:n], 0.0)
    fill(label[:n], 0.0)
    for k in range(z.shape[0]):
        rise_above(label[:n], top[:n], z[k, :n], f64(k + 1))


@kernel
def pull_block(x, f, bend, a):
    """f (n,) = a − bend x."""
    wide_vectors()
    for j in range(x.size):
        f[j] = fma(-bend[j], x[j], a)


@kernel
def step_block(x, f, g, h):
    """x += h f + g."""
    wide_vectors()
    for j in range(x.size):
        x[j] = fma(h, f[j], x[j]) + f64(g[j])


@kernel
def move_block(x, r, block, bits, g, f, bend, k1, k2, h, T, A, β, a, α):
    """Moves x (D, n) by one step at temperature T; r (K−1, n) are its responsibilities."""
    D, n = x.shape
    fill(bend[:n], α)
    for k in range(A.shape[0]):
        if β[k] != 0.0:
            add_times(bend[:n], r[k, :n], 2.0 * β[k])
    for i in range(D):
        normals_of_block(bits, g, block, *coordinate_keys(k1, k2, i), math.sqrt(2.0 * h * T))
        pull_block(x[i], f[:n], bend[:n], a[i])
        for k in range(A.shape[0]):
            add_times(f[:n], r[k, :n], A[k, i])
        step_block(x[i], f[:n], g[:n], h)


@kernel
def langevin(x, first, last, seed, step, stream, h, T, model, θ):
    """One step in place for the blocks first ≤ block < last of x (D, N)."""
    A, β, c, a, α = model
    bits, g = np.empty(HALF, np.uint64), np.empty(BLOCK, np.float32)
    z, s = np.empty((A.shape[0], BLOCK)), np.empty((3, BLOCK))
    k1, k2 = stream_keys(seed, step, stream)
    for block in range(first, last):
        xs = x[:, block * BLOCK : (block + 1) * BLOCK]
        logits_block(xs, z, s[0], A, β, c)
        soften_block(z, xs.shape[1], s[0], s[1], θ)
        move_block(xs, z, block, bits, g, s[0], s[1], k1, k2, h, T, A, β, a, α)


@kernel
def sum_rows(z, n, out):
    """out[k] = Σ_j z[k, j < n] in tree order; destroys z."""
    for k in range(z.shape[0]):
        z[k, n:] = 0.0
        out[k] = tree_sum(z[k])


@kernel
def sum_responsibility(x, first, last, sums, weights, model, θ):
    """sums[block] = Σ r_k (K−1,) over each block, times weights (N,) unless they are None."""
    A, β, c, _, _ = model
    z, s = np.empty((A.shape[0], BLOCK)), np.empty((2, BLOCK))
    for block in range(first, last):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        n = x[:, here].shape[1]
        logits_block(x[:, here], z, s[0], A, β, c)
        soften_block(z, n, s[0], s[1], θ)
        if weights is not None:
            for k in range(z.shape[0]):
                scale_by(z[k, :n], weights[here])
        sum_rows(z, n, sums[block])


@kernel
def scale_by(z, w):
    """z *= w."""
    wide_vectors()
    for j in range(z.size):
        z[j] *= w[j]


@kernel
def label_all(x, first, last, labels, model):
    """labels (N,) = the mode that each walker is counted to, for each block."""
    A, β, c, _, _ = model
    z, s = np.empty((A.shape[0], BLOCK)), np.empty((2, BLOCK))
    for block in range(first, last):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        n = x[:, here].shape[1]
        logits_block(x[:, here], z, s[0], A, β, c)
        label_block(z, n, s[0], s[1])
        for j in range(n):
            labels[here.start + j] = np.uint8(s[1, j])


@kernel
def draw(x, first, last, seed, step, stream, choice, ends, μ, s):
    """x (D, N)[blocks] = draws from the mixture whose weights, added up from the last mode down,
    are `ends` (K,): as the two-mode kernel, which draws b below p_b."""
    bits, g = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.float32)
    label = np.empty(BLOCK, np.int64)
    k1, k2 = stream_keys(seed, step, stream)
    m1, m2 = stream_keys(seed, step, choice)
    for block in range(first, last):
        xs = x[:, block * BLOCK : (block + 1) * BLOCK]
        fill_bits(bits, u64(block) * u64(BLOCK), m1, m2)
        for j in range(BLOCK):
            u, k = f64(i64(bits[j] >> u64(11))) * 2.0**-53, 0
            while k < ends.size - 1 and u >= ends[k]:
                k += 1
            label[j] = ends.size - 1 - k
        for i in range(x.shape[0]):
            normals_of_block(bits[:HALF], g, block, *coordinate_keys(k1, k2, i), 1.0)
            for j in range(xs.shape[1]):
                xs[i, j] = μ[label[j], i] + s[label[j]] * f64(g[j])


@kernel
def normals(out, seed, step, stream):
    """out (D, n) = unit normals, the first row those of random.normals."""
    bits, g = np.empty(HALF, np.uint64), np.empty(BLOCK, np.float32)
    k1, k2 = stream_keys(seed, step, stream)
    for block in range((out.shape[1] + BLOCK - 1) // BLOCK):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        for i in range(out.shape[0]):
            normals_of_block(bits, g, block, *coordinate_keys(k1, k2, i), 1.0)
            row = out[i, here]
            row[:] = g[: row.size]
