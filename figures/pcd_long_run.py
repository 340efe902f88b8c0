"""PCD does not run to infinity: walkers jump, and θ swings back.

PCD on two modes a distance d = 20 apart, from θ0 = 0 towards θ* = −log 4 (q* = 0.8), in steps of
0.1 up to t = 5000: the exact law (grid) and 16 independent runs of 8,000 walkers. (Below
half size: steps of 0.5, at least 4,000 walkers a run.) Corrects [C], "θ(t) → ±∞": the basin of the
mode that θ disfavours is gone at |θ| = d²/2 = 200, and its walkers leave it before that; θ then
swings back, in a hysteresis loop that shrinks slowly. In continuous time the first turn is at
θ = −142.98, t = 518.63 (Fokker–Planck, tests/fokker_planck.py). A step of Langevin shifts it: by
−1.44 in θ and +5.3 in t at 0.1, by at most 1.65 and 6.8 up to 0.5, by −0.18 and +0.6 at 0.005.
Source: [C] Coste, Generative models, how they work and how to train them, June 2024.
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
from toyflows.state import Trajectory
from toyflows.stats import Checked, at_least, at_most, close, mean, proportion
from toyflows.target import Target

ORDER = 60
SAYS = {
    "PCD does not run to infinity": ("first θ",),
    "walkers jump, and θ swings back": ("turns, exact law", "turns, walkers"),
}
FLOW = make("pcd")
Q_STAR, START, TIME, WALKERS, REPLICAS = 0.8, 0.0, 5000, 8_000, 16
DX = 0.06  # of the grid: 0.4 of the default's nodes, the same turns to 1e-3
FOKKER_PLANCK = (518.63, -142.98)  # t and θ of the first turn
SHIFT = (8.0, 2.0)  # of the first turn by time steps up to 0.5: 6.7 and 1.65 were seen
FAR = 20.0  # from θ*: far beyond what noise does near it


def compute(scale: float, seed: int) -> dict[str, Array]:
    """t (n,), θ and the fraction in b: of the exact law (n,), of REPLICAS runs (REPLICAS, n)."""
    dt, n = (0.1, WALKERS) if scale >= 0.5 else (0.5, 4000)
    n, steps, every = max(n, round(WALKERS * scale)), round(TIME / dt), round(1 / dt)
    target = Target.from_q(Q_STAR)
    seeds = np.random.SeedSequence(seed).generate_state(REPLICAS, np.uint32).tolist()
    exact = solve.run(FLOW, Grid(target, dt, DX), START, steps, every=every)
    runs = [solve.run(FLOW, Walkers(target, dt, n, s), START, steps, every=every) for s in seeds]
    theory = solve.lecture(FLOW, target, START, 1.0, TIME)
    assert theory is not None
    turns = [_turns(run, target.θ_star) for run in runs]
    fewest = min(map(len, turns))
    return {
        "t": exact.t,
        "grid": exact.θ,
        "grid in b": exact.mode_b,
        "grid velocity": exact.velocity,
        "theory": theory.θ,
        "walkers": np.stack([run.θ for run in runs]),
        "walkers in b": np.stack([run.mode_b for run in runs]),
        "turns": _turns(exact, target.θ_star),
        "walkers turns": np.stack([rows[:fewest] for rows in turns]),
        "star": np.array(target.θ_star),
        "q star": np.array(target.q_star),
        "n": np.array(n),
    }


def _turns(run: Trajectory, star: float) -> Array:
    """(t, θ) (k, 2) where θ is farthest from θ* between two crossings of it, to a record (1 in t).

    A stretch within ±FAR is no swing; the last one counts once θ has come back by 1.
    """
    gap = run.θ - star
    stretches = np.split(np.arange(gap.size), np.flatnonzero(np.diff(np.sign(gap))) + 1)
    tops = [s[np.abs(gap[s]).argmax()] for s in stretches]
    if abs(gap[tops[-1]]) < abs(gap[-1]) + 1:
        tops.pop()
    kept = [k for k in tops if abs(gap[k]) > FAR]
    return np.stack([run.t[kept], run.θ[kept]], axis=1)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """θ turns near the Fokker–Planck value, thrice; swings shrink; walkers turn with the grid."""
    turns, walkers = data["turns"], data["walkers turns"]
    out: dict[str, Checked | float] = {
        "turns, exact law": at_least("turns of the exact law", len(turns), 3),
        "turns, walkers": at_least("turns of every run of walkers", walkers.shape[1], 2),
    }
    for name, value, told, shift in zip("tθ", turns[0], FOKKER_PLANCK, SHIFT, strict=True):
        out[f"first {name}"] = close(f"{name} of the first turn", value, told, atol=shift)
    θ1, θ2, θ3 = turns[:3, 1].tolist()
    swing = at_most("second swing ÷ first", abs((θ3 - θ2) / (θ2 - θ1)), 0.99)
    out |= {"swings shrink": swing, "same side": at_most("|θ| of turn 3 ÷ 1", θ3 / θ1, 0.99)}
    return out | _agreement(data)


def _agreement(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Walkers against grid, by independent runs: the first share of b, then t and θ of each turn.

    A share that errs with variance v makes t ∝ 1/drift late by t·v/drift² on average; twice that,
    and the distance of two records, is allowed.
    """
    share, n = float(data["grid in b"][0]), int(data["n"])
    in_b = data["walkers in b"][:, 0]
    relative = share * (1 - share) / n / float(data["grid velocity"][0]) ** 2
    out: dict[str, Checked | float] = {
        "first share of b": proportion("share of b", round(n * in_b.sum()), n * in_b.size, share)
    }
    for k, (t, θ) in enumerate(data["turns"][: data["walkers turns"].shape[1]].tolist()):
        ts, θs = data["walkers turns"][:, k].T
        out[f"t of turn {k + 1}"] = mean(f"t of turn {k + 1}", ts, t, bias=1 + 2 * t * relative)
        out[f"θ of turn {k + 1}"] = mean(f"θ of turn {k + 1}", θs, θ, bias=0.05)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """θ(t), and the loop of θ and the fraction of walkers in b."""
    style.panels(fig, data, [_path, _loop], width_ratios=[1.35, 1])


