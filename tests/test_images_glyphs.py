"""Letters: outlines filled exactly; the sets balanced, apart, legible, the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from toyflows.errors import InputError
from toyflows.images import glyphs
from toyflows.images.base import Images, split
from toyflows.images.baseline import LinearClassifier, shrunk
from toyflows.pictures import levels, pixels
from toyflows.stats import at_least, at_most

ALL_FONTS = glyphs.FONTS + glyphs.HELD_OUT_FONTS


@pytest.fixture(scope="module")
def letters() -> glyphs.Glyphs:
    return glyphs.make(28, 0)


def parts(letters: glyphs.Glyphs) -> list[Images]:
    return [letters.train, letters.valid, letters.test]


# ---- the set


def test_every_class_has_as_many_images_in_every_part(letters) -> None:
    """Exactly: 269 + 58 + 58 of 42 classes, 58 in held-out fonts."""
    counts = [np.bincount(p.y, minlength=42).tolist() for p in [*parts(letters), letters.held_out]]
    assert counts == [[269] * 42, [58] * 42, [58] * 42, [58] * 42]
    assert sum(map(len, parts(letters))) == 16_170
    assert letters.classes == tuple(glyphs.CLASSES)
    assert len(set(letters.classes) - set(glyphs.DIGITS)) == 42


def test_images_are_grey_levels(letters) -> None:
    for part in [*parts(letters), letters.held_out]:
        assert part.x.dtype == np.float32
        assert part.x.shape == (len(part), 28, 28)
        assert np.array_equal(part.x, pixels(levels(part.x)))
        assert -1 <= part.x.min() < -0.9 < 0.9 < part.x.max() <= 1


def test_no_image_is_in_two_parts_nor_twice_in_one(letters) -> None:
    seen = [image.tobytes() for p in [*parts(letters), letters.held_out] for image in p.x]
    assert len(set(seen)) == len(seen) == 16_170 + 42 * 58


def test_the_rows_of_a_part_are_in_random_order(letters) -> None:
    """A batch of the first rows must not be of one class."""
    for part in parts(letters):
        assert np.unique(part.y[:100]).size > 25


def test_another_process_makes_the_same_bits(letters) -> None:
    script = "from toyflows.images import glyphs; print(glyphs.make(28, 0).data_hash)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.strip() == letters.data_hash


def test_the_hash_sees_a_pixel_and_a_label(letters) -> None:
    def other(x: np.ndarray, y: np.ndarray) -> str:
        changed = glyphs.Glyphs(letters.train, letters.valid, Images(x, y), letters.classes,
                                letters.held_out)  # fmt: skip
        return changed.data_hash

    x, y = letters.test.x.copy(), letters.test.y.copy()
    assert other(x, y) == letters.data_hash
    x[-1, -1, -1] += 2 / 255
    assert other(x, y) != letters.data_hash
    y[0] = (y[0] + 1) % 42
    assert other(letters.test.x, y) != letters.data_hash


def test_a_character_does_not_depend_on_the_others_but_on_the_seed() -> None:
    both = glyphs.printed("PQ", glyphs.FONTS, 20, 28, 1)
    alone = glyphs.printed("Q", glyphs.FONTS, 20, 28, 1)
    assert np.array_equal(both.x[both.y == 1], alone.x)
    assert not np.array_equal(alone.x, glyphs.printed("Q", glyphs.FONTS, 20, 28, 2).x)


def test_every_size_shows_the_same_letters() -> None:
    """Means over 2 × 2 pixels of size 56 are the images of size 28, but for grain and blur."""

    def like(seed: int) -> np.ndarray:
        small = glyphs.printed("Rg", glyphs.FONTS, 40, 28, 0).x.reshape(80, -1)
        large = shrunk(glyphs.printed("Rg", glyphs.FONTS, 40, 56, seed).x, 28)
        return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(small, large, strict=True)])

    at_least("correlation", like(0).min(), 0.97)
    at_most("correlation, other seed", np.median(like(1)), 0.9)


@pytest.mark.parametrize("size", [16, 28, 56])
def test_no_letter_is_clipped(size: int) -> None:
    """Border pixels stay on the paper's side of grey; the widest and the tallest letters."""
    x = glyphs.printed("WMQjgyA", ALL_FONTS, 60, size, 3).x
    border = np.concatenate([x[:, [0, -1]].ravel(), x[:, :, [0, -1]].ravel()])
    at_most("brightest border pixel", border.max(), 0.0)
    at_most("mean of the border", border.mean(), glyphs.PAPER + 0.01)


