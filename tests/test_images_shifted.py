"""Outsiders: shapes, levels and seeds of each set, what it keeps and what it breaks."""

from __future__ import annotations

import numpy as np
import pytest

from toyflows.images import glyphs, shifted
from toyflows.images.base import Images, Parts
from toyflows.images.baseline import GaussianEnergy, shrunk
from toyflows.images.detection import auroc
from toyflows.pictures import levels, pixels
from toyflows.stats import at_least, at_most, close, mean

SIZE = 30  # no multiple of the patches
OF_ONE_SEED = ("inverted", "quarter turn")


@pytest.fixture(scope="module")
def letters() -> Parts:
    """A tenth of the letters."""
    made = glyphs.printed(glyphs.CLASSES, glyphs.FONTS, 36, SIZE, 0)
    turn = np.arange(len(made)) % 36
    return Parts(made[turn < 26], made[turn >= 26][::2], made[turn >= 26], tuple(glyphs.CLASSES))


@pytest.mark.parametrize("name", shifted.SETS)
def test_shape_levels_and_seed(name: str, letters: Parts) -> None:
    x = shifted.SETS[name](letters, 0)
    expected = 420 if name != "quarter turn" else 10 * (42 - len(shifted.TURN_INTO_LETTERS))
    assert x.shape == (expected, SIZE, SIZE)
    assert x.dtype == np.float32
    assert np.array_equal(x, pixels(levels(x)))
    assert np.array_equal(x, shifted.SETS[name](letters, 0))
    assert np.array_equal(x, shifted.SETS[name](letters, 1)) == (name in OF_ONE_SEED)


@pytest.mark.parametrize("name", shifted.SETS)
def test_the_letters_are_left_alone_and_none_is_among_the_outsiders(name, letters) -> None:
    before = [part.x.copy() for part in (letters.train, letters.valid, letters.test)]
    x = shifted.SETS[name](letters, 0)
    for part, kept in zip((letters.train, letters.valid, letters.test), before, strict=True):
        assert np.array_equal(part.x, kept)
        assert not {image.tobytes() for image in part.x} & {image.tobytes() for image in x}
    x[...] = 0  # nor is it a view of them
    assert np.array_equal(letters.test.x, before[-1])


@pytest.mark.parametrize("name", shifted.SETS)
def test_a_gaussian_sees_what_is_no_letter(name: str, letters: Parts) -> None:
    """At 14 × 14 means. Letters against letters: 0.5 ± 0.02 · 5 standard deviations."""
    energy = GaussianEnergy.fit(letters.train.x)
    area = auroc(energy(letters.test.x), energy(shifted.SETS[name](letters, 0)))
    if name in ("digits", "held-out fonts"):
        close(f"AUROC, {name}", area, 0.5, atol=0.12)
    else:
        hard = name in ("two letters", "quarter turn")
        at_least(f"AUROC, {name}", area, 0.75 if hard else 0.99)


def test_uniform_noise_is_uniform(letters: Parts) -> None:
    """Means of x, x² and x³ over an image; false-fail rate 1e-6 each. Levels shift x² by 1e-5."""
    x = shifted.uniform_noise(letters, 0).reshape(420, -1).astype(float)
    for power, moment in ((1, 0.0), (2, 1 / 3), (3, 0.0)):
        mean(f"E x^{power}", (x**power).mean(axis=1), moment, bias=1e-4)


def test_gaussian_noise_has_the_letters_mean_before_it_is_cut(letters: Parts) -> None:
    """E clip(μ + σZ) by the formula of a normal cut at ±1, and no correlation of neighbours."""
    from scipy.stats import norm

    μ, σ = float(letters.test.x.mean()), float(letters.test.x.std())
    a, b = (-1 - μ) / σ, (1 - μ) / σ
    inside = μ * (norm.cdf(b) - norm.cdf(a)) + σ * (norm.pdf(a) - norm.pdf(b))
    x = shifted.gaussian_noise(letters, 0).astype(float)
    mean("mean", x.mean(axis=(1, 2)), inside + norm.sf(b) - norm.cdf(a), bias=1e-4)
    centred = x - x.mean()
    mean("neighbours", (centred[:, 1:] * centred[:, :-1]).mean(axis=(1, 2)), 0.0, bias=1e-4)


