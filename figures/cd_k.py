"""Contrastive divergence learns only as fast as its chains cross.

Drift of θ under CD-k at θ = 0, θ* = −log 4 (q* = 0.8), on the exact law. Left: k = 1 … 1000 steps
of h = 0.05 from the data, at separations d = 4, 6 and 8, as a share of maximum likelihood's drift,
with walkers (20 × 20,000 chains) at d = 4. Right: CD-1 at d = 4 over (h/2) × the descent of the
Fisher divergence E|∂_xU_θ − ∂_xU_*|², for steps h from 10⁻⁵ to 0.1. Extends [C]: CD-k is
score matching for few small steps, maximum likelihood past the mixing time, and between them its
drift is the share of chains that cross: little for far modes, though a long run adds it up
(phase_chain). Sources: Hyvärinen 2007; [C] Coste, Generative models, how they work and how to train
them, June 2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.flows import make
from toyflows.stats import Checked, at_least, at_most, close, mean, slope
from toyflows.target import Target

ORDER = 70
SAYS = {
    "Contrastive divergence learns only as fast as its chains cross": (
        "least growth with k",
        "CD-1000 at d = 4",
        "CD-1000 at d = 8",
        "CD-1 at d = 8",
    ),
}
Q_STAR, H, REPLICAS = 0.8, 0.05, 20
SEPARATIONS = (4.0, 6.0, 8.0)
STEPS = np.array([1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000])
SAMPLED = np.array([1, 10, 100])
SIZES = np.logspace(-5, -1, 25)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Shares of ML's drift (separations, k), walkers' shares (k, replicas), ratios over h (25,)."""
    grids = [Grid(Target.from_q(Q_STAR, d), H) for d in SEPARATIONS]
    near, n = grids[0], max(500, round(20_000 * scale))
    seeds = np.random.SeedSequence(seed).generate_state(REPLICAS, np.uint32).tolist()
    ml = [solve.velocity(make("ml"), grid) for grid in grids]
    score = solve.velocity(make("score-matching"), near)
    return {
        "share": np.array([
            [solve.velocity(make("cd", k=int(k)), grid) / whole for k in STEPS]
            for grid, whole in zip(grids, ml, strict=True)
        ]),
        "walkers": np.array([
            [solve.velocity(make("cd", k=int(k)), Walkers(near.target, H, n, s)) / ml[0]
             for s in seeds]
            for k in SAMPLED
        ]),
        "ratio": np.array([
            solve.velocity(make("cd", h=float(h)), near) / (h / 2 * score) for h in SIZES
        ]),
    }  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """CD-1 is (h/2) × score matching to 1 %, at order 1; CD-k grows with k, to ML at d = 4."""
    rest, share = np.abs(data["ratio"] - 1), data["share"]
    out: dict[str, Checked | float] = {
        "CD-1 over (h/2) score matching": close("ratio", data["ratio"][0], 1.0, rtol=0.01),
        "order in h": slope("order", np.log(SIZES[:12]), np.log(rest[:12]), 1.0, rtol=0.03),
        "least growth with k": at_least("growth", float(np.diff(share, axis=1).min()), 0.0),
        "CD-1000 at d = 4": close("share of ML", share[0, -1], 1.0, atol=0.01),
        "CD-1000 at d = 8": at_most("share of ML", share[2, -1], 0.05),
        "CD-1 at d = 8": at_most("share of ML", share[2, 0], 1e-3),
    }
    for k, shares in zip(SAMPLED, data["walkers"], strict=True):
        exact = float(share[0, np.flatnonzero(k == STEPS)[0]])
        out[f"walkers, k = {k}"] = mean(f"walkers' share at k = {k}", shares, exact)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Share of ML's drift against k; CD-1's ratio against h."""
    style.panels(fig, data, [_shares, _ratio], width_ratios=[1.35, 1])


def _shares(axes: Axes, data: dict[str, Array]) -> None:
    axes.axhline(1, color=style.INK, lw=2)
    axes.text(1, 1.15, "maximum likelihood", color=style.INK, va="bottom", fontweight="bold")
    for d, share in zip(SEPARATIONS, data["share"], strict=True):
        axes.loglog(STEPS, share, color=style.EXACT)
        style.label(axes, 1150, share[-1], f"d = {d:g}", style.EXACT, va="center")
    axes.loglog(SAMPLED, data["walkers"].mean(axis=1), "o", ms=9, color=style.WALKERS)
    style.label(axes, 12, data["share"][0, 4] * 0.45, "walkers", style.WALKERS)
    style.label(axes, 40, data["share"][2, 7] * 0.25, "exact law", style.EXACT)
    axes.set(xlabel=f"steps $k$ from the data, h = {H:g}", xlim=(0.9, 1000), ylim=(1e-5, 5))
    axes.set_title("drift of CD-k, as a share of ML's")


def _ratio(axes: Axes, data: dict[str, Array]) -> None:
    axes.axhline(1, **style.LECTURE_LINE)
    axes.semilogx(SIZES, data["ratio"], color=style.EXACT)
    axes.text(1.2e-5, 1.012, r"CD-1 = (h/2) $\times$ score matching", color=style.GREY, va="bottom")
    low = float(data["ratio"].min())
    axes.set(xlabel="step $h$", ylim=(low - 0.03, 1.03), xlim=(1e-5, 0.1))
    axes.set_title("CD-1 over its limit, d = 4")
    style.proof(axes, f"at h = $10^{{-5}}$: {data['ratio'][0]:.5f}")
