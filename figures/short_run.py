"""Short-run chains learn their noise, until they outlive the mixing time.

Where θ comes to rest with chains of k = 1 … 24,576 Langevin steps (h = 0.05) from noise N(0, 1),
for q* = 0.2 (θ* = log 4) and separations d = 4, 6 and 8, on the exact law; walkers (8 runs of 400
steps with 500 chains, averaged over the second half) at d = 4. Left: θ, with the formula
d s Φ⁻¹(1 − q*) of separated modes. Right: the weight p_b(θ) that is learned over q*, against the
time of a chain in mixing times. Extends [C]: short-run learning is biased by its
noise; it is maximum likelihood once the chains forget where they started. Sources: Nijkamp, Hill,
Zhu & Wu 2019; [C] Coste, Generative models, how they work and how to train them, June 2024.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import brentq

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.flows import make
from toyflows.flows.short_run import ShortRun
from toyflows.stats import Checked, at_most, close, mean
from toyflows.target import Target

ORDER = 72
SAYS = {
    "Short-run chains learn their noise": ("θ after few steps at d = 8", "q/q* below a tenth"),
    "until they outlive the mixing time": ("q/q* past six times",),
}
Q_STAR, H, NOISE = 0.2, 0.05, 1.0
SEPARATIONS = (4.0, 6.0, 8.0)
STEPS = np.append(1, np.outer(2 ** np.arange(14), [2, 3]))  # 1, 2, 3, 4, 6, 8, 12, …
SAMPLED = np.array([1, 8, 64])  # steps of the walkers' chains, at d = 4
REPLICAS, CHAINS, TIME, RATE = 8, 500, 400, 80.0
NODES = 9  # Chebyshev points in θ: the ends are then known to 1e−5
COLOURS = (style.SECOND, style.THIRD, style.ACCENT)  # of the separations


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Ends θ (d, k), the formula's (d,), mixing times over h (d,), walkers' ends (k, replicas)."""
    targets = [Target.from_q(Q_STAR, d) for d in SEPARATIONS]
    seeds = np.random.SeedSequence(seed).generate_state(REPLICAS, np.uint32).tolist()
    near, n = targets[0], max(200, round(CHAINS * scale))
    return {
        "theta_star": np.array(near.θ_star),
        "end": np.array([_ends(target) for target in targets]),
        "formula": np.array([_formula(target) for target in targets]),
        "mixing": np.array([t.mixture.mixing_time(t.θ_star) / H for t in targets]),
        "walkers": np.array([
            [_walkers_end(int(k), Walkers(near, H, n, s)) for s in seeds] for k in SAMPLED
        ]),
    }  # fmt: skip


def _formula(target: Target) -> float:
    return ShortRun(noise=NOISE).separated_rest(target)


def _ends(target: Target) -> Array:
    """Where θ̇ = 0, for each k of STEPS: the root of its polynomial through Chebyshev points."""
    span = [0.5, 2.0 + _formula(target)]
    cheb = np.polynomial.Chebyshev
    θ = cheb.basis(NODES, domain=span).roots().real
    velocities = np.array([_velocities(target, v) for v in θ.tolist()])  # (θ, k)
    fits = [cheb.fit(θ, v, NODES - 1, domain=span) for v in velocities.T]
    return np.array([brentq(fit, *span) for fit in fits])


def _velocities(target: Target, θ: float) -> Array:
    """θ̇ of short-run chains for k = 1, 2, 4, … steps: the kernel's matrix, squared again and again
    (what `solve.velocity` gets by k steps, which are too many)."""
    grid = Grid(target, H)
    r, data = grid.mixture.responsibility, grid.mean(grid.data(), grid.mixture.responsibility, θ)
    P, laws = grid.transition(θ), [grid.move(grid.noise(NOISE), θ).weights]
    with np.errstate(under="ignore"):
        law = laws[0]
        while len(laws) < STEPS.size:
            law = law @ P
            laws += [law, law @ P]
            P = P @ P
        return np.array(laws) @ r(grid.x, θ) - data


