"""Twice the work: half the error, with Heun a quarter (the corrector lags).

The exact score under VP (linear β), uniform times, from the exact law at t = 1. Left: data N(1.5,
0.7²), on which a step is affine, so that the law it makes is followed without a single sample:
Wasserstein-2 distance to the data over the evaluations of the score. The predictor–corrector
(Euler–Maruyama, one Langevin step of h = 2(0.3σ)²) tends to order ½: the corrector's own bias stays
until its steps are too short to move anything. Right: two modes at ±3 of weights 0.2 and 0.8,
100,000 walkers from the quantiles of the exact law: Wasserstein-1 distance, and the mean that as
many exact samples have (dashed); the methods without noise fall below it.
Sources: Song et al. 2021 (reverse SDE, ODE, correctors); Ho et al. 2020; Song, Meng & Ermon 2021.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.diffusion import gaussian_law
from toyflows.diffusion.gaussians import Gaussians, two_modes
from toyflows.diffusion.methods import Method, make
from toyflows.diffusion.processes import VP, ExactScore, times
from toyflows.diffusion.samplers import run
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, close, slope

ORDER = 370
SAYS = {
    "Twice the work: half the error": (
        "twice the work: error of euler-maruyama",
        "twice the work: error of ancestral",
        "twice the work: error of ddim",
    ),
    "with Heun a quarter": ("twice the work: error of ode-heun",),
    "(the corrector lags)": ("order of predictor-corrector",),
}
ONE = Gaussians(np.ones(1), np.array([[1.5]]), np.array([0.7]))
TWO, PROCESS = two_modes(6.0, 0.8), VP()
METHODS: dict[str, tuple[str, str, float, float]] = {
    # name: label, colour, order, height of the label
    "euler-maruyama": ("Euler–Maruyama", style.WALKERS, 1.0, 3.2e-4),
    "ancestral": ("ancestral (DDPM)", style.DATA, 1.0, 2.0e-3),
    "ddim": ("DDIM", style.SECOND, 1.0, 8e-4),
    "predictor-corrector": ("predictor–corrector", style.ACCENT, 0.5, 5e-3),
    "ode-heun": ("Heun on the ODE", style.EXACT, 2.0, 6.3e-6),
}
COST = 2 ** np.arange(4, 12)  # evaluations
FEW = 2 ** np.arange(3, 8)


def _method(name: str) -> tuple[Method, int]:
    """The sampler, and its evaluations a step."""
    if name == "predictor-corrector":
        return make(name, snr=0.3), 2
    return make(name), 2 if name == "ode-heun" else 1


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Distances on one Gaussian (methods, costs), on two modes (methods, few), their floor, n."""
    rng, n = np.random.default_rng(seed), max(40_000, round(100_000 * scale))
    floor = np.mean([gaussian_law.distance(TWO.sample(n, rng)[:, 0], TWO) for _ in range(10)])
    return {
        "one": np.array([[_exact(name, cost) for cost in COST.tolist()] for name in METHODS]),
        "two": np.array(
            [[_sampled(name, cost, n, rng) for cost in FEW.tolist()] for name in METHODS]
        ),
        "floor": np.array(floor),
        "n": np.array(n),
    }


def _law(data: Gaussians, t: float) -> Gaussians:
    return data.at(float(PROCESS.alpha(t)), float(PROCESS.sigma(t)))


def _exact(name: str, cost: int) -> float:
    """W2 distance on one Gaussian."""
    method, each = _method(name)
    start, end, score = _law(ONE, 1.0), _law(ONE, 0.0), ExactScore(ONE, PROCESS)
    law = gaussian_law.follow(
        method,
        score,
        PROCESS,
        start.means[0, 0],
        start.spreads[0] ** 2,
        times(PROCESS, cost // each),
    )
    assert law.evaluations <= cost
    return law.distance(end.means[0, 0], end.spreads[0] ** 2)


def _sampled(name: str, cost: int, n: int, rng: np.random.Generator) -> float:
    """W1 distance of n walkers on two modes."""
    method, each = _method(name)
    score = ExactScore(TWO, PROCESS)
    start = rng.permutation(gaussian_law.quantiles(_law(TWO, 1.0), n))[:, None]
    end = run(method, score, PROCESS, start, times(PROCESS, cost // each), rng)
    return gaussian_law.distance(end.x[:, 0], TWO)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Orders from the last three costs, those of the ODE's methods on two modes too, where Heun is
    the best by far at 128 evaluations."""
    out: dict[str, Checked | float] = {}
    for name, error in zip(METHODS, data["one"], strict=True):
        rtol = 0.35 if name == "predictor-corrector" else 0.05
        out[f"order of {name}"] = _order(name, COST, error, rtol)
        if name != "predictor-corrector":
            ratio, order = error[-1] / error[-2], METHODS[name][2]
            out[f"twice the work: error of {name}"] = close("ratio", ratio, 0.5**order, rtol=0.05)
    two = dict(zip(METHODS, data["two"], strict=True))
    for name in ("ddim", "ode-heun"):
        out[f"order of {name}, two modes"] = _order(name, FEW, two[name], 0.1)
    gain = min(two[name][-1] for name in METHODS if name != "ode-heun") / two["ode-heun"][-1]
    return out | {"128 evaluations: others' error / Heun's": at_least("Heun's gain", gain, 3.0)}


def _order(name: str, costs: NDArray[np.int64], error: Array, rtol: float) -> Checked:
    """Minus the slope of log error over log evaluations, at the last three."""
    return slope(f"order of {name}", -np.log(costs[-3:]), np.log(error[-3:]), METHODS[name][2],
                 rtol=rtol)  # fmt: skip


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Errors over cost, exact and sampled."""
    left, right = fig.subplots(1, 2, width_ratios=[1.25, 1])
    for (name, (title, colour, _, height)), one, two in zip(
        METHODS.items(), data["one"], data["two"], strict=True
    ):
        left.loglog(COST, one, "o-", ms=7, color=colour)
        right.loglog(FEW, two, "o-", ms=7, color=colour)
        text = f"{title}: {_order(name, COST, one, 9.0).value:.2f}"
        left.text(COST[-1] * 1.25, height, text, color=colour, fontweight="bold", va="center")
    style.label(left, COST[-1] * 1.25, 1.3e-2, "order measured", style.INK)
    _axes(left, COST, "data: one Gaussian; no sampling error")
    left.set_ylabel("distance to the data, $W_2$")
    right.set_ylabel("$W_1$")
    _axes(right, FEW, "data: two modes")
    right.axhline(float(data["floor"]), color=style.GREY, ls=(0, (5, 2)), lw=2)
    floor = "floor of as many\nexact samples"
    style.label(right, 7.6, float(data["floor"]) * 0.9, floor, style.GREY, va="top",
                fontweight="normal")  # fmt: skip


def _axes(axes: Axes, costs: NDArray[np.int64], title: str) -> None:
    axes.set_xticks(costs[::2], [str(c) for c in costs[::2]])
    axes.minorticks_off()
    axes.set(xlabel="evaluations of the score")
    axes.set_title(title)
