"""The verdict on every message of the lecture, and on paths made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

import toyflows
from toyflows.state import Trajectory
from toyflows.target import Target
from toyflows.verdict import KINDS, Verdict, judge

LECTURE = [
    ("ml", {}, "converges", 1.2e-7),
    ("score-matching", {}, "no learning", 7.2878e-22),
    ("nce", {}, "biased", 0.92727),
    ("nce", {"normalised": True, "time": 200.0}, "converges", 0.0),
    ("nce", {"learn_c": True, "time": 200.0}, "converges", 0.0),
    ("nce", {"mu": 1.4}, "converges", 0.0),
    ("pcd", {}, "mode collapse", 0.302184),
    ("pcd", {"separation": 3.0}, "converges", 0.0139),
    ("pcd", {"separation": 7.0, "time": 1000.0}, "oscillates", 225.0),
    ("score-matching", {"separation": 3.0}, "converges", 0.0),
]


@pytest.mark.parametrize(("loss", "options", "kind", "number"), LECTURE, ids=str)
def test_the_lectures_verdicts(loss: str, options: dict, kind: str, number: float) -> None:
    run = toyflows.flow(loss, theta_star=1.4, walkers=20_000, **options)
    assert run.verdict.kind == kind
    assert run.verdict.number == pytest.approx(number, rel=0.1, abs=0.01 * (number == 0))
    for name, tr in run.backends.items():
        if name == "walkers" and loss != "score-matching":
            assert judge(tr, run.target).kind == kind, f"{name} sees it too"


def path(θ, dt: float = 0.1, noise: float = 0.0) -> Verdict:
    """The verdict on a function θ(t), 0 ≤ t ≤ 100, towards θ* = 1."""
    t = np.arange(0, 1001) * dt
    values = np.array([θ(s) for s in t])
    v = np.gradient(values, t) + noise * np.random.default_rng(0).normal(size=t.size)
    nan = np.full(t.size, math.nan)
    return judge(Trajectory("?", "grid", dt, 1.0, t, values, v, nan, nan), Target.exact(1.0))


@pytest.mark.parametrize(
    ("θ", "kind"),
    [
        (lambda t: 1 - math.exp(-0.3 * t), "converges"),
        (lambda t: 1 - math.exp(-0.02 * t), "converges"),
        (lambda t: 0.4 - 0.4 * math.exp(-0.3 * t), "biased"),
        (lambda t: 0.05 * (1 - math.exp(-t)), "biased"),
        (lambda t: 1e-9 * t, "no learning"),
        (lambda t: 0.0, "no learning"),
        (lambda t: 0.5 * t, "mode collapse"),
        (lambda t: -0.5 * t, "mode collapse"),
        (lambda t: 0.004 * t, "mode collapse"),
        (lambda t: 1 + 5 * math.sin(0.3 * t), "oscillates"),
        (lambda t: 1 + 5 * math.sin(0.3 * t) * math.exp(-0.1 * t), "converges"),
        (lambda t: 1 - 8 * math.cos(0.3 * t) * math.exp(-0.01 * t), "oscillates"),
        (lambda t: 1.0, "converges"),
        (lambda t: 1 - 0.4 * math.exp(-t) - 0.6 * math.exp(-0.015 * t), "converges"),
        (lambda t: 1 - 0.9 / (1 + 0.3 * t) ** 0.4, "converges"),
        (lambda t: 0.6 - 0.4 * math.exp(-t) - 0.2 * math.exp(-0.015 * t), "biased"),
        # the smooth noise of persistent walkers, on the way to θ* and away from it
        (lambda t: 1 - math.exp(-0.02 * t) + 0.003 * math.sin(0.7 * t), "converges"),
        (lambda t: math.exp(0.02 * t) - 1 + 0.003 * math.sin(0.7 * t), "mode collapse"),
    ],
)
def test_paths_made_by_hand(θ, kind: str) -> None:
    verdict = path(θ)
    assert verdict.kind == kind
    assert verdict.kind in KINDS
    assert "\n" not in verdict.says


def test_numbers_prove_it() -> None:
    assert path(lambda t: 0.4 - 0.4 * math.exp(-0.3 * t)).number == pytest.approx(0.4, abs=1e-4)
    assert path(lambda t: -0.5 * t).number == pytest.approx(-0.5, rel=1e-6)
    assert path(lambda t: 1 + 5 * math.sin(0.3 * t)).number == pytest.approx(
        2 * math.pi / 0.3, rel=0.03
    )
    assert path(lambda t: 1 - math.exp(-0.3 * t)).number < 1e-12


def test_noise_of_walkers_is_not_a_bias() -> None:
    """With few walkers θ jitters by far more than 0.02; that is still 'converges'."""
    run = toyflows.flow("ml", theta_star=1.4, walkers=50, backends=["walkers"], dt=0.5, seed=3)
    tail = run.backends["walkers"].θ[-40:]
    assert np.std(tail) > 0.02
    assert run.verdict.kind == "converges"


@pytest.mark.parametrize("loss", ["pcd", "jarzynski"])
def test_slow_persistent_walkers_close_in(loss: str) -> None:
    """θ is at −1.2 of −1.39 and slows down as it should; the line of θ̇ is bent by smooth noise."""
    run = toyflows.flow(loss, q_star=0.8, separation=2.0, rate=0.2, walkers=10_000,
                        backends=["walkers"])  # fmt: skip
    assert run.verdict.kind == "converges"


def test_mode_collapse_names_the_predicted_drift_and_the_crossings() -> None:
    run = toyflows.flow("pcd", q_star=0.8, theta0=1.0, walkers=2_000, time=20.0)
    predicted = 1 / (1 + math.e) - 0.8
    assert run.verdict.kind == "mode collapse"
    assert f"p_b(θ0) − q* = {predicted:+.4f}" in run.verdict.says
    assert "the 2,000 walkers changed mode 0 times" in run.verdict.says
