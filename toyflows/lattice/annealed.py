"""log Z of an RBM by annealed importance sampling: forwards from coins, backwards from samples.

    p_β(v) ∝ f_β(v) = e^{(1−β) c·v + β a·v} Π_j (1 + e^{β (b_j + (vW)_j)}),   0 = β_0 < … < β_K = 1
    log w = Σ_k log f_{β_k}(v_k) − log f_{β_{k−1}}(v_k)

v_1 is drawn from p_0, where Z_0 = 2^m Π_i (1 + e^{c_i}), and v_{k+1} from v_k by one sweep that
leaves p_{β_k} invariant; then E[w] = Z/Z_0 whatever the number of temperatures. Backwards, from
draws v of p_1 itself, E[1/w] = Z_0/Z. So E[log w] is below log Z/Z_0 forwards and above it
backwards (Jensen): the two are a bracket. c are the log odds of the data's pixels, or zero. Source:
Neal (2001); Salakhutdinov & Murray (2008); Burda, Grosse & Salakhutdinov (2015) for the way back.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from toyflows.kernels.random import MODEL
from toyflows.kernels.rbm import draw_units, soft_sums
from toyflows.lattice.rbm import DOWN, RBM, UP, Array
from toyflows.limits import check_whole
from toyflows.numerics import softplus

Progress = Callable[[int], None]  # told the temperatures passed
REACH = 3.0  # standard errors either side: 99.7 % where the mean weight is normal

MOST_CHAINS, MOST_TEMPERATURES = 100_000, 1_000_000


@dataclass(frozen=True)
class Estimate:
    """log Z with the interval (low, high) of three standard errors of the mean weight.

    `error` is that standard error as a share of the mean, `effective` the effective number of
    chains: from few of them, or with an error near 1/3, nothing is to be believed.
    """

    log_Z: float
    low: float
    high: float
    error: float
    effective: float

    @classmethod
    def of(cls, logw: Array, log_Z_0: float = 0.0) -> Estimate:
        """From independent log weights (N ≥ 2,)."""
        with np.errstate(under="ignore"):
            w = np.exp(logw - logw.max())
            effective = float(w.sum() ** 2 / (w**2).sum())
        mean, top = float(w.mean()), log_Z_0 + float(logw.max())
        error = float(w.std(ddof=1)) / math.sqrt(len(w)) / mean
        low = math.log(mean * (1 - REACH * error)) if REACH * error < 1 else -math.inf
        high = math.log(mean * (1 + REACH * error))
        return cls(top + math.log(mean), top + low, top + high, error, effective)


def forward(
    rbm: RBM, chains: int, temperatures: int, seed: int, c: Array | None = None,
    progress: Progress | None = None,
) -> Array:  # fmt: skip
    """log w + log Z_0 (chains,): the mean of e^ that is Z."""
    c = np.zeros(len(rbm.a)) if c is None else c
    check_whole("chains", chains, 2, MOST_CHAINS)
    start, v = np.tile(c, (chains, 1)), np.empty((chains, len(c)))
    draw_units(start, np.zeros(len(c)), np.ones(chains), start, v, seed, 0, MODEL)
    return anneal(rbm, v, _ladder(temperatures), c, seed, progress) + base(rbm, c)


def backward(rbm: RBM, v: Array, temperatures: int, seed: int, c: Array | None = None) -> Array:
    """log Z_0 − log w (N,) from draws v (N, n) of the RBM: on average no less than log Z."""
    c = np.zeros(len(rbm.a)) if c is None else c
    return base(rbm, c) - anneal(rbm, v.astype(np.float64), _ladder(temperatures)[::-1], c, seed)


def log_Z(
    rbm: RBM, chains: int, temperatures: int, seed: int, c: Array | None = None,
    progress: Progress | None = None,
) -> Estimate:  # fmt: skip
    """The estimate of `forward`."""
    return Estimate.of(forward(rbm, chains, temperatures, seed, c, progress))


def base(rbm: RBM, c: Array) -> float:
    """log Z_0."""
    return float(len(rbm.b) * math.log(2) + softplus(c).sum())


def anneal(
    rbm: RBM, v: Array, β: Array, c: Array, seed: int, progress: Progress | None = None
) -> Array:
    """log w (N,) along the inverse temperatures β, from draws v of the first."""
    W, a, b = (x.astype(np.float64) for x in (rbm.W, rbm.a, rbm.b))
    logw, (before, after), one = np.zeros(len(v)), np.empty((2, len(v))), np.ones(len(v))
    h, zero = np.empty((len(v), len(b))), np.zeros(len(a))
    for k, (old, new) in enumerate(itertools.pairwise(β)):
        x = v @ W
        soft_sums(x, b, old, before)
        soft_sums(x, b, new, after)
        logw += (new - old) * (v @ (a - c)) + after - before
        draw_units(x, b, new * one, x, h, seed, k, UP)
        y = new * (h @ W.T + a) + (1 - new) * c
        draw_units(y, zero, one, y, v, seed, k, DOWN)
        if progress is not None:
            progress(k + 1)
    return logw


def _ladder(temperatures: int) -> Array:
    """0 = β_0 < … < β_K = 1 in equal steps."""
    check_whole("temperatures", temperatures, 1, MOST_TEMPERATURES)
    return np.linspace(0.0, 1.0, temperatures + 1)
