"""Sweeps of the Ising model: two colours of a checkerboard in vectors, and Wolff's clusters.

The lattice (L, L), L even and periodic, lies as four sub-lattices x[a, b] = s[a::2, b::2], each
(L/2, L/2). Sites of x[a, b] have the colour a + b mod 2 and neighbours of the other colour only: of
x[1−a, b] above and below, of x[a, 1−b] left and right. So a colour is two long loops without cases.

A rule is ten numbers, the probability that the new spin is +1 given the old spin and the number of
neighbours that are +1. It is taken in units of 2^−64 and compared with 64 random bits, so that rare
flips are as rare as they should be. The bits are a function of (seed, sweep, sub-lattice, site).
"""

from __future__ import annotations

import numpy as np

from toyflows.kernels.jit import device, i64, kernel, u32, u64, wide_vectors
from toyflows.kernels.random import ACCEPT, BLOCK, PICK, PURPOSES, fill_bits, stream_keys
from toyflows.kernels.team import meet, next_share

i8 = np.int8
FEW = 256  # random words made at a time for a cluster


@kernel
def update_block(s, near, far, left, right, words, rule):
    """s (n,) ← new spins, given the four neighbours of each. Returns (Σ s, Σ s × neighbours).

    The rule's probabilities p increase with the number n of neighbours that are +1, so that u < p_n
    means: fewer than n + 1 of the five are ≤ u.
    """
    wide_vectors()
    d0, d1, d2, d3, d4, u0, u1, u2, u3, u4 = rule  # of an old spin −1, of an old spin +1
    M = bonds = 0
    for j in range(s.size):
        around = i8(i8(near[j] + far[j]) + i8(left[j] + right[j]))
        word, up = words[j], s[j] > 0
        passed = (
            (word >= (u0 if up else d0)) + (word >= (u1 if up else d1))
            + (word >= (u2 if up else d2)) + (word >= (u3 if up else d3))
            + (word >= (u4 if up else d4))
        )  # fmt: skip
        new = i8(1) if around >= i8(i8(2) * i8(passed) - i8(4)) else i8(-1)
        s[j] = new
        M += i64(new)
        bonds += i64(i8(new * around))
    return M, bonds


@kernel
def copied(out, y):
    """out[j] = y[j], without asking whether the two overlap as a slice's assignment does."""
    for j in range(out.size):
        out[j] = y[j]


@kernel
def rolled(out, y, start):
    """out[j] = y[start + j], y (n,) taken as a ring; out is not longer than y."""
    start %= y.size
    first = min(out.size, y.size - start)
    copied(out[:first], y[start:])
    copied(out[first:], y)


