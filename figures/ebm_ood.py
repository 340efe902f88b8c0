"""The energy of a letter model tells what is no letter, but not digits.

The shipped energy model (28 × 28, `toyflows train ebm`): energies of 1000 test letters and of up to
1000 images of nine other sets. Left: their distributions. Right: the area under the ROC curve with
its 95 % bootstrap interval; 3 s. Shows exercise sheet 3 [F]: the energy is a score of strangeness.
Fonts never seen are letters too (0.5 is right there), and digits share the letters' strokes: for
this score they are letters. Sources: [F] Generative and predictive modelling with energy-based
models, January 2024; Liu et al. 2020.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.images import detection, glyphs, shifted, shipped, uses
from toyflows.images.base import Pixels
from toyflows.stats import Checked, at_least, close

ORDER = 230
NAME, COUNT = "ebm28", 1000
EASY = ("uniform noise", "Gaussian noise", "blobs", "inverted")
FLOORS = dict.fromkeys(EASY, 0.999) | {"shuffled patches": 0.98, "quarter turn": 0.9}


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Energies of test letters, and by set of the outsiders; AUROC with its interval (sets, 3)."""
    model = shipped.load(NAME)
    engine, parts = model.engine(), glyphs.load(model.config.size)

    def energies(x: Pixels) -> Array:
        return uses.scores(engine, model.θ, x[:COUNT])["energy"]

    out = {"letters": energies(parts.test.x)}
    out |= {name: energies(of(parts, seed)) for name, of in shifted.SETS.items()}
    found = [detection.detect(out["letters"], out[name], seed) for name in shifted.SETS]
    return out | {"auroc": np.array([(d.auroc, d.low, d.high) for d in found])}


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Floors for six sets, one half for held-out fonts; the other sets are reported."""
    area = dict(zip(shifted.SETS, data["auroc"][:, 0].tolist(), strict=True))
    out: dict[str, Checked | float] = {
        f"AUROC, {name}": at_least(f"AUROC of {name}", area[name], floor)
        for name, floor in FLOORS.items()
    }
    out["AUROC, held-out fonts"] = close("AUROC", area["held-out fonts"], 0.5, atol=0.05)
    return out | {f"AUROC, {name}": area[name] for name in ("two letters", "digits")}


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Distributions as strips, areas as points with intervals."""
    style.message(fig, "The learned energy tells what is no letter, but takes digits for letters")
    left, right = fig.subplots(1, 2, width_ratios=[1.3, 1], sharey=True)
    names = ["letters", *shifted.SETS]
    _strips(left, [data[name] for name in names], names)
    _areas(right, data["auroc"])


def _colour(name: str) -> str:
    return style.DATA if name in ("letters", "held-out fonts") else style.EXACT


def _strips(axes: Axes, energies: list[Array], names: list[str]) -> None:
    """A box from the 5th to the 95th percentile and the median, on an axis that is linear near the
    letters and logarithmic beyond."""
    for y, (name, E) in enumerate(zip(names, energies, strict=True)):
        low, middle, high = np.percentile(E, [5, 50, 95])
        axes.barh(y, high - low, 0.6, left=low, color=_colour(name), alpha=0.45, lw=0)
        axes.plot([middle] * 2, [y - 0.3, y + 0.3], color=_colour(name), lw=4)
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_yticks(range(len(names)), names)
    least = min(float(np.percentile(E, 5)) for E in energies)
    axes.set(xlabel="energy", ylim=(len(names) - 0.4, -0.6), xlim=(least - 0.15, None))
    axes.set_title("5th to 95th percentile, median")


def _areas(axes: Axes, areas: Array) -> None:
    axes.axvline(0.5, color=style.LECTURE, ls=(0, (5, 2)), lw=2)
    for y, (name, (area, low, high)) in enumerate(zip(shifted.SETS, areas, strict=True), 1):
        axes.plot([low, high], [y, y], color=_colour(name), lw=4, solid_capstyle="butt")
        axes.plot(area, y, "o", ms=9, color=_colour(name))
        axes.text(1.04, y, f"{area:.3f}", va="center", color=_colour(name), fontweight="bold")
    axes.text(0.505, 0.1, "blind", color=style.GREY, va="center")
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0.4, 1.16), xlabel="AUROC against test letters")
    axes.set_xticks([0.5, 0.75, 1.0])
    axes.set_title("told from letters")