def test_blobs_are_smooth_and_as_dark_as_letters(letters: Parts) -> None:
    x = shifted.blobs(letters, 0).astype(float)
    z = x - x.mean(axis=(1, 2), keepdims=True)
    neighbours = (z[:, :, 1:] * z[:, :, :-1]).mean() / (z**2).mean()
    far = (z[:, :, 10:] * z[:, :, :-10]).mean() / (z**2).mean()
    at_least("correlation of neighbours", neighbours, 0.75)
    close("correlation ten pixels off", far, 0.0, atol=0.1)
    close("mean grey", x.mean(), -0.6, atol=0.3)


def test_inverting_twice_is_nothing(letters: Parts) -> None:
    once = Parts(letters.train, letters.valid, Images(shifted.inverted(letters, 0), letters.test.y),
                 letters.classes)  # fmt: skip
    assert np.array_equal(shifted.inverted(once, 0), letters.test.x)


def test_shuffling_moves_whole_squares_inside_the_image(letters: Parts) -> None:
    x, y = letters.test.x, shifted.shuffled(letters, 0)
    k = SIZE // 4

    def squares(image: np.ndarray) -> list[bytes]:
        cuts = [slice(i * k, (i + 1) * k) for i in range(4)]
        return [image[a, b].tobytes() for a in cuts for b in cuts]

    moved = 0
    for before, after in zip(x, y, strict=True):
        assert sorted(squares(before)) == sorted(squares(after))
        assert np.array_equal(before[4 * k :], after[4 * k :])
        assert np.array_equal(before[:, 4 * k :], after[:, 4 * k :])
        moved += sum(a != b for a, b in zip(squares(before), squares(after), strict=True))
    # 15 of 16 move on average; a permutation's fixed points have variance 1.
    close("squares moved", moved / len(x), 15.0, atol=5 / np.sqrt(len(x)))


def test_a_quarter_turn_is_to_the_left_and_leaves_out_what_becomes_a_letter(letters) -> None:
    kept = [c not in shifted.TURN_INTO_LETTERS for c in letters.classes]
    expected = letters.test.x[np.array(kept)[letters.test.y]]
    y = shifted.turned(letters, 0)
    for row in (0, 7):
        assert np.array_equal(y[:, SIZE - 1 - row], expected[:, :, row])


def test_two_letters_are_of_two_classes_and_both_are_seen(letters: Parts) -> None:
    rng = np.random.default_rng(0)
    y = letters.test.y
    drawn = np.concatenate([y[shifted._partners(y, rng)] for _ in range(100)])
    assert not np.any(drawn == np.tile(y, 100))
    # 42,000 draws over 42 · 41 ordered pairs: mean 24.4 each, none missing (e^{−24} · 1722 = 4e-8).
    assert np.unique(drawn * 42 + np.tile(y, 100)).size == 42 * 41
    x = shifted.overprinted(letters, 0)
    assert np.all(x >= letters.test.x)
    at_least("ink", float((x.mean() + 1) / (letters.test.x.mean() + 1)), 1.3)


@pytest.mark.parametrize("counts", [[5], [3, 1], [1, 1], [1, 7, 2]])
def test_partners_of_unequal_classes(counts: list[int]) -> None:
    """All rows of other classes come, no other; of a single class any row."""
    y = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    rng = np.random.default_rng(0)
    drawn = np.stack([shifted._partners(y, rng) for _ in range(2000)])
    for i, label in enumerate(y):
        allowed = np.flatnonzero(y != label) if len(counts) > 1 else np.arange(y.size)
        assert set(drawn[:, i].tolist()) == set(allowed.tolist())


def test_digits_and_held_out_letters_are_equally_many_of_each(letters: Parts) -> None:
    for make, characters, fonts in (
        (shifted.digits, glyphs.DIGITS, glyphs.FONTS),
        (shifted.held_out_fonts, glyphs.CLASSES, glyphs.HELD_OUT_FONTS),
    ):
        printed = glyphs.printed(characters, fonts, 420 // len(characters), SIZE, 0)
        shown = {image.tobytes() for image in make(letters, 0)}
        assert shown == {image.tobytes() for image in printed.x}


def test_two_letters_at_14_pixels_are_not_the_mean(letters: Parts) -> None:
    """The lighter of two pixels, so that strokes cross at full ink."""
    x = shrunk(shifted.overprinted(letters, 0))
    at_least("brightest mean of a square", float(x.max(axis=1).mean()), 0.4)
    at_most("paper", float(x.min(axis=1).max()), -0.8)