@kernel
def block_rows(half):
    """Rows of a sub-lattice that are updated together: about BLOCK spins."""
    return min(half, max(1, BLOCK // half))


@kernel
def update_rows(x, a, b, top, bottom, scratch, words, keys, rule):
    """The rows top ≤ row < bottom of x[a, b], given the other colour; scratch (2, ≥ n)."""
    half = x.shape[2]
    start, n = top * half, (bottom - top) * half
    near, beside = x[1 - a, b].ravel(), x[a, 1 - b].ravel()
    far, side = scratch[0, :n], scratch[1, :n]
    rolled(far, near, start + (half if a else -half))
    rolled(side, beside, start + (1 if b else -1))
    for row in range(bottom - top):  # the first and the last of a row are neighbours
        place = row * half
        if b:
            side[place + half - 1] = beside[start + place]
        else:
            side[place] = beside[start + place + half - 1]
    fill_bits(words[:n], u64(start), keys[0], keys[1])
    s = x[a, b].ravel()[start : start + n]
    return update_block(
        s, near[start : start + n], far, beside[start : start + n], side, words, rule
    )


@kernel
def checkerboard(rank, size, sync, x, path, sweeps, seed, sweep, rule):
    """`sweeps` sweeps of x (2, 2, L/2, L/2), first the sites of colour 0, then those of colour 1.

    Run by `size` threads at once (team.py), each with its own path (sweeps, 2): its part of
    (Σ s, Σ over bonds s s') after each sweep.
    """
    half = x.shape[2]
    rows = block_rows(half)
    blocks = (half + rows - 1) // rows
    scratch, words = np.empty((2, rows * half), np.int8), np.empty(rows * half, np.uint64)
    for k in range(sweeps):
        path[k] = 0
        for colour in range(2):
            for turn in range(size):
                first, last = next_share(sync, rank, size, turn, 2 * k + colour, 2 * blocks)
                while first < last:
                    for share in range(first, last):
                        a, block = share // blocks, share % blocks
                        b = a ^ colour
                        top, bottom = block * rows, min(block * rows + rows, half)
                        keys = stream_keys(seed, sweep + k, ACCEPT + PURPOSES * (2 * a + b))
                        M, bonds = update_rows(x, a, b, top, bottom, scratch, words, keys, rule)
                        path[k, 0] += M
                        path[k, 1] += bonds * colour  # each bond has one end of colour 1
                    first, last = next_share(sync, rank, size, turn, 2 * k + colour, 2 * blocks)
            meet(sync, size * (2 * k + colour + 1))


@kernel
def total_bonds(s):
    """Σ over bonds s s' of a periodic lattice s (L, L); where L = 2 bonds are double."""
    wide_vectors()
    L, total = s.shape[0], 0
    for row in range(L):
        here, below = s[row], s[row + 1 if row + 1 < L else 0]
        for j in range(L - 1):
            total += i64(i8(here[j] * i8(here[j + 1] + below[j])))
        total += i64(here[L - 1]) * (i64(here[0]) + i64(below[L - 1]))
    return total


@device
def joined(s, stack, waiting, site, old, word, bond):
    """Whether `site` joins: then it is flipped, and waits. No branch: no processor foresees it."""
    joins = (s[site] == old) & (word < bond)
    s[site] = i8(s[site] - i8(2) * old * i8(joins))
    stack[waiting] = site
    return i64(joins)


@kernel
def flip_cluster(s, stack, words, seed, cluster, bond):
    """Grows one cluster of s (L²,) from a site drawn at random, and flips it. Returns its size.

    An equal neighbour joins with the probability 1 − e^{−2β}, `bond` in units of 2^−64.
    """
    N, L = u32(s.size), u32(np.sqrt(s.size))
    k1, k2 = stream_keys(seed, cluster, PICK)
    fill_bits(words, u64(0), k1, k2)
    used, made = 1, words.size
    site = u32(((words[0] >> u64(32)) * u64(s.size)) >> u64(32))
    old = s[site]
    s[site] = -old
    stack[0] = site
    waiting = size = 1
    while waiting > 0:
        waiting -= 1
        if used + 4 > words.size:
            fill_bits(words, u64(made), k1, k2)
            used, made = 0, made + words.size
        site = stack[waiting]
        column = u32(site % L)
        left = u32(site - u32(1)) if column > 0 else u32(site + L - u32(1))
        right = u32(site + u32(1)) if column + 1 < L else u32(site + u32(1) - L)
        above = u32(site - L) if site >= L else u32(site + N - L)
        below = u32(site + L) if site + L < N else u32(site + L - N)
        before = waiting
        waiting += joined(s, stack, waiting, left, old, words[used], bond)
        waiting += joined(s, stack, waiting, right, old, words[used + 1], bond)
        waiting += joined(s, stack, waiting, above, old, words[used + 2], bond)
        waiting += joined(s, stack, waiting, below, old, words[used + 3], bond)
        size += waiting - before
        used += 4
    return size


@kernel
def clusters(s, path, each, seed, cluster, bond):
    """path (n, 3) = Σ s, Σ over bonds s s', spins flipped; each row after `each` clusters."""
    flat, words = s.ravel(), np.empty(FEW, np.uint64)
    stack = np.empty(flat.size, np.uint32)
    for k in range(path.shape[0]):
        flips = 0
        for j in range(each):
            flips += flip_cluster(flat, stack, words, seed, cluster + k * each + j, bond)
        path[k, 0] = flat.sum()
        path[k, 1] = total_bonds(s)
        path[k, 2] = flips


@kernel
def clusters_until(s, flips, seed, cluster, bond):
    """Clusters until `flips` spins have been flipped. Returns how many clusters it took."""
    flat, words = s.ravel(), np.empty(FEW, np.uint64)
    stack = np.empty(flat.size, np.uint32)
    done = 0
    while flips > 0:
        flips -= flip_cluster(flat, stack, words, seed, cluster + done, bond)
        done += 1
    return done
