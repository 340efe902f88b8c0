"""NCE learns a wrong weight that depends on its noise; two cures mend it.

θ(t) from θ0 = 1 towards θ* = −log 4 (q* = 0.8), d = 20; the noise has the same modes, b with the
weight p_b(μ). Euler steps of 0.1 up to t = 80, exact law and 100,000 fresh noise walkers a step;
the fixed points for 33 values of μ; the two cures at μ = 0 (learned c from θ0 = −4). Shows
[C], corrected: θ → θ* + log((1+e^{−θ*})/(1+e^{−μ})); the slide prints μ in place of the first θ*
(grey crosses). Source: [C] Coste, Generative models, how they work and how to train
them, June 2024.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import brentq

from toyflows import solve
from toyflows.backends.base import Backend
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.flows import Flow, make
from toyflows.stats import Checked, at_least, at_most, close, mean
from toyflows.target import Target

ORDER = 40
SAYS = {
    "NCE learns a wrong weight": ("bias",),
    "that depends on its noise": ("fixed points",),
    "two cures mend it": ("normalised", "learn_c"),
}
Q_STAR, DT, STEPS, WALKERS, START = 0.8, 0.1, 800, 100_000, 1.0
NOISES = (-4.0, -2.0, 0.0, 2.0)  # μ of the paths
ALL_NOISES = np.linspace(-4.0, 4.0, 33)
CURES = {"normalised": 1.0, "learn_c": -4.0}  # and their θ0
DOTS: dict[str, Any] = {"color": style.WALKERS, "ms": 8}


def _flow(μ: float, cure: str = "") -> Flow:
    """NCE with that noise, plain or with one cure."""
    return make("nce", mu=μ, **({cure: True} if cure else {}))


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Paths (noises, n) and (cures, n), fixed points (33,), limits of the cures (2,)."""
    target, n = Target.from_q(Q_STAR), max(1000, round(WALKERS * scale))
    grid, flows = Grid(target, DT), [_flow(μ) for μ in NOISES]
    cures = [_flow(0.0, cure) for cure in CURES]
    seeds = np.random.SeedSequence(seed).generate_state(len(flows + cures), np.uint32).tolist()
    starts = [START] * len(flows) + list(CURES.values())
    exact = [solve.run(f, grid, θ0, STEPS) for f, θ0 in zip(flows + cures, starts, strict=True)]
    walkers = [
        solve.run(f, Walkers(target, DT, n, s), θ0, STEPS)
        for f, θ0, s in zip(flows + cures, starts, seeds, strict=True)
    ]
    fixed = [_flow(μ).fixed_point(target) for μ in ALL_NOISES.tolist()]
    return {
        "t": exact[0].t,
        "grid": np.stack([run.θ for run in exact]),
        "walkers": np.stack([run.θ for run in walkers]),
        "roots": np.array([_root(_flow(μ), grid) for μ in ALL_NOISES.tolist()]),
        "fixed": np.array(fixed, float),
        "limits": np.array([solve.run(f, grid, START, 400, rate=20.0).θ[-1] for f in cures]),
        "noise": np.stack(
            [solve.residuals(f, grid, w, STEPS // 2) for f, w in zip(flows, walkers, strict=False)]
        ),
        "star": np.array(target.θ_star),
    }


def _root(flow: Flow, ops: Backend) -> float:
    """The fixed point in |θ| ≤ 30; nan where θ̇ has the same sign at both ends."""
    ends = [solve.velocity(flow, ops, θ) for θ in (-30.0, 30.0)]
    if ends[0] * ends[1] >= 0:
        return np.nan
    return float(brentq(lambda θ: solve.velocity(flow, ops, θ), -30.0, 30.0, xtol=1e-12))


def _printed(data: dict[str, Array]) -> Array:
    """The slide's fixed points: μ in place of θ* (docs/errata.md)."""
    return data["fixed"] - data["star"] + ALL_NOISES


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The fixed points are the biased ones, not the printed ones; both cures arrive at θ*."""
    star = float(data["star"])
    away = np.abs(ALL_NOISES - star) > 0.5  # at μ = θ* there is no bias, and no slip to see
    off = np.abs(data["roots"] - data["fixed"]).max()
    slip = np.abs(data["roots"] - _printed(data))[away].min()
    bias = np.abs(data["roots"] - star)[away].min()
    out: dict[str, Checked | float] = {
        "fixed points": at_most("|fixed point − formula|", off, 1e-6),
        "bias": at_least("|fixed point − θ*| where |μ − θ*| > ½", bias, 0.2),
        "printed formula": at_least("|fixed point − printed formula|", slip, 0.5),
    }
    for cure, limit in zip(CURES, data["limits"].tolist(), strict=True):
        out[cure] = close(f"limit with {cure}", limit, star, atol=1e-6)
    for μ, noise in zip(NOISES, data["noise"], strict=True):
        out[f"walkers − grid, μ = {μ:g}"] = mean(f"θ̇ of walkers − grid, μ = {μ:g}", noise, 0.0)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """θ(t) for each noise, where it ends against μ, and the cures."""
    paths, ends, cures = fig.subplots(1, 3, width_ratios=[1, 1.2, 1], sharey=True)
    k = len(NOISES)
    _paths(paths, data, slice(0, k))
    _ends(ends, data)
    _paths(cures, data, slice(k, None))
    paths.set_title(r"$\theta(t)$")
    cures.set_title(r"two cures, $\mu$ = 0")
    for μ, θ in zip(NOISES, data["grid"][:k, -1].tolist(), strict=True):
        style.label(paths, 83, θ, rf"$\mu$ = {style.number(μ, '.0f')}", style.INK, va="center")
    style.label(paths, 30, 2.4, "exact law", style.EXACT)
    style.label(paths, 30, 1.8, "walkers", style.WALKERS)
    _name_cures(cures, data)


def _paths(axes: Axes, data: dict[str, Array], rows: slice) -> None:
    t = data["t"]
    axes.axhline(float(data["star"]), color=style.DATA, lw=2)
    axes.plot(t, data["grid"][rows].T, color=style.EXACT, lw=4)
    axes.plot(t[::50], data["walkers"][rows, ::50].T, "o", clip_on=False, **DOTS)
    axes.set(xlabel="time $t$", xlim=(0, t[-1]), ylim=(-5, 3.5))


def _name_cures(axes: Axes, data: dict[str, Array]) -> None:
    star = float(data["star"])
    plain = {"fontweight": "normal"}
    style.label(axes, 12, -0.5, r"normalised by $Z_\theta/Z_\mu$", style.INK, **plain)
    style.label(axes, 9, -2.75, "learned $c$", style.INK, **plain)
    style.label(axes, 79, star - 0.4, rf"target $\theta_*$ = {style.number(star, '.2f')}",
                style.DATA, ha="right", va="top")  # fmt: skip
    gap = np.abs(data["limits"] - star).max()
    style.proof(axes, f"both end\n{style.power(gap, 0)} from $\\theta_*$", 0.96, ha="right")


def _ends(axes: Axes, data: dict[str, Array]) -> None:
    printed, late = _printed(data), slice(STEPS // 2, None)
    shown = (np.abs(printed) < 3.4) & (np.arange(printed.size) % 2 == 0)
    axes.axhline(float(data["star"]), color=style.DATA, lw=2)
    axes.plot(ALL_NOISES, data["roots"], color=style.EXACT, lw=4)
    axes.plot(ALL_NOISES, data["fixed"], **style.LECTURE_LINE)
    axes.plot(ALL_NOISES[shown], printed[shown], "x", color=style.LECTURE, ms=9, mew=2.5)
    axes.plot(NOISES, data["walkers"][: len(NOISES), late].mean(axis=1), "o", **DOTS)
    axes.set(xlabel=r"noise parameter $\mu$", xlim=(-4.3, 4.3))
    axes.set_title(r"where $\theta$ ends")
    formula = r"$\theta_* + \log\frac{1+e^{-\theta_*}}{1+e^{-\mu}}$"
    axes.text(4.2, -0.75, formula, color=style.GREY, ha="right", va="center", fontsize=18)
    style.label(
        axes, 0.2, 1.9, "as printed\non the slide", style.GREY, ha="right", fontweight="normal"
    )
    zero = int(np.argmin(np.abs(ALL_NOISES)))
    ends = (style.number(v[zero]) for v in (data["roots"], printed))
    style.proof(axes, "at $\\mu$ = 0: {}\n(slide: {})".format(*ends), 0.96, ha="right")
