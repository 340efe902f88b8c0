"""An energy learned from letters turns noise into letters.

The shipped energy model (56 × 56, `toyflows train ebm`), 64 Langevin chains of 512 steps from
uniform noise. Left: eight chains after 0, 8, 32, 128 and 512 steps. Right: the mean energy along
the chains, and that of test letters. Shows exercise sheet 3 [F]: sampling from an energy model
is a walk downhill with a little noise. Sources: [F] Generative and predictive modelling with
energy-based models, January 2024; Du & Mordatch 2019.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _pictures
from toyflows.figures import _style as style
from toyflows.images import glyphs, shipped, uses
from toyflows.images.sgld import Chain
from toyflows.pictures import Pixels
from toyflows.stats import Checked, at_least, at_most

ORDER = 220
SAYS = {
    "An energy learned from letters turns noise into letters": (
        "noise above the letters, in their spreads",
        "share of the chains' ends among the letters",
    ),
}
NAME, CHAINS = "ebm56", 64
MARKS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
SHOWN, COLUMNS = (0, 8, 32, 128, 512), 8


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Images (marks, chains, 56, 56), their energies (marks, chains), those of test letters."""
    model = shipped.load(NAME)
    engine, c = model.engine(), model.config
    n = max(16, round(CHAINS * scale))
    x = next(uses.Sampler(engine, model.θ, c.chain, seed).from_noise(n, c.size))[1]
    images = [x]
    for start, end in zip(MARKS[:-1].tolist(), MARKS[1:].tolist(), strict=True):
        chain = Chain(end - start, c.step, c.noise, c.clip)
        images.append(engine.langevin(model.θ, images[-1], chain, seed, start, None))

    def energies(x: Pixels) -> Array:
        return uses.scores(engine, model.θ, x)["energy"]

    return {
        "images": np.stack(images),
        "energy": np.stack([energies(x) for x in images]),
        "letters": energies(glyphs.load(c.size).test.x[:1000]),
    }


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The energy falls along the chains, from far above the letters' to among them."""
    mean, letters = data["energy"].mean(axis=1), data["letters"]
    inside = np.mean(np.abs(data["energy"][-1] - letters.mean()) < 4 * letters.std())
    falls = np.diff(mean[MARKS <= 32])
    return {
        "largest rise between marks up to step 32": at_most("rise", float(falls.max()), 0.0),
        "noise above the letters, in their spreads": at_least(
            "distance", float((mean[0] - letters.mean()) / letters.std()), 10.0
        ),
        "share of the chains' ends among the letters": at_least("share", float(inside), 0.95),
        "mean energy of the ends": float(mean[-1]),
        "mean energy of letters": float(letters.mean()),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Chains as rows of pictures; the energy against the step."""
    left, right = fig.subplots(1, 2, width_ratios=[1.25, 1])
    _chains(left, data["images"])
    _energies(right, data)


def _chains(axes: Axes, images: Array) -> None:
    shown = [images[MARKS.tolist().index(k), :COLUMNS].astype(np.float32) for k in SHOWN]
    _pictures.rows(axes, shown, [f"step {k}" for k in SHOWN])
    axes.set_title("eight chains")


def _energies(axes: Axes, data: dict[str, Array]) -> None:
    mean, letters = data["energy"].mean(axis=1), float(data["letters"].mean())
    axes.axhline(letters, color=style.DATA, lw=2)
    axes.plot(np.maximum(MARKS, 0.5), mean, "o-", color=style.WALKERS)
    axes.set_xscale("log")
    axes.set(xlabel="Langevin steps", xlim=(0.4, 700))
    axes.set_xticks([0.5, 1, 10, 100], ["0", "1", "10", "100"])
    axes.minorticks_off()
    axes.set_title(r"mean energy $E(x)$")
    top = float(mean.max())
    style.label(axes, 600, letters + 0.04 * top, "test letters", style.DATA, ha="right")
    chains = data["energy"].shape[1]
    style.label(axes, 7, 0.75 * top, f"{chains} chains from noise", style.WALKERS)
