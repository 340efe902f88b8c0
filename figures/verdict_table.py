"""Eleven of 21 methods learn the weight, near and far; the others do not.

Each method on the exact law: q* = 0.8, θ0 = 0, a time of 180 by steps of 0.1, separations d = 2, 4,
6, 8, 12 and 20; those with many inner steps with fewer than usual (k = 5, two temperatures). All
methods of toyflows are in the table, one added later too, as "your own". Extends [C]'s summary of
what survives two modes. The claim:

    at every separation    converges    bregman, gan, hellinger, jarzynski, ml, nce with learned c,
                                        reverse-kl, tempering, total-variation, wasserstein;
                                        multi-noise (on its way at d = 2, 94 % of it done)
                           biased       nce, replay-buffer, short-run
                           oscillates   gan of Wasserstein's form without a penalty
    up to some separation  converges, then on its way, then no learning: denoising with the model
                                        noised (d ≤ 6, 8), score-matching (d ≤ 4, 6 and 8)
    cd     biased by its step at d = 2, on its way at 4 and 6, no learning from 8 on
    denoising, the slide's  biased at d = 2, 6 and 8, at 4 by chance within 0.03 of θ*, no learning
                            at 12 and 20
    pcd    biased by its step at d = 2 (with kernel=mala it converges), converges at 4, oscillates
           at 6 and 8; at 12 it is at −40 when the run ends, turned and on its way back; mode
           collapse at 20

Green is only where θ is within 0.03 of θ* and held there; "on its way" is who goes there, and is
not there. PCD's swings at d = 6 and 8 die in the end: at d = 6 it is within 0.03 of θ* from t = 600
on, at 8 they are less than half as large at t = 1300. Sources: [C] Coste, Generative models, how
they work and how to train them, June 2024; each method's own in its file.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from toyflows import bench
from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.figures import _table
from toyflows.flows import registry
from toyflows.settings import RunSettings
from toyflows.stats import Checked, at_most, close
from toyflows.verdict import KINDS

ORDER = 120
SAYS = {
    "Eleven of 21 methods learn the weight, near and far": (
        "methods",
        "methods that learn at d = 4 and at d = 20",
    ),
    "the others do not": ("cells unlike the caption's",),
}
SETTING = RunSettings(time=180.0, dt=0.1)
SEPARATIONS = (2.0, 4.0, 6.0, 8.0, 12.0, 20.0)
FEW = (4.0, 20.0)  # at a small scale
SHORTER = {
    "replay-buffer": "replay-buffer k=5",
    "short-run": "short-run k=5",
    "tempering": "tempering replicas=2",
}
VARIANTS = (
    "denoising model=noised", "gan loss=wasserstein", "nce learn_c=True", "pcd kernel=mala",
)  # fmt: skip

GROUPS = {
    "divergences and games": [
        "ml", "reverse-kl", "hellinger", "total-variation", "wasserstein", "bregman", "gan",
        "gan loss=wasserstein",
    ],
    "contrast with noise": ["nce", "nce learn_c=True"],
    "contrast with chains": [
        "cd", "pcd", "pcd kernel=mala", "jarzynski", "tempering replicas=2", "replay-buffer k=5",
        "short-run k=5",
    ],
    "scores": ["score-matching", "denoising", "denoising model=noised", "multi-noise"],
}  # fmt: skip
SPOKEN = {
    "gan": "GAN, minimax",
    "gan loss=wasserstein": "GAN, Wasserstein's form",
    "nce": "NCE",
    "nce learn_c=True": "NCE that learns log Z",
    "pcd": "Persistent CD (PCD)",
    "pcd kernel=mala": "PCD with MALA's steps",
    "jarzynski": "PCD with work weights",
    "tempering replicas=2": "PCD, parallel tempering",
    "replay-buffer k=5": "Replay buffer",
    "short-run k=5": "Short-run chains",
    "denoising": "Denoising, the slide's",
    "denoising model=noised": "Denoising, the model too",
    "multi-noise": "Many noises",
    "bregman": "Bregman (L²)",
    "hellinger": "Hellinger",
}

ALWAYS = {
    "converges": [
        "bregman", "gan", "hellinger", "jarzynski", "ml", "nce learn_c=True", "reverse-kl",
        "tempering replicas=2", "total-variation", "wasserstein",
    ],
    "biased": ["nce", "replay-buffer k=5", "short-run k=5"],
    "oscillates": ["gan loss=wasserstein"],
}  # fmt: skip
PCD = ["converges", "oscillates", "oscillates", "on its way", "mode collapse"]  # from d = 4 on
CHANGING = {  # at each of SEPARATIONS
    "multi-noise": ["on its way"] + 5 * ["converges"],
    "denoising model=noised": 3 * ["converges"] + ["on its way"] + 2 * ["no learning"],
    "score-matching": 2 * ["converges"] + 2 * ["on its way"] + 2 * ["no learning"],
    "cd": ["biased"] + 2 * ["on its way"] + 3 * ["no learning"],
    "denoising": ["biased", "converges", "biased", "biased", "no learning", "no learning"],
    "pcd": ["biased", *PCD],
    "pcd kernel=mala": ["converges", *PCD],
}


def expected() -> dict[str, list[str]]:
    """The caption's verdict at each of SEPARATIONS, by method."""
    always = {name: [word] * len(SEPARATIONS) for word, names in ALWAYS.items() for name in names}
    return always | CHANGING


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Names (n,), separations (m,) and verdicts (n, m) as places in KINDS; and their numbers."""
    separations = SEPARATIONS if scale >= 0.3 else FEW
    names = [SHORTER.get(name, name) for name in registry()] + list(VARIANTS)
    rows = bench.rows(list(bench.table(names, separations, SETTING)))
    cells = [[row[d] for d in separations] for _, row in rows]
    return {
        "method": np.array([name for name, _ in rows]),
        "separation": np.array(separations),
        "verdict": np.array([[KINDS.index(c.verdict.kind) for c in row] for row in cells]),
        "number": np.array([[c.verdict.number for c in row] for row in cells]),
    }  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Every cell is the caption's; ML and PCD are told by their numbers too."""
    wanted, d = expected(), data["separation"].tolist()
    wrong = [
        f"{name} at d = {d[j]:g}: {KINDS[got]}"
        for name, row in zip(data["method"].tolist(), data["verdict"].tolist(), strict=True)
        for j, got in enumerate(row)
        if name in wanted and KINDS[got] != wanted[name][SEPARATIONS.index(d[j])]
    ]
    ends = data["verdict"][:, np.isin(data["separation"], FEW)]
    learned = np.all(ends == KINDS.index("converges"), axis=1)
    named = np.array([name in wanted for name in data["method"].tolist()])
    last = dict(zip(data["method"].tolist(), data["number"][:, -1].tolist(), strict=True))
    return {
        "cells": float(data["verdict"].size),
        "cells unlike the caption's": at_most("; ".join(wrong) or "cells", len(wrong), 0),
        "methods of the caption that are missing": close(
            "missing", len(set(wanted) - set(data["method"].tolist())), 0
        ),
        "methods": close("methods", named.sum(), 21),
        "methods that learn at d = 4 and at d = 20": close("methods", learned[named].sum(), 11),
        "ML's |θ − θ*| at d = 20": at_most("|θ − θ*|", last["ml"], 1e-6),
        "PCD's drift at d = 20": close("drift", last["pcd"], 0.5 - 0.8, atol=1e-9),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The coloured table: a heading a group, in it those that learn at most separations first."""
    fig.set_size_inches(12.8, 8.8)
    axes, d = fig.subplots(), data["separation"].tolist()
    rows = dict(zip(data["method"].tolist(), data["verdict"].tolist(), strict=True))
    grouped = [name for names in GROUPS.values() for name in names]
    groups = GROUPS | {"your own": [name for name in rows if name not in grouped]}
    words: list[tuple[str, dict[float, str]]] = []
    for group, names in groups.items():
        shown = [name for name in rows if name in names]
        words += [(group, {})] * bool(shown)
        words += [(_spoken(name), {x: KINDS[k] for x, k in zip(d, rows[name], strict=True)})
                  for name in shown]  # fmt: skip
    _table.table(axes, words)
    for tick in axes.get_yticklabels():
        if tick.get_text() in groups:
            tick.set(fontweight="bold", color=style.INK)


def _spoken(name: str) -> str:
    """A method's name in words; of one that was added later its title."""
    known = registry().get(name.split()[0])
    return SPOKEN.get(name) or (known.title if known is not None and " " not in name else name)
