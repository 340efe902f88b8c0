"""Weighted by their work, PCD's chains follow the model to θ*.

PCD with the weights of Jarzynski's equality on two modes a distance d = 10 apart, from θ0 = 2
towards θ* = −log 4 (q* = 0.8), in steps of 0.1 up to t = 50: the exact law (grid) and 16 runs of
20,000 walkers, plain and resampled where fewer than half of them count; PCD for contrast.
Left: θ(t). Middle: log of the mean weight less log(Z_θ/Z_θ0). Right: effective share of the walkers
(Σw)²/(N Σw²), and its limit E[w]²/E[w²] on the grid, where a second cloud carries the squares.
Chains do not cross, so that a run keeps the error of its first draw, the number of walkers in b.
The weights are exact in discrete time: the step is no source of error. Source: Carbone, Hua, Coste
& Vanden-Eijnden, Efficient training of energy-based models using Jarzynski equality, 2023.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.flows import make
from toyflows.mixture import Mixture
from toyflows.state import Trajectory
from toyflows.stats import Checked, at_least, at_most, close, mean
from toyflows.target import Target

ORDER = 90
SAYS = {
    "Weighted by their work, PCD's chains follow the model to θ*": (
        "θ at the end",
        "PCD at the end",
        "log Z",
    ),
}
Q_STAR, D, START, H, STEPS, REPLICAS = 0.8, 10.0, 2.0, 0.1, 500, 16
RESAMPLE = 0.5
DX = 0.1  # of the squared weights' grid, 2 × the default: E[w²] to 1e−8


def compute(scale: float, seed: int) -> dict[str, Array]:
    """t (n,), and of each run θ, log Z − log Z_θ and the effective share: (n,) or (replicas, n)."""
    target, n = Target.from_q(Q_STAR, D), max(1_000, round(20_000 * scale))
    seeds = np.random.SeedSequence(seed).generate_state(REPLICAS, np.uint32).tolist()

    def sampled(**options: Any) -> list[Trajectory]:
        flow = make("jarzynski", **options)
        return [solve.run(flow, Walkers(target, H, n, s), START, STEPS) for s in seeds]

    exact = solve.run(make("jarzynski"), Grid(target, H), START, STEPS)
    plain, again = sampled(), sampled(resample=RESAMPLE)
    return {
        "t": exact.t,
        "star": np.array(target.θ_star),
        "grid": exact.θ,
        "grid log Z": _error(exact, target.mixture),
        "share": _share(target, exact),
        "pcd": solve.run(make("pcd"), Grid(target, H), START, STEPS).θ,
        "first draw": np.array([run.mode_b[0] for run in plain]),
        "plain": np.stack([run.θ for run in plain]),
        "plain log Z": np.stack([_error(run, target.mixture) for run in plain]),
        "plain share": np.stack([run.seen["effective_size"] for run in plain]),
        "resampled": np.stack([run.θ for run in again]),
        "resampled log Z": np.stack([_error(run, target.mixture) for run in again]),
        "resampled share": np.stack([run.seen["effective_size"] for run in again]),
        "n": np.array(n),
    }


def _error(run: Trajectory, mix: Mixture) -> Array:
    """The run's log Z less log Z_θ (n,)."""
    return run.seen["log_Z"] - np.array([mix.log_Z(θ) for θ in run.θ.tolist()])


