"""3 × 3 convolutions of stride 1 by Winograd's F(4 × 4, 3 × 3): 36 products where 144 stood.

A tile of 4 × 4 results is made of the window d of 6 × 6 pixels around it; with the kernel w

    y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A,     so that     ∂L/∂w = Gᵀ [Σ over tiles (A g Aᵀ) ⊙ (Bᵀ d B)] G

where g = ∂L/∂y. The sums over channels stand between the transforms: for each of the 36 numbers f
they are a product of matrices, M[f] = V[f] U[f], of V = Bᵀ d B and U = G w Gᵀ, and for the weights
Σ (A g Aᵀ)[f] V[f] over tiles and images. The way back to the input is the convolution of g with the
kernel turned by 180° and its channels exchanged.

A row of the table says where a convolution's values stand in `space`, whose layout is that of
`tiles.py`. x and y may come in two parts, channels behind channels (a U-Net's join). Grids of
results need room for whole tiles, grids of inputs zeros there and a rim of one pixel. Tiles are
worked on in strips, so that V and M stay in the cache.
Source: Lavin & Gray, Fast algorithms for convolutional neural networks (2016).
"""

from __future__ import annotations

import numpy as np

from toyflows.kernels.jit import device, kernel, wide_vectors
from toyflows.kernels.lanes import (
    LANES,
    WIDTH,
    add,
    add_outer,
    load,
    sandwich,
    spread_lane,
    store,
    transpose,
    zeros,
)
from toyflows.kernels.machine import HERE
from toyflows.kernels.tiles import row_of_octets

# fmt: off
B_T = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
       (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))
A_T = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
G = ((1/4, 0, 0), (-1/6, -1/6, -1/6), (-1/6, 1/6, -1/6),
     (1/24, 1/12, 1/6), (1/24, -1/12, 1/6), (0, 0, 1))
NUMBERS, SIDE = 36, 4  # of a window; pixels a side of a tile
STRIP = 6  # tiles in a strip
WIDE = 2 * LANES  # numbers of channels are multiples of this
ROWS = HERE.rows(2)  # channels of x in a tile of weight gradients
KERNEL = np.kron(G, G).astype(np.float32)  # (36, 9): U = KERNEL w of a kernel's nine pixels
WINOGRAD = np.dtype([(name, np.int64) for name in (
    "tiles", "inputs", "outputs",  # tiles a side, channels
    "x", "x_row", "x_channels", "more_x", "more_x_row",  # of the first window
    "y", "y_row", "y_channels", "more_y", "more_y_row",
    "g", "g_row", "V", "M",  # ∂L/∂y; room for strips
    "weights", "weights_next", "learned", "learned_next",  # U and ∂L/∂U, and from number to number
    "inp_step", "out_step", "blocks", "rows", "run", "tap_row", "bias", "ending", "slope_step",
)])  # the last line is for the tiles of M = V U
# fmt: on

around, within, spread_out = sandwich(B_T), sandwich(A_T), sandwich(tuple(zip(*A_T, strict=True)))


@device
def strip_of(p, first):
    """Tiles in the strip that begins with tile `first`."""
    return min(STRIP, p.tiles * p.tiles - first)


@device
def apart(count, channels):
    """The distance from a number f of a strip to the next. There is one extra vector of padding, so
    that consecutive blocks do not share cache lines."""
    return (count * channels + 1) * LANES


@kernel
def windows(space, start, row, channels, to, far):
    """V = Bᵀ d B of one window."""
    wide_vectors()
    step = channels * LANES
    for k in range(0, step, WIDTH):
        d = load(space, start + k, row, step, 6, 6)
        store(space, to + k, 6 * far, far, around(d), 6)


@kernel
def results(space, start, far, to, row, channels):
    """y = Aᵀ M A of one tile."""
    wide_vectors()
    step = channels * LANES
    for k in range(0, step, WIDTH):
        m = load(space, start + k, 6 * far, far, 6, 6)
        store(space, to + k, row, step, within(m), 4)


