"""Tables, goals and the plot of a measurement."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from toyflows.kernels.machine import HERE

LIBRARIES = ["toyflows", "numpy", "numba", "llvmlite", "bokeh", "distributed",
             "jax", "jaxlib", "torch", "torchebm", "scikit-learn"]  # fmt: skip
FAMILIES = {
    "ours": "#009E73",
    "C": "#000000",
    "NumPy": "#0072B2",
    "JAX": "#D55E00",
    "torchebm": "#CC79A7",
    "torch": "#E69F00",
}


STYLES = {"f32 noise": "-.", "f32 ": "--", "Jarzynski": ":", "MALA": "-."}


@dataclass
class Result:
    """Nanoseconds per walker-step: times[name][n] is one figure per round."""

    times: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    load: tuple[float, float] = (0.0, 0.0)

    def at(self, name: str, n: int) -> float:
        """Median over the rounds; nan where it was not measured."""
        rounds = self.times.get(name, {}).get(n)
        return median(rounds) if rounds else math.nan

    def sizes(self) -> list[int]:
        """All numbers of walkers measured."""
        return sorted({n for by_size in self.times.values() for n in by_size})


@dataclass(frozen=True)
class Goal:
    """`ours` against `peer`: at least `bound` times faster, or at most `bound` times as slow."""

    ours: str
    peer: str
    bound: float
    at_most: bool = False


# docs: DESIGN §4. The float32 row of torchebm is float32 against float32.
GOALS = [
    Goal("ours mixed", "C AVX-512 mixed", 1.4, at_most=True),
    Goal("ours mixed", "NumPy SFC64 f64", 9.0),
    Goal("ours mixed", "NumPy SFC64 f64, f32 noise", 9.0),
    Goal("ours mixed", "JAX f64, f32 noise", 6.0),
    Goal("ours mixed", "JAX f64", 12.0),
    Goal("ours mixed", "torch.compile f64, f32 noise", 4.0),
    Goal("ours mixed", "torchebm f64", 40.0),
    Goal("ours f32", "C AVX-512 f32", 1.35, at_most=True),
    Goal("ours f32", "NumPy SFC64 f32", 10.0),
    Goal("ours f32", "JAX f32", 7.0),
    Goal("ours f32", "torch.compile f32", 4.5),
    Goal("ours f32", "torchebm f32", 65.0),
    Goal("ours MALA", "ours mixed", 2.5, at_most=True),
    Goal("ours Jarzynski", "NumPy Jarzynski naive f64", 14.0),
    Goal("ours Jarzynski", "NumPy Jarzynski f64", 14.0),
    Goal("ours Jarzynski", "JAX Jarzynski f64", 7.5),
]


def table(rows: Iterable[Iterable[str]]) -> str:
    """A table that reads as plain text and as Markdown: first column left, the others right."""
    cells = [list(row) for row in rows]
    width = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(_pad(row, width)) + " |" for row in cells]
    rule = ["-" * width[0], *("-" * (w - 1) + ":" for w in width[1:])]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(lines)


def _pad(row: list[str], width: list[int]) -> list[str]:
    right = (cell.rjust(w) for cell, w in zip(row[1:], width[1:], strict=True))
    return [row[0].ljust(width[0]), *right]


def size_label(n: int) -> str:
    """1000 -> 1e3, 250000 -> 2.5e5."""
    mantissa, exponent = f"{n:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def times_table(result: Result) -> str:
    """Median (minimum) over the rounds, one row per case, one column per number of walkers."""
    sizes = result.sizes()
    rows = [["ns per walker-step, median (min)", *map(size_label, sizes)]]
    for name, by_size in result.times.items():
        cells = [f"{median(t):.2f} ({min(t):.2f})" if (t := by_size.get(n)) else "" for n in sizes]
        rows.append([name, *cells])
    return table(rows)


def _verdict(measured: float, bound: float, at_most: bool) -> list[str]:
    sign = "≤" if at_most else "≥"
    if math.isnan(measured):
        return [f"{sign} {bound:g}", "not measured", ""]
    holds = measured <= bound if at_most else measured >= bound
    return [f"{sign} {bound:g}", f"{measured:.2f}", "yes" if holds else "NO"]


def goals_table(result: Result) -> str:
    """Goal, measured and whether it holds: the ratios at the size nearest to 1e5, the flatness."""
    n = min(result.sizes(), key=lambda size: abs(math.log(size / 1e5)))
    rows = [["one thread", "goal", "measured", "holds"]]
    for g in GOALS:
        fast, slow = result.at(g.ours, n), result.at(g.peer, n)
        label = f"{g.ours}, {'time of' if g.at_most else 'times faster than'} {g.peer}"
        ratio = fast / slow if g.at_most else slow / fast
        rows.append([f"{label}, {size_label(n)}", *_verdict(ratio, g.bound, g.at_most)])
    mine = {size: result.at("ours mixed", size) for size in result.sizes()}
    flat = [t for size, t in mine.items() if size <= 10**6 and not math.isnan(t)]
    spread = max(flat) / min(flat) if flat else math.nan
    rows.append(["ours mixed, slowest / fastest up to 1e6", *_verdict(spread, 1.5, True)])
    rows.append(["ours mixed, ns at 1e7", *_verdict(mine.get(10**7, math.nan), 3.3, True)])
    return table(rows)


def threads_table(result: Result, counts: list[int]) -> str:
    """Wall time of ours by number of threads; the ratio is the median of the rounds' ratios."""
    head = [f"{count} thread{'s' * (count > 1)}, ns" for count in counts]
    rows = [["ours mixed, wall time", *head, "times faster", "goal", "holds"]]
    for n in result.sizes():
        series = [result.times[f"{count} threads"].get(n, []) for count in counts]
        ratio = median(a / b for a, b in zip(series[0], series[-1], strict=True))
        goal, _, holds = _verdict(ratio, 1.8, False)
        if n < 10**5:  # a run of so few walkers takes one thread unless told otherwise
            goal, holds = "(one is used)", ""
        rows.append([size_label(n), *(f"{median(t):.2f}" for t in series), f"{ratio:.2f}"])
        rows[-1] += [goal, holds]
    return table(rows)


