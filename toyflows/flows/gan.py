"""Generative adversarial nets (Goodfellow et al. 2014), with a discriminator of two numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyflows.errors import InputError, nearest
from toyflows.flows.base import Flow
from toyflows.registry import one_of

if TYPE_CHECKING:
    from toyflows.backends.base import Backend
    from toyflows.cloud import Cloud
    from toyflows.target import Target


def _log_σ(t: float) -> float:
    return min(t, 0.0) - math.log1p(math.exp(-abs(t)))


LOGISTIC = (_log_σ, lambda t: math.exp(_log_σ(-t)))  # f and its slope f′
FORMS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "minimax": LOGISTIC,
    "non-saturating": LOGISTIC,
    "wasserstein": (lambda t: t, lambda t: 1.0),
}


@dataclass(frozen=True)
class GAN(Flow):
    """θ̇ = −∂_θV,   ẇ = ∂_wV − γw,   ċ = ∂_cV,   V = E_data[log D] + E_{ρ_θ}[log(1−D)]

    D = σ(w 1_b + c) with 1_b = 1 where x > m: it sees the shares Q and B of mode b, no more. The
    sample's mode cannot be differentiated through, so ∂_θB = −E_{ρ_θ}[1_b (r_θ − p_b)] by the
    score of ρ_θ; for well-separated modes B = p_b and ∂_θB = −p_b(1−p_b). At rest θ = θ* and
    w = c = 0, D = ½; with s = q*(1−q*) the linearised flow of (θ, w, c) is there
        [0, −s/2, 0; s/2, −q*/2 − γ, −q*/2; 0, −q*/2, −½],
    a damped spiral for small γ. loss=non-saturating climbs E_{ρ_θ}[log D] and linearises alike.
    loss=wasserstein has V = E_data[f] − E_{ρ_θ}[f], f = w 1_b (c drops out): eigenvalues ±is, and
    for γ = 0 every orbit closes, on a level of w²/2 + q*e^θ + (1−q*)e^{−θ} + (2q*−1)θ. `dirac`
    puts both laws at their mean feature, V = log σ(0) + log σ(−w(B−Q)): eigenvalues ±is/2, the same
    orbits for minimax.
    `penalty` γ acts on w, the discriminator's rise between the modes, as a gradient penalty does.
    Source: Mescheder, Geiger & Nowozin 2018; Goodfellow et al. 2014; Arjovsky et al. 2017.
    """

    name = "gan"
    title = "Generative adversarial net"
    loss: str = one_of("minimax", FORMS)
    penalty: float = 0.0
    dirac: bool = False

    def __post_init__(self) -> None:
        if self.loss not in FORMS:
            raise InputError("p", f"loss={self.loss}", f"unknown; {nearest(self.loss, FORMS)}")
        if self.penalty < 0:
            raise InputError("p", f"penalty={self.penalty}", "must be γ ≥ 0")

    @property
    def _unbiased(self) -> bool:
        return self.dirac or self.loss == "wasserstein"

    def extra(self, target: Target, θ0: float) -> dict[str, float]:
        return {"w": 0.0} if self._unbiased else {"w": 0.0, "c": 0.0}

    def rest(self, target: Target) -> dict[str, float]:
        return self.extra(target, target.θ_star)

    def negatives(self, ops: Backend, θ: float, chains: Any) -> Cloud | None:
        return ops.model(θ)

    def velocity(self, ops: Backend, θ: float, negatives: Cloud, **extra: float) -> Any:
        mix = ops.mixture
        Q, B = ops.mean(ops.data(), mix.in_b), ops.mean(negatives, mix.in_b)
        minus_dB = ops.mean(negatives, mix.in_b_centred, θ)
        return self._rates(float(Q), float(B), -float(minus_dB), **extra)

    def separated(self, target: Target, θ: float, θ0: float, **extra: float) -> Any:
        p = target.mixture.weight_b(θ)
        return self._rates(target.q_star, p, -p * (1 - p), **extra)

    def _rates(self, Q: float, B: float, dB: float, w: float, c: float = 0.0) -> tuple[float, ...]:
        """V = E_data[f(logit)] + E_{ρ_θ}[f(−logit)], f = log σ or (Wasserstein) the identity."""
        f, df = FORMS[self.loss]
        sign = 1 if self.loss == "non-saturating" else -1
        if self.dirac:
            u = w * (B - Q)
            return w * dB * df(sign * u), (Q - B) * df(-u) - self.penalty * w
        dθ = sign * dB * (f(sign * (w + c)) - f(sign * c))
        in_b, in_a = Q * df(w + c) - B * df(-w - c), (1 - Q) * df(c) - (1 - B) * df(-c)
        dw = in_b - self.penalty * w
        return (dθ, dw) if self._unbiased else (dθ, dw, in_b + in_a)

    def separated_error(self, target: Target, θ: float) -> float:
        """2Φ(−d/2) for w = c = 0: θ̇ = 0 and ẇ = (Q − B)/2 or Q − B, and |B − p_b| and |Q − q*| are
        at most Φ(−d/2), the mass that a mode has beyond m."""
        return math.erfc(target.mixture.d / math.sqrt(8))

    def fixed_point(self, target: Target) -> float | None:
        return target.θ_star
