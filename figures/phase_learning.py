"""Scores and chains: time hardly buys distance, d² grows like log t.

Six methods on the exact law, separation × time: q* = 0.8, θ0 = 0, 12 separations, 7 times, steps of
0.1 (a stored sweep of 504 runs; `figures all --resweep` makes it again). Maximum likelihood
and Jarzynski's weights learn at all of them. Score matching and CD-1 ask for times like e^{d²/8}: a
hundred times longer, and modes are seen 2 to 3 spreads farther apart. Noise σ = 3, on the data and
on the model, stretches this to e^{d²/8(1+σ²)}, at a price for near modes, which it blurs into one.
PCD first runs away; later it is seen to swing. The first two learn at all of these distances by t =
31 and are not drawn. Beside each map stands the share of the way that is
done, in colour. The lines are the theory's, without a free number
(docstrings of the methods' `frontiers`): at the dashed one of score matching [C]'s e^{−d²/8} t is
1, without the factor d of the speed. Source: [C] Coste, Generative models, how they work and how to
train them, June 2024.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _map
from toyflows.flows.base import LEARNED
from toyflows.stats import Checked, at_least, at_most, close
from toyflows.sweep.chart import Chart, chart
from toyflows.verdict import KINDS

ORDER = 118
SAYS = {
    "Scores and chains": (
        "score-matching: as its formula says",
        "cd: as its formula says",
        "pcd: swings as its formula says, d > 7",
    ),
    "time hardly buys distance": (
        "score-matching: distance that ten times the time buys",
        "cd: distance that ten times the time buys",
    ),
    "d² grows like log t": (
        "score-matching: as its formula says",
        "denoising sigma=3.0 model=noised: as its formula says",
    ),
}
NAME = "phase_learning"
EVERYWHERE = ("ml", "jarzynski")
TENTH, BACK = "a tenth of the way", "back at θ* within t"
OSCILLATES = KINDS.index("oscillates")
TITLES = {
    "ml": "maximum likelihood", "jarzynski": "PCD + Jarzynski's weights",
    "score-matching": "score matching", "denoising sigma=3.0 model=noised": "denoising, σ = 3",
    "cd": "CD-1", "pcd": "PCD",
}  # fmt: skip


def compute(scale: float, seed: int) -> dict[str, Array]:
    """The stored sweep, and how many of some runs made again differ."""
    data = _map.kept(NAME)
    return data | {"unlike": _map.unlike(data, NAME, scale, seed)}


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """A tenth of the way: two methods do it everywhere; three from the time on that their formula
    says; PCD swings from the time on that its formula says."""
    seen = _chart(data)
    out: dict[str, Checked | float] = {
        "stored numbers that differ": at_most("runs unlike", float(data["unlike"][0]), 0)
    }
    for panel, share_done in zip(seen.panels, _chart(data, "share").panels, strict=True):
        name, works = str(panel.name), share_done.values >= LEARNED
        reach = np.array(seen.xs)[works[-1]].max()
        out[f"{name}: largest d learned in time {seen.ys[-1]:g}"] = float(reach)
        if name in EVERYWHERE:
            out[f"{name}: share learned"] = close("share", float(works.mean()), 1.0)
        elif TENTH in panel.lines:
            share, far = _map.agreement(_map.positive(panel, TENTH), works)
            out[f"{name}: as its formula says"] = at_least("share", share, 0.95)
            # Noise of 3 leaves one mode of d = 3, and the formula is that of two.
            blurred = int(name.startswith("denoising"))
            out[f"{name}: unlike, and not beside the line"] = at_most("points", far, blurred)
        if name in ("score-matching", "cd"):
            tenth = int(np.searchsorted(seen.ys, 0.1 * float(seen.ys[-1]) * (1 - 1e-9)))
            before = np.array(seen.xs)[works[tenth]].max()
            out[f"{name}: distance that ten times the time buys"] = at_most(
                "distance", float(reach - before), 3.0
            )
    pcd = seen.panels[-1]
    far_modes = np.array(seen.xs) > 7
    share, far = _map.agreement(
        _map.positive(pcd, BACK)[:, far_modes], (pcd.values == OSCILLATES)[:, far_modes]
    )
    out["pcd: swings as its formula says, d > 7"] = at_least("share", share, 0.95)
    out["pcd: unlike, and not beside the line"] = at_most("points", far, 0)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """A map for each method that time limits."""
    fig.set_size_inches(12.8, 7.4)
    regions, shares = (_limited(_chart(data, show)) for show in ("verdict", "share"))
    _map.beside(fig, regions, shares, [TITLES[str(panel.name)] for panel in regions.panels])


def _limited(seen: Chart) -> Chart:
    """Without the two methods that learn at every distance: their panels are of one colour."""
    panels = tuple(panel for panel in seen.panels if str(panel.name) not in EVERYWHERE)
    return replace(seen, panels=panels)


def _chart(data: dict[str, Array], show: str = "verdict") -> Chart:
    return chart(_map.read(data, NAME), x="separation", y="time", over="loss", show=show)
