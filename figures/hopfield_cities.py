"""Part of a memory brings back the whole, bad spelling or not.

Nine pairs of 18 characters, 7 bits (ASCII) each, as in MacKay's figure 42.1: 126 units. Left: what
the network is given (? is unknown: its units begin at 0) and what it comes to rest at, with weights
by the gradient rule of MacKay's algorithm 42.9. Right: the share of starts that are recalled when
some characters, at random places, are replaced by random letters: 400 starts of each pair.
With Hebb's rule not one of the nine is at rest: characters share most of their bits, and so do
the pairs. Source: MacKay, Information Theory, Inference, and Learning Algorithms, 2003, chapter 42.
"""

from __future__ import annotations

import string
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.lattice import hopfield, patterns
from toyflows.stats import Checked, at_least, close

ORDER = 505
SAYS = {
    "Part of a memory brings back the whole": ("prompts answered",),
    "bad spelling or not": ("one wrong character of any kind", "gradient rule, 4 wrong"),
}
KNOWN, STARTS, WRONG = 7, 400, (0, 1, 2, 3, 4, 6, 8, 10)
BADLY_SPELT = {"otowa-------canada": "ottawa------canada",
               "egindurrh-sxotland": "edinburgh-scotland"}  # fmt: skip
SHOWN = ("moscow-???????????", "???????????--japan", "stockho???????????", "???????????-france")


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Prompts and what comes of them, with what was meant; shares of recall (rule, wrong)."""
    cities = patterns.load(["cities"])
    nets = [hopfield.hebb(cities.x), hopfield.gradient_rule(cities.x)]
    prompts = dict(BADLY_SPELT)
    for name in cities.names:
        prompts[name[:KNOWN] + "?" * (len(name) - KNOWN)] = name
        prompts["?" * (len(name) - KNOWN) + name[-KNOWN:]] = name
    starts = np.stack([cities.start(words) for words in prompts])
    answers = [cities.draw(s) for s in nets[1].settle(starts, seed)[0]]
    n = max(40, int(STARTS * scale))
    shares = [[_share(net, cities, k, n, seed) for k in WRONG] for net in nets]
    return {
        "prompts": np.array(list(prompts)),
        "meant": np.array(list(prompts.values())),
        "answers": np.array(answers),
        "shares": np.array(shares),
        "one character": np.array(_every_character(nets[1], cities, seed)),
    }


def _share(net: hopfield.Hopfield, cities: patterns.Patterns, k: int, n: int, seed: int) -> float:
    """The share of n starts of each pair with k characters replaced that end at the pair."""
    rng, letters = np.random.default_rng([seed, k]), list(string.ascii_lowercase + "-")
    right = []
    for x, name in zip(cities.x, cities.names, strict=True):
        starts = []
        for _ in range(n):
            word = list(name)
            for place in rng.permutation(len(name))[:k]:
                word[place] = str(rng.choice([c for c in letters if c != name[place]]))
            starts.append(cities.start("".join(word)))
        right.append(np.all(net.settle(np.stack(starts), seed)[0] == x, axis=1).mean())
    return float(np.mean(right))


def _every_character(net: hopfield.Hopfield, cities: patterns.Patterns, seed: int) -> float:
    """The share recalled of all starts with one character replaced by another letter."""
    right = []
    for x, name in zip(cities.x, cities.names, strict=True):
        words = [name[:place] + c + name[place + 1 :] for place in range(len(name))
                 for c in string.ascii_lowercase + "-" if c != name[place]]  # fmt: skip
        starts = np.stack([cities.start(word) for word in words])
        right.append(np.all(net.settle(starts, seed)[0] == x, axis=1).mean())
    return float(np.mean(right))


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """All prompts are answered, every single wrong character is mended; Hebb's rule holds none."""
    hebb, gradient = data["shares"]
    right = float(np.mean(data["answers"] == data["meant"]))
    one = float(data["one character"])
    out: dict[str, Checked | float] = {
        "prompts": float(len(data["prompts"])),
        "prompts answered": close("prompts answered", right, 1),
        "one wrong character of any kind": close("one wrong character", one, 1),
        "Hebb, pairs at rest": close("Hebb, pairs at rest", hebb[0], 0),
        "gradient rule, pairs at rest": close("gradient rule, pairs at rest", gradient[0], 1),
        "gradient rule, 4 wrong": at_least("4 wrong", gradient[WRONG.index(4)], 0.97),
    }
    return out | {f"gradient rule, {k} wrong": v for k, v in zip(WRONG[5:], gradient[5:].tolist(),
                                                                 strict=True)}  # fmt: skip


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Prompts and answers, and shares of recall."""
    left, right = fig.subplots(1, 2, width_ratios=[1.5, 1])
    _answers(left, data)
    hebb, gradient = data["shares"]
    right.plot(WRONG, gradient, "o-", color=style.WALKERS, ms=8)
    right.plot(WRONG, hebb, "o-", color=style.LECTURE, ms=8)
    style.label(right, 0.2, 0.86, "gradient rule", style.WALKERS)
    style.label(right, 0.2, 0.05, "Hebb’s rule: none of the nine", style.GREY)
    right.set(xlabel="wrong characters of 18", ylim=(-0.02, 1.08))
    right.set_title("share recalled")


def _answers(axes: Axes, data: dict[str, Array]) -> None:
    """Given and recalled, in the letters of a typewriter; those that are right in green."""
    rows = dict(zip(data["prompts"].tolist(), data["answers"].tolist(), strict=True))
    meant = dict(zip(data["prompts"].tolist(), data["meant"].tolist(), strict=True))
    how: dict[str, Any] = {"family": "monospace", "fontsize": 17, "va": "center"}
    for y, prompt in enumerate((*SHOWN, *BADLY_SPELT)):
        answer = rows[prompt]
        colour = style.WALKERS if answer == meant[prompt] else style.EXACT
        axes.text(0, y, prompt, color=style.DATA, **how)
        axes.annotate("", (23, y), (20.3, y), arrowprops={"arrowstyle": "->"})
        axes.text(24, y, answer, color=colour, **how)
    right = int(np.sum(data["answers"] == data["meant"]))
    total = f"{right} of {len(rows)} such starts recalled"
    axes.text(24, 6.2, total, color=style.INK, va="center")
    axes.set(xlim=(0, 43), ylim=(6.6, -0.7))
    axes.set(xticks=[], yticks=[])
    axes.axis("off")
    axes.set_title("given (? is unknown), and recalled")
