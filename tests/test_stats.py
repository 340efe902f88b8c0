"""The assertions themselves: they fail as often as they say, and detect what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyflows import stats


def test_exact_checks() -> None:
    assert stats.close("x", 1.0, 1.0 + 1e-7, atol=1e-6).margin == 1e-6
    for bad in (1.1, math.nan, math.inf):
        with pytest.raises(stats.ClaimError, match="x: "):
            stats.close("x", bad, 1.0, atol=1e-6)
        if bad != 1.1:
            continue
        with pytest.raises(stats.ClaimError):
            stats.at_most("x", bad, 1.0)
        with pytest.raises(stats.ClaimError):
            stats.at_least("x", -bad, 1.0)
    with pytest.raises(stats.ClaimError):
        stats.at_most("x", math.nan, 1.0)


def test_what_was_compared_is_said() -> None:
    """The kind is the last field: those before it keep their places."""
    assert stats.at_most("x", 1.0, 3.0) == stats.Checked(1.0, 3.0, 2.0, 0.0, 0.0, "≤")
    assert stats.at_least("x", 3.0, 1.0) == stats.Checked(3.0, 1.0, 2.0, 0.0, 0.0, "≥")
    x = np.linspace(0, 1, 9)
    for checked in (
        stats.Checked(1.0, 1.0, 0.0),
        stats.close("x", 1.0, 1.0),
        stats.slope("x", x, x, 1.0, rtol=0.1),
        stats.mean("x", x, 0.5),
        stats.proportion("x", 5, 10, 0.5),
    ):
        assert checked.kind == checked.numbers()["kind"] == "="


def test_slope() -> None:
    x = np.linspace(0, 1, 9)
    assert stats.slope("s", x, 2 * x + 1, 2.0, rtol=1e-12).value == pytest.approx(2.0)
    with pytest.raises(stats.ClaimError):
        stats.slope("s", x, 2 * x + 1, 2.1, rtol=0.02)


def fails(check) -> bool:
    try:
        check()
    except stats.ClaimError:
        return True
    return False


def test_false_fail_rate_of_a_mean_is_what_it_says() -> None:
    """20 000 true claims at α = 0.01: the count of failures is binomial (checked at 1e−6)."""
    draws = np.random.default_rng(1).normal(0.3, 2.0, (20_000, 6))
    count = sum(fails(lambda v=v: stats.mean("m", v, 0.3, false_fail=0.01)) for v in draws)
    stats.proportion("failures", count, 20_000, 0.01)


def test_a_mean_detects_what_it_says() -> None:
    """A claim wrong by the stated effect is caught with probability 0.99, up to the spread of the
    sample's own error bar: at n = 200, in 97 % of 2000 cases at least."""
    rng, caught = np.random.default_rng(2), 0
    for _ in range(2_000):
        v = rng.normal(0.0, 1.0, 200)
        effect = stats.mean("m", rng.normal(0.0, 1.0, 200), 0.0, false_fail=1e-9).detects
        caught += fails(lambda v=v, e=effect: stats.mean("m", v, e, false_fail=1e-9))
    assert caught > 0.97 * 2_000


def test_false_fail_rate_of_a_proportion_is_at_most_what_it_says() -> None:
    counts = np.random.default_rng(3).binomial(400, 0.2, 20_000)
    failed = sum(
        fails(lambda k=k: stats.proportion("p", int(k), 400, 0.2, false_fail=0.02)) for k in counts
    )
    assert 0.003 * 20_000 < failed < 0.02 * 20_000 * 1.15
    with pytest.raises(stats.ClaimError, match="p = "):
        stats.proportion("p", 130, 400, 0.2)


def test_one_sample_is_no_mean() -> None:
    with pytest.raises(ValueError, match="two independent"):
        stats.mean("m", [1.0], 1.0)


def test_the_law_of_samples() -> None:
    """Max |F_n − F| by hand; 4000 true claims at α = 0.2 fail at most as often; a law that is wrong
    by the stated effect is caught in 97 % of 400 cases at least."""
    found = stats.same_law("u", [0.9, 0.2], lambda x: x, false_fail=0.5)
    assert found.value == pytest.approx(0.4)  # F_n = 1/2 just below 0.9
    assert found.margin == pytest.approx(math.sqrt(math.log(4) / 4))
    rng = np.random.default_rng(7)
    draws = rng.random((4_000, 50))
    count = sum(
        fails(lambda u=u: stats.same_law("u", u, lambda x: x, false_fail=0.2)) for u in draws
    )
    assert 0.1 * 4_000 < count < 0.2 * 4_000 + 5 * math.sqrt(640)
    effect, caught = stats.same_law("u", rng.random(2_000), lambda x: x).detects, 0
    for _ in range(400):
        u = rng.random(2_000)
        u = np.where(u < 0.5 + effect, u * 0.5 / (0.5 + effect), u)  # F(0.5) is too large by effect
        caught += fails(lambda u=u: stats.same_law("u", u, lambda x: x))
    assert caught > 0.97 * 400
    assert not fails(lambda: stats.same_law("u", rng.random(2_000) ** 1.02, lambda x: x, bias=0.01))
