"""Averaged weights draw better samples, and steadily; the last ones jump.

DDPM on the Swiss roll at a constant rate (0.004), 1800 steps of 512 points. Every 40 steps 1000
samples by DDIM in 25 steps, with the weights of that moment and with their exponential mean (decay
0.995, a memory of 200 steps), from the same noise: sliced W2 to fresh data over that of data from
data. Judged are the second half's: their mean, and their jumps from one mark to the next (mean |Δ
log|). Shows [D], figure 7: samples are drawn with averaged weights. Sources: [D] Conforti & Durmus,
Introduction to score-based generative models, lecture 2, February 2024; Ho et al. 2020; Song &
Ermon 2020.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion import targets
from toyflows.diffusion.drawing import Plan
from toyflows.diffusion.metrics import floor, sliced_w2
from toyflows.diffusion.sources import Points
from toyflows.diffusion.train import Config, train
from toyflows.diffusion.trained import Model
from toyflows.figures import _diffusion as diffusion
from toyflows.figures import _style as style
from toyflows.seeds import stream
from toyflows.stats import Checked, at_most

ORDER = 410
SAYS = {
    "Averaged weights draw better samples": ("mean weights: distance over that of the last",),
    "and steadily; the last ones jump": ("mean weights: jumps over those of the last",),
}
STEPS, MARKS, COUNT = 1800, 45, 1000
ROLL, PLAN = targets.find("swiss-roll"), Plan("ddim", 25)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Steps (marks,); of the last and of the mean weights sliced W2 (2, marks) and samples (2,
    marks, n, 2); the floor."""
    steps, marks = max(1200, int(STEPS * scale)), max(30, int(MARKS * scale))
    source = Points(ROLL)
    model = Model.new(Config(seed=seed), source)
    c, state, net = model.config, model.state, model.config.net()
    run = train(c, state, source.batch, net, lambda kept: None)
    real, at, found = ROLL.sample(COUNT, stream(seed, "real")), [], []
    for _ in range(marks):
        for _ in range(steps // marks):
            next(run)
        at.append(state.step)
        found.append([_drawn(model, θ, real.shape, seed) for θ in (state.θ, state.mean.mean)])
    least = floor(sliced_w2, ROLL.sample, COUNT, seed=seed).mean
    return {
        "step": np.array(at),
        "distance": np.array([[sliced_w2(x, real) for x in pair] for pair in found]).T,
        "points": np.array(found).swapaxes(0, 1),
        "floor": np.array(least),
    }


def _drawn(model: Model, θ: Array, shape: tuple[int, ...], seed: int) -> Array:
    """Samples; the noise is always the same."""
    score, rng = model.score_of(θ), stream(seed, "sample")
    return model.units.outward(PLAN.draw(score, model.process, shape, rng).x)


def _judged(data: dict[str, Array]) -> tuple[Array, Array]:
    """Mean and jumps (2,) of the second half of both curves."""
    late = data["distance"][:, data["distance"].shape[1] // 2 :]
    return late.mean(axis=1), np.abs(np.diff(np.log(late), axis=1)).mean(axis=1)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The mean weights are nearer to the data, and jump less than half as much."""
    mean, jump = _judged(data)
    return {
        "mean weights: distance over that of the last": at_most("distance", mean[1] / mean[0], 1),
        "mean weights: jumps over those of the last": at_most("jumps", jump[1] / jump[0], 0.5),
        "mean weights: distance over the floor": float(mean[1] / data["floor"]),
        "last weights: distance over the floor": float(mean[0] / data["floor"]),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Two curves and the floor; beside them samples at the two marks of the largest jump."""
    grid = fig.add_gridspec(2, 3, width_ratios=[2, 1, 1])
    _curves(fig.add_subplot(grid[:, 0]), data)
    late = data["step"].size // 2
    jump = late + int(np.argmax(np.abs(np.diff(np.log(data["distance"][0, late:])))))
    for row, colour in enumerate((style.GREY, style.WALKERS)):
        for column, k in enumerate((jump, jump + 1)):
            axes = fig.add_subplot(grid[row, 1 + column])
            diffusion.cloud(axes, data["points"][row, k], colour, 16)
            ratio = data["distance"][row, k] / data["floor"]
            axes.set_title(f"step {data['step'][k]}: {ratio:.2f}", fontsize=15, color=colour)


def _curves(axes: Axes, data: dict[str, Array]) -> None:
    """The distances of both, from 1 to 3 times that of data from data."""
    ratio, step = data["distance"] / data["floor"], data["step"]
    axes.axhline(1, color=style.DATA, lw=2)
    axes.plot(step, ratio[0], color=style.LECTURE, lw=2)
    axes.plot(step, ratio[1], color=style.WALKERS)
    mean, jump = _judged(data)
    end = step[-1]
    style.label(axes, end, 2.35, "weights of the moment", style.GREY, ha="right")
    style.label(axes, end, 1.03, "mean of the weights", style.WALKERS, ha="right")
    style.label(axes, end, 0.97, "data from data", style.DATA, va="top", ha="right")
    axes.set(xlabel="training step", ylabel="sliced W2 ÷ that of data from data",
             xlim=(0, 1.02 * end), ylim=(0.8, 3))  # fmt: skip
    axes.set_title("samples' distance from the data")
    style.proof(axes, "second half, mean: "
                f"{mean[0] / data['floor']:.2f} → {mean[1] / data['floor']:.2f}\n"
                f"jumps from mark to mark: {jump[0]:.0%} → {jump[1]:.0%}", 0.3, 0.98)  # fmt: skip
