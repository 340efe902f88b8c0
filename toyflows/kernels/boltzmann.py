"""Heat-bath sweeps of a Boltzmann machine: the stochastic Hopfield network, in equilibrium.

a_i = Σ_j W_ij s_j + b_i,     s_i ← +1 with probability 1/(1 + e^{−2a_i/T}), else −1

LANES chains take their steps side by side, in the lanes of a register: each has its own random
numbers, those of (seed, sweep, row), whatever chains are beside it.
"""

from __future__ import annotations

import numpy as np

from toyflows.kernels.hopfield import LARGEST, uniform
from toyflows.kernels.jit import kernel, wide_vectors
from toyflows.kernels.modes import add_times
from toyflows.kernels.polynomials import LOG2E, exp2_f64
from toyflows.kernels.random import MOVE, PURPOSES, stream_keys

LANES = 64


@kernel
def update_unit(s, a, u, change, factor):
    """One unit of each lane: new spins s, and by how much they changed; factor = −2 log₂e/T."""
    wide_vectors()
    for k in range(s.size):
        power = exp2_f64(max(min(factor * a[k], LARGEST * LOG2E), -1000.0))
        new = 1.0 if u[k] * (1.0 + power) < 1.0 else -1.0
        change[k] = new - s[k]
        s[k] = new


@kernel
def sweep_lanes(W, b, s, a, u, change, factor):
    """A sweep of the chains s (N, LANES), the units in turn; a (N, LANES) is filled."""
    N = b.size
    for i in range(N):
        a[i] = b[i]
    for j in range(N):
        for i in range(N):
            add_times(a[i], s[j], W[j, i])
    for i in range(N):
        update_unit(s[i], a[i], u[i], change, factor)
        for j in range(N):
            add_times(a[j], change, W[i, j])


@kernel
def heat_bath(W, b, S, T, seed, first, sweeps):
    """Sweeps number first … first + sweeps − 1 of each row of S (R, N), in place. Activations are
    summed afresh in each, so that sweeps may be run in pieces."""
    R, N = S.shape
    s, a, u = np.empty((N, LANES)), np.empty((N, LANES)), np.empty((N, LANES))
    change, factor = np.empty(LANES), -2.0 * LOG2E / T
    for start in range(0, R, LANES):
        many = min(LANES, R - start)
        s[:] = 1.0
        s[:, :many] = S[start : start + many].T
        for k in range(first, first + sweeps):
            for lane in range(many):
                k1, k2 = stream_keys(seed, k, MOVE + PURPOSES * (start + lane))
                for i in range(N):
                    u[i, lane] = uniform(k1, k2, i)
            u[:, many:] = 0.5
            sweep_lanes(W, b, s, a, u, change, factor)
        S[start : start + many] = s[:, :many].T
