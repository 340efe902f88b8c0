"""The table of verdicts as a picture: a row a method, a column a separation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toyflows.bench import rows
from toyflows.figures import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toyflows.bench import Cell
    from toyflows.settings import RunSettings

COLOUR = {
    "converges": style.WALKERS,
    "on its way": style.THIRD,
    "biased": style.SECOND,
    "no learning": "#c8c8c8",
    "mode collapse": style.EXACT,
    "oscillates": style.ACCENT,
    "diverges": style.INK,
}
ON_DARK = ("converges", "mode collapse", "diverges")


def picture(cells: Sequence[Cell], setting: RunSettings) -> Figure:
    """The whole figure, as high as it has methods."""
    methods = len({c.method for c in cells})
    with style.style():
        figure = style.new_figure(figsize=(13.0, 1.6 + 0.36 * max(methods, 3)))
        style.message(figure, "Which methods learn the weight, and up to which separation")
        axes = figure.subplots()
        table(axes, [(m, {d: c.verdict.kind for d, c in r.items()}) for m, r in rows(cells)])
        axes.set_xlabel(
            rf"$\theta_*$ = {style.number(setting.target.θ_star)}, "
            rf"$\theta_0$ = {style.number(setting.theta0, 'g')}, "
            f"time {setting.time:g}, dt = {setting.dt:g}, rate {setting.rate:g}", loc="left",
        )  # fmt: skip
        return figure


def table(axes: Axes, words: Sequence[tuple[str, dict[float, str]]]) -> None:
    """Rows of (method, {separation: verdict}) as coloured words."""
    separations = sorted({d for _, row in words for d in row})
    for y, (_, row) in enumerate(words):
        for x, d in enumerate(separations):
            word = row.get(d)
            if word is None:
                continue
            axes.barh(y, 0.94, 0.86, left=x - 0.47, color=COLOUR[word], lw=0)
            ink = "white" if word in ON_DARK else style.INK
            axes.text(x, y, word, color=ink, ha="center", va="center", fontsize=13)
    axes.set_yticks(range(len(words)), [method for method, _ in words])
    axes.set_xticks(range(len(separations)), [f"d = {d:g}" for d in separations])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set(xlim=(-0.5, len(separations) - 0.5), ylim=(len(words) - 0.5, -0.5))
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)
