"""Eight divergences agree on θ*; they differ in when they get there.

Eight divergences between ρ_θ and the data's ρ_* (d = 10, q* = 0.8) on the exact law. Left: their
values, W_p^p in units of d^p, L² in units of the modes' own 1/√π. Right: θ(t) from θ0 = 2 down the
slope of each (KL's is `ml`, Fisher's is `score-matching`, W_p^p's is over d^{p−1}), by 2000 Euler
steps, 250 proximal ones for those with a kink. The fixed point does not tell them apart,
the speed does: W₁ and total variation arrive in finite time, Fisher is flat. Shows [C]: score
matching does not see the weight. Source: [C] Coste, Generative models, how they work and how to
train them, June 2024.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.flows import make
from toyflows.stats import Checked, at_least, at_most, close
from toyflows.target import Target

ORDER = 75
SAYS = {
    "Eight divergences agree on θ*": ("divergences", "largest value at θ*", "largest |θ̇| at θ*"),
    "they differ in when they get there": ("arrival of W₁", "arrival of TV", "Fisher's way"),
}
Q_STAR, D, START, FIRST, LAST, H = 0.8, 10.0, 2.0, 0.2, 500.0, 0.05


class Line(NamedTuple):
    """A divergence: its flow with options, followed for a time; the unit of its value; its colour;
    how far its value's label is lifted; (t, θ) of its path's label, on which side of that point."""

    flow: str
    options: dict[str, Any]
    time: float
    unit: float
    colour: str
    up: float
    at: tuple[float, float, str]


LINES = {
    "KL": Line("ml", {}, 100, 1, style.INK, 0, (2.6, 0.35, "right")),
    "reverse KL": Line("reverse-kl", {}, 100, 1, style.ACCENT, 0, (4.5, -0.62, "right")),
    "W₂²": Line("wasserstein", {"p": 2}, 4, D, style.THIRD, -0.01, (2.2, -1.1, "left")),
    "W₁": Line("wasserstein", {}, 4, D, style.EXACT, 0.01, (0.6, 0.5, "right")),
    "TV": Line("total-variation", {}, 40, 1, style.SECOND, 0.01, (15, -0.6, "left")),
    "L²": Line("bregman", {}, 400, 1 / math.sqrt(math.pi), style.WALKERS, 0, (17, 0.6, "left")),
    "Hellinger²": Line("hellinger", {}, 400, 1, style.DATA, 0, (60, -0.9, "left")),
    "Fisher": Line("score-matching", {}, LAST, 1, style.GREY, 0.03, (420, 1.86, "right")),
}
SCALED = {"W₁": "W₁/d =", "W₂²": "W₂²/d²", "L²": "√π L²"}  # as the units say
NAMES = list(LINES)
KINKED = [NAMES.index("W₁"), NAMES.index("TV")]


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Values (8, n) over θ (n,), paths path/k at times t/k, θ̇ at θ* (8,), arrivals (2,)."""
    target = Target.from_q(Q_STAR, D)
    grid, θ = Grid(target, H), np.linspace(-4.0, START, max(31, round(151 * scale)))
    values, rest = [], []
    out = {"θ": np.sort(np.append(θ, target.θ_star)), "θ_star": np.array(target.θ_star)}
    for name, line in LINES.items():
        flow: Any = make(line.flow, **line.options)
        potential: Any = make("bregman", generator="kl") if name == "KL" else flow
        steps = max(100, round(scale * (250 if flow.kinked else 2000)))
        run = solve.run(flow, grid, START, steps, rate=line.time / steps / H)
        out |= {f"t/{name}": run.t * run.rate, f"path/{name}": run.θ}
        values.append([potential.value(target, at) / line.unit for at in out["θ"].tolist()])
        rest.append(solve.velocity(flow, grid, target.θ_star))
    kinked: list[Any] = [make(LINES[NAMES[k]].flow) for k in KINKED]
    told = [flow.arrival(target, START) for flow in kinked]
    return out | {"values": np.array(values), "rest": np.array(rest), "told": np.array(told)}


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Least and at rest at θ*; all but Fisher arrive, W₁ and TV at the time told, and stay."""
    star, values = float(data["θ_star"]), data["values"]
    here = data["θ"] == star
    fisher = NAMES.index("Fisher")
    left = [abs(data[f"path/{name}"][-1] - star) for name in NAMES if name != "Fisher"]
    out: dict[str, Checked | float] = {
        "divergences": close("divergences", len(values), 8),
        "largest value at θ*": at_most("value at θ*", float(values[:, here].max()), 1e-15),
        "least value elsewhere": at_least("value", float(values[:, ~here].min()), 1e-12),
        "largest |θ̇| at θ*": at_most("speed at θ*", float(np.abs(data["rest"]).max()), 1e-14),
        "largest |θ − θ*| at the end": at_most("distance", max(left), 1e-3),
        "largest Fisher divergence": at_most("Fisher", float(values[fisher].max()), 1e-4),
        "Fisher's way": at_most("way", float(np.ptp(data["path/Fisher"])), 0.02),
        "W₁/d − TV": at_most("W₁/d − TV", float(np.ptp(values[KINKED], axis=0).max()), 1e-5),
    }
    for k, told in zip(KINKED, data["told"].tolist(), strict=True):
        t, path = data[f"t/{NAMES[k]}"], data[f"path/{NAMES[k]}"]
        first = int(np.argmax(path == star))
        out[f"arrival of {NAMES[k]}"] = close("arrival", t[first], told, atol=2 * t[1])
        out[f"{NAMES[k]} stays"] = at_most("stays", float(np.ptp(path[first:])), 0.0)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The divergences over θ; θ(t) down the slope of each."""
    style.panels(fig, data, [_values, _paths], width_ratios=[1, 1.35])


