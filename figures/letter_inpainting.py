"""A diffusion model fills a half in again and again, and better if told the class.

Test letters (28 × 28) without their lower half; the shipped DDPM, DDIM with η = 1 in 20 steps. At
each step the upper half is replaced by the true one under the noise of that time, and each step is
taken 3 times with fresh noise between (RePaint), so that the halves come to fit. Left: letters,
what is seen, two fillings without and one with the class. Right: the share that a classifier,
trained alone, reads as the letter, beside the mean letter in the hole, and the letters themselves;
bars are ± 2 standard errors. Extends [G], where conditional generation and inverse problems are
uses of a diffusion model. Sources: Song et al. 2021, Lugmayr et al. 2022; [G] Gavves, Deep
generative and energy models.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.diffusion.methods import make
from toyflows.diffusion.methods.base import Model as Stepper
from toyflows.figures import _letters, _pictures
from toyflows.figures import _style as style
from toyflows.images import glyphs, uses
from toyflows.seeds import stream
from toyflows.stats import Checked, at_least, at_most, close

Numbers = dict[str, NDArray[Any]]

ORDER = 434
SAYS = {
    "A diffusion model fills a half in again and again": (
        "share that is unknown",
        "largest change of what is known",
        "read, with the class over the mean letter",
    ),
    "and better if told the class": ("read, with the class over without",),
}
STEPS, TIMES, LETTERS, SHOWN = 20, 3, 48, 6
WAYS = ("the letters", "with the class", "without the class", "mean letter")
COLOURS = (style.DATA, style.WALKERS, style.EXACT, style.GREY)


def compute(scale: float, seed: int) -> Numbers:
    """Letters (n, 28, 28), what is known of them, fillings by way, and which are read (4, n)."""
    model, letters = _letters.model(), glyphs.load(28)
    n, steps = max(8, round(LETTERS * scale)), max(8, round(STEPS * min(1.0, scale)))
    chosen = letters.test[stream(seed, "letters").permutation(len(letters.test))[:n]]
    known = uses.known_without("bottom", 28)
    mean = np.where(known, chosen.x, letters.train.x.mean(axis=0))
    ways = (
        (model.score().of_class(chosen.y), chosen.x),
        (model.score(), np.tile(chosen.x, (2, 1, 1))),
    )
    told, free = (
        _filled(model, score, x, known, steps, stream(seed, "fill", k))
        for k, (score, x) in enumerate(ways)
    )
    images = (chosen.x, told, free, mean)
    return {
        "x": chosen.x[:SHOWN], "known": known,
        "fillings": np.stack([f[:SHOWN] for f in (free, free[n:], told)]),
        "read": np.array([
            _letters.read(x, np.resize(chosen.y, len(x))).reshape(-1, n).mean(axis=0)
            for x in images
        ]),
        "kept": np.abs((told - chosen.x)[:, known]).max(),
    }  # fmt: skip


def _filled(
    model: Any, score: Any, x0: NDArray[Any], known: NDArray[Any], steps: int,
    rng: np.random.Generator,
) -> NDArray[Any]:  # fmt: skip
    """The letters x0 where they are known, and a draw of the model elsewhere."""
    process, method = model.process, make("ddim", eta=1.0)
    t = np.linspace(1.0, 0.0, steps + 1).tolist()
    stepper = Stepper(score, process, 0.0)

    def normal() -> NDArray[Any]:
        return rng.standard_normal(x0.shape).astype(np.float32)

    x = normal()
    for now, then in itertools.pairwise(t):
        a, variance, _ = stepper.transition(now, then)
        for turn in range(TIMES):
            down = method.step(stepper, x, now, then, rng)
            true = stepper.alpha(then) * x0 + stepper.sigma(then) * normal()
            down = np.where(known, true, down).astype(np.float32)
            if turn < TIMES - 1:
                x = (a * down + np.sqrt(variance) * normal()).astype(np.float32)
        x = down
    return _letters.cut(x)


def claim(data: Numbers) -> dict[str, Checked | float]:
    """What is known stays; with the class more is read than without, and more than of the mean."""
    share = data["read"].mean(axis=1)
    known = np.broadcast_to(data["known"], data["x"].shape)
    out: dict[str, Checked | float] = {
        "share that is unknown": close("unknown", 1 - float(np.mean(known)), 0.5),
        "read, with the class over without": at_least("read", float(share[1] - share[2]), 0.0),
        "read, with the class over the mean letter": at_least(
            "read", float(share[1] - share[3]), 0.1
        ),
        "largest change of what is known": at_most("change", float(data["kept"]), 1e-5),
    }
    return out | {f"read, {way}": float(s) for way, s in zip(WAYS, share, strict=True)}


def draw(fig: Figure, data: Numbers) -> None:
    """Letters and fillings; shares read."""
    left, right = fig.subplots(1, 2, width_ratios=[1.5, 1])
    seen = np.where(data["known"], data["x"], 0)
    names = ["letter", "seen", "filled", "again", "with class"]
    _pictures.rows(left, [data["x"], seen, *data["fillings"]], names)
    left.set_title("the lower half is filled in")
    _shares(right, data["read"])


def _shares(axes: Axes, read: NDArray[Any]) -> None:
    for y, (way, colour, row) in enumerate(zip(WAYS, COLOURS, read, strict=True)):
        share = float(row.mean())
        error = 2 * float(row.std()) / np.sqrt(len(row))
        axes.barh(y, share, 0.6, color=colour, alpha=0.75)
        axes.plot([share - error, share + error], [y, y], color=style.INK, lw=2)
        axes.text(0.02, y - 0.4, f"{way}: {100 * share:.0f} %", color=style.INK, va="center")
    axes.set(xlim=(0, 1), ylim=(3.5, -0.7), yticks=[], xlabel="share read")
    axes.grid(axis="y", visible=False)
    axes.set_title("read as the letter")
