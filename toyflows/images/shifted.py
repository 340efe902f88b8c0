"""Images from outside the data that a model has learned: nine sets, for detection.

Each function takes the parts of a data set and a seed, and gives images (n, size, size) on the same
grey levels, n the number of test images or fewer. Two are meant to be hard: digits share shapes
with letters (0 with O), and letters of held-out fonts are still letters. A model of letters should
accept those, so the right AUROC there is 0.5.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from toyflows.images import glyphs
from toyflows.images.base import Parts
from toyflows.pictures import Labels, Pixels, levels, pixels

PATCHES = 4  # a side
BLOB = 1 / 20  # width of the kernel, of the image's side
# A quarter turn to the left leaves these letters letters (N is Z, C is U, m is E): not used.
TURN_INTO_LETTERS = frozenset("CEHIMNOXZmn")


def uniform_noise(parts: Parts, seed: int) -> Pixels:
    """Every pixel uniform on [−1, 1]."""
    return pixels(levels(_rng(seed, "uniform").uniform(-1, 1, parts.test.x.shape)))


def gaussian_noise(parts: Parts, seed: int) -> Pixels:
    """Every pixel of the mean and the spread that the test images' pixels have, cut at ±1."""
    x = parts.test.x
    noise = _rng(seed, "gaussian").standard_normal(x.shape, np.float32)
    return pixels(levels(x.mean() + x.std() * noise))


def blobs(parts: Parts, seed: int) -> Pixels:
    """White noise smoothed to bumps and dents as wide as a stroke, with as much ink as letters."""
    from scipy.ndimage import gaussian_filter

    n, size, _ = parts.test.x.shape
    white = _rng(seed, "blobs").standard_normal((n, size, size), np.float32)
    with np.errstate(under="ignore"):  # the tails of a Gaussian
        smooth = gaussian_filter(white, (0, BLOB * size, BLOB * size), mode="wrap")
    smooth /= smooth.std(axis=(1, 2), keepdims=True)
    return pixels(levels(1.5 * smooth - 0.9))


def inverted(parts: Parts, seed: int) -> Pixels:
    """Test images with black for white."""
    return -parts.test.x


def shuffled(parts: Parts, seed: int) -> Pixels:
    """Test images cut into PATCHES × PATCHES squares, in random order; what is left of the last
    rows and columns stays."""
    x, rng = parts.test.x.copy(), _rng(seed, "shuffled")
    n, k = len(x), x.shape[-1] // PATCHES
    inner = x[:, : k * PATCHES, : k * PATCHES]
    squares = inner.reshape(n, PATCHES, k, PATCHES, k).swapaxes(2, 3).reshape(n, -1, k, k)
    order = rng.permuted(np.tile(np.arange(PATCHES**2), (n, 1)), axis=1)
    squares = np.take_along_axis(squares, order[:, :, None, None], axis=1)
    squares = squares.reshape(n, PATCHES, PATCHES, k, k).swapaxes(2, 3)
    inner[...] = squares.reshape(inner.shape)
    return x


def turned(parts: Parts, seed: int) -> Pixels:
    """Test images turned a quarter to the left, without those letters that are letters then."""
    stay = np.array([name not in TURN_INTO_LETTERS for name in parts.classes])
    return np.rot90(parts.test.x[stay[parts.test.y]], axes=(1, 2)).copy()


def overprinted(parts: Parts, seed: int) -> Pixels:
    """Two test images on one sheet, of two classes where there are two: the lighter pixel shows."""
    x, y = parts.test.x, parts.test.y
    return np.maximum(x, x[_partners(y, _rng(seed, "overprinted"))])


def _partners(y: Labels, rng: np.random.Generator) -> Labels:
    """For each row a row of another class, all equally likely; if there is one class, any row."""
    order = np.argsort(y, kind="stable")
    first, last = (np.searchsorted(y[order], y, side) for side in ("left", "right"))
    own = (last - first) % y.size  # places, from `first`, that are not drawn
    drawn = rng.integers(y.size - own)
    return np.asarray(order[drawn + own * (drawn >= first)])


def digits(parts: Parts, seed: int) -> Pixels:
    """The digits 0 … 9 in the fonts of the letters, printed as these are."""
    return _printed(glyphs.DIGITS, glyphs.FONTS, parts, seed)


def held_out_fonts(parts: Parts, seed: int) -> Pixels:
    """Letters in fonts that none of the letters had."""
    return _printed(glyphs.CLASSES, glyphs.HELD_OUT_FONTS, parts, seed)


def _printed(characters: str, fonts: tuple[str, ...], parts: Parts, seed: int) -> Pixels:
    n = len(parts.test)
    made = glyphs.printed(characters, fonts, -(-n // len(characters)), parts.test.size, seed)
    return made.x[_rng(seed, characters).permutation(len(made))[:n]]


def _rng(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for each set."""
    return np.random.default_rng(np.random.SeedSequence([seed, *name.encode()]))


SETS: dict[str, Callable[[Parts, int], Pixels]] = {
    "uniform noise": uniform_noise,
    "Gaussian noise": gaussian_noise,
    "blobs": blobs,
    "inverted": inverted,
    "shuffled patches": shuffled,
    "quarter turn": turned,
    "two letters": overprinted,
    "digits": digits,
    "held-out fonts": held_out_fonts,
}
