"""Noise brings the modes together, and score matching learns again.

Data of q* = 0.8 (θ* = −log 4) and d = 20. Left: their density after adding noise σε, scaled.
Middle: θ̇ of denoising score matching at θ = 0 over σ, the model noised as the data are, on the
exact law for d = 10 and 20, with walkers (20 × 200,000) where they can see it, and the formula of
separated modes at d/√(1+σ²). Right: θ(t) by score matching, by denoising at σ = 3 and 8 (loss
weight σ²), by the mean over 10 noises from 0.1 to 20 (the defaults of `multi-noise`), Euler steps
of 0.5, 100,000 walkers; and "plain", on the exact law, as the slide has it: ρ_θ itself against
noised data rests beside θ*. Shows [C]: denoising at noise σ is score matching with d²/(1+σ²)
in place of d². Sources: Vincent 2011; Song & Ermon 2019; [C] Coste, Generative models, how they
work and how to train them, June 2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.flows import Flow, make
from toyflows.mixture import Mixture
from toyflows.stats import Checked, at_least, at_most, close, mean, slope
from toyflows.target import Target

ORDER = 105
SAYS = {
    "Noise brings the modes together": ("score matching of nearer modes",),
    "and score matching learns again": ("score matching", "gain", "σ = 8"),
}
Q_STAR, DT, STEPS, REPLICAS = 0.8, 0.5, 200, 20
SEPARATIONS = (10.0, 20.0)
SHOWN, X = (0.0, 3.0, 8.0), np.linspace(-34, 34, 681)
NOISES = np.logspace(-1, 1.5, 51)
SAMPLED = np.array([3.0, 5.0, 8.0, 12.0])
FALL = slice(23, 33)  # σ from 1.4 to 4, where e^{−d²/8(1+σ²)} rules at d = 20


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Densities (3, n), velocities over the noise (2, 51), walkers' (2, 4, 20), paths (4, 201)."""
    targets = [Target.from_q(Q_STAR, d) for d in SEPARATIONS]
    first, *seeds = np.random.SeedSequence(seed).generate_state(1 + REPLICAS, np.uint32).tolist()
    far, many = targets[1], max(20_000, round(200_000 * scale))
    flows = [_noised(σ) for σ in NOISES.tolist()]
    runs = [
        [solve.run(flow, ops, 0.0, STEPS, rate) for flow, rate in _methods()]
        for ops in (Grid(far, DT), Walkers(far, DT, max(5_000, round(100_000 * scale)), first))
    ]
    residuals = solve.residuals(make("multi-noise"), Grid(far, DT), runs[1][3], 0)
    plain, rate = make("denoising", sigma=SHOWN[-1]), SHOWN[-1] ** 2
    return {
        "shapes": np.array([_shape(far, σ) for σ in SHOWN]),
        "exact": np.array([[solve.velocity(f, Grid(t, DT)) for f in flows] for t in targets]),
        "formula": np.array([[f.separated(t, 0.0, 0.0) for f in flows] for t in targets]),
        "error": np.array([[f.separated_error(t, 0.0) for f in flows] for t in targets]),
        "nearer": np.array([[_nearer(t, σ) for σ in NOISES.tolist()] for t in targets]),
        "walkers": np.array([
            [[solve.velocity(_noised(σ), Walkers(t, DT, many, s)) for s in seeds]
             for σ in SAMPLED.tolist()]
            for t in targets
        ]),
        "sampled": np.array([
            [solve.velocity(_noised(σ), Grid(t, DT)) for σ in SAMPLED.tolist()]
            for t in targets
        ]),
        "t": runs[0][0].t,
        "paths": np.array([run.θ for run in runs[0]]),
        "seen": np.array([run.θ for run in runs[1]]),
        "residuals": residuals,
        "score": np.array(solve.velocity(make("score-matching"), Grid(far, DT))),
        "star": np.array(far.θ_star),
        "plain": solve.run(plain, Grid(far, DT), 0.0, STEPS, rate).θ,
        "rest": np.array(plain.fixed_point(far)),
    }  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The rate is score matching's at d/√(1+σ²), as e^{−d²/8(1+σ²)} over four decades; noise
    learns where score matching stands still, to θ* if the model is noised too."""
    v, near = np.abs(data["exact"]), _near()
    fall = np.log(v[1, FALL] * (1 + NOISES[FALL] ** 2) / near[FALL])
    finite = np.isfinite(data["error"])
    off = np.abs(data["exact"] - data["formula"])[finite] / data["error"][finite]
    out: dict[str, Checked | float] = {
        "score matching of nearer modes": at_most(
            "relative difference", float(np.abs(data["exact"] / data["nearer"] - 1).max()), 1e-10
        ),
        "slope": slope("slope over d²/8(1+σ²)", near[FALL] ** 2 / 8, fall, -1, rtol=0.01),
        "decades": at_least("decades", float(np.log10(v[1, FALL][-1] / v[1, FALL][0])), 4.0),
        "formula": at_most("|θ̇ − formula| / stated error", off.max(), 1.0),
        "gain": at_least("gain over score matching", v[1].max() / abs(data["score"]), 1e17),
        "score matching": at_most("|θ − θ0|", float(np.abs(data["paths"][0]).max()), 1e-15),
        "σ = 8": close("θ at t = 100", data["paths"][2, -1], float(data["star"]), atol=0.05),
        "multi-noise": close("share", data["paths"][3, -1] / data["star"], 0.94, atol=0.02),
        "plain model": close("θ at t = 100", data["plain"][-1], float(data["rest"]), atol=1e-3),
        "plain model ends beside θ*": at_least(
            "distance", abs(float(data["rest"] - data["star"])), 0.4
        ),
        "walkers of multi-noise": mean("θ̇ − exact θ̇", data["residuals"], 0.0),
    }
    for d, exact, walkers in zip(SEPARATIONS, data["sampled"], data["walkers"], strict=True):
        for σ, expected, seen in zip(SAMPLED, exact, walkers, strict=True):
            name = f"walkers at d = {d:g}, σ = {σ:g}"
            out[name] = mean(f"θ̇ of {name}", seen, float(expected))
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Noised densities, the rate over the noise, θ(t)."""
    style.panels(fig, data, [_densities, _rates, _paths], width_ratios=[0.85, 1.2, 1])


