"""Persistent contrastive divergence runs away: no walker changes mode.

PCD on two modes a distance d = 20 apart, from θ0 = 0 towards θ* = −log 4 (q* = 0.8), in steps of
0.05 up to t = 100: the lecture's formula, the exact law (grid) and 1,000,000 walkers. Shows
[C]: each mode keeps the walkers that it was born with, so θ̇ = p_b(θ0) − q* for all times and θ
passes θ* without a stop. (Far later it turns: figure pcd_long_run.) Source: [C] Coste, Generative
models, how they work and how to train them, June 2024.
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
from toyflows.stats import Checked, at_most, close, proportion
from toyflows.target import Target

ORDER = 50
SAYS = {
    "Persistent contrastive divergence runs away": ("exact law", "walkers"),
    "no walker changes mode": ("crossings",),
}
FLOW = make("pcd")
Q_STAR, START, DT, STEPS, WALKERS = 0.8, 0.0, 0.05, 2000, 1_000_000
FOLLOWED, PIECE = 14, 8  # paths that are kept, and the steps between two of their points
SHOWN = (0, 200, 800, 2000)  # steps
EDGES = np.linspace(-15.0, 15.0, 91)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """θ(t) on three backends, FOLLOWED paths, and histograms and densities (4, bins) at SHOWN."""
    target, n = Target.from_q(Q_STAR), max(1000, round(WALKERS * scale))
    mixture, x = target.mixture, np.linspace(EDGES[0], EDGES[-1], 601)
    exact = solve.run(FLOW, Grid(target, DT), START, STEPS)
    theory = solve.lecture(FLOW, target, START, DT, STEPS)
    assert theory is not None
    walkers = _walk(Walkers(target, DT, n, seed))
    return walkers | {
        "t": exact.t,
        "grid": exact.θ,
        "grid velocity": exact.velocity,
        "theory": theory.θ,
        "theory velocity": theory.velocity,
        "x": x,
        "data": mixture.density(x, target.θ_star),
        "model": np.stack([mixture.density(x, θ) for θ in walkers["walkers"][list(SHOWN)]]),
        "modes": np.array([mixture.a, mixture.m, mixture.b]),
        "star": np.array(target.θ_star),
        "q star": np.array(target.q_star),
        "p_b": np.array(mixture.weight_b(START)),
        "n": np.array(n),
    }


def _walk(backend: Walkers) -> dict[str, Array]:
    """The walkers, run in pieces: between two of them one may look at each walker."""
    run, paths, histograms = solve.run(FLOW, backend, START, steps=0), [], []
    while run.state is not None and run.state.cold is not None:
        x = run.state.cold.x
        paths.append(x[:FOLLOWED].copy())
        if run.state.step in SHOWN:
            histograms.append(np.histogram(x, EDGES)[0] / (x.size * np.diff(EDGES)))
        if run.state.step == STEPS:
            break
        run = run.then(solve.run(FLOW, backend, steps=PIECE, state=run.state))
    return {
        "walkers": run.θ,
        "walkers velocity": run.velocity,
        "in b": run.mode_b,
        "crossings": run.crossings[-1:],
        "paths": np.stack(paths, axis=1),
        "histograms": np.stack(histograms),
    }


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """θ̇ is p_b(θ0) − q* for the exact law, and for walkers with their first share of b as p_b."""
    n, share, q = int(data["n"]), float(data["in b"][0]), float(data["q star"])
    exact = np.abs(data["grid velocity"] - data["theory velocity"]).max().item()
    walkers = np.abs(data["walkers velocity"] - (share - q)).max().item()
    return {
        "crossings": close("walkers that changed mode", data["crossings"][0], 0.0),
        "first share of b": proportion("share of b", round(share * n), n, float(data["p_b"])),
        "exact law": at_most("|θ̇ − (p_b(θ0) − q*)|", exact, 1e-6),
        "walkers": at_most("|θ̇ − (first share of b − q*)|", walkers, 1e-6),
        "drift": float(data["walkers velocity"].mean()),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """θ(t), some of the walkers, and the law of all at four times."""
    parts = fig.add_gridspec(len(SHOWN), 3, width_ratios=[1.25, 1, 1.1])
    _drift(fig.add_subplot(parts[:, 0]), data)
    _paths(fig.add_subplot(parts[:, 1]), data)
    for k in range(len(SHOWN)):
        _law(fig.add_subplot(parts[k, 2]), data, k)


def _drift(axes: Axes, data: dict[str, Array]) -> None:
    t, star = data["t"], float(data["star"])
    axes.axhline(star, color=style.DATA, lw=2)
    axes.plot(t, data["grid"], color=style.EXACT, lw=4)
    axes.plot(t, data["theory"], **style.LECTURE_LINE)
    axes.plot(t[100::200], data["walkers"][100::200], "o", color=style.WALKERS, ms=8)
    axes.set(xlabel="time $t$", xlim=(0, 100), ylim=(-32, 1.5))
    axes.set_title(r"$\theta(t)$")
    passed = np.interp(-star, -data["grid"], t)
    style.label(axes, 99, star - 0.4, rf"target $\theta_*$ = {style.number(star, '.2f')}",
                style.DATA, ha="right", va="top")  # fmt: skip
    when = f"passed at $t$ = {passed:.1f}"
    axes.text(99, star - 2.2, when, color=style.DATA, ha="right", va="top")
    drift = style.number(float(data["theory velocity"][0]))
    lecture = r"lecture: $\dot\theta = p_b(\theta_0) - q_*$" + f"\n= {drift}"
    axes.text(99, -7.5, lecture, color=style.GREY, ha="right", va="top")
    style.label(axes, 99, -13, "exact law", style.EXACT, ha="right", va="top")
    style.label(axes, 42, -16.3, "walkers", style.WALKERS, ha="right", va="top")
    crossed = f"{data['crossings'][0]:,.0f} of {int(data['n']):,} walkers\nchanged mode"
    measured = style.number(float(data["walkers velocity"].mean()), "+.4f")
    style.proof(axes, f"walkers’ drift {measured}\n{crossed}")


def _paths(axes: Axes, data: dict[str, Array]) -> None:
    a, m, b = data["modes"].tolist()
    axes.axhline(m, color="#bbbbbb", lw=1.5)
    axes.plot(data["t"][::PIECE], data["paths"].T, lw=0.9, color=style.WALKERS, alpha=0.7)
    axes.set(xlabel="time $t$", xlim=(0, 100), ylim=(EDGES[0], EDGES[-1]), yticks=[a, m, b])
    axes.set_yticklabels([f"$a$ = {style.number(a, '.0f')}", f"{m:.0f}", f"$b$ = {b:.0f}"])
    axes.set_title(f"{FOLLOWED} of the walkers")
    axes.text(50, m + 0.5, "none comes across", color=style.INK, ha="center", va="bottom")


def _law(axes: Axes, data: dict[str, Array], k: int) -> None:
    last = k == len(SHOWN) - 1
    axes.fill_between(data["x"], data["data"], color=style.DATA, alpha=0.25, lw=0)
    axes.plot(data["x"], data["model"][k], color=style.EXACT, lw=2.5)
    axes.stairs(data["histograms"][k], EDGES, color=style.WALKERS, lw=2)
    axes.grid(False)
    axes.set(xlim=(EDGES[0], EDGES[-1]), ylim=(0, 0.45), yticks=[])
    axes.set_xticks(data["modes"] if last else [])
    axes.spines["left"].set_visible(False)
    θ = style.number(float(data["walkers"][SHOWN[k]]), ".3g")
    axes.text(0, 0.44, f"$t$ = {SHOWN[k] * DT:.0f}\n" + rf"$\theta$ = {θ}", ha="center", va="top")
    if k == 0:
        axes.set_title("densities")
        style.label(axes, 8.2, 0.12, "data", style.DATA, ha="right")
    if k == 1:
        style.label(axes, -7.6, 0.12, "walkers", style.WALKERS)
    if k == 2:
        style.label(axes, 7.9, 0.12, "model", style.EXACT, ha="right")
    if last:
        axes.set_xlabel("$x$")
