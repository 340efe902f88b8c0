"""Hot chains cross the barrier, exchange brings them down: θ finds θ*.

d = 20, q* = 0.8, h = 0.1. Left: θ(t) from θ0 = 0 under `pcd` and under parallel tempering with 4
temperatures from 1 to 100, on the exact law and as a mean over 16 × 1,250 walkers. Right: θ held at
θ*, all chains begun in mode a; time until the coldest have half of their share of b, for ladders of
K = 2 … 12 temperatures up to 50 and up to 100, where the barrier d²/8T is 1 and ½. One temperature
needs log 2 × `Mixture.mixing_time`. In one dimension two are enough: more of them exchange more
often, and share the crossings of the hottest. Extends [C]: PCD runs away because its chains do
not cross. Sources: Geyer 1991; Desjardins et al. 2010; [C] Coste, Generative models, how they work
and how to train them, June 2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows import solve
from toyflows.backends.base import Backend
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.flows import Flow, make
from toyflows.stats import Checked, at_least, at_most, close, mean
from toyflows.target import Target

ORDER = 100
SAYS = {
    "Hot chains cross the barrier": ("crossings, PCD", "crossings, tempering"),
    "exchange brings them down: θ finds θ*": ("tempering, exact law",),
}
Q_STAR, H, TIME, EVERY, REPLICAS = 0.8, 0.1, 45.0, 5, 16
HOTTEST, LADDERS, SAMPLED = (50.0, 100.0), (2, 3, 4, 6, 8, 12), (2, 4, 12)
HALF = 0.5 * Q_STAR  # half of the share of b
ALL_IN_A, PATIENCE = 60.0, 300  # θ with p_b = e^−60; steps that are waited for half


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Paths of θ (t,) and (replicas, t), crossings a walker (replicas,), times to half of b (2, K),
    and weights of b at a held θ: PCD (steps,), walkers (replicas, steps) and the exact law."""
    target, n = Target.from_q(Q_STAR), max(250, round(1_250 * scale))
    seeds = np.random.SeedSequence(seed).generate_state(REPLICAS, np.uint32).tolist()
    grid, crowds = Grid(target, H), [Walkers(target, H, n, s) for s in seeds]
    backends: list[Backend] = [grid, *crowds]
    out: dict[str, Array] = {"theta_star": np.array(target.θ_star), "walkers": np.array(n)}
    for name in ("pcd", "tempering"):
        exact, *runs = (
            solve.run(make(name), backend, 0.0, round(TIME / H), every=EVERY)
            for backend in backends
        )
        out |= {"t": exact.t, f"{name}/grid": exact.θ}
        out[f"{name}/walkers"] = np.array([run.θ for run in runs])
        out[f"{name}/crossings"] = np.array([run.crossings[-1] / n for run in runs])
    out["weights/1"] = filling(make("pcd"), grid)
    out["mixing_time"] = np.array(target.mixture.mixing_time(target.θ_star))
    out["half"] = np.full((len(HOTTEST), len(LADDERS)), np.nan)
    for (i, j), _ in np.ndenumerate(out["half"]):
        flow = make("tempering", replicas=LADDERS[j], hottest=HOTTEST[i])
        path = filling(flow, grid)
        out["half"][i, j] = _time(path)
        if HOTTEST[i] == HOTTEST[-1] and LADDERS[j] in SAMPLED:
            sampled = [filling(flow, crowd, 2 * path.size) for crowd in crowds]
            out[f"weights/{LADDERS[j]}"] = np.array(sampled)
            out[f"exact/{LADDERS[j]}"] = path
    return out


def filling(flow: Flow, backend: Backend, steps: int = 0) -> Array:
    """Weight of b in the negatives at each step, θ held at θ*, all chains begun in mode a: for so
    many `steps`, or until it is half of q*."""
    state = flow.begin(backend, ALL_IN_A)._replace(θ=backend.target.θ_star)
    path: list[float] = []
    while len(path) < (steps or PATIENCE):
        state, info = flow.step(backend, state, 0.0)
        path.append(info.mode_b)
        if not steps and info.mode_b > HALF:
            break
    return np.array(path)


