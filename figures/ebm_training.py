"""Without penalty and buffer the contrastive loss runs away.

Three trainings of one energy model on 28 × 28 letters (`toyflows train ebm`, 32 letters and chains
of 20 Langevin steps per iteration): with the penalty on E² and a buffer of earlier chains, with the
buffer alone, with neither. Left: the contrastive loss without its penalty. Middle: mean energies of
data (full) and samples (dots). Right: the gradient's norm. The curves ship with the package,
`figures all --retrain` makes them again. Shows exercise sheet 3 [F]: nothing in the loss holds
the energy's level, and samples that lag behind let it fall for ever. A run ends where an image's
energy passes 1000. Sources: [F] Generative and predictive modelling with energy-based models,
January 2024; Du & Mordatch 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.images import curves
from toyflows.images.train import LIMIT, SEEN
from toyflows.stats import Checked, at_least, at_most

ORDER = 215
RUNS = {"L2 and buffer": style.WALKERS, "no L2": style.SECOND, "neither": style.EXACT}
DATA, MODEL, NORM = (SEEN.index(name) for name in ("data", "model", "norm"))


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
    """Loss, energies and gradient norm against the iteration, one colour a run."""
    panels = fig.subplots(1, 3)
    for name in reversed(RUNS):
        _curves(panels, data[name], RUNS[name])
    titles = (
        r"loss $\langle E\rangle_{data} - \langle E\rangle_{model}$",
        "mean energies",
        "gradient norm",
    )
    for axes, title in zip(panels, titles, strict=True):
        axes.set(xscale="log", xlabel="iteration", title=title)
    for axes in panels[:2]:
        axes.set_yscale("symlog", linthresh=1.0)
    panels[2].set_yscale("log")
    _names(panels[2], data)


def _curves(panels: Sequence[Axes], run: Array, colour: str) -> None:
    k = np.arange(1, len(run) + 1)
    shown = _gap(run), run[:, DATA], run[:, NORM]
    panels[1].plot(k[::7], run[::7, MODEL], ".", ms=4, color=colour, alpha=0.5)
    for axes, values in zip(panels, shown, strict=True):
        axes.plot(k, values, color=colour, lw=1.5)
        if len(k) < curves.STEPS:
            axes.plot(k[-1], values[-1], "X", ms=13, color=colour, clip_on=False)


def _names(axes: Axes, data: dict[str, Array]) -> None:
    ends = {name: f"$|E| \\leq$ {_largest(run):.2g}" for name, run in data.items()}
    ends["neither"] = f"lost at {len(data['neither'])}"
    for y, (name, colour) in zip((0.97, 0.81, 0.65), RUNS.items(), strict=True):
        axes.text(0.04, y, f"{name}:\n{ends[name]}", color=colour, fontweight="bold", va="top",
                  transform=axes.transAxes)  # fmt: skip
