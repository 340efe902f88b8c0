"""Scores and diffusion: noise processes, exact scores, objectives, samplers, likelihoods.

    from toyflows import diffusion
    score = diffusion.ExactScore(diffusion.song_ermon(), diffusion.VP())
    print(score([[5.0, 5.0]], 0.5))

A `Gaussians` is a mixture whose noised laws are known. `VE`, `VP` and `OU` are noise processes.
`sample` moves points down a grid of `times` by one of `methods`, `log_likelihood` goes up by the
probability flow. `objectives` and `elbo` have the losses; a `Model` is a trained network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toyflows.lazy import lazy

__all__ = [
    "OU", "VE", "VP", "ExactScore", "Gaussians", "Model", "elbo", "log_likelihood", "methods",
    "objectives", "sample", "song_ermon", "times",
]  # fmt: skip

if TYPE_CHECKING:
    from toyflows.diffusion import elbo, methods, objectives
    from toyflows.diffusion.gaussians import Gaussians, song_ermon
    from toyflows.diffusion.likelihood import log_likelihood
    from toyflows.diffusion.processes import OU, VE, VP, ExactScore, times
    from toyflows.diffusion.samplers import run as sample
    from toyflows.diffusion.trained import Model

__getattr__, __dir__ = lazy(__name__, {
    "": "elbo methods objectives", "gaussians": "Gaussians song_ermon",
    "likelihood": "log_likelihood", "processes": "ExactScore OU VE VP times",
    "samplers": "sample=run", "trained": "Model",
})  # fmt: skip