def _time(path: Array) -> float:
    """When the path first passes HALF, by a straight line between two steps; nan: never."""
    after = np.flatnonzero(path > HALF)
    if not after.size or after[0] == 0:
        return float("nan")
    k = int(after[0])
    return H * (k - 1 + float((HALF - path[k - 1]) / (path[k] - path[k - 1])))


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Tempering rests at θ* up to ULA's bias, PCD drifts through it; walkers follow the exact law;
    a hotter ladder is faster, a longer one is not; one temperature is as slow as Kramers says (at
    this h, twice as fast)."""
    star, bias = float(data["theta_star"]), 5 / float(data["walkers"])
    rate = (data["weights/1"][-1] - data["weights/1"][PATIENCE // 2]) / (H * PATIENCE / 2)
    out: dict[str, Checked | float] = {
        "tempering, exact law": close(
            "θ of tempering", data["tempering/grid"][-1], star, atol=0.02
        ),
        "PCD, exact law": close("θ of PCD", data["pcd/grid"][-1], TIME * (0.5 - Q_STAR), atol=1e-9),
        "crossings, PCD": at_most("crossings of PCD", data["pcd/crossings"].max(), 0.0),
        "crossings, tempering": at_least("crossings", data["tempering/crossings"].min(), 40.0),
        "PCD's rate over Kramers'": at_most("PCD's rate", rate * data["mixing_time"] / Q_STAR, 3.0),
        "longer ladders": at_least("rise with K", float(np.diff(data["half"]).min()), 0.0),
        "hotter ladders": at_least("cold/hot", (data["half"][0] / data["half"][1]).min(), 1.5),
    }
    for name in ("pcd", "tempering"):
        ends, exact = data[f"{name}/walkers"][:, -1], float(data[f"{name}/grid"][-1])
        out[f"walkers, {name}"] = mean(f"θ of walkers, {name}", ends, exact, bias=bias)
    for K in SAMPLED:
        k = data[f"exact/{K}"].size - 1
        out[f"walkers, K = {K}"] = mean(
            f"weight of b, K = {K}", data[f"weights/{K}"][:, k], data[f"exact/{K}"][k], bias=bias
        )
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """θ(t) of both methods; time to half of b against the number of temperatures."""
    style.panels(fig, data, [_paths, _ladders], width_ratios=[1.2, 1])


def _paths(axes: Axes, data: dict[str, Array]) -> None:
    t, star = data["t"], float(data["theta_star"])
    axes.axhline(star, color=style.DATA, lw=2)
    axes.text(44, star - 0.2, "θ*", color=style.DATA, fontweight="bold", ha="right", va="top")
    for name in ("pcd", "tempering"):
        axes.plot(t, data[f"{name}/grid"], color=style.EXACT)
        dots = data[f"{name}/walkers"].mean(axis=0)
        axes.plot(t[::8], dots[::8], "o", ms=9, color=style.WALKERS)
    style.label(axes, 14, -1.0, "parallel tempering", style.INK)
    style.label(axes, 19, -5.2, "PCD", style.INK)
    style.label(axes, 26, -7.2, "walkers", style.WALKERS)
    style.label(axes, 29.5, -8.4, "exact law", style.EXACT)
    axes.set(xlabel="time $t$", ylim=(-10, 0.5), xlim=(0, TIME))
    axes.set_title("θ(t), q* = 0.8, d = 20")
    crossings = data["tempering/crossings"].mean()
    off = data["tempering/grid"][-1] - star
    text = f"changes of mode per walker:\nPCD {data['pcd/crossings'].max():g}, "
    text += f"tempering {crossings:.0f}\nθ − θ* = {style.number(off)} (ULA, h = {H:g})"
    style.proof(axes, text)


def _ladders(axes: Axes, data: dict[str, Array]) -> None:
    for hottest, times in zip(HOTTEST, data["half"], strict=True):
        axes.plot(LADDERS, times, color=style.EXACT)
        style.label(axes, LADDERS[-1], times[-1] + 0.3, f"up to T = {hottest:g}", style.EXACT,
                    ha="right")  # fmt: skip
    points = [_time(data[f"weights/{K}"].mean(axis=0)) for K in SAMPLED]
    axes.plot(SAMPLED, points, "o", ms=9, color=style.WALKERS)
    style.label(axes, SAMPLED[0], points[0] - 1.0, "walkers", style.WALKERS)
    never = float(np.log(2) * data["mixing_time"])
    axes.annotate("", (1, 14.8), (1, 12), arrowprops={"arrowstyle": "->", "lw": 3,
                                                      "color": style.INK})  # fmt: skip
    style.label(axes, 1.4, 13.4, f"PCD: {style.power(never, 0)}", style.INK)
    axes.set(xlabel="temperatures $K$", xlim=(0.3, 12.7), ylim=(0, 15), xticks=(1, *LADDERS))
    axes.set_title("time to find half of mode b")