@kernel
def transform_inputs(p, space, first, count):
    """V of the tiles first … first + count − 1, from both parts of x."""
    far = apart(count, p.inputs)
    for k in range(count):
        y, x = divmod(first + k, p.tiles)
        to = p.V + k * p.inputs * LANES
        start = p.x + SIDE * (y * p.x_row + x * p.x_channels * LANES)
        windows(space, start, p.x_row, p.x_channels, to, far)
        if p.x_channels < p.inputs:
            channels = p.inputs - p.x_channels
            start = p.more_x + SIDE * (y * p.more_x_row + x * channels * LANES)
            windows(space, start, p.more_x_row, channels, to + p.x_channels * LANES, far)


@kernel
def transform_results(p, space, first, count):
    """y of these tiles, into both parts of it."""
    far = apart(count, p.outputs)
    for k in range(count):
        y, x = divmod(first + k, p.tiles)
        start = p.M + k * p.outputs * LANES
        to = p.y + SIDE * (y * p.y_row + x * p.y_channels * LANES)
        results(space, start, far, to, p.y_row, p.y_channels)
        if p.y_channels < p.outputs:
            channels = p.outputs - p.y_channels
            to = p.more_y + SIDE * (y * p.more_y_row + x * channels * LANES)
            results(space, start + p.y_channels * LANES, far, to, p.more_y_row, channels)


@kernel
def winograd(p, space, weights):
    """A convolution: y from x."""
    wide_vectors()
    for first in range(0, p.tiles * p.tiles, STRIP):
        count = strip_of(p, first)
        transform_inputs(p, space, first, count)
        for f in range(NUMBERS):
            V, M = p.V + f * apart(count, p.inputs), p.M + f * apart(count, p.outputs)
            U = p.weights + f * p.weights_next
            row_of_octets(p, space, weights, V, U, M, 0, count)
        transform_results(p, space, first, count)


@device
def turn(square, space, start, row):
    """space[start + n row + m] = square[16 m + n], of 16 × 16 numbers."""
    for m in range(0, LANES, WIDTH):
        for n in range(0, LANES, WIDTH):
            block = transpose(load(square, m * LANES + n, LANES, LANES, 1, WIDTH))
            store(space, start + n * row + m, LANES, row, block, WIDTH)


@kernel
def transform_gradients(p, space, first, count, turned):
    """A g Aᵀ of these tiles, as [f][tile][image][channel]: 16 channels in a register."""
    wide_vectors()
    far, step, size = apart(count, p.outputs), p.outputs * LANES, LANES * LANES
    for k in range(count):
        y, x = divmod(first + k, p.tiles)
        start = p.g + SIDE * (y * p.g_row + x * step)
        for c in range(0, p.outputs, LANES):
            for j in range(0, size, WIDTH):
                g = load(space, start + c * LANES + j, p.g_row, step, 4, 4)
                store(turned, j, 6 * size, size, spread_out(g), 6)
            for f in range(NUMBERS):
                turn(turned[f * size :], space, p.M + f * far + k * step + c, p.outputs)


@device
def gradient_tile(p, space, V, M, count, sums, place):
    """sums[i, o] += Σ over tiles and images of V[i] M[o], for ROWS channels i and two registers
    of channels o."""
    total = zeros(ROWS, 2)
    for _ in range(count):
        for lane in range(LANES):
            m = load(space, M, LANES, WIDTH, 1, 2)
            total = add_outer(total, spread_lane(space, V + lane, ROWS, 1), m)
            M += p.outputs
        V += p.inputs * LANES
    total = add(load(sums, place, p.outputs, WIDTH, ROWS, 2), total)
    store(sums, place, p.outputs, WIDTH, total, 2)


@kernel
def winograd_sums(p, space, sums):
    """sums += ∂L/∂U, [f][input][output] from `p.learned` on."""
    wide_vectors()
    turned = np.empty(NUMBERS * LANES * LANES, np.float32)
    for first in range(0, p.tiles * p.tiles, STRIP):
        count = strip_of(p, first)
        transform_inputs(p, space, first, count)
        transform_gradients(p, space, first, count, turned)
        for f in range(NUMBERS):
            V, M = p.V + f * apart(count, p.inputs), p.M + f * apart(count, p.outputs)
            for o in range(0, p.outputs, 2 * WIDTH):
                for i in range(0, p.inputs, ROWS):
                    place = p.learned + f * p.learned_next + i * p.outputs + o
                    gradient_tile(p, space, V + i * LANES, M + o, count, sums, place)
