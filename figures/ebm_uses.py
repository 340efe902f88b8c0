"""One energy fills in, cleans and crosses letters; a linear map errs less.

Left: test letters (28 × 28) without their lower half; 12 chains each of the shipped energy model,
96 steps, the upper half held; their mean is the guess of least mean square error. Middle: test
letters under noise of spread 1 (grey levels are −1 … 1 and cut there), one chain of 256 steps from
the noisy letter, held to it by the pull T/σ². Right: 192 steps from noise of E(x|a) + E(x|b) of the
shipped JEM, whose density is the product of the two classes'. 96 letters, 64 random pairs.
Errors are root mean squares. A classifier trained on its own reads the letters (the share that it
puts into the right class) and gives q(a|x).
What the energies do not do: the best linear map, fitted to 11,298 letters with this hole or this
noise, of which the energy was never told, has a smaller square error; one filled half alone is no
better read than the mean letter's; two pictures overlaid are taken for both letters more than
their cross is. Shows that one energy has many uses. Sources: Du & Mordatch 2019; Grathwohl et al.
2020.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.figures import _pictures
from toyflows.figures import _style as style
from toyflows.images import glyphs, shipped, uses
from toyflows.images.baseline import LinearFilter
from toyflows.images.energy import cross_entropy
from toyflows.images.sgld import noise
from toyflows.pictures import Labels, Pixels
from toyflows.seeds import stream
from toyflows.stats import Checked, at_least, at_most

Numbers = dict[str, NDArray[Any]]

ORDER = 250
SAYS = {
    "One energy fills in": (
        "error of the filled half, of the mean letter's",
        "read when filled, above the mean letter",
    ),
    "cleans": ("error when cleaned, of the noisy letter's",),
    "and crosses letters": ("nats that both classes gain in a cross",),
    "a linear map errs less": ("error of a linear map, …",),
}
EBM, JEM, READER = "ebm28", "jem28", "classifier28"
HOLE, CHAINS, FILLING = "bottom", 12, 96  # chains for each letter, steps of each
NOISE, CLEANING, LOOKS = 1.0, 256, 8  # looks at the chains, of which the first is shown
CROSSING = 192
LETTERS, PAIRS = 96, 64
SHOWN = ("OQ", "CG", "VY", "hn", "PR")
FILLED = ("filled with the mean letter", "filled with noise", "filled by a linear map", "filled")
CLEANED = ("noisy", "cleaned by a linear map", "half cleaned", "cleaned")
CROSSED = ("first", "second", "overlaid", "both")


def compute(scale: float, seed: int) -> Numbers:
    """Images of the three uses, and the logits (n, 42) that the reader gives to each."""
    letters = glyphs.load(shipped.load(EBM).config.size)
    n = max(64, round(LETTERS * scale))
    chosen = letters.test[stream(seed, "letters").permutation(len(letters.test))[:n]]
    out: Numbers = {"letter": chosen.x, "y": chosen.y}
    out["known"] = uses.known_without(HOLE, chosen.size)
    out |= _filled(letters.train.x, chosen.x, out["known"], seed)
    out |= _cleaned(letters.train.x, chosen.x, seed)
    out |= _crossed(letters.classes, max(24, round(PAIRS * scale)), seed)
    reader = shipped.load(READER)
    engine = reader.engine()
    chains = {f"chain {k}": x for k, x in enumerate(out["chains"])}
    for name in ("letter", *FILLED, *CLEANED, *CROSSED, *chains):
        out[f"logits of {name}"] = engine.outputs(reader.θ, (out | chains)[name])
    return out


def _sampler(name: str, steps: int, seed: int, classes: Labels | tuple[()] = ()) -> uses.Sampler:
    model = shipped.load(name)
    chain = replace(model.config.chain, steps=steps)
    return uses.Sampler(model.engine(), model.θ, chain, seed, classes)


def _filled(train: Pixels, x: Pixels, known: NDArray[np.bool_], seed: int) -> Numbers:
    """Chains (CHAINS, n, 28, 28) and their mean; what simpler fillings give."""
    sampler = _sampler(EBM, FILLING, seed)
    chains = uses.last(sampler.inpaint(np.tile(x, (CHAINS, 1, 1)), known))
    chains = chains.reshape(CHAINS, *x.shape)
    linear, guess = LinearFilter.fit(train[:, known], train[:, ~known]), x.copy()
    guess[:, ~known] = linear(x[:, known])
    random = noise(stream(seed, "filling"), len(x), x.shape[-1])
    fillings = train.mean(axis=0), random, guess, chains.mean(axis=0)
    found = (np.where(known, x, filling) for filling in fillings)
    return {"chains": chains} | dict(zip(FILLED, found, strict=True))


def _cleaned(train: Pixels, x: Pixels, seed: int) -> Numbers:
    """The letters under noise, what a linear map makes of that, and what chains make of it."""
    sampler = _sampler(EBM, CLEANING, seed)
    noisy = uses.noised(x, NOISE, seed)
    rows = [len(train), -1]
    linear = LinearFilter.fit(
        uses.noised(train, NOISE, seed + 1).reshape(rows), train.reshape(rows)
    )
    guess = linear(noisy.reshape(len(x), -1)).reshape(x.shape)
    _, (_, early), *_, (_, late) = sampler.denoise(noisy, sampler.pull(NOISE), LOOKS)
    return dict(zip(CLEANED, (noisy, guess, early, late), strict=True))


def _crossed(classes: tuple[str, ...], n: int, seed: int) -> Numbers:
    """Chains of one class, of the other, of both; the mean of the first two. Twice of the pairs
    shown, then of n random ones."""
    rng = stream(seed, "pairs")
    random = [rng.permutation(len(classes))[:2] for _ in range(n)]
    pairs = np.array([uses.places(pair, classes) for pair in 2 * SHOWN] + random)
    size = shipped.load(JEM).config.size

    def chains(y: Labels) -> Pixels:
        return uses.last(_sampler(JEM, CROSSING, seed, y).from_noise(len(y), size))

    first, second, both = chains(pairs[:, :1]), chains(pairs[:, 1:]), chains(pairs)
    images = first, second, (first + second) / 2, both
    return {"pairs": pairs} | dict(zip(CROSSED, images, strict=True))


# ---- numbers


def errors(data: Numbers) -> dict[str, float]:
    """Root mean squares: in the hole where one was filled, elsewhere in the whole letter."""
    x, hole = data["letter"], ~data["known"].astype(bool)
    filled = {name: uses.spread((data[name] - x)[..., hole]) for name in (*FILLED, "chains")}
    return filled | {name: uses.spread(data[name] - x) for name in CLEANED}


def read(data: Numbers) -> dict[str, float]:
    """Share of the letters whose class the reader finds; of single chains the mean."""

    def share(name: str) -> float:
        return float(np.mean(data[f"logits of {name}"].argmax(axis=1) == data["y"]))

    shares = {name: share(name) for name in ("letter", *FILLED, *CLEANED)}
    single = [share(f"chain {k}") for k in range(len(data["chains"]))]
    return shares | {"chains": float(np.mean(single))}


def crossed(data: Numbers) -> dict[str, float]:
    """Mean of log q(a|x) + log q(b|x), q the reader's, over the random pairs (a, b)."""
    random = slice(2 * len(SHOWN), None)
    pairs = data["pairs"][random].astype(int)

    def both(name: str) -> float:
        f = data[f"logits of {name}"][random].astype(np.float64)
        return -sum(cross_entropy(f, y)[0] for y in pairs.T)

    return {name: both(name) for name in CROSSED}


