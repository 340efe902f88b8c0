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
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion import targets
from toyflows.diffusion.drawing import Plan
from toyflows.diffusion.metrics import floor, sliced_w2
from toyflows.diffusion.sources import Points
from toyflows.diffusion.train import Config, train
from toyflows.diffusion.trained import Model
from toyflows.figures import _style as style
from toyflows.seeds import stream
from toyflows.stats import Checked, at_most

ORDER = 410
STEPS, MARKS, COUNT = 1800, 45, 1000
ROLL, PLAN = targets.find("swiss-roll"), Plan("ddim", 25)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Steps (marks,); sliced W2 of the last and of the mean weights (2, marks); the floor."""
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
        found.append([_distance(model, θ, real, seed) for θ in (state.θ, state.mean.mean)])
    least = floor(sliced_w2, ROLL.sample, COUNT, seed=seed).mean
    return {"step": np.array(at), "distance": np.array(found).T, "floor": np.array(least)}


def _distance(model: Model, θ: Array, real: Array, seed: int) -> float:
    """The distance of samples from `real`; the noise is always the same."""
    score, rng = model.score_of(θ), stream(seed, "sample")
    return sliced_w2(model.units.outward(PLAN.draw(score, model.process, real.shape, rng).x), real)


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
    """Two curves and the floor."""
    axes = fig.subplots()
    ratio, step = data["distance"] / data["floor"], data["step"]
    axes.axhline(1, color=style.DATA, lw=2)
    axes.semilogy(step, ratio[0], color=style.LECTURE, lw=2)
    axes.semilogy(step, ratio[1], color=style.WALKERS)
    mean, jump = _judged(data)
    end = 1.01 * step[-1]
    style.label(axes, end, ratio[0, -8:].max(), "weights of the\nmoment", style.GREY, va="bottom")
    style.label(axes, end, 1.02 * ratio[1, -1], "mean of the\nweights", style.WALKERS, va="bottom")
    style.label(axes, end, 0.97, "data from data", style.DATA, va="top")
    axes.set(xlabel="training step", ylabel="sliced W2 ÷ that of data from data",
             xlim=(0, 1.2 * step[-1]), ylim=(0.6, None))  # fmt: skip
    ticks = [1, 2, 3, 5, 10]
    axes.set_yticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    style.proof(axes, "second half: distance "
                f"{mean[0] / data['floor']:.2f} → {mean[1] / data['floor']:.2f},  "
                f"jumps {jump[0]:.0%} → {jump[1]:.0%}", 0.4, 0.93)  # fmt: skip
