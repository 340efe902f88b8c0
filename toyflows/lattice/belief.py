"""A deep belief network of two layers: an RBM, and on its hidden units a second one.

    p(v) = Σ_h p_2(h) p_1(v | h):     p_2 is the law of the upper RBM's visible units, p_1 the lower
    log p(v) ≥ B(v) = log p_1(v) + E_q[log p_2(h) − log p_1(h)],     q(h) = p_1(h | v)
             = −F_1(v) + E_q[F_1(h) − F_2(h)] − log Z_2

where F_1(h) is the free energy of the lower RBM's hidden units: its Z cancels. log p − B is
KL(q | p(h | v)). An upper RBM that is the lower one turned over (W_1ᵀ and its biases exchanged) has
p_2 = p_1, and B = log p_1(v). Learning it by the gradient of E_q[log p_2(h)] changes nothing else
in B, so that B does not fall, and log p(v) ends above log p_1(v) by as much as B has risen or more.
Source: Hinton, Osindero & Teh, A fast learning algorithm for deep belief nets (2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toyflows.errors import InputError
from toyflows.kernels.random import substream
from toyflows.kernels.rbm import draw_units
from toyflows.lattice import enumeration
from toyflows.lattice.rbm import RBM, Array, Statistics, exact_draws
from toyflows.numerics import expit, log_sum_exp, softplus

BETWEEN, DECODED = 14, 15  # streams of the draws of h given v, and of v given h
MOST = 14  # hidden units of the lower RBM whose states are gone through for each image


def lift(rbm: RBM, v: Array, seed: int, step: int) -> Array:
    """Draws of the hidden units given v (N, n), (N, m): what an upper RBM learns from."""
    return _drawn(v @ rbm.W, rbm.b, seed, step, BETWEEN)


def decode(rbm: RBM, h: Array, seed: int) -> tuple[Array, Array]:
    """Draws of v given h (N, m), (N, n), and the probabilities that they were drawn with."""
    x = h.astype(rbm.W.dtype) @ rbm.W.T
    with np.errstate(under="ignore"):
        return _drawn(x, rbm.a, seed, 0, DECODED), expit(x + rbm.a)


def _drawn(x: Array, bias: Array, seed: int, step: int, stream: int) -> Array:
    out = np.empty_like(x)
    draw_units(x, bias, np.ones(len(x)), np.empty_like(x), out, seed, step, substream(stream, 0))
    return out


@dataclass(frozen=True, eq=False)
class Belief:
    """Two RBMs: the upper one's visible units are the lower one's hidden ones."""

    lower: RBM
    upper: RBM

    def __post_init__(self) -> None:
        wanted, found = len(self.lower.b), len(self.upper.a)
        if wanted != found:
            raise InputError("upper", found, f"visible units; must be {wanted}, the lower's hidden")

    def bound(self, v: Array, log_Z: float | None = None) -> Array:
        """B of each row v (N, n), (N,), exact but for an estimate of log Z_2 that is given. Raises
        InputError("hidden") beyond 2¹⁴ states."""
        H, log_q = self._posterior(v)
        with np.errstate(under="ignore"):
            gain = np.exp(log_q) @ self._gain(H)
        return gain - self.lower.free_energy(v) - self._log_Z(log_Z)

    def drawn_bound(self, v: Array, draws: int, seed: int, log_Z: float | None = None) -> Array:
        """B by draws of h, (N, draws): each has B(v) as its mean, but for log Z_2."""
        F, log_Z = self.lower.free_energy(v), self._log_Z(log_Z)
        gains = [self._gain(lift(self.lower, v, seed, k)) for k in range(draws)]
        return np.stack(gains, axis=1) - F[:, None] - log_Z

    def log_likelihood(self, v: Array, log_Z: float | None = None) -> Array:
        """log p of each row, (N,), by all states h, as `bound`."""
        H = self._states()
        log_p1 = self._log_given(v, H)
        log_p2 = -self.upper.free_energy(H) - self._log_Z(log_Z)
        return np.asarray(log_sum_exp(log_p1 + log_p2))

    def statistics(self, v: Array, weights: Array) -> Statistics:
        """The data's term of the gradient of Σ w B, weights w (N,), with respect to the upper RBM:
        E_q[(h k, h, k)], k its hidden units; exact, as `bound`. The other term is its own."""
        H, log_q = self._posterior(v)
        with np.errstate(under="ignore"):
            w = weights @ np.exp(log_q)
            k = expit(H @ self.upper.W + self.upper.b)
            return Statistics(H.T @ (w[:, None] * k), w @ H, w @ k)

    def draws(self, count: int, rng: np.random.Generator) -> Array:
        """Independent draws of v, (count, n): no chain."""
        h = exact_draws(self.upper, count, rng)
        p = expit(h @ self.lower.W.T + self.lower.a)
        return (rng.random(p.shape) < p).astype(np.float64)

    def _gain(self, h: Array) -> Array:
        """log p_2(h) + log Z_2 − log p_1(h) − log Z_1 of each row."""
        return self.lower.T.free_energy(h) - self.upper.free_energy(h)

    def _log_Z(self, given: float | None) -> float:
        return self.upper.log_Z if given is None else given

    def _states(self) -> Array:
        m = len(self.lower.b)
        if m > MOST:
            raise InputError("hidden", m, f"too many states for each image: 2^{m}; must be at most "
                             f"{MOST} units")  # fmt: skip
        return enumeration.states(m)

    def _posterior(self, v: Array) -> tuple[Array, Array]:
        """All h (K, m), and log q of each for each row of v, (N, K)."""
        H = self._states()
        x = v.astype(np.float64) @ self.lower.W + self.lower.b
        return H, x @ H.T - softplus(x).sum(axis=1, keepdims=True)

    def _log_given(self, v: Array, H: Array) -> Array:
        """log p_1(v | h), (N, K)."""
        x = H @ self.lower.W.T.astype(np.float64) + self.lower.a
        return v.astype(np.float64) @ x.T - softplus(x).sum(axis=1)


def turned(rbm: RBM) -> RBM:
    """The RBM turned over, as a copy that may be learned: with it B is log p_1."""
    return RBM(*(np.array(x, order="C") for x in (rbm.T.W, rbm.T.a, rbm.T.b)))
