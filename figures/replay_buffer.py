"""A replay buffer learns where its noise falls, not the weight of the modes.

d = 20, q* = 0.2 (θ* = log 4), θ0 = 0, θ at 10 times its rate. Left: θ(t) with a buffer of B = 5
batches, each particle drawn from it reborn from N(0, s²) with probability p = 0.05 and moved k = 3
Langevin steps of h = 0.05, for s = 0.5, 1 and 2, on the exact law and walkers (mean of 12 runs with
1,000, buffers of 5,000), with the formula d s Φ⁻¹(1 − q*). Right: where θ ends against s: the runs
of the left panel, and the stationary laws of p = 0.5 and of p = 1, which are short-run chains.
Extends [C]: the fixed point is set by the basin that the noise falls into and not by θ*; p sets the
pace. Sources: Du & Mordatch 2019; [C] Coste, Generative models, how they work and how to train
them, June 2024.
"""

from __future__ import annotations

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
from toyflows.flows import Flow
from toyflows.flows.replay_buffer import ReplayBuffer
from toyflows.flows.short_run import ShortRun
from toyflows.stats import Checked, at_least, at_most, close, mean
from toyflows.target import Target

ORDER = 71
SAYS = {
    "A replay buffer learns where its noise falls": (
        "largest distance of short from the formula",
        "largest distance of other from the formula",
    ),
    "not the weight of the modes": ("s = 0.5: from θ*", "s = 1.0: from θ*", "s = 2.0: from θ*"),
}
Q_STAR, H, RATE, STEPS, K, BUFFER = 0.2, 0.05, 10.0, 1000, 3, 5
SPREADS = (0.5, 1.0, 2.0)
WIDTHS = np.array([0.25, 0.5, 1.0, 1.5, 2.0, 2.5])
OTHER, ROUNDS = (
    0.5,
    30,
)  # another p, and rounds after which (1 − p)^rounds = 1e−9 of a start is left
REPLICAS, WALKERS = 12, 1000


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Paths θ (s, records) of the exact law and (s, replicas, records) of walkers; the formula's
    ends (s,); over WIDTHS the formula's ends and those of p = 1 and p = 0.5."""
    target, n = Target.from_q(Q_STAR), max(100, round(WALKERS * scale))
    seeds = np.random.SeedSequence(seed).generate_state(REPLICAS, np.uint32).tolist()
    grid = Grid(target, H)
    flows = [ReplayBuffer(noise=s, k=K, buffer=BUFFER) for s in SPREADS]
    short = [ShortRun(noise=s, k=K) for s in WIDTHS.tolist()]
    other = [ReplayBuffer(noise=s, k=K, fresh=OTHER, buffer=1) for s in WIDTHS.tolist()]
    return {
        "theta_star": np.array(target.θ_star),
        "t": np.arange(0, STEPS + 1, 10) * H,
        "exact": np.array([_path(flow, grid) for flow in flows]),
        "walkers": np.array([
            [_path(flow, Walkers(target, H, n, s)) for s in seeds] for flow in flows
        ]),
        "level": np.array([flow.separated_rest(target) for flow in flows]),
        "formula": np.array([flow.separated_rest(target) for flow in short]),
        "short": np.array([_rest(flow, grid, 1) for flow in short]),
        "other": np.array([_rest(flow, grid, ROUNDS) for flow in other]),
    }  # fmt: skip


def _path(flow: Flow, backend: Backend) -> Array:
    return solve.run(flow, backend, 0.0, STEPS, RATE, every=10).θ