def test_jitter_keeps_a_letter_inside() -> None:
    """‖A‖ · REACH + |t| < 1/2 for 10,000 draws; A and t from where a pixel looks."""
    back, offset = glyphs._placed(np.random.default_rng(0), 10_000, 56)
    norm = np.linalg.norm(np.linalg.inv(back / glyphs.MASTER * 56), 2, axis=(1, 2))
    middle = (glyphs.MASTER - 1) / 2  # of the master
    at = np.linalg.solve(back, (middle - offset)[:, :, None])[:, :, 0]  # the pixel that shows it
    shift = np.hypot(*((at + 0.5) / 56 - 0.5).T)
    at_most("shift", shift.max(), glyphs.SHIFT)
    at_most("reach", (norm * glyphs.REACH + shift).max(), 0.5)
    at_least("reach", (norm * glyphs.REACH + shift).max(), 0.42)  # the room is used


def test_letters_are_read_between_pixels(monkeypatch) -> None:
    """A plane stays a plane, to a grey level, wherever a letter is put: nearest pixels would make
    steps of five levels."""
    ramp = np.clip((np.arange(glyphs.MASTER) - 40) / 48, 0, 1)
    monkeypatch.setattr(glyphs, "master", lambda *_: np.tile(ramp, (glyphs.MASTER, 1)))
    monkeypatch.setattr(glyphs, "PRESSURE", (1.0, 1.0))
    monkeypatch.setattr(glyphs, "GRAIN", (0.0, 0.0))
    middle = glyphs.printed("A", glyphs.FONTS, 50, 56, 0).x[:, 23:33, 23:33].reshape(50, 100)
    row, column = np.indices((10, 10)).reshape(2, 100)
    plane = np.column_stack([row, column, np.ones(100)])
    fitted, *_ = np.linalg.lstsq(plane, middle.T.astype(float), rcond=None)
    at_most("off the plane", np.abs(plane @ fitted - middle.T).max(), 1.2 * 2 / 255)


def test_held_out_fonts_are_in_no_part(monkeypatch) -> None:
    """Letters to learn are painted left, held-out fonts right."""

    def painted(character: str, font: str) -> np.ndarray:
        m = np.zeros((glyphs.MASTER, glyphs.MASTER))
        left = font not in glyphs.HELD_OUT_FONTS
        m[48:80, slice(24, 56) if left else slice(72, 104)] = 1.0
        return m

    monkeypatch.setattr(glyphs, "master", painted)
    monkeypatch.setattr(glyphs, "EACH", 20)
    made = glyphs.make(28, 0)
    for part in [*parts(made), made.held_out]:
        leans = part.x[:, :, :14].mean(axis=(1, 2)) - part.x[:, :, 14:].mean(axis=(1, 2))
        assert np.all(leans < 0 if part is made.held_out else leans > 0)


def test_fonts_are_equally_many(monkeypatch) -> None:
    """A font of its own number of bright rows: each is printed ⌊385/17⌋ = 22 or 23 times."""
    order = {font: k for k, font in enumerate(glyphs.FONTS)}

    def painted(character: str, font: str) -> np.ndarray:
        return np.full((glyphs.MASTER, glyphs.MASTER), 0.02 + 0.05 * order[font])

    monkeypatch.setattr(glyphs, "master", painted)
    monkeypatch.setattr(glyphs, "PRESSURE", (1.0, 1.0))
    x = glyphs.printed("A", glyphs.FONTS, 385, 28, 0).x[:, 8:20, 8:20].mean(axis=(1, 2))
    ink = (x - glyphs.PAPER) / (glyphs.INK - glyphs.PAPER)
    counts = np.bincount(np.rint((ink - 0.02) / 0.05).astype(int), minlength=17)
    assert counts.size == 17
    assert set(counts.tolist()) == {22, 23}


