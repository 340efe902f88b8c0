"""Noise takes letters away; step by step the network gives other letters back.

The shipped DDPM (28 × 28, 42 classes). Above: test letters under the noise of the times 0 to 1; the
picture of noise is the same in each row. Below: the way back from noise by DDIM in 21 steps of even
log SNR with the class asked for, and in the row under each what the network guesses, x̂_0(x_t), the
mean of all letters that x_t may be: first a grey cloud, then one letter. Right: the share of
letters that a classifier, trained alone, reads as their class, of noised test letters and of the
guesses, against the log SNR: where nearly all is noise neither is read; the guess comes hardly
sooner, as what cannot be seen is only guessed. Shows [D], figures 1, 2, 9 and 10. Sources: Ho et
al. 2020, Song, Meng & Ermon 2021; [D] Conforti & Durmus, Introduction to score-based generative
models, lecture 2, February 2024.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.diffusion.methods import make
from toyflows.diffusion.processes import log_snr
from toyflows.diffusion.samplers import run
from toyflows.figures import _letters, _pictures
from toyflows.figures import _style as style
from toyflows.images import glyphs
from toyflows.seeds import stream
from toyflows.stats import Checked, at_least, at_most

Numbers = dict[str, NDArray[Any]]

ORDER = 428
SAYS = {
    "Noise takes letters away": ("read, log SNR below −4",),
    "step by step the network gives other letters back": (
        "strips read as asked",
        "read, log SNR above 3",
    ),
}
STEPS, COUNT, COLUMNS = 21, 240, 8
WORDS = "RGa"  # the classes of the strips


def compute(scale: float, seed: int) -> Numbers:
    """Strips of noised letters (3, 8, 28, 28), of paths and of guesses; by time the log SNR and the
    share read of n noised letters, of their guesses."""
    model, letters = _letters.model(), glyphs.load(28)
    t = _letters.grid(STEPS)
    shown = np.linspace(0, STEPS, COLUMNS).round().astype(int)
    y = np.array([model.classes.index(c) for c in WORDS])
    x0 = np.stack([letters.test.x[letters.test.y == k][0] for k in y])
    path: list[NDArray[Any]] = []
    score, rng = model.score().of_class(y), stream(seed, "strips")
    start: Any = rng.standard_normal((len(y), 28, 28)).astype(np.float32)
    run(make("ddim"), score, model.process, start, t, rng, lambda k, s, x: path.append(x))
    few = shown[:-1]
    guesses = [*(_guess(model, score, path[k], t[k]) for k in few), path[-1]]
    n = max(16, round(COUNT * scale))
    chosen = letters.test[stream(seed, "test").permutation(len(letters.test))[:n]]
    z = rng.standard_normal(chosen.x.shape).astype(np.float32)
    noised = [_at(model, chosen.x, z, t[k]) for k in few]
    guessed = [_guess(model, model.score(), x, t[k]) for x, k in zip(noised, few, strict=True)]
    return {
        "noised": np.stack([_letters.cut(_at(model, x0, start, s)) for s in t[shown]], axis=1),
        "path": _letters.cut(np.stack([path[k] for k in shown], axis=1)),
        "guess": _letters.cut(np.stack(guesses, axis=1)),
        "log SNR": np.array([log_snr(model.process, s) for s in t[few]]),
        "read": np.array([
            [_letters.read(x, chosen.y).mean() for x in row] for row in (noised, guessed)
        ]),
        "drawn right": _letters.read(path[-1], y),
    }  # fmt: skip


def _at(model: Any, x: NDArray[Any], z: NDArray[Any], t: float) -> NDArray[Any]:
    """α x + σ z."""
    return np.asarray(float(model.process.alpha(t)) * x + float(model.process.sigma(t)) * z)


def _guess(model: Any, score: Any, x: NDArray[Any], t: float) -> NDArray[Any]:
    """x̂_0 = (x + σ² s(x, t))/α."""
    α, σ = float(model.process.alpha(t)), float(model.process.sigma(t))
    return np.asarray((x + σ**2 * score(x.astype(np.float32), float(t))) / α)


def claim(data: Numbers) -> dict[str, Checked | float]:
    """Noise is not read, little noise does not matter, and what is drawn is read as its class."""
    noised, guessed = data["read"]
    out: dict[str, Checked | float] = {
        "read, log SNR below −4": at_most("read", float(noised[data["log SNR"] < -4].max()), 0.2),
        "read, log SNR above 3": at_least("read", float(noised[data["log SNR"] > 3].min()), 0.85),
        "largest lead of the guess": at_least("lead", float((guessed - noised).max()), 0.0),
        "strips read as asked": at_least("strips", float(data["drawn right"].mean()), 0.6),
    }
    for λ, a, b in zip(data["log SNR"], noised, guessed, strict=True):
        out |= {f"read, log SNR {λ:.1f}": float(a), f"read, guess, log SNR {λ:.1f}": float(b)}
    return out


def draw(fig: Figure, data: Numbers) -> None:
    """Strips at the left, shares at the right."""
    left, right = fig.subplots(1, 2, width_ratios=[1.9, 1])
    rows: list[NDArray[Any]] = [*data["noised"][:, ::-1]]
    for path, guess in zip(data["path"], data["guess"], strict=True):
        rows += [path, guess]
    names = ["noise on", "", "", *("noise off", "guess") * len(data["path"])]
    _pictures.rows(left, rows, names)
    left.set_title("data to noise, and noise to data")
    _shares(right, data)


def _shares(axes: Axes, data: Numbers) -> None:
    x = data["log SNR"][1:]
    noised, guessed = data["read"][:, 1:]
    axes.plot(x, guessed, "o-", color=style.WALKERS)
    axes.plot(x, noised, "o-", color=style.LECTURE)
    style.label(axes, 2.2, 0.72, "the guess", style.WALKERS)
    style.label(axes, 2.2, 0.62, "the picture", style.GREY)
    axes.set(xlabel="log SNR", ylim=(0, 1.03))
    axes.set_title("share of letters read")
