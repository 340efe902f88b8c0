"""The two-mode Gaussian mixture with one unknown weight: the model of the whole laboratory.

    U_θ(x) = −log( e^{−(x−a)²/2} + e^{−θ} e^{−(x−b)²/2} ),      ρ_θ = e^{−U_θ}/Z_θ
    Z_θ = (1 + e^{−θ}) √(2π),     p_b(θ) = e^{−θ}/(1 + e^{−θ}) = σ(−θ)     (weight of mode b)

θ > 0 makes mode b LIGHT: θ = 1.4 is p_b = 0.198. This file is the reference in NumPy: every kernel
is pinned to it by a test. Symbols: docs/notation.md. Source: Coste, Generative models (2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from toyflows.cloud import Array, Cloud
from toyflows.errors import InputError
from toyflows.numerics import expit, softplus

LARGEST_SEPARATION = 100.0


def theta_of(q: float) -> float:
    """θ with p_b(θ) = q:  θ = log((1 − q)/q)."""
    return math.log1p(-q) - math.log(q)


@dataclass(frozen=True)
class Mixture:
    """The family {ρ_θ}: modes at a < b with unit spread. Methods take x (n,) and a number θ.

    Raises InputError unless a and b are finite with 0 < b − a ≤ 100.
    """

    a: float = -10.0
    b: float = 10.0
    closed_forms: ClassVar[bool] = True  # False: a family of the user's own (energy.py)
    dimension: ClassVar[int] = 1  # of x; 2: plane_energy.py

    def __post_init__(self) -> None:
        if not 0 < self.b - self.a <= LARGEST_SEPARATION:
            raise InputError(
                "separation", self.b - self.a, f"must be 0 < d ≤ {LARGEST_SEPARATION:g}"
            )

    @classmethod
    def separated(cls, d: float) -> Mixture:
        """Modes at ∓d/2."""
        return cls(-d / 2, d / 2)

    @property
    def d(self) -> float:
        """Separation b − a."""
        return self.b - self.a

    @property
    def m(self) -> float:
        """Centre (a + b)/2: a point is counted to mode b where x > m."""
        return 0.5 * (self.a + self.b)

    def range(self, reach: float, temperature: float = 1.0) -> tuple[float, float]:
        """Where ρ_θ has its mass: the modes, and `reach` beyond them."""
        return self.a - reach, self.b + reach

    def weight_b(self, θ: float) -> float:
        """p_b(θ) = σ(−θ)."""
        e = math.exp(-min(abs(θ), 700.0))
        return (e if θ >= 0 else 1.0) / (1.0 + e)

    def log_Z(self, θ: float) -> float:
        """log Z_θ = log(1 + e^{−θ}) + ½ log 2π."""
        larger = max(-θ, 0.0) + math.log1p(math.exp(-min(abs(θ), 700.0)))
        return larger + 0.5 * math.log(2 * math.pi)

    def logit(self, x: Array, θ: float | Array) -> Array:
        """z = d(x − m) − θ: the log odds of mode b at x."""
        return self.d * (x - self.m) - θ

    def energy(self, x: Array, θ: float | Array) -> Array:
        """U_θ(x) = (x−a)²/2 − log(1 + e^z)."""
        return 0.5 * (x - self.a) ** 2 - softplus(self.logit(x, θ))

    def density(self, x: Array, θ: float) -> Array:
        """ρ_θ(x)."""
        with np.errstate(under="ignore"):  # far tails are zero
            return np.exp(-self.energy(x, θ) - self.log_Z(θ))

    def responsibility(self, x: Array, θ: float) -> Array:
        """r_θ(x) = ∂_θU = σ(z): the probability that x came from mode b."""
        return expit(self.logit(x, θ))

    def overlap(self, x: Array, θ: float) -> Array:
        """r(1 − r) = −∂_θ r, without cancellation in either tail."""
        e = np.exp(-np.minimum(np.abs(self.logit(x, θ)), 700.0))
        with np.errstate(under="ignore"):
            return e / (1.0 + e) ** 2

    def dU_dx(self, x: Array, θ: float) -> Array:
        """∂_xU = (x − a) − d r_θ(x); the score is −∂_xU."""
        return (x - self.a) - self.d * self.responsibility(x, θ)

    def langevin(self, x: Array, θ: float, h: float, ξ: Array) -> Array:
        """x − h∂_xU_θ(x) + √(2h) ξ: a step of unadjusted Langevin, P_θ; ξ (n,) is standard normal.

        The plain twin of kernels/langevin.py, which a test holds to it.
        """
        return x - h * self.dU_dx(x, θ) + math.sqrt(2 * h) * ξ

    def d2U_dxdx(self, x: Array, θ: float) -> Array:
        """∂_xxU = 1 − d² r(1 − r)."""
        return 1.0 - self.d**2 * self.overlap(x, θ)

    def work(self, x: Array, y: Array, θ: float, θ_new: float, h: float) -> Array:
        """α_θ(x, y) − α_θ'(y, x),  α_θ(x, y) = U_θ(x) + ½(y−x)∂_xU_θ(x) + ¼h(∂_xU_θ(x))².

        As ρ_θ(x) P_θ(x, y) ∝ e^{−α_θ(x,y) − (y−x)²/4h}, this is log of ρ_θ'(y) P_θ'(y, x) over
        ρ_θ(x) P_θ(x, y), up to Z: the log weight that keeps a Langevin chain at ρ_θ while θ moves
        (Carbone et al. 2023, eq. 14), and with θ' = θ the log Metropolis ratio of MALA.
        """

        def α(x: Array, y: Array, θ: float) -> Array:
            F = self.dU_dx(x, θ)
            return self.energy(x, θ) + 0.5 * (y - x) * F + 0.25 * h * F**2

        return α(x, y, θ) - α(y, x, θ_new)

    def tilt(self, x: Array, y: Array, θ: float, θ_new: float) -> Array:
        """U_θ(y) − U_θ'(y): the log weight after a step that leaves ρ_θ invariant."""
        return self.energy(y, θ) - self.energy(y, θ_new)

    def hyvärinen(self, x: Array, θ: float) -> Array:
        """∂_θ[ ∂_xxU − ½(∂_xU)² ] = d r(1−r) [ d(1−r) − (x−a) ]   (Hyvärinen 2005, eq. 4).

        Minus the θ-gradient of Hyvärinen's loss at x, half of the Fisher divergence's up to a
        constant. The factor r(1−r) is exact in both tails, so that nothing cancels where the value
        is 1e−21.
        """
        with np.errstate(under="ignore"):
            not_r = expit(-self.logit(x, θ))
            return self.d * self.overlap(x, θ) * (self.d * not_r - (x - self.a))

    def noised(self, σ: float) -> Mixture:
        """The law of m + (x + σε − m)/s, s = √(1 + σ²): the same weights at separation d/s.

        Noise only brings the modes nearer, in units of their new spread s.
        """
        half = 0.5 * self.d / math.sqrt(1 + σ**2)
        return Mixture(self.m - half, self.m + half)

    def denoising(self, pairs: Array, θ: float, σ: float, σ_model: float) -> Array:
        """−(s_θ(y) + ε/σ) ∂_θs_θ(y) at pairs (y, ε) (2, n), with the score s_θ of the model noised
        by σ_model: σ, as the data are, or 0, the model itself.

        Minus the θ-gradient of ½|s_θ(x + σε) + ε/σ|² (Vincent 2011, eq. 10; the score's target is
        −ε/σ for standard normal ε).
        """
        y, ε = pairs
        mix, s = self.noised(σ_model), math.sqrt(1 + σ_model**2)
        u = self.m + (y - self.m) / s
        with np.errstate(under="ignore"):
            return (ε / σ - mix.dU_dx(u, θ) / s) * mix.d / s * mix.overlap(u, θ)

    def discriminator(self, x: Array, θ: float, μ: float, c: float) -> Array:
        """(D, D r_θ, r_θ) (3, n) with D = e^{−U_θ−c}/(e^{−U_θ−c} + e^{−U_μ}) = σ(U_μ − U_θ − c).

        The probability that x is data and not noise of weight parameter μ, with log-normaliser c of
        the model relative to the noise's (Gutmann & Hyvärinen 2010, eq. 6); for |θ − μ| ≤ 600.
        """
        y = self.logit(x, 0.0)
        top = np.maximum(y - min(θ, μ), 0.0)  # D = A/(A + e^c B) with both times e^−top
        one, model, noise = (np.exp(np.maximum(z - top, -700.0)) for z in (0.0, y - θ, y - μ))
        A, B = one + model, one + noise
        r = model / A
        with np.errstate(under="ignore"):
            D = A / (A + math.exp(c) * B)
            return np.stack([D, D * r, r])

    def ridge(self, θ: float) -> float:
        """m + θ/d, where z = 0 and both modes are equally responsible."""
        return self.m + θ / self.d

    def mixing_time(self, θ: float) -> float:
        """1/λ₁, λ₁ the spectral gap of Langevin's generator ∂_xx − ∂_xU ∂_x: the time in which ρ_θ
        is forgotten least. To 0.2 %; inf beyond the floats.

        From (ρf′)′ = −λρf follows φ/λ = Sφ for φ = f′ and F = ∫_{−∞}^x ρ_θ, with
            Sφ = (1/ρ)[(1 − F) ∫_{−∞}^x Fφ dx + F ∫_x^∞ (1 − F)φ dx],
        where all terms are positive: powers of S lose no digit. For separated modes τ tends to
        p_a p_b ∫_a^b dx/ρ_θ, of the order of e^{d²/8} (Bovier & den Hollander 2015); it is 1 for
        one mode. Between them it is no asymptotic: at d = 1 that one is 41 % too small.
        """
        x = self._fine_at_ridge(θ)
        mid, dx = 0.5 * (x[1:] + x[:-1]), np.diff(x)
        mass = np.log(np.convolve(dx, [0.5, 0.5])) - self.energy(x, θ)
        with np.errstate(under="ignore"):
            below, above = np.logaddexp.accumulate(mass), np.logaddexp.accumulate(mass[::-1])
            half_log_ρ = -0.5 * (self.energy(mid, θ) + below[-1])
            u = below[:-1] - below[-1] - half_log_ρ  # log F/√ρ
            v = above[-2::-1] - below[-1] - half_log_ρ  # log (1 − F)/√ρ
            log_τ = _log_largest(u, v, np.log(dx))
        return math.exp(log_τ) if log_τ < 709.0 else math.inf

    def _fine_at_ridge(self, θ: float) -> Array:
        """Points (n,) from a − 8 to b + 8: 0.15 apart, 0.25/d about the ridge between the modes."""
        low, high, ridge = self.a - 8.0, self.b + 8.0, min(max(self.ridge(θ), self.a), self.b)
        fine = ridge + 0.25 / self.d * np.arange(-80.0, 81.0)
        x = np.concatenate([np.arange(low, high, 0.15), fine[(fine > low) & (fine < high)]])
        return np.unique(x)

    @property
    def bistable_up_to(self) -> float:
        """|θ| beyond which U_θ has one basin only: ½d²s − 2 artanh s, s = √(1 − 4/d²); 0 if d ≤ 2.

        Where ∂_xxU = 0 on the ridge's flanks, r(1−r) = 1/d², and ∂_xU = 0 there fixes θ.
        """
        if self.d <= 2:
            return 0.0
        s = math.sqrt(1 - 4 / self.d**2)
        return 0.5 * self.d**2 * s - 2 * math.atanh(s)

    def piecewise(self, x: Array, θ: float) -> Array:
        """The lecture's (ρ, U, ∂_xU, ∂_θU) (4, n) of well-separated modes: σ(z) as a step at z = 0.

        Errors: log(1 + e^{−|z|}) in U, d σ(−|z|) in ∂_xU and σ(−|z|) in ∂_θU.
        """
        in_b = np.heaviside(x - self.ridge(θ), 0.5)
        U = np.minimum(0.5 * (x - self.a) ** 2, θ + 0.5 * (x - self.b) ** 2)
        with np.errstate(under="ignore"):
            ρ = np.exp(-U - self.log_Z(θ))
        return np.stack([ρ, U, x - np.where(in_b > 0.5, self.b, self.a), in_b])

    def ridge_reach(self, tolerance: float) -> float:
        """Distance from the ridge at which the largest of these errors, d σ(−|z|), is `tolerance`:
        log(d/tolerance − 1)/d."""
        return math.log(self.d / tolerance - 1.0) / self.d

    def in_b(self, x: Array) -> Array:
        """1 where x > m, ½ at m, 0 elsewhere."""
        return np.heaviside(x - self.m, 0.5)

    def quantile(self, u: Array, θ: float) -> Array:
        """x (n,) with ρ_θ(−∞, x) = u: the sampler, for uniform u; linear between nodes."""
        x = np.linspace(*self.range(8.0), 8_000)
        with np.errstate(under="ignore"):
            w = self.density(x, θ)
        return np.interp(u, (np.cumsum(w) - 0.5 * w) / w.sum(), x)

    def share_b(self, θ: float) -> float:
        """E_{ρ_θ}[1_b] = p_b Φ(d/2) + (1 − p_b) Φ(−d/2)."""
        beyond = 0.5 * math.erfc(self.d / math.sqrt(8))
        return self.weight_b(θ) * (1 - beyond) + self.weight_b(-θ) * beyond

    def share_b_slope(self, θ: float) -> float:
        """∂_θ E_{ρ_θ}[1_b] = −E_{ρ_θ}[1_b (r_θ − p_b)] = −p_b(1 − p_b) erf(d/√8)."""
        return -self.weight_b(θ) * self.weight_b(-θ) * math.erf(self.d / math.sqrt(8))

    def centred(self, x: Array, θ: float) -> Array:
        """r_θ(x) − p_b(θ) = −∂_θ log ρ_θ, without cancellation."""
        with np.errstate(under="ignore"):
            in_b, in_a = self.responsibility(x, θ), expit(-self.logit(x, θ))
            return self.weight_b(-θ) * in_b - self.weight_b(θ) * in_a

    def in_b_centred(self, x: Array, θ: float) -> Array:
        """1_b (r_θ − p_b)."""
        return self.in_b(x) * self.centred(x, θ)


