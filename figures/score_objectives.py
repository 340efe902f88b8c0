"""The losses of a score have one minimum: a constant and noise apart.

Data: two unit modes at distance 4 on a diagonal, weights 0.7 and 0.3; the model is the score of
such a mixture at another distance. Left: at noise σ = 0.6, the means of the losses over 20,000
samples with their 95 % intervals, and the exact loss plus each known constant, by quadrature.
Right: the standard deviation of one sample's loss against σ, for the model of distance 3.
Denoising pays for needing no derivative: σ⁻² with its term |ε|²/2σ², which no model changes, 1/σ
without it; where ε and −ε are taken together it stays bounded, as Hutchinson's estimate does.
Sources: Hyvärinen 2005; Vincent 2011; Song et al. 2019 (sliced); [G] Generative models lectures.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion import objectives as o
from toyflows.diffusion import quadrature
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.processes import VE, ExactScore
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, close, mean, slope

ORDER = 340
SAYS = {
    "The losses of a score have one minimum": ("mean, …", "the best distance"),
    "a constant and noise apart": ("variance, …",),
}
LOSSES = ("explicit", "implicit", "hutchinson", "sliced", "denoising", "bare", "paired")
D, DISTANCE, Q, NOISE, WRONG, SAMPLES = 2, 4.0, 0.3, 0.6, 3.0, 20_000
MODELS = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
FINE = np.linspace(1, 7, 61)
COLOURS = dict(zip(
    LOSSES,
    (style.EXACT, style.WALKERS, style.ACCENT, style.INK, style.DATA, style.THIRD, style.SECOND),
    strict=True,
))  # fmt: skip
NOISES = np.geomspace(0.01, 1.0, 9)
PROCESS = VE(1e-3, 10.0)


def model(d: float) -> ExactScore:
    """The score of two unit modes at distance d."""
    mode = np.full(D, d / 2 / math.sqrt(D))
    return ExactScore(Gaussians(np.array([1 - Q, Q]), np.array([-mode, mode]), np.ones(2)), PROCESS)


TRUTH = model(DISTANCE)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """The explicit loss by quadrature; means and their errors (losses, models); the constants; one
    sample's losses (losses, n) for the wrong model, and their spreads (losses, noises)."""
    n, t = max(2000, round(SAMPLES * scale)), time_of(NOISE)
    rng = np.random.default_rng(seed)
    law = TRUTH.mixture.at(1.0, NOISE)
    J = float(quadrature.mean(lambda x: (TRUTH(x, t) ** 2).sum(axis=1), law))
    values = [samples(d, NOISE, n, rng) for d in MODELS]  # (losses, n) each
    constant = o.constants(J, D, NOISE)
    return {
        "exact": np.array([expected(d, t) for d in FINE]),
        "mean": np.stack([v.mean(axis=1) for v in values], axis=1),
        "error": np.stack([v.std(axis=1) / math.sqrt(n) for v in values], axis=1),
        "constant": np.array([constant[name] for name in LOSSES]),
        "samples": values[int(np.flatnonzero(MODELS == WRONG)[0])],
        "spread": np.stack([samples(WRONG, σ, n, rng).std(axis=1) for σ in NOISES], axis=1),
    }


def time_of(σ: float) -> float:
    """t at which the process has this noise."""
    return math.log(σ / PROCESS.sigma_min) / math.log(PROCESS.sigma_max / PROCESS.sigma_min)


def expected(d: float, t: float) -> float:
    """E½|s − ∇log p_t|² of the model, by quadrature."""
    law = TRUTH.mixture.at(1.0, float(PROCESS.sigma(t)))
    return float(quadrature.mean(lambda x: o.explicit(model(d), TRUTH, x, t), law))


def samples(d: float, σ: float, n: int, rng: np.random.Generator) -> Array:
    """n values of each loss (losses, n), each loss at samples of its own."""
    return np.array([one(name, model(d), time_of(σ), n, rng) for name in LOSSES])


