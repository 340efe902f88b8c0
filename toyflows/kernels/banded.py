"""The ULA kernel on grid nodes as a banded matrix, applied without building it.

    out_j = Σ_i w_i N(y_j; T(x_i), 2h) Δ,      T(x) = x − h ∂_xU_θ(x)

With T(x_i) = y_c + δ, c the nearest node, the row factorises (Greengard & Lee 2004, fast Gaussian
gridding):  exp(−(kΔ−δ)²/4h) = exp(−δ²/4h) · q^k · exp(−k²Δ²/4h),  q = exp(Δδ/2h):
one exponential and one multiply–add an entry.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import kernel, wide_vectors


@kernel
def powers(p, start, q):
    """p[k] = start · q^k, by doubling."""
    wide_vectors()
    p[0] = start
    s = 1
    while s < p.size:
        n = min(s, p.size - s)
        low, high = p[:n], p[s : s + n]
        for k in range(n):
            high[k] = low[k] * q
        q *= q
        s *= 2


@kernel
def add_row(out, p, gauss):
    """out[k] += p[k] gauss[k]."""
    wide_vectors()
    for k in range(p.size):
        out[k] += p[k] * gauss[k]


@kernel
def apply_banded(w, target, dx, h, gauss, out):
    """out (n + 2K,) = weights on n nodes after one step; w (sources,) before it; target (sources,)
    = (T(x_i) − node 0)/dx; gauss (2K + 1,) = exp(−k²dx²/4h) dx/√(4πh). Entry K of out is node 0;
    a source whose target lies beyond the nodes is lost."""
    K = gauss.size // 2
    p = np.empty(gauss.size)
    out[:] = 0.0
    for i in range(w.size):
        centre = int(np.rint(target[i]))
        if w[i] > 0.0 and 0 <= centre < out.size - 2 * K:
            δ = (target[i] - centre) * dx
            log_q = dx * δ / (2.0 * h)
            powers(p, w[i] * math.exp(-δ * δ / (4.0 * h) - K * log_q), math.exp(log_q))
            add_row(out[centre : centre + gauss.size], p, gauss)
