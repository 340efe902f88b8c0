"""A classifier guides well only if it has seen noise.

The three round Gaussians of the figure guidance, DDIM in 40 steps from the same noise with the
guidance γ = 1 + w = 2, one colour a class. Left: the two scores, (1 + w) s(x|y) − w s(x); middle:
s(x) + γ ∇log q(y|x, t), q a logistic regression that has learned 10,000 labelled points noised to
each of the 41 times; here the exact classifier is of that kind. Right: how far the samples end from
those of the exact field, in spreads of a class, against the number of labelled points. By Bayes'
rule ∇log p_t(y|x) = s(x|y) − s(x), so that both ways are one field. A classifier that has seen
clean points only is sure where all is noise, and pushes too far. Shows [D], figure 8, and its
source Dhariwal & Nichol 2021, beside Ho & Salimans 2022, who need no classifier. Source: [D]
Conforti & Durmus, Introduction to score-based generative models, lecture 2, February 2024.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.diffusion.drawing import Plan
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.guidance import Classifier
from toyflows.diffusion.processes import VP, ExactScore, times
from toyflows.figures import _diffusion as diffusion
from toyflows.figures import _style as style
from toyflows.numerics import softmax
from toyflows.seeds import stream
from toyflows.stats import Checked, at_least, at_most

ORDER = 425
SAYS = {
    "A classifier guides well only if it has seen noise": (
        "noisy points, most labels",
        "clean points, most labels",
    ),
}
ANGLES = np.pi * np.array([1 / 2, 7 / 6, 11 / 6])
LAW = Gaussians(np.full(3, 1 / 3), np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1), np.full(3, 0.8))
PROCESS, PLAN, GAMMA, COUNT = VP(), Plan("ddim", 40), 2.0, 400
GRID = times(PROCESS, PLAN.steps, PLAN.spacing)
LABELLED = (100, 300, 1000, 3000, 10_000)
SHOWN = LABELLED.index(10_000)
CLASSES = (style.DATA, style.SECOND, style.ACCENT)

Slope = Callable[[Array, float, int], Array]  # ∇log q(y|x, t)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Samples of each class (3, n, 2) by the exact field, and by both classifiers for each number
    of labelled points (2, 5, 3, n, 2); the largest difference of the two exact fields."""
    n = max(100, round(COUNT * scale))
    free = ExactScore(LAW, PROCESS)
    exact = Classifier(free, range(3))
    slopes = [[_learned(m, seed, noised) for m in LABELLED] for noised in (True, False)]
    x, w = stream(seed, "where").normal(size=(50, 2)), GAMMA - 1
    differences = [
        (1 + w) * exact.of_class(y)(x, t) - w * free(x, t)
        - free(x, t) - GAMMA * exact.slope(x, t, y)
        for y in range(3) for t in (0.1, 0.5, 0.9)
    ]  # fmt: skip
    return {
        "exact": _drawn(free, exact.slope, n, seed),
        "learned": np.array([[_drawn(free, s, n, seed) for s in row] for row in slopes]),
        "difference": np.abs(differences).max(),
    }


def _drawn(free: ExactScore, slope: Slope, n: int, seed: int) -> Array:
    """Samples of each class (3, n, 2), all from the same noise."""

    def drawn(y: int) -> Array:
        def field(x: Array, t: float) -> Array:
            return np.asarray(free(x, t) + GAMMA * slope(x, t, y))

        return PLAN.draw(field, PROCESS, (n, 2), stream(seed, "sample", y)).x

    return np.array([drawn(y) for y in range(3)])


