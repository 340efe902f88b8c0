"""Langevin chains: their law on a known energy, their noise, where they begin, who runs them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from toyflows import stats
from toyflows.errors import InputError
from toyflows.images import train
from toyflows.images.base import Images
from toyflows.images.engines import engine_of
from toyflows.images.sgld import Chain, Plain, langevin
from toyflows.images.train import Config, State, beginnings
from toyflows.nn.layers import Array
from toyflows.nn.network import energy_network
from toyflows.pictures import pixels
from toyflows.seeds import stream

FREE = 1e9  # a clip that never acts


def uniform(n: int, size: int = 12, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, (n, size, size)).astype(np.float32)


# ------------------------------------------------------------------ one chain
def test_the_law_at_rest_of_a_quadratic_energy() -> None:
    """E = κx²/2: x' = (1 − sκ)x + nξ rests at variance n²/(1 − (1 − sκ)²), which for small steps
    is the temperature over κ. 20,000 chains, false-fail 1e-6 each; detects 5 % of the variance,
    so noise without its √2 or a step halved (here a factor 2 and 1.5)."""
    κ, chain = 4.0, Chain(60, 0.15, 0.02, FREE)
    x = langevin(lambda z: κ * z, np.zeros((20_000, 1, 1), np.float32), chain, seed=3).ravel()
    variance = chain.noise**2 / (1 - (1 - chain.step * κ) ** 2)
    stats.mean("mean", x, 0)
    stats.mean("variance", x.astype(float) ** 2, variance)
    assert stats.mean("variance", x.astype(float) ** 2, variance).margin < 0.06 * variance
    small = dataclasses.replace(chain, step=1e-4)
    exact = small.noise**2 / (1 - (1 - small.step * κ) ** 2)
    assert abs(exact / (small.temperature / κ) - 1) < 3e-4


def test_clip_bounds_the_drift_and_images_stay_in_range() -> None:
    x = uniform(3)
    moved = langevin(lambda z: np.sign(z) * 1e6, x, Chain(1, 10, 0, 0.003), 0)
    assert np.abs(np.abs(moved - x) - 0.03).max() < 1e-6
    moved = langevin(lambda z: np.full_like(z, -5), x, Chain(9, 10, 0.5, 0.03), 0)
    assert moved.dtype == np.float32
    assert moved.max() == 1
    assert moved.min() >= -1


def test_a_chain_cut_anywhere_goes_on_as_if_it_were_whole() -> None:
    def slope(z: Array) -> Array:
        return 0.01 * z

    x, chain = uniform(4), Chain(7)
    whole = langevin(slope, x, chain, 5, start=100)
    for k in range(8):
        first = langevin(slope, x, dataclasses.replace(chain, steps=k), 5, start=100)
        rest = dataclasses.replace(chain, steps=7 - k)
        assert np.array_equal(langevin(slope, first, rest, 5, start=100 + k), whole)
    assert np.array_equal(langevin(slope, x[:2], chain, 5, start=100), whole[:2])
    assert not np.array_equal(langevin(slope, x, chain, 6, start=100), whole)
    assert not np.array_equal(langevin(slope, x, chain, 5, start=101), whole)


def test_streams_differ_by_seed_name_and_number() -> None:
    keys = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]
    assert len({stream(*key).random() for key in keys}) == 4
    assert stream(*keys[1]).random() == stream(*keys[1]).random()


# ------------------------------------------------------------------ engines
@pytest.mark.parametrize(("K", "m"), [(1, 0), (4, 0), (4, 1), (4, 2)])
def test_the_engines_agree(K: int, m: int) -> None:
    """To float32's rounding; the chains without noise, whose generators differ."""
    network = energy_network(16, K)
    fast, plain = engine_of(network, "fast"), Plain(network)
    θ, x = network.init(np.random.default_rng(K)), uniform(19, 16)
    classes = np.random.default_rng(m).integers(K, size=(19, m)) if m else None
    assert np.abs(fast.outputs(θ, x) - plain.outputs(θ, x)).max() < 1e-6
    slope = plain.input_gradient(θ, x, classes)
    assert np.abs(fast.input_gradient(θ, x, classes) - slope).max() < 1e-5 * np.abs(slope).max()
    g = np.random.default_rng(1).standard_normal((19, K)).astype(np.float32)
    wanted = plain.gradients(θ, x, g)
    assert np.abs(fast.gradients(θ, x, g) - wanted).max() < 1e-5 * np.abs(wanted).max()
    chain = Chain(4, 10, 0, 0.03)
    ends = [e.langevin(θ, x, chain, 0, 0, classes) for e in (fast, plain)]
    assert np.abs(ends[0] - ends[1]).max() < 1e-4


