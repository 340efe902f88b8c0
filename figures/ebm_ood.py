"""The energy of a letter model tells what is no letter; digits need classes.

The shipped energy model (28 × 28, `toyflows train ebm`): energies of 1000 test letters and of up to
1000 images of nine other sets. Left: their distributions. Middle: the area under the ROC curve with
its 95 % bootstrap interval. Right: the same for digits and every score of three models, the energy
model, the JEM and a plain classifier of the same shape. Shows exercise sheet 3 [F]: the energy
is a score of strangeness. Fonts never seen are letters too (0.5 is right there), and digits share
the letters' strokes: for an energy learned without classes they are letters. Sources: [F]
Generative and predictive modelling with energy-based models, January 2024; Hendrycks & Gimpel 2017;
Grathwohl et al. 2020; Liu et al. 2020.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.images import detection, glyphs, shifted, shipped, uses
from toyflows.images.base import Parts
from toyflows.pictures import Pixels
from toyflows.stats import Checked, at_least, close

ORDER = 230
NAME, COUNT = "ebm28", 1000
MODELS = {"ebm28": "EBM", "jem28": "JEM", "classifier28": "classifier"}
EASY = ("uniform noise", "Gaussian noise", "blobs", "inverted")
FLOORS = dict.fromkeys(EASY, 0.999) | {"shuffled patches": 0.98, "quarter turn": 0.9}


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Energies of test letters, and by set of the outsiders; AUROC with its interval (sets, 3); for
    digits AUROC by score (scores, 3) and the scores' names."""
    model = shipped.load(NAME)
    engine, parts = model.engine(), glyphs.load(model.config.size)

    def energies(x: Pixels) -> Array:
        return uses.scores(engine, model.θ, x[:COUNT])["energy"]

    out = {"letters": energies(parts.test.x)}
    out |= {name: energies(of(parts, seed)) for name, of in shifted.SETS.items()}
    found = [detection.detect(out["letters"], out[name], seed) for name in shifted.SETS]
    digits = _digits(parts, seed)
    return out | {
        "auroc": _table(found), "digits by score": _table(digits.values()),
        "scores": np.array(list(digits)),
    }  # fmt: skip


def _digits(parts: Parts, seed: int) -> dict[str, detection.Detection]:
    """How well each score of each model tells digits from test letters."""
    x, found = shifted.SETS["digits"](parts, seed)[:COUNT], {}
    for name, spoken in MODELS.items():
        model = shipped.load(name)
        inside, strange = (
            uses.scores(model.engine(), model.θ, images) for images in (parts.test.x[:COUNT], x)
        )
        for score in inside:
            found[f"{spoken}: {score}"] = detection.detect(inside[score], strange[score], seed)
    return found


def _table(found: Iterable[detection.Detection]) -> Array:
    return np.array([(d.auroc, d.low, d.high) for d in found])


def claim(data: dict[str, Array]) -> dict[str, Checked | float | str]:
    """Floors for six sets, one half for held-out fonts; the other sets are reported."""
    area = dict(zip(shifted.SETS, data["auroc"][:, 0].tolist(), strict=True))
    out: dict[str, Checked | float | str] = {
        f"AUROC, {name}": at_least(f"AUROC of {name}", area[name], floor)
        for name, floor in FLOORS.items()
    }
    out["AUROC, held-out fonts"] = close("AUROC", area["held-out fonts"], 0.5, atol=0.05)
    digits = dict(zip(data["scores"].tolist(), data["digits by score"][:, 0].tolist(), strict=True))
    best = max(digits, key=digits.__getitem__)
    out["best score for digits"] = best
    out["its AUROC"] = at_least("AUROC of digits", digits[best], 0.75)
    out |= {f"AUROC, digits, {score}": value for score, value in digits.items()}
    return out | {f"AUROC, {name}": area[name] for name in ("two letters", "digits")}


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Distributions as strips, areas as points with intervals."""
    grid = fig.add_gridspec(1, 3, width_ratios=[1.1, 0.8, 0.8])
    left = fig.add_subplot(grid[0])
    middle, right = fig.add_subplot(grid[1], sharey=left), fig.add_subplot(grid[2])
    names = ["letters", *shifted.SETS]
    _strips(left, [data[name] for name in names], names)
    _areas(middle, list(shifted.SETS), data["auroc"])
    middle.tick_params(labelleft=False)
    middle.set_title("told from letters")
    scores = data["scores"].tolist()
    _areas(right, scores, data["digits by score"])
    right.set_yticks(range(1, len(scores) + 1), scores)
    right.set(ylim=(len(scores) + 0.6, 0.4))
    right.set_title("digits, by score")


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
    axes.set_title("middle 90 % and median")


def _areas(axes: Axes, names: list[str], areas: Array) -> None:
    axes.axvline(0.5, color=style.LECTURE, ls=(0, (5, 2)), lw=2)
    for y, (name, (area, low, high)) in enumerate(zip(names, areas, strict=True), 1):
        axes.plot([low, high], [y, y], color=_colour(name), lw=4, solid_capstyle="butt")
        axes.plot(area, y, "o", ms=9, color=_colour(name))
        axes.text(1.04, y, f"{area:.3f}", va="center", color=_colour(name), fontweight="bold")
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0.35, 1.25), xlabel="AUROC (0.5: blind)")
    axes.set_xticks([0.5, 0.75, 1.0])
