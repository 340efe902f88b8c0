"""A Wasserstein GAN circles the true weight; minimax or a penalty damps it.

Target q* = 0.8, d = 20; the generator starts at p_b = 0.5, the discriminator at w = 0, its rise
from mode a to mode b. Above, orbits of (p_b(θ), w); below, p_b(θ(t)). Exact law at dt = 0.04 for a
time of 120, the ODE of separated modes (Runge–Kutta; [C] gives the objective) and 8 runs of 100
walkers. Left: Wasserstein form, eigenvalues at rest imaginary (as in the Dirac limit); Euler's
step, not the flow, opens the circle at the rate dt·ω²/2. Middle: minimax form (non-saturating
alike), a damped spiral on overlapping supports. Right: Wasserstein with the penalty ½γw², γ = 0.1.
Extends [C]. Sources: Mescheder, Geiger & Nowozin 2018; [C] Coste, Generative models, how they work
and how to train them, June 2024.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows import linear, solve
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.flows import make
from toyflows.state import Trajectory
from toyflows.stats import Checked, at_most, close, mean
from toyflows.target import Target

ORDER = 80
SAYS = {
    "A Wasserstein GAN circles the true weight": ("Re λ, Wasserstein", "a turn, Wasserstein"),
    "minimax or a penalty damps it": (
        "Re λ, minimax",
        "Re λ, Wasserstein with penalty",
        "next swing, minimax",
        "next swing, penalty",
    ),
}
Q_STAR, H, TIME, REPLICAS, WALKERS = 0.8, 0.04, 120.0, 8, 100
STEPS = round(TIME / H)
EVERY, ARROW = 5, 22  # steps between what is kept; which of these has the arrow
SHOWN: dict[str, dict[str, Any]] = {
    "Wasserstein": {"loss": "wasserstein"},
    "minimax": {},
    "with a penalty": {"loss": "wasserstein", "penalty": 0.1},
}
TWINS: dict[str, dict[str, Any]] = {
    "Dirac": {"dirac": True},
    "non-saturating": {"loss": "non-saturating"},
    "minimax, penalty": {"penalty": 0.1},
}
LECTURE = -0.025 + 0.056j  # the minimax pair


def compute(scale: float, seed: int) -> dict[str, Array]:
    """A form's (p_b, w) (2, n) on the theory and the grid, walkers' p_b (replicas, n), and its
    eigenvalues. A smaller scale takes fewer replicas, not fewer walkers: their bias is 1/N."""
    target = Target.from_q(Q_STAR)
    grid, replicas = Grid(target, H), max(5, round(REPLICAS * scale))
    seeds = np.random.SeedSequence(seed).generate_state(replicas, np.uint32).tolist()
    out: dict[str, Any] = {}
    for name, options in SHOWN.items():
        flow = make("gan", **options)
        exact = solve.run(flow, grid, steps=STEPS, every=EVERY)
        told = solve.lecture(flow, target, 0.0, H, STEPS, every=EVERY)
        assert told is not None
        out["t"] = exact.t
        out[f"{name}/grid"], out[f"{name}/theory"] = _orbit(exact), _orbit(told)
        out[f"{name}/walkers"] = np.stack([
            _orbit(solve.run(flow, Walkers(target, H, WALKERS, s), steps=STEPS, every=EVERY))[0]
            for s in seeds
        ])  # fmt: skip
    for name, options in (SHOWN | TWINS).items():
        out[f"{name}/eigenvalues"] = linear.eigenvalues(make("gan", **options), grid)
    return out


def _orbit(run: Trajectory) -> Array:
    """(p_b(θ), w) (2, n)."""
    weight = Target.from_q(Q_STAR).mixture.weight_b
    return np.stack([[weight(θ) for θ in run.θ.tolist()], run.extra["w"]])


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Without damping Re λ = 0 and the theory's orbit closes; with it each swing is at most half
    the one before, and the penalty adds damping; walkers' means are on the exact law."""
    λ = {name: data[f"{name}/eigenvalues"][0] for name in SHOWN | TWINS}
    ratios = {name: _ratios(data[f"{name}/theory"][0]) for name in SHOWN}
    damped = 1.2 * λ["minimax"].real
    out: dict[str, Checked | float] = {
        "Re λ, Wasserstein": close("Re λ", λ["Wasserstein"].real, 0, atol=1e-9),
        "Re λ, Dirac limit": close("Re λ", λ["Dirac"].real, 0, atol=1e-9),
        "Re λ, minimax": close("Re λ", λ["minimax"].real, LECTURE.real, atol=5e-4),
        "Im λ, minimax": close("Im λ", λ["minimax"].imag, LECTURE.imag, atol=5e-4),
        "non-saturating": close("λ", abs(λ["non-saturating"] - λ["minimax"]), 0, atol=1e-9),
        "Re λ, minimax with penalty": at_most("Re λ", λ["minimax, penalty"].real, damped),
        "Re λ, Wasserstein with penalty": at_most("Re λ", λ["with a penalty"].real, damped),
        "a turn, Wasserstein": close("ratio", ratios["Wasserstein"][:2].prod(), 1, atol=1e-3),
        "next swing, minimax": at_most("ratio", ratios["minimax"].max(), 0.5),
        "next swing, penalty": at_most("ratio", ratios["with a penalty"].max(), 0.5),
    }
    for name in SHOWN:
        for k in (data["t"].size // 2, -1):
            walkers, exact = data[f"{name}/walkers"][:, k], float(data[f"{name}/grid"][0, k])
            out[f"{name}, walkers at t = {data['t'][k]:g}"] = mean(
                f"p_b, {name}", walkers, exact, bias=0.002
            )
    return out


def _ratios(p_b: Array) -> Array:
    """Each extreme of p_b − q* over the one before; the path's last swing has not ended."""
    gap = p_b - Q_STAR
    parts = np.split(gap, np.flatnonzero(np.diff(np.sign(gap))) + 1)
    swings = np.array([np.max(np.abs(part)) for part in parts[:-1]])
    return swings[1:] / swings[:-1]


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """A column a form: its orbit in (p_b, w), and p_b against time."""
    axes = fig.subplots(2, 3, height_ratios=[1.6, 1], sharey="row")
    λ = {n: linear.in_words(data[f"{n}/eigenvalues"].astype(complex)) for n in SHOWN | TWINS}
    pair = λ["minimax, penalty"].partition(",")[0]
    more = [f"Dirac limit: {λ['Dirac']}", "non-saturating: the same", f"minimax: {pair}"]
    titles = ["Wasserstein", "minimax, no penalty", "Wasserstein, γ = 0.1"]
    for name, title, twin, (above, below) in zip(SHOWN, titles, more, axes.T, strict=True):
        above.set_title(title)
        style.proof(above, f"λ = {λ[name]}\n{twin}", x=0.03, y=0.98)
        _portrait(above, data, name)
        _path(below, data, name)
    axes[0, 0].set(ylabel="discriminator's rise $w$")
    axes[1, 0].set(ylabel=r"$p_b(\theta)$")
    axes[0, 0].text(0.6, 0.85, "Euler's step opens\nthe closed orbit", color=style.EXACT, va="top")
    _words(*axes[:, 1])


def _words(portrait: Axes, path: Axes) -> None:
    style.label(portrait, Q_STAR, -0.25, "true weight", style.DATA, ha="center", va="top")
    style.label(portrait, 0.5, -0.25, "start", style.INK, ha="center", va="top")
    style.label(path, 33, 0.69, "exact law", style.EXACT)
    style.label(path, 33, 0.6, "separated modes' ODE", style.GREY)
    style.label(path, 33, 0.51, f"{REPLICAS} runs of {WALKERS} walkers", style.WALKERS)


def _portrait(axes: Axes, data: dict[str, Array], name: str) -> None:
    p_b, w = data[f"{name}/theory"]
    angle = np.unwrap(np.arctan2(w, p_b - Q_STAR))
    first_turn = np.abs(angle - angle[0]) < 2 * np.pi
    axes.plot(*data[f"{name}/grid"], color=style.EXACT, lw=2.5)
    axes.plot(p_b[first_turn], w[first_turn], **style.LECTURE_LINE)
    axes.annotate("", (p_b[ARROW + 1], w[ARROW + 1]), (p_b[ARROW], w[ARROW]), arrowprops={
        "arrowstyle": "-|>", "color": style.EXACT, "mutation_scale": 28})  # fmt: skip
    axes.plot(p_b[0], w[0], "o", color=style.INK, ms=8)
    axes.plot(Q_STAR, 0, "o", color=style.DATA, ms=10)
    axes.set(xlabel=r"weight $p_b(\theta)$", xlim=(0.45, 1), ylim=(-1.5, 2.4))


def _path(axes: Axes, data: dict[str, Array], name: str) -> None:
    t = data["t"]
    axes.axhline(Q_STAR, color=style.DATA, lw=2)
    axes.plot(t, data[f"{name}/walkers"].T, color=style.WALKERS, lw=1)
    axes.plot(t, data[f"{name}/grid"][0], color=style.EXACT, lw=2.5)
    axes.plot(t, data[f"{name}/theory"][0], **(style.LECTURE_LINE | {"lw": 2}))
    axes.set(xlabel="time $t$", xlim=(0, TIME))
