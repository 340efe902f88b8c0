"""The score points to the modes and does not see their weights.

Two Gaussians in the plane, at (−5, −5) and (5, 5), with weights 1/5 and 4/5 (left) and the other
way round (middle): density, and score as arrows of length ∝ √|∇log p|. Right: along the diagonal
through both modes, s the coordinate on it, the score's component for both weights and their
densities. The scores differ only in the gap, where there are no data: the mean of their
squared difference over the data, all that score matching sees of the weights, is 10⁻¹⁰. Shows [C]:
score matching does not learn the weight. Sources: Song & Ermon 2019, §3.2; [C] Coste, Generative
models, how they work and how to train them, June 2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians, song_ermon
from toyflows.figures import _fields
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, at_most

ORDER = 300
SAYS = {
    "The score points to the modes": ("score − differences of log p",),
    "and does not see their weights": ("mean squared difference",),
}
REACH, H = 9.0, 1e-3
WORDS = ("1/5 and 4/5", "4/5 and 1/5")


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Densities (2, n, n), scores on a coarse grid (2, m², 2) and by differences, both along the
    diagonal (2, k), and the mean squared difference of the scores over the data."""
    laws = _laws()
    fine, coarse = _fields.grid(REACH, 181), _fields.grid(REACH, 17)
    s = np.linspace(-12, 12, 481)
    diagonal = np.stack([s, s], axis=1) / np.sqrt(2)
    cell = (2 * REACH / 180) ** 2
    with np.errstate(under="ignore"):
        densities = np.array([np.exp(law.log_density(fine)) for law in laws])
        scores = np.array([law.score(fine) for law in laws])
        unseen = cell * densities[0] @ np.square(scores[0] - scores[1]).sum(axis=1)
        along = np.array([np.exp(law.log_density(diagonal)) for law in laws])
    return {
        "density": densities.reshape(2, 181, 181),
        "at": coarse,
        "score": np.array([law.score(coarse) for law in laws]),
        "differences": np.array([_differences(law, coarse) for law in laws]),
        "s": s,
        "along": np.array([law.score(diagonal) @ [0.5**0.5, 0.5**0.5] for law in laws]),
        "density along": along,
        "mass": np.array(cell * densities[0].sum()),
        "unseen": np.array(unseen),
    }


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Scores are slopes of log density; other weights change them, but where no data are."""
    size = np.maximum(np.abs(data["score"]), 1.0)
    off = float((np.abs(data["score"] - data["differences"]) / size).max())
    apart = np.abs(data["along"][0] - data["along"][1])
    return {
        "score − differences of log p": at_most("score − differences", off, 1e-8),
        "data in view": at_least("share of the data in view", float(data["mass"]), 0.99),
        "mean squared difference": at_most(
            "the data's mean |difference|²", float(data["unseen"]), 1e-8
        ),
        "largest difference": at_least("largest difference", float(apart.max()), 5.0),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Two fields, and both along the diagonal."""
    left, middle, right = fig.subplots(1, 3, width_ratios=[1, 1, 1.05])
    for axes, words, density, score in zip(
        (left, middle), WORDS, data["density"], data["score"], strict=True
    ):
        _fields.draw(axes, REACH, density, data["at"], score, 1.4)
        axes.set_title(f"weights {words}")
        axes.set_xlabel("$x_1$")
    left.set_ylabel("$x_2$")
    _along(right, data)


def _laws() -> tuple[Gaussians, Gaussians]:
    law = song_ermon()
    return law, Gaussians(law.weights[::-1], law.means, law.spreads)


def _differences(law: Gaussians, x: Array) -> Array:
    """∇log p by central differences of order 4."""
    out = []
    for e in H * np.eye(2):
        near = law.log_density(x + e) - law.log_density(x - e)
        far = law.log_density(x + 2 * e) - law.log_density(x - 2 * e)
        out.append((8 * near - far) / (12 * H))
    return np.stack(out, axis=1)


def _along(axes: Axes, data: dict[str, Array]) -> None:
    s, (one, other) = data["s"], data["along"]
    axes.plot(s, one, color=style.EXACT, lw=6, alpha=0.45)
    axes.plot(s, other, color=style.INK, lw=2)
    for density, colour in zip(data["density along"], (style.EXACT, style.INK), strict=True):
        axes.fill_between(s, -13, -13 + 40 * density, color=colour, alpha=0.35, lw=0)
    axes.set(xlim=(-12, 12), ylim=(-13, 12), xlabel="$s$, along the diagonal", yticks=[-5, 0, 5])
    axes.set_title("score along the diagonal")
    style.label(axes, -11.5, 10.6, WORDS[0], style.EXACT)
    style.label(axes, -11.5, 9.0, WORDS[1], style.INK)
    style.label(axes, 0, -9.8, "densities", style.GREY, ha="center")
    words = f"mean |difference|²\nover the data\n{style.power(float(data['unseen']))}"
    style.proof(axes, words, 0.98, 0.98, ha="right")
