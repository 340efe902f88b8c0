"""Few steps are best spent late, where little noise is left.

Data: two Gaussians of spread 0.3 at ±1, ancestral sampling from SNR 10⁻³ to 10³ with the exact mean
E[x_0 | x_t]. A step from t down to s costs ½(SNR_s − SNR_t) E|x_0 − E[x_0|x_t]|² of DDPM's bound,
SNR = α²/σ²: the coloured areas above the curve are what few steps pay more than infinitely many.
Each counts by its SNR, so that the last ones cost most. Left: the error that is left against the
SNR, and the surplus of 6 steps, even in t of the cosine schedule. Middle: where 12 steps are spent,
of schedules that are even in t, of steps even in log SNR, and of the best, by dynamic programming
over 300 times (Watson et al.). Right: the surplus, in nats, against the number of steps; that of
the best falls like 1/T. Shows [D], lecture 2, figure 6, the budget of steps, where all is exact.
Sources: [D] Conforti & Durmus, Introduction to score-based generative models, lecture 2, February
2024; Watson, Ho, Norouzi & Chan 2021; Kingma et al. 2021.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.diffusion import schedules
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.quadrature import mean
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, close

ORDER = 385
SAYS = {
    "Few steps are best spent late, where little noise is left": (
        "share of the best's steps that begin at an SNR above 1/2",
    ),
}
LAW = Gaussians(np.full(2, 0.5), np.array([[-1.0], [1.0]]), np.full(2, 0.3))
GRID = np.linspace(-3 * np.log(10), 3 * np.log(10), 301)  # log SNR, noise first
BUDGETS = np.array([4, 6, 8, 12, 16, 24, 32, 48, 64])
SHOWN, BARS = 12, 6
NAMES = ("linear", "cosine", "even in log SNR", "best")
COLOURS = dict(zip(NAMES, (style.EXACT, style.THIRD, style.SECOND, style.WALKERS), strict=True))


def compute(scale: float, seed: int) -> dict[str, Array]:
    """The error left at GRID (301,), its integral, and by way and budget the surplus (4, 9); the
    places in GRID of the SHOWN steps (4, 13)."""
    error = np.array([_error(λ) for λ in GRID])
    least = 0.5 * np.trapezoid(error * np.exp(GRID), GRID)
    best = _best(error)
    paths = {T: [*(_even(name, T) for name in NAMES[:3]), best[T]] for T in BUDGETS.tolist()}
    return {
        "error": error,
        "least": np.array(least),
        "surplus": np.array([[_cost(error, p) - least for p in ways] for ways in paths.values()]).T,
        "places": np.array(paths[SHOWN]),
        "brute": np.array([_cost(error[::50], path) for path in _brute(error)]),
    }


def _error(λ: float) -> float:
    """E|x_0 − E[x_0|x_t]|² at the log SNR λ, by quadrature."""
    α, σ = float(np.exp(λ / 2) / np.sqrt(1 + np.exp(λ))), float(1 / np.sqrt(1 + np.exp(λ)))
    return (σ / α) ** 2 * float(mean(lambda x: 1 + σ**2 * LAW.divergence(x, α, σ), LAW.at(α, σ)))


def _snr(n: int) -> Array:
    return np.exp(GRID[:: (len(GRID) - 1) // (n - 1)])


def _cost(error: Array, path: NDArray[np.integer[Any]]) -> float:
    """Σ ½(SNR_s − SNR_t) E(t) over the steps t → s between the places of the path."""
    snr = _snr(len(error))
    return float(0.5 * np.diff(snr[path]) @ error[path[:-1]])


def _best(error: Array, most: int = int(BUDGETS.max())) -> dict[int, NDArray[np.intp]]:
    """The cheapest path of each number of steps from the first place to the last: the least cost
    C_k(j) = min_i C_{k−1}(i) + cost(i → j), and back."""
    snr = _snr(len(error))
    gain = snr - snr[:, None]
    step = np.where(gain > 0, 0.5 * gain * error[:, None], np.inf)
    back: list[NDArray[np.intp]] = []
    least, found = step[0], {}
    for k in range(1, most + 1):
        path = [len(error) - 1]
        for came in reversed(back):
            path.append(int(came[path[-1]]))
        found[k] = np.array([0, *reversed(path)])
        total = least[:, None] + step
        back.append(total.argmin(axis=0))
        least = total.min(axis=0)
    return found


def _brute(error: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Over each fiftieth place the best path of three steps, and the cheapest of them all."""
    few = error[::50]
    paths = [np.array([0, i, j, 6]) for i in range(1, 6) for j in range(i + 1, 6)]
    return _best(few, 3)[3], min(paths, key=lambda path: _cost(few, path))


