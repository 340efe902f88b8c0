"""The exact law of persistent chains under unadjusted Langevin, many steps in one call.

    θ ← θ + η (E_ν[r_θ] − E_data[r_θ]),     w ← w P_θ on fixed nodes (backends/grid.py)

One r_θ a node gives both the mean and the drift. Sums are taken in LANES partial sums, so that
the bits are the same on every class of machine.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.banded import LANES, LARGEST, apply_banded, convolve
from toyflows.kernels.jit import fma, kernel, wide_vectors
from toyflows.kernels.polynomials import LOG2E, exp2_f64, log2_f64

LN2, SMALLEST = 0.6931471805599453, 2.3e-308  # above it floats are normal


@kernel
def responsibilities(x, r, d, m, θ):
    """r (n,) = σ(d(x − m) − θ), to e^−693 in its tails."""
    wide_vectors()
    slope, offset = -d * LOG2E, (d * m + θ) * LOG2E
    for k in range(x.size):
        t = fma(slope, x[k], offset)
        r[k] = 1.0 / (1.0 + exp2_f64(min(max(t, -LARGEST), LARGEST)))


@kernel
def dot(u, v, sums):
    """Σ u v, in sums (LANES,)."""
    wide_vectors()
    sums[:] = 0.0
    whole = u.size // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            sums[lane] = fma(u[start + lane], v[start + lane], sums[lane])
    for k in range(whole, u.size):
        sums[k - whole] = fma(u[k], v[k], sums[k - whole])
    total = 0.0
    for lane in range(LANES):
        total += sums[lane]
    return total


@kernel
def pushed(x, r, h, a, d, dx, target):
    """target (n,) = (T(x) − x_0)/dx, T(x) = x − h(x − a − d r): what `apply_banded` asks for."""
    wide_vectors()
    for k in range(x.size):
        target[k] = (fma(-h, fma(-d, r[k], x[k] - a), x[k]) - x[0]) / dx


@kernel
def normalised(logw, w, one, sums):
    """w (n,) = e^logw/Σe^logw; returns log Σe^logw."""
    wide_vectors()
    top = -np.inf
    for k in range(logw.size):
        top = max(top, logw[k])
    for k in range(logw.size):
        t = LOG2E * (logw[k] - top)
        u = exp2_f64(max(t, -LARGEST))
        w[k] = u if t > -LARGEST else 0.0
    total = dot(w, one, sums)
    w /= total
    return top + math.log(total)


@kernel
def logarithms(w, mass, logw):
    """logw (n,) = log w + mass, −∞ for what is below the normal floats."""
    wide_vectors()
    for k in range(w.size):
        u = log2_f64(max(w[k], SMALLEST))
        logw[k] = fma(LN2, u, mass) if w[k] > SMALLEST else -np.inf


@kernel
def persistent_law(logw, x, dx, in_b, data, data_w, a, b, h, η, θ, first, near, far, path):
    """Moves the log weights (n,) on the nodes x in place, a step for each row of `path` (steps, 4),
    which is told θ, θ̇, the share of mode b = Σ in_b w, and nan; returns θ at the end. A step's
    Gaussian is `near`, of variance 2·`first`, then `far`, if it has more than one entry.

    Each step begins with the logarithms, so that a run may be cut anywhere and go on bit for bit.
    """
    d, m, n = b - a, 0.5 * (a + b), x.size
    r, r_data, target, sums = np.empty(n), np.empty(data.size), np.empty(n), np.empty(LANES)
    K, L, w, one = near.size // 2, far.size // 2, np.empty(n), np.ones(n)
    out, wide = np.empty(n + 2 * K), np.empty(n + 2 * K + 2 * L)
    for step in range(len(path)):
        mass = normalised(logw, w, one, sums)
        responsibilities(x, r, d, m, θ)
        responsibilities(data, r_data, d, m, θ)
        v = dot(w, r, sums) - dot(data_w, r_data, sums)
        path[step, 0], path[step, 1], path[step, 3] = θ, v, np.nan
        path[step, 2] = dot(w, in_b, sums)
        pushed(x, r, h, a, d, dx, target)
        apply_banded(w, target, dx, first, near, out)
        if L > 0:
            convolve(out, far, wide)
            logarithms(wide[K + L : K + L + n], mass, logw)
        else:
            logarithms(out[K : K + n], mass, logw)
        θ += η * v
    return θ
