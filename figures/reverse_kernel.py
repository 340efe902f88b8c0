"""Given the data point, one step back is exactly Gaussian.

The lecture's chain X_{k+1} = (1 − γ)X_k + √(2γ)Z, γ = 0.1, 30 steps. Left: x_k given x_{k+1} and
x_0 is N(A x_{k+1} + B x_0, s²); lines by the formula, dots by conditioning the joint Gaussian with
linear algebra. Middle: the same law as N(x_{k+1}/(1 − γ) − Bẑ, s²), ẑ the noise in x_{k+1}: B, its
Taylor expansion 2γ/σ_{k+1}, and B as printed. Right: errors over γ: of the expansions at kγ = 0.6
(second order), of the corrected formula against conditioning there, and the relative error of the
printed B at k = 1, one step from the data, where a smaller γ does not help. Shows [D];
slips D.chain, D.step-back and D.score of docs/errata.md. Sources: [D] Conforti & Durmus,
Introduction to score-based generative models, lecture 2, February 2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion.chain import Ladder, taylor
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, at_most, slope

ORDER = 440
SAYS = {
    "Given the data point, one step back is exactly Gaussian": (
        "formula − conditioning",
        "at every γ",
    ),
}
γ, STEPS, TIME = 0.1, 30, 0.6
COUNTS = np.array([3, 6, 12, 24, 48, 96])  # steps to TIME: γ from 0.2 to 0.00625
PARTS = ("A", "B", "s²")


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Kernel (3, 30) by formula and by conditioning, B in its three forms (3, 30), and errors (5,
    6) of the expansions of A, B, s², of the printed B, and of the formula."""
    ladder = Ladder.langevin(np.full(STEPS, γ))
    kernel = np.array(ladder.backward)
    short = [Ladder.langevin(np.full(n, TIME / n)) for n in COUNTS.tolist()]
    return {
        "kernel": kernel,
        "conditioned": np.array([_conditioned(γ, k) for k in range(STEPS)]).T,
        "B": np.array([
            ladder.backward_noise.B, taylor(np.full(STEPS, γ), ladder.σ[1:]).B, _printed(ladder)
        ]),
        "errors": np.array([_errors(ladder) for ladder in short]).T,
    }  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The formula is conditioning; the expansions are of second order; the printed B is another."""
    off = np.abs(data["kernel"] - data["conditioned"])
    out: dict[str, Checked | float] = {
        "formula − conditioning": at_most("|formula − conditioning|", float(off.max()), 1e-12),
        "at every γ": at_most("|formula − conditioning|", float(data["errors"][4].max()), 1e-12),
        "printed B, relative error": at_least(
            "relative error of the printed B", float(data["errors"][3].min()), 0.6
        ),
    }
    for name, errors in zip(PARTS, data["errors"], strict=False):
        x = np.log(TIME / COUNTS[2:])
        out[f"order of {name}"] = slope(f"order of {name}", x, np.log(errors[2:]), 2, rtol=0.05)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The weights of x_{k+1} and x_0, the weight of the noise, errors."""
    left, middle, right = fig.subplots(1, 3)
    _kernel(left, data)
    _noise(middle, data["B"])
    _orders(right, data["errors"])


def _conditioned(γ: float, k: int) -> Array:
    """A, B, s (3,) of x_k given x_{k+1} and x_0, by linear algebra on the noises Z_0 … Z_k: x_j is
    (1 − γ)^j x_0 + M_j · Z."""
    i = np.arange(k + 1)
    M = np.sqrt(2 * γ) * np.array([(i < j) * (1 - γ) ** (j - 1.0 - i) for j in (k, k + 1)])
    covariance = M @ M.T
    A = np.linalg.solve(covariance[1:, 1:], covariance[1:, :1])[0, 0]
    variance = covariance[0, 0] - A * covariance[1, 0]
    return np.array([A, (1 - γ) ** k - A * (1 - γ) ** (k + 1), np.sqrt(max(variance, 0.0))])


