"""Uses of a trained RBM: images from its chains, log Z, the likelihood of its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toyflows import doubt
from toyflows.cloud import finite_or_refused
from toyflows.errors import InputError, nearest
from toyflows.files import whole_file
from toyflows.lattice import annealed
from toyflows.lattice.annealed import Progress
from toyflows.lattice.binary import BARS, Data
from toyflows.lattice.enumeration import MOST
from toyflows.lattice.rbm import RBM, Array, exact_draws, log_odds
from toyflows.lattice.rbm_train import Model, Seen
from toyflows.limits import check_seed
from toyflows.seeds import stream

STARTS = ("noise", "data", "exact")
METHODS = ("exact", "ais")


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
        where the start is exact, draws without chains. `progress` gets the sweeps done."""
        rbm, rng = model.state.rbm, stream(self.seed, "start")
        if self.start == "exact":
            tempered = RBM(*(self.β * x.astype(np.float64) for x in (rbm.W, rbm.a, rbm.b)))
            return {"exact": exact_draws(tempered, self.count, rng)}
        if self.start == "data":
            v = model.load_data().train
            v = v[rng.integers(len(v), size=self.count)]
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
    by the `method_of` this name. "doubt" says why not to believe them, or ""."""
    rbm, method = model.state.rbm, method_of(model, method)
    told: dict[str, float | str] = {"method": method, "step": model.state.step}
    weak = ""
    if method == "exact":
        log_Z = rbm.log_Z
        told["log_Z"] = log_Z
    else:
        found = annealed.log_Z(rbm, chains, temperatures, seed, log_odds(data.train), progress)
        log_Z = found.log_Z
        told |= vars(found)
        weak = doubt.weights(found.effective, chains)
    told["log_p"] = log_p = float(rbm.log_likelihood(data.train, log_Z).mean())
    if len(data.valid):
        told["held_out"] = float(rbm.log_likelihood(data.valid, log_Z).mean())
    if model.config.data == BARS:
        told["kl"] = -data.entropy() - log_p
    cannot = doubt.impossible(log_p, float(told.get("kl", 0.0)))
    told["doubt"] = "; ".join(filter(None, [weak, cannot]))
    return told


def save_curves(model: Model, out: Path) -> None:
    """The history as a .csv: a column for each field of `Seen`, empty where there is no number."""
    with whole_file(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        print(",".join(Seen._fields), file=file)
        for row in model.state.history.tolist():
            print(",".join("" if x != x else f"{x:.10g}" for x in row), file=file)