def _methods() -> list[tuple[Flow, float]]:
    """The four methods of the right panel that rest at θ*, each with the rate of θ."""
    noised = [(_noised(σ), σ**2) for σ in SHOWN[1:]]
    return [(make("score-matching"), 1.0), *noised, (make("multi-noise"), 1.0)]


def _noised(σ: float) -> Flow:
    return make("denoising", sigma=σ, model="noised")


def _shape(target: Target, σ: float) -> Array:
    """Density of the data plus σε at X (n,), over its maximum."""
    mix, near = target.mixture, target.mixture.noised(σ)
    density = near.density(mix.m + (X - mix.m) * near.d / mix.d, target.θ_star)
    return np.asarray(density / density.max())


def _near() -> Array:
    """Separation of the noised modes in units of their spread, at d = 20."""
    return np.array([Mixture.separated(SEPARATIONS[1]).noised(σ).d for σ in NOISES.tolist()])


def _nearer(target: Target, σ: float) -> float:
    """Score matching's velocity at that separation, over 1 + σ²."""
    near = Target.exact(target.θ_star, target.mixture.noised(σ).d)
    return solve.velocity(make("score-matching"), Grid(near, DT)) / (1 + σ**2)


def _densities(axes: Axes, data: dict[str, Array]) -> None:
    for row, (σ, shape) in enumerate(zip(SHOWN, data["shapes"], strict=True)):
        base = -1.25 * row
        axes.fill_between(X, base, base + shape, color=style.DATA, alpha=0.25, lw=0)
        axes.plot(X, base + shape, color=style.DATA, lw=2)
        style.label(axes, -33, base + 0.42, f"σ = {σ:g}", style.DATA)
    axes.set(xlabel="$x$ + σε", yticks=[], xlim=(-34, 34), xticks=[-20, 0, 20])
    axes.spines["left"].set_visible(False)
    axes.set_title("data + noise, $d$ = 20")


def _rates(axes: Axes, data: dict[str, Array]) -> None:
    for k in range(2):
        axes.loglog(NOISES, np.abs(data["exact"][k]), color=style.EXACT, lw=4)
        axes.loglog(NOISES, np.abs(data["formula"][k]), **style.LECTURE_LINE)
        seen = np.abs(data["walkers"][k].mean(axis=1))
        axes.plot(SAMPLED, seen, "o", color=style.WALKERS, ms=9)
    style.label(axes, 0.12, 3e-5, "d = 10", style.EXACT)
    style.label(axes, 1.15, 1e-13, "d = 20", style.EXACT)
    axes.set(xlabel="noise σ", xlim=(0.1, 10**1.5), ylim=(1e-23, 1))
    axes.set_yticks([1e-20, 1e-15, 1e-10, 1e-5, 1])
    axes.set_title(r"$|\dot\theta|$ of denoising")
    style.label(axes, 30, 1e-7, "walkers", style.WALKERS, ha="right")
    style.label(axes, 30, 1e-9, "exact law", style.EXACT, ha="right")
    style.label(
        axes, 30, 1e-12, r"$\propto e^{-d^2/8(1+\sigma^2)}$", style.GREY, ha="right", fontsize=18
    )
    gain = float(np.abs(data["exact"][1]).max() / abs(data["score"]))
    best = NOISES[np.argmax(np.abs(data["exact"][1]))]
    words = f"$d$ = 20: at σ = {best:.0f}\n{style.power(gain, 0)} times\nscore matching"
    style.proof(axes, words, 0.96, 0.05, ha="right")


def _paths(axes: Axes, data: dict[str, Array]) -> None:
    t, star = data["t"], float(data["star"])
    axes.axhline(star, color=style.DATA, lw=2)
    for path, seen in zip(data["paths"], data["seen"], strict=True):
        axes.plot(t, path, color=style.EXACT)
        axes.plot(t[::20], seen[::20], "o", color=style.WALKERS, clip_on=False)
    axes.set(xlabel="time $t$", xlim=(0, 100), ylim=(-1.7, 0.3), yticks=[0, -0.5, -1, -1.5])
    axes.set_title(r"$\theta(t)$, $d$ = 20")
    style.label(axes, 98, 0.06, "score matching (σ = 0)", style.INK, ha="right")
    style.label(axes, 98, data["paths"][1, -1] - 0.12, "σ = 3", style.INK, ha="right")
    axes.plot(t, data["plain"], color=style.EXACT)
    style.label(axes, 98, data["plain"][-1] + 0.04, "σ = 8, plain", style.INK, ha="right")
    style.label(axes, 63, -1.09, "10 noises", style.INK)
    style.label(axes, 1, -1.36, "σ = 8", style.INK)
    words = rf"target $\theta_*$ = {style.number(star, '.2f')}"
    style.label(axes, 98, star - 0.15, words, style.DATA, ha="right")
