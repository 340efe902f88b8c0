"""The picture of a run among K modes: the way of the weights, and where the walkers are."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from toyflows.cloud import Array
from toyflows.figures import _simplex as simplex
from toyflows.figures import _style as style
from toyflows.verdict import MESSAGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toyflows.modes.family import Modes

WAYS: dict[str, dict[str, Any]] = {
    "grid": {"lw": 7, "alpha": 0.55, "solid_capstyle": "butt"},
    "walkers": {"lw": 3},
    "theory": {"ls": (0, (4, 3)), "lw": 2},
}
MOST = 4000  # walkers that are drawn
COLOURS = (style.DATA, style.EXACT, style.WALKERS, style.ACCENT, style.SECOND, style.THIRD)


def picture(run: Any) -> Figure:
    """The run as one figure."""
    with style.style():
        figure = style.new_figure()
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
        title = MESSAGE[run.verdict.kind].format(run.flow.title)
        style.message(
            figure,
            title.replace("the weight", "the weights").replace("wrong weight", "wrong weights"),
        )
        (_triangle if run.target.mixture.K == 3 else _lines)(left, run)
        _plane(right, run)
        figure.supxlabel(textwrap.fill(run.verdict.says, 125), x=0.01, ha="left", fontsize=13)
        return figure


def _triangle(axes: Axes, run: Any) -> None:
    """Three weights: each backend's way."""
    simplex.triangle(axes)
    for name, how in WAYS.items():
        if name in run.backends:
            weights = run.target.mixture.weights(run.backends[name].θ)
            simplex.path(axes, weights, style.COLOUR[name], **how)
    simplex.goal(axes, run.target.mixture.weights(run.target.θ_star))
    names = [(style.NAME[name], style.COLOUR[name]) for name in WAYS if name in run.backends]
    for k, (text, colour) in enumerate([("target", style.DATA), *names]):
        axes.text(
            0.0,
            0.99 - 0.07 * k,
            text,
            transform=axes.transAxes,
            color=colour,
            va="top",
            fontweight="bold",
        )


def _lines(axes: Axes, run: Any) -> None:
    """q_k(t) of the first six modes, the data's as lines at the right end."""
    star, t = run.target.mixture.weights(run.target.θ_star), run.judged.t
    for k, colour in zip(range(run.target.mixture.K), COLOURS, strict=False):
        axes.plot(t, run.weights[:, k], color=colour)
        axes.plot(t[-1] * 1.01, star[k], "<", ms=10, color=colour, clip_on=False)
        axes.text(
            t[-1] * 1.04,
            star[k],
            f"mode {k + 1}",
            color=colour,
            va="center",
            fontweight="bold",
            fontsize=13,
        )
    axes.set(xlabel="time $t$", xlim=(0, t[-1]), ylim=(0, None))
    axes.set_title("weights $q_k(t)$, and the data's ◂")


def _plane(axes: Axes, run: Any) -> None:
    """Walkers in the first two directions of the modes; a disc a mode, of the data's weight."""
    mix = run.target.mixture
    frame = _view(run.target.mixture)
    μ = frame @ mix.positions.T
    weights = mix.weights(run.target.θ_star)
    if run.walkers is not None:
        x = frame @ run.walkers[:, :MOST]
        axes.plot(*x, ".", ms=2, color=style.WALKERS, alpha=0.5, zorder=1)
        axes.set_title("walkers at the end")
    axes.scatter(μ[0], μ[1], 3000 * weights, color=style.DATA, alpha=0.35, lw=0, zorder=2)
    for k in range(min(mix.K, 12)):
        axes.text(
            μ[0, k],
            μ[1, k],
            str(k + 1),
            ha="center",
            va="center",
            color=style.INK,
            zorder=3,
            fontweight="bold",
        )
    reach = 4.0 * float(mix.spreads.max())
    axes.set(xlim=(μ[0].min() - reach, μ[0].max() + reach), aspect="equal")
    axes.set(ylim=(μ[1].min() - reach, μ[1].max() + reach), xticks=[], yticks=[])


def _view(mix: Modes) -> Array:
    """Two directions (2, D): those of space where D = 2, else of the modes, else across them."""
    if mix.D == 2:
        return np.eye(2)
    if len(mix.frame) > 1:
        return mix.frame[:2]
    along = mix.frame[0]
    across = np.zeros(mix.D)
    if mix.D > 1:
        across[int(np.argmin(np.abs(along)))] = 1.0
        across -= along * (along @ across)
        across /= np.linalg.norm(across)
    return np.stack([along, across])
