"""Langevin chains of 16 images through a network's energy: all steps of a block in one call.

    x ← clip(x − step · clip(∂E/∂x, ±largest) + noise · ξ, −1, 1)

E is the network's one output, or −log Σ_k exp y_k of its logits y, or −y_k for a class k. ξ of step
n is `random.normals` of (seed, n, MOVE), of which pixel i of image m takes the number
(16 pixels rounded up to 1024) ⌊m/16⌋ + 16 i + m mod 16: it does not depend on the other images.

Memory is that of one block, whatever the number of images, and no thread waits for another.
"""

from __future__ import annotations

import numpy as np

from toyflows.kernels.jit import f32, fma, kernel, wide_vectors
from toyflows.kernels.lanes import LANES
from toyflows.kernels.polynomials import EDGE, LOG2E, exp2_f32
from toyflows.kernels.random import BLOCK, HALF, MOVE, normals_of_block, stream_keys
from toyflows.kernels.tiles import run, weight_sums

ANY = -1  # the label of an image of no particular class


@kernel
def to_lanes(images, space, start, row):
    """images (n ≤ 16, height, width) → the grid at `start`; a lane without an image is zero."""
    n, height, width = images.shape
    for y in range(height):
        line = space[start + y * row : start + y * row + width * LANES]
        line[:] = 0.0
        for lane in range(n):
            for x in range(width):
                line[x * LANES + lane] = images[lane, y, x]


@kernel
def from_lanes(images, space, start, row):
    """The grid at `start` → images (n ≤ 16, height, width)."""
    n, height, width = images.shape
    for y in range(height):
        line = space[start + y * row : start + y * row + width * LANES]
        for lane in range(n):
            for x in range(width):
                images[lane, y, x] = line[x * LANES + lane]


@kernel
def softmax_lanes(y, g):
    """g[k] = −exp y[k] / Σ_j exp y[j] = ∂E/∂y[k] for E = −log Σ exp y; y, g (classes, 16)."""
    wide_vectors()
    top, total = np.empty(LANES, np.float32), np.zeros(LANES, np.float32)
    for k in range(y.shape[0]):
        for lane in range(LANES):
            top[lane] = y[k, lane] if k == 0 else max(top[lane], y[k, lane])
    for k in range(y.shape[0]):
        for lane in range(LANES):
            t = f32(LOG2E) * (y[k, lane] - top[lane])
            g[k, lane] = exp2_f32(max(t, f32(-EDGE)))
            total[lane] += g[k, lane]
    for k in range(y.shape[0]):
        for lane in range(LANES):
            g[k, lane] = -g[k, lane] / total[lane]


@kernel
def energy_slope(y, g, labels):
    """g = ∂E/∂y; y, g (classes, 16), labels (16,)."""
    if y.shape[0] == 1:
        g[:] = 1.0
    else:
        softmax_lanes(y, g)
        for lane in range(LANES):
            if labels[lane] != ANY:
                g[:, lane] = 0.0
                g[labels[lane], lane] = -1.0


@kernel
def move_row(x, g, noise, step, largest):
    """One Langevin step of a row of pixels; `noise` is scaled."""
    wide_vectors()
    for j in range(x.size):
        slope = min(max(g[j], -largest), largest)
        x[j] = min(max(fma(-step, slope, x[j]) + noise[j], f32(-1.0)), f32(1.0))


@kernel
def noise_of_block(noise, bits, block, seed, step, scale):
    """noise (a multiple of 1024,) = scale × ξ of one step for images 16 block … 16 block + 15."""
    k1, k2 = stream_keys(seed, step, MOVE)
    parts = noise.size // BLOCK
    for k in range(parts):
        part = noise[k * BLOCK : (k + 1) * BLOCK]
        normals_of_block(bits, part, block * parts + k, k1, k2, scale)


@kernel
def walk(images, labels, block, steps, start, step, noise, largest, seed, network, space, weights):
    """images (n ≤ 16, height, width) after `steps` Langevin steps, the first of them number
    `start`. network: the tables forward, backward and to_image, then the places of x, ∂E/∂x, y,
    ∂E/∂y (their first float, and from row to row), then the number of classes."""
    forward, backward, to_image, (x, x_row), (gx, gx_row), y, gy, classes = network
    height, width = images.shape[1:]
    bits = np.empty(HALF, np.uint64)
    ξ = np.empty((height * width * LANES + BLOCK - 1) // BLOCK * BLOCK, np.float32)
    logits = space[y : y + classes * LANES].reshape(classes, LANES)
    slope = space[gy : gy + classes * LANES].reshape(classes, LANES)
    to_lanes(images, space, x, x_row)
    for k in range(start, start + steps):
        run(forward, space, weights)
        energy_slope(logits, slope, labels)
        run(backward, space, weights)
        run(to_image, space, weights)
        noise_of_block(ξ, bits, block, seed, k, noise)
        for row in range(height):
            i, j, m = x + row * x_row, gx + row * gx_row, width * LANES
            move_row(space[i : i + m], space[j : j + m], ξ[row * m : row * m + m], step, largest)
    from_lanes(images, space, x, x_row)


@kernel
def learn(passes, space, sums):
    """sums += the gradients of all weights, where g of each stage is known."""
    for k in range(passes.size):
        weight_sums(passes[k], space, sums)
