"""PCD works on near modes; far ones collapse, or swing if θ is fast.

PCD with 10,000 walkers (left, 13 × 14 runs) and on the exact law (right, 9 × 10): q* = 0.8, θ0 = 0,
a time of 200 in steps of 0.1, MALA (stored sweeps; `figures all --resweep` makes them again). Dots:
ten runs of the left map, drawn in its three regimes where all neighbours have the same verdict and
the walkers' noise is below 0.03, made on the exact law: the same verdicts. Two modes are θ̇ = γ(p −
q*), τṗ = p_b(θ) − p, γ the rate, τ the mixing time; the lines have no free number. Near modes: θ
spirals in within 2τ log(|θ* − θ0|/0.03). The noise of N walkers keeps a spiral alive, with a
deviation √(γτ/N): above the line of 0.03 θ is at θ* only within that noise. Far modes: θ runs away
(mode collapse), to where ∫dθ/τ(θ) is γ[u0 − u* − u* log(u0/u*)], u the share of walkers left
behind; a run that returns to θ* before it ends oscillates, one that has turned and comes back is on
its way. Below the maps: how far θ is from θ* at the end, in colour; all that is within 0.03 is
yellow. Sources: Tieleman 2008; [C] Coste, Generative models, how they work and how to train them,
June 2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.figures import _map
from toyflows.figures._raster import spread
from toyflows.figures._table import COLOUR
from toyflows.figures._words import words
from toyflows.stats import Checked, at_least, at_most
from toyflows.sweep import stored
from toyflows.sweep.chart import Panel, chart
from toyflows.verdict import KINDS

ORDER = 62
SAYS = {
    "PCD works on near modes": (
        "walkers: works where the theory says",
        "exact law: works where the theory says",
    ),
    "far ones collapse, or swing if θ is fast": (
        "walkers: swings where the theory says",
        "exact law: swings where the theory says",
    ),
}
NAME, EXACT, POINTS = "phase_pcd", "phase_pcd_exact", 10
TITLES = ("10,000 walkers", "infinitely many: the exact law")
DIED, BACK, NOISE = "spiral dies within t", "back at θ* within t", "walkers' noise = 0.03"
REGIMES = [KINDS.index(word) for word in ("converges", "oscillates", "mode collapse")]
WORKS, OSCILLATES = REGIMES[:2]
ON_ITS_WAY = KINDS.index("on its way")


def compute(scale: float, seed: int) -> dict[str, Array]:
    """The stored sweeps; how many of some runs made again differ; places (n, 2) in the left map of
    runs that are made on the exact law, and their verdicts there."""
    data = _map.kept(NAME) | _map.kept(EXACT)
    result = _map.read(data, NAME)
    panel = chart(result).panels[0]
    chosen = _drawn(panel, max(3, round(POINTS * scale)), seed)
    runs = [np.ravel_multi_index((0, x, y, 0), result.plan.shape) for y, x in chosen.tolist()]
    exact = stored.again(result.plan, map(int, runs), "grid")
    return data | {
        "unlike": _map.unlike(data, NAME, scale, seed),
        "chosen": chosen,
        "on the grid": np.array([row["verdict"] for row in exact]),
    }


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The exact law says the same at the points drawn; both maps are the theory's; and where they
    differ, it is the walkers' noise."""
    walkers, exact = (chart(_map.read(data, name)).panels[0] for name in (NAME, EXACT))
    seen = walkers.values[tuple(data["chosen"].T)]
    out: dict[str, Checked | float] = {
        "stored numbers that differ": at_most("runs unlike", float(data["unlike"][0]), 0),
        "points made on the grid": float(seen.size),
        "of other verdict there": at_most("points", float(np.sum(seen != data["on the grid"])), 0),
    }
    for name, panel in (("walkers", walkers), ("exact law", exact)):
        share, far = _map.agreement(_map.positive(panel, DIED), panel.values == WORKS)
        out[f"{name}: works where the theory says"] = at_least("share", share, 0.92)
        out[f"{name}: and far from its lines not"] = float(far)
        far_modes = ~_map.positive(panel, DIED)
        swings = _map.positive(panel, BACK)[:, far_modes.all(axis=0)]
        found = (panel.values == OSCILLATES)[:, far_modes.all(axis=0)]
        out[f"{name}: swings where the theory says"] = at_least(
            "share", _map.agreement(swings, found)[0], 0.92
        )
    noisy = _noisy(walkers)
    learns = np.isin(walkers.values[noisy], [WORKS, ON_ITS_WAY])
    out["share of the noisy corner that learns, within the noise"] = at_least(
        "share", float(np.mean(learns)), 0.95
    )
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The two maps, the points that were made on both, and how far θ is from θ* below them."""
    fig.set_size_inches(12.8, 8.4)
    charts = [chart(_map.read(data, name)) for name in (NAME, EXACT)]
    far = [chart(_map.read(data, name), show="distance") for name in (NAME, EXACT)]
    grid = fig.subplots(2, 2, sharex="col", sharey="col")
    shown = _map.fill(grid[0], charts, TITLES) + _map.fill(grid[1], far, ("", ""))
    _map.outer(grid)
    _map.bar(fig, grid, far)
    x, y = (np.array(values) for values in (charts[0].xs, charts[0].ys))
    rows, columns = data["chosen"].T
    same = np.sum(charts[0].panels[0].values[rows, columns] == data["on the grid"])
    told = f"{TITLES[0]};  ○ exact law too: {same} of {rows.size}"
    grid[0, 0].set_title(told, fontsize=15)
    hues = [COLOUR[KINDS[kind]] for kind in data["on the grid"].tolist()]
    grid[0, 0].scatter(
        x[columns], y[rows], s=90, c=hues, edgecolors="white", linewidths=2, zorder=4
    )
    for axes in grid[:, 0]:
        axes.set_ylabel("learning rate")
    words(fig, shown)


def _drawn(panel: Panel, count: int, seed: int) -> NDArray[np.intp]:
    """Random places (count, 2) amid one verdict, as many in each of the three regimes."""
    rng, free = np.random.default_rng(seed), _deep(panel.values) & ~_noisy(panel)
    each = [rng.permutation(np.argwhere(free & (panel.values == kind))) for kind in REGIMES]
    return np.concatenate([part[k : k + 1] for k in range(count) for part in each])[:count]


def _noisy(panel: Panel) -> NDArray[np.bool_]:
    """Where θ would come to rest, but for the walkers' noise."""
    if NOISE not in panel.lines:
        return np.zeros(panel.values.shape, bool)
    return _map.positive(panel, DIED) & ~_map.positive(panel, NOISE)


def _deep(kinds: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Where all eight neighbours have the same verdict; not at the edge."""
    deep = np.zeros(kinds.shape, bool)
    for k in range(len(KINDS)):
        deep |= ~spread(kinds != k)
    deep[[0, -1]] = deep[:, [0, -1]] = False
    return deep
