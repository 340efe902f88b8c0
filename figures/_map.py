"""A sweep as a phase diagram: verdicts as coloured regions that carry their names, numbers as a
colour map, the theory's lines, small multiples for a third dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize, SymLogNorm
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.figures._raster import edges, positions, spread
from toyflows.figures._style import GREY, message, new_figure, number, style
from toyflows.figures._table import COLOUR
from toyflows.figures._words import words
from toyflows.sweep import stored
from toyflows.sweep.chart import SHOWN, Chart, Panel
from toyflows.sweep.result import Result
from toyflows.verdict import KINDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {
    "separation": "separation $d$", "time": "time $t$", "sigma": "noise σ", "dt": "time step $dt$",
    "k": "steps of a chain $k$", "theta_star": r"target $\theta_*$", "q_star": "target $q_*$",
    "theta0": r"start $\theta_0$", "loss": "",
}  # fmt: skip


def picture(chart: Chart) -> Figure:
    """The whole figure, with its message."""
    with style():
        figure = new_figure()
        if len(chart.panels) > 3:
            figure.set_size_inches(12.8, 3.4 * _shape(len(chart.panels))[0] + 0.6)
        message(figure, chart.message)
        if chart.missing:
            told = f"blank: {chart.missing:,} of {chart.runs:,} runs are still to be done"
            figure.supxlabel(told, fontsize=13, color=GREY, x=0.01, ha="left")
        maps(figure, chart)
        return figure


def maps(figure: Figure, chart: Chart, titles: Sequence[str] = ()) -> None:
    """All panels, with the names of their lines and regions."""
    rows, columns = _shape(len(chart.panels))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    scale = None if chart.show == "verdict" else _scale(chart)
    shown: list[tuple[Axes, Chart, Panel]] = []
    for k, axes in enumerate(grid.flat):
        if k >= len(chart.panels):
            axes.set_visible(False)
            continue
        panel = chart.panels[k]
        one(axes, chart, titles[k] if titles else _title(chart, panel), panel, scale)
        lowest = k + columns >= len(chart.panels)
        axes.set(**({} if lowest else {"xlabel": ""}), **({"ylabel": ""} if k % columns else {}))
        axes.xaxis.set_tick_params(labelbottom=lowest)
        shown.append((axes, chart, panel))
    if scale is not None:
        bar = figure.colorbar(ScalarMappable(scale, _hues(scale)), ax=list(grid.flat), pad=0.01)
        bar.set_label(SHOWN[chart.show], fontsize=15)
        if isinstance(scale, SymLogNorm):  # near 0 ticks would cover each other
            far = [v for v in bar.get_ticks() if v == 0 or abs(v) > 3 * scale.linthresh]
            bar.set_ticks(far)
    words(figure, shown)


def one(
    axes: Axes, chart: Chart, title: str, panel: Panel | None = None, scale: Normalize | None = None
) -> None:
    """A panel's colours, its axes and title; `words` names what is seen, when all is drawn."""
    _colours(axes, chart, panel or chart.panels[0], scale)
    _ticks(axes, chart)
    axes.set_title(title, fontsize=15)
    axes.set(xlabel=NAMES.get(chart.x, chart.x), ylabel=NAMES.get(chart.y, chart.y))


