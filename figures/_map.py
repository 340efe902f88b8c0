"""A sweep as a phase diagram: verdicts as coloured regions that carry their names, numbers as
continuous colour, beside the regions or alone, the theory's lines, small multiples for a third
dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, LogNorm, Normalize, SymLogNorm
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.figures._raster import edges, positions, spread
from toyflows.figures._style import GREY, message, new_figure, number, style
from toyflows.figures._table import COLOUR
from toyflows.figures._words import words
from toyflows.flows.base import NEAR
from toyflows.sweep import stored
from toyflows.sweep.chart import SHOWN, Chart, Panel
from toyflows.sweep.result import Result
from toyflows.verdict import KINDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOTHING = 0.001  # of the way: what round-off leaves is not "farther off"
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


def maps(figure: Figure, chart: Chart) -> None:
    """All panels, with the names of their lines and regions."""
    grid = figure.subplots(*_shape(len(chart.panels)), squeeze=False, sharex=True, sharey=True)
    charts = single(chart)
    shown = fill(grid.ravel(), charts, [_title(chart, panel) for panel in chart.panels])
    outer(grid)
    bar(figure, grid, charts)
    words(figure, shown)


def beside(figure: Figure, regions: Chart, numbers: Chart, titles: Sequence[str]) -> None:
    """Each panel's regions, and the same panel's numbers below them (at their right, where there
    are many panels)."""
    n = len(titles)
    shape = (2, n) if n <= 3 else (-(-n // 2), 4)
    grid = figure.subplots(*shape, squeeze=False, sharex=True, sharey=True)
    first, second = (grid[0], grid[1]) if n <= 3 else (grid[:, ::2].ravel(), grid[:, 1::2].ravel())
    shown = fill(first, single(regions), titles) + fill(second, single(numbers), [""] * n)
    outer(grid)
    bar(figure, grid, [numbers])
    words(figure, shown)


def single(chart: Chart) -> list[Chart]:
    """A chart for each of its panels."""
    return [replace(chart, panels=(panel,)) for panel in chart.panels]


Shown = tuple["Axes", Chart, Panel]


def fill(places: Any, charts: Sequence[Chart], titles: Sequence[str]) -> list[Shown]:
    """Charts of one panel in these axes (those left over are hidden), on one scale; for `words`."""
    scale = _scale(charts)
    for axes, chart, title in zip(places, charts, titles, strict=False):
        one(axes, chart, title, scale)
    for axes in places[len(charts) :]:
        axes.set_visible(False)
    return [(axes, c, c.panels[0]) for axes, c in zip(places, charts, strict=False)]


def outer(grid: Any) -> None:
    """Words along the lowest and the leftmost axes only."""
    visible = np.array([[axes.get_visible() for axes in row] for row in grid])
    for (row, column), axes in np.ndenumerate(grid):
        lowest = not visible[row + 1 :, column].any()
        axes.xaxis.set_tick_params(labelbottom=lowest)
        axes.xaxis.label.set_visible(lowest)
        axes.yaxis.label.set_visible(column == 0)


def bar(figure: Figure, grid: Any, charts: Sequence[Chart]) -> None:
    """The scale of the charts' numbers, at the right of the grid; none of verdicts."""
    scale, show = _scale(charts), charts[0].show
    if scale is None:
        return
    below = show == "share" and _numbers(charts).min() < -NOTHING
    drawn = figure.colorbar(ScalarMappable(scale, _hues(show, scale)), ax=list(grid.flat), pad=0.01,
                            extend="min" if below else "neither")  # fmt: skip
    farther = "\n(red: farther off than at the start)" if below else ""
    drawn.set_label(SHOWN[show] + farther, fontsize=15)
    if isinstance(scale, SymLogNorm):  # near 0 ticks would cover each other
        drawn.set_ticks([v for v in drawn.get_ticks() if v == 0 or abs(v) > 3 * scale.linthresh])


def one(axes: Axes, chart: Chart, title: str, scale: Normalize | None) -> None:
    """A panel's colours, its axes and title; `words` names what is seen, when all is drawn."""
    _colours(axes, chart, chart.panels[0], scale)
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
    axes.pcolormesh(x, y, numbers, norm=scale, cmap=_hues(chart.show, scale))
    diverged = np.ma.masked_array(np.ones(panel.values.shape), ~(hidden & panel.there))
    axes.pcolormesh(x, y, diverged, cmap=ListedColormap([COLOUR["diverges"]]))


def _hues(show: str, scale: Normalize) -> Colormap:
    """Yellow at θ*, where that is what numbers are about; from one colour through white to another
    where they have both signs."""
    if show == "share":
        return colormaps["cividis"].with_extremes(under=COLOUR["mode collapse"])
    if show == "distance":
        return colormaps["cividis_r"]
    return colormaps["PuOr" if scale.vmin is not None and scale.vmin < 0 else "cividis"]


def _scale(charts: Sequence[Chart]) -> Normalize | None:
    """Of the way from none to all; of distances logarithmic from what counts as at θ*; of others
    even about 0 where numbers have both signs, logarithmic far out where they span decades."""
    show = charts[0].show
    if show == "verdict":
        return None
    if show == "share":
        return Normalize(-NOTHING, 1.0)
    v = _numbers(charts)
    top, typical = float(np.abs(v).max()), float(np.median(np.abs(v)))
    if show == "distance":
        return LogNorm(NEAR, max(top, 10 * NEAR))
    if v.min() >= 0:
        return Normalize(0.0, top or 1.0)
    if typical > 0 and top > 20 * typical:
        return SymLogNorm(typical, vmin=-top, vmax=top)
    return Normalize(-top, top)


def _numbers(charts: Sequence[Chart]) -> Array:
    """All that are known; 0 where none is."""
    panels = [p for chart in charts for p in chart.panels]
    found = np.concatenate([p.values[p.there & np.isfinite(p.values)] for p in panels])
    return found if found.size else np.zeros(1)


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
    """On which side of the line the points (y, x) are."""
    return np.asarray(panel.lines[line] > 0)


def agreement(predicted: NDArray[np.bool_], found: NDArray[np.bool_]) -> tuple[float, int]:
    """The share of points that are as predicted, and of the others those that have no neighbour
    (of eight) for which the opposite is predicted: too far from the line for a cell's width."""
    wrong = predicted != found
    near = spread(predicted) & spread(~predicted)
    return 1.0 - float(wrong.mean()), int(np.sum(wrong & ~near))
