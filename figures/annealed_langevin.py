"""Langevin keeps the weights it starts with; annealed, it finds the data's.

Song & Ermon's mixture 1/5 N((−5, −5), I) + 4/5 N((5, 5), I) and its exact score. Left: the start,
uniform on [−8, 8]²; exact samples; Langevin, 2000 steps of 0.05; annealed Langevin, 20 noises from
8.6 to 0.5 with 100 steps each, α_i = 0.05 σ_i²/σ_L² (1000 of 10,000 walkers shown, with the weights
of the modes). Right: the share of walkers in the upper mode at each evaluation of the score, and
that of the exact law at each noise. The score says nothing of the weight of a far mode, so
that Langevin keeps the share with which it starts. Corrects [G], where the noises increase
(docs/errata.md, G.ladder). Sources: Song & Ermon 2019, Fig. 3; [G] Gavves, Deep
generative and energy models, lecture 8.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion.gaussian_law import cdf
from toyflows.diffusion.gaussians import Gaussians, song_ermon
from toyflows.diffusion.methods import make
from toyflows.diffusion.processes import VE, ExactScore, Process, times
from toyflows.diffusion.samplers import run
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_most, close, mean, proportion

ORDER = 320
SAYS = {
    "Langevin keeps the weights it starts with": (
        "Langevin: share less the start's",
        "Langevin: changed sides after step 100",
    ),
    "annealed, it finds the data's": ("annealed: share",),
}
DATA, WEIGHT = song_ermon(), 0.8
LADDER, LEVELS, EACH, EPSILON = VE(0.5, 10.0), 20, 100, 0.05
ALMOST = VE(1e-6, 10.0)  # its last noise is none: Langevin runs on the data's own score
LAG = 0.006  # of the share where the walkers no longer cross: 0.004 ± 0.001 of 100,000
SHOWN, REACH = 1000, 9.5


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Points (4, n, 2): start, exact, Langevin's, annealed Langevin's; the share of the upper mode
    at each evaluation and the end (2, 2001), of the exact law at each noise (20,); how many changed
    sides after Langevin's 100th step."""
    rng, n = np.random.default_rng(seed), max(4_000, round(10_000 * scale))
    start = rng.uniform(-8, 8, (n, 2))
    early: list[Array] = []
    how = {"steps": EACH, "epsilon": EPSILON}
    plain, shares = _run("langevin", {}, ALMOST, LEVELS * EACH, start, rng, early)
    annealed, noisy = _run("annealed-langevin", how, LADDER, LEVELS, start, rng, [])
    return {
        "points": np.array([start, DATA.sample(n, rng), plain, annealed]),
        "shares": np.array([shares, noisy]),
        "exact shares": np.array([_law_upper(σ) for σ in _noises()]),
        "changed": np.array(np.sum(early[0] != _upper(plain))),
    }


def _upper(x: Array) -> Array:
    """Which points (n, 2) belong to the mode at (5, 5)."""
    return np.asarray(DATA.responsibilities(x)[:, 1] > 0.5)


def _noises() -> list[float]:
    """σ_1 > … > σ_L."""
    return [float(LADDER.sigma(t)) for t in times(LADDER, LEVELS)[1:]]


def _law_upper(σ: float) -> float:
    """P of the upper mode's side for X + σZ: on the diagonal, where its edge is at −log 4/10√2."""
    line = Gaussians(DATA.weights, DATA.means.sum(axis=1, keepdims=True) / 2**0.5, DATA.spreads)
    return 1 - float(cdf(line.at(1.0, σ), np.array([-np.log(4) / 200**0.5]))[0])