def _even(name: str, steps: int) -> NDArray[np.intp]:
    """The places in GRID of even steps in a schedule's t, or in log SNR."""
    if name == "even in log SNR":
        λ = np.linspace(GRID[0], GRID[-1], steps + 1)
    else:
        t = np.linspace(0, 1, 4001)[1:]
        log = schedules.schedule(name).log_alpha_bar(t)
        of_t = log - np.log(-np.expm1(log))
        ends = np.interp(GRID[[0, -1]], of_t[::-1], t[::-1])
        λ = np.interp(np.linspace(ends[0], ends[1], steps + 1), t, of_t)
    return np.searchsorted(GRID, λ - 1e-9).clip(0, len(GRID) - 1)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The best is the best, also of all three-step paths; its surplus falls like 1/T; it spends
    most of its steps where little noise is left."""
    best, others = data["surplus"][-1], data["surplus"][:-1]
    slopes = np.log(data["surplus"][:, -1] / data["surplus"][:, -3]) / np.log(64 / 32)
    λ = GRID[data["places"][-1]]
    out: dict[str, Checked | float] = {
        "least surplus of the others over the best": at_least(
            "ratio", float((others / best).min()), 1.0
        ),
        "the best of three steps, over that of all": close(
            "ratio", float(data["brute"][0] / data["brute"][1]), 1.0, atol=1e-12
        ),
        "the best's fall from 32 to 64 steps, power of T": close(
            "power", float(slopes[-1]), -1.0, atol=0.1
        ),
        "bound of infinitely many steps, nats": float(data["least"]),
        "share of the best's steps that begin at an SNR above 1/2": at_least(
            "share", float(np.mean(λ[:-1] > np.log(0.5))), 0.8
        ),
    }
    for name, slope, row in zip(NAMES, slopes, data["surplus"], strict=True):
        out[f"{name}: fall from 32 to 64 steps, power of T"] = float(slope)
        out[f"{name}: surplus of {SHOWN} steps"] = float(row[BUDGETS == SHOWN][0])
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The error with bars; where steps are; the surplus."""
    left, middle, right = fig.subplots(1, 3, width_ratios=[1, 1.1, 1])
    _bars(left, data)
    x = GRID / np.log(10)
    for y, (name, colour) in enumerate(COLOURS.items()):
        at = x[data["places"][y]]
        middle.hlines(y, -3, 3, color="#d9d9d6", lw=1)
        middle.plot(at, np.full(len(at), y), "|", color=colour, ms=26, mew=3)
        style.label(middle, -3, y - 0.28, name, colour)
    middle.set(ylim=(3.6, -0.7), yticks=[], xlim=(-3.2, 3.2), xlabel=r"$\log_{10}$ SNR")
    middle.spines["left"].set_visible(False)
    middle.set_title(f"where {SHOWN} steps are spent")
    for name, row in zip(NAMES, data["surplus"], strict=True):
        right.loglog(BUDGETS, row, "o-", color=COLOURS[name], ms=6)
    right.set_xticks([4, 8, 16, 32, 64], ["4", "8", "16", "32", "64"])
    nats = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
    right.set_yticks(nats, [f"{y:g}" for y in nats])
    right.minorticks_off()
    right.set(xlabel="steps $T$")
    right.set_title("surplus, nats")


def _bars(axes: Axes, data: dict[str, Array]) -> None:
    """E over log SNR, and the steps' bars above it."""
    x, path = GRID / np.log(10), _even("cosine", BARS)
    for i, j in zip(path[:-1].tolist(), path[1:].tolist(), strict=True):
        E = data["error"][i : j + 1]
        axes.fill_between(x[i : j + 1], E, E[0], color=style.THIRD, alpha=0.35, lw=0)
        axes.plot(x[[i, j, j]], data["error"][[i, i, j]], color=style.THIRD, lw=2)
    axes.plot(x, data["error"], color=style.EXACT)
    axes.set(xlabel=r"$\log_{10}$ SNR", xlim=(-3, 3), ylim=(0, 1.15))
    style.label(axes, 2.95, 0.93, "surplus of 6 steps", style.THIRD, ha="right", fontsize=14)
    axes.set_title(r"$E\,|x_0 - E[x_0|x_t]|^2$")
