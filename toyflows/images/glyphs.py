"""Printed letters: 42 classes in the fonts that matplotlib brings, made here and never downloaded.

    x = paper + (ink − paper) · min(1, pressure · m(A⁻¹(u − t))) + grain

m is the letter's outline filled exactly and blurred a little, A a turn with stretch and shear, t a
shift. All jitter is bounded, so that no letter reaches the border. 385 images a class, 16,170 in
all; 269 of each class to learn from, 58 to choose by, 58 to judge by. Paper is dark (−0.9) and ink
light (0.9), as in MNIST. Images of one seed show the same letters at every size.

The classes are the capitals and sixteen small letters. Small letters that look like a small
capital, or like another letter (l and I), are left out. Digits are not a class. Four fonts are held
out: their letters are in `held_out` only.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toyflows import archive
from toyflows.cloud import Array
from toyflows.files import keep_cached, user_cache
from toyflows.images.base import Images, Parts, checked_size, split
from toyflows.pictures import Labels, Levels, levels, pixels

CLASSES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "abdefghijkmnqrty"
DIGITS = "0123456789"
EACH, EACH_HELD_OUT = 385, 58
FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique",
    "DejaVuSansMono-BoldOblique", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic",
    "STIXGeneral", "STIXGeneralItalic", "STIXGeneralBolIta", "cmr10", "cmb10", "cmtt10",
)  # fmt: skip
HELD_OUT_FONTS = ("DejaVuSerif-Italic", "STIXGeneralBol", "cmss10", "cmti10")

# Shares of the image's side. ‖A‖ · REACH + SHIFT < 1/2: a letter ends before the border.
EM, REACH, SHIFT = 0.8, 0.375, 0.03
TURN, SHEAR = np.deg2rad(10.0), 0.08  # at most, either way
SCALE, STRETCH = (0.88, 1.08), 0.06  # of both sides; log of height ÷ width, at most
BLURS = (0.0, 0.006, 0.012)
ANTIALIAS = 0.4  # pixels of blur that a sample of a letter needs
PRESSURE, GRAIN = (0.8, 1.8), (0.01, 0.05)
PAPER, INK = -0.9, 0.9
MASTER, LINES = 128, 4  # pixels a side of m; lines a pixel on which the outline is filled


@dataclass(frozen=True, eq=False)
class Glyphs(Parts):
    """The three parts, and the letters of fonts that are in none of them."""

    held_out: Images
    __repr__ = Parts.__repr__

    @property
    def _hashed(self) -> tuple[Images, ...]:
        return self.train, self.valid, self.test, self.held_out


def load(size: int = 56, seed: int = 0) -> Glyphs:
    """The data set, from the user's cache if it is there. Raises InputError("size")."""
    checked_size(size)
    place = _place(size, seed)
    found = None if place is None else _cached(place)
    if found is None:
        found = make(size, seed)
        if place is not None:
            _keep(place, found)
    return found


def make(size: int = 56, seed: int = 0) -> Glyphs:
    """The data set, made afresh."""
    x, y = _printed(CLASSES, FONTS, EACH, checked_size(size), seed)
    train, valid, test = (Images(pixels(x[rows]), y[rows]) for rows in split(y, seed))
    held_out = printed(CLASSES, HELD_OUT_FONTS, EACH_HELD_OUT, size, seed)
    return Glyphs(train, valid, test, tuple(CLASSES), held_out)


def printed(characters: str, fonts: Sequence[str], each: int, size: int, seed: int) -> Images:
    """`each` images of every character, class by class, the fonts as equal in number as can be.

    A character's images do not depend on which others are made.
    """
    x, y = _printed(characters, fonts, each, size, seed)
    return Images(pixels(x), y)


def _printed(
    characters: str, fonts: Sequence[str], each: int, size: int, seed: int
) -> tuple[Levels, Labels]:
    x = np.concatenate([_prints(c, fonts, each, size, seed) for c in characters])
    return x, np.repeat(np.arange(len(characters)), each)


def _prints(character: str, fonts: Sequence[str], each: int, size: int, seed: int) -> Levels:
    from scipy.ndimage import affine_transform

    key = np.random.SeedSequence([seed, *" ".join([character, *fonts]).encode()])
    shape, surface = map(np.random.default_rng, key.spawn(2))  # the first does not see the size
    font = shape.permutation(np.arange(each) % len(fonts))
    blur = shape.integers(len(BLURS), size=each)
    pressure, roughness = shape.uniform(*PRESSURE, each), shape.uniform(*GRAIN, each)
    matrix, offset = _placed(shape, each, size)
    masters = np.stack([_blurred(master(character, f), size) for f in fonts])
    ink = np.empty((each, size, size), np.float32)
    for i in range(each):
        m = masters[font[i], blur[i]]
        affine_transform(m, matrix[i], offset[i], (size, size), ink[i], order=1)
    ink = np.minimum(1.0, pressure.astype("f4")[:, None, None] * ink)
    grain = roughness.astype("f4")[:, None, None] * surface.standard_normal(ink.shape, "f4")
    return levels(PAPER + (INK - PAPER) * ink + grain)


