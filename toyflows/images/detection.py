"""How well a score tells outsiders from insiders: the measures of out-of-distribution detection.

A score is larger for what looks stranger (an energy). With insiders X and outsiders Y,

    AUROC = P(Y > X) + ½ P(Y = X)

is the Mann–Whitney statistic over its largest value; 1 is perfect, 0.5 is guessing, and 0 means
that the score has the wrong sign. AUPR is the average precision with outsiders as the positives;
guessing gives their share. FPR95 is the share of insiders taken for outsiders at the highest
threshold that finds 95 % of the outsiders. All three depend on the scores' order only. Ties are
counted exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toyflows.cloud import Array

DRAWS, LEVEL, FOUND = 1000, 0.95, 0.95
AT_ONCE = 100  # bootstrap draws held in memory


@dataclass(frozen=True)
class Detection:
    """Measures for n insiders and m outsiders; low … high is the 95 % interval of the AUROC."""

    auroc: float
    low: float
    high: float
    aupr: float
    fpr95: float
    insiders: int
    outsiders: int


def detect(inside: ArrayLike, outside: ArrayLike, seed: int = 0) -> Detection:
    """All measures for scores (n,) of insiders and (m,) of outsiders."""
    x, y = _scores(inside), _scores(outside)
    low, high = interval(auroc, x, y, seed)
    return Detection(auroc(x, y), low, high, aupr(x, y), fpr95(x, y), x.size, y.size)


def auroc(inside: ArrayLike, outside: ArrayLike) -> float:
    """P(Y > X) + ½ P(Y = X), by ranks: O(n log n)."""
    return float(_auroc(*_tallies(inside, outside)))


def aupr(inside: ArrayLike, outside: ArrayLike) -> float:
    """Average precision: Σ precision · (gain in recall) over the distinct thresholds."""
    return float(_aupr(*_tallies(inside, outside)))


def fpr95(inside: ArrayLike, outside: ArrayLike) -> float:
    """P(X ≥ t) for the highest score t with P(Y ≥ t) ≥ 0.95."""
    return float(_fpr95(*_tallies(inside, outside)))


def interval(
    measure: Callable[[ArrayLike, ArrayLike], float],
    inside: ArrayLike,
    outside: ArrayLike,
    seed: int = 0,
    draws: int = DRAWS,
) -> tuple[float, float]:
    """The 95 % percentile interval of one of the measures: insiders and outsiders are drawn afresh
    with replacement, each as many as there are (Efron & Tibshirani 1993, §13.3)."""
    x, y = _tallies(inside, outside)
    rng, of = np.random.default_rng(seed), _OF_TALLIES[measure]
    values: list[Array] = []
    for start in range(0, draws, AT_ONCE):
        k = min(AT_ONCE, draws - start)
        values.append(of(_redrawn(x, k, rng), _redrawn(y, k, rng)))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(values), [tail, 1 - tail])
    return float(low), float(high)


# ---- on tallies: how many insiders x and outsiders y have each distinct score, the highest first

Tally = NDArray[np.int64]  # (…, k)


def _scores(values: ArrayLike) -> Array:
    """Raises ValueError for none, or for a nan, which has no place in an order; ±inf has."""
    scores = np.asarray(values, np.float64).ravel()
    if not scores.size or np.isnan(scores).any():
        raise ValueError("scores are at least one number, and none is nan")
    return scores


def _tallies(inside: ArrayLike, outside: ArrayLike) -> tuple[Tally, Tally]:
    x, y = _scores(inside), _scores(outside)
    distinct, place = np.unique(np.concatenate([x, y]), return_inverse=True)
    x_tally, y_tally = (
        np.bincount(part, minlength=distinct.size)[::-1] for part in np.split(place, [x.size])
    )
    return x_tally, y_tally


def _redrawn(tally: Tally, draws: int, rng: np.random.Generator) -> Tally:
    """(draws, k): as many of the tally's scores again, drawn with replacement."""
    n, k = int(tally.sum()), tally.size
    owner = np.repeat(np.arange(k), tally)
    picked = owner[rng.integers(n, size=(draws, n))] + k * np.arange(draws)[:, None]
    return np.bincount(picked.ravel(), minlength=draws * k).reshape(draws, k)


def _auroc(x: Tally, y: Tally) -> Array:
    above = np.cumsum(y, axis=-1) - 0.5 * y
    pairs = x.sum(axis=-1) * y.sum(axis=-1)
    return np.asarray((x * above).sum(axis=-1) / pairs)


def _aupr(x: Tally, y: Tally) -> Array:
    found = np.cumsum(y, axis=-1)
    called = found + np.cumsum(x, axis=-1)
    precision = found / np.maximum(called, 1)  # a redrawn tally may begin with none
    return np.asarray((precision * y).sum(axis=-1) / found[..., -1])


def _fpr95(x: Tally, y: Tally) -> Array:
    found, false = np.cumsum(y, axis=-1), np.cumsum(x, axis=-1)
    enough = found >= FOUND * found[..., -1:]
    first = enough.argmax(axis=-1)[..., None]
    return np.asarray(np.take_along_axis(false, first, axis=-1)[..., 0] / false[..., -1])


_OF_TALLIES: dict[Callable[[ArrayLike, ArrayLike], float], Callable[[Tally, Tally], Array]] = {
    auroc: _auroc,
    aupr: _aupr,
    fpr95: _fpr95,
}
