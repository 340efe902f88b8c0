"""Old Faithful: maximum likelihood finds EM's weight, NCE a wrong one.

272 eruptions of Old Faithful (minutes), in units of the fitted spread: two modes d = 6.18 apart, of
which a is the short eruptions. Each method learns their share 1 − p_b(θ) from θ0 = 0 in steps of
0.1 up to t = 1000: on the exact law (grid), PCD also with 16 runs of 20,000 walkers. Shows
[C]'s methods where modes nearly touch. ML ends at EM's weight. Plain NCE is biased as at d = 20,
its normalised form is not. Score matching crawls (e^{−d²/8} is 1/118), to a weight of its own: the
data are no exact mixture. PCD swings far out, but here walkers cross and the swing dies away, 0.002
below EM because of Langevin's finite step. Source: [C] Coste, Generative models, how they work and
how to train them, June 2024; data: Azzalini & Bowman 1990.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows import solve
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Array
from toyflows.data import fit, load, standardise
from toyflows.figures import _style as style
from toyflows.flows import make
from toyflows.numerics import expit
from toyflows.stats import Checked, at_least, at_most, close, mean
from toyflows.target import Target

ORDER = 170
SAYS = {
    "Old Faithful: maximum likelihood finds EM's weight": ("ML",),
    "NCE a wrong one": ("NCE ÷ EM",),
}
FLOWS = {
    "ML": make("ml"),
    "score matching": make("score-matching"),
    "NCE": make("nce"),
    "NCE, normalised": make("nce", normalised=True),
    "PCD": make("pcd"),
}
COLOUR = {
    "ML": style.EXACT,
    "score matching": style.SECOND,
    "NCE": style.ACCENT,
    "NCE, normalised": style.THIRD,
    "PCD": style.WALKERS,
}
DT, STEPS, EVERY, WALKERS, REPLICAS = 0.1, 10_000, 2, 20_000, 16
SEEN = {"score matching": 0.33961, "NCE": 0.43871, "NCE, normalised": 0.35976, "PCD": 0.35784}


def compute(scale: float, seed: int) -> dict[str, Array]:
    """1 − p_b(θ) = σ(θ) over time: "exact" (methods, n), "walkers" of PCD (REPLICAS, n)."""
    raw = load("old-faithful")
    units = standardise(raw, fit(raw))
    target = Target.of_points(units.x, units.a, units.b, units.θ_star)
    mixture, n = target.mixture, max(2000, round(WALKERS * scale))
    seeds = np.random.SeedSequence(seed).generate_state(REPLICAS, np.uint32).tolist()
    grid, x = Grid(target, DT), np.linspace(units.x.min() - 3, units.x.max() + 2, 500)
    exact = [solve.run(flow, grid, 0.0, STEPS, every=EVERY) for flow in FLOWS.values()]
    walkers = [
        solve.run(FLOWS["PCD"], Walkers(target, DT, n, s), 0.0, STEPS, every=EVERY) for s in seeds
    ]
    ends = {name: run.θ[-1] for name, run in zip(FLOWS, exact, strict=True)}
    biased = FLOWS["NCE"].fixed_point(target)
    assert biased is not None
    return {
        "t": exact[0].t,
        "exact": np.stack([expit(run.θ) for run in exact]),
        "walkers": np.stack([expit(run.θ) for run in walkers]),
        "n": np.array(n),
        "em": np.array(1.0 - units.fit.weight_b),
        "nce formula": expit(np.array(biased)),
        "minutes": raw,
        "x": units.centre + units.spread * x,
        "ML": mixture.density(x, ends["ML"]) / units.spread,
        "NCE": mixture.density(x, ends["NCE"]) / units.spread,
    }


def _half_times(data: dict[str, Array]) -> dict[str, float]:
    """When each method has first come half of its way from the start to its end."""
    gaps = np.abs(data["exact"] - data["exact"][:, -1:])
    first = np.argmax(gaps <= gaps[:, :1] / 2, axis=1)
    return dict(zip(FLOWS, data["t"][first].tolist(), strict=True))


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """ML ends at EM's weight; the others where they were seen to end; PCD's walkers with its law.

    Finite numbers of walkers n bend PCD's mean weight by about 3/n at its lowest; 5/n is allowed.
    """
    ends = dict(zip(FLOWS, data["exact"][:, -1].tolist(), strict=True))
    em, half = float(data["em"]), _half_times(data)
    out: dict[str, Checked | float] = {"ML": close("ML’s weight", ends["ML"], em, atol=1e-6)}
    for name, seen in SEEN.items():
        out[name] = close(f"weight of {name}", ends[name], seen, atol=1e-4)
    formula = float(data["nce formula"])
    out["NCE, formula"] = close("NCE’s fixed point", ends["NCE"], formula, atol=1e-3)
    out["NCE ÷ EM"] = at_least("NCE’s weight ÷ EM’s", ends["NCE"] / em, 1.2)
    slow = half["score matching"] / half["ML"]
    out["score matching, half-time ÷ ML’s"] = at_least("half-time ÷ ML’s", slow, 7)
    pcd = data["exact"][list(FLOWS).index("PCD")]
    out["PCD, lowest"] = at_most("lowest weight of PCD", pcd.min().item(), 0.1)
    out["PCD, highest"] = at_least("highest weight of PCD", pcd.max().item(), 0.6)
    low = int(pcd.argmin())
    for name, k in {"PCD’s walkers, lowest": low, "PCD’s walkers, end": -1}.items():
        out[name] = mean(name, data["walkers"][:, k], pcd[k].item(), bias=5 / float(data["n"]))
    return out


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The eruptions with two fits, and the learned share of the short ones over time."""
    style.panels(fig, data, [_eruptions, _shares], width_ratios=[1, 1.7])


