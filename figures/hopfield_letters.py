"""Hopfield's network mends letters; the gradient rule mends more.

Four letters of 25 bits, as in MacKay's figure 42.3, stored by Hebb's rule. Left: starts with wrong
bits (vermilion) and where they come to rest, one unit at a time in random order; the energy
−½sᵀWs falls. Middle: states at rest that are no letters, of the 20 that an enumeration of all 2²⁵
finds: mixtures, damaged letters, inverses. Right: the share of the starts with k wrong bits (all,
or 20 000 of a letter) that come to rest at their letter, for Hebb's rule and the gradient rule of
MacKay's algorithm 42.9, each start in one random order. With Hebb's rule four of the 100
starts with one wrong bit are lost in some orders; the gradient rule mends all in every order.
Sources: MacKay, Information Theory, Inference, and Learning Algorithms, 2003, chapter 42; [G]
Gavves, lecture 8.
"""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.lattice import hopfield, patterns
from toyflows.stats import Checked, at_least, at_most, close

ORDER = 500
SAYS = {
    "Hopfield's network mends letters": ("shown starts mended",),
    "the gradient rule mends more": ("gradient − Hebb, …",),
}
MOST_BITS, SHOWN_BITS = 6, (3, 4, 5, 5)
STARTS = 20_000  # of a letter, at most
RULES = {"Hebb’s rule": hopfield.hebb, "gradient rule": hopfield.gradient_rule}


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Letters (4, 25), shown starts and their ends, all energies' largest rise, Hebb's states at
    rest (n, 25), and shares of recall (rule, k)."""
    x = patterns.load(["letters"]).x
    net, rng = hopfield.hebb(x), np.random.default_rng(seed)
    starts = _shown(net, x, rng)
    paths = [net.path(s, seed=seed) for s in starts]
    traces = [_energies(net, s, rng) for s in starts for _ in range(20)]
    bits, most = range(1, MOST_BITS + 1), int(STARTS * max(scale, 0.1))
    recall = [[_recall(rule(x), x, k, most, seed) for k in bits] for rule in RULES.values()]
    return {
        "x": x,
        "starts": starts,
        "ends": np.array([path.states[-1] for path in paths]),
        "energies": np.array([path.energies[[0, -1]] for path in paths]),
        "rise": np.array(max(np.diff(E).max() for E in traces)),
        "at rest": net.rest_states(),
        "margin": np.array([np.min(x * rule(x).activations(x)) for rule in RULES.values()]),
        "recall": np.array(recall),
    }


def _shown(net: hopfield.Hopfield, x: Array, rng: np.random.Generator) -> Array:
    """For each letter a start with some wrong bits that every one of 50 orders mends."""
    found = []
    for letter, k in zip(x, SHOWN_BITS, strict=True):
        while True:
            s = letter.copy()
            s[rng.permutation(s.size)[:k]] *= -1
            if np.all(net.settle(np.repeat(s[None], 50, 0))[0] == letter):
                found.append(s)
                break
    return np.array(found)


def _energies(net: hopfield.Hopfield, s: Array, rng: np.random.Generator) -> Array:
    """E after each update of one unit, in random order."""
    s, E = s.copy(), [float(net.energy(s))]
    for i in np.concatenate([rng.permutation(s.size) for _ in range(4)]):
        a = net.activations(s)[i]
        s[i] = np.sign(a) if a else s[i]
        E.append(float(net.energy(s)))
    return np.array(E)


def _recall(net: hopfield.Hopfield, x: Array, k: int, most: int, seed: int) -> float:
    """The share of the starts k bits from a letter, all or a random `most`, that end at it."""
    wrong = np.array(list(itertools.combinations(range(x.shape[1]), k)))
    wrong = np.random.default_rng(seed).permutation(wrong)[:most]
    right = []
    for letter in x:
        s = np.repeat(letter[None], len(wrong), 0)
        s[np.arange(len(wrong))[:, None], wrong] *= -1
        right.append(np.all(net.settle(s, seed)[0] == letter, axis=1).mean())
    return float(np.mean(right))


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Letters are at rest, with their inverses and mixtures; energies fall; the gradient rule mends
    every wrong bit and recalls more than Hebb's."""
    x, rest, (hebb, gradient) = data["x"], data["at rest"], data["recall"]
    m = np.abs(hopfield.overlaps(rest, x))
    two = np.sort(m, axis=1)[:, -2]
    out: dict[str, Checked | float] = {
        "Hebb: least s_i a_i of a letter": at_least("margin", data["margin"][0], 1e-9),
        "gradient: least s_i a_i of a letter": at_least("margin", data["margin"][1], 1e-9),
        "largest rise of the energy": at_most("rise", float(data["rise"]), 0.0),
        "shown starts mended": close("mended", float(np.all(data["ends"] == x)), 1),
        "states at rest": close("states at rest", len(rest), 20),
        "letters and inverses among them": close("letters", (m.max(axis=1) == 1).sum(), 8),
        "mixtures of two letters": close("mixtures", ((m.max(1) < 1) & (two >= 0.6)).sum(), 4),
        "Hebb, 1 bit": at_least("Hebb, 1 bit", hebb[0], 0.96),
        "gradient rule, 1 bit": close("gradient rule, 1 bit", gradient[0], 1),
    }
    for k in range(1, MOST_BITS):
        lead = gradient[k] - hebb[k]
        out[f"gradient − Hebb, {k + 1} bits"] = at_least(f"lead, {k + 1} bits", lead, 0.03)
        out[f"Hebb, {k + 1} bits"], out[f"gradient, {k + 1} bits"] = hebb[k], gradient[k]
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Starts and ends, spurious states, and shares of recall."""
    left, middle, right = fig.subplots(1, 3, width_ratios=[1, 1, 1.15])
    _mended(left, data)
    _spurious(middle, data)
    _shares(right, data["recall"])


def _mended(axes: Axes, data: dict[str, Array]) -> None:
    for k, (x, s, end) in enumerate(zip(data["x"], data["starts"], data["ends"], strict=True)):
        top = 6.3 * k
        _letter(axes, s, 0, top, s != x)
        _letter(axes, end, 9.2, top, s != s)
        axes.annotate("", (8.7, top + 2.5), (5.5, top + 2.5), arrowprops={"arrowstyle": "->"})
        E = [style.number(float(e), ".0f") for e in data["energies"][k]]
        axes.text(14.7, top + 2.5, f"E {E[0]}\n→ {E[1]}", va="center", color=style.INK)
    _bare(axes, 20, 25)
    axes.set_title("wrong bits, mended")


def _spurious(axes: Axes, data: dict[str, Array]) -> None:
    names = ("inverse of D", "J and C", "D, C and M", "M, 2 bits off")
    for k, (name, s) in enumerate(zip(names, _examples(data), strict=True)):
        _letter(axes, s, 0, 6.3 * k, s != s, style.EXACT)
        m = hopfield.overlaps(s, data["x"])
        words = " ".join(style.number(float(v), "+.2f") for v in m)
        axes.text(5.8, 6.3 * k + 1.5, name, va="center", fontweight="bold", color=style.EXACT)
        axes.text(5.8, 6.3 * k + 3.4, words, va="center", fontsize=13, color=style.INK)
    _bare(axes, 19.5, 25)
    axes.set_title("at rest, never taught")
    axes.text(5.8, 24.6, "overlaps with D J C M", fontsize=13, color=style.GREY)


def _examples(data: dict[str, Array]) -> Array:
    """The states at rest that have these overlaps most often."""
    rest = data["at rest"]
    m = hopfield.overlaps(rest, data["x"])
    spurious = np.abs(m).max(axis=1) < 1
    D, J, C, M = m.T
    sought = (-D, np.where(spurious, J + C, -9), np.where(spurious, D + C + M, -9),
              np.where(spurious, M, -9))  # fmt: skip
    return np.array([rest[int(np.argmax(score))] for score in sought])


def _shares(axes: Axes, recall: Array) -> None:
    k = np.arange(1, MOST_BITS + 1)
    for name, shares, colour, up in zip(
        RULES, recall, (style.LECTURE, style.WALKERS), (-1, 1), strict=True
    ):
        dark = style.GREY if colour == style.LECTURE else colour
        axes.plot(k, shares, "o-", color=colour, ms=8)
        y = float(np.interp(4, k, shares)) + (0.05 if up > 0 else -0.15)
        style.label(axes, 4, y, name, dark, ha="left" if up > 0 else "right")
        axes.text(1, shares[0] + (0.03 if up > 0 else -0.12), f"{shares[0]:.3f}", color=dark)
        axes.text(MOST_BITS + 0.15, shares[-1], f"{shares[-1]:.3f}", color=dark, va="center")
    axes.set(xlabel="wrong bits of 25", ylim=(0, 1.12), xlim=(0.7, MOST_BITS + 0.9))
    axes.set_xticks(k)
    axes.set_title("share recalled")


def _letter(
    axes: Axes, s: Array, left: float, top: float, wrong: Array, ink: str = style.DATA
) -> None:
    """25 pixels in the ink; wrong ones vermilion, pale where they lack."""
    full, red = np.array(to_rgb(ink)), np.array(to_rgb(style.EXACT))
    rgb = np.where((s > 0)[:, None], full, 0.93)
    rgb = np.where(wrong[:, None], np.where((s > 0)[:, None], red, 0.55 * red + 0.45), rgb)
    axes.imshow(rgb.reshape(5, 5, 3), extent=(left, left + 5, top + 5, top), zorder=2)
    for line in range(6):
        axes.plot([left, left + 5], [top + line] * 2, color="w", lw=1, zorder=3)
        axes.plot([left + line] * 2, [top, top + 5], color="w", lw=1, zorder=3)


def _bare(axes: Axes, right: float, bottom: float) -> None:
    axes.set(xlim=(-0.3, right), ylim=(bottom, -0.3), aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.axis("off")
