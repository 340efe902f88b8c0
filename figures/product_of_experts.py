"""A product of experts allows what all of them allow.

Two experts of the plane, each a mixture of round Gaussians: a ring of 24 and two bars of 13 each.
Left and middle: their densities. Right: their product p_1 p_2/Z (contours by quadrature on a grid)
and 2000 points of a Gibbs chain, 40 sweeps: a component of each expert given x, then x given the
components. Neither expert knows the four places where they agree. The product of mixtures is
again a mixture, of all 24 × 26 products: density and Z of both ways agree to 1e−12. Sources: Hinton
2002, Training products of experts by minimizing contrastive divergence; [G] Gavves, lecture 8.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtr

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians
from toyflows.figures import _style as style
from toyflows.lattice import experts
from toyflows.stats import Checked, at_least, at_most, close, same_law

ORDER = 545
SAYS = {
    "A product of experts allows what all of them allow": (
        "density, grid − closed form",
        "log Z, grid",
    ),
}
REACH, NODES, POINTS, SWEEPS = 6.0, 161, 2000, 40


def laws() -> tuple[Gaussians, Gaussians]:
    """The ring, and the bars."""
    angle = 2 * np.pi * np.arange(24) / 24
    ring = 3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = np.linspace(-4, 4, 13)
    bars = np.concatenate([np.stack([x, np.full(13, y)], axis=1) for y in (-1.6, 1.6)])
    return (Gaussians(np.full(24, 1 / 24), ring, np.full(24, 0.55)),
            Gaussians(np.full(26, 1 / 26), bars, np.full(26, 0.5)))  # fmt: skip


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Densities on the grid (3, n, n), the product's error and log Z both ways, points (N, 2), and
    how probable each of their coordinates is (2, N)."""
    both = laws()
    law, log_Z = experts.closed_form(both)
    axis = np.linspace(-REACH, REACH, NODES)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    product, found = experts.Product([experts.gaussians(one) for one in both]).on_grid(axis, axis)
    with np.errstate(under="ignore"):
        p = np.array([np.exp(one.log_density(grid)).reshape(NODES, NODES) for one in (*both, law)])
    rng = np.random.default_rng(seed)
    n = max(500, int(POINTS * scale))
    points = experts.gibbs(both, rng.uniform(-4, 4, (n, 2)), SWEEPS, rng)
    marginal = [ndtr((points[:, k, None] - law.means[:, k]) / law.spreads) @ law.weights
                for k in (0, 1)]  # fmt: skip
    return {
        "densities": np.array([p[0], p[1], product]),
        "error": np.array(np.abs(product - p[2]).max()),
        "log_Z": np.array([found, log_Z]),
        "points": points,
        "levels": np.array(marginal),
    }


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The closed form is the quadrature; the chain's points have its law; the product is elsewhere
    than either expert; all mass is where both are."""
    found, log_Z = data["log_Z"]
    cell = (2 * REACH / (NODES - 1)) ** 2
    ring, _, both = data["densities"]
    shared = cell * float(np.minimum(ring, both).sum())
    out: dict[str, Checked | float] = {
        "density, grid − closed form": at_most("density", float(data["error"]), 1e-12),
        "log Z, grid": close("log Z", found, log_Z, atol=1e-12),
        "mass on the grid": close("mass", cell * float(both.sum()), 1, atol=1e-12),
        "mass the ring shares with the product": at_most("shared mass", shared, 0.75),
        "peak over the ring's peak": at_least("peak", float(both.max() / ring.max()), 1.5),
    }
    for name, levels in zip(("x", "y"), data["levels"], strict=True):
        out[f"law of {name}"] = same_law(f"law of {name}", levels, lambda u: u)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Two experts and their product."""
    fig.set_size_inches(12.8, 5.2)
    titles = ("a ring …", "… times two bars …", "… is what both allow")
    for k, (axes, title, p) in enumerate(
        zip(fig.subplots(1, 3), titles, data["densities"], strict=True)
    ):
        _density(axes, p, style.EXACT if k == 2 else style.DATA)
        axes.set_title(title)
    axes.plot(*data["points"].T, ".", color=style.WALKERS, ms=3, alpha=0.6, zorder=1)
    style.label(axes, 0, -4.3, "Gibbs chain", style.WALKERS, ha="center", va="center")
    log_Z = style.number(float(data["log_Z"][1]), ".3f")
    axes.text(0, 4.3, f"log Z = {log_Z}", ha="center", va="center", color=style.EXACT)


def _density(axes: Axes, p: Array, colour: str) -> None:
    extent = (-REACH, REACH, -REACH, REACH)
    share = np.array([0.05, 0.2, 0.45, 0.8]) * p.max()
    axes.contour(p.T, share, colors=colour, extent=extent, linewidths=2, zorder=2)
    axes.set(
        xlim=(-5.6, 5.6), ylim=(-5.6, 5.6), aspect="equal", xticks=[-4, 0, 4], yticks=[-4, 0, 4]
    )
    axes.grid(visible=False)
