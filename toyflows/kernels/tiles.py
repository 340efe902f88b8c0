"""Convolutions of 16 images at once: forward, back to the input, and the gradient of the weights.

All activations of a block of 16 images stand in one array, `space`, as [y][x][channel][16]. A pass
p (a row of `nn/compiled/passes.py`) says where a convolution reads and writes: with vectors
space[i], 16 floats from i on, for y < ny, x < nx, and c below 8 · blocks (or 2, or 1) channels,

    space[out + y out_row + x out_step + 16c]
      = bias[c] + Σ_{u<rows, k<run} w[u,k,c] space[inp + y inp_row + x inp_step + u tap_row + 16k].

A run is what lies under one row of the kernel, pixels and their channels. A dense layer is such a
convolution with one pixel, and the way back to the input is one for each kind of pixels, so this is
the only loop there is. Sums are in the order of (u, k), one fma each: the same bits everywhere.

A tile is as many sums as stay in the registers of this machine (`machine.py`): all eight channels
and 16 images, or a half of each.
"""

from __future__ import annotations

import numpy as np

from toyflows.kernels.jit import device, f32, fma, kernel, wide_vectors
from toyflows.kernels.lanes import (
    LANES,
    OCTET,
    PARTS,
    WIDTH,
    add,
    add_lane_sums,
    add_outer,
    load,
    multiply,
    spread,
    store,
    zeros,
)
from toyflows.kernels.machine import HERE
from toyflows.kernels.polynomials import LOG2E, sigmoid2

# What happens to a sum: nothing; z → swish; times a stored slope; added to what is there.
PLAIN, SWISH, SLOPE, ADD = 0, 1, 2, 3
PAIR, GREY = 2, 1  # channels on the ways to a grey image: two of its columns, or one
STRIP = 32  # pixels of eight channels of g, 16 KB: half of a small L1 cache
VECTORS = OCTET * LANES  # floats of eight channels


def _tile(channels, pixels, packed):
    """A tile of channels × pixels sums, which stay in registers until they are complete; weights
    stand in groups of `packed` channels."""

    @device
    def tile(p, space, weights, inp, w, bias, out, slope):
        sums = spread(weights, bias, channels, pixels)
        for _ in range(p.rows):
            k = inp
            for _ in range(p.run):
                x = load(space, k, LANES, p.inp_step, 1, pixels)
                sums = add_outer(sums, spread(weights, w, channels, 1), x)
                k += LANES
                w += packed
            inp += p.tap_row
        if p.ending == SLOPE:
            sums = multiply(sums, load(space, slope, LANES, p.slope_step, channels, pixels))
        elif p.ending == ADD:
            sums = add(sums, load(space, out, LANES, p.out_step, channels, pixels))
        store(space, out, LANES, p.out_step, sums, pixels)

    return tile


def _octet(pixels):
    """Eight channels of some pixels, 16 images, in as many tiles as it takes."""
    channels = HERE.rows(pixels, OCTET)
    tile = _tile(channels, pixels, OCTET)

    @device
    def octet(p, space, weights, inp, w, bias, out, slope):
        for part in range(0, LANES, WIDTH):
            for c in range(0, OCTET, channels):
                to = c * LANES + part
                tile(p, space, weights, inp + part, w + c, bias + c, out + to, slope + to)

    return octet


three_pixels, two_pixels, one_pixel = _octet(3), _octet(2), _octet(1)


@device
def width(left):
    """3, 2 or 1 of those left, so that no 1 is left over from a number above 1."""
    return 2 if left == 4 else min(left, 3)


@kernel
def swish_row(z, slope):
    """h = z σ(z) in place of z, and slope = dh/dz = σ + h(1 − σ)."""
    wide_vectors()
    for j in range(z.size):
        σ = sigmoid2(f32(-LOG2E) * z[j])
        h = z[j] * σ
        z[j] = h
        slope[j] = fma(h, f32(1.0) - σ, σ)


@device
def row_of_octets(p, space, weights, inp, first, out, slope, pixels):
    """`pixels` of a row, with the weights from `first` on."""
    x = 0
    while x < pixels:
        n = width(pixels - x)
        for block in range(p.blocks):
            w, c = first + block * p.rows * p.run * OCTET, block * VECTORS
            i, o, s = inp + x * p.inp_step, out + x * p.out_step + c, slope + x * p.slope_step + c
            if n == 3:
                three_pixels(p, space, weights, i, w, p.bias + block * OCTET, o, s)
            elif n == 2:
                two_pixels(p, space, weights, i, w, p.bias + block * OCTET, o, s)
            else:
                one_pixel(p, space, weights, i, w, p.bias + block * OCTET, o, s)
        x += n


