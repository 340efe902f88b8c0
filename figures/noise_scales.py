"""Noise brings the modes together, and the score feels their weights.

The mixture of weights 1/5 and 4/5 at (−5, −5) and (5, 5), with noise σZ added, on a ladder of 10
levels of constant ratio from 0.1 to 20. Top: density and score (arrows of length ∝ √|∇log p|) at
four of them. Bottom: how much of the weights the score sees, σ² times the mean of |∇log p_σ −
∇log p̃_σ|² over the noised data, p̃ having the weights swapped: at every level, by quadrature.
It is nothing at small noise, so that one needs the large ones; the small ones give the detail.
Sources: Song & Ermon 2019; [C] Coste, Generative models, how they work and how to train them, June
2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians, song_ermon
from toyflows.diffusion.schedules import geometric_ladder
from toyflows.figures import _fields
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, at_most, close

ORDER = 330
SAYS = {
    "Noise brings the modes together": ("convolution",),
    "and the score feels their weights": (
        "unseen at the smallest noise",
        "seen at its best",
        "gain",
    ),
}
SHOWN = (9, 4, 2, 1)  # places on the ladder: σ = 0.1, 1.9, 6.2, 11.1
LADDER = geometric_ladder(20.0, 0.1, 10)
NOISES = np.geomspace(0.1, 20.0, 61)
VIEWS = (9.0, 11.0, 18.0, 27.0)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Densities (4, n, n) and scores (4, 13², 2) at SHOWN, what is seen at NOISES and on the
    ladder, and the law at the middle of the ladder by quadrature of the convolution."""
    law = song_ermon()
    swapped = Gaussians(law.weights[::-1], law.means, law.spreads)
    noised = [law.at(1.0, float(LADDER[k])) for k in SHOWN]
    out = {"at": np.array([_fields.grid(0.95 * view, 13) for view in VIEWS])}
    out["score"] = np.array([p.score(x) for p, x in zip(noised, out["at"], strict=True)])
    with np.errstate(under="ignore"):
        out["density"] = np.array([
            np.exp(p.log_density(_fields.grid(view, 121))).reshape(121, 121)
            for p, view in zip(noised, VIEWS, strict=True)
        ])  # fmt: skip
        out["seen"] = np.array([_seen(law, swapped, σ) for σ in NOISES.tolist()])
        out["ladder"] = np.array([_seen(law, swapped, σ) for σ in LADDER.tolist()])
        out["law"], out["convolved"] = _convolved(law, float(LADDER[4]))
    return out


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The law is the convolution; the weights are seen at some levels and not at the last ones."""
    ratio, off = LADDER[:-1] / LADDER[1:], np.abs(data["convolved"] / data["law"] - 1)
    return {
        "convolution": at_most("relative difference", float(off.max()), 1e-10),
        "ratio of the ladder": close("ratio", float(np.ptp(ratio)), 0.0, atol=1e-12),
        "unseen at the smallest noise": at_most("seen", float(data["ladder"][-1]), 1e-9),
        "seen at its best": at_least("seen", float(data["ladder"].max()), 0.05),
        "gain": at_least("gain", float(data["ladder"].max() / data["ladder"][-1]), 1e8),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Four fields, and the curve below them."""
    grid = fig.add_gridspec(2, 4, height_ratios=[1.45, 1])
    for i, (k, view) in enumerate(zip(SHOWN, VIEWS, strict=True)):
        axes = fig.add_subplot(grid[0, i])
        _fields.draw(axes, view, data["density"][i], data["at"][i], data["score"][i], view / 5)
        axes.set_title(f"σ = {LADDER[k]:.1f}, box ±{view:g}")
    _curve(fig.add_subplot(grid[1, :]), data)


def _seen(law: Gaussians, other: Gaussians, σ: float) -> float:
    """σ² times the law's mean of |∇log p_σ − ∇log p̃_σ|², by quadrature along the diagonal.

    Across it both laws are the same Gaussian, so the difference is that along it.
    """
    width = float(np.hypot(1.0, σ))
    s = np.linspace(-8 - 9 * width, 8 + 9 * width, 2001)
    x = np.stack([s, s], axis=1) / 2**0.5
    across = float(np.hypot(1.0, σ)) * (2 * np.pi) ** 0.5
    p = np.exp(law.log_density(x, 1.0, σ)) * across * (s[1] - s[0])
    apart = law.score(x, 1.0, σ) - other.score(x, 1.0, σ)
    return float(σ**2 * p @ np.square(apart).sum(axis=1))


def _convolved(law: Gaussians, σ: float) -> tuple[Array, Array]:
    """p_σ at 5 points of the diagonal: by its formula, and as ∫ p(x_0) N(x; x_0, σ²I) dx_0."""
    x, nodes = np.linspace(-8, 8, 5)[:, None] * [1.0, 1.0], _fields.grid(13.0, 131)
    p = np.exp(law.log_density(nodes)) * 0.2**2
    square = np.square(x[:, None] - nodes).sum(axis=2)
    kernel = np.exp(-square / (2 * σ**2)) / (2 * np.pi * σ**2)
    return np.exp(law.log_density(x, 1.0, σ)), kernel @ p


def _curve(axes: Axes, data: dict[str, Array]) -> None:
    axes.loglog(NOISES, data["seen"], color=style.EXACT)
    axes.plot(LADDER, data["ladder"], "o", color=style.EXACT, ms=10, clip_on=False)
    axes.set(xlabel="noise σ: a ladder of 10 levels", xlim=(0.09, 22), ylim=(1e-13, 5))
    axes.set_yticks([1e-12, 1e-8, 1e-4, 1])
    axes.set_title("the score's mean squared change when the weights are exchanged, times σ²")
    best = int(data["ladder"].argmax())
    gain = data["ladder"].max() / data["ladder"][-1]
    words = f"σ = {LADDER[best]:.1f}: {style.power(gain, 0)} times what σ = 0.1 sees"
    style.proof(axes, words, 0.98, 0.06, ha="right", fontweight="bold")
