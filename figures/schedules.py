"""A schedule that stops early leaves data in the noise: samples too narrow.

Left: ᾱ(t), the share of the data's variance in x_t, for four schedules. Middle: their log₁₀ signal
to noise, ᾱ/(1 − ᾱ). Right: T steps back from N(0, 1) of DDPM's chain, with the exact mean of x_0,
for Gaussian data of spread 1.7: the spread of what comes out, exact, and of 20,000 chains
(dots). β_k from 10⁻⁴ to 0.02 were made for T = 1000; with T = 50 of them ᾱ_T = 0.60. With β_k
scaled to T they end at ᾱ_T = 4 × 10⁻⁵ always. toyflows warns where √ᾱ_T > 10 %. Sources: Ho
et al. 2020; Nichol & Dhariwal 2021.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion import schedules
from toyflows.diffusion.chain import Ladder
from toyflows.diffusion.gaussians import Gaussians
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, at_most, close, mean

ORDER = 380
SAYS = {
    "A schedule that stops early leaves data in the noise": ("ᾱ_T after 50", "warned"),
    "samples too narrow": ("spread after 50",),
}
SPREAD, FEW = 1.7, 50
T = np.array([20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000])
SAMPLED = np.array([20, 50, 100, 200])
NAMES = ("linear", "cosine", "constant", "geometric")
COLOURS = (style.EXACT, style.THIRD, style.SECOND, style.ACCENT)
t = np.linspace(0.0, 1.0, 201)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """log ᾱ (4, 201); ᾱ_T and spreads (2, 11) of both budgets; samples (2, 4, n)."""
    rng, n = np.random.default_rng(seed), max(2000, round(20_000 * scale))
    ladders = [[make(k) for k in T.tolist()] for make in (_cut, _scaled)]
    return {
        "log ᾱ": np.array([schedules.schedule(name).log_alpha_bar(t) for name in NAMES]),
        "ᾱ_T": np.array([[ladder.α[-1] ** 2 for ladder in row] for row in ladders]),
        "spread": np.array([[ladder.spread_from_noise(SPREAD) for ladder in r] for r in ladders]),
        "x": np.array([[_back(make(k), n, rng) for k in SAMPLED] for make in (_cut, _scaled)]),
        "warned": np.array([
            [schedules.warning(ladder.α[-1] ** 2) is not None for ladder in row] for row in ladders
        ]),
    }  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """What is left at the end, what it does to samples, and who is warned."""
    few, all_of = int(np.flatnonzero(T == FEW)[0]), len(T) - 1
    cut, scaled = data["spread"]
    out: dict[str, Checked | float] = {
        f"ᾱ_T after {FEW}": close("ᾱ_T", data["ᾱ_T"][0, few], 0.603, atol=5e-4),
        "ᾱ_T after 1000": at_most("ᾱ_T", data["ᾱ_T"][0, all_of], 1e-4),
        f"spread after {FEW}": at_most("spread", cut[few], 0.75 * SPREAD),
        f"spread after {FEW}, scaled": at_least("spread", scaled[few], 0.93 * SPREAD),
        "spread after 1000": close("spread", cut[all_of], SPREAD, rtol=0.01),
        "warned": close("warnings", data["warned"][0].sum(), (data["ᾱ_T"][0] > 0.01).sum()),
        "warned, scaled": close("warnings", data["warned"][1].sum(), 0),
    }
    for name, row in zip(NAMES, data["log ᾱ"], strict=True):
        out[f"ᾱ(1), {name}"] = at_most(f"ᾱ(1) of {name}", float(np.exp(row[-1])), 1e-4)
    for name, samples, spreads in zip(("cut", "scaled"), data["x"], data["spread"], strict=True):
        for k, x in zip(SAMPLED, samples, strict=True):
            expected = float(spreads[k == T][0] ** 2)
            out[f"chains, {name}, T = {k}"] = mean(f"variance of {name} chains", x**2, expected)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """ᾱ, signal to noise, spread of the samples."""
    style.panels(fig, data, [_shares, _ratios, _spreads], width_ratios=[0.9, 0.9, 1.35])


def _cut(steps: int) -> Ladder:
    return Ladder.ddpm(schedules.ddpm_betas(steps))


def _scaled(steps: int) -> Ladder:
    return Ladder.ddpm(schedules.betas(schedules.Linear(), steps))


def _back(ladder: Ladder, n: int, rng: np.random.Generator) -> Array:
    """n points that the chain back makes of N(0, 1) when it knows E[x_0 | x_{k+1}] exactly."""
    data = Gaussians(np.ones(1), np.zeros((1, 1)), np.array([SPREAD]))
    A, B, s = ladder.backward
    x = rng.standard_normal((n, 1))
    for k in reversed(range(ladder.steps)):
        clean = data.denoised(x, float(ladder.α[k + 1]), float(ladder.σ[k + 1]))
        x = A[k] * x + B[k] * clean + s[k] * rng.standard_normal((n, 1))
    return x[:, 0]


def _shares(axes: Axes, data: dict[str, Array]) -> None:
    for row, colour in zip(data["log ᾱ"], COLOURS, strict=True):
        axes.plot(t, np.exp(row), color=colour)
    axes.set(xlabel="time $t$", xlim=(0, 1), ylim=(0, 1.02), xticks=[0, 0.5, 1])
    axes.set_title(r"$\bar\alpha(t)$: signal left")
    for y, name, colour in zip((0.94, 0.86, 0.78, 0.70), NAMES, COLOURS, strict=True):
        style.label(axes, 0.98, y, name, colour, ha="right")


def _ratios(axes: Axes, data: dict[str, Array]) -> None:
    for row, colour in zip(data["log ᾱ"][:, 1:], COLOURS, strict=True):
        axes.plot(t[1:], (row - np.log(-np.expm1(row))) / np.log(10), color=colour)
    axes.axhline(np.log10(0.01 / 0.99), **style.LECTURE_LINE)
    style.label(axes, 0.03, -2.55, r"$\bar\alpha$ = 0.01", style.GREY)
    axes.set(xlabel="time $t$", xlim=(0, 1), ylim=(-6.2, 3.2), xticks=[0, 0.5, 1])
    axes.set_title(r"$\log_{10}$ signal / noise")


def _spreads(axes: Axes, data: dict[str, Array]) -> None:
    axes.axhline(SPREAD, color=style.DATA, lw=2)
    for spread, samples, colour in zip(
        data["spread"], data["x"], (style.EXACT, style.INK), strict=True
    ):
        axes.semilogx(T, spread, color=colour)
        axes.plot(SAMPLED, samples.std(axis=1), "o", color=style.WALKERS, ms=9)
    axes.set(xlabel="steps $T$", xlim=(18, 1100), ylim=(1.0, 1.82))
    axes.set_xticks([20, 50, 100, 200, 500, 1000], ["20", "50", "100", "200", "500", "1000"])
    axes.minorticks_off()
    axes.set_title("spread of the samples")
    style.label(axes, 1050, 1.735, "data, 1.7", style.DATA, ha="right")
    style.label(axes, 20, 1.655, "β scaled to $T$", style.INK)
    words = "made for 1000 steps:\n" r"β from $10^{-4}$ to 0.02"
    style.label(axes, 1080, 1.46, words, style.EXACT, va="top", ha="right")
    style.label(axes, 20, 1.3, "chains", style.WALKERS)
    few = int(np.flatnonzero(T == FEW)[0])
    ᾱ, spread = float(data["ᾱ_T"][0, few]), float(data["spread"][0, few])
    words = (
        rf"$T$ = {FEW}: $\bar\alpha_T$ = {ᾱ:.2f}, {schedules.leftover(ᾱ):.0%} of each point"
        f"\nis still there; spread {spread:.2f}: toyflows warns"
    )
    style.proof(axes, words, 0.98, 0.03, ha="right")