def _log_largest(u: Array, v: Array, dx: Array) -> float:
    """The largest eigenvalue of ψ ↦ v ∫_{−∞}^x uψ dx + u ∫_x^∞ vψ dx, all in logs (n,): Rayleigh's
    quotient of its powers, until a step, which is at most about half of the last, is below 1e−5."""
    add, ψ, last, now = np.logaddexp, np.zeros(u.size), -1.0, 0.0
    while abs(now - last) > 1e-5:
        from_left = add.accumulate(u + ψ + dx)
        from_right = add.accumulate((v + ψ + dx)[:0:-1])[::-1]
        new = v + from_left
        new[:-1] = add(new[:-1], u[:-1] + from_right)
        last, now = now, float(add.reduce(new + ψ + dx) - add.reduce(2 * ψ + dx))
        ψ = new - now
    return now


class Law(Cloud):
    """ρ_θ on quadrature nodes x (n,). Its means of 1_b and 1_b (r_θ − p_b), which jump, are known
    without the nodes; so the weights are worked out where they are asked for."""

    mixture: Mixture
    θ: float

    def __init__(self, mixture: Mixture, θ: float, x: Array):
        for name, value in (("x", x), ("mixture", mixture), ("θ", θ)):
            object.__setattr__(self, name, value)

    @cached_property
    def logw(self) -> Array:
        """−U_θ(x) (n,)."""
        return -self.mixture.energy(self.x, self.θ)
