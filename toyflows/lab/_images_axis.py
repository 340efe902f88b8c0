"""An axis for numbers that crowd near zero and reach far: linear to `width`, logarithmic beyond."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from toyflows.cloud import Array

FEWEST = 3  # ticks


@dataclass(frozen=True)
class Axis:
    """The place of v is asinh(v/width); of `width` = inf it is v."""

    width: float = math.inf

    @classmethod
    def of(cls, letters: Array) -> Axis:
        """One on which the middle 90 % of these numbers take as much as a decade or two."""
        low, high = np.quantile(letters, [0.05, 0.95])
        return cls(float(high - low) / 2)

    def at(self, v: ArrayLike) -> Array:
        """Places."""
        v = np.asarray(v, np.float64)
        return v if math.isinf(self.width) else np.arcsinh(v / self.width)

    def ticks(self, low: float, high: float) -> dict[float, str]:
        """Round numbers between two numbers, by their places: 0 and ± powers of ten, with twice and
        five times them where these are few; fifths where it is linear."""
        if math.isinf(self.width):
            v = np.arange(math.ceil(5 * low), math.floor(5 * high) + 1) / 5
        else:
            first = math.floor(math.log10(self.width / 2))
            last = math.floor(math.log10(max(-low, high, self.width)))
            for digits in ((1,), (1, 2, 5)):
                far = [m * 10.0**k for k in range(first, last + 1) for m in digits]
                far = [a for a in far if a >= self.width / 2]
                v = np.array([*(-a for a in reversed(far)), 0.0, *far])
                v = v[(v >= low) & (v <= high)]
                if len(v) >= FEWEST:
                    break
        return {float(self.at(a)): f"{a:.6g}".replace("-", "−") for a in v.tolist()}


def sides(axis: Axis, *numbers: ArrayLike) -> dict[str, Any]:
    """The ends, the ticks and the tick words of the axis for these numbers."""
    all_ = np.concatenate([np.ravel(v) for v in numbers])
    low, high = float(all_.min()), float(all_.max())
    ticks = axis.ticks(low, high)
    room = 0.05 * float(axis.at(high) - axis.at(low)) or 1.0
    return {
        "low": float(axis.at(low)) - room,
        "high": float(axis.at(high)) + room,
        "ticks": np.array(list(ticks)),
        "tick words": "|".join(ticks.values()),
    }
