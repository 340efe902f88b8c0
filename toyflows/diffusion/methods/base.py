"""What a sampler must say: one step from the time t down to s < t. One file per method.

    x_s = step(x_t),    score(x, t) = ∇log p_t(x),    X_t = α(t) X_0 + σ(t) Z

Options of a method are the fields of its frozen dataclass. A new file in this folder is a new
sampler everywhere.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from toyflows.cloud import Array
from toyflows.diffusion.processes import Process
from toyflows.errors import InputError
from toyflows.registry import found, made

Score = Callable[[Array, float], Array]


class Normals(Protocol):
    """Where the noise comes from: a numpy Generator, or the probe of `gaussian_law`."""

    def standard_normal(self, size: tuple[int, ...], dtype: Any) -> Array: ...


@dataclass
class Model:
    """A score with the process whose marginals it is of, as a method sees them. It counts the
    evaluations; `end` is the last time of the run. α and σ are Python floats: a NumPy scalar
    would change the dtype of x."""

    function: Score
    process: Process
    end: float
    evaluations: int = 0

    def score(self, x: Array, t: float) -> Array:
        """∇log p_t(x), in the shape of x (n, …)."""
        self.evaluations += 1
        return self.function(x, t)

    def alpha(self, t: float) -> float:
        """α(t)."""
        return float(self.process.alpha(t))

    def sigma(self, t: float) -> float:
        """σ(t)."""
        return float(self.process.sigma(t))

    def reverse_drift(self, x: Array, t: float, share: float) -> Array:
        """−f x + share · g² score: `share` is 1 for the reverse SDE, ½ for the probability-flow
        ODE (Song et al. 2021, Eqs. 6 and 13); time runs backward."""
        out = self.score(x, t) * (share * float(self.process.g2(t)))
        if f := float(self.process.f(t)):
            out -= f * x
        return out

    def transition(self, t: float, s: float) -> tuple[float, float, float]:
        """α_ts, σ²_ts of X_t | X_s ~ N(α_ts X_s, σ²_ts), and σ̃, the spread of X_s | X_t, X_0:

        α_ts = α_t/α_s,    σ²_ts = σ_t² − α_ts² σ_s²,    σ̃ = σ_ts σ_s/σ_t.
        """
        α, σ_t, σ_s = self.alpha(t) / self.alpha(s), self.sigma(t), self.sigma(s)
        variance = max(σ_t**2 - (α * σ_s) ** 2, 0.0)
        return α, variance, math.sqrt(variance) * σ_s / σ_t


class Method:
    """The base of every sampler. `order` is that of the error of its law in the step's size."""

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    order: ClassVar[float] = 1.0

    def step(self, model: Model, x: Array, t: float, s: float, rng: Normals) -> Array:
        """The points x (n, …) moved from t to s < t; a new array."""
        raise NotImplementedError


def noise(rng: Normals, x: Array) -> Array:
    """Standard normals of x's shape and dtype."""
    return rng.standard_normal(x.shape, x.dtype)


def positive(option: str, value: float) -> None:
    """Raises InputError unless value > 0 is finite."""
    if not 0 < value < np.inf:
        raise InputError("p", f"{option}={value}", f"must be {option} > 0")


@functools.cache
def registry() -> dict[str, type[Method]]:
    """Every sampler by its name: the Method classes of the modules in this folder.

    Raises RuntimeError where two have one name, naming both modules.
    """
    return found(__package__ or "", Path(__file__).parent, Method, "sampler")


def make(name: str, /, **options: Any) -> Method:
    """The sampler of that name with its options; text is read by the field's type.

    Raises InputError for an unknown name or option (naming the nearest) or a bad value.
    """
    return made("sampler", registry(), name, options)
