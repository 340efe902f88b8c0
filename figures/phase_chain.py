"""CD adds up what short chains learn; short-run chains must mix.

Chains of k = 1 … 256 steps of 0.1 (MALA) at 7 separations on the exact law: q* = 0.8, θ0 = 0, 80
steps of 1 (a stored sweep of 126 runs; `figures all --resweep` makes it again). At the mixing
(Kramers) time τ, dashed, chains begin to forget where they started; that is not where learning
begins. CD's chains start at data: however short they are, a share 1 − e^{−K/τ} of p_b(θ) − q* is
left in θ̇, and a run of time t moves θ a tenth of the way with chains of K ≈ 0.46 τ/t, which is
τ/170 here. Short-run chains start at noise, and what they remember of it is a bias: to be off by
less than 0.03 in θ they need 4τ. Both full lines are without a free number. The colours
below are the share of the way that is done at the end of the run: green is only where all of it is.
Sources: Hinton 2002; Nijkamp, Hill, Zhu & Wu 2019; [C] Coste, Generative models, how they work and
how to train them, June 2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.figures import _map
from toyflows.flows.base import LEARNED
from toyflows.stats import Checked, at_least, at_most
from toyflows.sweep.chart import Chart, Panel, chart
from toyflows.verdict import KINDS

ORDER = 82
SAYS = {
    "CD adds up what short chains learn": ("shortest chain with which CD learns, in mixing times",),
    "short-run chains must mix": (
        "short-run between 1 and 3 mixing times that converge",
        "short-run of these that do not converge",
    ),
}
NAME = "phase_chain"
KRAMERS, TENTH, BIAS = "chain = Kramers time", "a tenth of the way", "bias = 0.03"
LONG = 5.0  # mixing times: e^{−5} of the start is left, a bias of 0.02
WORKS = KINDS.index("converges")


def compute(scale: float, seed: int) -> dict[str, Array]:
    """The stored sweep, and how many of some runs made again differ."""
    data = _map.kept(NAME)
    return data | {"unlike": _map.unlike(data, NAME, 0.4 * scale, seed)}


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Long chains learn; at Kramers' time short-run chains do not yet, and CD has for long."""
    cd, short = _chart(data).panels
    learns, exact = _chart(data, "share").panels[0].values >= LEARNED, short.values == WORKS
    cd_share, cd_far = _map.agreement(_map.positive(cd, TENTH), learns)
    share, far = _map.agreement(_map.positive(short, BIAS), exact)
    return {
        "stored numbers that differ": at_most("runs unlike", float(data["unlike"][0]), 0),
        "chains of 5 mixing times": at_least("points", float(_longer(cd, LONG).sum()), 3),
        "CD of these that do not converge": _failing(cd, LONG),
        "short-run of these that do not converge": _failing(short, LONG),
        "short-run between 1 and 3 mixing times that converge": at_most(
            "points", float(exact[_longer(short, 1) & ~_longer(short, 3)].sum()), 0
        ),
        "shortest chain with which CD learns, in mixing times": at_most(
            "K/τ", float(np.exp(cd.lines[KRAMERS][learns].min())), 0.02
        ),
        "CD learns where its formula says": at_least("share", cd_share, 0.93),
        "CD, unlike and not beside the line": at_most("points", cd_far, 0),
        "short-run is right where its formula says": at_least("share", share, 0.93),
        "short-run, unlike and not beside the line": at_most("points", far, 0),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """A map for each method."""
    fig.set_size_inches(12.8, 8.4)
    titles = ("CD-k: chains from data", "short-run: chains from noise")
    _map.beside(fig, _chart(data), _chart(data, "share"), titles)


def _chart(data: dict[str, Array], show: str = "verdict") -> Chart:
    return chart(_map.read(data, NAME), x="separation", y="k", over="loss", show=show)


def _longer(panel: Panel, times: float) -> NDArray[np.bool_]:
    """Where chains are longer than so many mixing times."""
    return np.asarray(panel.lines[KRAMERS] > np.log(times))


def _failing(panel: Panel, times: float) -> Checked:
    return at_most("points", float(np.sum(panel.values[_longer(panel, times)] != WORKS)), 0)
