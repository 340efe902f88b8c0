"""A score gives the likelihood: by an ODE, to as many digits as you ask for.

log p_0(x_0) = log p_1(x_1) + ∫∇·v dt along dx/dt = v = f x − ½ g² score. Left: two modes at ±3 of
weights 0.2 and 0.8 under VP (linear β), by the exact score: closed form and ODE. Middle: largest
error at 181 points of [−9, 9] over the solver's tolerance, for VE, VP and OU. Right: a mixture in
five dimensions, at one point: root mean square error, in nats, of Hutchinson's estimate with m
probes ±1 for the divergence, from 2000 single ones, and m^−½. Corrects [G] (docs/errata.md,
G.probability-flow). Sources: Song et al. 2021, Eq. 39; Grathwohl et al. 2019; [G] Gavves, Deep
generative and energy models, lecture 8.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians, two_modes
from toyflows.diffusion.likelihood import Divergence, differences, hutchinson, log_likelihood
from toyflows.diffusion.objectives import rademacher
from toyflows.diffusion.processes import OU, VE, VP, ExactScore, Process
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, at_most, mean, slope

ORDER = 360
SAYS = {
    "A score gives the likelihood": ("log p by the ODE",),
    "by an ODE, to as many digits as you ask for": (
        "VE: order in the tolerance",
        "VP: order in the tolerance",
        "OU: order in the tolerance",
    ),
}
DATA = two_modes(6.0, 0.8)
PROCESSES: dict[str, Process] = {"VE": VE(), "VP": VP(), "OU": OU(3.0)}
FIVE = Gaussians(
    np.array([0.5, 0.2, 0.3]),
    np.array([[2.0, 0, 0, 0, 1], [-2, 1, 0, 0, 0], [0, 0, 3, -1, 0]]),
    np.array([1.0, 0.6, 0.8]),
)
POINT = np.array([1.0, 0.5, 1.0, -0.5, 0.5])
X = np.linspace(-9, 9, 181)
TOLERANCES = 10.0 ** np.arange(-3, -10, -1)
PROBES = 2 ** np.arange(7)
PROMISED = 1e-5


def compute(scale: float, seed: int) -> dict[str, Array]:
    """log p on the line (3, n): closed form, ODE, the slide's; largest errors (processes,
    tolerances); Hutchinson's log p (probes,) at one point, and the exact one there."""
    vp = ExactScore(DATA, PROCESSES["VP"])
    errors = [
        [np.abs(_by_ode(score, X[:, None], tolerance=ε) - _exact(score)).max()
         for ε in TOLERANCES.tolist()]
        for score in (ExactScore(DATA, process) for process in PROCESSES.values())
    ]  # fmt: skip
    five, n = ExactScore(FIVE, PROCESSES["OU"]), max(512, round(2000 * scale))
    x = np.tile(POINT, (n, 1))
    guess = hutchinson(differences(five), rademacher(np.random.default_rng(seed), x))
    return {
        "lines": np.array(
            [_exact(vp), _by_ode(vp, X[:, None]), _by_ode(vp, X[:, None], share=1.0)]
        ),
        "errors": np.array(errors),
        "guesses": _by_ode(five, x, guess, tolerance=1e-7),
        "truth": five.log_density(POINT[None], 0.0),
    }


def _by_ode(score: ExactScore, x: Array, by: Divergence | None = None, **how: float) -> Array:
    """log p (n,) with the exact law at t = 1."""
    return log_likelihood(x, score, by or score.divergence, score.process,
                          lambda y: score.log_density(y, 1.0), **how)  # fmt: skip


def _exact(score: ExactScore) -> Array:
    return score.log_density(X[:, None], 0.0)


