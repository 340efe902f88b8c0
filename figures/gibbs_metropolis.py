"""Metropolis flips more often than Gibbs, so its means are surer.

Ising's model of 9 spins on a 3 × 3 torus, 512 states, so that all is exact: a spin is drawn at
random, and then drawn afresh (Gibbs) or turned over and kept with the probability min(1, e^{−ΔE/T})
(Metropolis). Left: the probability of a flip that costs ΔE. Middle: one chain each at T = 2.27 from
the same random numbers. Right: how many attempts are worth one independent draw for the mean
energy: the variance of the mean over a long chain, times its length, over that of one draw, from
the chains' matrices. Both leave ρ ∝ e^{−E/T} as it is. Metropolis flips at least as often in every
state, and by Peskun's theorem no mean is then less sure. Shows [G], lecture 8, where both are
introduced; extends it by the comparison. That is for a random choice of the spin: in a fixed order
Metropolis flips all spins at T = ∞ and never forgets. Sources: [G] Gavves, Deep generative and
energy models; Peskun 1973; Liu 1996.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.lattice.enumeration import states
from toyflows.numerics import expit
from toyflows.stats import Checked, at_least, at_most

Flips = NDArray[np.signedinteger[Any]]  # the number of each state with spin i turned (512, 9)

ORDER = 525
SAYS = {
    "Metropolis flips more often than Gibbs": ("least lead of Metropolis' flips",),
    "so its means are surer": ("least of Gibbs' variance over Metropolis'",),
}
SIDE, SHOWN_T, STEPS = 3, 2.27, 300
T = np.array([1.5, 1.75, 2.0, 2.27, 2.5, 3.0, 3.5, 4.0, 5.0])
RULES: dict[str, Callable[[Array], Array]] = {
    "Gibbs": lambda x: np.asarray(expit(-x)),
    "Metropolis": lambda x: np.exp(-np.maximum(x, 0.0)),
}
COLOURS = {"Gibbs": style.EXACT, "Metropolis": style.WALKERS}


def compute(scale: float, seed: int) -> dict[str, Array]:
    """By rule and T: variance of the mean energy over that of draws, largest error of ρP = ρ; the
    least of P_Metropolis − P_Gibbs off the diagonal; energies and flips of a chain of each."""
    s = 2 * states(SIDE * SIDE).astype(float) - 1
    E, turned = _energies(s), np.arange(len(s))[:, None] ^ (1 << np.arange(SIDE * SIDE))
    found = {name: [_judged(rule, E, turned, t) for t in T] for name, rule in RULES.items()}
    chains = [_chain(rule, E, turned, seed) for rule in RULES.values()]
    gibbs, metropolis = (np.asarray(rule(_climb(E, turned, 1.0))) for rule in RULES.values())
    return {
        "variance": np.array([[v for v, _ in row] for row in found.values()]),
        "error": np.array([[e for _, e in row] for row in found.values()]),
        "lead": np.array((metropolis - gibbs).min()),
        "E": np.array([E[chain] for chain in chains]),
        "flips": np.array([np.count_nonzero(np.diff(chain)) for chain in chains]),
    }


def _energies(s: Array) -> Array:
    """−Σ s_i s_j over the bonds of the torus, of the states (n, 9)."""
    grid = s.reshape(-1, SIDE, SIDE)
    return -sum((grid * np.roll(grid, 1, axis)).sum(axis=(1, 2)) for axis in (1, 2))


def _climb(E: Array, turned: Flips, t: float) -> Array:
    """ΔE/T of each flip of each state (n, 9)."""
    return np.asarray((E[turned] - E[:, None]) / t)


def _judged(
    rule: Callable[[Array], Array], E: Array, turned: Flips, t: float
) -> tuple[float, float]:
    """The variance of a long chain's mean energy, times its length, over that of one draw:
    ⟨f, (2(1 − P)⁻¹ − 1) f⟩/⟨f, f⟩ with f = E − ⟨E⟩; and the error of ρP = ρ."""
    ρ = np.exp(-(E - E.min()) / t)
    ρ /= ρ.sum()
    P = np.zeros((len(E), len(E)))
    np.put_along_axis(P, turned, rule(_climb(E, turned, t)) / turned.shape[1], axis=1)
    P[np.diag_indices_from(P)] = 1 - P.sum(axis=1)
    f = E - ρ @ E
    g = np.linalg.solve(np.eye(len(E)) - P + ρ, f)
    return float((2 * (ρ * f) @ g) / ((ρ * f) @ f) - 1), float(np.abs(ρ @ P - ρ).max())


def _chain(rule: Callable[[Array], Array], E: Array, turned: Flips, seed: int) -> Array:
    """The states' numbers after each of STEPS steps, from all spins up; the random numbers are a
    function of the seed alone."""
    rng = np.random.default_rng(seed)
    spins, coins = rng.integers(0, turned.shape[1], STEPS), rng.random(STEPS)
    accept, k = rule(_climb(E, turned, SHOWN_T)), len(E) - 1
    path = [k]
    for i, u in zip(spins.tolist(), coins.tolist(), strict=True):
        k = int(turned[k, i]) if u < accept[k, i] else k
        path.append(k)
    return np.array(path)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Both have the law at rest; Metropolis flips at least as often in each state, and its mean
    energy is surer at each temperature."""
    gibbs, metropolis = data["variance"]
    out: dict[str, Checked | float] = {
        "largest error of ρP = ρ": at_most("error", float(data["error"].max()), 1e-14),
        "least lead of Metropolis' flips": at_least("lead", float(data["lead"]), 0.0),
        "least of Gibbs' variance over Metropolis'": at_least(
            "ratio", float((gibbs / metropolis).min()), 1.04
        ),
        "flips, Gibbs": float(data["flips"][0]),
        "flips, Metropolis": float(data["flips"][1]),
    }
    for t, a, b in zip(T, gibbs, metropolis, strict=True):
        out |= {f"variance, Gibbs, T = {t:g}": a, f"variance, Metropolis, T = {t:g}": b}
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Probabilities, two chains, variances."""
    left, middle, right = fig.subplots(1, 3, width_ratios=[1, 1.15, 1])
    _flips(left)
    _chains(middle, data)
    for colour, variance in zip(COLOURS.values(), data["variance"], strict=True):
        right.plot(T, variance, "o-", color=colour)
    style.label(right, 3.9, 28.5, "Gibbs", style.EXACT)
    below = float(data["variance"][1, -1]) - 3
    style.label(right, 4.9, below, "Metropolis", style.WALKERS, ha="right", va="top")
    right.set(xlabel="temperature $T$", ylim=(0, None), xlim=(1.3, 5.2))
    right.set_title("attempts for one\nindependent draw")


def _flips(axes: Axes) -> None:
    x = np.linspace(-4, 4, 201)
    for name, rule in RULES.items():
        axes.plot(x, rule(x), color=COLOURS[name])
    style.label(axes, -3.9, 1.04, "Metropolis", COLOURS["Metropolis"])
    style.label(axes, -3.9, 0.83, "Gibbs", COLOURS["Gibbs"])
    axes.set(xlabel="cost of the flip, $ΔE/T$", ylim=(0, 1.12), xlim=(-4, 4))
    axes.set_title("probability\nof a flip")


def _chains(axes: Axes, data: dict[str, Array]) -> None:
    """The two energies, one above the other."""
    low, pitch = -18, 30
    for k, (name, colour) in enumerate(COLOURS.items()):
        lift = pitch * (1 - k)
        axes.plot(data["E"][k] + lift, color=colour, lw=1.5, drawstyle="steps-post")
        told = f"{name}: {int(data['flips'][k])} flips"
        style.label(axes, STEPS / 2, lift + 2, told, colour, ha="center")
    axes.set_yticks([low, -10, 0, low + pitch, pitch - 10, pitch], ["−18", "−10", "0"] * 2)
    axes.set(xlabel="attempts", xlim=(0, STEPS), ylabel="energy", ylim=(low - 2, pitch + 7))
    axes.set_title(f"a chain of each,\n$T$ = {SHOWN_T:g}")
