"""A learned score is right only where there are data.

The mixture 1/5 N((−5, −5), I) + 4/5 N((5, 5), I) of Song & Ermon; an MLP of two layers of 64 is
trained by denoising at the one noise level σ = 0.3, in 2000 steps of 1024 fresh samples (1 s), and
compared with the exact score on a grid. Left: data, the exact score and the learned one.
Right: the length of their difference, and its root mean square where 95 % of the data are (inside
the lines) and elsewhere. Langevin that starts outside, or must pass between the modes, follows what
nothing has taught. Source: Song & Ermon, Generative modeling by estimating gradients of the data
distribution (2019), §3.2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians, song_ermon
from toyflows.figures import _style as style
from toyflows.nn.compiled.mlp import FastMLP
from toyflows.nn.network import mlp
from toyflows.nn.optimise import Adam, Schedule
from toyflows.stats import Checked, at_least, at_most

ORDER = 310
SAYS = {
    "A learned score is right only where there are data": (
        "error where 95 % of the data are",
        "ratio",
    ),
}
σ, STEPS, BATCH, SHARE = 0.3, 2000, 1024, 0.95
REACH, CELLS = 9.0, 121
UNIT = 5.0  # of the points that the network reads


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Scores (grid², 2) exact and learned, log densities, the lowest of 95 % of the data; data."""
    law, rng = song_ermon().at(1.0, σ), np.random.default_rng(seed)
    learned = learn(song_ermon(), max(600, round(STEPS * scale)), rng)
    x, data = grid(CELLS), law.sample(20_000, rng)
    return {
        "exact": law.score(x),
        "learned": learned(x),
        "log_density": law.log_density(x),
        "edge": np.array(np.quantile(law.log_density(data), 1 - SHARE)),
        "data": data[:1000],
    }


def learn(mixture: Gaussians, steps: int, rng: np.random.Generator) -> Callable[[Array], Array]:
    """The score s(x) that minimises E|s(x₀ + σε) + ε/σ|² over MLPs."""
    network = mlp(2, 2, width=64, depth=2, time=0)
    fast, θ = FastMLP(network), network.init(rng)
    adam, rate = Adam.at(θ), Schedule(3e-3, 50, steps, 1e-5)
    for k in range(steps):
        x0, ε = mixture.sample(BATCH, rng), rng.standard_normal((BATCH, 2))
        x, target = ((x0 + σ * ε) / UNIT).astype(np.float32), (-ε / σ).astype(np.float32)
        adam.step(θ, fast.loss_and_gradient(θ, x, None, target)[1], rate(k))
    return lambda x: fast.forward(θ, (x / UNIT).astype(np.float32)).astype(float)


def grid(cells: int) -> Array:
    """Points (cells², 2) of the square."""
    side = np.linspace(-REACH, REACH, cells)
    return np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)


def errors(data: dict[str, Array], of: str = "learned") -> tuple[float, float]:
    """Root mean squares of |learned − exact| where 95 % of the data are, and elsewhere; or of
    another field less the exact one."""
    field = data[of] if of in data else np.zeros_like(data["exact"])
    square = ((field - data["exact"]) ** 2).sum(axis=1)
    dense = data["log_density"] >= data["edge"]
    return float(np.sqrt(square[dense].mean())), float(np.sqrt(square[~dense].mean()))


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Ten times the error outside, and three times as a share of the score's own length."""
    dense, rare = errors(data)
    length, longer = errors(data, "nothing")
    return {
        "error where 95 % of the data are": at_most("error", dense, 0.3),
        "error elsewhere": rare,
        "ratio": at_least("error ratio", rare / dense, 10.0),
        "relative error where the data are": dense / length,
        "relative error elsewhere": rare / longer,
        "ratio of relative errors": at_least("relative", rare / longer * length / dense, 3.0),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Both scores as arrows on a coarse grid; the error as a map."""
    left, right = fig.subplots(1, 2, sharey=True)
    left.plot(*data["data"].T, ".", ms=3, color=style.DATA, alpha=0.5)
    _arrows(left, data["exact"], style.EXACT)
    _arrows(left, data["learned"], style.WALKERS)
    words = (("data", style.DATA), ("exact", style.EXACT), ("learned score", style.WALKERS))
    for x, (text, colour) in zip((0.0, 0.15, 0.34), words, strict=True):
        left.text(x, 1.03, text, color=colour, transform=left.transAxes, size=17, weight="bold")
    _map(right, data)
    for axes in (left, right):
        axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
        axes.set_xticks([-5, 0, 5])
        axes.set_yticks([-5, 0, 5])
        axes.grid(False)


def _arrows(axes: Axes, score: Array, colour: str) -> None:
    """Every eighth point of the grid; one scale for both fields."""
    some = np.s_[4::8]
    x, s = (v.reshape(CELLS, CELLS, 2)[some, some] for v in (grid(CELLS), score))
    axes.quiver(*x.T, *s.T, color=colour, scale=110, width=0.006)


def _map(axes: Axes, data: dict[str, Array]) -> None:
    error = np.linalg.norm(data["learned"] - data["exact"], axis=1).reshape(CELLS, CELLS)
    box = (-REACH, REACH, -REACH, REACH)
    shown = axes.imshow(error, origin="lower", extent=box, cmap="RdPu", norm=LogNorm(0.03, 10))
    density, edge = data["log_density"].reshape(CELLS, CELLS), float(data["edge"])
    axes.contour(density, [edge], extent=box, colors=style.DATA, linewidths=2.5, linestyles="solid")
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.03)
    bar.set_ticks([0.1, 1, 10], labels=["0.1", "1", "10"])
    dense, rare = errors(data)
    how: dict[str, Any] = {"ha": "center", "va": "center", "fontweight": "bold", "fontsize": 20}
    axes.text(5, 5, f"{dense:.2f}", color=style.DATA, **how)
    axes.text(-0.8, 3.8, f"{rare:.2f}", color="white", **how)
    axes.set_title("error of the learned score")
    axes.text(5, 7.9, "95 % of the data", color=style.DATA, ha="center", va="bottom", fontsize=13)
    axes.text(-0.8, 4.9, "elsewhere", color="white", ha="center", fontsize=13)
