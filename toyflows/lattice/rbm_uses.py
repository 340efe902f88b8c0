"""Uses of a trained RBM: images from its chains, log Z, the likelihood of its data.

Where it stands on another RBM its chains go on in that one's hidden units, from which the images
are drawn; the likelihood is then bounded from below (belief).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toyflows import doubt
from toyflows.cloud import finite_or_refused
from toyflows.errors import InputError, nearest
from toyflows.files import whole_file
from toyflows.lattice import annealed
from toyflows.lattice.annealed import Progress
from toyflows.lattice.belief import MOST as MOST_BELOW
from toyflows.lattice.belief import Belief, decode, lift
from toyflows.lattice.binary import BARS, Data
from toyflows.lattice.enumeration import MOST
from toyflows.lattice.rbm import RBM, Array, exact_draws, log_odds
from toyflows.lattice.rbm_train import JUDGED, Model, Seen
from toyflows.limits import check_seed
from toyflows.seeds import stream

STARTS = ("noise", "data", "exact")
METHODS = ("exact", "ais")
DRAWS = 100  # of the hidden units below, for each image


def inverse(temperature: float) -> float:
    """β = 1/T. Raises InputError("temperature") unless 0 < T < ∞."""
    if not 0 < temperature < np.inf:
        raise InputError("temperature", temperature, "must be a positive number")
    return 1.0 / temperature


@dataclass(frozen=True)
class Chains:
    """How images are drawn: `count` chains of `sweeps` at the inverse temperature β."""

    start: str = "noise"
    count: int = 16
    sweeps: int = 1000
    snapshots: int = 4
    β: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise InputError("start", self.start, nearest(self.start, STARTS))
        for name in ("count", "sweeps", "snapshots"):
            if not 1 <= getattr(self, name) <= 1_000_000:
                raise InputError(name, getattr(self, name), "must be 1 … 1000000")
        check_seed(self.seed)

    def run(self, model: Model, progress: Progress | None = None) -> dict[str, Array]:
        """v (count, n) at the start and at the snapshots, and the probabilities of the last draw;
        where the start is exact, draws without chains. `progress` gets the sweeps done. β is that
        of the chains: what is drawn from the hidden units below is drawn at 1."""
        rows = self._own(model, progress)
        lower = model.state.lower
        if lower is None:
            return rows
        last = rows.pop("probability", None)
        images = {name: decode(lower, h, self.seed)[0] for name, h in rows.items()}
        if last is None:
            return images
        return images | {"probability": decode(lower, list(rows.values())[-1], self.seed)[1]}

    def _own(self, model: Model, progress: Progress | None) -> dict[str, Array]:
        """The same of the RBM's own visible units."""
        rbm, rng = model.state.rbm, stream(self.seed, "start")
        if self.start == "exact":
            tempered = RBM(*(self.β * x.astype(np.float64) for x in (rbm.W, rbm.a, rbm.b)))
            return {"exact": exact_draws(tempered, self.count, rng)}
        if self.start == "data":
            v = model.load_data().train
            v = v[rng.integers(len(v), size=self.count)]
            v = v if model.state.lower is None else lift(model.state.lower, v, self.seed, 0)
        else:
            v = rng.integers(0, 2, (self.count, len(rbm.a))).astype(np.float32)
        rows, p, done = {"sweep 0": v}, v, 0
        for at in np.linspace(0, self.sweeps, min(self.snapshots, self.sweeps) + 1)[1:]:
            with finite_or_refused("temperature", 1 / self.β, f"after sweep {round(at)}") as judge:
                v, p = rbm.gibbs(v, round(at) - done, self.seed, done, self.β, progress)
                judge(p)
            done = round(at)
            rows[f"sweep {done}"] = v
        return rows | {"probability": p}


def method_of(model: Model, method: str) -> str:
    """The method that was named; by default, exact up to 2²⁰ states."""
    method = method or ("exact" if model.config.smaller <= MOST else "ais")
    if method not in METHODS:
        raise InputError("method", method, nearest(method, METHODS))
    return method


def score(
    model: Model, data: Data, method: str, chains: int, temperatures: int, seed: int,
    progress: Progress | None = None,
) -> dict[str, float | str]:  # fmt: skip
    """log Z, with its interval where it is estimated, and the means of log p(v) in nats an image,
    by the `method_of` this name. "doubt" says why not to believe them, or "". On another RBM the
    means are the bound's, `bound`, and log p itself where all states below can be gone through."""
    rbm, method = model.state.rbm, method_of(model, method)
    told: dict[str, float | str] = {"method": method, "step": model.state.step}
    weak = ""
    if method == "exact":
        log_Z = rbm.log_Z
        told["log_Z"] = log_Z
    else:
        seen = (
            data.train
            if model.state.lower is None
            else lift(model.state.lower, data.train, seed, 0)
        )
        found = annealed.log_Z(rbm, chains, temperatures, seed, log_odds(seen), progress)
        log_Z = found.log_Z
        told |= vars(found)
        weak = doubt.weights(found.effective, chains)
    if model.state.lower is not None:
        told |= _bounded(Belief(model.state.lower, rbm), data, seed, log_Z)
    else:
        told["log_p"] = float(rbm.log_likelihood(data.train, log_Z).mean())
        if len(data.valid):
            told["held_out"] = float(rbm.log_likelihood(data.valid, log_Z).mean())
    if model.config.data == BARS and "log_p" in told:
        told["kl"] = -data.entropy() - float(told["log_p"])
    cannot = doubt.impossible(float(told.get("log_p", told.get("bound", 0.0))),
                              float(told.get("kl", 0.0)))  # fmt: skip
    told["doubt"] = "; ".join(filter(None, [weak, cannot]))
    return told


def _bounded(net: Belief, data: Data, seed: int, log_Z: float) -> dict[str, float | str]:
    """What is known of log p(v) of two layers; `bound_error` is the standard error of the draws of
    h, 0 where the bound is exact."""
    told: dict[str, float | str] = {}
    if len(net.lower.b) <= MOST_BELOW and len(data.train) <= JUDGED:
        told["bound"], told["bound_error"] = float(net.bound(data.train, log_Z).mean()), 0.0
        told["log_p"] = float(net.log_likelihood(data.train, log_Z).mean())
    else:
        drawn = net.drawn_bound(data.train, DRAWS, seed, log_Z).mean(axis=0)
        told["bound"] = float(drawn.mean())
        told["bound_error"] = float(drawn.std(ddof=1) / math.sqrt(DRAWS))
    if len(data.valid):
        told["held_out"] = float(net.drawn_bound(data.valid, DRAWS, seed, log_Z).mean())
    if min(net.lower.W.shape) <= MOST:
        told["below"] = float(net.lower.log_likelihood(data.train).mean())
    return told


def save_curves(model: Model, out: Path) -> None:
    """The history as a .csv: a column for each field of `Seen`, empty where there is no number."""
    with whole_file(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        print(",".join(Seen._fields), file=file)
        for row in model.state.history.tolist():
            print(",".join("" if x != x else f"{x:.10g}" for x in row), file=file)
