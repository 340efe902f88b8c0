"""The mixture of K modes in D dimensions with unknown weights: the reference in NumPy.

    U_θ(x) = −log Σ_k e^{−θ_k} φ_k(x),   φ_k(x) = s_k^{−D} e^{−|x−μ_k|²/2s_k²},   ρ_θ = e^{−U_θ}/Z_θ
    Z_θ = (2π)^{D/2} Σ_k e^{−θ_k},       weights softmax(−θ)

Only differences of θ count, so θ_1 = 0: the unknowns are θ = (θ_2, …, θ_K), an array (K−1,), and
K = 2 is the lecture's mixture with its θ. The gradient is taken in these coordinates. Another mode
as the first changes the speed along the way, never where a method comes to rest.

Points are (D, n), one coordinate a row. Functions of θ's coordinates are (K−1, n).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toyflows import display
from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.mixture import LARGEST_SEPARATION
from toyflows.numerics import LARGEST, log_one_plus_sum, softmax

MOST_MODES = 255  # a mode's number is a byte
WIDEST = 1e50  # spread: squares stay numbers


@dataclass(frozen=True, eq=False)
class Modes:
    """The family {ρ_θ}: positions μ (K, D) and spreads s (K,), or one number for all.

    Raises InputError unless 2 ≤ K ≤ 255, all is finite, s > 0, and any two modes are apart by more
    than nothing and by at most 100 of the smaller spread.
    """

    positions: Array
    spreads: Array
    __repr__ = display.short

    def __init__(self, positions: ArrayLike, spreads: ArrayLike = 1.0):
        μ = _numbers("positions", positions)
        if μ.ndim == 1:  # numbers on a line
            μ = μ[:, None]
        if μ.ndim != 2 or not 2 <= len(μ) <= MOST_MODES or not μ.shape[1]:
            raise InputError("positions", list(μ.shape), f"must be 2 to {MOST_MODES} points "
                             "of equally many coordinates")  # fmt: skip
        if np.abs(μ).max() > WIDEST:
            raise InputError("positions", f"{μ.flat[np.abs(μ).argmax()]:g}",
                             f"must be at most {WIDEST:g} in size")  # fmt: skip
        s = _numbers("spreads", spreads)
        if s.shape not in ((), (1,), (len(μ),)) or not (
            s.min() >= 1 / WIDEST and s.max() <= WIDEST
        ):
            why = f"must be one, or {len(μ)}, of {1 / WIDEST:g} to {WIDEST:g}"
            raise InputError("spreads", shown(s), why)
        object.__setattr__(self, "positions", μ)
        object.__setattr__(self, "spreads", np.broadcast_to(s, (len(μ),)).copy())
        apart = self.distances[np.triu_indices(self.K, 1)] / self.spreads.min()
        if not (apart.min() > 0 and apart.max() <= LARGEST_SEPARATION):
            raise InputError("positions", f"{apart.min():g} to {apart.max():g} spreads apart",
                             f"must be 0 < d ≤ {LARGEST_SEPARATION:g}")  # fmt: skip

    @property
    def K(self) -> int:
        """Number of modes."""
        return len(self.positions)

    @property
    def D(self) -> int:
        """Dimension."""
        return int(self.positions.shape[1])

    @property
    def m(self) -> Array:
        """The modes' centre (D,)."""
        return np.asarray(self.positions.mean(axis=0))

    @property
    def distances(self) -> Array:
        """|μ_j − μ_k| (K, K)."""
        return np.linalg.norm(self.positions[:, None] - self.positions[None], axis=2)

    @property
    def common(self) -> bool:
        """Have all modes one spread?"""
        return bool(np.all(self.spreads == self.spreads[0]))

    @cached_property
    def α(self) -> Array:
        """1/s_k² (K,)."""
        return np.asarray(self.spreads**-2)

    @cached_property
    def linear(self) -> tuple[Array, Array, Array]:
        """A (K−1, D), β (K−1,), c (K−1,) of log φ_k − log φ_1 = A_k·x − β_k|x|² + c_k, k ≥ 2."""
        pull, square = self.α[:, None] * self.positions, (self.positions**2).sum(axis=1)
        c = -0.5 * self.α * square - self.D * np.log(self.spreads)
        return pull[1:] - pull[0], 0.5 * (self.α[1:] - self.α[0]), c[1:] - c[0]

    # ------------------------------------------------------------ weights
    def weights(self, θ: ArrayLike) -> Array:
        """softmax(−θ) of all modes (…, K), for θ (…, K−1)."""
        θ = np.asarray(θ, float)
        full = np.concatenate([np.zeros((*θ.shape[:-1], 1)), θ], axis=-1)
        return np.asarray(softmax(-full.T, 0, -LARGEST).T)

    def weight_b(self, θ: Array) -> Array:
        """The weights of the modes from the second on (K−1,): of b, where K = 2."""
        return np.asarray(self.weights(θ)[1:])

    def theta_of(self, weights: Sequence[float] | Array) -> Array:
        """θ (K−1,) of these weights (K,)."""
        w = np.asarray(weights, float)
        return np.asarray(np.log(w[0]) - np.log(w[1:]))

    def log_Z(self, θ: Array) -> float:
        """log Σ_k e^{−θ_k} + (D/2) log 2π."""
        return float(log_one_plus_sum(-np.asarray(θ))) + 0.5 * self.D * math.log(2 * math.pi)

    # ------------------------------------------------------------ functions of a point
    def logit(self, x: Array, θ: ArrayLike) -> Array:
        """z (K−1, n): log odds of modes 2 … K against mode 1 at x (D, n)."""
        A, β, c = self.linear
        z = A @ x + (c - np.asarray(θ))[:, None]
        return z if self.common else z - β[:, None] * np.sum(x * x, axis=0)

    def energy(self, x: Array, θ: Array) -> Array:
        """U_θ(x) (n,)."""
        away = np.sum((x - self.positions[0][:, None]) ** 2, axis=0)
        well = 0.5 * self.α[0] * away + self.D * math.log(self.spreads[0])
        return np.asarray(well - log_one_plus_sum(self.logit(x, θ)))

    def density(self, x: Array, θ: Array) -> Array:
        """ρ_θ(x) (n,)."""
        with np.errstate(under="ignore"):  # far tails are zero
            return np.asarray(np.exp(-self.energy(x, θ) - self.log_Z(θ)))

    def all_responsibilities(self, x: Array, θ: ArrayLike) -> Array:
        """Probability that x came from each of the K modes (K, n)."""
        z = self.logit(x, θ)
        return softmax(np.concatenate([np.zeros((1, z.shape[1])), z]), 0, -LARGEST)

    def responsibility(self, x: Array, θ: ArrayLike) -> Array:
        """∂_θU = (r_2, …, r_K) (K−1, n)."""
        return self.all_responsibilities(x, θ)[1:]

    def dU_dx(self, x: Array, θ: Array) -> Array:
        """∇U (D, n) = Σ_k r_k (x − μ_k)/s_k²."""
        A, β, _ = self.linear
        r = self.responsibility(x, θ)
        with np.errstate(under="ignore"):
            F = self.α[0] * (x - self.positions[0][:, None]) - A.T @ r
            return F if self.common else F + 2 * (β @ r) * x

    def work(self, x: Array, y: Array, θ: Array, θ_new: Array, h: float) -> Array:
        """α_θ(x, y) − α_θ'(y, x) (n,), α_θ(x, y) = U_θ(x) + ½(y−x)·∇U_θ(x) + ¼h|∇U_θ(x)|²: as
        `Mixture.work`."""

        def α(x: Array, y: Array, θ: Array) -> Array:
            F = self.dU_dx(x, θ)
            return self.energy(x, θ) + np.sum((0.5 * (y - x) + 0.25 * h * F) * F, axis=0)

        return α(x, y, θ) - α(y, x, θ_new)

    def tilt(self, x: Array, y: Array, θ: Array, θ_new: Array) -> Array:
        """U_θ(y) − U_θ'(y) (n,): the log weight after a step that leaves ρ_θ invariant."""
        return self.energy(y, θ) - self.energy(y, θ_new)

    def hyvärinen(self, x: Array, θ: Array) -> Array:
        """∂_θ[ΔU − ½|∇U|²] (K−1, n) = Δr_k − ∇U·∇r_k   (Hyvärinen 2005, eq. 4).

        With g_k = ∇log φ_k, ḡ = Σ r_j g_j = −∇U and V = Σ r_j|g_j − ḡ|²:
            r_k [ (g_k − ḡ)·g_k − V + D Σ_j r_j(α_j − α_k) ].
        """
        r, G, V, g, gt = self._about_top(x, θ)  # g: from the likeliest mode's g_t
        with np.errstate(under="ignore"):
            αs = self.α[:, None]
            out = np.sum((g - G) * (g + gt), axis=1) - V
            top = r.argmax(axis=0)[None]
            rest = r * (αs - np.take_along_axis(αs, top, axis=0))
            out += self.D * (rest.sum(axis=0) - (αs - np.take_along_axis(αs, top, axis=0)))
            return np.asarray(r * out)[1:]

    def _about_top(self, x: Array, θ: ArrayLike) -> tuple[Array, Array, Array, Array, Array]:
        """r (K, n), G = ḡ − g_t (D, n), V (n,), g_k − g_t (K, D, n), g_t (D, n), with t the
        likeliest mode at x: so r_t = 1 − (small) cancels nothing."""
        r = self.all_responsibilities(x, θ)
        g = self.α[:, None, None] * (self.positions[:, :, None] - x[None])
        t = r.argmax(axis=0)[None, None]
        gt = np.take_along_axis(g, t, axis=0)[0]
        with np.errstate(under="ignore"):
            g = g - gt
            G = np.sum(r[:, None] * g, axis=0)
            V = np.sum(r * np.sum(g * g, axis=1), axis=0) - np.sum(G * G, axis=0)
        return r, G, V, g, gt

    def noised(self, σ: float) -> Modes:
        """The law of x + σε: the same weights, spreads √(s_k² + σ²)."""
        return Modes(self.positions, np.hypot(self.spreads, σ))

    def denoising(self, pairs: Array, θ: Array, σ: float, σ_model: float) -> Array:
        """−(s_θ(y) + ε/σ)·∂_θ s_θ(y) (K−1, n) at pairs (y, ε) (2, D, n), with the score s_θ of the
        model noised by σ_model: r_k (g_k − ḡ)·(ε/σ + ḡ) of that family (Vincent 2011, eq. 10)."""
        y, ε = pairs
        r, G, _, g, gt = self.noised(σ_model)._about_top(y, θ)
        with np.errstate(under="ignore"):
            return np.asarray(r * np.sum((g - G) * (ε / σ + gt + G), axis=1))[1:]

    def nearest(self, x: Array) -> NDArray[np.intp]:
        """The mode that x is counted to (n,): the likeliest at equal weights, 0 … K−1; of equal
        ones the first."""
        z = self.logit(x, np.zeros(self.K - 1))
        return np.asarray(np.concatenate([np.zeros((1, z.shape[1])), z]).argmax(axis=0))

    def in_b(self, x: Array) -> Array:
        """1 where x is counted to mode k = 2 … K (K−1, n)."""
        return np.asarray(self.nearest(x)[None] == np.arange(1, self.K)[:, None], float)

    # ------------------------------------------------------------ the subspace of the modes
    @cached_property
    def frame(self) -> Array:
        """An orthonormal basis (rank, D) of the directions in which the modes differ."""
        away = self.positions - self.m
        _, size, rows = np.linalg.svd(away, full_matrices=False)
        return np.asarray(rows[size > 1e-9 * size[0]])

    @cached_property
    def flat(self) -> Modes | None:
        """The same modes in the coordinates of `frame`, about their centre.

        For a common spread what is orthogonal to them is a Gaussian of its own that no method sees:
        r_θ at x is that of the projected point. None where own spreads make the radius count.
        """
        if not self.common and len(self.frame) < self.D:
            return None
        return Modes((self.positions - self.m) @ self.frame.T, self.spreads)

    def project(self, x: Array) -> Array:
        """Points (D, n) in the coordinates of `flat` (rank, n)."""
        return np.asarray(self.frame @ (x - self.m[:, None]))


def shown(values: ArrayLike) -> str:
    """Numbers as the user wrote them, the first six."""
    flat = np.ravel(values).tolist()
    return ",".join(f"{v:g}" for v in flat[:6]) + ",…" * (len(flat) > 6)


def _numbers(name: str, given: ArrayLike) -> Array:
    """As finite float64, or InputError."""
    try:
        value = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise InputError(name, given, "must be numbers, equally many in each row") from None
    if not value.size or not np.isfinite(value).all():
        raise InputError(name, shown(value), "must be finite numbers")
    return value
