"""A block of a U-Net behind its convolution: a bias for each image, group norm, swish; and back.

    x̂ = (z + bias − μ)/σ,     v = γ x̂ + β,     h = v s,  s = 1/(1 + e^{−v})

μ and σ² − ε are mean and variance over the pixels and channels of a group, the variance from
deviations, in a second pass. x̂ = scale z + shift with scale = 1/σ: the way back needs z and these
two vectors a channel. The slope dh/dv = s + h(1 − s) is computed again there, which costs less than
to store and load it. With g = ∂L/∂v = ∂L/∂h dh/dv and ⟨·⟩ the mean over a group

    ∂L/∂z = (γ g − ⟨γ g⟩ − x̂ ⟨γ g x̂⟩)/σ,     ∂L/∂bias = its sum over the pixels.

A row of the table says where everything stands in `space`, whose layout is that of `tiles.py`. A
pixel of z becomes factor × factor equal ones of h.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import f32, kernel, wide_vectors
from toyflows.kernels.lanes import LANES, OCTET, PARTS, WIDTH, add_lane_sums, load
from toyflows.kernels.vectors import fma_each, get, put, sigmoid_each, splat

ε = f32(1e-5)
NORM = np.dtype([(name, np.int64) for name in (
    "pixels", "channels", "groups", "factor",  # pixels a side of z
    "z", "z_row", "h", "h_row", "gz", "gz_row", "gh", "gh_row",  # first pixel, and from row to row
    "bias", "gbias", "scale", "γ", "β",  # a vector a channel, scale and shift; a weight a channel
)])  # fmt: skip


@kernel
def add_pixels(p, space, centre, power, sums):
    """sums += Σ over pixels of z + centre, or where power = 2 of its square."""
    wide_vectors()
    for y in range(p.pixels):
        for x in range(p.pixels):
            z = p.z + y * p.z_row + x * sums.size
            for c in range(0, sums.size, WIDTH):
                d = get(space, z + c) + get(centre, c)
                put(sums, c, fma_each(d, d, get(sums, c)) if power == 2 else get(sums, c) + d)


@kernel
def mean_of_groups(sums, groups, count, means):
    """means[c] = Σ of sums over the channels of c's group, divided by their number and `count`."""
    size = sums.size // groups
    for first in range(0, sums.size, size):
        for lane in range(first, first + LANES):
            total = f32(0.0)
            for k in range(lane, first + size, LANES):
                total += sums[k]
            for k in range(lane, first + size, LANES):
                means[k] = total / f32(size // LANES * count)


@kernel
def statistics(p, space):
    """scale and shift of x̂ = scale z + shift, one behind the other from `p.scale` on."""
    n, count = p.channels * LANES, p.pixels * p.pixels
    bias, scale = space[p.bias : p.bias + n], space[p.scale : p.scale + n]
    shift = space[p.scale + n : p.scale + 2 * n]
    sums, means = np.zeros(n, np.float32), np.empty(n, np.float32)
    add_pixels(p, space, bias, 1, sums)
    mean_of_groups(sums, p.groups, count, means)
    for k in range(n):
        shift[k] = bias[k] - means[k]
        sums[k] = f32(0.0)
    add_pixels(p, space, shift, 2, sums)
    mean_of_groups(sums, p.groups, count, means)
    for k in range(n):
        scale[k] = f32(1.0) / math.sqrt(means[k] + ε)
        shift[k] *= scale[k]


@kernel
def norm_swish(p, space, weights):
    """h from z."""
    wide_vectors()
    n = p.channels * LANES
    statistics(p, space)
    for y in range(p.pixels):
        for x in range(p.pixels):
            z, h = p.z + y * p.z_row + x * n, p.h + p.factor * (y * p.h_row + x * n)
            for k in range(0, n, WIDTH):
                c = k // LANES
                γ, β = splat(weights[p.γ + c]), splat(weights[p.β + c])
                normed = fma_each(
                    get(space, p.scale + k), get(space, z + k), get(space, p.scale + n + k)
                )
                v = fma_each(γ, normed, β)
                v = v * sigmoid_each(v)
                for row in range(p.factor):
                    for column in range(p.factor):
                        put(space, h + row * p.h_row + column * n + k, v)


@kernel
def back_through_swish(p, space, weights, plain, along):
    """∂L/∂v in the place of ∂L/∂z; plain = its sum over the pixels, along = that of x̂ ∂L/∂v."""
    wide_vectors()
    n, one = plain.size, splat(f32(1.0))
    for y in range(p.pixels):
        for x in range(p.pixels):
            z, gz = p.z + y * p.z_row + x * n, p.gz + y * p.gz_row + x * n
            gh = p.gh + p.factor * (y * p.gh_row + x * n)
            for k in range(0, n, WIDTH):
                c = k // LANES
                g = splat(f32(0.0))
                for row in range(p.factor):
                    for column in range(p.factor):
                        g = g + get(space, gh + row * p.gh_row + column * n + k)
                γ, β = splat(weights[p.γ + c]), splat(weights[p.β + c])
                normed = fma_each(
                    get(space, p.scale + k), get(space, z + k), get(space, p.scale + n + k)
                )
                v = fma_each(γ, normed, β)
                s = sigmoid_each(v)
                g = g * fma_each(v * s, one - s, s)
                put(space, gz + k, g)
                put(plain, k, get(plain, k) + g)
                put(along, k, fma_each(g, normed, get(along, k)))


@kernel
def back_through_norm(p, space, factors):
    """∂L/∂z = a ∂L/∂v − b − c x̂ with factors = (a, b, c) of each channel; its sum at `p.gbias`."""
    wide_vectors()
    n = p.channels * LANES
    for k in range(0, n, WIDTH):
        put(space, p.gbias + k, splat(f32(0.0)))
    for y in range(p.pixels):
        for x in range(p.pixels):
            z, gz = p.z + y * p.z_row + x * n, p.gz + y * p.gz_row + x * n
            for k in range(0, n, WIDTH):
                normed = fma_each(
                    get(space, p.scale + k), get(space, z + k), get(space, p.scale + n + k)
                )
                rest = fma_each(get(factors, 2 * n + k), normed, get(factors, n + k))
                g = get(factors, k) * get(space, gz + k) - rest
                put(space, gz + k, g)
                put(space, p.gbias + k, get(space, p.gbias + k) + g)


@kernel
def norm_swish_back(p, space, weights, sums):
    """∂L/∂z and ∂L/∂bias from ∂L/∂h; sums += ∂L/∂γ, ∂L/∂β."""
    wide_vectors()
    n, count = p.channels * LANES, p.pixels * p.pixels
    plain, along = np.zeros(n, np.float32), np.zeros(n, np.float32)
    back_through_swish(p, space, weights, plain, along)
    for c in range(0, p.channels, OCTET):
        add_lane_sums(sums, p.γ + c, load(along, c * LANES, LANES, WIDTH, OCTET, PARTS))
        add_lane_sums(sums, p.β + c, load(plain, c * LANES, LANES, WIDTH, OCTET, PARTS))
    for k in range(n):
        plain[k] *= weights[p.γ + k // LANES]
        along[k] *= weights[p.γ + k // LANES]
    factors = np.empty(3 * n, np.float32)
    mean_of_groups(plain, p.groups, count, factors[n : 2 * n])
    mean_of_groups(along, p.groups, count, factors[2 * n :])
    for k in range(n):
        scale = space[p.scale + k]
        factors[k] = weights[p.γ + k // LANES] * scale
        factors[n + k] *= scale
        factors[2 * n + k] *= scale
    back_through_norm(p, space, factors)
