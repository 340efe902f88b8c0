"""Units that no edge joins are independent, given the rest.

Left: a Hopfield network or Boltzmann machine of 6 units, each joined with each; middle: a
restricted Boltzmann machine, whose 4 visible and 3 hidden units are joined across only; right:
DDPM's chain, which adds noise step by step and takes it away. The numbers of edges are those of a
network's free weights. Independence is checked exactly: given its visible units, an RBM's hidden
units have the product law (all 2^7 states; a Boltzmann machine's have not), so that one sweep of
Gibbs draws a whole layer at once; given x_1, x_0 and x_2 of the chain are uncorrelated. Shows [G],
lecture 8, its graphs. Source: [G] Gavves, Deep generative and energy models.
"""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from toyflows.cloud import Array
from toyflows.diffusion.chain import Ladder
from toyflows.figures import _style as style
from toyflows.lattice.enumeration import states
from toyflows.stats import Checked, at_least, at_most, close

ORDER = 495
SAYS = {
    "Units that no edge joins are independent": (
        "RBM: p(h|v) − Π p(h_j|v)",
        "with edges in the layer",
    ),
    "given the rest": ("chain: covariance of x_0 and x_2 given x_1",),
}
UNITS, VISIBLE, HIDDEN, STEPS = 6, 4, 3, 3
BETA = np.array([0.2, 0.3, 0.5])


def compute(scale: float, seed: int) -> dict[str, Array]:
    """How far the hidden units given the visible ones are from the product of their laws, in the
    RBM and with weights between them; edges; the correlations (3,) of the chain's x_0, x_1, x_2."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(VISIBLE, HIDDEN))
    J = np.triu(rng.normal(size=(HIDDEN, HIDDEN)), 1)
    ladder = Ladder.ddpm(BETA)
    correlation = [ladder.α[1], ladder.a[1], ladder.α[2]]  # of spread 1: x_0 x_1, x_1 x_2, x_0 x_2
    return {
        "far": np.array([_dependence(W, 0 * J), _dependence(W, J)]),
        "edges": np.array([len(_pairs(UNITS)), VISIBLE * HIDDEN, STEPS]),
        "correlation": np.array(correlation),
    }


def _pairs(n: int) -> list[tuple[int, int]]:
    return list(itertools.combinations(range(n), 2))


def _dependence(W: Array, J: Array) -> float:
    """max |p(h|v) − Π_j p(h_j|v)| over all states, where p ∝ e^{v·W h + h·J h}."""
    v, h = states(VISIBLE).astype(float), states(HIDDEN).astype(float)
    p = np.exp(v @ W @ h.T + np.einsum("ni,ij,nj->n", h, J, h))
    p /= p.sum(axis=1, keepdims=True)
    on = p @ h  # (v, j)
    product = np.prod(np.where(h[None] == 1, on[:, None], 1 - on[:, None]), axis=2)
    return float(np.abs(p - product).max())


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Edges, and what is independent given the rest."""
    first, second, both = data["correlation"]
    return {
        "edges of the Hopfield network": close("edges", data["edges"][0], UNITS * (UNITS - 1) / 2),
        "edges of the RBM": close("edges", data["edges"][1], VISIBLE * HIDDEN),
        "RBM: p(h|v) − Π p(h_j|v)": at_most("difference", data["far"][0], 1e-14),
        "with edges in the layer": at_least("difference", data["far"][1], 0.01),
        "chain: covariance of x_0 and x_2 given x_1": close(
            "covariance", both - first * second, 0.0, atol=1e-15
        ),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Three graphs."""
    fig.set_size_inches(12.8, 5.2)
    left, middle, right = fig.subplots(1, 3, width_ratios=[1, 1.05, 1.35])
    _hopfield(left, int(data["edges"][0]))
    _rbm(middle, int(data["edges"][1]))
    _chain(right)
    for axes in (left, middle, right):
        axes.set(aspect="equal", xticks=[], yticks=[])
        axes.axis("off")
        axes.set_anchor("N")


def _node(axes: Axes, x: float, y: float, text: str, colour: str, r: float = 0.3) -> None:
    axes.add_patch(Circle((x, y), r, fc=colour, ec="white", lw=2, zorder=3))
    axes.text(x, y, text, color="white", ha="center", va="center", fontsize=15, zorder=4)


def _edge(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    axes.plot(*zip(x, y, strict=True), color=style.GREY, lw=2, zorder=1)


def _told(axes: Axes, title: str, says: str) -> None:
    """The name of a graph, and below it what its edges mean."""
    axes.text(0, -2.15, says, ha="center", va="top", color=style.INK)
    axes.set(xlim=(-2.25, 2.25), ylim=(-3.2, 1.75))
    axes.set_title(title)


def _hopfield(axes: Axes, edges: int) -> None:
    angles = np.pi / 2 - 2 * np.pi * np.arange(UNITS) / UNITS
    places = [(1.35 * float(np.cos(a)), 1.35 * float(np.sin(a))) for a in angles]
    for i, j in _pairs(UNITS):
        _edge(axes, places[i], places[j])
    for k, (x, y) in enumerate(places):
        _node(axes, x, y, f"$s_{k + 1}$", style.DATA)
    _told(axes, "Hopfield, Boltzmann", f"{edges} weights, each both ways:\n$s_i$ hears all others")


def _rbm(axes: Axes, edges: int) -> None:
    top = [(1.3 * (j - (HIDDEN - 1) / 2), 1.1) for j in range(HIDDEN)]
    foot = [(1.15 * (i - (VISIBLE - 1) / 2), -1.1) for i in range(VISIBLE)]
    for upper in top:
        for lower in foot:
            _edge(axes, upper, lower)
    for j, (x, y) in enumerate(top):
        _node(axes, x, y, f"$h_{j + 1}$", style.WALKERS)
    for i, (x, y) in enumerate(foot):
        _node(axes, x, y, f"$v_{i + 1}$", style.DATA)
    says = f"{edges} weights, none in a layer:\na layer is drawn at once"
    _told(axes, "restricted Boltzmann", says)


def _chain(axes: Axes) -> None:
    """x_0 … x_3, arrows of noise above and of the network below."""
    names = ("$x_0$", "$x_1$", "$x_2$", "$x_3$")
    for k, name in enumerate(names):
        _node(axes, 1.6 * k, 0, name, style.DATA if k == 0 else style.GREY, 0.36)
        if k:
            for start, end, colour, bend in (
                (k - 1, k, style.LECTURE, -0.45), (k, k - 1, style.WALKERS, -0.45)
            ):  # fmt: skip
                axes.annotate(
                    "", (1.6 * end, 0), (1.6 * start, 0),
                    arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2.5, "shrinkA": 20,
                                "shrinkB": 20, "connectionstyle": f"arc3,rad={bend}"},
                )  # fmt: skip
    style.label(axes, 2.4, 0.85, "noise: fixed, no weights", style.GREY, ha="center")
    style.label(axes, 2.4, -1.05, "the network: one step back", style.WALKERS, ha="center")
    axes.text(2.4, -2.15, "each hears its neighbours only:\n$x_0$ → $x_2$ goes through $x_1$",
              va="top", ha="center", color=style.INK)  # fmt: skip
    axes.set(xlim=(-0.6, 5.4), ylim=(-3.2, 1.75))
    axes.set_title("DDPM’s chain")
