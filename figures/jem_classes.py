"""A classifier whose logits are energies reads letters and draws them.

The shipped JEM (28 × 28, `toyflows train jem`): q(x, y) ∝ e^{f_y(x)} for 42 classes. Left: which
class its softmax gives to 2436 test letters (colours are logarithmic, the commonest mistakes in
words). Middle: the share that is right where it says that a share p will be, on test letters and on
letters of four fonts never seen; the distance from the diagonal, weighted by the images in each
bin, is the calibration error; T is the temperature, fitted to validation letters, that mends most
of it. Right: for each class one chain of E(x|y) = −f_y(x), 256 steps from noise; `read` is the
share of six such chains each that a classifier of the same size, trained alone, puts into the
class. Shows that a classifier's logits are energies. Sources:
Grathwohl et al. 2020; Guo et al. 2017.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.figures import _pictures
from toyflows.figures import _style as style
from toyflows.images import glyphs, shipped, uses
from toyflows.images.base import Images
from toyflows.images.calibration import Reliability, reliability, temperature
from toyflows.stats import Checked, at_least, at_most

Numbers = dict[str, NDArray[Any]]

ORDER = 240
SAYS = {
    "A classifier whose logits are energies reads letters": ("accuracy", "accuracy lost"),
    "and draws them": ("samples read as their class",),
}
JEM, ALONE = "jem28", "classifier28"
STEPS, EACH, COLUMNS = 256, 6, 6
SETS = ("test", "held-out fonts")
MISTAKES, FEWEST = 4, 20  # shown: this many mistakes; bins with at least this many images


def compute(scale: float, seed: int) -> Numbers:
    """Counts (42, 42) of class by class said; (bins, 3) of reliability by network and set; samples
    of every class, and the classes that the other network reads from them."""
    networks = {name: shipped.load(name) for name in (JEM, ALONE)}
    jem, alone = networks[JEM], networks[ALONE]
    letters = glyphs.load(jem.config.size)
    sets = dict(zip(SETS, (letters.test, letters.held_out), strict=True))
    out: Numbers = {"classes": np.array(letters.classes)}
    for name, network in networks.items():
        valid = network.engine().outputs(network.θ, letters.valid.x)
        out[f"T, {name}"] = np.array(T := temperature(valid, letters.valid.y))
        for which, images in sets.items():
            f = network.engine().outputs(network.θ, images.x)
            out |= _judged(f, images, f"{name}, {which}")
            out[f"mended, {name}, {which}"] = np.array(reliability(f / T, images.y).error)
    y = np.tile(np.arange(len(letters.classes)), max(1, round(EACH * scale)))
    chain = replace(jem.config.chain, steps=STEPS)
    sampler = uses.Sampler(jem.engine(), jem.θ, chain, seed, y[:, None])
    out["samples"] = uses.last(sampler.from_noise(len(y), letters.test.size))
    return out | {"wanted": y, "read": alone.engine().outputs(alone.θ, out["samples"]).argmax(1)}


def _judged(f: Array, images: Images, what: str) -> Numbers:
    found = reliability(f, images.y)
    counts = np.zeros((f.shape[1],) * 2)
    np.add.at(counts, (images.y, f.argmax(axis=1)), 1)
    bins = np.stack([found.p, found.right, found.share], axis=1)
    return {f"counts, {what}": counts, f"reliability, {what}": bins}


def accuracy(counts: Array) -> float:
    """Share of the images on the diagonal."""
    return float(np.trace(counts) / counts.sum())


def calibration_error(bins: Array) -> float:
    """The calibration error of the columns p, right, share."""
    return Reliability(*bins.T).error


def claim(data: Numbers) -> dict[str, Checked | float]:
    """The JEM reads as well as it may, and what it draws is read."""
    right = {name: accuracy(data[f"counts, {name}, test"]) for name in (JEM, ALONE)}
    out: dict[str, Checked | float] = {
        "accuracy": at_least("accuracy", right[JEM], 0.93),
        "accuracy lost": at_most("accuracy lost", right[ALONE] - right[JEM], 0.03),
        "samples read as their class": at_least(
            "samples read", float(np.mean(data["read"] == data["wanted"])), 0.8
        ),
    }
    for which in SETS:
        bins = {name: data[f"reliability, {name}, {which}"] for name in (JEM, ALONE)}
        errors = {name: calibration_error(of) for name, of in bins.items()}
        what = f"calibration error, {which}"
        out |= {f"{what}, {name}": value for name, value in errors.items()}
        mended = {name: float(data[f"mended, {name}, {which}"]) for name in errors}
        out |= {f"{what}, {name} at T": value for name, value in mended.items()}
        out[f"{what} that T leaves"] = at_most(what, mended[JEM], 0.02)
        out |= {f"accuracy, {which}, {n}": accuracy(data[f"counts, {n}, {which}"]) for n in errors}
    return out


def draw(fig: Figure, data: Numbers) -> None:
    """What it reads, what its probabilities are worth, what it draws."""
    fig.set_size_inches(12.8, 5.8)
    panels = fig.subplots(1, 3, width_ratios=[1, 1, 0.9])
    for axes, panel in zip(panels, (_confusion, _reliability, _samples), strict=True):
        panel(axes, data)
        axes.set_anchor("N")


def _confusion(axes: Axes, data: Numbers) -> None:
    counts, names = data[f"counts, {JEM}, test"], data["classes"].tolist()
    blues = LinearSegmentedColormap.from_list("blues", ["#cfe3f1", style.DATA])
    axes.imshow(np.where(counts > 0, counts, np.nan), blues, norm=LogNorm(1, counts.max()))
    shown = range(0, len(names), 3)
    axes.set_xticks(shown, names[::3])
    axes.set_yticks(shown, names[::3])
    axes.grid(False)
    axes.set_title(f"reads {100 * accuracy(counts):.1f} % of test letters")
    axes.set(xlabel="what it is read as", ylabel="the letter")
    wrong = counts - np.diag(np.diag(counts))
    most = np.argsort(-wrong, axis=None, kind="stable")[:MISTAKES]
    told = [f"{names[k // len(names)]} as {names[k % len(names)]}: {wrong.flat[k]:.0f}"
            for k in most]  # fmt: skip
    _under(axes, 0, ",  ".join(told), style.DATA)
    alone = accuracy(data[f"counts, {ALONE}, test"])
    _under(axes, 1, f"the classifier alone reads {100 * alone:.1f} %", style.GREY)


def _reliability(axes: Axes, data: Numbers) -> None:
    """The JEM's curves on both sets, and the calibration errors of both networks."""
    axes.plot([0, 1], [0, 1], **style.LECTURE_LINE)
    names = (JEM, "calibration error", style.WALKERS), (ALONE, "the classifier’s", style.GREY)
    for k, (name, words, colour) in enumerate(names):
        errors = []
        for which, look in zip(SETS, ("o-", "s--"), strict=True):
            bins = data[f"reliability, {name}, {which}"]
            n = data[f"counts, {name}, {which}"].sum()
            p, right, _ = bins[bins[:, 2] * n >= FEWEST].T
            if name == JEM:  # the other is hardly ever unsure: its bins are too small to draw
                axes.plot(p, right, look, color=colour, lw=2, ms=7)
            errors.append(f"{calibration_error(bins):.3f}")
        T, left = float(data[f"T, {name}"]), float(data[f"mended, {name}, {SETS[0]}"])
        _under(axes, k, f"{words} {errors[0]}, at T = {T:.2f}: {left:.3f}", colour)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    axes.text(0.98, 0.03, "new fonts dashed", color=style.INK, ha="right")
    axes.set(xlabel="probability that it states", ylabel="share that is right")
    axes.set_title("how sure, how right")


def _samples(axes: Axes, data: Numbers) -> None:
    """The first chain of each class."""
    n, x = len(data["classes"]), data["samples"]
    _pictures.rows(axes, list(x[:n].reshape(-1, COLUMNS, *x.shape[1:])))
    axes.set_title("draws them from noise")
    share = float(np.mean(data["read"] == data["wanted"]))
    axes.set_xlabel(f"the classifier reads {100 * share:.0f} %", color=style.WALKERS)


def _under(axes: Axes, line: int, words: str, colour: str) -> None:
    """Words below the axis' own."""
    axes.annotate(words, (0.5, 0), (0, -58 - 22 * line), "axes fraction", "offset points",
                  color=colour, ha="center", fontsize=14)  # fmt: skip