def _narrow_row(channels, longest):
    """A row whose results have one or two channels: tiles of many pixels. The last tile begins
    early enough to be whole, and computes some pixels again."""
    many, one = _tile(channels, longest, channels), _tile(channels, 1, channels)

    @device
    def row(p, space, weights, inp, out):
        whole = p.nx >= longest
        for part in range(0, LANES, WIDTH):
            x = 0
            while x < p.nx:
                x = min(x, p.nx - longest) if whole else x
                i, o = inp + x * p.inp_step + part, out + x * p.out_step + part
                if whole:
                    many(p, space, weights, i, p.weights, p.bias, o, 0)
                    x += longest
                else:
                    one(p, space, weights, i, p.weights, p.bias, o, 0)
                    x += 1

    return row


row_of_pairs = _narrow_row(PAIR, HERE.best(7, 5, rows=PAIR))
row_of_greys = _narrow_row(GREY, HERE.best(14))


@kernel
def convolve(p, space, weights):
    """One pass."""
    wide_vectors()
    for y in range(p.ny):
        inp, out, slope = p.inp + y * p.inp_row, p.out + y * p.out_row, p.slope + y * p.slope_row
        if p.channels == PAIR:
            row_of_pairs(p, space, weights, inp, out)
        elif p.channels == GREY:
            row_of_greys(p, space, weights, inp, out)
        else:
            row_of_octets(p, space, weights, inp, p.weights, out, slope, p.nx)
        if p.ending == SWISH:
            n = p.nx * p.out_step
            swish_row(space[out : out + n], space[slope : slope + n])


@kernel
def run(passes, space, weights):
    """One pass after the other."""
    for k in range(passes.size):
        convolve(passes[k], space, weights)


def _weight_tile(taps):
    """sums += Σ_{pixels, lanes} x g for `taps` places of x and the eight channels of a strip.
    room: scratch for taps × 8 vectors."""
    channels = HERE.rows(taps, OCTET)

    @device
    def tile(p, space, inp, lines, strip, sums, place, room):
        for part in range(0, LANES, WIDTH):
            for c in range(0, VECTORS, channels * LANES):
                total, g = zeros(taps, channels), c + part
                for y in range(lines):
                    i = inp + y * p.inp_row + part
                    for _ in range(p.nx):
                        x = load(space, i, LANES, LANES, taps, 1)
                        total = add_outer(total, x, load(strip, g, LANES, LANES, 1, channels))
                        i += p.inp_step
                        g += VECTORS
                store(room, c + part, VECTORS, LANES, total, channels)
        for tap in range(taps):
            every = load(room, tap * VECTORS, LANES, WIDTH, OCTET, PARTS)
            add_lane_sums(sums, place + tap * OCTET, every)

    return tile


three_taps, two_taps, one_tap = _weight_tile(3), _weight_tile(2), _weight_tile(1)


@device
def pack_strip(p, space, g, lines, strip, sums, bias):
    """Eight channels of g, pixel after pixel, so that they fit into the L1 cache; their sums."""
    total, to = zeros(OCTET, PARTS), 0
    for y in range(lines):
        j = g + y * p.out_row
        for _ in range(p.nx):
            pixel = load(space, j, LANES, WIDTH, OCTET, PARTS)
            total = add(total, pixel)
            store(strip, to, LANES, WIDTH, pixel, PARTS)
            j += p.out_step
            to += VECTORS
    add_lane_sums(sums, bias, total)


@kernel
def weight_sums(p, space, sums):
    """sums += ∂L/∂(w, b) of the pass p, in its order of the weights; here g stands at `out`."""
    wide_vectors()
    lines = max(1, STRIP // p.nx)
    strip, room = np.empty(lines * p.nx * VECTORS, np.float32), np.empty(3 * VECTORS, np.float32)
    for y in range(0, p.ny, lines):
        n, inp, g = min(lines, p.ny - y), p.inp + y * p.inp_row, p.out + y * p.out_row
        for block in range(p.blocks):
            pack_strip(p, space, g + block * VECTORS, n, strip, sums, p.bias + block * OCTET)
            for u in range(p.rows):
                i, w = inp + u * p.tap_row, p.weights + (block * p.rows + u) * p.run * OCTET
                k = 0
                while k < p.run:
                    taps = width(p.run - k)
                    if taps == 3:
                        three_taps(p, space, i + k * LANES, n, strip, sums, w + k * OCTET, room)
                    elif taps == 2:
                        two_taps(p, space, i + k * LANES, n, strip, sums, w + k * OCTET, room)
                    else:
                        one_tap(p, space, i + k * LANES, n, strip, sums, w + k * OCTET, room)
                    k += taps
