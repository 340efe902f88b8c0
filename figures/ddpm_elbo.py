"""DDPM's bound closes as 1/T, but not with the posterior's variance.

Data on the line: 1/5 N(−0.9, 0.4²) + 4/5 N(0.9, 0.25²), where the best model E[x₀|x_k], its errors
and the exact −E log p are known by quadrature; linear schedule. Left: the terms of T = 1000 steps
in bits per dimension, exact and from 5000 samples. Right: the bound less the exact value for T = 10
to 3000 and three variances of the step back. With the posterior's variance (right for data
that are one point) half of Euler's constant γ, 0.42 bits, stays for ever: the first steps cost
½Σ(1/k − log(1 + 1/k)). Sources: Ho et al. 2020, Eqs. (5)–(13); Bao et al., Analytic-DPM (2022).
"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion import elbo, quadrature
from toyflows.diffusion.chain import Ladder
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.schedules import Linear, betas
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, close, mean, slope

ORDER = 400
SAYS = {
    "DDPM's bound closes as 1/T": ("order, forward", "order, optimal"),
    "but not with the posterior's variance": ("what stays",),
}
LAW = Gaussians(np.array([0.2, 0.8]), np.array([[-0.9], [0.9]]), np.array([0.4, 0.25]))
T, KINDS, SAMPLES = 1000, ("forward", "optimal", "posterior"), 5000
STEPS = np.array([10, 20, 50, 100, 200, 500, 1000, 3000])
STAYS = np.euler_gamma / 2 / math.log(2)  # bits per dimension


def compute(scale: float, seed: int) -> dict[str, Array]:
    """In bits: −E log p; the terms of T steps, exact and of samples (…, n); gaps (kinds, STEPS)."""
    rng = np.random.default_rng(seed)
    entropy = float(quadrature.mean(lambda x: -LAW.log_density(x), LAW)) / math.log(2)
    x0 = LAW.sample(max(200, round(SAMPLES * scale)), rng)
    errors = {n: elbo.least_errors(LAW, ladder(n)) for n in STEPS.tolist()}
    exact = expected("forward", errors[T])
    drawn = elbo.estimate(elbo.exact(LAW, ladder(T)), ladder(T), x0, rng).bits(1)
    bounds = [[expected(kind, errors[n]).total for n in errors] for kind in KINDS]
    return {
        "entropy": np.array(entropy),
        "terms": np.concatenate([[exact.data], exact.steps, [exact.prior]]),  # L_0 … L_T
        "bound": exact.total,
        "sampled_steps": drawn.steps.mean(axis=1),
        "sampled_bound": drawn.total,
        "gaps": np.array(bounds) - entropy,
    }


def ladder(steps: int) -> Ladder:
    """DDPM's chain of the linear schedule."""
    return Ladder.ddpm(betas(Linear(), steps))


def expected(kind: str, errors: Array) -> elbo.Terms:
    """The terms for the best model in bits, by its errors (T,)."""
    chain = ladder(len(errors))
    squares = quadrature.mean(lambda x: (x**2).sum(axis=1), LAW)
    v = elbo.variances(kind, chain, errors)
    return elbo.bound(chain, errors, squares, 1, v).bits(1)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The terms add up to the bound; it is above −log p; two gaps close at order 1, one stays."""
    gaps = dict(zip(KINDS, data["gaps"], strict=True))
    late = STEPS >= 200
    total = float(data["bound"])
    return {
        "L_T + ΣL_k + L_0": close("sum", float(data["terms"].sum()), total, atol=1e-12),
        "mean bound of samples": mean("bound of samples", data["sampled_bound"], total),
        "least gap": at_least("gap", float(data["gaps"].min()), 0.0),
        **{
            f"order, {kind}": slope(
                f"order of {kind}", np.log(STEPS[late]), np.log(gaps[kind][late]), -1.0, rtol=0.05
            )
            for kind in ("forward", "optimal")
        },
        "what stays": at_least("gap of posterior", float(gaps["posterior"].min()), STAYS),
        "exact value": float(data["entropy"]),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The terms over k with their sum; the gaps over T."""
    style.panels(fig, data, [_terms, _gaps])


def _terms(axes: Axes, data: dict[str, Array]) -> None:
    k, steps = np.arange(1, T), data["terms"][1:-1]
    axes.loglog(k, data["sampled_steps"], ".", ms=5, color=style.WALKERS)
    axes.loglog(k, steps, color=style.EXACT)
    style.label(axes, 3, steps[1] * 1.2, "exact", style.EXACT)
    style.label(axes, 150, steps[150] * 2.2, "samples", style.WALKERS)
    axes.set(xlabel="step $k$ from the data", ylabel="$L_k$, bits per dimension")
    axes.set_title(f"terms of T = {T} steps")
    L_0, L_T = (style.number(v, "+.4f") for v in data["terms"][[0, -1]])
    rows = [
        f"$L_T$ = {L_T}",
        rf"$\Sigma L_k$ = {style.number(float(steps.sum()), '+.4f')}",
        f"$L_0$ = {L_0}",
        f"bound = {style.number(float(data['bound']), '+.4f')}",
        f"exact = {style.number(float(data['entropy']), '+.4f')}",
    ]
    style.proof(axes, "\n".join(rows))


def _gaps(axes: Axes, data: dict[str, Array]) -> None:
    axes.axhline(STAYS, **style.LECTURE_LINE)
    axes.text(3000, STAYS * 0.85, f"γ/2 = {STAYS:.2f} bits", color=style.GREY, ha="right", va="top")
    names = {"forward": "forward", "optimal": "best", "posterior": "posterior's"}
    for kind, gap in zip(KINDS, data["gaps"], strict=True):
        axes.loglog(STEPS, gap, "o-", color=style.EXACT)
        style.label(axes, 3200, gap[-1], names[kind], style.EXACT, va="center")
    axes.set(xlabel="steps $T$")
    axes.set_title("bound less −log p, by variance")
