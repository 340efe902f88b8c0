"""Letters by the shipped DDPM, and what the shipped classifier reads in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.diffusion import shipped as diffusion
from toyflows.diffusion.processes import times
from toyflows.diffusion.trained import Model
from toyflows.images import shipped
from toyflows.pictures import Labels, Pixels

NAME, READER = "ddpm28", "classifier28"


def model() -> Model:
    """The shipped DDPM of letters of 42 classes."""
    return diffusion.load(NAME)


def grid(steps: int) -> NDArray[np.float64]:
    """Times (steps + 1,) from 1 to 0, even in log SNR but for the ends."""
    return np.asarray(times(model().process, steps, "log-snr"))


def cut(x: NDArray[Any]) -> Pixels:
    """Grey levels of pictures, at ±1 at most."""
    return np.clip(x, -1, 1).astype(np.float32)


def read(x: NDArray[Any], y: Labels) -> NDArray[np.bool_]:
    """Which images (n, 28, 28) the classifier, which learned alone, puts into the classes y."""
    reader = shipped.load(READER)
    called = reader.engine().outputs(reader.θ, cut(x)).argmax(axis=1)
    return np.asarray(called == y)
