"""Order ends where Onsager says, and the same model cleans a letter.

Top: Wolff's clusters on 64 × 64 spins (no field, 2000 sweeps a temperature) with error bars that
know the autocorrelation, over Onsager's magnetisation and energy of the infinite lattice; Binder's
cumulant of 16, 32 and 64 spins a side (5000 sweeps), which all meet at T_c. Below: lattices of
256 × 256 at three temperatures; a letter of 128 × 128 with a fifth of its pixels flipped, and three
answers of the pairwise posterior ψ_i, ψ_ij: ICM, the sign of Gibbs' posterior mean, and the mode by
a minimal cut, with the share of wrong pixels. The energies are those of Kaufman's formula for
64 × 64 spins, within their errors. Sources: [G]; MacKay 2003, chapter 31; Onsager 1944; Kaufman
1949; Yang 1952; Greig, Porteous & Seheult 1989.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec, SubplotSpec

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.images import glyphs
from toyflows.lattice import denoise, ising_exact
from toyflows.lattice.ising import Ising
from toyflows.lattice.ising_chain import run
from toyflows.lattice.ising_exact import T_c
from toyflows.lattice.ising_observables import crossing, estimates
from toyflows.lattice.series import Estimate
from toyflows.stats import Checked, at_most, close

ORDER = 520
SAYS = {
    "Order ends where Onsager says": ("T_c", "|m| from Onsager's"),
    "and the same model cleans a letter": ("wrong, Gibbs", "wrong, cut"),
}
L, SIZES, SHOWN = 64, (16, 32, 64), 256
T = np.array([1.2, 1.5, 1.7, 1.9, 2.0, 2.1, 2.2, T_c, 2.35, 2.5, 2.7, 3.0, 3.3])
T_BINDER = T_c * np.array([0.98, 0.99, 1.0, 1.01, 1.02])
T_SHOWN = np.array([2.0, T_c, 3.0])
FLIPPED, COUPLING = 0.2, 0.6
SEEN = ("seen", "ICM", "Gibbs", "min. cut")
MEASURED = ("magnetisation", "energy")
NEAR = 2e-3  # of 64 × 64 spins' |m| from the infinite lattice's at T ≤ 2.2, where ξ = 9


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Values and errors of |m| and e by temperature (2, temperatures, 2), of Binder's cumulant by
    size and temperature (3, 5, 2); crossing and error; lattices; letters and what is wrong."""
    measured = [_measured(L, t, max(500, round(2000 * scale)), seed) for t in T]
    curves = [
        [_measured(size, t, max(2500, round(5000 * scale)), seed)["Binder cumulant"]
         for t in T_BINDER]
        for size in SIZES
    ]  # fmt: skip
    shown = [run(Ising(SHOWN, float(t)), "wolff", 1, 60, seed).spins for t in T_SHOWN]
    return {
        "measured": np.array([[e[name][:2] for e in measured] for name in MEASURED]),
        "binder": np.array([[e[:2] for e in curve] for curve in curves]),
        "T_c": np.array(crossing(T_BINDER, curves[0], curves[-1])),
        "lattices": np.array(shown),
        **_cleaned(seed),
    }  # fmt: skip


def _measured(size: int, temperature: float, sweeps: int, seed: int) -> dict[str, Estimate]:
    return estimates(run(Ising(size, float(temperature)), "wolff", sweeps, 100, seed))


