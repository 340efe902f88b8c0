"""The more noise, the farther apart the modes that score matching can see.

Denoising score matching, the model noised as the data are, on the exact law: q* = 0.8, θ0 = 0, 35
separations × 16 noises × 3 times, in steps of 1 (a stored sweep of 1680 runs; `figures all
--resweep` makes it again). Who is on its way has moved θ a tenth of the way to θ* at least, or
needs no more than 100 runs as long; the colours below the maps are the share of the way that is
done, and the lines are about a tenth of it. Shows [C]: noise puts d²/(1+σ²) in the place of d², so
that d² = 8(1+σ²) log t. That is the leading order: it says how the border moves with log t (its
slope there is 6 to 10 % more), but leaves out the factor d/(1+σ²)^{3/2} of the speed, and is off by
up to 47 % in d². With the factor, the full line meets the border within 3 %. (Bottom right: near
modes under much noise are one hill, and slow.) Sources: Vincent 2011; [C] Coste, Generative models,
how they work and how to train them, June 2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _map
from toyflows.flows.base import LEARNED
from toyflows.stats import Checked, at_least, at_most, close
from toyflows.sweep.chart import Chart, chart

ORDER = 107
SAYS = {
    "The more noise, the farther apart the modes that score matching can see": (
        "least gain of d² from one noise to the next",
    ),
}
NAME = "phase_noise"
LEADING, FULL = "d² = 8(1+σ²) log t", "a tenth of the way"


def compute(scale: float, seed: int) -> dict[str, Array]:
    """The stored sweep; how many of some runs made again differ; d² at the border (3 times, 16
    noises) as seen, by the leading order, and by the formula with its factor."""
    data = _map.kept(NAME)
    result, seen = _map.read(data, NAME), _chart(data)
    share = result["theta"][0, ..., 0] / result.plan.base.theta_star  # (noise, separation, time)
    past = np.log(-np.log1p(-np.clip(share, 1e-300, 1 - 1e-15)) / -np.log1p(-LEARNED))
    d2 = np.array(seen.ys, float) ** 2
    return data | {
        "unlike": _map.unlike(data, NAME, scale, seed),
        "border": np.array([_zeros(d2, past[:, :, k].T) for k in range(len(seen.panels))]),
        "leading": np.array([_zeros(d2, p.lines[LEADING]) for p in seen.panels]),
        "full": np.array([_zeros(d2, p.lines[FULL]) for p in seen.panels]),
        "log t": np.log([float(p.name or 0) for p in seen.panels]),
    }  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The border moves with log t as d² = 8(1+σ²) log t says, and is where the formula with its
    factor says."""
    border, full, lead = data["border"], data["full"], data["leading"]
    moved = (border[-1] - border[0]) / (lead[-1] - lead[0])
    slope, offset = np.polyfit(full.ravel(), border.ravel(), 1)
    return {
        "stored numbers that differ": at_most("runs unlike", float(data["unlike"][0]), 0),
        "least gain of d² from one noise to the next": at_least(
            "gain of d²", float(np.diff(border, axis=1).min()), 0.0
        ),
        "slope over 8(1+σ²) log t, least": close("slope", moved.min(), 1.0, atol=0.13),
        "slope over 8(1+σ²) log t, most": close("slope", moved.max(), 1.0, atol=0.13),
        "d² over the leading order, least": float((border / lead).min()),
        "d² over the leading order, most": float((border / lead).max()),
        "leading order is off by": at_least("error", float(np.abs(border / lead - 1).max()), 0.3),
        "formula is off by": at_most("error", float(np.abs(border / full - 1).max()), 0.045),
        "formula at the longest time": at_most(
            "error", float(np.abs(border[-1] / full[-1] - 1).max()), 0.012
        ),
        "slope over the formula": close("slope", float(slope), 1.0, atol=0.015),
        "intercept": close("d² at 0", float(offset), 0.0, atol=3.0),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """A map for each time."""
    fig.set_size_inches(12.8, 8.4)
    seen = _chart(data)
    titles = [f"time $t$ = {float(p.name or 0):,.0f}" for p in seen.panels]
    _map.beside(fig, seen, _chart(data, "share"), titles)


def _chart(data: dict[str, Array], show: str = "verdict") -> Chart:
    return chart(_map.read(data, NAME), x="sigma", y="separation", over="time", show=show)


def _zeros(d2: Array, level: Array) -> Array:
    """Where each column of a level that falls with d² (n, m) passes 0 for the last time (m,)."""
    out = np.full(level.shape[1], np.nan)
    for k, column in enumerate(level.T):
        j = np.flatnonzero((column[:-1] > 0) & (column[1:] <= 0))[-1]
        out[k] = np.interp(0.0, -column[j : j + 2], d2[j : j + 2])
    return out
