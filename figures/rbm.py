"""CD-1 learns what a bar is, not how likely it is; the exact gradient does.

Bars and stripes 4 × 4 (32 outcomes, 30 images; the empty and the full one are twice as likely), an
RBM of 12 hidden units, all images in a batch, 2000 steps at a rate that falls from 0.4 to 0 as a
half cosine: CD-1, PCD with 32 chains, the exact gradient over all 2¹² hidden states. Left:
KL(data | model), exact by enumeration; thin lines are 4 seeds, thick ones their mean. Middle:
independent draws of each model by enumeration, which show the model and not a chain; pale ones are
neither bars nor stripes. Right: the hidden units' weights after exact learning. The numbers:
the model's mass on bars and stripes, and KL(data | model) among these alone. Shows [G]: CD does not
end at maximum likelihood. PCD needs chains that keep up: at a rate that stays at 0.4, or falls
over 6000 steps, it runs away on these data. Sources: Hinton 2002; Tieleman 2008; Fischer & Igel
2010.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.lattice.binary import patterns
from toyflows.lattice.rbm import RBM, exact_draws
from toyflows.lattice.rbm_config import Config
from toyflows.lattice.rbm_train import State, train
from toyflows.seeds import stream
from toyflows.stats import Checked, at_least, at_most, close

ORDER = 535
SAYS = {
    "CD-1 learns what a bar is": ("CD-1, least mass on bars and stripes",),
    "not how likely it is": ("CD-1, among",),
    "the exact gradient does": ("exact, among",),
}
NAMES = {"cd": "CD-1", "pcd": "PCD", "exact": "exact"}
COLOURS = {"cd": style.WALKERS, "pcd": style.ACCENT, "exact": style.EXACT}
SIZE, HIDDEN, RATE, STEPS, EVERY, SEEDS = 4, 12, 0.4, 2000, 50, 4
ROWS, COLUMNS = 3, 8  # of the draws
ON, PALE, PAPER = 0.15, 0.75, 0.93  # greys


class Run(NamedTuple):
    """KL by step; the model's mass on the patterns, KL among them, and itself at the end."""

    KL: Array
    mass: float
    among: float
    rbm: RBM

    @classmethod
    def of(cls, config: Config) -> Run:
        """The training."""
        data = config.load()
        state, v = State.new(config, data), data.law()[0]
        for record in train(config, state, data):
            if record.step == STEPS:
                break
        KL = -data.entropy() - state.history[:, 1]
        mass = float(np.exp(state.rbm.log_likelihood(v)).sum())
        return cls(KL, mass, float(KL[-1]) + math.log(mass), state.rbm)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """KL by step (samplers, seeds, steps); at the end mass on the patterns and KL among them
    (samplers, seeds); of the first seed draws (samplers, n, 16) and the last weights (16, 12)."""
    seeds = [seed * SEEDS + k for k in range(max(2, round(SEEDS * scale)))]
    runs = [[_run(sampler, s) for s in seeds] for sampler in NAMES]
    draws = [exact_draws(row[0].rbm, ROWS * COLUMNS, stream(seed, "draws")) for row in runs]
    return {
        "steps": np.arange(EVERY, STEPS + 1, EVERY).astype(float),
        "KL": np.array([[run.KL for run in row] for row in runs]),
        "mass": np.array([[run.mass for run in row] for row in runs]),
        "among": np.array([[run.among for run in row] for row in runs]),
        "draws": np.array(draws),
        "W": runs[-1][0].rbm.W.astype(float),
    }


