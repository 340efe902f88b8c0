"""Four letters share 300 weights; crosstalk moves most margins away from 24.

Hebb's rule for the four letters of MacKay's figure 42.3. Left: the matrix W = Σ x xᵀ without its
diagonal, 25 × 25, of which 300 numbers are free; blue joins units that are mostly alike, red such
as mostly differ. Middle: six rows of W as pictures, what the marked unit hears from the others.
Right: what holds the 100 bits of the letters in place, x_i a_i = 24 + crosstalk: the letter's own
24 others, and what the three other letters add. A bit is at rest while that is above 0; alone, each
letter would have 24. The matrix with its diagonal has rank 4. Shows [G], lecture 8, the weight
matrix of a Hopfield network. Sources: MacKay, Information Theory, Inference, and Learning
Algorithms, 2003, chapter 42; [G] Gavves, Deep generative and energy models.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.lattice import hopfield, patterns
from toyflows.stats import Checked, at_least, close

ORDER = 502
SAYS = {
    "Four letters share 300 weights": ("rank of W with its diagonal", "weights"),
    "crosstalk moves most margins": ("share of the bits that it moves",),
    "away from 24": ("signal, least", "signal, most"),
}
SIDE, UNITS = 5, (0, 2, 6, 12, 18, 22)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Letters (4, 25), W (25, 25), margins x_i a_i (4, 25)."""
    x = patterns.load(["letters"]).x
    net = hopfield.hebb(x)
    return {"x": x, "W": net.W, "margin": x * net.activations(x)}


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """What W is, and that signal and crosstalk are the margins."""
    x, W = data["x"], data["W"]
    p, N = x.shape
    overlap = x @ x.T - N * np.eye(p)
    crosstalk = x * (overlap @ x) - (p - 1)  # of the other letters, without the unit itself
    signal = data["margin"] - crosstalk
    return {
        "weights": close("weights", N * (N - 1) / 2, 300),
        "rank of W with its diagonal": close("rank", np.linalg.matrix_rank(W + p * np.eye(N)), p),
        "largest |W − Wᵀ|": close("W − Wᵀ", np.abs(W - W.T).max(), 0.0),
        "signal, least": close("signal", signal.min(), N - 1),
        "signal, most": close("signal", signal.max(), N - 1),
        "margin, mean": float(data["margin"].mean()),
        "margin, least": at_least("margin", data["margin"].min(), 1e-9),
        "bits that the crosstalk weakens": at_least("bits", (crosstalk < 0).sum(), 1),
        "share of the bits that it moves": at_least("share", (crosstalk != 0).mean(), 0.5),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The matrix, rows of it, margins."""
    left, middle, right = fig.subplots(1, 3, width_ratios=[1.15, 0.8, 1])
    most = int(np.abs(data["W"]).max())
    image = left.imshow(data["W"], "RdBu", vmin=-most, vmax=most)
    left.set(xticks=[0, 12, 24], yticks=[0, 12, 24], xlabel="unit $j$", ylabel="unit $i$")
    left.set_xticklabels(["1", "13", "25"])
    left.set_yticklabels(["1", "13", "25"])
    left.grid(False)
    left.set_title("the weights")
    fig.colorbar(image, ax=left, location="bottom", shrink=0.7, ticks=[-most, 0, most])
    _rows(middle, data["W"], most)
    _margins(right, data["margin"])


def _rows(axes: Axes, W: Array, most: int) -> None:
    """Rows of W as pictures, the unit itself framed."""
    for k, unit in enumerate(UNITS):
        left, top = 6.0 * (k % 2), 7.0 * (k // 2)
        axes.imshow(W[unit].reshape(SIDE, SIDE), "RdBu", vmin=-most, vmax=most,
                    extent=(left, left + SIDE, top + SIDE, top))  # fmt: skip
        at = left + unit % SIDE, top + unit // SIDE
        axes.add_patch(Rectangle(at, 1, 1, fill=False, ec=style.INK, lw=2.5))
        axes.text(left, top - 0.25, f"unit {unit + 1}", color=style.INK, fontsize=13)
    axes.set(xlim=(-0.2, 11.3), ylim=(19.4, -1.5), aspect="equal")
    axes.axis("off")
    axes.set_title("what a unit hears")


def _margins(axes: Axes, margin: Array) -> None:
    values, counts = np.unique(margin, return_counts=True)
    axes.bar(values, counts, 1.5, color=style.EXACT, alpha=0.8)
    axes.axvline(24, color=style.DATA, lw=3)
    axes.axvline(0, color=style.INK, lw=2)
    top = 1.3 * counts.max()
    style.label(axes, 24.6, 0.95 * top, "one letter\nalone: 24", style.DATA, va="top")
    style.label(axes, 0.8, 0.95 * top, "below 0\na bit falls", style.INK, va="top")
    axes.set(xlabel="$x_i a_i$", ylabel="bits", ylim=(0, top), xlim=(-3, 42))
    axes.set_title("what holds a bit")
