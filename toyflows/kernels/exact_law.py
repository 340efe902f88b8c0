"""The exact law of persistent chains under unadjusted Langevin, many steps in one call.

    θ ← θ + η (E_ν[r_θ] − E_data[r_θ]),     w ← w P_θ on fixed nodes (backends/grid.py)

or with the work weights of Jarzynski's correction. One r_θ a node gives the mean and the drift.
Sums are taken in LANES partial sums, so that the bits are the same on every class of machine.
"""

from __future__ import annotations

import math

import numpy as np

from toyflows.kernels.banded import LANES, LARGEST, apply_banded, apply_weighted, convolve
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
    for k in range(w.size):
        w[k] /= total
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


@kernel
def work_terms(x, r, h, a, d, m, θ, A, F):
    """A (n,) = U + ¼hF² and F = ∂_xU at x, r = r_θ(x) given; returns max |F|."""
    wide_vectors()
    slope, offset, quarter = -d * LOG2E, (d * m + θ) * LOG2E, 0.25 * h
    for k in range(x.size):
        from_a = x[k] - a
        t = fma(slope, x[k], offset)  # −z log₂e, U = ½(x − a)² − log(1 + e^z)
        f = fma(-d, r[k], from_a)
        U = fma(
            0.5 * from_a,
            from_a,
            LN2 * (min(t, 0.0) - log2_f64(1.0 + exp2_f64(max(-abs(t), -LARGEST)))),
        )
        A[k], F[k] = fma(quarter * f, f, U), f
    most = 0.0
    for k in range(x.size):
        most = max(most, abs(F[k]))
    return most


@kernel
def weighted_law(logw, x, dx, in_b, data, data_w, a, b, h, η, θ, reach, path):
    """`persistent_law` of chains with the work weights `Mixture.work`; path (steps, 6) is told the
    log of their mean weight, log Z, and nan as well. A row's Gaussian is cut at `reach`."""
    d, m, n = b - a, 0.5 * (a + b), x.size
    r, r_data, aim, sums = np.empty(n), np.empty(data.size), np.empty(n), np.empty(LANES)
    w, log_w, one, out, sent = np.empty(n), np.empty(n), np.ones(n), np.empty(n), np.empty(n)
    A, F, A_to, F_to = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    responsibilities(x, r, d, m, θ)
    force_to = work_terms(x, r, h, a, d, m, θ, A_to, F_to)
    for step in range(len(path)):
        mass = normalised(logw, w, one, sums)
        responsibilities(data, r_data, d, m, θ)
        v = dot(w, r, sums) - dot(data_w, r_data, sums)
        path[step, 0], path[step, 1], path[step, 3], path[step, 5] = θ, v, np.nan, np.nan
        path[step, 2], path[step, 4] = dot(w, in_b, sums), mass
        force = force_to
        for k in range(n):
            A[k], F[k] = A_to[k], F_to[k]
            log_w[k], aim[k] = logw[k] - mass, x[k] - h * F[k]
        θ += η * v
        responsibilities(x, r, d, m, θ)
        force_to = work_terms(x, r, h, a, d, m, θ, A_to, F_to)
        K = math.ceil((h * max(force, force_to) + reach) / dx) + 1
        apply_weighted(log_w, x, aim, A, F, x, A_to, F_to, dx, K, 2.0 * h, 1.0, np.inf, out, sent)
        logarithms(out, mass, logw)
    return θ