def _path(axes: Axes, data: dict[str, Array]) -> None:
    t, star, runs = data["t"], float(data["star"]), len(data["walkers"])
    axes.axhline(star, color=style.DATA, lw=2)
    axes.plot(t, data["theory"], **style.LECTURE_LINE)
    axes.plot(t, data["walkers"].T, color=style.WALKERS, lw=1.2, alpha=0.6)
    axes.plot(t, data["grid"], color=style.EXACT)
    axes.plot(*data["turns"].T, "o", color=style.EXACT, ms=10)
    places = ((330, -2, "left", "top"), (0, 14, "center", "bottom"), (-250, -12, "right", "top"))
    for (at, θ), (right, up, ha, va) in zip(data["turns"].tolist(), places, strict=False):
        text = f"$t$ = {at:.0f}\n" + rf"$\theta$ = {style.number(θ, '.1f')}"
        axes.text(at + right, θ + up, text, color=style.EXACT, ha=ha, va=va)
    axes.set(xlabel="time $t$", xlim=(0, t[-1]), ylim=(-235, 195), yticks=[-200, -100, 0, 100])
    axes.set_title(r"$\theta(t)$")
    axes.text(850, -224, r"lecture: $\theta \to -\infty$", color=style.GREY)
    style.label(axes, 4950, star + 7, "target\n" + rf"$\theta_*$ = {style.number(star, '.2f')}",
                style.DATA, ha="right")  # fmt: skip
    style.label(axes, 3130, 70, "exact law", style.EXACT)
    style.label(axes, 2470, 10, f"{runs} runs\nof {int(data['n']):,}\nwalkers", style.WALKERS,
                ha="center")  # fmt: skip


def _loop(axes: Axes, data: dict[str, Array]) -> None:
    θ, in_b, q = data["grid"], data["grid in b"], float(data["q star"])
    axes.axhline(q, color=style.DATA, lw=2)
    axes.plot(data["theory"], np.full(θ.size, in_b[0]), **style.LECTURE_LINE)
    axes.plot(data["walkers"].T, data["walkers in b"].T, color=style.WALKERS, lw=1.2, alpha=0.6)
    axes.plot(θ, in_b, color=style.EXACT)
    turns = np.searchsorted(data["t"], data["turns"][:, 0])
    axes.plot(θ[turns], in_b[turns], "o", color=style.EXACT, ms=10)
    for k in (180, *((turns[:-1] + turns[1:]) // 2)):  # an arrow on each level stretch
        axes.annotate("", (θ[k + 90], in_b[k + 90]), (θ[k], in_b[k]),
                      arrowprops={"arrowstyle": "-|>", "lw": 3, "color": style.EXACT,
                                  "mutation_scale": 28})  # fmt: skip
    axes.set(xlabel=r"$\theta$", xlim=(-215, 160), xticks=[-200, -100, 0, 100], ylim=(0.43, 1))
    axes.set_title("fraction of walkers in mode $b$")
    still = r"$\dot\theta = 0$ at $q_*$ = " + f"{q:.1f}"
    style.label(axes, 0, q + 0.01, still, style.DATA, ha="center")
    axes.text(-118, 0.58, "walkers leave $a$", color=style.INK)
    axes.text(118, 0.73, "walkers leave $b$", color=style.INK, ha="right")
    axes.text(6, in_b[0], "start", color=style.INK, va="center")
    axes.text(-208, in_b[0] - 0.015, "lecture", color=style.GREY, va="top")
    first, second = np.abs(np.diff(data["turns"][:3, 1]))
    style.proof(axes, f"swings shrink: {first:.0f}, {second:.0f}", 0.98, ha="right")
