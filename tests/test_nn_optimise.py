"""Adam, clipping, averages and schedules against their definitions written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.nn.optimise import EMA, Adam, Schedule, clip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_is_algorithm_1(dtype: type) -> None:
    """On a quadratic ½ θᵀAθ, 50 steps: bit for bit what Kingma & Ba's lines give in NumPy."""
    A = np.diag(np.array([1.0, 10.0, 1e-4], dtype))
    α, β1, β2, ε = 0.05, 0.8, 0.95, 1e-6
    θ, m, v = np.array([1.0, -2.0, 3.0], dtype), np.zeros(3, dtype), np.zeros(3, dtype)
    mine = θ.copy()
    adam = Adam.at(mine, β1, β2, ε)
    for t in range(1, 51):
        g = A @ θ
        m = β1 * m + (1 - β1) * g
        v = β2 * v + (1 - β2) * g**2
        m_hat = m / (1 - β1**t)
        v_hat = v / (1 - β2**t)
        θ = θ - α * m_hat / (np.sqrt(v_hat) + ε)
        adam.step(mine, A @ mine, α)
        assert np.array_equal(mine, θ)
        assert np.array_equal(adam.m, m)
        assert np.array_equal(adam.v, v)
    assert adam.steps == 50


def test_adams_first_step_is_the_rate_whatever_the_gradients_size() -> None:
    """m̂ = g and v̂ = g² at t = 1: θ moves by rate·sign(g), up to ε/|g|."""
    g = np.array([1e-3, -1.0, 1e6])
    θ = np.zeros(3)
    Adam.at(θ).step(θ, g, 0.1)
    assert np.max(np.abs(θ + 0.1 * np.sign(g)) / 0.1) < 1.1e-5


def test_adam_in_float32() -> None:
    """θ, m, v stay float32; g² below the smallest float is zero and raises nothing."""
    θ = np.zeros(3, np.float32)
    adam = Adam.at(θ)
    adam.step(θ, np.array([1.0, 1e-25, 0.0], np.float32), 0.5)
    assert θ.dtype == adam.m.dtype == adam.v.dtype == np.float32
    assert θ.tolist() == pytest.approx([-0.5, -0.5e-17, 0.0], rel=1e-5)
    assert np.isfinite(θ).all()
    g = np.array([1 / 3, 1e-50, -2.0])  # a float64 gradient is rounded
    wide, narrow = (Adam.at(θ) for _ in range(2))
    ends = [θ.copy(), θ.copy()]
    wide.step(ends[0], g, 0.5)
    narrow.step(ends[1], np.array([1 / 3, 0, -2.0], np.float32), 0.5)
    assert np.array_equal(ends[0], ends[1])
    assert np.array_equal(wide.v, narrow.v)


def test_adam_finds_the_bottom() -> None:
    """At a rate that falls to 0 by a half cosine: to 1e-6 of the minimum of (θ − 3)²."""
    θ = np.array([0.0])
    adam, rate = Adam.at(θ), Schedule(0.1, cosine=2000)
    for k in range(2000):
        adam.step(θ, 2 * (θ - 3), rate(k))
    assert abs(θ[0] - 3) < 1e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_by_the_global_norm(dtype: type) -> None:
    g = np.array([3.0, -4.0], dtype)
    assert clip(g, 6.0) == 5.0
    assert g.tolist() == [3.0, -4.0]
    assert clip(g, 5.0) == 5.0
    assert g.tolist() == [3.0, -4.0]
    assert clip(g, 1.0) == 5.0
    assert g.dtype == dtype
    assert g.tolist() == pytest.approx([0.6, -0.8], rel=1e-6)


def test_clip_of_large_and_broken_gradients() -> None:
    """Squares beyond float32 are summed in float64; a norm that is not finite is told."""
    g = np.full(4, 1e30, np.float32)
    assert clip(g, 2.0) == pytest.approx(2e30, rel=1e-6)
    assert g.tolist() == pytest.approx([1.0] * 4, rel=1e-6)
    for bad in (math.nan, math.inf):
        g = np.array([bad, 1.0], np.float32)
        assert not math.isfinite(clip(g, 1.0))
        assert g[1] == 1.0


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
def test_average_is_its_closed_form(decay: float) -> None:
    """Σ_k dᵗ⁻ᵏ θ_k / Σ_k dᵗ⁻ᵏ, and θ₁ itself after one; a constant stays the constant."""
    path = np.random.default_rng(0).normal(size=(40, 3))
    ema, flat = EMA.of(path[0], decay), EMA.of(path[0], decay)
    for t, θ in enumerate(path, 1):
        ema.update(θ)
        flat.update(path[0])
        weights = decay ** np.arange(t - 1.0, -1.0, -1.0)
        wanted = weights @ path[:t] / weights.sum()
        assert np.max(np.abs(ema.mean - wanted)) < 1e-13
        assert np.array_equal(flat.mean, path[0])
    assert ema.steps == 40


def test_average_is_adams_bias_correction() -> None:
    """The textbook form: e ← d e + (1−d) θ from e = 0, divided by 1 − dᵗ."""
    path = np.random.default_rng(1).normal(size=(300, 2))
    ema, e = EMA.of(path[0], 0.99), np.zeros(2)
    for t, θ in enumerate(path, 1):
        ema.update(θ)
        e = 0.99 * e + 0.01 * θ
        assert np.max(np.abs(ema.mean - e / (1 - 0.99**t))) < 1e-12


def test_schedules_at_their_ends() -> None:
    assert [Schedule(0.3)(k) for k in (0, 1, 10**9)] == [0.3] * 3
    warm = Schedule(0.4, warm_up=4)
    assert [warm(k) for k in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4], rel=1e-15)
    cosine = Schedule(1.0, cosine=100, last=0.2)
    ends = [cosine(k) for k in (0, 50, 100, 10**9)]
    assert ends == pytest.approx([1.0, 0.6, 0.2, 0.2], rel=1e-15)
    third = 0.2 + 0.8 * (1 + 0.5) / 2  # cos 60° = ½
    assert Schedule(1.0, cosine=90, last=0.2)(30) == pytest.approx(third, rel=1e-15)
    both = Schedule(1.0, warm_up=10, cosine=100)
    assert both(9) == both(10) == 1.0
    assert both(60) == pytest.approx(0.5, rel=1e-14)
    assert both(110) == 0.0
    assert all(both(k) > both(k + 1) for k in range(10, 110))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam.at(np.zeros(1), β1=1.0),
        lambda: Adam.at(np.zeros(1), β2=-0.1),
        lambda: Adam.at(np.zeros(1), ε=0.0),
        lambda: EMA.of(np.zeros(1), 1.0),
        lambda: clip(np.zeros(1), 0.0),
        lambda: clip(np.zeros(1), math.nan),
        lambda: Schedule(0.0),
        lambda: Schedule(math.nan),
        lambda: Schedule(1.0, warm_up=-1),
        lambda: Schedule(1.0, cosine=-1),
        lambda: Schedule(1.0, last=-1.0),
    ],
)
def test_what_cannot_be_is_refused(make) -> None:
    with pytest.raises(InputError):
        make()
