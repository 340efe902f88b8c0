"""Three modes: likelihood finds the weights, PCD forgets a mode.

Modes of unit spread at the corners of a triangle of side 8 in the plane, θ* = (0, 1, 0.5), from
equal weights, dt = 0.05, to t = 40. Right: the ways of the weights softmax(−θ) under maximum
likelihood (exact law, nodes in the plane), persistent contrastive divergence and Jarzynski's
weights (40,000 and 10,000 walkers), score matching (exact law); dashed, the lecture's constant
drift p(θ0) − q* (3 s). Left: data by weight, and the walkers of PCD at the end. Shows the lecture's
sentence for more than two modes: the chains of PCD do not change modes, each mode keeps its share
and its θ_k runs on at its own constant speed; mode 2 is forgotten. Sources: [C] "mode collapse";
Carbone et al. 2023.
"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _simplex as simplex
from toyflows.figures import _style as style
from toyflows.flows import make
from toyflows.modes.family import Modes
from toyflows.modes.follow import follow, lecture
from toyflows.modes.plane import Plane
from toyflows.modes.target import ModesTarget, target_of
from toyflows.modes.walkers import ModesWalkers
from toyflows.stats import Checked, at_least, at_most, close, mean

ORDER = 115
SAYS = {
    "Three modes": ("ML's q_…",),
    "likelihood finds the weights": ("ML's q_…",),
    "PCD forgets a mode": ("PCD's q_2",),
}
SIDE, θ_STAR, DT, TIME, RECORDED = 8.0, [0.0, 1.0, 0.5], 0.05, 40.0, 8
START = np.zeros(2)  # θ0: equal weights
EARLY = 6.0  # time over which the drift is measured
REPLICAS = 8
CROSSED = 0.002  # of the drift: what crosses e^−8 by t = 6, half of it on average
SHOWN = 3000  # walkers drawn


def _target() -> ModesTarget:
    corners = SIDE * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])
    return target_of(Modes(corners), θ_STAR, None)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Weights (n, 3) by method; drifts of independent runs of PCD (replicas, 2) and the lecture's;
    PCD's walkers at the end (2, n), the data's weights and the modes."""
    target = _target()
    many, steps = max(4000, round(40_000 * scale)), round(TIME / DT)

    def walkers(n: int, s: int) -> ModesWalkers:
        return ModesWalkers(target, DT, n, s)

    pcd = follow(make("pcd"), walkers(many, seed), START, steps, every=RECORDED)
    work = follow(make("jarzynski"), walkers(many // 4, seed), START, steps, every=RECORDED)
    ml = follow(make("ml"), Plane(target, 4 * DT), START, steps // 4)
    score = follow(make("score-matching"), Plane(target, 20 * DT), START, steps // 20)
    told = lecture(make("pcd"), target, START, DT, steps, 1.0, RECORDED)
    assert told is not None
    assert pcd.state is not None
    assert pcd.state.cold is not None
    early = round(EARLY / DT)
    runs = [
        follow(make("pcd"), walkers(many // REPLICAS, seed + 1 + i), START, early)
        for i in range(REPLICAS)
    ]
    # Each run's own shares at the start, in place of p(θ0): no noise is left but that of crossings.
    unmoved = [run.shares[0] - target.q_star for run in runs]
    drift = [run.θ[-1] / EARLY for run in runs]
    paths = {"pcd": pcd, "jarzynski": work, "ml": ml, "score": score, "lecture": told}
    out = {name: target.mixture.weights(path.θ) for name, path in paths.items()}
    return out | {
        "drift": np.array(drift), "unmoved": np.array(unmoved), "shares": pcd.shares[-1],
        "lecture's drift": told.velocity[0],
        "walkers": pcd.state.cold.x[:, :SHOWN], "modes": target.mixture.positions,
        "data": target.mixture.weights(target.θ_star),
    }  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """ML ends at q*, PCD drifts as the lecture says and forgets mode 2, Jarzynski's weights mend
    it, score matching stays."""
    q, K = data["data"], len(data["data"])
    out: dict[str, Checked | float] = {
        f"ML's q_{k + 1}": close("weight of ML", data["ml"][-1, k], q[k], atol=0.005)
        for k in range(K)
    }
    for k in range(K - 1):
        away = data["drift"][:, k] - data["unmoved"][:, k]
        out[f"PCD's drift of θ_{k + 2}, less p − q*"] = mean("drift", away, 0.0, bias=CROSSED)
        out[f"PCD's drift of θ_{k + 2}"] = float(data["drift"][:, k].mean())
    out["PCD's q_2"] = at_most("weight of mode 2", data["pcd"][-1, 1], 0.05)
    away = np.abs(data["jarzynski"][-1] - q).max()
    out["Jarzynski's distance"] = at_most("distance from q*", away, 0.05)
    moved = np.abs(data["score"][-1] - data["score"][0]).max()
    out["moved by score matching"] = at_most("way of score matching", moved, 0.02)
    out["PCD's distance"] = at_least("distance from q*", np.abs(data["pcd"][-1] - q).max(), 0.1)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Space at the left, the triangle at the right."""
    left, right = fig.subplots(1, 2, width_ratios=[1, 1.35])
    _space(left, data)
    simplex.triangle(right)
    simplex.path(right, data["ml"], style.EXACT, lw=6, alpha=0.8)
    simplex.path(right, data["jarzynski"], style.ACCENT, lw=2.5, zorder=4)
    simplex.path(right, data["lecture"], style.LECTURE, ls=(0, (5, 2)), lw=2.5)
    simplex.path(right, data["pcd"], style.WALKERS, zorder=4)
    simplex.path(right, data["score"], style.SECOND, zorder=6)
    simplex.goal(right, data["data"])
    _names(right, data)


def _names(axes: Axes, data: dict[str, Array]) -> None:
    """Every way's name, near it."""
    q, pcd, told = data["data"], data["pcd"], data["lecture"]
    for text, at, shift, colour, ha in (
        ("data", q, (-0.04, -0.03), style.DATA, "right"),
        ("maximum likelihood", q, (0.03, -0.06), style.EXACT, "left"),
        ("Jarzynski's weights", q, (0.03, -0.115), style.ACCENT, "left"),
        ("PCD", pcd[-1], (-0.03, -0.03), style.WALKERS, "right"),
        ("constant drift", told[-1], (-0.03, 0.02), style.GREY, "right"),
        ("score matching stays", data["score"][-1], (0.0, 0.075), style.SECOND, "center"),
    ):
        x, y = simplex.place(at)
        style.label(axes, float(x) + shift[0], float(y) + shift[1], text, colour, ha=ha)
    drift, lecture = data["drift"][:, 0].mean(), data["lecture's drift"][0]
    style.proof(axes, f"PCD: $\\dot\\theta_2$ = {drift:.3f}\n$p - q_*$ = {lecture:.3f}", 0.7, 0.9)


def _space(axes: Axes, data: dict[str, Array]) -> None:
    """A disc a mode, of the data's weight, and PCD's walkers."""
    (x, y), q = data["modes"].T, data["data"]
    shares = np.append(1 - data["shares"].sum(), data["shares"])
    axes.plot(*data["walkers"], ".", ms=2.5, color=style.WALKERS, alpha=0.45, zorder=1)
    axes.scatter(x, y, 9000 * q, color=style.DATA, alpha=0.35, lw=0, zorder=2)
    for k in range(len(q)):
        axes.text(x[k], y[k] - 4.1, f"mode {k + 1}: ", ha="right", va="center")
        axes.text(x[k], y[k] - 4.1, f"{q[k]:.2f}", color=style.DATA, va="center", weight="bold")
        axes.text(x[k] + 2.1, y[k] - 4.1, f"{shares[k]:.2f}", color=style.WALKERS, va="center",
                  weight="bold")  # fmt: skip
    axes.set(aspect="equal", xlim=(-5, SIDE + 5), ylim=(-5.5, SIDE + 6))
    axes.axis("off")
    style.label(axes, -5, SIDE + 5.2, "weights of the data", style.DATA)
    style.label(axes, -5, SIDE + 4.0, "PCD's walkers at the end", style.WALKERS)
