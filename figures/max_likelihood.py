"""Maximum likelihood learns the weight from every start, exponentially fast.

θ(t) from five θ0 towards θ* = −log 4 (q* = 0.8), d = 20, Euler steps of 0.1 up to t = 100: the
lecture's formula, the exact law (grid) and 100,000 fresh walkers a step. Shows [C]: θ̇ =
p_b(θ) − q* has the only fixed point θ*, approached like e^{−q*(1−q*)t}. Source: [C] Coste,
Generative models, how they work and how to train them, June 2024.
"""

from __future__ import annotations

import math
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
from toyflows.flows import make
from toyflows.stats import Checked, at_most, close, mean, slope
from toyflows.target import Target

ORDER = 20
SAYS = {
    "Maximum likelihood learns the weight from every start": (
        "sign changes",
        "fixed point",
        "largest final gap",
    ),
    "exponentially fast": ("rate from…",),
}
FLOW = make("ml")
Q_STAR, DT, STEPS, WALKERS = 0.8, 0.1, 1000, 100_000
STARTS = (6.0, 3.0, 0.0, -3.0, -6.0)
FAR = 100.0  # the phase line is looked at in |θ| ≤ FAR


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Paths (starts, n) on three backends, the phase line (801,), and the walkers' noise in θ̇."""
    target, n = Target.from_q(Q_STAR), max(100, round(WALKERS * scale))
    grid = Grid(target, DT)
    seeds = np.random.SeedSequence(seed).generate_state(len(STARTS), np.uint32).tolist()
    exact = [solve.run(FLOW, grid, θ0, STEPS) for θ0 in STARTS]
    walkers = [
        solve.run(FLOW, Walkers(target, DT, n, s), θ0, STEPS)
        for θ0, s in zip(STARTS, seeds, strict=True)
    ]
    theory = [solve.lecture(FLOW, target, θ0, DT, STEPS) for θ0 in STARTS]
    line = np.linspace(-FAR, FAR, 801)
    speed = np.array([solve.velocity(FLOW, grid, θ) for θ in line.tolist()])
    return {
        "t": exact[0].t,
        "theory": np.stack([run.θ for run in theory if run is not None]),
        "grid": np.stack([run.θ for run in exact]),
        "walkers": np.stack([run.θ for run in walkers]),
        "line": line,
        "speed": speed,
        "lecture": np.array([FLOW.separated(target, θ, θ) for θ in line.tolist()]),
        "roots": _roots(grid, line, speed),
        "noise": np.stack([solve.residuals(FLOW, grid, run, STEPS // 2) for run in walkers]),
        "star": np.array(target.θ_star),
        "n": np.array(n),
    }


def _roots(ops: Backend, line: Array, speed: Array) -> Array:
    """The θ at which θ̇ changes its sign, each to 1e-12."""
    changes = np.flatnonzero(np.diff(np.sign(speed)))

    def speed_at(θ: float) -> float:
        return solve.velocity(FLOW, ops, θ)

    return np.array([brentq(speed_at, line[k], line[k + 1], xtol=1e-12) for k in changes])


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """One fixed point, θ*; the rate q*(1−q*) near it; walkers = grid within sampling error."""
    gap, λ = np.abs(data["grid"] - data["star"]), Q_STAR * (1 - Q_STAR)
    noise, error = data["noise"], math.sqrt(λ / float(data["n"]))
    out: dict[str, Checked | float] = {
        "sign changes": close("sign changes of θ̇", data["roots"].size, 1),
        "fixed point": close("fixed point", data["roots"][0], float(data["star"]), atol=1e-6),
        "largest final gap": at_most("|θ − θ*| at the end", gap[:, -1].max(), 1e-4),
        "walkers − grid": mean("θ̇ of walkers − grid", noise, 0.0),
        "walkers' noise": close("standard deviation of θ̇", noise.std(), error, rtol=0.2),
    }
    for θ0, path in zip(STARTS, gap, strict=True):  # the θ-gap also bends the line by 0.3|θ − θ*|
        near, name = path < 1e-3, f"rate from {θ0:g}"
        euler = math.log1p(-λ * DT) / DT
        out[name] = slope(name, data["t"][near], np.log(path[near]), euler, rtol=1e-3)
    return out


def _rate(data: dict[str, Array]) -> float:
    """The measured rate λ of θ̇ = −λ(θ − θ*), from Euler's factor 1 − λ·dt near the end."""
    gap = np.abs(data["grid"][0] - data["star"])
    return float(1 - (gap[-1] / gap[-101]) ** (1 / 100)) / DT


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """θ(t), the phase line, and the gap on a log axis."""
    style.panels(fig, data, [_paths, _phase_line, _gaps], width_ratios=[1.25, 1, 1])


def _paths(axes: Axes, data: dict[str, Array]) -> None:
    t, star = data["t"], float(data["star"])
    axes.axhline(star, color=style.DATA, lw=2)
    axes.plot(t, data["grid"].T, color=style.EXACT, lw=4)
    axes.plot(t, data["theory"].T, **style.LECTURE_LINE)
    seen = t <= 50
    dots: dict[str, Any] = {"color": style.WALKERS, "ms": 7, "clip_on": False}
    axes.plot(t[seen][::40], data["walkers"][:, seen][:, ::40].T, "o", **dots)
    axes.set(xlabel="time $t$", xlim=(0, 50), ylim=(-6.6, 6.6))
    axes.set_title(r"$\theta(t)$")
    named = (
        ("exact law", style.EXACT),
        ("lecture’s formula", style.GREY),
        ("walkers", style.WALKERS),
    )
    for k, (name, colour) in enumerate(named):
        style.label(axes, 49, 5.6 - 1.1 * k, name, colour, ha="right")
    style.label(axes, 49, star + 0.4, rf"target $\theta_*$ = {style.number(star, '.2f')}",
                style.DATA, ha="right")  # fmt: skip
    style.proof(axes, f"walkers − exact:\n{_difference(data)} in $\\dot\\theta$", 0.96, ha="right")


def _difference(data: dict[str, Array]) -> str:
    """Mean ± standard error of the walkers' θ̇ minus the exact one."""
    noise = 1e6 * data["noise"]
    error = noise.std() / math.sqrt(noise.size)
    return rf"({style.number(noise.mean(), '.0f')} ± {error:.0f})$\,\times 10^{{-6}}$"


def _phase_line(axes: Axes, data: dict[str, Array]) -> None:
    star = float(data["star"])
    axes.axhline(0, color="#bbbbbb", lw=1.5)
    axes.plot(data["line"], data["speed"], color=style.EXACT, lw=4)
    axes.plot(data["line"], data["lecture"], **style.LECTURE_LINE)
    axes.plot(star, 0, "o", color=style.DATA, ms=13, zorder=5)
    for start, end in ((-9, -5), (8, 4)):
        axes.annotate("", (end, 0), (start, 0),
                      arrowprops={"arrowstyle": "-|>", "lw": 2.5, "color": style.DATA})  # fmt: skip
    axes.set(xlim=(-11, 11), ylim=(-1, 0.4), xlabel=r"$\theta$", xticks=[-10, 0, 10])
    axes.set_yticks([-0.8, -0.4, 0, 0.2])
    axes.set_title(r"$\dot\theta$ against $\theta$")
    style.label(axes, star + 0.6, 0.05, r"$\theta_*$", style.DATA)
    axes.text(
        10.8, 0.34, r"$\dot\theta = p_b(\theta) - q_*$", color=style.GREY, ha="right", va="top"
    )
    style.proof(axes, f"one zero in\n|θ| ≤ {FAR:.0f}", 0.04)


def _gaps(axes: Axes, data: dict[str, Array]) -> None:
    t, star = data["t"], data["star"]
    axes.plot(t, np.abs(data["walkers"][-1] - star), color=style.WALKERS, lw=1)
    axes.plot(t, np.abs(data["grid"] - star).T, color=style.EXACT)
    axes.plot(t, np.abs(data["theory"] - star).T, **style.LECTURE_LINE)
    axes.set(yscale="log", xlim=(0, t[-1]), ylim=(1e-7, 20), xlabel="time $t$")
    axes.set_yticks([1e-6, 1e-4, 1e-2, 1])
    axes.minorticks_off()
    axes.set_title(r"$|\theta - \theta_*|$")
    style.label(axes, 98, 3e-2, "walkers’ noise", style.WALKERS, ha="right")
    style.proof(axes, f"rate {_rate(data):.4f}\n$q_*(1-q_*)$ = {Q_STAR * (1 - Q_STAR):.2f}")
