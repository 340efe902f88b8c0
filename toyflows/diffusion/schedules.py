"""How fast noise replaces signal: β(t) over t ∈ [0, 1], and ᾱ(t), what is left of its variance.

    dX = −½ β(t) X dt + √β(t) dW,     ᾱ(t) = exp(−∫₀ᵗ β),     X_t | X_0 ~ N(√ᾱ X_0, (1 − ᾱ) I)

Each schedule is a frozen dataclass of β and log ᾱ, both exact; its fields are its options. In T
steps, X_{k+1} = √(1−β_k) X_k + √β_k Z has the same ᾱ at t = k/T where 1 − β_k is the ratio of two
ᾱ's (`betas`). What is left of the data at t = 1 decides whether pure noise is a fair start.
Sources: Ho et al. 2020 (linear), Nichol & Dhariwal 2021 (cosine), Song & Ermon 2019 (geometric).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.limits import MOST_STEPS, check_whole
from toyflows.registry import made

Time = float | Array  # one time, or a time for each point (n,)
LARGEST_LEFTOVER = 0.1  # of √ᾱ_T: at it Gaussian data of spread 1.74 come out 1 % too narrow


class Schedule(Protocol):
    """β(t) ≥ 0 and log ᾱ(t) = −∫₀ᵗ β, for t in [0, 1]."""

    name: str

    def beta(self, t: Time) -> Any:
        """β(t), of t's shape."""

    def log_alpha_bar(self, t: Time) -> Any:
        """log ᾱ(t), of t's shape."""


@dataclass(frozen=True)
class Constant:
    """β(t) = level."""

    level: float = 10.0
    name = "constant"

    def __post_init__(self) -> None:
        _positive(level=self.level)

    def beta(self, t: Time) -> Any:
        return self.level + 0.0 * np.asarray(t)[()]

    def log_alpha_bar(self, t: Time) -> Any:
        return -self.level * np.asarray(t)[()]


@dataclass(frozen=True)
class Linear:
    """β(t) = first + (last − first) t. The defaults are 1000 steps from 10⁻⁴ to 0.02."""

    first: float = 0.1
    last: float = 20.0
    name = "linear"

    def __post_init__(self) -> None:
        _positive(first=self.first, last=self.last)

    def beta(self, t: Time) -> Any:
        return self.first + (self.last - self.first) * np.asarray(t)[()]

    def log_alpha_bar(self, t: Time) -> Any:
        t = np.asarray(t)[()]
        return -(self.first + 0.5 * (self.last - self.first) * t) * t


@dataclass(frozen=True)
class Geometric:
    """β(t) = first (last/first)ᵗ."""

    first: float = 0.1
    last: float = 60.0
    name = "geometric"

    def __post_init__(self) -> None:
        _positive(first=self.first, last=self.last)

    def beta(self, t: Time) -> Any:
        return self.first * np.exp(math.log(self.last / self.first) * np.asarray(t)[()])

    def log_alpha_bar(self, t: Time) -> Any:
        rate = math.log(self.last / self.first)
        if rate == 0:
            return -self.first * np.asarray(t)[()]
        return -self.first * np.expm1(rate * np.asarray(t)[()]) / rate


@dataclass(frozen=True)
class Cosine:
    """ᾱ(t) = cos²φ(t)/cos²φ(0), φ = ½π (t + shift)/(1 + shift), until β = −(log ᾱ)' is `most`.

    From there on β stays, where the formula grows without bound: from t = 0.998 by default. Nichol
    & Dhariwal bound their β_k by 0.999 instead, which only matters in the last of 1000 steps.
    """

    shift: float = 0.008
    most: float = 999.0
    name = "cosine"

    def __post_init__(self) -> None:
        _positive(shift=self.shift, most=self.most)
        if not self.beta(0.0) < self.most:
            raise InputError("p", f"most={self.most:g}", f"must be most > {self._early(0.0):.3g}")

    def beta(self, t: Time) -> Any:
        return self._early(np.minimum(t, self._clipped))

    def log_alpha_bar(self, t: Time) -> Any:
        early = np.minimum(t, self._clipped)
        start = math.cos(self._rate * self.shift)
        late = self.most * (np.asarray(t)[()] - early)
        return 2 * np.log(np.cos(self._rate * (early + self.shift)) / start) - late

    @property
    def _rate(self) -> float:
        """φ'(t)."""
        return 0.5 * math.pi / (1 + self.shift)

    @property
    def _clipped(self) -> float:
        """The time at which β reaches `most`."""
        return math.atan(self.most / (2 * self._rate)) / self._rate - self.shift

    def _early(self, t: Time) -> Any:
        return 2 * self._rate * np.tan(self._rate * (t + self.shift))


SCHEDULES: dict[str, type[Schedule]] = {
    kind.name: kind for kind in (Linear, Cosine, Constant, Geometric)
}


def schedule(name: str, /, **options: Any) -> Schedule:
    """The schedule of that name with its options. Raises InputError for a name, option or value."""
    return made("schedule", SCHEDULES, name, options)


def betas(schedule: Schedule, steps: int) -> Array:
    """β_k (steps,) of the chain whose ᾱ_k is the schedule's at t = k/steps, exactly."""
    check_whole("steps", steps, 1, MOST_STEPS)
    return np.asarray(-np.expm1(np.diff(schedule.log_alpha_bar(np.linspace(0, 1, steps + 1)))))


def ddpm_betas(steps: int, first: float = 1e-4, last: float = 0.02) -> Array:
    """β_k evenly from `first` to `last`, whatever the number of steps: made for 1000 of them."""
    check_whole("steps", steps, 1, MOST_STEPS)
    if not 0 < first <= last < 1:
        raise InputError("last", last, f"must be 0 < first = {first:g} ≤ last < 1")
    return np.linspace(first, last, steps)


def geometric_ladder(largest: float, smallest: float, levels: int) -> Array:
    """σ_1 > … > σ_L (levels,) of constant ratio, as annealed Langevin takes them."""
    if not 0 < smallest < largest < math.inf:
        raise InputError("smallest", smallest, f"must be 0 < smallest < largest = {largest:g}")
    if levels < 2:
        raise InputError("levels", levels, "must be 2 or more")
    return np.geomspace(largest, smallest, levels)


def leftover(alpha_bar: float) -> float:
    """√ᾱ_T: the share of a data point that is still in x_T."""
    if not 0 <= alpha_bar <= 1:
        raise InputError("alpha_bar", alpha_bar, "must be 0 ≤ ᾱ_T ≤ 1")
    return math.sqrt(alpha_bar)


def spread_from_noise(alpha_bar: float, spread: float) -> float:
    """Spread of what exact sampling makes of Gaussian data when it starts from N(0, I) instead of
    the law of x_T: the probability flow scales x_T of spread √(ᾱs² + 1 − ᾱ) back to s."""
    return spread / math.sqrt(alpha_bar * spread**2 + (1 - alpha_bar))


def warning(alpha_bar: float) -> str | None:
    """One line where the end of a schedule still holds signal, √ᾱ_T > 0.1; else None."""
    left = leftover(alpha_bar)
    if left <= LARGEST_LEFTOVER:
        return None
    return (f"the schedule ends at ᾱ_T = {alpha_bar:.3g}: {left:.0%} of each data point is still "
            f"in x_T, and noise is no fair start; take more steps or a larger β until ᾱ_T ≤ "
            f"{LARGEST_LEFTOVER**2:g}")  # fmt: skip


def _positive(**options: float) -> None:
    for name, value in options.items():
        if not 0 < value < math.inf:
            raise InputError("p", f"{name}={value}", f"must be {name} > 0")
