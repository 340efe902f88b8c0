"""Score matching does not move: its pull on the weight falls like e^{−d²/8}.

θ(t) from θ0 = 0 towards θ* = −log 4 (q* = 0.8), d = 20, Euler steps of 0.1 up to t = 100, by score
matching and by maximum likelihood, on the exact law and with 100,000 walkers (data points); then
θ̇ at θ0 for d = 4 … 20, with 20 replicas of 5,000 walkers up to d = 8. Shows [C]: for well
separated modes the score does not see the weight, θ̇ ≈ 0. Source: [C] Coste, Generative models,
how they work and how to train them, June 2024.
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

ORDER = 30
SAYS = {
    "Score matching does not move": ("distance moved",),
    "its pull on the weight falls like e^{−d²/8}": ("slope", "formula"),
}
FLOW, RIVAL = make("score-matching"), make("ml")
Q_STAR, DT, STEPS, WALKERS, REPLICAS = 0.8, 0.1, 1000, 100_000, 20
SEPARATIONS = np.arange(4.0, 21.0)
SAMPLED = 5  # the separations that walkers can see


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Paths and speeds (n,) at d = 20; speeds at θ0 = 0 for each separation (17,)."""
    target, n = Target.from_q(Q_STAR), max(1000, round(WALKERS * scale))
    first, *seeds = np.random.SeedSequence(seed).generate_state(1 + REPLICAS, np.uint32).tolist()
    grid, walkers = Grid(target, DT), Walkers(target, DT, n, first)
    exact, sampled = (solve.run(FLOW, ops, steps=STEPS) for ops in (grid, walkers))
    ml, ml_sampled = (solve.run(RIVAL, ops, steps=STEPS) for ops in (grid, walkers))
    targets = [Target.from_q(Q_STAR, d) for d in SEPARATIONS.tolist()]
    return {
        "t": exact.t,
        "grid": exact.θ,
        "walkers": sampled.θ,
        "ml_grid": ml.θ,
        "ml_walkers": ml_sampled.θ,
        "speed": exact.velocity,
        "lecture": np.array([FLOW.separated(target, θ, 0.0) for θ in exact.θ.tolist()]),
        "ml_speed": ml.velocity,
        "star": np.array(target.θ_star),
        "by_d": np.array([solve.velocity(FLOW, Grid(t, DT)) for t in targets]),
        "ml_by_d": np.array([solve.velocity(RIVAL, Grid(t, DT)) for t in targets]),
        "lecture_by_d": np.array([FLOW.separated(t, 0.0, 0.0) for t in targets]),
        "error_by_d": np.array([FLOW.separated_error(t, 0.0) for t in targets]),
        "walkers_by_d": np.array([
            [solve.velocity(FLOW, Walkers(t, DT, n // REPLICAS, s)) for s in seeds]
            for t in targets[:SAMPLED]
        ]),
    }  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """|θ̇| ~ d e^{−d²/8}, below 1e-19 at d = 20, where maximum likelihood arrives."""
    d, v = SEPARATIONS, np.abs(data["by_d"])
    moved = np.abs(np.concatenate([data["grid"], data["walkers"]])).max()
    off = np.abs(data["by_d"] - data["lecture_by_d"]) / data["error_by_d"]
    out: dict[str, Checked | float] = {
        "slope": slope("slope of log(|θ̇|/d) over d²/8", d**2 / 8, np.log(v / d), -1, rtol=0.02),
        "speed at d = 20": at_most("|θ̇| at d = 20", v[-1], 1e-19),
        "formula": at_most("|θ̇ − formula| / stated error", off.max(), 1.0),
        "distance moved": at_most("|θ − θ0| at t = 100", moved, 1e-15),
        "speed of ml": at_least("|θ̇| of ml at each d", np.abs(data["ml_by_d"]).min(), 0.2),
        "end of ml": close("θ of ml", data["ml_grid"][-1], float(data["star"]), atol=1e-4),
    }
    for k in (0, 1):  # beyond, too few points near the ridge for Student's test
        name = f"walkers at d = {d[k]:.0f}"
        out[name] = mean(f"θ̇ of {name}", data["walkers_by_d"][k], float(data["by_d"][k]))
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """θ(t), the speeds in time, and the speed against the separation."""
    style.panels(fig, data, [_paths, _speeds, _separations], width_ratios=[1, 1, 1.15])


def _paths(axes: Axes, data: dict[str, Array]) -> None:
    t, star = data["t"], float(data["star"])
    axes.axhline(star, color=style.DATA, lw=2)
    for flow, lw in (("", 4), ("ml_", 2)):
        axes.plot(t, data[f"{flow}grid"], color=style.EXACT, lw=lw)
        seen = data[f"{flow}walkers"][::50]
        axes.plot(t[::50], seen, "o", color=style.WALKERS, clip_on=False)
    axes.set(xlabel="time $t$", xlim=(0, 100), ylim=(-1.7, 0.4), yticks=[0, -0.5, -1, -1.5])
    axes.set_title(r"$\theta(t)$, $d$ = 20")
    style.label(axes, 98, 0.08, "score matching", style.INK, ha="right")
    style.label(axes, 98, -1.25, "maximum likelihood", style.INK, ha="right", fontweight="normal")
    style.label(axes, 98, -0.22, "exact law", style.EXACT, ha="right")
    style.label(axes, 98, -0.36, "walkers", style.WALKERS, ha="right")
    style.label(axes, 98, star - 0.15, rf"target $\theta_*$ = {style.number(star, '.2f')}",
                style.DATA, ha="right")  # fmt: skip


def _speeds(axes: Axes, data: dict[str, Array]) -> None:
    axes.plot(data["t"], np.abs(data["ml_speed"]), color=style.EXACT, lw=2)
    axes.plot(data["t"], np.abs(data["speed"]), color=style.EXACT, lw=4)
    axes.plot(data["t"], np.abs(data["lecture"]), **style.LECTURE_LINE)
    axes.set(yscale="log", ylim=(1e-24, 10), xlim=(0, 100), xlabel="time $t$")
    axes.set_yticks([1e-20, 1e-15, 1e-10, 1e-5, 1])
    axes.set_title(r"$|\dot\theta|$, $d$ = 20")
    axes.text(98, 1e-2, "maximum\nlikelihood", color=style.INK, ha="right", va="center")
    style.label(axes, 98, 1e-19, "score matching", style.INK, ha="right", va="center")
    speed = abs(data["speed"][0])
    wait = style.power(abs(float(data["star"])) / speed, 0)
    words = rf"$|\dot\theta|$ = {style.power(speed)}:" + f"\ntime {wait} to arrive"
    style.proof(axes, words, 0.06, 0.4)


def _separations(axes: Axes, data: dict[str, Array]) -> None:
    d, v = SEPARATIONS, np.abs(data["by_d"])
    x = d**2 / 8
    axes.plot(x, np.abs(data["ml_by_d"]) / d, color=style.EXACT, lw=2)
    axes.plot(x, v / d, color=style.EXACT, lw=4)
    axes.plot(x, np.abs(data["lecture_by_d"]) / d, **style.LECTURE_LINE)
    seen = np.abs(data["walkers_by_d"].mean(axis=1)) / d[:SAMPLED]
    axes.plot(x[:SAMPLED], seen, "o", color=style.WALKERS, ms=9)
    axes.set(yscale="log", ylim=(1e-24, 10), xlim=(0, 52))
    axes.set_xlabel(f"$d^2/8$ for $d$ = {d[0]:.0f} … {d[-1]:.0f}")
    axes.set_yticks([1e-20, 1e-15, 1e-10, 1e-5, 1])
    axes.set_title(r"$|\dot\theta|/d$ against separation")
    style.label(axes, 51.5, 0.2, "maximum likelihood", style.INK, ha="right", fontweight="normal")
    style.label(axes, 22, 1e-8, "score matching", style.INK, va="center")
    style.label(axes, 11, 1e-4, "walkers", style.WALKERS, va="center")
    style.label(axes, 27, 1e-16, r"$\propto d\,e^{-d^2/8}$", style.GREY, ha="right", va="center")
    fitted = np.polynomial.Polynomial.fit(x, np.log(v / d), 1).convert().coef[1]
    style.proof(axes, f"slope {style.number(fitted, '.4f')}")