def _installed(libraries: Iterable[str]) -> Iterator[str]:
    for library in libraries:
        with contextlib.suppress(PackageNotFoundError):
            yield f"{library} {version(library)}"


def conditions(results: list[Result]) -> str:
    """Date, CPU model and the class of its registers that Numba uses, cores, versions and load;
    never the name of the machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cpu = models[0] if models else platform.machine()
    loads = "; ".join(f"{r.load[0]:.1f} before, {r.load[1]:.1f} after" for r in results)
    versions = ", ".join([f"Python {platform.python_version()}", *_installed(LIBRARIES)])
    return (
        f"{date.today().isoformat()}, {cpu}, {HERE.name}, {os.cpu_count()} cores, "
        f"{platform.system()}. "
        f"Load average of each phase: {loads}.\n{versions}."
    )


def missing(peers: Mapping[str, str]) -> list[str]:
    """A line for each peer that did not run: name and reason."""
    return [f"{name} did not run: {reason}." for name, reason in peers.items()]


class Page:
    """What a benchmark prints, and keeps where asked: its docstring, when and where it ran, tables.

    Made before the first measurement, for the load of the machine."""

    def __init__(self, doc: str | None, out: Path | None):
        told = [a for a in sys.argv[1:] if a != "--out" and a != str(out)]
        command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *told])
        self.head, _, self.rest = (doc or "").strip().partition("\n")
        self.run = f"Run as `{command}`."
        self.out, self.load = out, Result(load=(os.getloadavg()[0], math.nan))

    def publish(self, *parts: str) -> None:
        """Prints all, and writes it."""
        self.load.load = self.load.load[0], os.getloadavg()[0]
        head = [f"# {self.head.rstrip('.')}", self.rest.strip("\n"), self.run]
        page = "\n\n".join([*head, conditions([self.load]), *parts]) + "\n"
        print(page)
        if self.out is not None:
            self.out.write_text(page, encoding="utf-8")


def plot(result: Result, path: Path) -> None:
    """Time against number of walkers, both logarithmic, one line per case, named at its end."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(12.8, 8.2), layout="constrained")
    ends: list[tuple[float, str, str]] = []
    last = max(result.sizes())
    for name, by_size in result.times.items():
        family = next(f for f in FAMILIES if name.startswith(f))
        sizes = sorted(by_size)
        times = [result.at(name, n) for n in sizes]
        style = next((look for part, look in STYLES.items() if part in f"{name} "), "-")
        width = 3.5 if family == "ours" else 1.6
        ax.plot(sizes, times, style, color=FAMILIES[family], lw=width, marker="o", ms=4)
        ends.append((times[-1], name, FAMILIES[family]))
    ax.set(xscale="log", yscale="log", xlabel="walkers", ylabel="ns per walker-step, one thread")
    ax.set_title("Time of one step of persistent contrastive divergence", loc="left", weight="bold")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e6e6e6")
    _name_ends(ax, sorted(ends), last)
    fig.savefig(path, dpi=150)
    plt.close(fig)


def _name_ends(ax: Any, ends: list[tuple[float, str, str]], last: int) -> None:
    low, high = ax.get_ylim()
    for (value, name, colour), y in zip(ends, spread(ends, low, high), strict=True):
        ax.annotate(
            f"{name}  {value:.3g}",
            (last, value),
            xytext=(1.03, math.log(y / low) / math.log(high / low)),
            textcoords="axes fraction",
            color=colour,
            va="center",
            weight="bold" if name.startswith("ours") else "normal",
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "relpos": (0, 0.5)},
        )


def spread(ends: list[tuple[float, str, str]], low: float, high: float) -> list[float]:
    """Heights of the labels: those of the lines' ends, pushed apart until none overlap."""
    gap = math.log(high / low) / 30
    y = [math.log(value) for value, _, _ in ends]
    for _ in range(500):
        for i in range(1, len(y)):
            push = max(0.0, gap - (y[i] - y[i - 1])) / 2.0
            y[i] += push
            y[i - 1] -= push
    return [math.exp(v) for v in y]
