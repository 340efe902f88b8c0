"""The calibration error against a count by hand, a known posterior, and one that is too sure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.images.calibration import BINS, reliability, temperature
from toyflows.pictures import Labels

FALSE_FAIL = 1e-6


def logits(p: list[list[float]]) -> Array:
    """Whose softmax is p, at any level."""
    return np.log(p) + np.arange(len(p))[:, None]


def mixture(n: int, seed: int) -> tuple[Array, Labels]:
    """Logits (n, 2) that are the true posterior of ½N(−1, 1) + ½N(1, 1), log odds 2x; and y."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    x = rng.standard_normal(n) + 2 * y - 1
    return np.stack([-x, x], axis=1), y


def reach(n: int, width: float) -> float:
    """How far the error can stray: n times it, Σ_b |S_b|, is the largest of 2^b signed sums of n
    independent numbers in intervals of this width, each below t but with probability
    e^{−2t²/(n width²)} (Hoeffding). The 7 lowest of 15 bins are empty with two classes."""
    b = BINS - BINS // 2
    return width * math.sqrt((b * math.log(2) - math.log(FALSE_FAIL)) / (2 * n))


def test_by_hand() -> None:
    """Two images at p = 0.9 of which one is right, two at 0.5, both right, one at 1 that is wrong:
    (2/5)|1/2 − 0.9| + (2/5)|1 − 0.5| + (1/5)|0 − 1| in 20 bins; of 5 bins the last holds three."""
    f = logits([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.5, 0.25, 0.25], [0.2, 0.3, 0.5]])
    f = np.concatenate([f, [[200.0, 0.0, 0.0]]])
    y = np.array([0, 0, 0, 2, 1])
    fine = reliability(f, y, 20)
    assert fine.error == pytest.approx(0.4 * 0.4 + 0.4 * 0.5 + 0.2)
    coarse = reliability(f, y, 5)
    assert coarse.error == pytest.approx(0.6 * (2.8 / 3 - 1 / 3) + 0.4 * 0.5)
    assert coarse.share == pytest.approx([0, 0, 0.4, 0, 0.6])
    assert coarse.p == pytest.approx([0, 0, 0.5, 0, 2.8 / 3])
    assert coarse.right == pytest.approx([0, 0, 1, 0, 1 / 3])
    assert reliability(f, y, 1).error == pytest.approx(abs(3 / 5 - (2 * 0.9 + 2 * 0.5 + 1) / 5))


@pytest.mark.parametrize("n", [100, 10_000, 1_000_000])
def test_the_true_posterior_is_calibrated(n: int) -> None:
    """At the rate √(1/n): given p, right − p has mean 0 and lies in an interval of width 1. False
    fails: 1e-6; at n = 1e6 an error above 0.0031 is seen."""
    f, y = mixture(n, seed=n)
    assert reliability(f, y).error < reach(n, width=1)


@pytest.mark.parametrize("sure", [2.0, 0.5])
def test_another_certainty_is_caught(sure: float) -> None:
    """Logits times 2, or 1/2, give the error that quadrature gives, to 0.0063; false fails 1e-6."""
    n = 1_000_000
    f, y = mixture(n, seed=1)
    found = reliability(sure * f, y)
    x = np.linspace(0, 12, 1_200_001)  # |x|, whose density follows
    with np.errstate(under="ignore"):
        density = (np.exp(-((x - 1) ** 2) / 2) + np.exp(-((x + 1) ** 2) / 2)) / math.sqrt(
            2 * math.pi
        )
    p, right = expit(2 * sure * x), expit(2 * x)
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    with np.errstate(under="ignore"):
        off = np.bincount(place, density * (right - p), BINS) * (x[1] - x[0])
    expected = float(np.abs(off).sum())
    assert expected > 0.05
    assert abs(found.error - expected) < reach(n, width=2)
    signed = float(found.share @ (found.right - found.p))
    assert signed * (1 - sure) > 0


def test_nothing_to_count_is_refused() -> None:
    with pytest.raises(InputError, match="must be 1 or more"):
        reliability(np.zeros((0, 2)), np.zeros(0, np.int64))
    with pytest.raises(InputError, match="bins = 0"):
        reliability(np.zeros((1, 2)), np.zeros(1, np.int64), 0)


def test_the_temperature_undoes_a_factor() -> None:
    """Labels drawn from softmax(f), logits given as f·k: T = k within its sampling error."""
    rng = np.random.default_rng(5)
    f = rng.normal(0, 2, (20_000, 4))
    q = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
    y = (q.cumsum(axis=1) < rng.random((len(f), 1))).sum(axis=1)
    for k in (0.3, 1.0, 3.0):
        # d²(entropy)/d(1/T)² is the mean variance of f under q, here 0.54: the spread of k/T is
        # 1/√(0.54 · 20 000) = 0.0096; five of them fail once in 2 million.
        assert temperature(f * k, y) / k == pytest.approx(1, abs=0.048)
