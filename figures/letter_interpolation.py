"""By noise one letter becomes another; by pixels both are seen at once.

The probability flow of the shipped DDPM (28 × 28, without classes) goes from two test letters to
their noise by DDIM run upward in 40 steps; on the great circle between the two noises lie points
like noise, and 40 steps down make pictures of them. Left: two pairs, ends and five points between.
Beneath each row: the mean of the two pictures in the same shares. Right: the energy of the shipped
energy model (ebm28), which knows neither, of 16 pairs, relative to that of letters in their
spreads: the way through noise stays nearer to letters than the double exposure. Extends [G]: Ho et
al. 2020, their figure 8, with a mean in pixels beside. Sources: Song, Meng & Ermon 2021; [G]
Gavves, Deep generative and energy models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.diffusion.methods import make
from toyflows.diffusion.samplers import run
from toyflows.figures import _letters, _pictures
from toyflows.figures import _style as style
from toyflows.images import glyphs, shipped, uses
from toyflows.seeds import stream
from toyflows.stats import Checked, at_least, at_most

Numbers = dict[str, NDArray[Any]]

ORDER = 432
SAYS = {
    "By noise one letter becomes another": (
        "rms error of the ends",
        "half-way through noise, in spreads",
    ),
    "by pixels both are seen at once": ("half-way mean, above noise",),
}
STEPS, PAIRS, SHOWN = 40, 16, 2
SHARES = np.linspace(0, 1, 7)
PAIRING = 0  # the pairs are the same for each seed: two are too few for a claim of any two
FIRST = 0.02  # the time at which a letter starts upward


def compute(scale: float, seed: int) -> Numbers:
    """By share and pair: images through noise and means in pixels (7, n, 28, 28), their energies
    (7, n), those of test letters, and the error with which the ends come back."""
    model, letters = _letters.model(), glyphs.load(28)
    n, rng = max(SHOWN, round(PAIRS * scale)), stream(PAIRING, "pairs")
    chosen = letters.test.x[rng.permutation(len(letters.test))[: 2 * n]]
    t = np.linspace(1.0, FIRST, max(20, round(STEPS * min(1.0, 2 * scale))) + 1)
    noise = _up(model, chosen, t[::-1])
    ways = np.concatenate([_between(noise[:n], noise[n:], w) for w in SHARES])
    through = _down(model, ways, t).reshape(len(SHARES), n, 28, 28)
    mean = np.stack([(1 - w) * chosen[:n] + w * chosen[n:] for w in SHARES])
    judge = shipped.load("ebm28")

    def energies(x: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(uses.scores(judge.engine(), judge.θ, _letters.cut(x))["energy"])

    flat = (len(SHARES), n)
    return {
        "through": _letters.cut(through), "mean": mean.astype(np.float32),
        "E through": energies(through.reshape(-1, 28, 28)).reshape(flat),
        "E mean": energies(mean.reshape(-1, 28, 28)).reshape(flat),
        "E letters": energies(letters.test.x[:500]),
        "back": np.array(uses.spread(_letters.cut(through[0]) - chosen[:n])),
    }  # fmt: skip


def _up(model: Any, x: NDArray[Any], t: NDArray[Any]) -> NDArray[Any]:
    """The noise at t = 1 of the probability flow through x: DDIM's step from t to a later s,
    x_s = α_s x̂_0 + σ_s ε̂."""
    score, process = model.score(), model.process
    x = float(process.alpha(t[0])) * x
    for now, then in zip(t[:-1].tolist(), t[1:].tolist(), strict=True):
        σ = float(process.sigma(now))
        ε = -σ * score(x.astype(np.float32), now)
        clean = (x - σ * ε) / float(process.alpha(now))
        x = float(process.alpha(then)) * clean + float(process.sigma(then)) * ε
    return np.asarray(x)


def _down(model: Any, x: Any, t: NDArray[Any]) -> NDArray[Any]:
    """DDIM from noise back."""
    start, end = x.astype(np.float32), np.append(t, 0.0)
    return run(make("ddim"), model.score(), model.process, start, end, np.random.default_rng(0)).x


def _between(a: NDArray[Any], b: NDArray[Any], w: float) -> NDArray[Any]:
    """On the great circle from a to b, of each pair (n, 28, 28) of its own."""
    dot = (a * b).sum(axis=(1, 2)) / np.sqrt((a**2).sum(axis=(1, 2)) * (b**2).sum(axis=(1, 2)))
    angle = np.arccos(np.clip(dot, -1, 1))[:, None, None]
    return np.asarray((np.sin((1 - w) * angle) * a + np.sin(w * angle) * b) / np.sin(angle))


def above(data: Numbers) -> NDArray[Any]:
    """Median energies (2, 7) through noise and of the mean, over the letters' in their spreads."""
    low, middle, high = np.percentile(data["E letters"], [16, 50, 84])
    of = np.stack([data["E through"], data["E mean"]])
    return np.asarray(2 * (np.median(of, axis=2) - middle) / (high - low))


def claim(data: Numbers) -> dict[str, Checked | float]:
    """The ends come back; half-way, noise keeps nearer to letters than the mean."""
    through, mean = above(data)
    return {
        "rms error of the ends": at_most("error", float(data["back"]), 0.2),
        "half-way through noise, in spreads": at_most("energy", float(through[3]), 2.0),
        "half-way mean, above noise": at_least("energy", float(mean[3] - through[3]), 0.4),
    }


def draw(fig: Figure, data: Numbers) -> None:
    """Three pairs, and the energies."""
    left, right = fig.subplots(1, 2, width_ratios=[1.55, 1])
    rows = [data[kind][:, k] for k in range(SHOWN) for kind in ("through", "mean")]
    _pictures.rows(left, rows, ["by noise", "by pixels"] * SHOWN)
    left.set_title("from one letter to another")
    _energies(right, data)


def _energies(axes: Axes, data: Numbers) -> None:
    through, mean = above(data)
    axes.axhspan(-1, 1, color=style.DATA, alpha=0.15, lw=0)
    axes.plot(SHARES, mean, "o-", color=style.EXACT)
    axes.plot(SHARES, through, "o-", color=style.WALKERS)
    style.label(axes, 0.5, float(mean.max()) * 1.03, "by pixels", style.EXACT, ha="center")
    style.label(axes, 0.5, float(through[3]) + 0.06 * float(mean.max()), "by noise", style.WALKERS,
                ha="center")  # fmt: skip
    style.label(axes, 0.02, -0.9, "letters, the middle 68 %", style.DATA)
    axes.set(xlabel="share of the second letter", ylim=(None, 1.15 * float(mean.max())))
    axes.set_title("energy, in letters' spreads")
