"""Guidance buys accuracy with variety.

Three round Gaussians of spread 0.8 at distance 1 from the centre are three classes that overlap. A
class-conditional DDPM with a tenth of the labels withheld (2000 steps of 512 points) gives both
s(x|y) = ∇log p_t(x|y) and s(x); samples of each class by DDIM in 40 steps with (1 + w) s(x|y) −
w s(x), and the same with the exact scores. Left and middle: 1000 points of each class, w = 0 and 3.
Right: the share of samples that the exact posterior gives to their class, and their spread about
its mean over that of the class: at w = 3 the learned cloud is the smaller one, as w multiplies
the errors of both scores. Sources: Ho & Salimans, Classifier-free diffusion guidance
(2022); Dhariwal & Nichol (2021), whose classifier gives the same field by Bayes' rule.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion.drawing import Exact, Plan, Subject, guided
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.targets import Target
from toyflows.figures import _diffusion as diffusion
from toyflows.figures import _style as style
from toyflows.seeds import stream
from toyflows.stats import Checked, at_least, at_most

ORDER = 420
SAYS = {
    "Guidance buys accuracy with variety": (
        "learned: gain of accuracy",
        "learned: least loss of spread",
        "exact: gain of accuracy",
        "exact: least loss of spread",
    ),
}
ANGLES = np.pi * np.array([1 / 2, 7 / 6, 11 / 6])
LAW = Gaussians(np.full(3, 1 / 3), np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1), np.full(3, 0.8))
TARGET = Target("three classes", LAW.sample_with_labels, 3, lambda: LAW)
STEPS, COUNT, PLAN = 2000, 1000, Plan("ddim", 40)
SCALES = (0.0, 0.5, 1.0, 2.0, 3.0)
CLASSES = (style.DATA, style.SECOND, style.ACCENT)
NEAR = {"accuracy": 0.03, "spread": 0.12}  # learned from exact; guidance extrapolates errors


def compute(scale: float, seed: int) -> dict[str, Array]:
    """By subject (learned, exact) and w: points of each class (2, w, 3, n, 2), accuracy (2, w) and
    spread over the class's own (2, w)."""
    steps, n = max(1200, int(STEPS * scale)), max(600, int(COUNT * scale))
    model = diffusion.trained(TARGET, steps, seed, cosine=steps, labels=True)
    subjects: tuple[Subject, ...] = (model, Exact(LAW, model.process))
    points = np.array([[_drawn(s, w, n, seed) for w in SCALES] for s in subjects])
    right = LAW.responsibilities(points.reshape(-1, 2)).argmax(axis=1).reshape(points.shape[:-1])
    mean = points.mean(axis=3, keepdims=True)
    spread = np.sqrt(np.square(points - mean).mean(axis=(2, 3, 4)))
    accuracy = (right == np.arange(3)[:, None]).mean(axis=(2, 3))
    return {"points": points, "accuracy": accuracy, "spread": spread / LAW.spreads[0]}


def _drawn(subject: Subject, w: float, n: int, seed: int) -> Array:
    """Samples of each class (3, n, 2), all from the same noise."""
    return np.array([
        subject.units.outward(
            PLAN.draw(guided(subject, y, w), subject.process, (n, 2), stream(seed, "sample", y)).x
        )
        for y in range(3)
    ])  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Accuracy rises, and with every w spread falls, learned and exact; learned is near exact up to
    w = 1, and apart beyond, where w multiplies its errors."""
    out: dict[str, Checked | float] = {}
    for k, who in enumerate(("learned", "exact")):
        gain, loss = np.diff(data["accuracy"][k]), np.diff(data["spread"][k]).max()
        out[f"{who}: gain of accuracy"] = at_least(f"gain, {who}", gain.sum(), 0.1)
        out[f"{who}: least of its steps"] = at_least(f"step, {who}", gain.min(), -0.005)
        out[f"{who}: least loss of spread"] = at_most(f"change of spread, {who}", loss, -0.01)
    for what, near in NEAR.items():
        gap = np.abs(np.diff(data[what], axis=0)[0])
        near_by = float(gap[: SCALES.index(1.0) + 1].max())
        out[f"{what}: learned from exact"] = at_most(f"{what}, learned from exact", near_by, near)
        out[f"{what}: learned from exact at w = {SCALES[-1]:g}"] = float(gap[-1])
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Two clouds; accuracy and spread over w."""
    fig.set_size_inches(12.8, 5.0)
    axes = fig.subplots(1, 3, width_ratios=[1, 1, 1.25])
    for ax, k in zip(axes, (0, len(SCALES) - 1), strict=False):
        for x, colour in zip(data["points"][0, k], CLASSES, strict=True):
            diffusion.cloud(ax, x, colour, 4.2)
        ax.spines[:].set_visible(False)
        ax.set_anchor("N")
        ax.set_title(f"w = {SCALES[k]:g}, learned")
        style.proof(ax, f"{100 * data['accuracy'][0, k]:.0f} % right", fontsize=17)
    _curves(axes[2], data)


def _curves(axes: Axes, data: dict[str, Array]) -> None:
    for what, colour, name in (
        ("accuracy", style.WALKERS, "accuracy"), ("spread", style.INK, "spread ÷ the class's")
    ):  # fmt: skip
        learned, exact = data[what]
        axes.plot(SCALES, exact, color=style.EXACT, lw=5, alpha=0.5)
        axes.plot(SCALES, learned, "o", color=colour, ms=9)
        height = learned[-1] + (0.05 if what == "accuracy" else -0.1)
        style.label(axes, SCALES[-1], height, name, colour, ha="right")
    style.label(axes, 0.0, 0.13, "$w$ multiplies the errors\nof what is learned", style.INK,
                fontsize=13)  # fmt: skip
    style.label(axes, 0.0, 0.05, "line: exact", style.EXACT)
    style.label(axes, 1.3, 0.05, "dots: learned", style.GREY)
    axes.set(xlabel="guidance $w$", ylim=(0, 1.12), title="(1 + w) s(x|y) − w s(x)")
