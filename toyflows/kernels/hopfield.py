"""Sweeps of a Hopfield network, its rest states by enumeration, and uniform numbers for both.

    a_i = Σ_j W_ij s_j + b_i,     s_i ← sign(a_i), or +1 with probability 1/(1 + e^{−2a_i/T})

A unit whose activation is 0 keeps its spin (one that is unknown, s_i = 0, becomes +1): so every
change lowers the energy, and a network at T = 0 comes to rest. The activations are kept up to date,
so that a unit that stays costs one look, and one that changes a row of W.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import device, fma, i64, kernel, u64
from toyflows.kernels.random import GOLDEN, MOVE, PICK, PURPOSES, mix64, stream_keys

LARGEST = 500.0  # e^500 stands for all beyond
TRAILS = 1 << 20  # states between two fresh sums of the activations: rounding cannot pile up


@device
def uniform(k1, k2, counter):
    """A number in (0, 1) of 53 bits."""
    z = mix64(k1 + u64(counter) * GOLDEN) ^ k2
    return (np.float64(i64(mix64(z) >> u64(11))) + 0.5) * 2.0**-53


@device
def new_spin(s, a, T, u):
    """The spin after an update at activation a; u in (0, 1) is used where T > 0."""
    if T > 0:
        return 1.0 if u * (1.0 + math.exp(min(-2.0 * a / T, LARGEST))) < 1.0 else -1.0
    if a == 0.0:
        return s if s != 0.0 else 1.0
    return 1.0 if a > 0 else -1.0


@kernel
def activations(W, b, s, a):
    """a (N,) = W s + b for a symmetric W, row by row: a loop without a chain of sums."""
    a[:] = b
    for j in range(s.size):
        row, spin = W[j], s[j]
        for i in range(s.size):
            a[i] = fma(spin, row[i], a[i])


@kernel
def sweep(W, s, a, order, T, k1, k2):
    """Updates s (N,) in place unit by unit in this order, a with it; returns how many changed."""
    changed = 0
    for k in range(order.size):
        i = order[k]
        new = s.dtype.type(new_spin(s[i], a[i], T, uniform(k1, k2, k) if T > 0 else 0.0))
        if new != s[i]:
            step = new - s[i]
            s[i] = new
            row = W[i]
            for j in range(s.size):
                a[j] = fma(step, row[j], a[j])
            changed += 1
    return changed


@kernel
def shuffle(order, k1, k2):
    """A uniformly random order (Fisher and Yates)."""
    for k in range(order.size):
        order[k] = k
    for k in range(order.size - 1, 0, -1):
        j = int(uniform(k1, k2, k) * (k + 1))
        order[k], order[j] = order[j], order[k]


@kernel
def settle(W, b, S, T, seed, first, start, sweeps, shuffled):
    """Sweeps start, start + 1 … start + sweeps − 1 of each row of S (R, N), in place; at T = 0
    until none changes. At T > 0 all are made: stopping where nothing changed would choose states.

    Returns the sweeps with a change (R,), or −1 where the last one still had some, or T > 0. Random
    numbers are those of (seed, sweep, first + row): rows and sweeps may be run in pieces.
    """
    R, N = S.shape
    done = np.empty(R, np.int64)
    order, a = np.arange(N), np.empty(N, W.dtype)
    for r in range(R):
        s = S[r]
        activations(W, b, s, a)
        done[r] = -1
        for k in range(sweeps):
            if shuffled:
                k1, k2 = stream_keys(seed, start + k, PICK + PURPOSES * (first + r))
                shuffle(order, k1, k2)
            k1, k2 = stream_keys(seed, start + k, MOVE + PURPOSES * (first + r))
            if sweep(W, s, a, order, T, k1, k2) == 0 and T == 0:
                done[r] = k
                break
    return done


@kernel
def rest_states(W, b, high, low_bits, found, tolerance):
    """States whose every unit is content, s_i a_i ≥ −tolerance, by their bits (1 is s = +1).

    Those whose bits from `low_bits` on are `high`, in Gray code's order, one unit a state. Fills
    found (int64) and returns how many there are, which may be more than found.size.
    """
    N = b.size
    s, a = np.empty(N), np.empty(N)
    for i in range(N):
        s[i] = 1.0 if i >= low_bits and (high >> (i - low_bits)) & 1 else -1.0
    count = 0
    for k in range(1 << low_bits):
        if k:
            i = 0
            while not (k >> i) & 1:
                i += 1
            s[i] = -s[i]
            for j in range(N):
                a[j] = fma(2.0 * s[i], W[i, j], a[j])
        if k % TRAILS == 0:
            activations(W, b, s, a)
        content = True
        for i in range(N):
            if s[i] * a[i] < -tolerance:
                content = False
                break
        if content:
            if count < found.size:
                found[count] = (high << low_bits) | (k ^ (k >> 1))
            count += 1
    return count
