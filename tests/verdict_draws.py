"""Random settings for verdicts: every method, its options in their ranges, d 0.5 to 60, θ* and θ0
in ±8 with the edges, dt 0.01 to 0.5, rate 0.1 to 10, T 1 to 1000 as far as the costs allow.

draw(seed, k) is the k-th setting of a seed, whatever else is drawn.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from toyflows.flows import Flow, make, registry
from toyflows.limits import NUMBERS
from toyflows.method import label
from toyflows.method import method as flow_of
from toyflows.settings import RunSettings

PERSISTENT = ("jarzynski", "pcd", "replay-buffer", "tempering")
# Milliseconds of a step on a few hundred nodes, as measured on one core; twice wrong is no matter.
COST = {"wasserstein": 10.0, "tempering": 0.7, "multi-noise": 0.15, "jarzynski": 0.5, "pcd": 0.4}
BUDGET = 200.0  # milliseconds of a run, of which the judge makes two or more
MOST_STEPS, FEWEST_STEPS = 3000, 12
MODES_LOSSES = ("ml", "pcd", "jarzynski", "cd", "score-matching", "short-run")


class Case(NamedTuple):
    """A setting; `method` as toyflows.method.label writes it. walkers = 0 is the exact law."""

    method: str
    d: float
    θ_star: float
    θ0: float
    time: float
    dt: float
    rate: float
    walkers: int = 0
    seed: int = 0

    @property
    def flow(self) -> Flow:
        return flow_of(self.method)

    @property
    def setting(self) -> RunSettings:
        """Raises InputError."""
        return RunSettings(theta_star=self.θ_star, theta0=self.θ0, time=self.time, dt=self.dt,
                           rate=self.rate, walkers=self.walkers or 10_000,
                           seed=self.seed)  # fmt: skip

    @property
    def steps(self) -> int:
        return round(self.time / self.dt)

    @property
    def backend(self) -> str:
        return "walkers" if self.walkers and self.flow.sampled else "grid"

    @property
    def python(self) -> str:
        """The line that does it again."""
        s = self.setting
        numbers = {name: getattr(s, name) for name in NUMBERS}
        return ("from toyflows import bench, settings; print(bench.cell("
                f"{self.method!r}, {self.d!r}, settings.RunSettings(**{numbers!r}), "
                f"{self.backend!r}).verdict)")  # fmt: skip


class ModesCase(NamedTuple):
    """Walkers among K modes on a line; positions (K,), θ* and θ0 (K,) with a first entry 0."""

    method: str
    positions: tuple[float, ...]
    θ_star: tuple[float, ...]
    θ0: tuple[float, ...]
    time: float
    dt: float
    rate: float
    walkers: int
    seed: int

    @property
    def flow(self) -> Flow:
        return flow_of(self.method)

    @property
    def arguments(self) -> dict[str, Any]:
        """Of toyflows.modes.flow, but for the method."""
        return {
            "positions": [[x] for x in self.positions], "theta_star": list(self.θ_star),
            "theta0": list(self.θ0), "time": self.time, "dt": self.dt, "rate": self.rate,
            "walkers": self.walkers, "seed": self.seed, "backends": ["walkers"],
        }  # fmt: skip

    @property
    def python(self) -> str:
        """The line that does it again."""
        flow = self.flow
        options = dataclasses.asdict(flow)  # type: ignore[call-overload]
        return (f"from toyflows import modes; print(modes.flow({flow.name!r}, options={options}, "
                f"**{self.arguments!r}).verdict)")  # fmt: skip


def draw(seed: int, k: int, walkers: bool = False, budget: float = BUDGET) -> Case:
    """The k-th setting; `walkers` puts 50 to 10⁵ of them in place of the exact law."""
    rng = np.random.default_rng([seed, k, walkers])
    names = sorted(registry())
    method = label(_method(rng, names[k % len(names)]))
    low, high = (2.0, 12.0) if rng.random() < 0.6 else (0.5, 60.0)
    d, θ_star, dt = _log(rng, low, high), _theta(rng), _log(rng, 0.01, 0.5)
    θ0 = θ_star if rng.random() < 0.08 else _theta(rng)
    while d > 1 and _paid_for(method, d, dt, budget) < FEWEST_STEPS:
        d = _round(d / 2)  # hot chains between far modes: seconds a step
    steps = most_steps(method, d, dt, budget)
    time = _log(rng, 1, 1000)
    dt = min(0.5, max(dt, _round(time / steps * 1.01)))
    time = max(min(time, _round(0.99 * most_steps(method, d, dt, budget) * dt)), dt)
    many = round(_log(rng, 50, 1e5)) if walkers else 0
    return Case(method, d, θ_star, θ0, time, dt, _log(rng, 0.1, 10), many,
                int(rng.integers(2**62)) if walkers else 0)  # fmt: skip


def draw_modes(seed: int, k: int) -> ModesCase:
    """K = 2 … 5 modes on a line, each 2 to 9 from the next; 50 to 10⁵ walkers."""
    rng = np.random.default_rng([seed, k, 2])
    K = int(rng.integers(2, 6))
    gaps = [_log(rng, 2, 9) for _ in range(K - 1)]
    positions = tuple(_round(float(x)) for x in np.append(0.0, np.cumsum(gaps)))
    θ_star, θ0 = ((0.0, *(_round(float(x)) for x in rng.uniform(-2, 2, K - 1))) for _ in range(2))
    name = MODES_LOSSES[k % len(MODES_LOSSES)]
    options = {"k": int(rng.integers(1, 6))} if name in ("cd", "short-run") else {}
    dt, time = _log(rng, 0.02, 0.2), _log(rng, 1, 40)
    return ModesCase(label(make(name, **options)), positions, θ_star, θ0, time,
                     max(dt, _round(time / 600)), _log(rng, 0.1, 4), round(_log(rng, 50, 1e5)),
                     int(rng.integers(2**62)))  # fmt: skip


def most_steps(method: str, d: float, dt: float, budget: float = BUDGET) -> int:
    """What the budget pays for, within FEWEST_STEPS and MOST_STEPS."""
    return int(min(max(_paid_for(method, d, dt, budget), FEWEST_STEPS), MOST_STEPS))


def _paid_for(method: str, d: float, dt: float, budget: float) -> float:
    """Steps, from the number of the exact law's nodes."""
    flow = flow_of(method)
    if flow.name == "wasserstein" and getattr(flow, "p", 2) == 1:
        return MOST_STEPS
    dx = min(math.sqrt(2 * dt) / 3, 0.5 / d)
    nodes = (d + 18) / dx
    cost = COST.get(flow.name, 0.3) * (1 + nodes / 700)
    hot, many = getattr(flow, "hottest", 1.0), getattr(flow, "replicas", 1)
    if flow.name in PERSISTENT or hasattr(flow, "k"):  # a band of the kernel's width
        weighted = flow.name == "jarzynski" or getattr(flow, "kernel", "ula") == "mala"
        width = 9 * math.sqrt(2 * dt * hot**0.5) / dx
        cost += (7e-6 if weighted else 1e-6) * nodes * hot**0.25 * width
    cost *= many * (getattr(flow, "k", 1) + getattr(flow, "levels", 0))
    return budget / cost


