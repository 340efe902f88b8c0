"""Langevin crosses between modes in a time of e^{d²/8}.

Left: relaxation time of Langevin between two equal modes against their separation d, in steps of
h = 1/4d²: exact law (grid), walkers (20,000, all started in mode a), and in continuous time the
inverse spectral gap, p_a p_b ∫_a^b dx/ρ(x) for far modes: e^{d²/8} times 3.94/d for d → ∞.
Middle: bias of E[r] in the stationary law of the unadjusted step and with Metropolis' acceptance,
d = 3, q = 0.8, walkers 16 × 20,000. Right: 20,000 walkers at d = 4 whose noise is √h or √(2h) at
drift h. Corrects [C], "implicit generation": drift η with noise √η samples e^{−2U}, with
√(2η) e^{−U}. Sources: Eyring–Kramers, as in Bovier & den Hollander 2015; [C] Coste, Generative
models, how they work and how to train them, June 2024.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array, Cloud
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_most, close, mean, proportion, slope
from toyflows.target import Target

if TYPE_CHECKING:
    from toyflows.backends.base import Backend

ORDER = 110
SAYS = {
    "Langevin crosses between modes in a time of e^{d²/8}": (
        "slope of log dτ over d²/8",
        "|τ/formula − 1|",
    ),
}
SEPARATIONS = np.array([4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0])
SAMPLED = np.array([4.0, 6.0, 8.0])
BETWEEN = (4.0, 16.0)  # times between which walkers are counted
ONE_MODE = 600.0  # θ at which all mass is in mode a; −θ: in mode b
SIZES = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.3])
SAMPLED_SIZES, METROPOLIS = np.array([0.2, 0.3]), np.array([0.03, 0.1, 0.3])
Q_STAR, REPLICAS = 0.8, 16
SLIP, RIGHT = 0.5, 1.0  # temperatures: noise √(2hT)
H, BINS = 0.05, np.linspace(-5, 5, 51)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Relaxation times over d, biases over h, histograms (2, bins) of the two noises."""
    n = max(10_000, round(20_000 * scale))
    return _crossing(n, seed) | _bias(max(2_000, round(20_000 * scale)), seed) | _slip(n, seed)


def _after(
    ops: Backend, cloud: Cloud, θ: float, steps: int, kernel: str = "ula", T: float = 1.0,
    first: int = 0,
) -> Cloud:  # fmt: skip
    """The cloud after `steps` steps, numbered from `first` on."""
    for k in range(first, first + steps):
        cloud = ops.at(k).move(cloud, θ, kernel=kernel, temperature=T)
    return cloud


def _relaxation(b: Array, span: float) -> float:
    """τ from the mass in b (2,) at two times `span` apart: ½ − b decays as e^{−t/τ}."""
    return -span / math.log1p(-2 * (b[1] - b[0]) / (1 - 2 * b[0]))


def _crossing(n: int, seed: int) -> dict[str, Array]:
    """τ of the exact law and of the formula (separations,); of the walkers (sampled,) with their
    fractions in b and the exact law's at two times (sampled, 2)."""
    exact, told = [], []
    for d in SEPARATIONS:
        grid = Grid(Target.exact(0.0, d), 0.25 / d**2)
        steps = round(80 / d**2 / grid.h)  # 20 times the 4/d² in which the ridge forgets the start
        masses = _twice(grid, grid.model(ONE_MODE), steps, steps)
        exact.append(_relaxation(masses, steps * grid.h))
        told.append(grid.mixture.mixing_time(0.0))
    walked, share, law = [], [], []
    for d in SAMPLED:
        target, h = Target.exact(0.0, d), 0.25 / d**2
        counts = [round(BETWEEN[0] / h), round((BETWEEN[1] - BETWEEN[0]) / h)]
        both: tuple[Backend, Backend] = (Walkers(target, h, n, seed), Grid(target, h))
        seen, wanted = (_twice(ops, ops.model(ONE_MODE), *counts) for ops in both)
        walked.append(_relaxation(seen, counts[1] * h))
        share.append(seen)
        law.append(wanted)
    return {
        "exact": np.array(exact), "formula": np.array(told), "walkers": np.array(walked),
        "in b": np.array(share), "law in b": np.array(law), "n": np.array(n),
    }  # fmt: skip