def _rest(flow: ShortRun, grid: Grid, rounds: int) -> float:
    """Where θ̇ = 0 on the law that `rounds` steps at fixed θ leave."""

    def velocity(θ: float) -> float:
        state = flow.begin(grid, θ)
        for _ in range(rounds - 1):
            state = flow.step(grid, state, 0.0)[0]
        return flow.observe(grid, state).velocity

    formula = flow.separated_rest(grid.target)
    return float(brentq(velocity, 0.9 * formula, 1.1 * formula, xtol=1e-3))


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """θ ends within 5 % of the formula, whatever p; far from θ*, except where the formula is near;
    the walkers end where the law ends."""
    out: dict[str, Checked | float] = {}
    for name in ("short", "other"):
        worst = float(np.max(np.abs(data[name] / data["formula"] - 1)))
        out[f"largest distance of {name} from the formula"] = at_most("share", worst, 0.05)
    between = float(np.max(np.abs(data["other"] - data["short"])))
    out["largest distance between p = 0.5 and p = 1"] = at_most("θ", between, 0.02)
    for s, exact, runs, level in zip(
        SPREADS, data["exact"], data["walkers"], data["level"], strict=True
    ):
        end = float(exact[-1])
        out[f"s = {s}: end"] = close("θ", end, float(level), rtol=0.03)
        out[f"s = {s}: from θ*"] = at_least("θ − θ*", end - float(data["theta_star"]), 5.0)
        out[f"s = {s}: walkers"] = mean("walkers' end", runs[:, -1], end, bias=0.01 * end)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """θ(t) for each spread of the noise; where θ ends against the spread."""
    style.panels(fig, data, [_paths, _ends], width_ratios=[1.35, 1], sharey=True)


def _paths(axes: Axes, data: dict[str, Array]) -> None:
    t, last = data["t"], float(data["t"][-1])
    for s, exact, runs, level in zip(
        SPREADS, data["exact"], data["walkers"], data["level"], strict=True
    ):
        axes.plot([0, last], [level, level], **style.LECTURE_LINE)
        axes.plot(t, exact, color=style.EXACT)
        axes.plot(t[5::8], runs.mean(axis=0)[5::8], "o", ms=7, color=style.WALKERS)
        text, y = f"noise of spread {s:g}", float(level) - 1.2
        style.label(axes, 0.99 * last, y, text, style.EXACT, va="top", ha="right")
    θ_star = float(data["theta_star"])
    axes.axhline(θ_star, color=style.DATA, lw=2)
    style.label(axes, 0.99 * last, θ_star + 0.3, f"θ* = {θ_star:.3f}", style.DATA, ha="right")
    style.label(axes, 0.5, data["level"][-1] + 0.8, r"$d\,s\,\Phi^{-1}(1-q_*)$", style.GREY)
    style.label(axes, 0.5, 28, "exact law", style.EXACT)
    style.label(axes, 0.5, 25, "walkers", style.WALKERS)
    axes.set(xlabel="time $t$", xlim=(0, last), ylim=(-1.5, 45))
    axes.set_title(f"θ(t) with a buffer of {BUFFER} batches, p = 0.05")


def _ends(axes: Axes, data: dict[str, Array]) -> None:
    s = np.append(0.0, WIDTHS)
    axes.plot(s, np.append(0.0, data["formula"]), **style.LECTURE_LINE)
    axes.plot(WIDTHS, data["short"], "o", ms=15, mfc="none", mew=2, color=style.EXACT)
    axes.plot(WIDTHS, data["other"], "x", ms=10, mew=2, color=style.INK)
    axes.plot(SPREADS, data["exact"][:, -1], "o", ms=6, color=style.EXACT, zorder=3)
    axes.axhline(float(data["theta_star"]), color=style.DATA, lw=2)
    said = zip(
        ("● p = 0.05", f"× p = {OTHER:g}", "○ p = 1, short-run"), (11.5, 8.2, 4.9), strict=True
    )
    for k, (text, y) in enumerate(said):
        style.label(axes, 1.2, y, text, style.INK if k == 1 else style.EXACT)
    worst = 100 * np.max(np.abs(data["short"] / data["formula"] - 1))
    style.proof(axes, f"within {worst:.1f} % of\n" r"$d\,s\,\Phi^{-1}(1-q_*)$", y=0.8)
    axes.set(xlabel="spread $s$ of the noise", xlim=(-0.15, 2.7))
    axes.set_title("where θ ends")