def claim(data: Numbers) -> dict[str, Checked | float]:
    """Each use is better than doing nothing; the linear maps' numbers are reported."""
    error, share, nats = errors(data), read(data), crossed(data)
    nothing, noisy = error["filled with the mean letter"], error["noisy"]
    single = max(nats["first"], nats["second"])
    out: dict[str, Checked | float] = {
        "error of the filled half, of the mean letter's": at_most(
            "error of filling", error["filled"] / nothing, 0.98
        ),
        "read when filled, above the mean letter": at_least(
            "read when filled", share["filled"] - share["filled with the mean letter"], 0.05
        ),
        "error when cleaned, of the noisy letter's": at_most(
            "error when cleaned", error["cleaned"] / noisy, 0.5
        ),
        "nats that both classes gain in a cross": at_least("gain", nats["both"] - single, 15.0),
    }
    for way, linear in (("filled", FILLED[2]), ("cleaned", CLEANED[1])):
        out[f"error of a linear map, {way}"] = at_most(
            "error of a linear map, over the energy's", error[linear] / error[way], 1.0
        )
    out |= {f"error, {name}": value for name, value in error.items()}
    out |= {f"read, {name}": value for name, value in share.items()}
    return out | {f"log q(a|x) + log q(b|x), {name}": value for name, value in nats.items()}