def one(name: str, s: ExactScore, t: float, n: int, rng: np.random.Generator) -> Array:
    """n independent values of a loss."""
    x0, ε = TRUTH.mixture.sample(n, rng), rng.standard_normal((n, D))
    if name in ("denoising", "bare", "paired"):
        loss: Array = getattr(o, name)(s, PROCESS, x0, t, ε)
        return loss
    x = o.noised(PROCESS, x0, t, ε)[0]
    if name == "explicit":
        return o.explicit(s, TRUTH, x, t)
    if name == "implicit":
        return o.implicit(s, s.divergence, x, t)
    directional: Array = getattr(o, name)(s, o.curvature(s), x, t, o.rademacher(rng, x))
    return directional


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Means are explicit plus the constant; denoising's spread goes as σ⁻², the pairs' does not."""
    exact = float(data["exact"][np.argmin(np.abs(FINE - WRONG))])
    out: dict[str, Checked | float] = {}
    for name, values, constant in zip(LOSSES, data["samples"], data["constant"], strict=True):
        out[f"mean, {name}"] = mean(f"mean of {name}", values, exact + float(constant))
    spread = dict(zip(LOSSES, data["spread"], strict=True))
    rates = {
        f"rate in σ, {name}": slope(
            f"rate of {name}", np.log(NOISES[:4]), np.log(spread[name][:4]), expected, rtol=0.05
        )
        for name, expected in (("denoising", -2.0), ("bare", -1.0))
    }
    ratio = float((spread["denoising"][0] / spread["implicit"][0]) ** 2)
    best = float(FINE[np.argmin(data["exact"])])
    return (
        out
        | rates
        | {
            "variance, denoising over implicit at σ = 0.01": at_least("variance ratio", ratio, 1e6),
            "variance, denoising over pairs at σ = 0.01": at_least(
                "ratio to pairs", float((spread["denoising"][0] / spread["paired"][0]) ** 2), 1e5
            ),
            "variance, sliced over Hutchinson": float(
                (spread["sliced"][0] / spread["hutchinson"][0]) ** 2
            ),
            "the best distance": close("best distance", best, DISTANCE, atol=1e-9),
        }
    )


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The losses over the model's distance; their spreads over the noise."""
    style.panels(fig, data, [_losses, _spreads], width_ratios=[1.1, 1])


def _losses(axes: Axes, data: dict[str, Array]) -> None:
    axes.axvline(DISTANCE, **style.LECTURE_LINE)
    aside = dict(zip(LOSSES, np.array([0, -2, -1, 0, 0, 1, 2]) * 0.07, strict=True))
    for name, m, e, c in zip(LOSSES, data["mean"], data["error"], data["constant"], strict=True):
        how: dict[str, Any] = {"fmt": "o", "ms": 5, "lw": 2, "color": COLOURS[name]}
        axes.errorbar(MODELS + aside[name], m, 1.96 * e, **how)
        axes.plot(FINE, data["exact"] + c, color=style.LECTURE, zorder=1, lw=1.5)
    for c in sorted(set(data["constant"].round(9).tolist())):
        told = f"exact {style.number(c, '+.2f')}" if c else "exact"
        side = {"ha": "right", "va": "top"}
        style.label(axes, DISTANCE - 0.2, c - 0.14, told, style.GREY, **side)
    axes.set(xlabel="distance of the model's modes", xlim=(0.7, 7.35))
    axes.set_title(f"mean losses, σ = {NOISE:g}")
    top = float(data["exact"][0] + data["constant"].max())
    axes.set_ylim(-1.1, None)
    style.label(axes, DISTANCE + 0.12, top, "the data's distance", style.GREY, va="top")


def _spreads(axes: Axes, data: dict[str, Array]) -> None:
    spreads = dict(zip(LOSSES, data["spread"], strict=True))
    for name, spread in spreads.items():
        axes.loglog(NOISES, spread, "o-", ms=5, color=COLOURS[name])
    level = spreads["implicit"][0]
    at = {
        "denoising": (0.018, 1.15 * spreads["denoising"][0], r"denoising, $\propto σ^{-2}$"),
        "bare": (0.0105, 14, r"less $|ε|^2/2σ^2$, $\propto$ 1/σ"),
        "paired": (0.01, 0.6 * level, "in pairs ±ε"),
        "sliced": (0.05, 0.6 * level, "sliced"),
        "hutchinson": (0.01, 0.25 * level, "Hutchinson"),
        "implicit": (0.05, 0.25 * level, "implicit"),
        "explicit": (0.018, 1.3 * spreads["explicit"][0], "explicit"),
    }
    for name, (σ, y, words) in at.items():
        va = "bottom" if name in ("denoising", "explicit") else "top"
        style.label(axes, σ, y, words, COLOURS[name], va=va)
    axes.set(xlabel="noise σ")
    axes.set_title("spread of one sample's loss")
