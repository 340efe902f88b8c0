"""Denoising by the pairwise posterior: the cut is the mode, ICM descends, Gibbs has the mean."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyflows.errors import InputError
from toyflows.images import glyphs
from toyflows.lattice import denoise
from toyflows.lattice.denoise import Posterior, flipped, gibbs, icm, mode
from toyflows.stats import mean


def spins(h: int, w: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), size=(h, w))


def energies(model: Posterior, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All images (2^n, h, w) and their energies, the sums over pixels and bonds written out."""
    h, w = y.shape
    x = 2 * (np.arange(2**y.size)[:, None] >> np.arange(y.size) & 1).reshape(-1, h, w) - 1
    bonds = sum(x[:, i, j] * x[:, i + 1, j] for i in range(h - 1) for j in range(w))
    bonds = bonds + sum(x[:, i, j] * x[:, i, j + 1] for i in range(h) for j in range(w - 1))
    return x, -model.η * (x * y).sum(axis=(1, 2)) - model.J * bonds


@pytest.mark.parametrize(("ε", "J"), [(0.1, 0.3), (0.2, 0.5), (0.3, 0.45), (0.4, 1.0), (0.2, 0.0)])
def test_the_cut_has_the_least_energy_of_all_images(ε: float, J: float) -> None:
    model = Posterior.of_noise(ε, J)
    for seed in range(5):
        y = spins(4, 4, seed)
        all_x, E = energies(model, y)
        found = mode(model, y)
        assert model.energy(found, y) == pytest.approx(E.min(), abs=1e-9)
        np.testing.assert_allclose([model.energy(x, y) for x in all_x[:50]], E[:50], atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 12), st.floats(0, 2))
def test_icm_never_climbs_and_ends_where_no_pixel_wants_to_flip(seed, h, w, J) -> None:
    y, model = spins(h, w, seed), Posterior.of_noise(0.2, J)
    x, path = icm(model, y)
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(path))
    assert path[-1] == model.energy(x, y)
    for i, j in np.ndindex(h, w):
        other = x.copy()
        other[i, j] *= -1
        assert model.energy(other, y) >= path[-1] - 1e-9
    assert model.energy(mode(model, y), y) <= path[-1] + 1e-6


def test_gibbs_has_the_posterior_mean() -> None:
    """3 × 3, each pixel of 80 independent runs; false-fail 1e−6 in all, detects 0.05. The start
    is y, and 50 sweeps forget it."""
    model, y = Posterior.of_noise(0.3, 0.4), spins(3, 3, 0)
    x, E = energies(model, y)
    p = np.exp(-(E - E.min()))
    exact = np.tensordot(p / p.sum(), x, 1)
    runs = [gibbs(model, y, 300, 50, np.random.default_rng(k)) for k in range(80)]
    for i, j in np.ndindex(3, 3):
        samples = [run[i, j] for run in runs]
        checked = mean(f"pixel {i} {j}", samples, exact[i, j], false_fail=1e-6 / 9)
        assert checked.detects < 0.05


def test_a_letter_comes_back() -> None:
    """R, a fifth of 16384 pixels flipped: ICM, Gibbs and the cut leave less than 4, 1.5 and 1.5 %
    wrong; the least energy is the cut's and the fewest errors are Gibbs'."""
    x = np.where(glyphs.master("R", "DejaVuSerif-Bold") > 0.5, 1, -1).astype(np.int8)
    y = flipped(x, 0.2, np.random.default_rng(0))
    model = Posterior.of_noise(0.2, 0.6)
    answers = {
        "seen": y,
        "ICM": icm(model, y)[0],
        "Gibbs": np.sign(gibbs(model, y, 100, 30, np.random.default_rng(1))),
        "cut": mode(model, y),
    }
    wrong = {name: np.mean(z != x) for name, z in answers.items()}
    energy = {name: model.energy(z, y) for name, z in answers.items()}
    assert 0.19 < wrong["seen"] < 0.21
    assert wrong["ICM"] < 0.04
    assert wrong["Gibbs"] < wrong["cut"] < 0.015
    assert min(energy, key=energy.__getitem__) == "cut"


def test_noise_and_trust_belong_together() -> None:
    """ψ_i is the likelihood of a flip with the probability ε, up to a factor."""
    η = Posterior.of_noise(0.2, 0.0).η
    assert math.exp(2 * η) == pytest.approx(0.8 / 0.2)


def test_a_wide_image_and_the_32_bits() -> None:
    """The rounding of η and J to integers leaves 2^−31 per pixel: here no image of lower energy is
    found by ICM from the cut."""
    model, y = Posterior.of_noise(0.001, 50.0), spins(3, 700, 1)
    x = mode(model, y)
    assert model.energy(x, y) <= min(
        model.energy(z, y) for z in (y, np.ones_like(y), -np.ones_like(y))
    )
    assert abs(x.sum()) == x.size


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (lambda: Posterior.of_noise(0.5, 1.0), "noise"),
        (lambda: Posterior.of_noise(0.0, 1.0), "noise"),
        (lambda: Posterior.of_noise(math.nan, 1.0), "noise"),
        (lambda: Posterior(1.0, -0.1), "coupling"),
        (lambda: mode(Posterior(1.0, 1.0), np.ones((1025, 1024), np.int8)), "image"),
    ],
)
def test_refusals(make, option: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert caught.value.name == option
    assert denoise.LARGEST == 1 << 20
