"""Graded units fall in energy too; below a gain of 1/λ they forget all.

Hopfield's network with units V_i = tanh(βu_i) between −1 and 1, du_i/dt = −u_i + Σ_j W_ij V_j, and
the four letters of MacKay's figure 42.3 by Hebb's rule. Left: the 25 units from a letter with 4
wrong bits, β = 0.2: some pass through grey. Middle: the energy of Hopfield 1984 along that path,
which never rises, and the picture on the way. Right: the overlap with the letter where the path
from the letter itself ends, against the gain β. Below 1/λ, λ the largest eigenvalue of W, V = 0 is
the one state of rest; at large β the binary network is back. V = tanh(βWV) is also the mean-field
equation of the Boltzmann machine at the temperature 1/β. Extends [G], lecture 8. Sources: Hopfield
1984; MacKay 2003, chapter 42; [G] Gavves, Deep generative and energy models.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.lattice import hopfield, patterns
from toyflows.lattice.continuous import Continuous
from toyflows.stats import Checked, at_least, at_most, close

ORDER = 508
SAYS = {
    "Graded units fall in energy too": ("largest rise of the energy",),
    "below a gain of 1/λ they forget all": ("largest |V| at rest, β < 0.95/λ",),
}
GAIN, WRONG, DT, STEPS, LETTER = 0.2, (1, 7, 8, 19), 0.05, 160, 1
SHOWN = (0, 20, 40, 160)
OVER = np.geomspace(0.25, 8, 31)  # β λ


def compute(scale: float, seed: int) -> dict[str, Array]:
    """The path V (steps + 1, 25) and its energies; λ; by β λ the overlap (25,) of the rest state
    from the letter, and how far it is from the binary one."""
    x = patterns.load(["letters"]).x
    net = hopfield.hebb(x.astype(float))
    graded = Continuous(net, GAIN)
    start = x[LETTER].copy()
    start[list(WRONG)] *= -1
    V, E = _path(graded, np.arctanh(0.6 * start) / GAIN)
    λ = float(np.linalg.eigvalsh(net.W)[-1])
    ends = np.array([Continuous(net, r / λ).settle(x[LETTER], 4000)[0] for r in OVER])
    return {
        "x": x[LETTER], "V": V, "E": E, "λ": np.array(λ), "overlap": ends @ x[LETTER] / x.shape[1],
        "size": np.abs(ends).max(axis=1),
    }  # fmt: skip


def _path(graded: Continuous, u: Array) -> tuple[Array, Array]:
    """tanh(βu) and the energy after each of Euler's steps, from the start on."""
    V, E = [np.tanh(graded.β * u)], [float(graded.energy(np.tanh(graded.β * u)))]
    for _ in range(STEPS):
        u, energies = graded.flow(u, DT, 1)
        V.append(np.tanh(graded.β * u))
        E.append(float(energies[-1]))
    return np.array(V), np.array(E)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The energy falls, the letter is mended; below 1/λ nothing is left, far above it all."""
    below, most = data["size"][OVER < 0.95].max(), data["overlap"][-1]
    return {
        "largest rise of the energy": at_most("rise", float(np.diff(data["E"]).max()), 1e-12),
        "bits wrong at the end": close(
            "wrong bits", float((np.sign(data["V"][-1]) != data["x"]).sum()), 0
        ),
        "λ": float(data["λ"]),
        "largest |V| at rest, β < 0.95/λ": at_most("|V|", float(below), 1e-6),
        "overlap at rest, β = 8/λ": at_least("overlap", float(most), 0.95),
        "overlap at the end of the path": float(np.mean(data["V"][-1] * data["x"])),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Units, energy with pictures, overlap against the gain."""
    left, middle, right = fig.subplots(1, 3, width_ratios=[1, 1, 1])
    t: Array = DT * np.arange(STEPS + 1, dtype=np.float64)
    right_from_start = np.sign(data["V"][0]) == data["x"]
    for V, right_one in zip((data["V"] * data["x"]).T, right_from_start, strict=True):
        left.plot(t, V, color=style.DATA if right_one else style.EXACT, lw=1.6, alpha=0.8)
    style.label(left, 7.8, 0.25, "right from\nthe start", style.DATA, ha="right")
    style.label(left, 7.8, -0.5, "wrong bits", style.EXACT, ha="right")
    left.set(xlabel="time $t$", xlim=(0, 8), ylim=(-1.05, 1.05))
    left.set_title("$V_i$ times the letter's bit")
    _energy(middle, t, data)
    _gains(right, data)


def _energy(axes: Axes, t: Array, data: dict[str, Array]) -> None:
    axes.plot(t, data["E"], color=style.EXACT)
    low, high = float(data["E"].min()), float(data["E"].max())
    axes.set(
        xlabel="time $t$", xlim=(0, 8), ylim=(low - 0.1 * (high - low), high + 0.1 * (high - low))
    )
    axes.set_title("energy")
    for k, step in enumerate(SHOWN):
        inset = axes.inset_axes((0.14 + 0.22 * k, 0.68, 0.2, 0.26))
        inset.imshow(-data["V"][step].reshape(5, 5), "gray", vmin=-1, vmax=1)
        inset.set(xticks=[], yticks=[])
        inset.set_xlabel(f"t = {DT * step:g}", fontsize=13, labelpad=2)
        inset.grid(False)


def _gains(axes: Axes, data: dict[str, Array]) -> None:
    axes.axvline(1, **style.LECTURE_LINE)
    axes.semilogx(OVER, data["overlap"], "o-", color=style.EXACT, ms=7)
    style.label(axes, 0.95, 0.62, "one state\nof rest:\n$V$ = 0", style.GREY, ha="right")
    style.label(axes, 1.35, 0.3, "the letter\ncomes back", style.EXACT)
    axes.set(xlabel="gain, $β λ$", ylim=(-0.03, 1.05))
    axes.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["¼", "½", "1", "2", "4", "8"])
    axes.minorticks_off()
    axes.set_title("overlap at rest")
