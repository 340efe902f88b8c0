"""Noise processes: dX = f(t) X dt + g(t) dW over t ∈ [0, 1], data at 0 and noise at 1.

    X_t | X_0 ~ N(α(t) X_0, σ(t)² I),     α' = f α,     (σ²)' = 2f σ² + g²

α and σ are written in closed form, f and g² by themselves; tests hold the two equations. A process
is a frozen dataclass whose fields are its options. Source: Song et al. 2021 (VE and VP).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from toyflows.cloud import Array
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.schedules import SCHEDULES, Linear, Schedule, Time, warning
from toyflows.errors import InputError
from toyflows.limits import MOST_STEPS, check_whole
from toyflows.registry import made

FIRST_TIME = 1e-3  # the last but one of a grid in log SNR, where that is infinite at t = 0
SPACINGS = ("uniform", "log-snr")


class Process(Protocol):
    """A noise process. Times are numbers or arrays (n,), and so are the answers."""

    name: str

    def alpha(self, t: Time) -> Any:
        """α(t): what is left of x_0."""

    def sigma(self, t: Time) -> Any:
        """σ(t): spread of the noise in x_t."""

    def f(self, t: Time) -> Any:
        """Rate of the drift f(t) x."""

    def g2(self, t: Time) -> Any:
        """g(t)²."""

    @property
    def prior_sigma(self) -> float:
        """Spread of the law N(0, prior_sigma² I) from which the reverse run starts."""


@dataclass(frozen=True)
class VE:
    """X_t = X_0 + σ(t)Z with σ(t) = σ_min (σ_max/σ_min)ᵗ: at t = 0 there is noise of σ_min already.

    So a perfect reverse run ends in the law of the data plus σ_min Z.
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0
    name = "ve"

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            why = f"must be 0 < sigma_min < sigma_max = {self.sigma_max:g}"
            raise InputError("p", f"sigma_min={self.sigma_min}", why)

    def alpha(self, t: Time) -> Any:
        return 1.0 + 0.0 * np.asarray(t)[()]

    def sigma(self, t: Time) -> Any:
        return self.sigma_min * np.exp(self._rate * np.asarray(t)[()])

    def f(self, t: Time) -> Any:
        return 0.0 * np.asarray(t)[()]

    def g2(self, t: Time) -> Any:
        return 2 * self._rate * np.square(self.sigma(t))

    @property
    def prior_sigma(self) -> float:
        return self.sigma_max

    @property
    def _rate(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)


@dataclass(frozen=True)
class VP:
    """dX = −½β(t) X dt + √β(t) dW: DDPM in continuous time. α = √ᾱ, σ = √(1 − ᾱ)."""

    schedule: Schedule = field(default_factory=Linear)
    name = "vp"
    prior_sigma = 1.0

    def alpha(self, t: Time) -> Any:
        return np.exp(0.5 * self.schedule.log_alpha_bar(t))

    def sigma(self, t: Time) -> Any:
        return np.sqrt(-np.expm1(self.schedule.log_alpha_bar(t)))

    def f(self, t: Time) -> Any:
        return -0.5 * self.schedule.beta(t)

    def g2(self, t: Time) -> Any:
        return self.schedule.beta(t)


@dataclass(frozen=True)
class OU:
    """dX = −X dτ + √2 dW for τ from 0 to `time`, t = τ/time: Ornstein–Uhlenbeck."""

    time: float = 5.0
    name = "ou"
    prior_sigma = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.time < math.inf:
            raise InputError("p", f"time={self.time}", "must be time > 0")

    def alpha(self, t: Time) -> Any:
        return np.exp(-self.time * np.asarray(t)[()])

    def sigma(self, t: Time) -> Any:
        return np.sqrt(-np.expm1(-2 * self.time * np.asarray(t)[()]))

    def f(self, t: Time) -> Any:
        return -self.time + 0.0 * np.asarray(t)[()]

    def g2(self, t: Time) -> Any:
        return 2 * self.time + 0.0 * np.asarray(t)[()]


PROCESSES: dict[str, type[Process]] = {"ve": VE, "vp": VP, "ou": OU}


def process(name: str, /, schedule: str | None = None, **options: Any) -> Process:
    """The process of that name; vp has a schedule ("linear"), whose options it takes.

    Raises InputError for a name, option or value that cannot be.
    """
    if name == "vp":
        return VP(made("schedule", SCHEDULES, schedule or Linear.name, options))
    if schedule is not None:
        raise InputError("schedule", schedule, f"only vp has a schedule, not {name}")
    return made("process", PROCESSES, name, options)


def warning_of(process: Process) -> str | None:
    """`schedules.warning` of a process at its end, for data of spread 1: ᾱ_T = α²/(α² + σ²)."""
    α, σ = float(process.alpha(1.0)), float(process.sigma(1.0))
    return warning(α * α / (α * α + σ * σ))


def log_snr(process: Process, t: Time) -> Any:
    """log(α²/σ²), falling in t; t > 0 unless σ(0) > 0."""
    return 2 * np.log(process.alpha(t) / process.sigma(t))


def times(process: Process, steps: int, spacing: str = "uniform") -> Array:
    """Times (steps + 1,) from 1 down to 0, uniform in t or in log SNR.

    Where σ(0) = 0 the log SNR is infinite there: the last step is from t = 10⁻³ to 0.
    """
    check_whole("steps", steps, 1, MOST_STEPS)
    if spacing not in SPACINGS:
        raise InputError("spacing", spacing, f"must be {' or '.join(SPACINGS)}")
    if spacing == "uniform" or steps == 1:
        return np.linspace(1.0, 0.0, steps + 1)
    if process.sigma(0.0) > 0:
        return _even_in_log_snr(process, steps, 0.0)
    return np.append(_even_in_log_snr(process, steps - 1, FIRST_TIME), 0.0)


def _even_in_log_snr(process: Process, steps: int, end: float) -> Array:
    """Times (steps + 1,) from 1 to `end`, found by halving intervals down to the last digit."""
    wanted = np.linspace(log_snr(process, 1.0), log_snr(process, end), steps + 1)
    low, high = np.full(steps + 1, end), np.ones(steps + 1)
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = log_snr(process, middle) > wanted
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    out = 0.5 * (low + high)
    out[0], out[-1] = 1.0, end
    return out


@dataclass(frozen=True)
class ExactScore:
    """∇ log p_t of a mixture under a process; x (n, D), t a number or (n,)."""

    mixture: Gaussians
    process: Process

    def __call__(self, x: Array, t: Time) -> Array:
        return self.mixture.score(x, self.process.alpha(t), self.process.sigma(t))

    def divergence(self, x: Array, t: Time) -> Array:
        """Δ log p_t (n,)."""
        return self.mixture.divergence(x, self.process.alpha(t), self.process.sigma(t))

    def log_density(self, x: Array, t: Time) -> Array:
        """log p_t (n,)."""
        return self.mixture.log_density(x, self.process.alpha(t), self.process.sigma(t))