def test_letters_can_be_read(letters) -> None:
    """A linear classifier on 14 × 14 means reads 86 % of the test letters, 84 % in unseen fonts;
    chance is 2.4 %, and what it learns from shuffled labels."""
    linear = LinearClassifier.fit(letters.train, 42)
    at_least("accuracy", linear.accuracy(letters.test), 0.82)
    at_least("accuracy, validation", linear.accuracy(letters.valid), 0.82)
    at_least("accuracy, held-out fonts", linear.accuracy(letters.held_out), 0.78)
    mixed = np.random.default_rng(0).permutation(letters.train.y)
    blind = LinearClassifier.fit(Images(letters.train.x, mixed), 42)
    at_most("accuracy of shuffled labels", blind.accuracy(letters.test), 0.08)


def test_shrinking_takes_means() -> None:
    """Of 2 × 2 blocks where they fit; of parts of pixels where they do not, no grey is lost."""
    x = np.random.default_rng(0).uniform(-1, 1, (3, 28, 28)).astype(np.float32)
    blocks = x.reshape(3, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(3, -1)
    np.testing.assert_allclose(shrunk(x), blocks, atol=1e-6)
    odd = x[:, :25, :25]
    np.testing.assert_allclose(shrunk(odd).mean(axis=1), odd.mean(axis=(1, 2)), atol=1e-6)
    steps = np.tile(np.repeat([0.0, 1.0], [13, 12]).astype(np.float32), (1, 25, 1))
    np.testing.assert_allclose(shrunk(steps, 5)[0, :5], [0, 0, 2 / 5, 1, 1], atol=1e-6)


# ---- the split


@pytest.mark.parametrize(
    ("m", "k"), [(1, 0), (3, 0), (4, 1), (9, 1), (10, 2), (100, 15), (385, 58)]
)
def test_split_takes_15_per_cent_of_a_class_twice(m: int, k: int) -> None:
    y = np.repeat([0, 1], [m, 20])
    train, valid, test = split(y, 0)
    assert sorted(np.concatenate([train, valid, test]).tolist()) == list(range(m + 20))
    assert [int((y[rows] == 0).sum()) for rows in (train, valid, test)] == [m - 2 * k, k, k]


def test_split_is_the_seed_s() -> None:
    y = np.zeros(100, np.int64)
    assert np.array_equal(split(y, 5)[2], split(y, 5)[2])
    assert not np.array_equal(split(y, 5)[2], split(y, 6)[2])


# ---- outlines


def edges(*polygons: list[tuple[float, float]]) -> glyphs._Edges:
    closed = [np.array([*p, p[0]], float) for p in polygons]
    return glyphs._Edges(np.concatenate([p[:-1] for p in closed]),
                         np.concatenate([p[1:] for p in closed]))  # fmt: skip


def box(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def test_a_box_covers_its_share_of_each_pixel() -> None:
    """x is exact; y at quarters, where LINES = 4 lines a pixel are exact too."""
    filled = glyphs._filled(edges(box(10.3, 20.25, 40.9, 60.5)))
    pixel = np.arange(glyphs.MASTER)
    across = np.clip(np.minimum(40.9, pixel + 1) - np.maximum(10.3, pixel), 0, 1)
    down = np.clip(np.minimum(60.5, pixel + 1) - np.maximum(20.25, pixel), 0, 1)
    np.testing.assert_allclose(filled, np.outer(down, across), atol=1e-12)


def test_holes_are_empty_and_overlaps_count_once() -> None:
    hole = glyphs._filled(edges(box(10, 10, 50, 50), box(20, 20, 30, 30)[::-1]))
    assert hole.sum() == pytest.approx(1600 - 100, abs=1e-9)
    both = glyphs._filled(edges(box(10, 10, 50, 50), box(30, 30, 70, 70)))
    assert both.sum() == pytest.approx(2 * 1600 - 400, abs=1e-9)
    assert both.max() == pytest.approx(1, abs=1e-12)


def test_area_of_a_disc() -> None:
    φ = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    disc = list(zip(64 + 40 * np.cos(φ), 64 + 40 * np.sin(φ), strict=True))
    assert glyphs._filled(edges(disc)).sum() == pytest.approx(np.pi * 1600, rel=2e-4)


@pytest.mark.parametrize("font", ALL_FONTS)
def test_masters_lie_in_the_middle_within_reach(font: str) -> None:
    """Every character is there, its box centred to a pixel, no ink beyond REACH; no two equal."""
    pixel = np.arange(glyphs.MASTER) + 0.5
    radius = np.hypot(pixel[:, None] - 64, pixel - 64)
    characters = glyphs.CLASSES + glyphs.DIGITS
    made = [glyphs.master(c, font) for c in characters]
    for m in made:
        assert m[radius > glyphs.REACH * glyphs.MASTER + 1].sum() == 0
        for axis in (0, 1):
            inked = np.flatnonzero(m.any(axis=axis))
            assert abs((inked[0] + inked[-1]) / 2 - 63.5) <= 1.0
    assert len({m.tobytes() for m in made}) == len(characters)


def test_letters_stand_upright() -> None:
    """L has its foot below and to the right; rows count downwards."""
    m = glyphs.master("L", "DejaVuSans")
    assert m[64:].sum() > m[:64].sum()
    assert m[:64, 64:].sum() == 0


# ---- the cache


@pytest.fixture
def small(monkeypatch, tmp_path: Path) -> Path:
    """A data set of few images and classes, and a cache of its own."""
    for name, less in {"EACH": 7, "EACH_HELD_OUT": 1, "CLASSES": "ABCD"}.items():
        monkeypatch.setattr(glyphs, name, less)
    monkeypatch.setenv("TOYFLOWS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "glyphs"


def test_a_cached_set_is_the_set_and_is_not_made_again(small: Path, monkeypatch) -> None:
    first = glyphs.load(16, 0)
    assert len(list(small.iterdir())) == 1
    monkeypatch.setattr(glyphs, "make", lambda *a: pytest.fail("made again"))
    again = glyphs.load(16, 0)
    assert again.data_hash == first.data_hash
    assert again.classes == first.classes
    assert np.array_equal(again.held_out.x, first.held_out.x)


def test_sizes_and_seeds_have_files_of_their_own_and_the_oldest_go(small: Path) -> None:
    hashes = {glyphs.load(size, seed).data_hash for size in (16, 20) for seed in (0, 1, 2)}
    assert len(hashes) == 6
    assert len(list(small.iterdir())) == glyphs.KEPT


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text"])
def test_a_damaged_cache_is_made_again(small: Path, damage: str) -> None:
    good = glyphs.load(16, 0).data_hash
    (file,) = small.iterdir()
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    content = {"empty": b"", "cut": bytes(raw[:5000]), "flipped": bytes(raw), "text": b"no"}
    file.write_bytes(content[damage])
    assert glyphs.load(16, 0).data_hash == good
    assert len(file.read_bytes()) == len(raw)


def test_a_cache_that_cannot_be_written_is_no_cache(small: Path, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOYFLOWS_CACHE", str(tmp_path / "file"))
    assert len(glyphs.load(16, 0).train) == 4 * 5


@pytest.mark.parametrize("size", [0, 15, 129])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    for call in (glyphs.load, glyphs.make):
        with pytest.raises(InputError, match="must be 16 … 128") as caught:
            call(size)
        assert caught.value.name == "size"