def _printed(ladder: Ladder) -> Array:
    """B as printed (30,), with the variance of the step forth; none at k = 0, where σ_k = 0."""
    with np.errstate(divide="ignore"):
        front = ladder.α[:-1] * ladder.σ[1:] / (ladder.α[1:] * ladder.σ[:-1] ** 2)
    return np.where(ladder.σ[:-1] > 0, front * ladder.b**2, np.nan)


def _errors(ladder: Ladder) -> Array:
    """|Expansion − exact| of A, B and s² at the last step, printed B over B less 1 at k = 1, and
    |formula − conditioning| at the last step."""
    γ = 1 - ladder.a
    exact, near = ladder.backward_noise, taylor(γ, ladder.σ[1:])
    by_hand = _conditioned(float(γ[-1]), ladder.steps - 1)
    formula = np.array([part[-1] for part in ladder.backward])
    return np.array([
        abs(near.A - exact.A)[-1], abs(near.B - exact.B)[-1], abs(near.s**2 - exact.s**2)[-1],
        abs(_printed(ladder) / exact.B - 1)[1], np.abs(formula - by_hand).max(),
    ])  # fmt: skip


def _kernel(axes: Axes, data: dict[str, Array]) -> None:
    k = np.arange(STEPS)
    for line, dots in zip(data["kernel"], data["conditioned"], strict=True):
        axes.plot(k, line, color=style.EXACT)
        axes.plot(k[::3], dots[::3], "o", color=style.INK, ms=7, clip_on=False)
    axes.set(xlabel="step $k$", xlim=(0, STEPS - 1), ylim=(0, 1.02), yticks=[0, 0.5, 1])
    axes.set_title("$x_k$ from $x_{k+1}$ and $x_0$")
    style.label(axes, 28.5, 0.80, "$A$, of $x_{k+1}$", style.EXACT, ha="right")
    style.label(axes, 28.5, 0.08, "$B$, of $x_0$", style.EXACT, ha="right")
    style.label(axes, 28.5, 0.47, "spread $s$", style.EXACT, ha="right")
    off = float(np.abs(data["kernel"] - data["conditioned"]).max())
    style.label(axes, 28.5, 0.60, f"formula − dots ≤ {style.power(off)}", style.INK, ha="right")


def _noise(axes: Axes, B: Array) -> None:
    k = np.arange(STEPS)
    exact, near, printed = B
    axes.plot(k[1:], printed[1:], color=style.ACCENT)
    axes.plot(k, exact, color=style.EXACT)
    axes.plot(k, near, **style.LECTURE_LINE)
    axes.set(xlabel="step $k$", xlim=(0, STEPS - 1), ylim=(0, 0.8), yticks=[0, 0.2, 0.4, 0.6, 0.8])
    axes.set_title(r"$B$, of the noise $\hat z$")
    style.label(axes, 6, 0.52, "as printed", style.ACCENT)
    style.label(axes, 28.5, 0.30, "exact", style.EXACT, ha="right")
    style.label(axes, 28.5, 0.12, r"Taylor, $2\gamma/\sigma_{k+1}$", style.GREY, ha="right")


def _orders(axes: Axes, errors: Array) -> None:
    steps = TIME / COUNTS
    for row in errors[:3]:
        axes.loglog(steps, row, "o-", color=style.LECTURE, ms=7)
    axes.loglog(steps, errors[3], "o-", color=style.ACCENT, ms=7)
    axes.loglog(steps, np.maximum(errors[4], 1e-17), "o-", color=style.EXACT, ms=7, clip_on=False)
    axes.set(xlabel="γ", xlim=(0.005, 0.25), ylim=(1e-17, 60))
    axes.set_yticks([1e-16, 1e-12, 1e-8, 1e-4, 1])
    axes.set_title("error of the step back")
    style.label(axes, 0.24, 1e-14, "corrected formula", style.EXACT, ha="right")
    style.label(axes, 0.24, 3e-6, "Taylor: $A$, $B$, $s^2$, order 2", style.GREY, ha="right")
    style.label(axes, 0.24, 2.2, "$B$ as printed, $k$ = 1", style.ACCENT, ha="right")
