"""A setting judged twice, by the product and by the independent judge; and the product's sentences
held against each other and against the equation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import verdict_judge as judge
from verdict_draws import PERSISTENT, Case, ModesCase

from toyflows import bench, linear
from toyflows.backends.grid import Grid
from toyflows.errors import InputError
from toyflows.target import Target

NUMBER = r"([−-]?\d+(?:\.\d+)?(?:e[+−-]?\d+)?)"
REST = re.compile(r"\brests? at (?:θ\s*=\s*)?" + NUMBER)
PASSED = re.compile(r"passed θ\* at t = " + NUMBER)
STILL = 1e-6  # of the path's largest speed: a velocity that is none
# A run of few walkers: how many other seeds are run, and how many of their spreads are noise.
REPLICAS, SPREADS = 5, 3.0
PATIENCE = 30


@dataclass(frozen=True)
class Trial:
    """`said` is the product's word ("refused": it did not take the setting)."""

    case: Case | ModesCase
    said: str
    allowed: frozenset[str] = frozenset()
    why: str = ""
    faults: tuple[str, ...] = ()

    @property
    def wrong(self) -> bool:
        return self.said != "refused" and self.said not in self.allowed

    @property
    def row(self) -> str:
        """What the judge allows, in the order of WORDS."""
        return " or ".join(word for word in judge.WORDS if word in self.allowed)


Product = Callable[[Case], Any]  # a bench.Cell


def product(case: Case) -> bench.Cell:
    """What is judged."""
    return bench.cell(case.flow, case.d, case.setting, case.backend)


def trial(case: Case, ask: Product = product) -> Trial:
    """The exact law, or with walkers the judge's words widened by their noise."""
    try:
        cell = ask(case)
    except InputError:
        return Trial(case, "refused")
    ruling = judge.rule(case)
    if cell.verdict.kind not in ruling.words:  # looked at again, to a later end
        ruling = judge.rule(case, PATIENCE)
    if case.backend == "walkers":
        ruling = with_noise(case, ruling, cell.run)
        return Trial(case, cell.verdict.kind, ruling.words, ruling.why)
    return Trial(case, cell.verdict.kind, ruling.words, ruling.why,
                 tuple(sentence_faults(case, cell, ruling)))  # fmt: skip


# ------------------------------------------------------------------ walkers
def with_noise(case: Case, exact: judge.Ruling, run: Any) -> judge.Ruling:
    """The words of a run of N walkers: those of the exact law, and those that its noise leads to.

    The noise is the spread of θ at the end of runs with other seeds. Where it could have moved this
    run across a threshold of the exact law, both sides are allowed.
    """
    others = [_seed(case, 1 + k) for k in range(REPLICAS)]
    ends = np.array([c.run.θ[-1] if (c := product(o)).run is not None else math.inf
                     for o in others])  # fmt: skip
    if run is None or not np.all(np.isfinite(ends)):
        return exact._replace(words=exact.words | {judge.DIVERGES})
    x = float(run.θ[-1]) - case.θ_star
    spread = float(np.std(ends, ddof=1))
    shift = abs(float(run.θ[-1]) - exact.end)
    words = widened(case, set(exact.words), x, max(SPREADS * spread, shift), run)
    return exact._replace(words=frozenset(words),
                          why=f"{exact.why}; θ − θ* = {x:.3g}, spread {spread:.2g}")  # fmt: skip


def _seed(case: Case, k: int) -> Case:
    return case._replace(seed=(case.seed + k * 7919) % 2**62)


def widened(case: Case, words: set[str], x: float, noise: float, run: Any) -> set[str]:
    """What a noise in θ makes of the words."""
    near = abs(x) <= judge.NEAR + noise
    if words & {judge.CONVERGES, judge.WAY}:
        words |= {judge.CONVERGES} if near else set()
        words |= {judge.WAY} if abs(x) > judge.NEAR * (1 - judge.GREY) else set()
    if words & {judge.BIASED, judge.COLLAPSE} and near and noise > judge.NEAR:
        words |= {judge.WAY, judge.CONVERGES}  # the bias is within the noise
    crossed = judge.swings(np.asarray(run.θ) - case.θ_star)
    words |= {judge.SWINGS} if crossed >= 2 and noise > judge.NEAR else set()
    way = abs(case.θ0 - case.θ_star)
    if judge.NOTHING in words and noise > 0.05 * max(way, judge.NEAR):
        words |= {judge.WAY, judge.BIASED, judge.CONVERGES}
    persistent = case.flow.name in PERSISTENT
    if persistent and noise > judge.NEAR and words & {judge.WAY, judge.CONVERGES, judge.NOTHING}:
        words |= {judge.COLLAPSE, judge.BIASED} if abs(x) > judge.NEAR else set()
    return words