def _shape(panels: int) -> tuple[int, int]:
    """Rows and columns."""
    rows = 1 if panels <= 3 else 2 if panels <= 8 else 3
    return rows, -(-panels // rows)


def _title(chart: Chart, panel: Panel) -> str:
    if panel.name is None:
        return ""
    said = str(panel.name) if isinstance(panel.name, str) else number(float(panel.name), "g")
    return said if chart.over == "loss" else f"{NAMES.get(str(chart.over), chart.over)} = {said}"


def _ticks(axes: Axes, chart: Chart) -> None:
    for values, name in ((chart.xs, "x"), (chart.ys, "y")):
        x, log = positions(values)
        axis = getattr(axes, f"{name}axis")
        if log:
            getattr(axes, f"set_{name}scale")("log")
        ends = edges(values)
        getattr(axes, f"set_{name}lim")(ends.min(), ends.max())
        if not all(type(v) in (int, float) for v in values):
            axis.set_ticks(x, [str(v) for v in values])
            axis.set_inverted(name == "y")  # words are read from the top
    axes.grid(False)


def _colours(axes: Axes, chart: Chart, panel: Panel, scale: Normalize | None) -> None:
    x, y = edges(chart.xs), edges(chart.ys)
    if scale is None:
        hues = ListedColormap([COLOUR[kind] for kind in KINDS])
        shown = np.ma.masked_array(panel.values, ~panel.there)
        between = np.arange(len(KINDS) + 1) - 0.5
        axes.pcolormesh(x, y, shown, cmap=hues, norm=BoundaryNorm(between, len(KINDS)))
        return
    hidden = ~panel.there | ~np.isfinite(panel.values)
    numbers = np.ma.masked_array(panel.values, hidden)
    axes.pcolormesh(x, y, numbers, norm=scale, cmap=_hues(scale))
    diverged = np.ma.masked_array(np.ones(panel.values.shape), ~(hidden & panel.there))
    axes.pcolormesh(x, y, diverged, cmap=ListedColormap([COLOUR["diverges"]]))


def _hues(scale: Normalize) -> str:
    """From one colour through white to another where numbers have both signs."""
    return "PuOr" if scale.vmin is not None and scale.vmin < 0 else "cividis"


def _scale(chart: Chart) -> Normalize:
    """Even about 0 where numbers have both signs; logarithmic far out where they span decades."""
    found = [p.values[p.there & np.isfinite(p.values)] for p in chart.panels]
    v = np.concatenate(found) if found else np.zeros(1)
    v = v if v.size else np.zeros(1)
    top, typical = float(np.abs(v).max()), float(np.median(np.abs(v)))
    if v.min() >= 0:
        return Normalize(0.0, top or 1.0)
    if typical > 0 and top > 20 * typical:
        return SymLogNorm(typical, vmin=-top, vmax=top)
    return Normalize(-top, top)


# ------------------------------------------------------------------ for figures of stored sweeps
def kept(name: str) -> dict[str, Array]:
    """A stored sweep, for a figure's compute."""
    return {f"{name}/{key}": values for key, values in stored.load(name).to_arrays().items()}


def read(data: dict[str, Array], name: str) -> Result:
    """The sweep that `kept` put among the data."""
    mine = {k.removeprefix(f"{name}/"): v for k, v in data.items() if k.startswith(f"{name}/")}
    return Result.from_arrays(mine)


def unlike(data: dict[str, Array], name: str, scale: float, seed: int) -> Array:
    """Of up to five runs of a stored sweep, drawn at random, how many have other numbers today."""
    result = read(data, name)
    drawn = np.random.default_rng(seed).permutation(result.plan.runs)[: max(1, round(5 * scale))]
    rows = stored.again(result.plan, drawn.tolist())
    same = [all(equal(row[key], array.reshape(-1)[k]) for key, array in result.values.items())
            for k, row in zip(drawn.tolist(), rows, strict=True)]  # fmt: skip
    return np.array([len(same) - sum(same), len(same)])


def equal(one: float, other: float) -> bool:
    """Up to what another class of CPU rounds otherwise (docs/architecture.md): 1e−11 of θ, which an
    unstable run makes more of, and all of a number that is a rest of differences, next to zero."""
    return bool(np.isclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True))


def positive(panel: Panel, line: str) -> NDArray[np.bool_]:
    """On which side of the line the points are (y, x)."""
    return np.asarray(panel.lines[line] > 0)


def agreement(predicted: NDArray[np.bool_], found: NDArray[np.bool_]) -> tuple[float, int]:
    """The share of points that are as predicted, and of the others those that have no neighbour
    (of eight) for which the opposite is predicted: too far from the line for a cell's width."""
    wrong = predicted != found
    near = spread(predicted) & spread(~predicted)
    return 1.0 - float(wrong.mean()), int(np.sum(wrong & ~near))