def _run(sampler: str, seed: int) -> Run:
    return Run.of(Config(size=SIZE, hidden=HIDDEN, rate=RATE, cosine=STEPS, seed=seed,
                         sampler=sampler, every=EVERY))  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """CD-1 ends above PCD, PCD above the exact gradient, on every seed; each KL is that among the
    patterns − log of their mass."""
    KL, among = data["KL"][:, :, -1], data["among"]
    out: dict[str, Checked | float] = {
        "CD-1 above PCD, least": at_least("KL of CD-1 − PCD", float((KL[0] - KL[1]).min()), 0.1),
        "PCD above exact, least": at_least("KL of PCD − exact", float((KL[1] - KL[2]).min()), 0.0),
        "CD-1, least mass on bars and stripes": at_least("mass", data["mass"][0].min(), 0.5),
        "exact, among": at_most("KL among patterns", float(among[2].max()), 0.05),
        "CD-1, among": at_least("KL among patterns", float(among[0].min()), 0.5),
        "least KL": close("KL below zero", min(0.0, KL.min(), among.min()), 0.0, atol=1e-9),
    }
    for k, name in enumerate(NAMES.values()):
        out[f"KL, {name}"] = float(KL[k].mean())
        out[f"mass, {name}"] = float(data["mass"][k].mean())
        out[f"KL among patterns, {name}"] = float(among[k].mean())
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """KL against steps; draws of the three; weights."""
    grid = fig.add_gridspec(3, 3, width_ratios=[1.15, 1.1, 0.75])
    _curves(fig.add_subplot(grid[:, 0]), data)
    for k, sampler in enumerate(NAMES):
        axes = fig.add_subplot(grid[k, 1])
        _draws(axes, data["draws"][k])
        right, off = data["mass"][k].mean(), data["among"][k].mean()
        told = f"{right:.0%} right, odds off by {off:.2f}".replace("%", " %")
        axes.set_title(told, color=COLOURS[sampler], fontsize=16)
        if k == len(NAMES) - 1:
            axes.text(0, -0.08, "pale: neither bars nor stripes", color=style.GREY, va="top",
                      transform=axes.transAxes)  # fmt: skip
    _weights(fig.add_subplot(grid[:, 2]), data["W"])


def _curves(axes: Axes, data: dict[str, Array]) -> None:
    steps = data["steps"]
    for (sampler, name), KL in zip(NAMES.items(), data["KL"], strict=True):
        colour = COLOURS[sampler]
        for one in KL:
            axes.semilogy(steps, one, color=colour, lw=1, alpha=0.35)
        axes.semilogy(steps, KL.mean(axis=0), color=colour)
        end = float(KL[:, -1].mean())
        style.label(axes, STEPS * 1.02, end, f"{name}\n{end:.2f}", colour, va="center")
    axes.set(xlabel="learning step", xlim=(0, STEPS))
    axes.set_xticks(range(0, STEPS + 1, 500))
    axes.set_yticks([0.3, 0.5, 1, 2, 5], ["0.3", "0.5", "1", "2", "5"])
    axes.set_yticks([], minor=True)
    axes.set_title("KL(data | model), nats")


def _draws(axes: Axes, v: Array) -> None:
    """Images in a grid; pale where they are neither bars nor stripes."""
    ink = np.where(patterns(v, SIZE), ON, PALE)[:, None]
    x = np.where(v > 0, ink, PAPER).reshape(ROWS, COLUMNS, SIZE, SIZE)
    _sheet(axes, x, "gray", (0.0, 1.0))


def _weights(axes: Axes, W: Array) -> None:
    most = float(np.abs(W).max())
    x = W.T.reshape(4, HIDDEN // 4, SIZE, SIZE)
    _sheet(axes, x, "RdBu", (-most, most))
    axes.set_title(f"weights, ±{most:.1f}")


def _sheet(axes: Axes, x: Array, colours: str, ends: tuple[float, float]) -> None:
    """Images x (rows, columns, size, size) with white rims."""
    for i, j in np.ndindex(*x.shape[:2]):
        left, top = j * (SIZE + 1), i * (SIZE + 1)
        axes.imshow(x[i, j], colours, vmin=ends[0], vmax=ends[1],
                    extent=(left, left + SIZE, top + SIZE, top))  # fmt: skip
    axes.set(xlim=(-0.2, x.shape[1] * (SIZE + 1) - 0.8), ylim=(x.shape[0] * (SIZE + 1) - 0.8, -0.2))
    axes.set_aspect("equal")
    axes.axis("off")