def test_engines_are_chosen_by_name() -> None:
    network, pooled = energy_network(16), energy_network(16, pool=1, hidden=0)
    assert engine_of(network, "numpy").name == "numpy"
    assert engine_of(pooled).name == "numpy"
    with pytest.raises(InputError, match="engine=fast"):
        engine_of(pooled, "fast")
    with pytest.raises(InputError, match="must be fast or numpy"):
        engine_of(network, "quick")
    with pytest.raises(InputError, match="threads"):
        engine_of(network, threads=0)


# ------------------------------------------------------------------ where chains begin
CONFIG = Config("jem", 12, batch=50, buffer=400, classes=("a", "b", "c"), engine="numpy")


def batch(config: Config) -> Images:
    return Images(uniform(config.batch), np.arange(config.batch) % 3)


def test_the_buffer_is_picked_uniformly_with_a_share_afresh() -> None:
    """A buffer of ones, 400 steps of 50: each slot 50 times, 5 % of the chains at noise. No slot
    twice in a step. False-fail 1e-6 each (5.2 σ for the 400 slots together, by union)."""
    state = State.new(CONFIG)
    state.buffer[:] = 255
    times, new, pixel = np.zeros(400, int), 0, []
    for state.step in range(400):
        x, classes, slots = beginnings(CONFIG, state, batch(CONFIG))
        assert classes is None
        assert np.unique(slots).size == 50
        times[slots] += 1
        fresh = (x != 1).any(axis=(1, 2))
        new += int(fresh.sum())
        pixel.append(x[fresh].ravel())
    stats.proportion("fresh", new, 400 * 50, 0.05)
    worst = int(times[np.argmax(np.abs(times - 50))])
    stats.proportion("slot", worst, 400, 1 / 8, false_fail=1e-6 / 400)
    noise = np.concatenate(pixel).astype(float)
    stats.mean("noise", noise, 0)
    stats.mean("its square", noise**2, 1 / 3)
    assert -1 <= noise.min() < -0.999 < 0.999 < noise.max() <= 1


def test_where_each_sampler_begins() -> None:
    data = batch(CONFIG)
    cd = dataclasses.replace(CONFIG, sampler="contrastive-divergence")
    assert State.new(cd).buffer.shape == (0, 12, 12)
    x, _, slots = beginnings(cd, State.new(cd), data)
    assert np.array_equal(x, data.x)
    assert slots.size == 0
    short = dataclasses.replace(cd, sampler="short-run")
    x, _, slots = beginnings(short, State.new(short), data)
    stats.mean("square", x.ravel().astype(float) ** 2, 1 / 3)
    assert slots.size == 0
    later = State.new(short)
    later.step = 1
    assert not np.array_equal(beginnings(short, later, data)[0], x)


def test_conditional_chains_have_a_class() -> None:
    """That of the data, of the slot, or a random one: each class at a third of the places."""
    for sampler in train.SAMPLERS:
        config = dataclasses.replace(CONFIG, sampler=sampler, conditional=True)
        state, data = State.new(config), batch(config)
        x, classes, slots = beginnings(config, state, data)
        assert classes is not None
        assert classes.shape == (50, 1)
        if sampler == "persistent":
            assert np.array_equal(classes[:, 0], slots % 3)
            old = np.array(
                [np.array_equal(z, pixels(state.buffer[s])) for z, s in zip(x, slots, strict=True)]
            )
            assert 30 < old.sum() <= 50
        elif sampler == "contrastive-divergence":
            assert np.array_equal(classes[:, 0], data.y)
        else:
            assert set(classes[:, 0]) == {0, 1, 2}


def test_an_epoch_takes_each_image_once() -> None:
    n, size = 37, 10
    rows = np.concatenate([train.order(n, size, 5, step) for step in range(37)])
    epochs = rows.reshape(10, 37)
    assert (np.sort(epochs) == np.arange(n)).all()
    assert len({tuple(e) for e in epochs}) == 10
    many = train.order(3, 8, 5, 2)  # a batch of several epochs: 16 … 23
    assert np.bincount(many, minlength=3).tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])