def _method(rng: np.random.Generator, name: str) -> Flow:
    """The method with options drawn from their ranges; those not told here keep their default,
    words (`one_of`) and switches (bool) are found by themselves."""
    k, h = int(_log(rng, 1, 20)), 0.0 if rng.random() < 0.5 else _log(rng, 0.01, 0.5)
    noise = _log(rng, 0.3, 5)
    ranges: dict[str, dict[str, Any]] = {
        "bregman": {"alpha": _log(rng, 0.1, 1)},
        "cd": {"k": k, "h": h},
        "denoising": {"sigma": _log(rng, 0.1, 20)},
        "gan": {"penalty": 0.0 if rng.random() < 0.4 else _log(rng, 0.1, 2)},
        "jarzynski": {"resample": float(rng.choice([0.0, 0.5]))},
        "multi-noise": {"low": _log(rng, 0.1, 1), "high": _log(rng, 1, 20),
                        "levels": int(rng.integers(1, 11))},
        "nce": {"mu": 0.0 if rng.random() < 0.4 else _theta(rng)},
        "replay-buffer": {"k": k // 2 + 1, "h": h, "noise": noise,
                          "buffer": int(_log(rng, 1, 30)),
                          "fresh": float(rng.choice([0.0, 1.0, 0.05, _log(rng, 0.01, 1)]))},
        "short-run": {"k": k, "h": h, "noise": noise},
        "tempering": {"replicas": int(rng.integers(2, 5)), "hottest": _log(rng, 2, 100)},
        "wasserstein": {"p": int(rng.integers(1, 3))},
    }  # fmt: skip
    options, cured = dict(ranges.get(name, {})), False
    for f in dataclasses.fields(registry()[name]):  # type: ignore[arg-type]
        if (name, f.name) == ("jarzynski", "start"):
            continue  # its weights are those of chains that start in ρ_θ0
        if "one_of" in f.metadata:
            options[f.name] = str(rng.choice(list(f.metadata["one_of"])))
        elif isinstance(f.default, bool) and not cured:
            options[f.name] = cured = bool(rng.random() < 0.4)  # NCE takes one cure at a time
    if options.get("generator") != "power":
        options.pop("alpha", None)  # the other generators have none
    return make(name, **options)


def _theta(rng: np.random.Generator) -> float:
    kind = rng.random()
    if kind < 0.12:
        return float(rng.choice([-8.0, 8.0, 0.0]))
    return _round(float(rng.uniform(-8, 8) if kind < 0.5 else rng.uniform(-3, 3)))


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return min(high, max(low, _round(math.exp(rng.uniform(math.log(low), math.log(high))))))


def _round(x: float) -> float:
    """To 4 digits, so that a setting can be read and typed."""
    return float(f"{x:.4g}")
