"""The modern Hopfield network: attention, an energy that falls, one-step recall, capacity."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyflows.errors import InputError
from toyflows.lattice import modern
from toyflows.lattice.modern import Modern, attention
from toyflows.stats import mean


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 30), st.integers(0, 10**6))
def test_the_update_is_attention(d: int, p: int, seed: int) -> None:
    """ξ' W_V = softmax(QKᵀ/√d)V with Q = ξ, K = X, V = X W_V, to 1e−12."""
    rng = np.random.default_rng(seed)
    X, ξ, W_V = rng.standard_normal((p, d)), rng.standard_normal((4, d)), np.eye(d) / 2
    net = Modern(X, 1 / math.sqrt(d))
    assert np.abs(net.update(ξ) @ W_V - attention(ξ, X, X @ W_V)).max() < 1e-12
    twice = Modern(X, 2 / math.sqrt(d))
    if p > 1:
        assert np.abs(twice.update(ξ) - attention(ξ, X, X)).max() > 1e-9


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 8), st.integers(1, 12), st.floats(0.05, 20.0), st.integers(0, 10**6)
)  # fmt: skip
def test_energy_never_rises(d: int, p: int, β: float, seed: int) -> None:
    """Along the updates, from anywhere; it is 0 or more, and its slope is ξ − update(ξ)."""
    rng = np.random.default_rng(seed)
    net = Modern(rng.standard_normal((p, d)), β)
    ξ = 3 * rng.standard_normal((1, d))
    h = 1e-5
    steps = np.array([net.energy(ξ + s) - net.energy(ξ - s) for s in h * np.eye(d)])[:, 0]
    wanted = (ξ - net.update(ξ))[0]
    assert steps / (2 * h) == pytest.approx(wanted, abs=1e-6 * (1 + β))
    last = float(net.energy(ξ)[0])
    for _ in range(30):
        ξ = net.update(ξ)
        now = float(net.energy(ξ)[0])
        assert -1e-9 <= now <= last + 1e-11 * (1 + abs(last))
        last = now


def test_limits_of_the_temperature() -> None:
    """Cold: the nearest pattern in one step. Hot: the mean of all, from anywhere."""
    rng = np.random.default_rng(0)
    X = rng.choice([-1.0, 1.0], (50, 64))
    noisy = X.copy()
    noisy[:, :12] *= -1
    assert np.abs(Modern(X, 2.0).update(noisy) - X).max() < 1e-6
    assert np.array_equal(np.sign(Modern(X, 1.0).update(noisy)), X)
    end, steps = Modern(X, 1e-4).settle(noisy[:3])
    assert end == pytest.approx(np.repeat(X.mean(axis=0)[None], 3, 0), abs=0.02)
    assert steps < 100
    same, steps = Modern(X, 4.0).settle(X[:2])
    assert same == pytest.approx(X[:2], abs=1e-9)
    assert steps <= 2
    with pytest.raises(InputError, match="beta"):
        Modern(X, 0.0)
    with pytest.raises(InputError, match="patterns"):
        Modern(X[:0], 1.0)


def test_the_histogram_is_that_of_random_patterns() -> None:
    """Overlaps drawn by their histogram against patterns drawn bit by bit: the mean weight of 4000
    patterns each, to 1e−6; detects 0.03. The others add (p − 1)(cosh β e^{−β})^d in the mean."""
    d, p, β, n = 10, 40, 0.4, 4000
    rng = np.random.default_rng(0)
    drawn = modern.own_weight(d, p, β, n, rng)
    bits = []
    for _ in range(n):
        X = rng.choice([-1.0, 1.0], (p, d))
        bits.append(Modern(X, β).weights(X[:1])[0, 0])
    mean("own weight − own weight", np.array(bits) - drawn, 0.0)
    odds = 1 / drawn - 1
    mean("others", odds, (p - 1) * (math.cosh(β) * math.exp(-β)) ** d)


def test_capacity_grows_as_the_exponential() -> None:
    """log p over d by least squares: the theory's rate to 3 %, where Hebb's log 0.138 d grows by
    a fifth of it."""
    rng = np.random.default_rng(0)
    d = np.arange(12, 41, 4)
    for β in (0.5, 1.0):
        p = np.array([modern.capacity(int(k), β, 1000, rng) for k in d])
        fitted = np.polynomial.Polynomial.fit(d, np.log(p), 1).convert().coef[1]
        assert fitted == pytest.approx(modern.rate(β), rel=0.03)
    assert modern.rate(50.0) == pytest.approx(math.log(2))
    with pytest.raises(InputError, match="1 or more"):
        modern.own_weight(4, 0, 1.0, 2, rng)