def _run(
    name: str, options: dict[str, float], process: Process, steps: int, x: Array,
    rng: np.random.Generator, sides: list[Array],
) -> tuple[Array, Array]:  # fmt: skip
    """The points at the end, and the share of the upper mode at each evaluation and the end;
    `sides` gets the points' sides at the 100th."""
    exact = ExactScore(DATA, process)
    shares: list[float] = []

    def score(x: Array, t: float) -> Array:
        upper = _upper(x)
        if len(shares) == EACH:
            sides.append(upper)
        shares.append(float(upper.mean()))
        return exact(x, t)

    end = run(make(name, **options), score, process, x, times(process, steps), rng).x
    return end, np.array([*shares, _upper(end).mean()])


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Annealed and exact samples have the weight 0.8; Langevin keeps the start's, about ½, and the
    walkers in their modes. A mode's variance is that of the last noise and the step."""
    n = data["points"].shape[1]
    exact, plain, annealed = (_upper(x) for x in data["points"][1:])
    h, step, v = 0.05, EPSILON / 2, 1 + LADDER.sigma_min**2
    out: dict[str, Checked | float] = {
        "exact samples: share": proportion("exact samples", int(exact.sum()), n, WEIGHT),
        "annealed: share": mean("annealed Langevin", annealed, WEIGHT, bias=LAG),
        "Langevin: share": at_most("Langevin's share", float(plain.mean()), 0.6),
        "Langevin: share less the start's": close(
            "Langevin's change", plain.mean() - data["shares"][0, 0], 0.0, atol=0.03
        ),
        "Langevin: changed sides after step 100": at_most("changes", float(data["changed"]), 0),
    }
    ends = data["shares"][1, EACH::EACH]
    gap = float(
        np.abs(ends - data["exact shares"]).max()
    )  # by the step of 0.1 σ², 5 % too wide, and the lag
    out["annealed − exact share, at each noise"] = at_most("annealed at a noise", gap, 0.05)
    for what, k, wanted in (
        ("Langevin", 2, 1 / (1 - h / 2)),
        ("annealed", 3, v / (1 - step / 2 / v)),
    ):
        x = data["points"][k]
        away = np.square(x - DATA.means[_upper(x).astype(int)]).mean(axis=1)
        out[f"{what}: variance of a mode"] = mean(f"{what}'s variance", away, wanted, bias=1e-3)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Four clouds with the weights of their modes, and the weights along the runs."""
    axes = fig.subplot_mosaic([["0", "1", "share"], ["2", "3", "share"]], width_ratios=[1, 1, 2])
    names = ("start", "exact samples", "Langevin", "annealed")
    colours = (style.GREY, style.EXACT, style.WALKERS, style.WALKERS)
    for k, (x, name, colour) in enumerate(zip(data["points"], names, colours, strict=True)):
        _cloud(axes[str(k)], x, name, colour)
    _shares(axes["share"], data)


def _cloud(axes: Axes, x: Array, name: str, colour: str) -> None:
    axes.plot(*x[:SHOWN].T, "o", ms=2, color=colour, alpha=0.6, mew=0)
    share = _upper(x).mean()
    if name != "start":
        style.label(axes, 4.6, 0, f"{share:.2f}", colour, fontsize=19, ha="center", va="center")
        style.label(axes, -4.6, 0, f"{1 - share:.2f}", colour, fontsize=19, ha="center",
                    va="center")  # fmt: skip
    axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
    axes.set_xticks([-5, 5], ["−5", "5"])
    axes.set_yticks([-5, 5], ["−5", "5"])
    axes.set_title(name, pad=6)


def _shares(axes: Axes, data: dict[str, Array]) -> None:
    """The share of the upper mode along both runs, and of the exact law at each noise."""
    ends = EACH * np.arange(LEVELS + 1)
    axes.stairs(data["exact shares"], ends, baseline=None, color=style.EXACT, lw=3)
    for shares in data["shares"]:
        axes.plot(shares, color=style.WALKERS, lw=2.5)
    σ = [f"σ = {noise:.2g}" for noise in _noises()]
    style.label(axes, 150, 0.66, σ[0], style.EXACT)
    style.label(axes, 480, data["exact shares"][5], σ[5], style.EXACT, ha="right", va="center")
    style.label(axes, 1980, 0.81, "σ = 0.5: the data's 0.80", style.EXACT, ha="right")
    style.label(axes, 1060, 0.75, "annealed follows the\nexact law of each noise",
                style.WALKERS, va="top")  # fmt: skip
    style.label(axes, 1060, 0.525, "Langevin", style.WALKERS)
    axes.set(xlim=(0, 2000), ylim=(0.45, 0.85), xlabel="evaluations of the score")
    axes.set_xticks([0, 1000, 2000])
    axes.set_yticks([0.5, 0.6, 0.7, 0.8])
    axes.set_title("share of the upper mode")
