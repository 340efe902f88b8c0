"""Outside a thin strip, the slope of U does not know the weight.

ρ_θ, U_θ, ∂_xU_θ and ∂_θU_θ at θ = θ* = −log 4 (q* = 0.8), d = 20, on 8,001 points of [−14, 14],
against the piecewise approximations of well-separated modes. No random numbers. Shows [C]:
U_θ(x) ≈ min{(x−a)²/2, θ + (x−b)²/2}, ∂_xU ≈ (x−a)1_a + (x−b)1_b, ∂_θU ≈ 1_b. Source: [C] Coste,
Generative models, how they work and how to train them, June 2024.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.backends.grid import Grid
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, at_most, close
from toyflows.target import Target

ORDER = 10
SAYS = {
    "Outside a thin strip": ("slope just inside",),
    "the slope of U does not know the weight": ("slope outside",),
}
Q_STAR, D, TOLERANCE = 0.8, 20.0, 1e-6
PANELS = (r"density $\rho_\theta$", r"energy $U_\theta$",
          r"slope $\partial_x U_\theta$", r"responsibility $\partial_\theta U_\theta$")  # fmt: skip


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Exact and piecewise (4, n); nothing random, so scale and seed change nothing."""
    target = Target.from_q(Q_STAR, D)
    mix, θ = target.mixture, target.θ_star
    x = np.linspace(-14.0, 14.0, 8001)
    exact = np.stack([f(x, θ) for f in (mix.density, mix.energy, mix.dU_dx, mix.responsibility)])
    ops = Grid(target, 0.1)
    return {
        "x": x,
        "exact": exact,
        "piecewise": mix.piecewise(x, θ),
        "ridge": np.array(mix.ridge(θ)),
        "reach": np.array(mix.ridge_reach(TOLERANCE)),
        "weight_b": np.array(ops.mean(ops.model(θ), mix.in_b)),
        "mean_r": np.array(ops.mean(ops.model(θ), mix.responsibility, θ)),
    }


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The approximations hold to 1e-6 outside the strip, and the strip cannot be narrower."""
    away = np.abs(data["x"] - data["ridge"]) - data["reach"]
    ρ, *errors = np.abs(data["exact"] - data["piecewise"])
    names = ("energy", "slope", "responsibility")
    worst: dict[str, Checked | float] = {
        f"{name} outside": at_most(f"error of the {name} outside", e[away > 0].max(), TOLERANCE)
        for name, e in zip(names, errors, strict=True)
    }
    inside = errors[1][(away < 0) & (away > -0.01)].max()
    return worst | {
        "strip width": 2 * float(data["reach"]),
        "slope just inside": at_least("error of the slope just inside", inside, TOLERANCE),
        "density everywhere": at_most("error of the density", ρ.max(), 1e-12),
        "weight of b": close("weight of mode b", float(data["weight_b"]), Q_STAR, atol=1e-12),
        "mean responsibility": close("E[∂_θU]", float(data["mean_r"]), Q_STAR, atol=1e-12),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Four small panels at the left, the errors around the ridge at the right."""
    grid = fig.add_gridspec(2, 3, width_ratios=[1, 1, 1.2])
    panels = [fig.add_subplot(grid[i // 2, i % 2]) for i in range(4)]
    for k, axes in enumerate(panels):
        _strip(axes, data, float(data["ridge"]))
        axes.plot(data["x"], data["exact"][k], color=style.EXACT, lw=4)
        axes.plot(data["x"], data["piecewise"][k], **style.LECTURE_LINE)
        axes.set(xlim=(-14, 14), xticks=[-10, 0, 10], title=PANELS[k])
        axes.set_xticklabels(["$a$", "0", "$b$"])
    _name(panels, data)
    _errors(fig.add_subplot(grid[:, 2]), data)


def _strip(axes: Axes, data: dict[str, Array], centre: float) -> None:
    reach = float(data["reach"])
    axes.axvspan(centre - reach, centre + reach, color=style.SECOND, alpha=0.3, lw=0)


def _name(panels: list[Axes], data: dict[str, Array]) -> None:
    density, energy, slope, step = panels
    density.fill_between(data["x"], data["exact"][0], color=style.DATA, alpha=0.25, lw=0)
    density.set(ylim=(0, 0.45), yticks=[0, 0.2, 0.4])
    style.label(density, 0, 0.3, "strip", style.INK, ha="center", fontweight="normal")
    style.label(density, -10, 0.11, f"{1 - Q_STAR:.1f}", style.DATA, ha="center")
    style.label(density, 9.6, 0.35, f"$q_*$ = {Q_STAR:.1f}", style.DATA, ha="center")
    energy.set(ylim=(-4, 65), yticks=[0, 25, 50])
    pieces: dict[str, Any] = {"colour": style.GREY, "fontweight": "normal", "va": "center"}
    style.label(energy, -13.5, 44, r"$\frac{1}{2}(x-a)^2$", **pieces)
    style.label(energy, 13.9, 44, r"$\theta+\frac{1}{2}(x-b)^2$", ha="right", **pieces)
    slope.set(ylim=(-12, 12), yticks=[-10, 0, 10])
    style.label(slope, -9, 6, "$x-a$", ha="center", **pieces)
    style.label(slope, 9, -6, "$x-b$", ha="center", **pieces)
    step.set(ylim=(-0.1, 1.15), yticks=[0, 1])
    style.label(step, -13.5, 0.82, "exact", style.EXACT)
    style.label(step, -13.5, 0.52, "lecture’s\npieces", style.GREY, va="center")


def _errors(axes: Axes, data: dict[str, Array]) -> None:
    away = data["x"] - data["ridge"]
    near = np.abs(away) < 1.5
    _strip(axes, data, 0.0)
    errors = np.abs(data["exact"] - data["piecewise"])[1:, near]
    lines = ((style.THIRD, 6), (style.ACCENT, 3), (style.INK, 1.5))
    for error, (colour, lw) in zip(errors, lines, strict=True):
        axes.plot(away[near], error, color=colour, lw=lw)
    axes.axhline(TOLERANCE, color=style.LECTURE, lw=1.5)
    axes.set(yscale="log", ylim=(1e-12, 1e3), yticks=[1e-12, 1e-9, TOLERANCE, 1e-3, 1])
    axes.set(xlim=(-1.5, 1.5), xticks=[-1, 0, 1], xlabel="distance from the ridge")
    axes.set_xticklabels(["−1", "0", "1"])
    axes.set_title("exact − pieces, in the strip")
    style.label(axes, -0.45, 0.3, r"$\partial_x U$", style.ACCENT, ha="right", va="center")
    style.label(axes, -0.05, 1e-5, "$U$", style.THIRD, ha="right", va="center", fontweight="normal")
    style.label(axes, 0, 1e-5, r", $\partial_\theta U$", style.INK, va="center")
    words = f"below $10^{{-6}}$ at\n|x − ridge| > {float(data['reach']):.3f}"
    style.proof(axes, words, 0.5, ha="center")