def _values(axes: Axes, data: dict[str, Array]) -> None:
    for (name, line), values in zip(LINES.items(), data["values"], strict=True):
        over = name == "TV"  # it lies on W₁/d
        axes.plot(data["θ"], values, color=line.colour, ls=(0, (3, 3)) if over else "-")
        x = 3.65 if over else START + 0.15
        text = SCALED.get(name, name)
        style.label(axes, x, values[-1] + line.up, text, line.colour, va="center")
    axes.axvline(float(data["θ_star"]), color=style.INK, lw=1.5, ls=":")
    axes.set(xlabel="θ", xlim=(-4, 4.6), xticks=range(-4, 3), ylim=(-0.06, 1.35))
    axes.text(float(data["θ_star"]), 1.33, " θ*", color=style.INK, va="top")
    axes.set_title(f"divergence from the data's law, d = {D:g}")


def _paths(axes: Axes, data: dict[str, Array]) -> None:
    star = float(data["θ_star"])
    for name, line in LINES.items():
        t, path = data[f"t/{name}"], data[f"path/{name}"]
        t = np.concatenate([[min(t[1], FIRST)], t[1:], [LAST]])  # on a logarithmic axis
        axes.semilogx(t, np.append(path, path[-1]), color=line.colour)
        x, y, side = line.at
        size = {"fontsize": 14} if name == "reverse KL" else {}
        text = name.replace(" ", "\n")
        style.label(axes, x, y, text, line.colour, ha=side, va="center", **size)
    for k, told in zip(KINKED, data["told"].tolist(), strict=True):
        colour = LINES[NAMES[k]].colour
        axes.plot([told], [star], "o", ms=9, color=colour, zorder=5)
        style.label(axes, told, star - 0.1, f"t = {told:.3g}", colour, ha="center", va="top")
    axes.set(
        xlabel="time $t$; the speed depends on each one's unit",
        xlim=(FIRST, LAST),
        ylim=(star - 0.45, START + 0.2),
    )
    axes.set_title("θ(t) down the slope of each")
