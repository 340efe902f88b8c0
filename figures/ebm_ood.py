"""The energy tells what is no letter, like a plain Gaussian; digits need classes.

The shipped energy model (28 × 28, `toyflows train ebm`): energies of 1000 test letters and of up to
1000 images of nine other sets. Left: their histograms, as distances from the letters' median in
units of the letters' spread (the half of the middle 68 %), on an axis of sinh⁻¹(z/2); the line is
the threshold that 5 % of the letters pass, and the share of each set that passes it stands at the
right. Middle: the area under the ROC curve with its 95 % bootstrap interval; rings are the energy
of a Gaussian that was fitted to means of 14 × 14 squares of the training letters: on these sets it
does as well. Right: the same for digits and every score of three models, the energy model, the JEM
and a plain classifier of the same shape. Shows exercise sheet 3 [F], its figure 2: the energy is a
score of strangeness. Fonts never seen are letters too (0.5 is right there), and digits share the
letters' strokes: for an energy learned without classes they are letters. Sources: [F] Generative
and predictive modelling with energy-based models, January 2024; Hendrycks & Gimpel 2017; Grathwohl
et al. 2020; Liu et al. 2020.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.figures._ridges import ridges
from toyflows.images import detection, glyphs, shifted, shipped, uses
from toyflows.images.base import Parts
from toyflows.images.baseline import GaussianEnergy
from toyflows.pictures import Pixels
from toyflows.stats import Checked, at_least, at_most, close

ORDER = 230
SAYS = {
    "The energy tells what is no letter": (
        "AUROC, uniform noise",
        "AUROC, Gaussian noise",
        "AUROC, blobs",
        "AUROC, inverted",
        "AUROC, shuffled patches",
        "AUROC, quarter turn",
    ),
    "like a plain Gaussian": ("network − Gaussian, …",),
    "digits need classes": ("best of the EBM for digits", "its AUROC"),
}
NAME, COUNT = "ebm28", 1000
MODELS = {"ebm28": "EBM", "jem28": "JEM", "classifier28": "classifier"}
EASY = ("uniform noise", "Gaussian noise", "blobs", "inverted")
FLOORS = dict.fromkeys(EASY, 0.999) | {"shuffled patches": 0.98, "quarter turn": 0.9}


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Energies of test letters, and by set of the outsiders; AUROC with its interval (sets, 3), of
    the network and of a Gaussian; for digits AUROC by score (scores, 3) and the scores' names."""
    model = shipped.load(NAME)
    engine, parts = model.engine(), glyphs.load(model.config.size)

    def energies(x: Pixels) -> Array:
        return uses.scores(engine, model.θ, x)["energy"]

    sets = {name: of(parts, seed)[:COUNT] for name, of in shifted.SETS.items()}
    letters, plain = parts.test.x[:COUNT], GaussianEnergy.fit(parts.train.x)
    out = {name: energies(x) for name, x in ({"letters": letters} | sets).items()}
    found = [detection.detect(out["letters"], out[name], seed) for name in sets]
    inside = plain(letters)
    rings = [detection.detect(inside, plain(x), seed) for x in sets.values()]
    digits = _digits(parts, seed)
    return out | {
        "auroc": _table(found), "of a Gaussian": _table(rings),
        "digits by score": _table(digits.values()), "scores": np.array(list(digits)),
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
            found[f"{spoken}, {score}"] = detection.detect(inside[score], strange[score], seed)
    return found


def _table(found: Iterable[detection.Detection]) -> Array:
    return np.array([(d.auroc, d.low, d.high) for d in found])


def claim(data: dict[str, Array]) -> dict[str, Checked | float | str]:
    """Floors for six sets, one half for held-out fonts; a Gaussian is nowhere behind by more than
    0.04; only scores of a model with classes tell digits."""
    area, plain = (dict(zip(shifted.SETS, data[name][:, 0].tolist(), strict=True))
                   for name in ("auroc", "of a Gaussian"))  # fmt: skip
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
    blind = max(value for score, value in digits.items() if score.startswith("EBM"))
    out["best of the EBM for digits"] = at_most("EBM's best AUROC of digits", blind, 0.55)
    out |= {
        f"network − Gaussian, {name}": at_most("network − Gaussian", area[name] - plain[name], 0.04)
        for name in (*FLOORS, "two letters")
    }
    return out | {f"AUROC, {name}": area[name] for name in ("two letters", "digits")}


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Histograms above each other, areas as points with intervals."""
    grid = fig.add_gridspec(1, 3, width_ratios=[1.45, 0.75, 0.65])
    left = fig.add_subplot(grid[0])
    middle, right = fig.add_subplot(grid[1], sharey=left), fig.add_subplot(grid[2])
    names = ["letters", *shifted.SETS]
    ridges(left, {name: data[name] for name in names}, [_colour(name) for name in names])
    left.set_xlabel("energy − median of letters, in their spreads")
    left.set_title("energies; share past the line")
    middle.plot(data["of a Gaussian"][:, 0], range(1, len(names)), "o", ms=13, mfc="none",
                mec=style.GREY, mew=2)  # fmt: skip
    _areas(middle, list(shifted.SETS), data["auroc"])
    middle.text(0.55, 0, "ring: Gaussian", color=style.GREY, va="center", fontweight="bold")
    middle.tick_params(labelleft=False)
    middle.set_title("told from letters")
    scores = data["scores"].tolist()
    _areas(right, scores, data["digits by score"])
    right.set_yticks(range(1, len(scores) + 1), scores)
    right.set(ylim=(len(scores) + 0.6, 0.4))
    right.set_title("digits, by score")


def _colour(name: str) -> str:
    return style.DATA if name in ("letters", "held-out fonts") else style.EXACT


def _areas(axes: Axes, names: list[str], areas: Array) -> None:
    axes.axvline(0.5, color=style.LECTURE, ls=(0, (5, 2)), lw=2)
    for y, (name, (area, low, high)) in enumerate(zip(names, areas, strict=True), 1):
        axes.plot([low, high], [y, y], color=_colour(name), lw=4, solid_capstyle="butt")
        axes.plot(area, y, "o", ms=8, color=_colour(name))
        axes.text(1.06, y, f"{area:.3f}", va="center", color=_colour(name), fontweight="bold")
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0.35, 1.42), xlabel="AUROC (0.5: blind)")
    axes.set_xticks([0.5, 0.75, 1.0])
