"""Beyond 0.138 patterns a unit, Hebb's rule forgets most.

p = αN random patterns; the network starts at each of them and comes to rest one unit at a time.
Left: the share of wrong bits against α for N = 250, 1000 and 2000 (16, 10 and 1 sets), and the
replica theory's curve for N → ∞, (1 − m)/2 with √(2α) = erf(y)/y − (2/√π)e^{−y²}, m = erf(y). It
ends at α_c = 0.1379 with 1.6 % wrong bits, and jumps. At N = 1000 the jump is still a slope: half
of the patterns stay up to 0.16; the threshold that is found is the load at which the mean error, on
a straight line through its logarithm at six loads, is that 1.6 %. Right: the same for N = 150 and
the gradient rule with weight decay, which holds a pattern a unit. Sources: Amit, Gutfreund &
Sompolinsky 1985; MacKay, Information Theory, Inference, and Learning Algorithms, 2003, chapter 42.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _style as style
from toyflows.lattice import capacity
from toyflows.stats import Checked, at_least, at_most, close

ORDER = 510
SAYS = {
    "Beyond 0.138 patterns a unit": ("threshold", "α_c"),
    "Hebb's rule forgets most": ("share of patterns that stay at α = 0.2",),
}
NEAR = (0.12, 0.13, 0.135, 0.14, 0.145, 0.15)
LOADS = (0.04, 0.08, 0.1, *NEAR, 0.16, 0.18, 0.2)
SETS = {250: 16, 1000: 10, 2000: 1}
STARTS = {250: 50, 1000: 200, 2000: 120}
UNITS, FAR = 150, (0.1, 0.25, 0.5, 0.75, 1.0, 1.1, 1.2, 1.35, 1.5)


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Shares of wrong bits (N, load), of Hebb's and the gradient rule (rule, load); the theory's
    branch; the share of patterns that stay (m ≥ 0.9) at N = 1000."""
    sizes = [N for N in SETS if N <= 1000 or scale >= 0.5]
    found = {N: [_overlaps(α, N, scale, seed) for α in LOADS] for N in sizes}
    α_c, m_c = capacity.critical()
    branch = np.linspace(0.02, α_c * (1 - 1e-9), 200)
    rules = [[_error(capacity.at_rest(α, UNITS, 2, seed, rule)) for α in FAR]
             for rule in ("hebb", "gradient")]  # fmt: skip
    return {
        "sizes": np.array(sizes),
        "errors": np.array([[_error(m) for m in rows] for rows in found.values()]),
        "stay": np.array([np.mean(m >= 0.9) for m in found[1000]]),
        "critical": np.array([α_c, (1 - m_c) / 2]),
        "branch": np.array([branch, [0.5 - 0.5 * capacity.overlap(α) for α in branch]]),
        "rules": np.array(rules),
    }


def _overlaps(α: float, N: int, scale: float, seed: int) -> Array:
    """Fewer sets for a smaller scale, but six where the threshold is read off."""
    least = 6 if N == 1000 and α in NEAR else 1
    return capacity.at_rest(α, N, max(least, int(SETS[N] * scale)), seed, starts=STARTS[N])


def _error(overlaps: Array) -> float:
    return float(np.mean(1 - overlaps) / 2)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The threshold at N = 1000 within 5 % of 0.138; below it the theory's error; the gradient rule
    has none up to one pattern a unit."""
    loads, N = np.array(LOADS), data["sizes"].tolist().index(1000)
    errors = data["errors"][N]
    near = np.isin(loads, NEAR)
    threshold = capacity.threshold(loads[near], errors[near])
    half = float(np.interp(-0.5, -data["stay"], loads))
    below = float(np.interp(0.1, data["branch"][0], data["branch"][1]))
    hebb, gradient = data["rules"]
    one = FAR.index(1.0)
    return {
        "threshold": close("threshold", threshold, 0.138, rtol=0.05),
        "α_c": close("α_c", data["critical"][0], 0.13791, atol=1e-5),
        "half of the patterns stay up to": half,
        "share of patterns that stay at α = 0.2": at_most("stay", data["stay"][-1], 0.5),
        "error at α = 0.1": close("error at 0.1", errors[loads == 0.1][0], below, atol=7e-4),
        "error at α = 0.2": at_least("error at 0.2", errors[-1], 0.15),
        "gradient rule, error at α = 1": at_most("error at 1", gradient[one], 0.001),
        "Hebb, error at α = 1": at_least("Hebb's error at 1", hebb[one], 0.25),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Errors near the threshold, and of both rules beyond."""
    left, right = fig.subplots(1, 2, width_ratios=[1.35, 1])
    _near(left, data)
    for (name, colour, x, y), errors in zip(
        (("Hebb’s rule", style.GREY, 0.5, 0.41), ("gradient rule", style.WALKERS, 0.42, 0.025)),
        data["rules"], strict=True,
    ):  # fmt: skip
        right.plot(FAR, errors, "o-", color=colour, ms=8)
        style.label(right, x, y, name, colour)
    right.set(xlabel="patterns a unit, α", ylim=(-0.01, 0.5))
    right.set_title(f"share of wrong bits, N = {UNITS}")


def _near(axes: Axes, data: dict[str, Array]) -> None:
    α_c, end = data["critical"]
    shade = {250: style.THIRD, 1000: style.WALKERS, 2000: style.INK}
    for N, errors in zip(data["sizes"].tolist(), data["errors"], strict=True):
        axes.plot(LOADS, errors, "o-", color=shade[N], ms=7)
        style.label(axes, LOADS[-1] + 0.003, errors[-1], f"N = {N}", shade[N], va="center")
    axes.plot(*data["branch"], color=style.EXACT, lw=4, zorder=4)
    axes.plot([α_c, α_c], [end, 0.33], color=style.EXACT, ls=(0, (2, 2)), lw=2)
    axes.plot(α_c, end, "o", color=style.EXACT, ms=11, zorder=5)
    axes.text(α_c - 0.004, 0.2, "theory for N → ∞,\nends at 0.1379", color=style.EXACT,
              fontweight="bold", ha="right")  # fmt: skip
    found = claim(data)["threshold"]
    assert isinstance(found, Checked)
    style.proof(axes, f"threshold at N = 1000: {found.value:.4f}\n(0.138 ± 5 %)", 0.04, 0.96)
    axes.set(xlabel="patterns a unit, α", xlim=(0.03, 0.235), ylim=(-0.01, 0.4))
    axes.set_title("share of wrong bits, Hebb’s rule")
