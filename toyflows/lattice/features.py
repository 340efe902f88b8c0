"""What an RBM's hidden units are worth to a classifier that has few labels.

    linear     softmax(φ(v) V + c), φ(v) the pixels v or the features p(h = 1 | v): least mean
               cross-entropy + ½λ|V|², from V = 0
    network    softmax(σ(vW + b) V + c), all of it learned, from the RBM's W and b ("pre-trained")
               or from W = noise/√n and b = 0, and V = c = 0; ½λ|θ − θ_0|² of W and V, from θ_0

λ is the one of DECAYS that reads most of the images to choose by, for each way by itself; the error
is the share of test images that are misread. Of two layers the features are the upper ones, and a
network begins with the lower W and b. Source: Hinton & Salakhutdinov (2006), who pre-train so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from toyflows.errors import InputError
from toyflows.images import folder, glyphs
from toyflows.lattice.binary import BARS, cut
from toyflows.lattice.rbm import RBM, Array
from toyflows.lattice.rbm_train import Model
from toyflows.numerics import expit, softmax
from toyflows.pictures import Labels
from toyflows.seeds import stream

WAYS = ("pixels", "features", "network, random start", "network, pre-trained")
DECAYS = (1e-4, 1e-3, 1e-2)
STEPS = 60  # of L-BFGS
Read = Callable[[Array], Array]  # scores (N, K) of images


class Part(NamedTuple):
    """Binary images v (N, n) and their classes y (N,)."""

    v: Array
    y: Labels


@dataclass(frozen=True, eq=False)
class Labelled:
    """What is learned from, chosen by and judged by; K classes."""

    train: Part
    valid: Part
    test: Part
    classes: int

    @classmethod
    def of(cls, model: Model) -> Labelled:
        """The images that the RBM learned from, with their classes. Raises InputError("data")."""
        c = model.config
        model.load_data()  # refuses data that have changed
        if c.data == BARS:
            raise InputError("data", BARS, "have no classes to tell apart")
        parts = (
            glyphs.load(c.size)
            if c.data == "glyphs"
            else folder.load(c.data, c.size, labelled=True)
        )
        train, valid, test = (
            Part(cut(p.x, c.threshold), p.y) for p in (parts.train, parts.valid, parts.test)
        )
        return cls(train, valid, test, len(parts.classes))

    def check(self, labels: tuple[int, ...]) -> None:
        """Raises InputError("labels") for more images of each class than there are."""
        most = int(np.bincount(self.train.y, minlength=self.classes).min())
        for each in labels:
            if not 1 <= each <= most:
                raise InputError("labels", each, f"must be 1 to {most} of each class")

    def some(self, each: int, rng: np.random.Generator) -> Part:
        """`each` training images of every class."""
        of = (np.flatnonzero(self.train.y == k) for k in range(self.classes))
        rows = np.concatenate([rng.permutation(mine)[:each] for mine in of])
        return Part(self.train.v[rows], self.train.y[rows])


class Score(NamedTuple):
    """The share of test images misread, `labels` of each class learned, the draw of them `seed`."""

    way: str
    labels: int
    seed: int
    error: float
    decay: float


def compare(
    model: Model, data: Labelled, labels: Sequence[int], seeds: int, ways: Sequence[str] = WAYS
) -> Iterator[Score]:
    """Every way at every number of labels, over seeds 0 … of which images are labelled."""
    for each in labels:
        for seed in range(seeds):
            part = data.some(each, stream(seed, "labels", each))
            for way in ways:
                yield _score(way, model, data, part, seed, each)


def summary(scores: list[Score]) -> list[dict[str, Any]]:
    """The mean error of each way at each number of labels, and its standard error over the draws of
    the labelled images."""
    out = []
    for way, labels in dict.fromkeys((s.way, s.labels) for s in scores):
        e = np.array([s.error for s in scores if (s.way, s.labels) == (way, labels)])
        spread = float(e.std(ddof=1) / math.sqrt(len(e)))
        told = {"error": float(e.mean()), "standard_error": spread, "draws": len(e)}
        out.append({"way": way, "labels": labels, **told})
    return out


def features(model: Model, v: Array) -> Array:
    """p(h = 1 | v), (N, m); of two layers p(k = 1 | h) at h = p(h = 1 | v)."""
    for rbm in filter(None, (model.state.lower, model.state.rbm)):
        with np.errstate(under="ignore"):
            v = expit(v @ rbm.W + rbm.b).astype(np.float32)
    return v


def _score(way: str, model: Model, data: Labelled, part: Part, seed: int, each: int) -> Score:
    """The best λ by the images to choose by, judged by the others."""
    parts = [part, data.valid, data.test]
    if way == "features":
        parts = [Part(features(model, p.v), p.y) for p in parts]
    learn, chosen, test = parts
    best = (-1.0, math.nan, math.nan)
    for decay in DECAYS:
        read = _fitted(way, model, learn, data.classes, decay, seed)
        best = max(best, (_right(read, chosen), 1 - _right(read, test), decay))
    return Score(way, each, seed, best[1], best[2])


def _right(read: Read, part: Part) -> float:
    return float((read(part.v).argmax(axis=1) == part.y).mean())


def _fitted(way: str, model: Model, part: Part, K: int, decay: float, seed: int) -> Read:
    if not way.startswith("network"):
        return fit([np.zeros((part.v.shape[1], K)), np.zeros(K)], part, decay)
    rbm = model.state.lower or model.state.rbm
    if way.endswith("random start"):
        n, m = rbm.W.shape
        noise = stream(seed, "network").standard_normal((n, m)) / math.sqrt(n)
        rbm = RBM(noise, np.zeros(n), np.zeros(m))
    return fit([rbm.W, rbm.b, np.zeros((len(rbm.b), K)), np.zeros(K)], part, decay)


def fit(start: list[Array], part: Part, decay: float) -> Read:
    """The classifier with weights [V, c] or [W, b, V, c], learned from this start: its scores."""
    from scipy.optimize import minimize

    shapes = [x.shape for x in start]
    ends = np.cumsum([x.size for x in start])[:-1]
    θ0 = np.concatenate([x.ravel() for x in start]).astype(np.float64)

    def unpacked(θ: Array) -> list[Array]:
        pieces = np.split(θ.astype(np.float32), ends)
        return [x.reshape(s) for x, s in zip(pieces, shapes, strict=True)]

    def loss(θ: Array) -> tuple[float, Array]:
        value, slopes = _loss(unpacked(θ), part)
        away = (θ - θ0) * np.repeat([len(s) == 2 for s in shapes], [x.size for x in start])
        slope = np.concatenate([g.ravel() for g in slopes]).astype(np.float64)
        return value + 0.5 * decay * float(away @ away), slope + decay * away

    with np.errstate(under="ignore"):  # of q and of slopes
        found = minimize(loss, θ0, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    weights = unpacked(found.x)
    return lambda v: _scores(weights, v)[0]


def _scores(weights: list[Array], v: Array) -> tuple[Array, Array]:
    """Scores (N, K), and what the softmax's layer sees."""
    *first, V, c = weights
    with np.errstate(under="ignore"):
        h = expit(v @ first[0] + first[1]) if first else v
        return h @ V + c, h


def _loss(weights: list[Array], part: Part) -> tuple[float, list[Array]]:
    """The mean cross-entropy, and its slope in each of the weights."""
    *first, V, _ = weights
    z, h = _scores(weights, part.v)
    q, rows = softmax(z), np.arange(len(z))
    value = -float(np.log(np.maximum(q[rows, part.y], 1e-30), dtype=np.float64).mean())
    q[rows, part.y] -= 1
    q /= len(z)
    slopes = [h.T @ q, q.sum(axis=0)]
    if first:
        back = (q @ V.T) * h * (1 - h)
        slopes = [part.v.T @ back, back.sum(axis=0), *slopes]
    return value, slopes
