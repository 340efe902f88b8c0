"""Scores of sets of images as histograms above each other, against those of the first set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from toyflows.figures import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toyflows.cloud import Array

LEAST, LARGEST = -6.0, 6000.0  # ends of the axis, at least and at most
BINS = 140


def ridges(axes: Axes, scores: Mapping[str, Array], colours: Sequence[str]) -> None:
    """A histogram a set, all of one height, over z = (score − median)/spread of the first set, the
    spread being half of its middle 68 %, on an axis of sinh⁻¹(z/2); the line is the threshold that
    5 % of the first set pass, and the share of each set that passes it stands at the right."""
    inside = next(iter(scores.values()))
    low, middle, high, top = np.percentile(inside, [16, 50, 84, 95])
    unit = 2 / max(high - low, 1e-300)
    threshold = unit * (top - middle)
    reach = max(float((unit * (x - middle)).max()) for x in scores.values())
    ends = LEAST, min(LARGEST, max(20.0, 2 * reach))
    edges = 2 * np.sinh(np.linspace(math.asinh(ends[0] / 2), math.asinh(ends[1] / 2), BINS + 1))
    axes.set_xscale("asinh", linear_width=2.0)
    axes.axvline(threshold, color=style.INK, lw=2, zorder=3)
    for y, (x, colour) in enumerate(zip(scores.values(), colours, strict=True)):
        z = unit * (x - middle)
        count, _ = np.histogram(np.clip(z, edges[0], edges[-1]), edges)
        rise = y + 0.4 - 0.85 * count / count.max()
        axes.stairs(rise, edges, baseline=y + 0.4, fill=True, color=colour, alpha=0.45, lw=0)
        axes.stairs(rise, edges, baseline=y + 0.4, color=colour, lw=1.2)
        share = f"{np.mean(z > threshold):.0%}".replace("%", " %")
        axes.text(0.99, y + 0.3, share, color=colour, ha="right", fontweight="bold",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    _named(axes, list(scores), ends)


def _named(axes: Axes, names: Sequence[str], ends: tuple[float, float]) -> None:
    """The sets' names, and an axis with room for the shares at the right."""
    axes.set_yticks(range(len(names)), names)
    ticks = [x for x in (-2, 0, 2, 10, 100, 1000) if x < ends[1]]
    axes.set_xticks(ticks, [style.number(x, "g") for x in ticks])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    low, high = (math.asinh(end / 2) for end in ends)
    right = 2 * math.sinh(high + 0.28 * (high - low))
    axes.set(xlim=(ends[0], right), ylim=(len(names) - 0.4, -0.6))


def picture(
    model: str, score: str, scores: Mapping[str, Array], areas: Mapping[str, float]
) -> Figure:
    """A score of a model: its own test images in blue, the outsiders with their AUROC."""
    with style.style():
        figure = style.new_figure(figsize=(12.8, 2.2 + 0.55 * max(3, len(scores))))
        style.message(figure, f"{model}: how far each set is from the data, by its {score}")
        axes = figure.subplots()
        named = {
            f"{name} (AUROC {areas[name]:.3f})" if name in areas else name: x
            for name, x in scores.items()
        }
        ridges(axes, named, [style.EXACT if name in areas else style.DATA for name in scores])
        axes.set_xlabel(f"{score} − median of the test images, in their spreads")
        axes.set_title("share past the line", loc="right")
        return figure