def _eruptions(axes: Axes, data: dict[str, Array]) -> None:
    bins = np.arange(1.5, 5.3, 0.25).tolist()
    axes.hist(data["minutes"], bins=bins, density=True, color=style.DATA, alpha=0.3)
    axes.plot(data["x"], data["NCE"], color=COLOUR["NCE"])
    axes.plot(data["x"], data["ML"], color=COLOUR["ML"])
    axes.set(xlabel="length of an eruption, minutes", xlim=(0.8, 5.8), ylim=(0, 0.8), yticks=[])
    axes.set_title(f"{data['minutes'].size} eruptions")
    axes.spines["left"].set_visible(False)
    style.label(axes, 4.0, 0.72, "ML = EM", COLOUR["ML"], ha="right")
    style.label(axes, 2.45, 0.44, "NCE", COLOUR["NCE"])
    style.label(axes, 3.1, 0.52, "equal\nspreads", style.GREY, fontsize=13, ha="center")


def _shares(axes: Axes, data: dict[str, Array]) -> None:
    t, em = data["t"], float(data["em"])
    axes.axhline(em, color=style.DATA, lw=2)
    axes.plot(t, data["walkers"].T, color=style.WALKERS, lw=1, alpha=0.4)
    for name, share in zip(FLOWS, data["exact"], strict=True):
        axes.plot(t, share, color=COLOUR[name])
    axes.set(xscale="log", xlabel="time $t$", xlim=(1, t[-1]), ylim=(0, 0.76))
    axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    axes.minorticks_off()
    axes.set_title("learned share of short eruptions")
    _ends(axes, data)
    half = _half_times(data)
    slow = f"score matching:\n{half['score matching'] / half['ML']:.0f} × slower than ML"
    style.label(axes, 1.1, 0.52, slow, COLOUR["score matching"])
    runs = f"PCD, {len(data['walkers'])} runs of\n{int(data['n']):,} walkers"
    style.label(axes, 110, 0.03, runs, COLOUR["PCD"])


def _ends(axes: Axes, data: dict[str, Array]) -> None:
    """Where each line ends, in a column to its right, from the highest to the lowest."""
    ends = dict(zip(FLOWS, data["exact"][:, -1].tolist(), strict=True)) | {"EM": float(data["em"])}
    off = ends["NCE"] / ends["EM"] - 1
    order = sorted(ends, key=lambda name: (round(ends[name], 5), name == "EM"), reverse=True)
    for k, name in enumerate(order):
        text = f"{ends[name]:.4f} {name}" + (f" (+{off:.0%})" if name == "NCE" else "")
        style.label(axes, 1.02, 0.585 - 0.052 * k, text, COLOUR.get(name, style.DATA),
                    transform=axes.transAxes, va="center")  # fmt: skip
