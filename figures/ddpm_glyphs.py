"""Learned to remove noise, a network draws letters; guidance makes them plain.

The shipped DDPM (28 × 28, 42 classes, `toyflows train ddpm --target glyphs`). Left: a test letter
noised at five times and, below, six samples of DDIM in 24 steps on their way back from noise, with
the guidance w = 1. Middle: a sample of each class. Right: the share that a classifier trained alone
(`classifier28`) puts into the class asked for, and the spread of the samples of one class, against
w; three samples of each class. Samples are no copies: they are as far from the nearest
training letter as test letters are, or farther. Sources: Ho et al. 2020; Song, Meng & Ermon 2021;
Ho & Salimans 2022.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.diffusion import shipped as diffusion
from toyflows.diffusion.drawing import Plan
from toyflows.diffusion.guidance import Guided, Score
from toyflows.diffusion.metrics import nearest
from toyflows.figures import _pictures
from toyflows.figures import _style as style
from toyflows.images import glyphs, shipped
from toyflows.numerics import softmax
from toyflows.pictures import Pixels
from toyflows.seeds import stream
from toyflows.stats import Checked, at_least, at_most

Numbers = dict[str, NDArray[Any]]

ORDER = 430
SAYS = {
    "Learned to remove noise, a network draws letters": (
        "least sureness of the reader",
        "nearest training letter, over test letters'",
    ),
    "guidance makes them plain": ("share read, rising with w",),
}
NAME, READER, STEPS = "ddpm28", "classifier28", 24
SCALES = (0.0, 0.5, 1.0, 3.0)
SHEET = 1.0  # the guidance of the samples shown
EACH, SHOWN = 3, 6  # samples of a class; chains of the strip
TIMES = (1.0, 0.5, 0.25, 0.125, 0.0)  # of the strip


def compute(scale: float, seed: int) -> Numbers:
    """Samples (scales, n, 28, 28) of the classes y (n,), the reader's logits of them; the strip's
    images; distances to the nearest training letter of samples and of test letters."""
    model, letters, reader = diffusion.load(NAME), glyphs.load(28), shipped.load(READER)
    y = np.tile(np.arange(len(model.classes)), max(2, round(EACH * scale)))
    free, asked = model.score(), model.score().of_class(y)
    strip: list[Pixels] = []
    drawn = []
    for w in SCALES:
        score: Score = Guided(asked, free, w) if w else asked
        watch = strip.append if w == SHEET else lambda x: None
        drawn.append(_drawn(score, model, len(y), seed, watch))
    x = np.stack(drawn)
    logits = [reader.engine().outputs(reader.θ, images) for images in x]
    train = letters.train.x.reshape(len(letters.train), -1)
    flat = [part.reshape(len(part), -1) for part in (x[SCALES.index(SHEET)], letters.test.x[:500])]
    out: Numbers = {
        f"nearest, {of}": nearest(part, train) for of, part in zip(OF, flat, strict=True)
    }
    return out | {
        "y": y, "x": x, "logits": np.stack(logits), "strip": np.stack(strip)[:, :SHOWN],
        "noised": _noised(model, letters.test.x[0], seed),
    }  # fmt: skip


OF = ("samples", "test letters")


def _drawn(score: Score, model: Any, n: int, seed: int, watch: Any) -> Pixels:
    """n samples, cut at ±1; `watch` sees them at TIMES."""
    marks = {round((1 - t) * STEPS) for t in TIMES}

    def look(k: int, t: float, x: NDArray[Any]) -> None:
        if k in marks:
            watch(np.clip(x, -1, 1).astype(np.float32))

    plan, rng = Plan("ddim", STEPS), stream(seed, "letters")
    x = plan.draw(score, model.process, (n, *model.shape), rng, "float32", look).x
    return np.clip(x, -1, 1).astype(np.float32)


def _noised(model: Any, letter: Pixels, seed: int) -> Pixels:
    """The letter at the strip's times, noise last."""
    t = np.array(TIMES[::-1])[:, None, None]
    z = stream(seed, "noised").standard_normal((len(t), *letter.shape))
    x = model.process.alpha(t) * letter + model.process.sigma(t) * z
    return np.clip(x, -1, 1).astype(np.float32)


def read(data: Numbers) -> NDArray[Any]:
    """For each scale, the share of samples whose class the reader finds."""
    return np.asarray((data["logits"].argmax(axis=2) == data["y"]).mean(axis=1))


def sure(data: Numbers) -> NDArray[Any]:
    """For each scale, the reader's mean probability of the class that it names."""
    return np.stack([softmax(f.astype(np.float64)).max(axis=1).mean() for f in data["logits"]])


def spread(data: Numbers) -> NDArray[Any]:
    """For each scale, √(mean variance of a pixel among the samples of a class)."""
    classes = int(data["y"].max()) + 1
    x = data["x"].astype(np.float64)
    by_class = x.reshape(len(x), -1, classes, *x.shape[2:])
    return np.asarray(np.sqrt(by_class.var(axis=1, ddof=1).mean(axis=(1, 2, 3))))


def claim(data: Numbers) -> dict[str, Checked | float]:
    """The reader is sure; more guidance, more of the class and less spread; no copies."""
    share, width, certain = read(data), spread(data), sure(data)
    near = {of: float(np.median(data[f"nearest, {of}"])) for of in OF}
    out: dict[str, Checked | float] = {
        "least sureness of the reader": at_least("sure", float(certain.min()), 0.9),
        "share read, rising with w": at_least("rise", float(np.diff(share).min()), 0.0),
        "spread, falling with w": at_most("rise", float(np.diff(width).max()), 0.0),
        "nearest training letter, over test letters'": at_least(
            "distance", near["samples"] / near["test letters"], 1.0
        ),
    }
    for w, a, s in zip(SCALES, share, width, strict=True):
        out |= {f"share read, w = {w:g}": float(a), f"spread, w = {w:g}": float(s)}
    return out


def draw(fig: Figure, data: Numbers) -> None:
    """The two ways, a sheet, and what guidance does."""
    left, middle, right = fig.subplots(1, 3, width_ratios=[1, 0.9, 0.8])
    ways = [data["noised"], *data["strip"].swapaxes(0, 1)[:, ::-1]]
    _pictures.rows(left, ways, ["noised", "", "", "drawn", "", "", ""])
    left.set_title("noise on, noise off")
    left.set_xlabel("t = 0, ⅛, ¼, ½, 1")
    classes = int(data["y"].max()) + 1
    sheet = data["x"][SCALES.index(SHEET)][:classes]
    _pictures.rows(middle, list(sheet.reshape(-1, 6, *sheet.shape[1:])))
    middle.set_title(f"every class, $w = {SHEET:g}$")
    _guidance(right, data)


def _guidance(axes: Axes, data: Numbers) -> None:
    share, width = read(data), spread(data)
    axes.plot(SCALES, share, "o-", color=style.WALKERS)
    axes.plot(SCALES, width / width[0], "s-", color=style.EXACT)
    style.label(axes, 1.1, 1.008, "read as asked", style.WALKERS)
    style.label(axes, 1.2, float(width[3] / width[0]) - 0.06, "spread, relative", style.EXACT)
    axes.set(xlabel="guidance $w$", ylim=(0.5, 1.05))
    axes.set_title("guidance")
