"""Without penalty and buffer the contrastive loss runs away.

Three trainings of one energy model on 28 × 28 letters (`toyflows train ebm`, 32 letters and chains
of 20 Langevin steps per iteration): with the penalty on E² and a buffer of earlier chains, with the
buffer alone, with neither. Left: the mean energy of the letters. Right: the contrastive loss
without its penalty. Lines are medians of 50 iterations, bands the middle 80 % of them. The curves
ship with the package, `figures all --retrain` makes them again. Shows exercise sheet 3 [F]: nothing
in the loss holds the energy's level, and samples that lag behind let it fall for ever. A run ends
where an image's energy passes 1000. Sources: [F] Generative and predictive modelling with
energy-based models, January 2024; Du & Mordatch 2019.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.images import curves
from toyflows.images.train import LIMIT, SEEN
from toyflows.stats import Checked, at_least, at_most

ORDER = 215
SAYS = {
    "Without penalty and buffer the contrastive loss runs away": (
        "iterations without both",
        "largest mean energy without both",
        "lowest loss without both",
    ),
}
RUNS = {"L2 and buffer": style.WALKERS, "no L2": style.SECOND, "neither": style.EXACT}
DATA, MODEL = (SEEN.index(name) for name in ("data", "model"))
WINDOW = 50  # iterations


def compute(scale: float, seed: int) -> dict[str, Array]:
    """The history (iterations, columns) of each run; they are too long to be made here."""
    return curves.load()


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The regularised run keeps its mean energies within ±1/(2α), where the penalty outweighs the
    loss, for 5000 iterations; the run without both is lost before, at great energies and loss. The
    buffer alone does not diverge, but its energies leave those bounds."""
    kept, bare, level = data["L2 and buffer"], data["neither"], 1 / (2 * curves.BASE.alpha)
    return {
        "iterations of the regularised run": at_least("iterations", float(len(kept)), curves.STEPS),
        "its largest mean energy": at_most("|E| with L2 and buffer", _largest(kept), level),
        "iterations without both": at_most("iterations", float(len(bare)), curves.STEPS - 1),
        "largest mean energy without both": at_least("|E|", _largest(bare), LIMIT / 4),
        "lowest loss without both": at_most("loss", float(_gap(bare).min()), -10.0),
        "largest mean energy without L2": at_least(
            "|E| without L2", _largest(data["no L2"]), level
        ),
        "iterations without L2": float(len(data["no L2"])),
    }


def _largest(run: Array) -> float:
    return float(np.abs(run[:, [DATA, MODEL]]).max())


def _gap(run: Array) -> Array:
    return np.asarray(run[:, DATA] - run[:, MODEL])


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Energies of the data and the loss against the iteration, one colour a run."""
    left, right = fig.subplots(1, 2)
    for name, colour in RUNS.items():
        _curve(left, data[name][:, DATA], colour)
        _curve(right, _gap(data[name]), colour)
    left.set(ylim=(-18, 5), title="mean energy of the letters")
    right.set(ylim=(-2.2, 2.2), title="loss: energy of letters − of samples")
    for axes in (left, right):
        axes.set(xlabel="iteration", xlim=(0, 1.02 * curves.STEPS))
    k = len(data["neither"])
    style.label(left, 1700, 1.6, "penalty on E² and a buffer", RUNS["L2 and buffer"])
    style.label(left, 2500, -11.5, "the buffer alone", RUNS["no L2"])
    told = f"neither: lost at {k},\n|E| = {_largest(data['neither']):,.0f}"
    style.label(left, k + 130, -16.8, told, RUNS["neither"])
    lowest = style.number(float(_gap(data["neither"]).min()), ",.0f")
    style.label(right, k + 130, -2.0, f"neither: falls to {lowest}", RUNS["neither"])


def _curve(axes: Axes, values: Array, colour: str) -> None:
    """The running median, the band of the middle 80 % of WINDOW iterations, and where it is
    lost."""
    windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW)[:: WINDOW // 5]
    low, middle, high = np.percentile(windows, [10, 50, 90], axis=1)
    k = WINDOW / 2 + WINDOW // 5 * np.arange(len(windows))
    axes.fill_between(k, low, high, color=colour, alpha=0.3, lw=0)
    axes.plot(k, middle, color=colour, lw=2.5)
    if len(values) < curves.STEPS:
        axes.axvline(len(values), color=colour, lw=2, ls=(0, (2, 2)))
