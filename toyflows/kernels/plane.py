"""The law of one Langevin step on equidistant nodes of a plane (or of a line: one column)."""

from __future__ import annotations

import numpy as np

from toyflows.kernels.jit import fma, kernel, wide_vectors
from toyflows.kernels.modes import add_times
from toyflows.kernels.polynomials import LOG2E, exp2_f64

LEAST = 1e-22  # weight below which a node sends nothing


@kernel
def gauss(out, away, γ, scale):
    """out[k] = scale e^{−γ(k − away)²}."""
    wide_vectors()
    for k in range(out.size):
        d = k - away
        out[k] = scale * exp2_f64(max(-γ * LOG2E * d * d, -1000.0))


@kernel
def spread(w, f, γ, K, L, out):
    """out[i, j] += Σ_s w_s e^{−γ|(i − K, j − L) − f_s|²} γ/π: weights w (M,) at f (2, M), in units
    of nodes, to the nodes within K rows and L columns. out (rows + 2K, columns + 2L); L = 0: a
    line, of which f's second row is 0 and the factor √(γ/π)."""
    wide_vectors()
    a, b = np.empty(2 * K + 1), np.ones(2 * L + 1)
    scale = np.sqrt(γ / np.pi)
    for s in range(w.size):
        if w[s] < LEAST:
            continue
        i, j = int(np.rint(f[0, s])), int(np.rint(f[1, s]))
        gauss(a, f[0, s] - (i - K), γ, scale * w[s])
        if L > 0:
            gauss(b, f[1, s] - (j - L), γ, scale)
        for k in range(2 * K + 1):
            factor = a[k]
            for n in range(2 * L + 1):  # a call a row would cost as much as the row
                out[i + k, j + n] = fma(factor, b[n], out[i + k, j + n])


@kernel
def blur_rows(x, g, out):
    """out[i] = Σ_k g[k] x[i + k − K] of rows beyond which there are zeros; g (2K + 1,)."""
    rows, K = x.shape[0], g.size // 2
    out[:] = 0.0
    for i in range(rows):
        for k in range(max(0, i - K), min(rows, i + K + 1)):
            add_times(out[i], x[k], g[k - i + K])