def _learned(m: int, seed: int, noised: bool) -> Slope:
    """∇log q(y|x, t) of a logistic regression for each time of the grid, learned from m points
    noised to that time; or of one for all times, learned from the points themselves."""
    x0, y = LAW.sample_with_labels(m, stream(seed, "labelled"))
    z = stream(seed, "noise").standard_normal(x0.shape)
    noisy = [PROCESS.alpha(t) * x0 + PROCESS.sigma(t) * z for t in GRID]
    fits = [_fit(x, y) for x in noisy] if noised else [_fit(x0, y)] * len(GRID)

    def slope(x: Array, t: float, label: int) -> Array:
        W, b = fits[int(np.argmin(np.abs(GRID - t)))]
        return np.asarray(W[:, label] - softmax(x @ W + b) @ W.T)

    return slope


def _fit(
    x: Array, y: NDArray[np.integer[Any]], decay: float = 1e-3, steps: int = 6
) -> tuple[Array, Array]:
    """W (2, 3) and b (3,) of softmax(xW + b) with the largest likelihood, by Newton's method with
    a little decay, which also holds the direction that the softmax does not see."""
    one = np.column_stack([x, np.ones(len(x))])
    V, Y = np.zeros((3, 3)), np.eye(3)[y]
    for _ in range(steps):
        p = softmax(one @ V)
        slope = one.T @ (p - Y) / len(x) + decay * V
        each = p[:, :, None] * (np.eye(3) - p[:, None, :])
        H = np.array(
            [[(one * w[:, None]).T @ one for w in row.T] for row in each.transpose(1, 0, 2)]
        )
        H = H.transpose(2, 0, 3, 1).reshape(9, 9) / len(x)
        V = V - np.linalg.solve(H + decay * np.eye(9), slope.ravel()).reshape(3, 3)
    return V[:2], V[2]


def far(data: dict[str, Array]) -> Array:
    """Rms distance (2, 5) from the samples of the exact field, in spreads of a class."""
    gap = data["learned"] - data["exact"]
    return np.asarray(np.sqrt(np.square(gap).sum(axis=-1).mean(axis=(-1, -2))) / LAW.spreads[0])


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The two fields are one; the classifier of noisy points comes near with more labels, that of
    clean points stays away."""
    noisy, clean = far(data)
    out: dict[str, Checked | float] = {
        "largest difference of the two exact fields": at_most(
            "difference", float(data["difference"]), 1e-10
        ),
        "noisy points, most labels": at_most("distance", noisy[-1], 0.3),
        "clean points, most labels": at_least("distance", clean[-1], 0.8),
        "clean over noisy, 3000 labels and more": at_least(
            "ratio", float((clean / noisy)[-2:].min()), 2.0
        ),
    }
    for m, a, b in zip(LABELLED, noisy, clean, strict=True):
        out |= {f"distance, noisy points, {m}": float(a), f"distance, clean points, {m}": float(b)}
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Clouds of the three ways, and how far they are."""
    fig.set_size_inches(12.8, 4.6)
    axes = fig.subplots(1, 4, width_ratios=[1, 1, 1, 1.3])
    clouds = (data["exact"], *data["learned"][:, SHOWN])
    titles = ("two scores", "classifier,\nnoisy points", "classifier,\nclean points")
    for ax, cloud, title in zip(axes, clouds, titles, strict=False):
        for x, colour in zip(cloud, CLASSES, strict=True):
            diffusion.cloud(ax, x, colour, 3.6)
        ax.set_anchor("N")
        ax.spines[:].set_visible(False)
        ax.set_title(title)
    _distances(axes[3], data)


def _distances(axes: Axes, data: dict[str, Array]) -> None:
    noisy, clean = far(data)
    axes.loglog(LABELLED, noisy, "o-", color=style.WALKERS)
    axes.loglog(LABELLED, clean, "o-", color=style.EXACT)
    style.label(axes, 10_000, clean[-1] * 1.12, "clean points", style.EXACT, ha="right")
    style.label(axes, 1100, 0.2, "noisy points", style.WALKERS, ha="right")
    axes.set(xlabel="labelled points")
    axes.set_xticks([100, 1000, 10_000], ["100", "1000", "10,000"])
    axes.set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
    axes.minorticks_off()
    axes.set_title("distance from\nthe exact field's")
