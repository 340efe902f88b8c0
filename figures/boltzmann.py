"""A Boltzmann machine learns until its moments are the data's.

Twelve spins, all visible, no hidden units; data are the exact moments of a machine with random
weights (spread 0.3) and biases (0.3), T = 1. Gradient ⟨s_i s_j⟩_data − ⟨s_i s_j⟩ at the rate
0.1/(1 + k/500) in step k, from zero weights; the second moment by all 4096 states, or by 500 chains
that make one Gibbs sweep a step. Left: KL(data | model), exact for both. Middle: all 78 moments
⟨s_i s_j⟩ and ⟨s_i⟩ of the machine that the chains have taught. Right: its weights against the true
ones. Shows that learning is a match of moments ([G]); log p is concave in the weights, so
that they come back. Sources: Ackley, Hinton & Sejnowski 1985; MacKay 2003, chapter 43.
"""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.lattice.boltzmann import Boltzmann, Chains, Moments, Negatives, exact, learn
from toyflows.seeds import stream
from toyflows.stats import Checked, at_most, close

ORDER = 530
SAYS = {
    "A Boltzmann machine learns until its moments are the data's": (
        "KL at the end, all states",
        "largest error of a moment, all states",
    ),
}
N, SPREAD, BIAS, RATE, SLOWER, STEPS = 12, 0.3, 0.3, 0.1, 500, 3000
PAIRS = np.triu_indices(N, 1)


def teacher(seed: int) -> Boltzmann:
    """The machine that the data are of."""
    rng = stream(seed, "teacher")
    W = np.triu(SPREAD * rng.standard_normal((N, N)), 1)
    return Boltzmann(W + W.T, BIAS * rng.standard_normal(N))


def compute(scale: float, seed: int) -> dict[str, Array]:
    """KL by step of both (2, seen) and the steps; moments and weights of all three machines, the
    data's first (3, …)."""
    true, chains = teacher(seed), max(200, round(500 * scale))
    data, steps = true.moments(), max(1000, round(STEPS * scale))
    seen = np.unique(np.geomspace(1, steps, 60).round().astype(int))
    S = stream(seed, "chains").choice(np.array([-1.0, 1.0]), (chains, N))
    ways: tuple[Negatives, ...] = (exact, Chains(S, seed))
    kls, machines = [], [true]
    for way in ways:
        kl, machine = _learned(data, true, way, seen.tolist())
        kls.append(kl)
        machines.append(machine)
    return {
        "steps": seen,
        "KL": np.array(kls),
        "moments": np.array([_flat(m.moments()) for m in machines]),
        "weights": np.array([m.W[PAIRS] for m in machines]),
    }


def _learned(
    data: Moments, true: Boltzmann, way: Negatives, seen: list[int]
) -> tuple[list[float], Boltzmann]:
    """KL at the steps seen, and the last machine."""
    best, kl = true.mean_log_likelihood(data), []
    start = Boltzmann(np.zeros((N, N)), np.zeros(N))
    path = learn(data, way, lambda k: RATE / (1 + k / SLOWER), start)
    for step, machine in enumerate(itertools.islice(path, seen[-1]), 1):
        if step in seen:
            kl.append(best - machine.mean_log_likelihood(data))
    return kl, machine


def _flat(moments: Moments) -> Array:
    return np.concatenate([moments.pairs[PAIRS], moments.means])


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """KL falls in every exact step; both end near zero, with the data's moments."""
    exact_kl, chains_kl = data["KL"]
    true, by_states, by_chains = data["moments"]
    out: dict[str, Checked | float] = {
        "largest rise of KL, all states": at_most("rise", float(np.diff(exact_kl).max()), 0.0),
        "KL at the end, all states": at_most("KL", float(exact_kl[-1]), 0.001 * exact_kl[0]),
        "KL at the end, chains": at_most("KL", float(chains_kl[-1]), 0.02 * chains_kl[0]),
        "least KL": close("KL below zero", min(0.0, data["KL"].min()), 0.0, atol=1e-12),
    }
    for name, found, room in (("all states", by_states, 0.01), ("chains", by_chains, 0.2)):
        worst = float(np.abs(found - true).max())
        out[f"largest error of a moment, {name}"] = at_most("moment", worst, room)
    wrong = float(np.abs(data["weights"][2] - data["weights"][0]).max())
    out["largest error of a weight, chains"] = wrong
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """KL against the step; moments and weights against the true ones."""
    left, middle, right = fig.subplots(1, 3, width_ratios=[1.25, 1, 1])
    _paths(left, data)
    _match(middle, data["moments"], "moments")
    _match(right, data["weights"], "weights")


def _paths(axes: Axes, data: dict[str, Array]) -> None:
    steps, (states, chains) = data["steps"], data["KL"]
    axes.loglog(steps, states, color=style.EXACT)
    axes.loglog(steps, chains, color=style.WALKERS, lw=2)
    axes.set(xlabel="learning step", xlim=(1, steps[-1]))
    axes.set_title("KL(data | model), nats")
    at = int(np.argmax(states < 0.001 * states[0]))  # below and left of the curve
    style.label(axes, steps[at] * 0.6, states[at], "all states", style.EXACT, ha="right")
    top = chains[2 * len(chains) // 3 :].max()
    style.label(axes, steps[-1], 1.6 * top, "chains", style.WALKERS, ha="right", va="bottom")


def _match(axes: Axes, found: Array, what: str) -> None:
    true, _, chains = found
    ends = np.array([found.min(), found.max()])
    axes.plot(ends, ends, color=style.INK, lw=1.5)
    axes.plot(true, chains, "o", ms=7, color=style.WALKERS, mec="white", mew=0.6)
    axes.set(xlabel=f"{what} of the data" if what == "moments" else "true weights")
    axes.set_title(f"{what}, by chains")
    style.proof(axes, f"largest error {np.abs(chains - true).max():.3f}", 0.04, 0.95)