def _twice(ops: Backend, cloud: Cloud, early: int, more: int) -> Array:
    """Mass in b at θ = 0 after `early` steps and `more` (2,)."""
    one = _after(ops, cloud, 0.0, early)
    two = _after(ops, one, 0.0, more, first=early)
    return np.array([ops.mean(c, ops.mixture.in_b) for c in (one, two)])


def _bias(n: int, seed: int) -> dict[str, Array]:
    """E[r] − p_b in the stationary law: of ULA over h, of its walkers (h, replicas), of MALA."""
    target = Target.from_q(Q_STAR, 3.0)
    θ, seeds = target.θ_star, np.random.SeedSequence(seed).generate_state(REPLICAS, np.uint32)

    def bias(ops: Backend, start: float, time: float, kernel: str = "ula") -> float:
        cloud = _after(ops, ops.model(start), θ, round(time / ops.h), kernel)
        return float(ops.mean(cloud, ops.mixture.responsibility, θ)) - target.q_star

    return {
        "bias": np.array([bias(Grid(target, h), θ, 40) for h in SIZES.tolist()]),
        "metropolis": np.array(
            [bias(Grid(target, h), 0.0, 150, "mala") for h in METROPOLIS.tolist()]
        ),
        "walkers bias": np.array([
            [bias(Walkers(target, h, n, s), θ, 30) for s in seeds.tolist()]
            for h in SAMPLED_SIZES.tolist()
        ]),
    }  # fmt: skip


def _slip(n: int, seed: int) -> dict[str, Array]:
    """Of the noises √h and √(2h): histograms and densities (2, bins), the share of b of walkers, of
    the exact law and of e^{−U/T}, and the variance of one mode alone."""
    target, fine, steps = Target.from_q(Q_STAR, 4.0), 0.01, round(200 / H)
    θ, mix, grid, alone = target.θ_star, target.mixture, Grid(target, H), Grid(target, fine)
    rows, walkers = [], Walkers(target, H, n, seed)
    for T in (SLIP, RIGHT):
        x = _after(walkers, walkers.model(θ), θ, steps, T=T).x
        law = _after(grid, grid.model(θ), θ, steps, T=T)
        aim, near = Cloud(law.x, -mix.energy(law.x, θ) / T), np.abs(law.x) < 6
        one = _after(alone, alone.model(-ONE_MODE), -ONE_MODE, round(12 / fine), T=T)
        rows.append({
            "histogram": np.histogram(x, BINS, density=True)[0],
            "x": law.x[near],
            "density": (aim.weights / grid.dx)[near],
            "b": np.array([c.mean(mix.in_b) for c in (Cloud(x), law, aim)]),
            "variance": np.array(one.weights @ (one.x - mix.b) ** 2),
        })  # fmt: skip
    return {f"noise {key}": np.stack([row[key] for row in rows]) for key in rows[0]}


