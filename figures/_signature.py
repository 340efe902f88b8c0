"""The signature picture of a run: θ(t) on every backend, and the densities at the end."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from toyflows.figures import _style as style
from toyflows.verdict import MESSAGE, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toyflows.flows import Flow
    from toyflows.mixture import Mixture
    from toyflows.state import Trajectory
    from toyflows.target import Target

FORMULA = "#4d4d4d"  # the lecture's grey, dark enough to be seen on the walkers' green
# All three often coincide: each is drawn thinner than the one below it.
LINES: dict[str, dict[str, Any]] = {
    "grid": {"color": style.EXACT, "lw": 8, "alpha": 0.55, "solid_capstyle": "butt"},
    "walkers": {"color": style.WALKERS, "lw": 3.5},
    "theory": {"color": FORMULA, "ls": (0, (4, 3)), "lw": 1.6},
}
MATHTEXT = {"p_b(θ0)": r"$p_b(\theta_0)$", "q*": "$q_*$", "θ*": r"$\theta_*$", "θ̇": r"$\dot\theta$"}
METADATA = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


class Run(Protocol):
    """What is drawn of a toyflows.Run."""

    @property
    def flow(self) -> Flow: ...
    @property
    def target(self) -> Target: ...
    @property
    def backends(self) -> dict[str, Trajectory]: ...
    @property
    def verdict(self) -> Verdict: ...


def picture(run: Run) -> Figure:
    """The run as one figure."""
    with style.style():
        figure = style.new_figure()
        left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
        style.message(figure, MESSAGE[run.verdict.kind].format(run.flow.title))
        _paths(left, run)
        _densities(right, run)
        return figure


def into(axes: Axes, run: Run) -> Figure:
    """θ(t) on every backend in somebody else's axes, in their style; their figure."""
    _lines(axes, run)
    axes.set_title(f"{run.flow.title}: {run.verdict.kind}")
    return axes.get_figure(root=True)  # type: ignore[return-value]  # None: removed axes


def picture_png(run: Run) -> bytes:
    """The run's figure as a file, of 1920 pixels."""
    file = io.BytesIO()
    figure = picture(run)
    with style.style():
        figure.savefig(file, format="png", metadata=METADATA[".png"])
    return file.getvalue()


def save_picture(figure: Figure, path: Path) -> None:
    """Writes the figure; the same drawing gives the same bytes."""
    with style.style():
        figure.savefig(path, metadata=METADATA[path.suffix])


def _paths(axes: Axes, run: Run) -> None:
    """The left panel: θ(t), and below it the verdict."""
    _lines(axes, run)
    axes.set_title(r"$\theta(t)$")
    axes.text(
        0, -0.17, _sentence(run.verdict.says), transform=axes.transAxes, color=style.INK, va="top"
    )


def _lines(axes: Axes, run: Run) -> None:
    """θ(t), each backend in its colour and named at the right, in the order of where it ends."""
    for name, how in LINES.items():
        if name in run.backends:
            axes.plot(run.backends[name].t, run.backends[name].θ, **how)
    star = run.target.θ_star
    axes.axhline(star, color=style.DATA, lw=2, zorder=1)
    end = next(iter(run.backends.values())).t[-1]
    axes.set(xlabel="time $t$", xlim=(0, end))
    ends = {name: float(tr.θ[-1]) for name, tr in run.backends.items()} | {"target": star}
    names = style.NAME | {"target": rf"target $\theta_*$ = {style.number(star, '.4g')}"}
    colours = style.COLOUR | {"target": style.DATA, "theory": FORMULA}
    low, high = axes.get_ylim()
    gap = 0.075 * (high - low)
    heights = _apart(list(ends.values()), gap, low + gap / 2, high)
    for name, y in zip(ends, heights, strict=True):
        axes.annotate(
            names[name], (end, y), xytext=(8, 0), textcoords="offset points", va="center",
            color=colours[name], fontweight="bold", annotation_clip=False, fontsize=14,
        )  # fmt: skip


def _apart(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Heights at least `gap` apart, as near to the wanted ones as their groups allow; none below
    `low` and, as far as there is room, none above `high`."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[list[int]] = []
    for i in order:
        groups.append([i])
        while len(groups) > 1 and _middle(groups[-1], wanted) - _middle(groups[-2], wanted) < (
            gap * (len(groups[-1]) + len(groups[-2])) / 2
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    out = [0.0] * len(wanted)
    for group in groups:
        for k, i in enumerate(group):
            out[i] = _middle(group, wanted) + gap * (k - (len(group) - 1) / 2)
    for rank, i in enumerate(reversed(order)):
        out[i] = min(out[i], high - gap * rank)
    for rank, i in enumerate(order):
        out[i] = max(out[i], low + gap * rank)
    return out


def _middle(group: list[int], wanted: list[float]) -> float:
    return sum(wanted[i] for i in group) / len(group)


def _sentence(says: str) -> str:
    """The verdict in lines of the left panel's width, its symbols as mathtext."""
    text = textwrap.fill(says, 84)
    for plain, math in MATHTEXT.items():
        text = text.replace(plain, math)
    return text.replace("-", "−")


def _densities(axes: Axes, run: Run) -> None:
    """Data, model at the end, and the walkers where the method keeps any."""
    mix, target = run.target.mixture, run.target
    x = np.linspace(mix.a - 4, mix.b + 4, 1001)
    if target.empirical:
        axes.hist(target.data.x, 40, density=True, color=style.DATA, alpha=0.25)
    else:
        axes.fill_between(x, mix.density(x, target.θ_star), color=style.DATA, alpha=0.25, lw=0)
    judged = run.backends.get("grid") or list(run.backends.values())[-1]
    q = mix.weight_b(float(judged.θ[-1]))
    axes.plot(x, mix.density(x, float(judged.θ[-1])), color=style.EXACT)
    names = [(f"data: {target.q_star:.3f} in b", style.DATA), (f"model: {q:.3f} in b", style.EXACT)]
    walkers = run.backends.get("walkers")
    if walkers is not None and walkers.state is not None and run.flow.has_negatives:
        chains = walkers.state.cold
        if chains is not None:
            heights, edges = np.histogram(chains.x, 90, (x[0], x[-1]), density=True)
            axes.stairs(heights, edges, color=style.WALKERS, lw=1.6)
            names.append((f"walkers: {walkers.mode_b[-1]:.3f} in b", style.WALKERS))
    axes.set(xlabel="$x$", xlim=(x[0], x[-1]), yticks=[])
    axes.set_xticks([mix.a, mix.b], mode_names(mix))
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
    axes.spines["left"].set_visible(False)
    axes.grid(False)
    axes.set_title(f"densities at t = {judged.t[-1]:g}")
    for k, (text, colour) in enumerate(names):
        axes.text(0.02, 0.99 - 0.07 * k, text, transform=axes.transAxes, color=colour, va="top",
                  fontweight="bold", fontsize=14)  # fmt: skip


def mode_names(mix: Mixture) -> list[str]:
    """The words below the two modes on the axis of x."""
    return [f"{name} = {style.number(at, '.3g')}" for name, at in (("a", mix.a), ("b", mix.b))]
