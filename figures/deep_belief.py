"""An RBM on an RBM's hidden units raises a bound on log p that never falls.

Left: bars and stripes 4 × 4, a lower RBM of 8 hidden units learned by the exact gradient, and on
its hidden units an upper one, which begins as the lower one turned over: there the bound log p(v) ≥
−F_1(v) + E_q[F_1(h) − F_2(h)] − log Z_2 is the lower RBM's own log p. Learning by the exact
gradient then raises it at each step, and log p of the two layers lies above it; all are sums over
all states, in nats an image, the mean over the data. Middle: letters of 16 × 16 pixels cut at half
grey; 40 of the 128 hidden units of the lower RBM, as the weights of their pixels: blue is ink that
speaks for the unit, red against. Right: what chains draw that begin as noise, 500 sweeps of the
lower RBM alone, and as many in the upper one whose ends are decoded by the lower; both by CD-1.
Extends [G], lecture 8, deep belief networks: the bound is enumerated. Sources: [G] Gavves, Deep
generative and energy models; Hinton, Osindero & Teh 2006.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from toyflows.cloud import Array
from toyflows.figures import _pictures
from toyflows.figures import _style as style
from toyflows.lattice import belief
from toyflows.lattice.belief import Belief
from toyflows.lattice.rbm import RBM
from toyflows.lattice.rbm_config import Config
from toyflows.lattice.rbm_train import Model, train
from toyflows.lattice.rbm_uses import Chains
from toyflows.pictures import sheet
from toyflows.stats import Checked, at_least, at_most, close

ORDER = 536
SAYS = {
    "An RBM on an RBM's hidden units raises a bound on log p": ("rise of the bound",),
    "that never falls": ("largest fall of the bound in a step",),
}
BARS, BELOW, RATE, STEPS = 4, 8, 0.05, 2000  # of the left panel
SIZE, HIDDEN, LEARNED, SWEEPS, DRAWN = 16, 128, 3000, 500, 6
FILTERS = (8, 5)  # rows, columns


def compute(scale: float, seed: int) -> dict[str, Array]:
    """The bound and log p after each step (2, steps + 1), log p of the lower RBM; weights (256,
    128); pictures of letters, of one and of two layers (3, n, 16, 16)."""
    lower, upper = _letters(max(200, round(LEARNED * scale)), seed)
    images = lower.load_data().train[:: max(1, len(lower.load_data().train) // DRAWN)][:DRAWN]
    chains = Chains(count=DRAWN, sweeps=max(50, round(SWEEPS * scale)), snapshots=1, seed=seed)
    drawn = [images, *(_last(chains.run(model)) for model in (lower, upper))]
    bound, log_p, alone = _exact(max(200, round(STEPS * scale)), seed)
    return {
        "bound": bound, "log_p": log_p, "alone": np.array(alone),
        "W": lower.state.rbm.W.astype(float),
        "drawn": np.array([np.asarray(v).reshape(-1, SIZE, SIZE) for v in drawn]),
    }  # fmt: skip


def _last(rows: dict[str, Array]) -> Array:
    """The draws at the last sweep."""
    return [v for name, v in rows.items() if name != "probability"][-1]


def _learned(model: Model) -> Model:
    """Trained until its rate is 0."""
    for _ in train(model.config, model.state, model.load_data()):
        pass
    return model


def _letters(steps: int, seed: int) -> tuple[Model, Model]:
    """The lower RBM of letters, and the upper one on it."""
    common: dict[str, Any] = {
        "data": "glyphs",
        "size": SIZE,
        "cosine": steps,
        "every": steps,
        "seed": seed,
    }
    lower = Config(hidden=HIDDEN, rate=0.2, **common)
    first = _learned(Model.new(lower, lower.load()))
    above = Config(rate=0.1, below=HIDDEN, **common)
    return first, _learned(Model.new(above, first.load_data(), first.state.rbm))


def _exact(steps: int, seed: int) -> tuple[Array, Array, float]:
    """Bound and log p of the data by step, and log p of the lower RBM alone."""
    config = Config(size=BARS, hidden=BELOW, sampler="exact", rate=0.4, cosine=600, every=600,
                    seed=seed)  # fmt: skip
    data = config.load()
    lower = _learned(Model.new(config, data)).state.rbm
    lower = RBM(*(x.astype(np.float64) for x in (lower.W, lower.a, lower.b)))
    v, w = data.law()
    net, found = Belief(lower, belief.turned(lower)), []
    for step in range(steps + 1):
        found.append((w @ net.bound(v), w @ net.log_likelihood(v)))
        if step < steps:
            net = _stepped(net, v, w)
    bound, log_p = np.array(found).T
    return bound, log_p, float(w @ lower.log_likelihood(v))


def _stepped(net: Belief, v: Any, w: Array) -> Belief:
    """After one step up the exact gradient of the mean bound."""
    up = net.statistics(v, w).minus(net.upper.statistics())
    old = net.upper.W, net.upper.a, net.upper.b
    return Belief(net.lower, RBM(*(x + RATE * g for x, g in zip(old, up, strict=True))))


def claim(data: dict[str, Array]) -> dict[str, Checked | float]:
    """The bound begins at the lower RBM's log p, rises, never falls, and stays below log p."""
    bound, log_p = data["bound"], data["log_p"]
    return {
        "bound at the start − log p of the lower RBM": close(
            "start", bound[0] - float(data["alone"]), 0.0, atol=1e-9
        ),
        "largest fall of the bound in a step": at_most("fall", float(-np.diff(bound).min()), 1e-9),
        "rise of the bound": at_least("rise", float(bound[-1] - bound[0]), 0.01),
        "least of log p − bound": at_least("log p − bound", float((log_p - bound).min()), -1e-9),
        "rise of log p": at_least("rise", float(log_p[-1] - log_p[0]), 0.01),
        "log p of the lower RBM": float(data["alone"]),
        "bound at the end": float(bound[-1]),
        "log p at the end": float(log_p[-1]),
    }


