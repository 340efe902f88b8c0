"""42 letters to learn, eight kinds of impostor, and fonts never seen.

42 classes of printed letters, 56 × 56 pixels, 385 images each in 17 fonts with random turn, shear,
size, shift, pressure, blur and grain, made by the program: 269 of a class to learn from, 58 to
choose by, 58 to judge by. Right, nine sets of 2436 images or fewer that are in none of these
parts, with the AUROC of the simplest energy there is, a Gaussian's fitted to 14 × 14 means
(bootstrap intervals in the manifest). Noise and
inversion are easy. Digits a Gaussian cannot tell from letters; nor the letters of four unseen
fonts, as it should be, for they are letters. Source: [F] exercise sheet 3, Generative and
predictive modelling with energy-based models, January 2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.images import glyphs, shifted
from toyflows.images.base import Parts
from toyflows.images.baseline import GaussianEnergy, LinearClassifier
from toyflows.images.detection import detect
from toyflows.pictures import Levels, Pixels, levels, pixels
from toyflows.stats import Checked, at_least, at_most, close

ORDER = 200
SAYS = {
    "42 letters to learn": ("classes",),
    "eight kinds of impostor": ("kinds of impostor",),
    "and fonts never seen": ("AUROC, held-out fonts", "fonts held out"),
}
IMPOSTORS = len(shifted.SETS) - 1  # without the letters in new fonts
COLUMNS, ROWS, SHOWN = 14, 4, 10
REMADE = "Q"
EASY = ("uniform noise", "Gaussian noise", "blobs", "inverted", "shuffled patches")
BLIND = ("digits", "held-out fonts")


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Counts, one class made afresh, a linear classifier's marks, a Gaussian's AUROC of each set;
    at 28 × 28 where scale < 1/2."""
    size = 56 if scale >= 0.5 else 28
    letters = glyphs.load(size, seed)
    parts, n = (letters.train, letters.valid, letters.test), len(letters.classes)
    everything = np.concatenate([levels(part.x) for part in parts])
    again = levels(glyphs.printed(REMADE, glyphs.FONTS, glyphs.EACH, size, seed).x)
    of_class = np.concatenate([part.y for part in parts]) == letters.classes.index(REMADE)
    edge = everything[:, [0, -1]], everything[:, :, [0, -1]]
    energy = GaussianEnergy.fit(letters.train.x)
    sets = {name: make(letters, seed) for name, make in shifted.SETS.items()}
    found = [detect(energy(letters.test.x), energy(x), seed) for x in sets.values()]
    return {
        "counts": np.array([np.bincount(part.y, minlength=n) for part in parts]),
        "distinct": np.array(_distinct(everything)),
        "remade": np.array(_distinct(np.concatenate([everything[of_class], again]))),
        "edge": np.array(max(float(pixels(strip).max()) for strip in edge)),
        "accuracy": np.array(LinearClassifier.fit(letters.train, n).accuracy(letters.test)),
        "auroc": np.array([(d.auroc, d.low, d.high) for d in found]),
        "hash": np.array(letters.data_hash),
        "sheet": _sheet(letters),
        "strips": np.stack([np.hstack(list(x[:SHOWN])) for x in sets.values()]),
        "fonts": np.array([len(glyphs.FONTS), len(glyphs.HELD_OUT_FONTS)]),
    }


def _distinct(x: Levels) -> int:
    """How many different images there are."""
    return len({image.tobytes() for image in x})


