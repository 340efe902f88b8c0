"""The noise of the sweeps as NumPy arrays, for the kernels' twins."""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels import random
from toyflows.kernels.jit import kernel, u64


@kernel
def _fill(g, bits, words, seed, step, scale):
    k1, k2 = random.stream_keys(seed, step, random.MOVE)
    u1, u2 = random.stream_keys(seed, step, random.ACCEPT)
    for block in range(g.shape[0]):
        random.normals_of_block(bits, g[block], block, k1, k2, scale)
        random.fill_bits(words[block], u64(block) * u64(random.HALF), u1, u2)


def sweep_noise(n: int, seed: int, step: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """scale × ξ (n,), scaled in float32 as the sweeps do it, and the uniform numbers u (n,)."""
    blocks = math.ceil(n / random.BLOCK)
    g = np.empty((blocks, random.BLOCK), np.float32)
    words = np.empty((blocks, random.HALF), np.uint64)
    _fill(g, np.empty(random.HALF, np.uint64), words, seed, step, scale)
    u = (words.view(np.uint32).ravel() + 0.5) / 2.0**32
    return g.ravel()[:n].astype(float), u[:n]
