"""What a model gives decides how it learns.

A map of generative models as far as toyflows has them, after the trees of [G] and Goodfellow 2016.
Rows: what the model gives, at a price. Below each method stands the figure that shows it. An
unnormalised density needs chains for its gradient; a score needs none to learn, but a path to draw;
a GAN draws at once and has no density. Normalising flows, autoregressive models and variational
autoencoders belong to the map and are not in toyflows: they are grey. Shows [G], lecture 8, its map
of generative models. Sources: [G] Gavves, Deep generative and energy models; Goodfellow, NIPS 2016
tutorial: generative adversarial networks.
"""

from __future__ import annotations

import importlib

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from toyflows.cloud import Array
from toyflows.figures import _registry
from toyflows.figures import _style as style
from toyflows.stats import Checked, at_least, close

ORDER = 490
SAYS = {
    "What a model gives decides how it learns": ("methods with a figure", "methods without one"),
}
# By what the model gives: (colour, its price, {method: (module of toyflows, figure)}).
MAP: dict[str, tuple[str, str, dict[str, tuple[str, str]]]] = {
    "a density": (style.DATA, "Z must be known", {
        "mixture by likelihood": ("flows.ml", "max_likelihood"),
        "divergences, W₂": ("flows.wasserstein", "divergences"),
        "normalising flow": ("", ""),
        "autoregressive": ("", ""),
    }),
    "an energy": (style.EXACT, "chains, or other data", {
        "contrastive divergence": ("flows.pcd", "mode_collapse"),
        "Jarzynski’s weights": ("flows.jarzynski", "jarzynski"),
        "noise contrast": ("flows.nce", "nce_bias"),
        "network: EBM, JEM": ("images.train", "ebm_generation"),
    }),
    "binary units": (style.ACCENT, "Z of 2ⁿ states", {
        "Hopfield": ("lattice.hopfield", "hopfield_letters"),
        "Ising, Boltzmann": ("lattice.boltzmann", "boltzmann"),
        "restricted Boltzmann": ("lattice.rbm", "rbm"),
        "product of experts": ("lattice.experts", "product_of_experts"),
    }),
    "a score": (style.WALKERS, "a path to draw", {
        "score matching": ("flows.score_matching", "no_learning"),
        "denoising, many noises": ("flows.multi_noise", "noise_scales"),
        "SDE, probability flow": ("diffusion.processes", "forward_reverse_sde"),
        "DDPM": ("diffusion.chain", "ddpm_glyphs"),
    }),
    "samples": (style.SECOND, "no density at all", {
        "adversarial net": ("flows.gan", "gan_oscillation"),
        "variational autoencoder": ("", ""),
    }),
}  # fmt: skip


def compute(scale: float, seed: int) -> dict[str, Array]:
    """For each method: whether its module can be imported and its figure is there; 2 where it is
    not in toyflows."""
    figures = _registry.ids()
    return {
        name: np.array([_there(module, figure, figures) for module, figure in methods.values()])
        for name, (_, _, methods) in MAP.items()
    }


def _there(module: str, figure: str, figures: list[str]) -> int:
    if not module:
        return 2
    importlib.import_module(f"toyflows.{module}")
    return int(figure in figures)


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Whatever is not grey is there, with its figure."""
    all_of = np.concatenate(list(data.values()))
    return {
        "methods with a figure": at_least("methods", (all_of == 1).sum(), 12),
        "methods without one": close("methods", (all_of == 0).sum(), 0),
        "of the map, not in toyflows": float((all_of == 2).sum()),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """A row for each kind of answer."""
    fig.set_size_inches(12.8, 6.6)
    axes = fig.subplots()
    for y, (name, (colour, price, methods)) in enumerate(MAP.items()):
        axes.text(0, y - 0.1, name, color=colour, fontweight="bold", fontsize=18, va="center")
        axes.text(0, y + 0.24, price, color=style.INK, fontsize=13, va="center")
        for x, (method, (module, figure)) in enumerate(methods.items()):
            _box(axes, 2.15 + 2.5 * x, y, method, figure, colour if module else "#b5b5b5")
    axes.set(xlim=(-0.05, 12.1), ylim=(len(MAP) - 0.5, -0.6), xticks=[], yticks=[])
    axes.axis("off")
    axes.text(2.15, -0.55, "methods, and the figure that shows each", color=style.GREY, va="center")
    axes.text(0, -0.55, "the model gives", color=style.GREY, va="center")


def _box(axes: Axes, x: float, y: float, method: str, figure: str, colour: str) -> None:
    axes.add_patch(
        FancyBboxPatch((x, y - 0.32), 2.28, 0.68, boxstyle="round,pad=0,rounding_size=0.08",
                       fc=colour, alpha=0.16, ec="none")
    )  # fmt: skip
    axes.add_patch(
        FancyBboxPatch((x, y - 0.32), 2.28, 0.68, boxstyle="round,pad=0,rounding_size=0.08",
                       fc="none", ec=colour, lw=2)
    )  # fmt: skip
    axes.text(x + 0.1, y - 0.1, method, color=style.INK, fontsize=13, va="center")
    axes.text(
        x + 0.1, y + 0.2, figure or "not in toyflows", color=style.GREY, fontsize=13, va="center"
    )