def _sheet(letters: Parts) -> Pixels:
    """(bands, ROWS · size, COLUMNS · size): ROWS training images under each other of each class."""
    columns = [np.vstack(list(letters.train.x[letters.train.y == c][:ROWS]))
               for c in range(len(letters.classes))]  # fmt: skip
    bands = range(0, len(columns), COLUMNS)
    return np.stack([np.hstack(columns[k : k + COLUMNS]) for k in bands])


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """As many images of each class in each part, none twice; a class made again is the same; a
    linear classifier reads them; a Gaussian sees the easy sets and not the last two."""
    counts = data["counts"]
    total = float(counts.sum())
    distinct, remade, edge, accuracy = (
        float(data[name]) for name in ("distinct", "remade", "edge", "accuracy")
    )
    out: dict[str, Checked | float] = {
        "classes": close("classes", counts.shape[1], 42),
        "kinds of impostor": close("kinds", IMPOSTORS, 8),
        "fonts held out": close("fonts", data["fonts"][1], 4),
        "images": close("images", total, 42 * 385),
        "fewest of a class": close("fewest of a class", counts.sum(axis=0).min(), 385),
        "different images": close("different images", distinct, total),
        "different after remaking": close("different after remaking", remade, 385),
        "brightest border pixel": at_most("brightest border pixel", edge, 0.0),
        "linear accuracy": at_least("linear accuracy", accuracy, 0.8),
    }
    for part, k, row in zip(("train", "valid", "test"), (269, 58, 58), counts, strict=True):
        out[f"{part}, most of a class"] = close(f"{part}, most of a class", row.max(), k)
        out[f"{part}, fewest of a class"] = close(f"{part}, fewest of a class", row.min(), k)
    for name, (auroc, low, high) in zip(shifted.SETS, data["auroc"], strict=True):
        what = f"AUROC, {name}"
        if name in BLIND:
            out[what] = close(what, auroc, 0.5, atol=0.06)
        else:
            out[what] = at_least(what, auroc, 0.99 if name in EASY else 0.7)
        out[f"{what}, 95 % from"], out[f"{what}, to"] = low, high
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The letters, and the sets with their AUROC."""
    fig.set_layout_engine("none")  # two squares of images fill the page better than it would
    _letters(fig.add_axes((0.012, 0.02, 0.4, 0.82), anchor="NW"), data)
    _strips(fig.add_axes((0.562, 0.02, 0.37, 0.82), anchor="NW"), data)


def _letters(axes: Axes, data: dict[str, Array]) -> None:
    gap = 0.45
    for k, band in enumerate(data["sheet"]):
        _image(axes, band, 0.0, k * (ROWS + gap), COLUMNS, style.DATA)
    bottom = len(data["sheet"]) * (ROWS + gap)
    _bare(axes, COLUMNS, bottom + 1.7)
    axes.set_title(f"{data['counts'].sum():,} images in {data['fonts'][0]} fonts", color=style.DATA)
    shares = " + ".join(str(k) for k in data["counts"][:, 0])
    axes.text(0, bottom + 0.35, f"{shares} of each: learn, choose, judge", va="center")
    read = f"a linear classifier reads {100 * data['accuracy']:.1f} % of the last"
    axes.text(0, bottom + 1.25, read, va="center")


def _strips(axes: Axes, data: dict[str, Array]) -> None:
    pitch = 1.14
    for k, (name, strip) in enumerate(zip(shifted.SETS, data["strips"], strict=True)):
        colour = style.DATA if name == "held-out fonts" else style.INK
        _image(axes, strip, 0.0, k * pitch, SHOWN, colour)
        middle = k * pitch + 0.5
        style.label(axes, -0.2, middle, name, colour, ha="right", va="center")
        auroc = f"{data['auroc'][k, 0]:.3f}"
        style.label(axes, SHOWN + 0.2, middle, auroc, colour, va="center")
    _bare(axes, SHOWN, len(shifted.SETS) * pitch)
    axes.set_title("nine other sets", x=-0.36)
    axes.set_title("told by a Gaussian", loc="right", x=1.12)
    told = "AUROC; 0.5: not told apart"
    axes.text(SHOWN + 1.1, len(shifted.SETS) * pitch + 0.25, told, ha="right", color=style.GREY)


def _image(axes: Axes, x: Array, left: float, top: float, across: int, ink: str) -> None:
    """x in this ink on white paper, one image a unit of the axes wide."""
    colours = LinearSegmentedColormap.from_list("ink", ["white", ink])
    down = across * x.shape[0] / x.shape[1]
    axes.imshow(x, colours, vmin=-0.9, vmax=0.9, extent=(left, left + across, top + down, top))


def _bare(axes: Axes, width: float, height: float) -> None:
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)
    axes.grid(False)