def _share(target: Target, exact: Trajectory) -> Array:
    """E[w]²/E[w²] along the exact path of θ (n,)."""
    mix, grid = target.mixture, Grid(target, H, DX)

    def squared(x: Array, y: Array, θ: float, θ_new: float) -> Array:
        return 2 * mix.work(x, y, θ, θ_new, H)

    cloud = grid.model(START).of_mass(2 * mix.log_Z(START))
    log_squares = [cloud.log_mass]
    for step in pairwise(exact.θ.tolist()):
        cloud = grid.move(cloud, step[0], log_g=squared, args=step)
        log_squares.append(cloud.log_mass)
    return np.exp(2 * exact.seen["log_Z"] - log_squares)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """θ → θ* where PCD runs past it; log Z exact to 1e−9 on the grid; walkers follow."""
    star, n = float(data["star"]), int(data["n"])
    out: dict[str, Checked | float] = {
        "θ at the end": close("θ at the end", data["grid"][-1], star, atol=0.01),
        "PCD at the end": at_most("PCD", float(data["pcd"][-1]), star - 10),
        "log Z": at_most("log Z", float(np.abs(data["grid log Z"]).max()), 1e-9),
        "least share, resampled": at_least("share", float(data["resampled share"].min()), RESAMPLE),
    }
    for name in ("plain", "resampled"):
        θ, log_Z = data[name][:, -1], data[f"{name} log Z"][:, -1]
        out[f"{name} walkers' θ"] = mean(f"{name} θ", θ, float(data["grid"][-1]), bias=20 / n)
        out[f"{name} walkers' log Z"] = mean(f"{name} log Z", log_Z, 0.0, bias=20 / n)
    shares = data["plain share"][:, -1]
    out["effective share"] = mean("effective share", shares, float(data["share"][-1]), bias=20 / n)
    like = float(np.corrcoef(data["first draw"], data["plain log Z"][:, -1])[0, 1])
    out["log Z goes with the first draw"] = at_least("correlation", like, 0.9)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """θ(t), error of log Z, effective share."""
    for axes in style.panels(fig, data, [_paths, _log_Z, _shares]):
        axes.set(xlabel="time $t$", xlim=(0, 50))


def _lines(axes: Axes, data: dict[str, Array], what: str) -> None:
    """All plain and resampled runs."""
    for name, colour in (("plain", style.WALKERS), ("resampled", style.THIRD)):
        axes.plot(data["t"], data[f"{name}{what}"].T, color=colour, lw=1, alpha=0.7)


def _paths(axes: Axes, data: dict[str, Array]) -> None:
    star = float(data["star"])
    axes.axhline(star, color=style.DATA, lw=2)
    _lines(axes, data, "")
    axes.plot(data["t"], data["grid"], color=style.EXACT)
    axes.plot(data["t"], data["pcd"], color=style.ACCENT)
    style.label(axes, 49, star + 0.6, "exact law, walkers", style.EXACT, ha="right")
    style.label(axes, 49, star - 0.5, "θ*", style.DATA, ha="right", va="top")
    style.label(axes, 11.5, -4, "PCD", style.ACCENT)
    axes.set(ylim=(-6, 2.5))
    axes.set_title(f"θ(t), d = {D:g}")
    exact, walkers = (style.number(θ - data["star"], "+.4f")
                      for θ in (data["grid"][-1], data["plain"][:, -1].mean()))  # fmt: skip
    style.proof(axes, f"θ − θ* at t = 50:\n{exact}, exact law\n{walkers}, 16 runs", 0.4, 0.97)


def _log_Z(axes: Axes, data: dict[str, Array]) -> None:
    _lines(axes, data, " log Z")
    axes.plot(data["t"], data["grid log Z"], color=style.EXACT)
    reach = 1.7 * max(np.abs(data[f"{name} log Z"]).max() for name in ("plain", "resampled"))
    axes.set(ylim=(-reach, reach))
    axes.set_title(r"log mean weight − log $Z_\theta$")
    worst = float(np.abs(data["grid log Z"]).max())
    style.proof(axes, f"exact law: below {style.power(worst)}", y=0.97, color=style.EXACT)
    style.proof(axes, f"{REPLICAS} runs: the error of\ntheir first draw stays", color=style.WALKERS)


def _shares(axes: Axes, data: dict[str, Array]) -> None:
    _lines(axes, data, " share")
    axes.plot(data["t"], data["share"], color=style.EXACT)
    last = data["share"][-1]
    style.label(axes, 49, last + 0.08, f"E[w]²/E[w²] = {last:.3f}", style.EXACT, ha="right")
    style.label(axes, 49, last - 0.06, "walkers", style.WALKERS, ha="right", va="top")
    again = data["resampled share"][:, -1].max()
    style.label(axes, 49, again + 0.05, "resampled", style.THIRD, ha="right")
    axes.set(ylim=(0, 1.03))
    axes.set_title("effective share of N")