def _walkers_end(k: int, walkers: Walkers) -> float:
    """Mean θ of the second half of a run from θ*."""
    flow = make("short-run", k=k, noise=NOISE)
    return float(solve.run(flow, walkers, walkers.target.θ_star, TIME, RATE).θ[TIME // 2 :].mean())


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """θ falls with k from the noise's value to θ*: below a tenth of the mixing time less than a
    fifth of q* is learned, past six of them all of it; the walkers end where the law ends."""
    q = _weight(data["end"]) / Q_STAR
    times = STEPS / data["mixing"][:, None]
    out: dict[str, Checked | float] = {
        "θ after few steps at d = 8": close(
            "θ",
            data["end"][2, STEPS == 16].item(),
            float(data["formula"][2]),
            rtol=(np.pi / SEPARATIONS[2]) ** 2,
        ),
        "q/q* below a tenth": at_most("early q/q*", float(q[times < 0.1].max()), 0.2),
        "q/q* past six times": close("late q/q*", float(q[times > 6].min()), 1.0, atol=0.02),
        "largest growth with k": at_most("growth", float(np.diff(data["end"]).max()), 1e-4),
    }
    for k, ends in zip(SAMPLED, data["walkers"], strict=True):
        exact = float(data["end"][0, np.flatnonzero(k == STEPS)[0]])
        out[f"walkers, k = {k}"] = mean(f"walkers' end at k = {k}", ends, exact, bias=0.01)
    return out


def _weight(θ: Array) -> Array:
    return 1 / (1 + np.exp(θ))


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """θ at rest against k; the weight learned against time over the mixing time."""
    style.panels(fig, data, [_ends_of, _learned], width_ratios=[1.3, 1])


def _ends_of(axes: Axes, data: dict[str, Array]) -> None:
    for d, end, formula in zip(SEPARATIONS, data["end"], data["formula"], strict=True):
        colour = COLOURS[SEPARATIONS.index(d)]
        axes.plot([1, 30], [formula, formula], **style.LECTURE_LINE)
        axes.semilogx(STEPS, end, color=colour)
        style.label(axes, 1.15, end[0] + 0.12, f"d = {d:g}", colour, va="bottom")
    axes.plot(SAMPLED, data["walkers"].mean(axis=1), "o", ms=9, color=style.WALKERS, clip_on=False)
    top = float(data["formula"][-1])
    style.label(axes, 36, top, r"$d\,s\,\Phi^{-1}(1-q_*)$", style.GREY, va="center")
    style.label(axes, 1300, 5.2, "lines: exact law", style.INK, fontweight="normal")
    style.label(axes, 9.5, 2.75, "walkers", style.WALKERS, va="top", ha="center")
    θ_star = float(data["theta_star"])
    axes.axhline(θ_star, color=style.DATA, lw=2)
    text = f"θ* = {θ_star:.3f}, maximum likelihood"
    style.label(axes, 1.15, θ_star - 0.1, text, style.DATA, va="top")
    axes.set(xlabel=f"steps $k$ of a chain, h = {H:g}", xlim=(1, STEPS[-1]), ylim=(0.6, 8))
    axes.set_title("where θ comes to rest")


def _learned(axes: Axes, data: dict[str, Array]) -> None:
    axes.axvline(1, color=style.LECTURE, lw=2)
    style.label(axes, 1.25, 0.03, "mixing time", style.GREY, va="bottom")
    q = _weight(data["end"]) / Q_STAR
    for k, (share, mixing) in enumerate(zip(q, data["mixing"], strict=True)):
        axes.semilogx(STEPS / mixing, share, color=COLOURS[k])
    for k, (x, y) in enumerate([(0.006, 0.115), (8e-4, 0.07), (1.3e-4, 0.03)]):
        style.label(axes, x, y, f"d = {SEPARATIONS[k]:g}", COLOURS[k])
    axes.axhline(1, color=style.DATA, lw=2)
    times = STEPS / data["mixing"][:, None]
    early, late = q[times < 0.1].max(), q[times > 6].min()
    style.proof(axes, f"below 0.1: at most {early:.2f}\nbeyond 6: at least {late:.3f}", y=0.85)
    axes.set(xlabel="time of a chain / mixing time", xlim=(1e-4, 50), ylim=(0, 1.1))
    axes.set_title("weight learned, over q*")
