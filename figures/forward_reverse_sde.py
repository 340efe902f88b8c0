"""Noise can be run backward, by an SDE or by an ODE without randomness.

Two modes at ±3 of weights 0.2 and 0.8 under the processes VE (σ from 0.05 to 6), VP (linear β) and
OU (dX = −X dt + √2 dW over a time of 3). Shading: the exact marginals. Lines: 12 of 20,000 walkers
of dX = fX dt + g dW (data to noise), of the reverse SDE and of the probability-flow ODE (noise to
data), 500 steps with the exact score. Right: the data's density and the histogram of the ODE's
walkers; grey, of the ODE as a slide prints it, without the ½. Corrects [G] (docs/errata.md,
G.probability-flow). Sources: Anderson 1982; Song et al. 2021; [G] Gavves, Deep
generative and energy models, lecture 8.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion.gaussian_law import cdf
from toyflows.diffusion.gaussians import Gaussians, two_modes
from toyflows.diffusion.methods import make
from toyflows.diffusion.processes import OU, VE, VP, ExactScore, Process, times
from toyflows.diffusion.samplers import forward, run
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, same_law

ORDER = 350
SAYS = {
    "Noise can be run backward, by an SDE": (
        "VE, reverse SDE: KS",
        "VP, reverse SDE: KS",
        "OU, reverse SDE: KS",
    ),
    "or by an ODE without randomness": ("VE, ODE: KS", "VP, ODE: KS", "OU, ODE: KS"),
}
DATA = two_modes(6.0, 0.8)
PROCESSES: tuple[Process, ...] = (VE(0.05, 6.0), VP(), OU(3.0))
NAMES = ("VE", "VP", "OU")
REACH = (18.0, 6.5, 6.5)  # of the pictures, in x
STEPS, SHOWN, EVERY, FINE = 500, 12, 5, 201
BIAS = 0.005  # of a CDF by 500 steps: at most 0.002 against 4000
RUNS = ("forward SDE", "reverse SDE", "ODE")
SHADE = LinearSegmentedColormap.from_list("exact", ["white", "#f3b58c"])
BINS = np.linspace(-6.5, 6.5, 66)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Ends (processes, runs, n) of forward, reverse, ODE and the slide's ODE; paths (processes, 3,
    times, shown), marginals (processes, times, x)."""
    rng = np.random.default_rng(seed)
    n = max(4_000, round(20_000 * scale))
    ends, paths = zip(*(_walk(process, n, rng) for process in PROCESSES), strict=True)
    grid = np.linspace(0, 1, STEPS // EVERY + 1)
    marginals = [
        [np.exp(_law(p, t).log_density(np.linspace(-r, r, FINE)[:, None])) for t in grid]
        for p, r in zip(PROCESSES, REACH, strict=True)
    ]
    return {"ends": np.array(ends), "paths": np.array(paths), "marginals": np.array(marginals)}


def _law(process: Process, t: float) -> Gaussians:
    return DATA.at(float(process.alpha(t)), float(process.sigma(t)))


def _walk(process: Process, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Ends (4, n) and, in rising time, paths (3, times, shown)."""
    falling, score = times(process, STEPS), ExactScore(DATA, process)
    seen: list[Array] = []

    def watch(k: int, t: float, x: Array) -> None:
        if k % EVERY == 0:
            seen.append(x[:SHOWN, 0].copy())

    up = forward(process, _law(process, 0.0).sample(n, rng), falling[::-1], rng, watch)
    rows, ends = [np.array(seen)], [up[:, 0]]
    start = _law(process, 1.0).sample(n, rng)
    for name, options in (("euler-maruyama", {}), ("ode-heun", {}), ("ode-euler", {"share": 1.0})):
        seen.clear()
        method = make(name, **options)
        ends.append(run(method, score, process, start, falling, rng, watch).x[:, 0])
        rows.append(np.array(seen)[::-1])
    return np.array(ends), np.array(rows[:3])


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Kolmogorov–Smirnov: forward has the exact law at t = 1, reverse SDE and ODE at t = 0, the
    slide's ODE has not."""
    out: dict[str, Checked | float] = {}
    for process, name, ends in zip(PROCESSES, NAMES, data["ends"], strict=True):
        for what, x, t in zip(RUNS, ends[:3], (1.0, 0.0, 0.0), strict=True):
            out[f"{name}, {what}: KS"] = _ks(f"{what} of {name}", x, _law(process, t))
        slip = _ks("", ends[3], _law(process, 0.0), bias=1.0).value
        out[f"{name}, slide's ODE: KS"] = at_least(f"slide's ODE of {name}", slip, 0.1)
    return out


def _ks(what: str, x: Array, law: Gaussians, bias: float = BIAS) -> Checked:
    return same_law(what, x, lambda y: cdf(law, y), bias=bias)


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """A row a process: three bundles of paths over the marginals, and what they end in."""
    axes = fig.subplots(3, 4, width_ratios=[1, 1, 1, 0.85])
    for row, name in enumerate(NAMES):
        for column in range(3):
            _paths(axes[row, column], data, row, column)
        axes[row, 0].set_ylabel(name, fontsize=17, fontweight="bold", rotation=0, labelpad=18,
                                va="center")  # fmt: skip
        _end(axes[row, 3], data, row)
    titles = ("data → noise: SDE", "noise → data: SDE", "noise → data: ODE", "data, recovered")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=15)
    for ax in axes[:2].ravel():
        ax.tick_params(labelbottom=False)
    for ax, title in zip(axes[2], ["time $t$"] * 3 + ["$x$"], strict=True):
        ax.set_xlabel(title)


def _paths(axes: Axes, data: dict[str, Array], row: int, column: int) -> None:
    """Shading of the exact marginals and 12 paths; the reverse ones run from right to left."""
    density, reach = data["marginals"][row], REACH[row]
    axes.imshow((density / density.max(axis=1, keepdims=True)).T, origin="lower", aspect="auto",
                extent=(0, 1, -reach, reach), cmap=SHADE, interpolation="bilinear")  # fmt: skip
    paths = data["paths"][row, column]
    colour = style.DATA if column == 0 else style.WALKERS
    axes.plot(np.linspace(0, 1, len(paths)), paths, color=colour, lw=1.2, alpha=0.9)
    axes.set(ylim=(-reach, reach), xlim=(0, 1) if column == 0 else (1, 0))
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("right" if column else "left")
    last.set_horizontalalignment("left" if column else "right")
    axes.set_yticks([-10, 0, 10] if row == 0 else [-5, 0, 5])
    axes.grid(False)
    if column:
        axes.tick_params(labelleft=False)


def _end(axes: Axes, data: dict[str, Array], row: int) -> None:
    """Densities at t = 0: exact, of the ODE's walkers, of the slide's."""
    x, law = np.linspace(-6.5, 6.5, 261), _law(PROCESSES[row], 0.0)
    middle = 0.5 * (BINS[1:] + BINS[:-1])
    ode, slip = data["ends"][row, 2:]
    heights = [np.histogram(v, BINS)[0] / (v.size * (BINS[1] - BINS[0])) for v in (ode, slip)]
    axes.stairs(heights[0], BINS, fill=True, color=style.WALKERS, alpha=0.45, lw=0)
    axes.plot(x, np.exp(law.log_density(x[:, None])), color=style.EXACT, lw=2.5)
    axes.plot(middle, heights[1], **style.LECTURE_LINE | {"lw": 1.8})
    axes.set(xlim=(-6.5, 6.5), ylim=(0, 0.95))
    axes.set_yticks([])
    axes.set_xticks([-3, 0, 3], ["−3", "0", "3"])
    ks = [_ks("", v, law, bias=1.0).value for v in (ode, slip)]
    style.label(axes, -6.2, 0.9, f"ODE: KS {ks[0]:.3f}", style.WALKERS, fontsize=13, va="top")
    slide = f"slide's (no ½):\nKS {ks[1]:.2f}"
    style.label(axes, -6.2, 0.74, slide, style.GREY, fontsize=13, va="top")