def _kramers(data: dict[str, Array]) -> Checked:
    """log(dτ) grows as d²/8 for d ≥ 8: the prefactor of e^{d²/8} tends to 3.94/d."""
    far = SEPARATIONS >= 8
    log_dτ = np.log(SEPARATIONS * data["exact"])
    return slope("Kramers", SEPARATIONS[far] ** 2 / 8, log_dτ[far], 1.0, rtol=0.01)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Exact law = 1/gap, of slope 1 for d ≥ 8; walkers are the exact law; the bias is of order 1
    and MALA's zero; the slip's variance is ½."""
    ratio = data["exact"] / data["formula"]
    out: dict[str, Checked | float] = {
        "slope of log dτ over d²/8": _kramers(data),
        "|τ/formula − 1|": at_most("formula", float(np.abs(ratio - 1).max()), 0.02),
        "order in h": slope("order", np.log(SIZES[:3]), np.log(-data["bias"][:3]), 1.0, rtol=0.03),
        "MALA's bias": at_most("MALA", float(np.abs(data["metropolis"]).max()), 1e-13),
    }  # fmt: skip
    n = int(data["n"])
    for d, shares, laws in zip(SAMPLED, data["in b"], data["law in b"], strict=True):
        for t, share, law in zip(BETWEEN, shares, laws, strict=True):
            what = f"walkers in b at t = {t:g}, d = {d:g}"
            out[what] = proportion(what, round(share * n), n, float(law))
    for h, biases in zip(SAMPLED_SIZES, data["walkers bias"], strict=True):
        wanted = float(data["bias"][np.flatnonzero(h == SIZES)[0]])
        out[f"walkers' bias, h = {h:g}"] = mean(f"bias at h = {h:g}", biases, wanted, bias=1e-4)
    for T, (seen, law, aim), variance in zip(
        (SLIP, RIGHT), data["noise b"], data["noise variance"], strict=True
    ):
        what = f"walkers in b at noise √({2 * T:g}h)"
        out[what] = proportion(what, round(seen * n), n, float(law))
        out[f"e^(−{1 / T:g}U): mass in b"] = close("mass in b", float(law), float(aim), atol=0.005)
        out[f"variance at noise √({2 * T:g}h)"] = close("variance", float(variance), T, rtol=0.006)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """τ over d²/8; bias over h; what two noises sample."""
    style.panels(fig, data, [_times, _biases, _noises], width_ratios=[1.15, 1, 1])


def _times(axes: Axes, data: dict[str, Array]) -> None:
    x = SEPARATIONS**2 / 8
    axes.semilogy(x, data["formula"], **style.LECTURE_LINE)
    axes.semilogy(x, data["exact"], "o", ms=8, color=style.EXACT)
    axes.semilogy(SAMPLED**2 / 8, data["walkers"], "o", ms=15, mfc="none", mew=2.5,
                  color=style.WALKERS)  # fmt: skip
    style.label(axes, 27, 1e15, "1/spectral gap", style.GREY, ha="right")
    style.label(axes, 34, 1e12, "exact law", style.EXACT)
    style.label(axes, 9.5, 5, "walkers", style.WALKERS)
    shown = [4, 8, 10, 12, 14, 16, 18, 20]
    axes.set_xticks([d * d / 8 for d in shown], [f"{d}" for d in shown])
    axes.set_yticks(10.0 ** np.arange(0, 21, 5))
    axes.set(xlabel="separation $d$, placed at $d^2/8$", ylim=(1, 1e23), xlim=(0, 52))
    axes.set_title("time to cross")
    style.proof(
        axes, rf"slope of log($d\,\tau$): {_kramers(data).value:.3f}", 0.96, 0.2, ha="right"
    )


def _biases(axes: Axes, data: dict[str, Array]) -> None:
    axes.loglog(SIZES, np.abs(data["bias"]), "o-", ms=8, color=style.EXACT)
    axes.loglog(SIZES, SIZES * abs(data["bias"][0]) / SIZES[0], **style.LECTURE_LINE)
    seen = np.abs(data["walkers bias"].mean(axis=1))
    axes.loglog(SAMPLED_SIZES, seen, "o", ms=15, mfc="none", mew=2.5, color=style.WALKERS)
    axes.plot(METROPOLIS, np.full(3, 1e-4), "v", ms=11, color=style.ACCENT)
    style.label(axes, 0.0105, 1.15e-4, "with acceptance: 0", style.ACCENT, va="bottom")
    style.label(axes, 0.0105, 3.4e-3, "Langevin's step", style.EXACT)
    style.label(axes, 0.12, 2.2e-3, r"$\propto h$", style.GREY)
    axes.set(xlabel="step $h$", xlim=(0.008, 0.4), ylim=(8e-5, 4e-2))
    axes.set_title("bias of E[r], d = 3")


def _noises(axes: Axes, data: dict[str, Array]) -> None:
    at = 0.5 * (BINS[1:] + BINS[:-1])
    for k, colour in enumerate((style.ACCENT, style.EXACT)):
        axes.plot(data["noise x"][k], data["noise density"][k], color=colour)
        axes.plot(at, data["noise histogram"][k], "o", ms=6, color=style.WALKERS)
    style.label(axes, 0.6, 0.36, "noise $\\sqrt{h}$:\n$e^{-2U}$", style.ACCENT, ha="right")
    style.label(axes, -2.2, 0.11, "noise $\\sqrt{2h}$:\n$e^{-U}$", style.EXACT, ha="center")
    axes.set(xlabel="$x$", xlim=(-5, 5), ylim=(0, 0.68))
    axes.set_title("drift $h$, two noises")
    a, b = data["noise variance"]
    style.proof(axes, f"variance of a mode:\n{a:.3f} and {b:.3f}", y=0.97)
