"""One softmax step recalls a stored image from half of it.

Left: 2000 printed letters of 28 × 28 pixels (black and white, −1 and 1) stored at once; the network
sees the right half of one, or one with a quarter of its pixels flipped, and makes one update
ξ ← X softmax(βXᵀξ), β = 0.5; Hebb's rule, run to rest, ends at one state for all. The energy falls.
Right: how many random ±1 patterns of d units keep at least half of the weight at an update from
them, for half of the patterns (2000 trials a point); lines: e^{d(β − log cosh β)}; grey: 0.138 d
of Hebb's rule. The update is attention: softmax(QKᵀ/√d)V at β = 1/√d, to 1e−12. Sources:
Ramsauer et al. 2021; Krotov & Hopfield 2016; Demircigil et al. 2017; [G] Gavves, lecture 8.
"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.images import glyphs
from toyflows.lattice import hopfield, modern
from toyflows.stats import Checked, at_least, at_most, close

ORDER = 515
SAYS = {
    "One softmax step recalls a stored image": ("update − attention", "recalled from a half"),
    "from half of it": ("share of the image that is seen",),
}
SIZE, STORED, ASKED, β = 28, 2000, 200, 0.5
SHOWN = 2
UNITS, GAINS = (8, 12, 16, 20, 24, 28, 32), (0.5, 1.0)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Images shown, shares recalled, the energy's rise, the distance to attention, capacities."""
    stored = STORED if scale >= 0.5 else STORED // 4
    rng = np.random.default_rng(seed)
    images = glyphs.load(SIZE).train.x
    images = images[rng.permutation(len(images))[:stored]]
    x: Array = np.where(images > 0, 1.0, -1.0).reshape(stored, -1)
    net, asked = modern.Modern(x, β), x[:ASKED]
    half = asked.reshape(-1, SIZE, SIZE).copy()
    half[:, :, : SIZE // 2] = 0
    noisy = np.where(rng.random(asked.shape) < 0.25, -asked, asked)
    seen = {"half": half.reshape(asked.shape), "noisy": noisy}
    recalled = {name: np.sign(net.update(ξ)) for name, ξ in seen.items()}
    hebb, _ = hopfield.hebb(x).settle(np.concatenate([ξ[:SHOWN] for ξ in seen.values()]), seed)
    Q, K = rng.standard_normal((20, 64)), rng.standard_normal((100, 64))
    same = modern.Modern(K, 1 / 8).update(Q) - modern.attention(Q, K, K)
    trials = max(400, int(2000 * scale))
    return {
        "stored": np.array(stored),
        "asked": asked[:SHOWN],
        "seen": np.concatenate([ξ[:SHOWN] for ξ in seen.values()]),
        "recalled": np.concatenate([ξ[:SHOWN] for ξ in recalled.values()]),
        "hebb": hebb,
        "shares": np.array([np.mean(np.all(r == asked, axis=1)) for r in recalled.values()]),
        "hebb share": np.array(np.mean(np.all(hebb == np.tile(asked[:SHOWN], (2, 1)), axis=1))),
        "rise": np.array(max(_rise(net, ξ) for ξ in seen.values())),
        "attention": np.array(np.abs(same).max()),
        "capacity": np.array(
            [[modern.capacity(d, gain, trials, rng) for d in UNITS] for gain in GAINS]
        ),
    }  # fmt: skip


def _rise(net: modern.Modern, ξ: Array) -> float:
    """The largest change of the energy in the first three updates."""
    energies = [net.energy(ξ)]
    for _ in range(3):
        ξ = net.update(ξ)
        energies.append(net.energy(ξ))
    return float(np.max(np.diff(energies, axis=0)))


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """One update is attention, never raises the energy, recalls nearly all; capacity grows at the
    rate β − log cosh β."""
    half, noisy = data["shares"]
    out: dict[str, Checked | float] = {
        "update − attention": at_most("update − attention", float(data["attention"]), 1e-12),
        "largest rise of the energy": at_most("rise", float(data["rise"]), 1e-9),
        "share of the image that is seen": close("seen", np.mean(data["seen"][0] != 0), 0.5),
        "recalled from a half": at_least("from a half", half, 0.97),
        "recalled with 25 % flipped": at_least("with 25 % flipped", noisy, 0.93),
        "Hebb, recalled": close("Hebb, recalled", float(data["hebb share"]), 0),
    }
    for gain, p in zip(GAINS, data["capacity"], strict=True):
        line = np.polynomial.Polynomial.fit(UNITS, np.log(p), 1).convert()
        what = f"log p over d, β = {gain:g}"
        out[what] = close(what, line.coef[1], modern.rate(gain), rtol=0.03)
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Images before and after, and capacities."""
    left, right = fig.subplots(1, 2, width_ratios=[1.15, 1])
    _images(left, data)
    _capacities(right, data["capacity"])


def _images(axes: Axes, data: dict[str, Array]) -> None:
    """Columns: starts; rows: what is seen, one update, Hebb's end, with gaps between."""
    pitch, gap = 1.12, 0.35
    rows = (("seen", "seen"), ("one update", "recalled"), ("Hebb’s rule", "hebb"))
    for r, (name, key) in enumerate(rows):
        for k, image in enumerate(data[key]):
            left = k * pitch + gap * (k >= SHOWN)
            axes.imshow(
                image.reshape(SIZE, SIZE), cmap="gray_r", vmin=-1, vmax=1, zorder=2,
                extent=(left, left + 1, r * 1.25 + 1, r * 1.25),
            )  # fmt: skip
        colour = (style.DATA, style.WALKERS, style.GREY)[r]
        style.label(axes, -0.15, r * 1.25 + 0.5, name, colour, ha="right", va="center")
    half, noisy = data["shares"]
    axes.text(0, 3.95, f"{100 * half:.1f} % recalled", color=style.INK)
    axes.text(SHOWN * pitch + gap, 3.95, f"{100 * noisy:.1f} %", color=style.INK)
    axes.set(xlim=(-1.9, 2 * SHOWN * pitch + gap), ylim=(4.1, -0.1), aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.axis("off")
    axes.set_title(f"{int(data['stored'])} letters stored, 784 units")


def _capacities(axes: Axes, capacity: Array) -> None:
    d = np.linspace(6, 34, 100)
    for gain, p, colour in zip(GAINS, capacity, (style.WALKERS, style.DATA), strict=True):
        axes.plot(d, np.exp(modern.rate(gain) * d), color=style.EXACT, lw=2)
        axes.plot(UNITS, p, "o", color=colour, ms=10, zorder=3)
        x = 22 if gain == 1 else 26
        y = math.exp(modern.rate(gain) * x)
        style.label(axes, x - 1 if gain == 1 else x + 0.5, y * (1.4 if gain == 1 else 0.35),
                    f"β = {gain:g}", colour, ha="right" if gain == 1 else "left")  # fmt: skip
    axes.plot(d, 0.138 * d, color=style.LECTURE, ls=(0, (5, 2)))
    style.label(axes, 20, 0.7, "Hebb’s rule: 0.138 d", style.GREY)
    style.label(axes, 7, 2e6, r"lines: $e^{d(\beta-\log\cosh\beta)}$", style.EXACT)
    axes.set_yscale("log")
    axes.set(xlabel="units, d", ylim=(0.4, 1e9), xlim=(6, 34.5))
    axes.set_yticks([1, 1e2, 1e4, 1e6, 1e8])
    axes.set_title("random patterns recalled in one update")