# ---- pictures

# Nothing done, the chains, the rival: what the tables call them.
TABLES: tuple[dict[str, str], ...] = (
    {"mean letter": FILLED[0], "filled": "filled", "by a linear map": FILLED[2]},
    {"noisy": "noisy", "cleaned": "cleaned", "by a linear map": CLEANED[1]},
    {"one class": "first", "sum of energies": "both", "two pictures overlaid": "overlaid"},
)


def draw(fig: Figure, data: Numbers) -> None:
    """Three panels of pictures, the numbers beneath."""
    top, bottom = fig.subplots(2, 3, height_ratios=[3.3, 1.2])
    _fillings(top[0], data)
    _cleanings(top[1], data)
    _crosses(top[2], data)
    error, share, nats = errors(data), read(data), crossed(data)
    both = {name: (f"{error[name]:.2f}", f"{100 * share[name]:.0f} %") for name in error}
    logs = {name: ("", style.number(value, ".0f")) for name, value in nats.items()}
    heads = ("error", "read"), ("error", "read"), ("", r"$\log\, q(a|x)\, q(b|x)$")
    for axes, head, cells, names in zip(bottom, heads, (both, both, logs), TABLES, strict=True):
        _table(axes, head, [(what, cells[name]) for what, name in names.items()])


def _fillings(axes: Axes, data: Numbers) -> None:
    n, x, chains = len(SHOWN), data["letter"], data["chains"]
    images = [x, np.where(data["known"], x, 0), *chains[:2], data["filled"]]
    names = "letter", "seen", "filled", "again", f"mean of {len(chains)}"
    _pictures.rows(axes, [image[:n] for image in images], names)
    axes.set_title("a half is filled in")


def _cleanings(axes: Axes, data: Numbers) -> None:
    names = "letter", "noisy", "half cleaned", "cleaned", "cleaned by a linear map"
    images = [data[name][: len(SHOWN)] for name in names]
    steps = f"{CLEANING // LOOKS} steps", f"{CLEANING} steps"
    _pictures.rows(axes, images, ("letter", "noisy", *steps, "linear map"))
    axes.set_title("noise is taken away")


def _crosses(axes: Axes, data: Numbers) -> None:
    n = len(SHOWN)
    images = [data["first"][:n], data["second"][:n], data["both"][:n], data["both"][n : 2 * n],
              data["overlaid"][:n]]  # fmt: skip
    _pictures.rows(axes, images, ("class a", "class b", "both", "again", "overlaid"))
    axes.set_title("two classes at once")


def _table(axes: Axes, head: tuple[str, str], lines: list[tuple[str, tuple[str, str]]]) -> None:
    """Names at the left, two columns of numbers."""
    axes.axis("off")
    colours = style.INK, style.INK, style.WALKERS, style.GREY
    for k, ((what, cells), colour) in enumerate(zip([("", head), *lines], colours, strict=True)):
        how = {"transform": axes.transAxes, "va": "top", "fontweight": "bold" if k else "normal"}
        for x, word, side in zip(
            (0.0, 0.76, 1.0), (what, *cells), ("left", "right", "right"), strict=True
        ):
            style.label(axes, x, 0.95 - 0.28 * k, word, colour, ha=side, **how)
