"""The kernels on grid nodes as banded matrices, applied without building them.

    out_j = Σ_i w_i N(y_j; T(x_i), v) Δ G_ij,      T(x) = x − h ∂_xU_θ(x),   v = 2hT

Without G, and with T(x_i) = y_c + δ, c the nearest node, the row factorises (Greengard & Lee 2004,
fast Gaussian gridding):  exp(−(kΔ−δ)²/2v) = exp(−δ²/2v) · q^k · exp(−k²Δ²/2v),  q = exp(Δδ/v):
one exponential and one multiply–add an entry. With weights or an acceptance G, one exponential an
entry holds it all, so that no factor can underflow or overflow alone.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.jit import fma, kernel, wide_vectors
from toyflows.kernels.polynomials import LOG2E, exp2_f64

LANES = 16  # partial sums of a row, added in a fixed order
LARGEST = 1000.0  # 2^±1000 stands for all beyond


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


@kernel
def add_eight_rows(out, u, g):
    """out[k] += Σ_{l<8} u[l] g[k − l + 7]: eight products for one load and one store of out."""
    wide_vectors()
    u0, u1, u2, u3, u4, u5, u6, u7 = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]
    for k in range(out.size):
        s = fma(u0, g[k + 7], fma(u1, g[k + 6], fma(u2, g[k + 5], fma(u3, g[k + 4], out[k]))))
        out[k] = fma(u4, g[k + 3], fma(u5, g[k + 2], fma(u6, g[k + 1], fma(u7, g[k], s))))


@kernel
def convolve(u, gauss, out):
    """out (n + 2K,) = Σ_i u_i gauss[· − i] of u (n,) and gauss (2K + 1,); entry K of out is that
    of u_0."""
    g, eight, wide = np.zeros(gauss.size + 14), np.zeros(8), np.zeros(out.size + 8)
    for k in range(gauss.size):
        g[7 + k] = gauss[k]
    for i in range(0, u.size, 8):
        some = False
        for k in range(8):
            eight[k] = u[i + k] if i + k < u.size else 0.0
            some |= eight[k] > 0.0
        if some:
            add_eight_rows(wide[i : i + gauss.size + 7], eight, g)
    for k in range(out.size):
        out[k] = wide[k]


@kernel
def weighted_row(p, out, y, A_to, F_to, x, aim, log_w, A, F, q, cap):
    """p[k] = 2^t, t = log_w − q(y−aim)² + min(cap, A − A' + (y−x)(F + F')), A' and F' those at y;
    out[k] += p[k]."""
    wide_vectors()
    for k in range(out.size):
        z = y[k] - aim
        work = fma(y[k] - x, F + F_to[k], A - A_to[k])
        t = fma(-q * z, z, log_w) + min(work, cap)
        p[k] = exp2_f64(min(max(t, -LARGEST), LARGEST))
        out[k] += p[k]


@kernel
def lane_sum(p, sums):
    """Σ p for p of a multiple of LANES entries."""
    wide_vectors()
    sums[:] = 0.0
    for start in range(0, p.size, LANES):
        for lane in range(LANES):
            sums[lane] += p[start + lane]
    total = 0.0
    for lane in range(LANES):
        total += sums[lane]
    return total


@kernel
def apply_weighted(log_w, x, aim, A, F, y, A_to, F_to, dx, K, v, scale, cap, out, sent):
    """out (n,) = Σ_i w_i N(y_j; aim_i, v) dx exp(min(cap, scale·work_ij)) on the nodes y (n,), and
    sent (m,) = the sum of the sources x (m,) over j, where |j − i| ≤ K, i the node nearest to x_i.

    work_ij = A_i − A_to_j + ½(y_j − x_i)(F_i + F_to_j), A and F of the sources, _to of the nodes.
    """
    p, sums = np.empty((2 * K + 1 + LANES) // LANES * LANES), np.empty(LANES)
    s = scale * LOG2E
    A_to, F_to = s * A_to, 0.5 * s * F_to
    log_unit = math.log(dx / math.sqrt(2.0 * math.pi * v))
    out[:] = 0.0
    for i in range(x.size):
        centre = int(np.rint((x[i] - y[0]) / dx))
        low, high = max(centre - K, 0), min(centre + K + 1, y.size)
        sent[i] = 0.0
        if log_w[i] > -np.inf and low < high:
            here, start = slice(low, high), LOG2E * (log_w[i] + log_unit)
            weighted_row(
                p, out[here], y[here], A_to[here], F_to[here], x[i], aim[i], start, s * A[i],
                0.5 * s * F[i], 0.5 * LOG2E / v, cap,
            )  # fmt: skip
            p[high - low :] = 0.0
            sent[i] = lane_sum(p, sums)