def _cleaned(seed: int) -> dict[str, Array]:
    """The letter, SEEN (4, 128, 128), their shares of wrong pixels and their energies (4,)."""
    rng = np.random.default_rng(seed)
    x = np.where(glyphs.master("R", "DejaVuSerif-Bold") > 0.5, 1, -1).astype(np.int8)
    y, model = denoise.flipped(x, FLIPPED, rng), denoise.Posterior.of_noise(FLIPPED, COUPLING)
    mean = denoise.gibbs(model, y, 100, 30, rng)
    found = [y, denoise.icm(model, y)[0], np.where(mean > 0, 1, -1), denoise.mode(model, y)]
    return {
        "letters": np.array(found, np.int8),
        "wrong": np.array([np.mean(z != x) for z in found]),
        "E": np.array([model.energy(z, y) for z in found]),
    }


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """T_c to 0.5 %; Onsager's magnetisation below it; Kaufman's energies; the cut is lowest."""
    (m, m_error), (e, e_error) = data["measured"].transpose(0, 2, 1)
    below = T <= 2.2
    onsager = np.array([ising_exact.onsager_magnetisation(t) for t in T])
    away = np.abs(m - onsager)[below] - NEAR
    kaufman = np.array([ising_exact.torus(L, t)[0] for t in T])
    found, error = data["T_c"]
    wrong, E = dict(zip(SEEN, data["wrong"], strict=True)), data["E"]
    return {
        "T_c": close("crossing of Binder's cumulants", found, T_c, rtol=5e-3),
        "error of T_c": at_most("statistical error of T_c", error, 1e-3 * T_c),
        "|m| from Onsager's": at_most("errors away", np.max(away / m_error[below]), 5.5),
        "its error": at_most("error of |m|", np.max(m_error[below]), 0.01),
        "e from Kaufman's": at_most("errors away", np.max(np.abs(e - kaufman) / e_error), 5.5),
        "lowest energy": at_most("energy of the cut", E[3], np.min(E[:3])),
        "wrong, Gibbs": at_most("wrong pixels after Gibbs", wrong["Gibbs"], 0.015),
        "wrong, cut": at_most("wrong pixels after the cut", wrong["min. cut"], 0.015),
        "wrong, ICM": at_most("wrong pixels after ICM", wrong["ICM"], 0.05),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Curves above, pictures below."""
    rows = fig.add_gridspec(2, 1, height_ratios=[1.7, 1.0])
    top = GridSpecFromSubplotSpec(1, 3, rows[0])
    m, e, binder = (fig.add_subplot(top[k]) for k in range(3))
    fine = np.linspace(T[0], T[-1], 801)
    for axes, curve, values in (
        (m, ising_exact.onsager_magnetisation, data["measured"][0]),
        (e, ising_exact.onsager_energy, data["measured"][1]),
    ):
        axes.plot(fine, [curve(t) for t in fine], color=style.EXACT)
        axes.errorbar(
            T, values[:, 0], values[:, 1], fmt="o", ms=8, color=style.WALKERS, elinewidth=3
        )
        axes.axvline(T_c, **style.LECTURE_LINE, zorder=0)
        axes.set_xlabel("temperature T")
    m.set_title("magnetisation")
    e.set_title("energy per spin")
    style.label(m, 1.2, 0.45, "Onsager", style.EXACT)
    style.label(m, 1.2, 0.17, "Wolff,\n64 × 64", style.WALKERS)
    style.label(e, T_c + 0.05, -1.93, f"$T_c$ = {T_c:.4f}", style.GREY)
    _binder(binder, data)
    _pictures(fig, rows[1], data)


def _binder(axes: Axes, data: dict[str, Array]) -> None:
    for size, curve, colour in zip(
        SIZES, data["binder"], (style.THIRD, style.SECOND, style.WALKERS), strict=True
    ):
        axes.errorbar(T_BINDER, curve[:, 0], curve[:, 1], fmt="o-", ms=6, color=colour)
        style.label(axes, T_BINDER[-1] * 1.002, curve[-1, 0], f"{size}", colour, va="center")
    axes.axvline(T_c, **style.LECTURE_LINE, zorder=0)
    found, error = data["T_c"]
    style.proof(axes, f"cross at\n{found:.4f} ± {error:.4f}", 0.47, 0.97)
    axes.set(xlabel="temperature T", xlim=(T_BINDER[0] - 0.01, T_BINDER[-1] + 0.025))
    axes.set_title("Binder cumulant, by size")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.1f}"


def _pictures(fig: Figure, place: SubplotSpec, data: dict[str, Array]) -> None:
    """Three lattices and four letters, +1 dark."""
    grid = GridSpecFromSubplotSpec(1, 7, place)
    names = [f"T = {t:.2f}" for t in T_SHOWN]
    names += [
        f"{name}: {_percent(share)} %" + " wrong" * (name == "seen")
        for name, share in zip(SEEN, data["wrong"], strict=True)
    ]
    for k, (name, s) in enumerate(zip(names, [*data["lattices"], *data["letters"]], strict=True)):
        axes = fig.add_subplot(grid[k])
        up = s if k >= len(T_SHOWN) or s.sum() >= 0 else -s  # both signs are as likely
        axes.imshow(up, cmap="gray_r", vmin=-1.2, vmax=1.2, interpolation="nearest")
        axes.set_title(name, fontsize=14, fontweight="normal", pad=5)
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
