"""Small diffusion models for figures: trained on the spot, and points drawn of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from toyflows.cloud import Array
from toyflows.diffusion.sources import Points
from toyflows.diffusion.targets import Target
from toyflows.diffusion.train import Config, train
from toyflows.diffusion.trained import Model
from toyflows.figures import _style as style
from toyflows.nn.training import State


def trained(
    target: Target, steps: int, seed: int, watch: Callable[[State], Any] = lambda state: None,
    **numbers: Any,
) -> Model:  # fmt: skip
    """A ddpm of the target after so many steps; `watch` sees the state after each."""
    source = Points(target)
    model = Model.new(Config(seed=seed, **numbers), source)
    run = train(model.config, model.state, source.batch, model.config.net(), lambda kept: None)
    for _ in range(steps):
        next(run)
        watch(model.state)
    return model


def cloud(axes: Axes, x: Array, colour: str, reach: float, size: float = 3.0) -> None:
    """Points of a square about 0, without ticks."""
    axes.plot(*x.T, ".", color=colour, ms=size, alpha=0.5, mew=0, rasterized=True)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
    axes.grid(visible=False)


def arrows(axes: Axes, at: Array, field: Array, longest: float = 0.5) -> None:
    """Arrows of length ∝ √|field|, the longest of them `longest`."""
    size = np.linalg.norm(field, axis=1, keepdims=True)
    axes.quiver(
        *at.T, *(longest * field / np.sqrt(np.maximum(size, 1e-12) * size.max())).T,
        color=style.INK, angles="xy", scale_units="xy", scale=1, width=0.008,
    )  # fmt: skip