def _placed(rng: np.random.Generator, n: int, size: int) -> tuple[Array, Array]:
    """(n, 2, 2) and (n, 2): where in the master, in its pixels, a pixel (row, column) looks."""
    turn, shear = rng.uniform(-TURN, TURN, n), rng.uniform(-SHEAR, SHEAR, n)
    scale, stretch = rng.uniform(*SCALE, n), np.exp(rng.uniform(-STRETCH, STRETCH, n) / 2)
    shift = rng.uniform(-SHIFT, SHIFT, (n, 2)) / np.sqrt(2)
    c, s = np.cos(turn), np.sin(turn)
    turned = np.array([[c, s], [-s, c]]).transpose(2, 0, 1)
    zero = np.zeros(n)
    bent = np.array([[stretch, zero], [shear, 1 / stretch]]).transpose(2, 0, 1)
    back = np.linalg.inv(scale[:, None, None] * turned @ bent)
    first = (0.5 / size - 0.5) - shift  # of the first pixel's middle, from the letter's
    offset = (np.einsum("nij,nj->ni", back, first) + 0.5) * MASTER - 0.5
    return back * (MASTER / size), offset


def _blurred(m: Array, size: int) -> NDArray[np.float32]:
    """m (MASTER, MASTER) at each of the BLURS, as an image of this size needs it."""
    from scipy.ndimage import gaussian_filter

    widths = [MASTER * np.hypot(ANTIALIAS / size, blur) for blur in BLURS]
    with np.errstate(under="ignore"):  # the tails of a Gaussian
        return np.stack([gaussian_filter(m, w, mode="constant") for w in widths]).astype("f4")


# ---- outlines


class _Edges(NamedTuple):
    """Directed edges from `start` to `end`, each (n, 2) as x, y."""

    start: Array
    end: Array


def master(character: str, font: str) -> Array:
    """The share of ink in each of MASTER × MASTER pixels, rows downwards, the letter's box in the
    middle; letters that would come too near the border are smaller than EM says."""
    edges = _outline(character, font)
    low, high = edges.start.min(axis=0), edges.start.max(axis=0)
    middle = (low + high) / 2
    far = float(np.max(np.hypot(*(edges.start - middle).T)))
    scale = MASTER * min(EM, REACH / far) * np.array([1.0, -1.0])
    return _filled(_Edges(*((points - middle) * scale + MASTER / 2 for points in edges)))


def _outline(character: str, font: str) -> _Edges:
    """In units of the em; curves are broken into straight edges."""
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    file = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font}.ttf")
    path = TextPath((0, 0), character, size=1000, prop=FontProperties(fname=file))
    closed = [np.asarray(polygon) / 1000 for polygon in path.to_polygons()]
    return _Edges(np.concatenate([p[:-1] for p in closed]), np.concatenate([p[1:] for p in closed]))


def _filled(edges: _Edges) -> Array:
    """Share of each pixel inside closed outlines: exact along x, the mean of LINES lines along y.

    Every crossing of a line adds ±1 to the winding number of all that lies to its right.
    """
    (x0, y0), (x1, y1) = edges.start.T, edges.end.T
    y = (np.arange(MASTER * LINES) + 0.5) / LINES
    edge, line = np.nonzero((y0[:, None] <= y) != (y1[:, None] <= y))
    along = (y[line] - y0[edge]) / (y1[edge] - y0[edge])
    x = x0[edge] + along * (x1[edge] - x0[edge])
    turns = np.where(y1[edge] > y0[edge], 1.0, -1.0)
    column = np.floor(x).astype(np.int64)
    place, part = line * (MASTER + 1) + column, x - column
    steps = np.bincount(place, turns * (1 - part), y.size * (MASTER + 1))
    steps[1:] += np.bincount(place, turns * part, y.size * (MASTER + 1))[:-1]
    winding = np.cumsum(steps.reshape(y.size, MASTER + 1), axis=1)[:, :MASTER]
    covered = np.minimum(1.0, np.abs(winding))
    return covered.reshape(MASTER, LINES, MASTER).mean(axis=1)


# ---- the cache

PARTS = ("train", "valid", "test", "held_out")
KEPT = 4  # data sets in the cache, two sizes before and after an upgrade; 58 MB each at 56 × 56


def _place(size: int, seed: int) -> Path | None:
    """The file of a data set, there or not; its name has a hash of all that the bits depend on."""
    here = Path(__file__)
    total = hashlib.sha256(here.read_bytes() + here.with_name("base.py").read_bytes())
    total.update(repr([version(name) for name in ("numpy", "scipy", "matplotlib")]).encode())
    with contextlib.suppress(RuntimeError):  # no home folder
        return user_cache() / "glyphs" / f"{size}-{seed}-{total.hexdigest()[:20]}.npz"
    return None


def _cached(path: Path) -> Glyphs | None:
    try:
        file = archive.arrays(path)
        train, valid, test, held_out = (
            Images(pixels(file[f"{part}_x"]), file[f"{part}_y"]) for part in PARTS
        )
    except (OSError, ValueError, KeyError):
        return None  # not there, or not whole: the archive has a checksum of each array
    return Glyphs(train, valid, test, tuple(CLASSES), held_out)


def _keep(path: Path, glyphs: Glyphs) -> None:
    """Writes the cache, and drops the oldest."""
    arrays: dict[str, Levels | Labels] = {}
    for name in PARTS:
        part: Images = getattr(glyphs, name)
        arrays |= {f"{name}_x": levels(part.x), f"{name}_y": part.y}

    def write(temporary: Path) -> None:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]

    keep_cached(path, write, "[!.]*.npz", KEPT)