def _errors(data: dict[str, Array]) -> tuple[Array, Array]:
    """Root mean square errors of means of m probes (probes,), and what m^−½ makes of one's."""
    off = data["guesses"] - data["truth"]
    groups = [off[: off.size // m * m].reshape(-1, m).mean(axis=1) for m in PROBES.tolist()]
    rms = np.array([np.sqrt(np.mean(g**2)) for g in groups])
    return rms, rms[0] / np.sqrt(PROBES)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The ODE's log p is the closed form to 1e-5 at its default tolerance, and its error falls with
    the tolerance; Hutchinson is unbiased, of error m^−½; without ½ it is another density."""
    exact, ode, slip = data["lines"]
    out: dict[str, Checked | float] = {
        "log p by the ODE": at_most("error of log p", float(np.abs(ode - exact).max()), PROMISED),
        "slide's ODE, off by at least": at_least("slide", float(np.abs(slip - exact).min()), 0.1),
        "Hutchinson's mean": mean(
            "Hutchinson", data["guesses"], float(data["truth"][0]), bias=1e-5
        ),
    }
    for name, error in zip(PROCESSES, data["errors"], strict=True):
        out[f"{name}: error at tolerance 1e-8"] = at_most(name, float(error[5]), PROMISED)
        out[f"{name}: order in the tolerance"] = slope(
            f"{name}'s error over tolerance", np.log(TOLERANCES), np.log(error), 1.0, rtol=0.25
        )
    rms, _ = _errors(data)
    few = np.log(PROBES[:5]), np.log(rms[:5])
    return out | {"Hutchinson's order": slope("Hutchinson's error", *few, -0.5, rtol=0.3)}


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """log p, its error over the tolerance, Hutchinson's over the probes."""
    left, middle, right = fig.subplots(1, 3, width_ratios=[1.2, 1, 1])
    _lines(left, data["lines"])
    _tolerances(middle, data["errors"])
    _probes(right, *_errors(data))


def _lines(axes: Axes, lines: Array) -> None:
    exact, ode, slip = lines
    axes.plot(X, exact, color=style.EXACT)
    axes.plot(X[::5], ode[::5], "o", ms=7, color=style.WALKERS)
    style.label(axes, -8.6, -4.4, "ODE", style.WALKERS)
    style.label(axes, 3, 0.4, "closed form", style.EXACT, ha="center")
    off = style.power(float(np.abs(ode - exact).max()))
    least = f"without the ½:\nerror ≥ {np.abs(slip - exact).min():.1f}"
    style.proof(axes, f"error ≤ {off}\n\n{least}", 0.5, 0.06, ha="center")
    axes.set(xlabel="$x$", xlim=(-9, 9), ylim=(-32, 2), ylabel="nats")
    axes.set_title("log p of two modes")


def _tolerances(axes: Axes, errors: Array) -> None:
    axes.axhline(PROMISED, color=style.INK, ls=(0, (5, 2)), lw=2)
    for name, error, colour in zip(
        PROCESSES, errors, (style.WALKERS, style.DATA, style.ACCENT), strict=True
    ):
        axes.loglog(TOLERANCES, error, "o-", ms=7, color=colour)
        low = 0.75 if name == "OU" else 1.1
        style.label(axes, 6e-10, error[-1] * low, name, colour, va="center")
    style.label(axes, 2e-3, 1.4e-5, "10⁻⁵", style.INK)
    axes.set(xlabel="tolerance of the solver", xlim=(3e-3, 5e-11))
    axes.set_title("largest error, nats")


def _probes(axes: Axes, rms: Array, law: Array) -> None:
    axes.loglog(PROBES, law, **style.LECTURE_LINE)
    axes.loglog(PROBES, rms, "o", ms=9, color=style.WALKERS)
    style.label(axes, 9, law[3] * 1.15, "$m^{-1/2}$", style.GREY)
    axes.set_xticks(PROBES[::2], [str(m) for m in PROBES[::2]])
    axes.set_yticks([0.25, 0.5, 1, 2], ["¼", "½", "1", "2"])
    axes.minorticks_off()
    axes.set(xlabel="probes $m$")
    axes.set_title("… with Hutchinson")
    axes.set_ylabel("rms error, nats")