def draw(fig: Figure, data: dict[str, Array]) -> None:
    """The bound; filters; letters."""
    left, middle, right = fig.subplots(1, 3, width_ratios=[1, 0.85, 1.05])
    _bound(left, data)
    _filters(middle, data["W"])
    _pictures.rows(right, list(2 * data["drawn"].astype(np.float32) - 1),
                   ["letters", "one layer", "two layers"])  # fmt: skip
    right.set_title("drawn from noise")
    right.set_anchor("N")


def _bound(axes: Axes, data: dict[str, Array]) -> None:
    bound, log_p, alone = data["bound"], data["log_p"], float(data["alone"])
    steps = np.arange(len(bound))
    axes.axhline(alone, color=style.GREY, lw=2)
    axes.plot(steps, log_p, color=style.EXACT)
    axes.plot(steps, bound, color=style.WALKERS)
    low, high = alone, float(log_p.max())
    room = high - low
    last = steps[-1]
    style.label(axes, 0.98 * last, low - 0.03 * room, "lower RBM alone", style.GREY, ha="right",
                va="top")  # fmt: skip
    style.label(axes, 0.98 * last, high + 0.03 * room, "log p, two layers", style.EXACT, ha="right")
    style.label(axes, 0.98 * last, float(bound[-1]) - 0.25 * room, "bound", style.WALKERS,
                ha="right", va="top")  # fmt: skip
    axes.set(xlabel="step of the upper RBM", xlim=(0, last))
    axes.set_ylim(low - 0.25 * room, high + 0.25 * room)
    axes.set_title("mean log p, nats")


def _filters(axes: Axes, W: Array) -> None:
    rows, columns = FILTERS
    strongest = np.argsort(-np.square(W).sum(axis=0))[: rows * columns]
    x = W.T[strongest].reshape(rows, columns, SIZE, SIZE)
    most = float(np.quantile(np.abs(x), 0.995))
    tiled = sheet([np.clip(row / most, -1, 1).astype(np.float32) for row in x])
    axes.imshow(tiled, "RdBu", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title("weights of hidden units")