# ------------------------------------------------------------------ sentences
def sentence_faults(case: Case, cell: bench.Cell, ruling: judge.Ruling) -> list[str]:
    """What is untrue in the product's sentences about a run of the exact law."""
    v = cell.verdict
    told = [str(getattr(v, name, None) or "") for name in ("now", "so_far", "says")]
    found = [f"not a number: {text}" for text in told if re.search(r"\b(nan|inf)\b", text)]
    if v.kind not in judge.WORDS:
        found.append(f"unknown word {v.kind}")
    if cell.run is None:
        return found
    end = float(cell.run.θ[-1])
    loose = 1e-3 if case.flow.name == "gan" else 1e-6  # its jump was once a quadrature's
    if not abs(end - ruling.end) <= loose * (1 + abs(end)) and judge.SWINGS not in ruling.words:
        found.append(f"θ ends at {end!r}, the judge's at {ruling.end!r}")
    found += _passing(case, cell, told[1])
    for text in told:
        found += [why for n in REST.findall(text) if (why := _rest_fault(case, cell, ruling, n))]
    return found + _turning(case, cell, " ".join(told)) + _needs(case, cell, ruling)


def value(text: str) -> tuple[float, float]:
    """A printed number and half a unit of its last digit."""
    plain = text.replace("−", "-")
    digits, _, power = plain.partition("e")
    half = 0.5 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
    return float(plain), half


def _rest_fault(case: Case, cell: bench.Cell, ruling: judge.Ruling, text: str) -> str:
    """Why the number is no rest point: no zero of the velocity would be printed so."""
    x, half = value(text)
    flow, known = case.flow, ruling.rest
    if math.isfinite(known) and abs(known - x) > half + judge.NEAR:
        return f"rest at {text}, the judge's at {known:.6g}"
    if flow.name in PERSISTENT or flow.extra(Target.exact(case.θ_star, case.d), case.θ0):
        return ""
    v = judge.line(case)
    with np.errstate(under="ignore"):
        speeds = [v(x + k * half * 1.01) for k in (-1, 0, 1)]
    largest = case.rate * float(np.abs(cell.run.velocity).max()) if cell.run else math.inf
    flat = min(map(abs, speeds)) <= STILL * largest
    if flat or min(speeds) <= 0 <= max(speeds) or flow.kinked:
        return ""
    return f"rest at {text}, where the velocity is {speeds[1]:.3g} of {largest:.3g}"


def _passing(case: Case, cell: bench.Cell, so_far: str) -> list[str]:
    """A time at which θ is said to have passed θ*: it must be between two records that do."""
    found = []
    assert cell.run is not None
    x, t = cell.run.θ - case.θ_star, cell.run.t
    at = np.flatnonzero(x[1:] * x[:-1] <= 0)
    for text in PASSED.findall(so_far):
        time, half = value(text)
        if not np.any((t[at] - half - case.dt <= time) & (time <= t[at + 1] + half + case.dt)):
            found.append(f"said to have passed θ* at {text}, which no record shows")
    return found


def _turning(case: Case, cell: bench.Cell, told: str) -> list[str]:
    """The eigenvalues' sentence, as runs print it beside the verdict, against the word."""
    target = Target.exact(case.θ_star, case.d)
    with np.errstate(under="ignore"):
        λ = linear.eigenvalues(case.flow, Grid(target, case.dt))
        words = told + ("" if λ is None else linear.motion(case.rate * λ))
    kept = cell.verdict.kind in (judge.CONVERGES, judge.WAY)
    bad = [w for w in ("undamped circle", "growing spiral") if kept and w in words]
    return [f"{cell.verdict.kind} beside “{w}”" for w in bad]


def _needs(case: Case, cell: bench.Cell, ruling: judge.Ruling) -> list[str]:
    """The time still needed, where both know it: within a half, and three steps."""
    said = getattr(cell.verdict, "needs", None)
    apart = cell.verdict.kind == judge.WAY and case.flow.name not in PERSISTENT
    if said is None or not apart or not math.isfinite(ruling.needs) or not math.isfinite(said):
        return []
    if abs(said - ruling.needs) <= 0.5 * max(said, ruling.needs) + 3 * case.dt:
        return []
    return [f"needs {said:.3g}, by the judge {ruling.needs:.3g}"]
