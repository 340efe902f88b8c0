"""Exchange of particles between two temperatures: of walkers, and of their laws on nodes.

    x at T_cold and z at T_hot change places with probability min(1, e^{δ(U_θ(x) − U_θ(z))}),
    δ = 1/T_cold − 1/T_hot

which leaves e^{−U_θ/T_cold} ⊗ e^{−U_θ/T_hot} invariant (Swendsen & Wang 1986).
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import f32, fma, i32, kernel, u32, u64, wide_vectors
from toyflows.kernels.polynomials import LOG2E, exp2_f64, log_f32
from toyflows.kernels.random import BLOCK, HALF, fill_bits, stream_keys

LOWEST = -1000.0  # 2^LOWEST stands for 0


@kernel
def ascent(x, z, rise, ratio, a, d, m, θ):
    """U_θ(z) − U_θ(x) = rise + log(ratio) of n ≤ 1024 pairs, ratio in [½, 2].

    U_θ(x) = V(x) − log(1 + e^{−|l|}) with V the lower of the wells (x−a)²/2 and (x−a)²/2 − l,
    l = d(x − m) − θ.
    """
    wide_vectors()
    offset = d * m + θ
    for j in range(x.size):
        l_x, l_z = d * x[j] - offset, d * z[j] - offset
        to_x, to_z = x[j] - a, z[j] - a
        rise[j] = 0.5 * (to_z - to_x) * (to_z + to_x) - (max(l_z, 0.0) - max(l_x, 0.0))
        e_x = exp2_f64(max(-abs(l_x) * LOG2E, LOWEST))
        e_z = exp2_f64(max(-abs(l_z) * LOG2E, LOWEST))
        ratio[j] = (1.0 + e_x) / (1.0 + e_z)


@kernel
def chance(words, ratio, room, δ):
    """room (n,) = −log(u)/δ − log(ratio): accepted are the pairs that rise by no more.

    u is uniform in (0, 1] in steps of 2⁻³¹; float32 makes the probability wrong by 1e−6 of itself.
    """
    wide_vectors()
    inverse = f32(1.0 / δ)
    for j in range(room.size):
        u = fma(f32(i32(u32(words[j] >> u32(1)))), f32(2.0**-31), f32(2.0**-33))
        room[j] = -inverse * log_f32(u) - log_f32(ratio[j])


@kernel
def exchange(x, z, rise, room):
    """x[j] ↔ z[j] where rise ≤ room (n,)."""
    wide_vectors()
    for j in range(x.size):
        old, new = x[j], z[j]
        accepted = rise[j] <= room[j]
        x[j] = new if accepted else old
        z[j] = old if accepted else new


@kernel
def swap_pairs(x, z, first, last, seed, step, stream, δ, a, b, θ):
    """Exchanges x[i] at the colder with z[i] at the hotter temperature, in place, for the blocks
    first ≤ block < last of the N pairs."""
    bits = np.empty(HALF, np.uint64)
    words = bits.view(np.uint32)
    rise = np.empty(BLOCK, np.float64)
    ratio, room = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    k1, k2 = stream_keys(seed, step, stream)
    for block in range(first, last):
        fill_bits(bits, u64(block) * u64(HALF), k1, k2)
        xs = x[block * BLOCK : (block + 1) * BLOCK]
        zs = z[block * BLOCK : (block + 1) * BLOCK]
        n = xs.size
        ascent(xs, zs, rise, ratio, a, b - a, 0.5 * (a + b), θ)
        chance(words, ratio[:n], room[:n], δ)
        exchange(xs, zs, rise, room)


@kernel
def acceptance(order, U, w, v, δ):
    """The probabilities that a particle at node i changes places with one drawn from the other law,
    A_i = Σ_j v_j min(1, e^{δ(U_i − U_j)}) for the colder law w and B_j = Σ_i w_i min(1, …) for the
    hotter v; all (n,), `order` sorts U.

    One pass upwards in U and one downwards. The discounted sums are carried from node to node, so
    that every factor is ≤ 1 and nothing overflows.
    """
    A, B = np.empty(U.size), np.empty(U.size)
    below = discounted = 0.0
    for k in range(U.size):
        i = order[k]
        if k > 0:
            discounted = (discounted + w[order[k - 1]]) * math.exp(δ * (U[order[k - 1]] - U[i]))
        below += v[i]
        A[i], B[i] = below, discounted
    above = discounted = 0.0
    for k in range(U.size - 1, -1, -1):
        i = order[k]
        if k < U.size - 1:
            discounted = (discounted + v[order[k + 1]]) * math.exp(δ * (U[i] - U[order[k + 1]]))
        above += w[i]
        A[i] += discounted
        B[i] += above
    return A, B
