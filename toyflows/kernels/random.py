"""Counter-based random numbers: the noise is a pure function of (seed, step, stream, walker).

Bits are the SplitMix64 finaliser (Steele, Lea & Flood 2014) of the walker's counter, with two keys
hashed from (seed, step, stream). So a run is the same for any number of threads, any split into
calls and any restart, and a longer array extends a shorter one. Normals are Box–Muller's pairs
with float32 accuracy: |z| ≤ 6.76, which cuts off 1.4e−11 of the mass.
"""

from __future__ import annotations

import numpy as np

from toyflows.kernels.jit import (
    as_f32,
    as_i32,
    device,
    f32,
    fma,
    i32,
    kernel,
    u32,
    u64,
    wide_vectors,
)
from toyflows.kernels.polynomials import cos_quarter_f32, log_f32, sin_quarter_f32

BLOCK = 1024  # walkers a block: scratch of one block stays in the L1 cache
HALF = BLOCK // 2

# Streams: the purposes of randomness within one step; MODES is added to DATA or MODEL.
DATA, MODEL, MODES, NOISE, COIN, PICK = 1, 2, 3, 6, 7, 8
ACCEPT, SWAP, RESAMPLE, MOVE = 9, 10, 11, 16
PURPOSES = 32

GOLDEN, MIX_1, MIX_2 = u64(0x9E3779B97F4A7C15), u64(0xBF58476D1CE4E5B9), u64(0x94D049BB133111EB)
S27, S30, S31 = u64(27), u64(30), u64(31)


def substream(purpose, substep):
    """The stream of the `substep`-th use of a purpose within one step."""
    return purpose + PURPOSES * substep


@device
def mix64(z):
    """SplitMix64's finaliser."""
    z = (z ^ (z >> S30)) * MIX_1
    z = (z ^ (z >> S27)) * MIX_2
    return z ^ (z >> S31)


@device
def stream_keys(seed, step, stream):
    """Two 64-bit keys for (seed, step, stream)."""
    k = mix64(u64(seed) + u64(0xD1B54A32D192ED03))
    k = mix64(k + u64(step) * u64(0x8CB92BA72F3D8DD7))
    k = mix64(k ^ (u64(stream) * u64(0xE7037ED1A0B428DB)))
    return k, mix64(k ^ u64(0xA0761D6478BD642F))


@kernel
def fill_bits(bits, first, k1, k2):
    """bits[j] = 64 random bits of the counter first + j."""
    wide_vectors()
    c = k1 + first * GOLDEN
    for j in range(bits.size):
        z = c
        c += GOLDEN  # an induction variable, not a third 64-bit product
        z = (z ^ (z >> S30)) * MIX_1
        z ^= k2
        z = (z ^ (z >> S27)) * MIX_2
        bits[j] = z ^ (z >> S31)


@kernel
def box_muller(ub, vb, ga, gb, scale):
    """scale × normals from 32-bit words: radius √(−2 log u) from ub's upper 31 bits, the angle as a
    quarter wave from vb (signed), the sign of the cosine from ub's last bit."""
    wide_vectors()
    for j in range(ga.size):
        a = ub[j]
        u = fma(f32(i32(u32(a >> u32(1)))), f32(2.0**-31), f32(2.0**-33))
        radius = np.sqrt(max(f32(-2.0) * log_f32(u), f32(0.0))) * scale
        y = f32(i32(vb[j])) * f32(2.0**-31)
        ga[j] = radius * sin_quarter_f32(y)
        gb[j] = as_f32(i32(as_i32(radius * cos_quarter_f32(y)) ^ i32(u32(a << u32(31)))))


@kernel
def normals_of_block(bits, g, block, k1, k2, scale):
    """g (1024,) float32 = scale × the normals of one block; bits (≥ 512,) is scratch."""
    b = bits[:HALF]
    fill_bits(b, u64(block) * u64(HALF), k1, k2)
    w = b.view(np.uint32)
    box_muller(w[:HALF], w[HALF:], g[:HALF], g[HALF:], f32(scale))


@kernel
def normals(out, seed, step, stream):
    """out (n,) = the unit normals of (seed, step, stream)."""
    bits = np.empty(HALF, np.uint64)
    g = np.empty(BLOCK, np.float32)
    k1, k2 = stream_keys(seed, step, stream)
    for block in range((out.size + BLOCK - 1) // BLOCK):
        normals_of_block(bits, g, block, k1, k2, 1.0)
        n = min(BLOCK, out.size - block * BLOCK)
        out[block * BLOCK : block * BLOCK + n] = g[:n]
