"""Heat-bath sweeps of a Boltzmann machine: the stochastic Hopfield network, in equilibrium.

a_i = Σ_j W_ij s_j + b_i,     s_i ← +1 with probability 1/(1 + e^{−2a_i/T}), else −1
"""

from __future__ import annotations

import numpy as np

from toyflows.kernels.hopfield import activations, sweep
from toyflows.kernels.jit import kernel
from toyflows.kernels.random import MOVE, PURPOSES, stream_keys


@kernel
def heat_bath(W, b, S, T, seed, first, sweeps):
    """Sweeps number first … first + sweeps − 1 of each row of S (R, N), in place, the units in
    turn. Activations are summed afresh in each, so that sweeps may be run in pieces."""
    R, N = S.shape
    a, order = np.empty(N), np.arange(N)
    for r in range(R):
        for k in range(first, first + sweeps):
            k1, k2 = stream_keys(seed, k, MOVE + PURPOSES * r)
            activations(W, b, S[r], a)
            sweep(W, S[r], a, order, T, k1, k2)
