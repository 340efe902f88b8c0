"""Measures of detection: pair counting, closed forms, hand-made cases, invariances, intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from toyflows.images.detection import aupr, auroc, detect, fpr95, interval
from toyflows.stats import at_least, close

SCORES = st.lists(st.integers(-4, 4), min_size=1, max_size=12)  # many ties
MEASURES = (auroc, aupr, fpr95)


def slow_auroc(x: list[float], y: list[float]) -> float:
    return sum((b > a) + 0.5 * (b == a) for a in x for b in y) / (len(x) * len(y))


def slow_aupr(x: list[float], y: list[float]) -> float:
    """Σ over thresholds t from the highest of (recall(t) − recall before) · precision(t)."""
    total, before = 0.0, 0.0
    for t in sorted({*x, *y}, reverse=True):
        found, false = sum(b >= t for b in y), sum(a >= t for a in x)
        total += (found / len(y) - before) * found / (found + false)
        before = found / len(y)
    return total


def slow_fpr95(x: list[float], y: list[float]) -> float:
    rates = [sum(a >= t for a in x) / len(x) for t in {*x, *y}
             if 100 * sum(b >= t for b in y) >= 95 * len(y)]  # fmt: skip
    return min(rates)


@settings(max_examples=300, deadline=None)
@given(SCORES, SCORES)
def test_measures_are_those_of_counting_pairs(x, y) -> None:
    assert auroc(x, y) == pytest.approx(slow_auroc(x, y), abs=1e-12)
    assert aupr(x, y) == pytest.approx(slow_aupr(x, y), abs=1e-12)
    assert fpr95(x, y) == pytest.approx(slow_fpr95(x, y), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(SCORES, SCORES, st.randoms())
def test_invariances(x, y, random) -> None:
    """Order of the lists, increasing functions, exchange of the two sides."""
    mixed = random.sample(x, len(x)), random.sample(y, len(y))
    grown = np.exp(np.array(x, float)), np.exp(np.array(y, float))
    for measure in MEASURES:
        assert measure(*mixed) == measure(*grown) == measure(x, y)
    assert auroc(y, x) == pytest.approx(1 - auroc(x, y), abs=1e-12)


@pytest.mark.parametrize("δ", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_two_gaussians(δ: float) -> None:
    """N(0, 1) and N(δ, 1) at their quantiles: Φ(δ/√2); 1 − Φ(δ + Φ⁻¹(0.05)); ∫ precision."""
    n = 20_000
    x = ndtri((np.arange(n) + 0.5) / n)
    close("AUROC", auroc(x, x + δ), float(ndtr(δ / math.sqrt(2))), atol=1e-4)
    close("FPR95", fpr95(x, x + δ), float(ndtr(-δ - ndtri(0.05))), atol=2e-4)

    def precision(recall: float) -> float:
        false = float(ndtr(ndtri(recall) - δ))
        return recall / (recall + false)

    close("AUPR", aupr(x, x + δ), quad(precision, 0, 1, limit=200)[0], atol=5e-4)


@pytest.mark.parametrize(
    ("x", "y", "areas"),
    [
        ([0.1, 0.4], [0.35, 0.8], (0.75, 5 / 6, 0.5)),  # scikit-learn's example of both areas
        ([1, 2, 3], [4, 5], (1.0, 1.0, 0.0)),
        ([4, 5], [1, 2, 3], (0.0, (1 / 3 + 2 / 4 + 3 / 5) / 3, 1.0)),
        ([7, 7, 7], [7, 7], (0.5, 2 / 5, 1.0)),
        ([0, math.inf], [math.inf, 1], (0.625, (1 / 2 + 2 / 3) / 2, 0.5)),
        ([-math.inf], [0.0], (1.0, 1.0, 0.0)),
    ],
)
def test_hand_made_cases(x, y, areas) -> None:
    assert [measure(x, y) for measure in MEASURES] == pytest.approx(areas, abs=1e-12)


def test_95_per_cent_is_reached_and_not_passed() -> None:
    """19 of 20 outsiders are 95 %: the 20th need not be found."""
    y = [10.0] * 19 + [-10.0]
    assert fpr95([0.0] * 5, y) == 0.0
    assert fpr95([0.0] * 5, [*y, -10.0]) == 1.0


@pytest.mark.parametrize("bad", [[], [1.0, math.nan]])
def test_no_score_or_nan_is_refused(bad) -> None:
    for call in (*MEASURES, detect):
        with pytest.raises(ValueError, match="none is nan"):
            call(bad, [1.0])
        with pytest.raises(ValueError, match="none is nan"):
            call([1.0], bad)


# ---- intervals


def test_the_interval_is_the_seed_s_and_holds_the_value() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(200), rng.standard_normal(150) + 1
    for measure in MEASURES:
        low, high = interval(measure, x, y, seed=3)
        assert (low, high) == interval(measure, x, y, seed=3) != interval(measure, x, y, seed=4)
        assert 0 <= low < measure(x, y) < high <= 1
    found = detect(x, y, seed=3)
    assert (found.low, found.high) == interval(auroc, x, y, seed=3)
    assert (found.insiders, found.outsiders) == (200, 150)
    assert (found.auroc, found.aupr, found.fpr95) == tuple(measure(x, y) for measure in MEASURES)


def test_perfect_detection_has_no_width() -> None:
    found = detect(np.arange(50.0), np.arange(50.0) + 50)
    assert (found.low, found.auroc, found.high, found.aupr, found.fpr95) == (1, 1, 1, 1, 0)


def test_its_width_is_that_of_delong() -> None:
    """Var = Var(V_x)/n + Var(V_y)/m, the placements' variances (DeLong et al. 1988), to 6 %: 1000
    draws know a quantile's width to 2 %."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal(800), rng.standard_normal(500) + 1
    of_x = (y > x[:, None]).mean(axis=1)  # V_x, (n,)
    of_y = (y > x[:, None]).mean(axis=0)
    error = math.sqrt(of_x.var() / x.size + of_y.var() / y.size)
    low, high = interval(auroc, x, y, seed=0, draws=4000)
    close("width", high - low, 2 * 1.959964 * error, rtol=0.06)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    """400 data sets of 60 + 60: nominal 95 %, true about 94 %; below 85 % with probability 1e-9.
    Detects an interval of half the width (coverage 0.67)."""
    truth, rng = float(ndtr(1 / math.sqrt(2))), np.random.default_rng(2)
    hits = 0
    for seed in range(400):
        x, y = rng.standard_normal(60), rng.standard_normal(60) + 1
        low, high = interval(auroc, x, y, seed, draws=200)
        hits += low <= truth <= high
    at_least("coverage", hits / 400, 0.85)
