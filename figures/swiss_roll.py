"""DDPM turns noise into a Swiss roll, almost as near to the data as data are.

The roll of 2-D demonstrations, t (cos t, sin t) + Z/2, learned from scratch on one core: DDPM, 200
levels of a linear schedule, a dense network of three layers of 128, 2500 steps of 512 points, the
mean weights; 2000 samples by ancestral sampling. Above: the data become noise. Below: noise
becomes data, with arrows of the learned drift back, ½βx + β∇log p_t. Below the panels: sliced W2
and energy distance to fresh data over what they are between data and data. Shows [G]'s
Swiss roll and [D]'s generation (its figures 1 and 2). Sources: [G] Gavves, Deep generative and
energy models, lecture 8; [D] Conforti & Durmus, Introduction to score-based generative models,
lecture 2, February 2024; Ho et al. 2020; Sohl-Dickstein et al. 2015 (the roll).
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.diffusion import targets
from toyflows.diffusion.drawing import Plan, quality
from toyflows.figures import _diffusion as diffusion
from toyflows.figures import _style as style
from toyflows.seeds import stream
from toyflows.stats import Checked, at_most

ORDER = 390
SAYS = {
    "DDPM turns noise into a Swiss roll": ("sliced W2 over its floor",),
    "almost as near to the data as data are": (
        "sliced W2 over its floor",
        "energy distance over its floor",
    ),
}
STEPS, COUNT = 2500, 2000
SHOWN = (0.0, 0.02, 0.06, 0.15, 1.0)  # times of the panels
LEVELS = 200
WORST = 1.5  # times the distance of data from data


def compute(scale: float, seed: int) -> dict[str, Array]:
    """Clouds forward and backward (times, n, 2) in the model's units, arrows (times, m, 2) at the
    places (m, 2), distances and floors (2,)."""
    steps, n = max(1200, int(STEPS * scale)), max(600, int(COUNT * scale))
    target = targets.find("swiss-roll")
    model = diffusion.trained(target, steps, seed, cosine=steps, levels=LEVELS)
    process, score, seen = model.process, model.score(), dict[float, Array]()
    x0, rng = model.units.inward(target.sample(n, stream(seed, "shown"))), stream(seed, "noise")
    noise = rng.standard_normal((len(SHOWN), n, 2))

    def watch(k: int, t: float, x: Array) -> None:
        seen[round(t * LEVELS) / LEVELS] = x

    drawn = Plan("ancestral", LEVELS).draw(
        score, process, (n, 2), stream(seed, "sample"), watch=watch
    )
    axis = np.linspace(-2.2, 2.2, 9)
    at = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    found = quality(model.units.outward(drawn.x), target.sample, seed=seed, replicas=4)
    return {
        "forward": np.stack([process.alpha(t) * x0 + process.sigma(t) * z
                             for t, z in zip(SHOWN, noise, strict=True)]),
        "backward": np.stack([seen[t] for t in SHOWN]),
        "at": at,
        "drift": np.stack([process.g2(t) * score(at, t) - process.f(t) * at for t in SHOWN]),
        "distance": np.array([q.distance for q in found.values()]),
        "floor": np.array([q.floor for q in found.values()]),
    }  # fmt: skip


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """Both distances are within 1.5 times those of data from data."""
    ratio = data["distance"] / data["floor"]
    return {
        "sliced W2 over its floor": at_most("sliced W2 over data's", ratio[0], WORST),
        "energy distance over its floor": at_most("energy distance over data's", ratio[1], WORST),
        "sliced W2": float(data["distance"][0]),
        "energy distance": float(data["distance"][1]),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """Two rows of clouds."""
    axes = fig.subplots(2, len(SHOWN))
    for k, t in enumerate(SHOWN):
        top, bottom = axes[0, k], axes[1, k]
        diffusion.cloud(top, data["forward"][k], style.DATA, 2.6)
        diffusion.cloud(bottom, data["backward"][k], style.WALKERS, 2.6)
        top.set_title(f"t = {t:g}")
        if t > 0:
            diffusion.arrows(bottom, data["at"], data["drift"][k])
    axes[0, 0].set_ylabel("data → noise", color=style.DATA, fontweight="bold")
    axes[1, 0].set_ylabel("learned ← noise", color=style.WALKERS, fontweight="bold")
    w2, energy = data["distance"] / data["floor"]
    told = f"sliced $W_2$: {w2:.2f} × that of data from data, energy distance: {energy:.2f} ×"
    fig.supxlabel(f"{told};   arrows: the learned drift", fontsize=15)
