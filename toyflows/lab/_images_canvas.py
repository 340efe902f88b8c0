"""The sheet that the audience draws on: 28 × 28 pixels of 8 grey levels, which fit into a link.

Level 0 is paper and 7 is ink, as light on dark as the letters are (`glyphs.PAPER`, `glyphs.INK`).
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from toyflows.archive import Unreadable
from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.images.folder import FORMATS, SUFFIXES, fitted, luma, opened
from toyflows.images.glyphs import INK, PAPER
from toyflows.lab._packed import pack_bits, unpack_bits
from toyflows.pictures import Levels, Pixels

SIDE, INKED = 28, 7
BITS = np.array([4, 2, 1], np.uint8)
LONGEST = 4 * SIDE * SIDE * len(BITS) // 24  # characters of a packed sheet
RADIUS, SOFT = 0.6, 1.0  # pixels: of a stroke's full ink, and of its rim; letters are as thick
LETTER = 16  # pixels: the longer side of the ink of a test letter, their median
ACCEPT = (*SUFFIXES, ".bmp")
LARGEST = 4096  # pixels a side of an uploaded picture
ENOUGH = 512  # pixels a side to which it is made smaller before it is looked at


def blank() -> Levels:
    """Paper."""
    return np.zeros((SIDE, SIDE), np.uint8)


def pack(sheet: Levels) -> str:
    """Three bits a pixel as text; nothing for paper."""
    return pack_bits(sheet[..., None] & BITS) if sheet.any() else ""


def unpack(text: str) -> Levels:
    """The sheet that `pack` wrote. Raises InputError("drawn")."""
    if not text:
        return blank()
    return unpack_bits(text, (SIDE, SIDE, len(BITS))) @ BITS


def of_pixels(x: Pixels) -> Levels:
    """The nearest levels of an image (28, 28) in [−1, 1]: ±1 are less than half a level beyond."""
    share = (np.asarray(x, np.float64) - PAPER) / (INK - PAPER)
    return np.rint(INKED * share).astype(np.uint8)


def pixels(sheet: Levels, fit: bool = False) -> Pixels:
    """The image (28, 28) in [−1, 1] that a model sees; with `fit` the ink is moved to the middle
    and made as large as a letter's."""
    ink = sheet / INKED
    return (PAPER + (INK - PAPER) * (boxed(ink) if fit else ink)).astype(np.float32)


def seen(text: str, fit: bool = False) -> Pixels:
    """The same image of a packed sheet, as a batch of one (1, 28, 28)."""
    return pixels(unpack(text), fit)[None]


def stroke(
    sheet: Levels, start: tuple[float, float], end: tuple[float, float], erase: bool = False
) -> Levels:
    """The sheet with a stroke between two points (x, y) of [0, 28]², y downwards."""
    row, column = np.mgrid[:SIDE, :SIDE] + 0.5
    x, y = column - start[0], row - start[1]
    along, down = end[0] - start[0], end[1] - start[1]
    share = np.clip((x * along + y * down) / max(along**2 + down**2, 1e-9), 0, 1)
    far = np.hypot(x - share * along, y - share * down)
    level = np.rint(INKED * np.clip(1 + (RADIUS - far) / SOFT, 0, 1)).astype(np.uint8)
    return sheet - np.minimum(sheet, level) if erase else np.maximum(sheet, level)


def boxed(ink: Array) -> Array:
    """Ink (28, 28) in [0, 1], its box centred, LETTER pixels long; no ink stays none."""
    from PIL import Image

    rows, columns = (np.flatnonzero((ink >= 0.5).any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return ink
    reach = SIDE * max(np.ptp(rows) + 1, np.ptp(columns) + 1) / LETTER / 2
    middle = np.array([columns[[0, -1]].mean() + 0.5, rows[[0, -1]].mean() + 0.5])
    around = np.pad(ink, SIDE * 2).astype(np.float32)  # whatever the box, it lies inside
    left, top, right, bottom = np.append(middle - reach, middle + reach) + SIDE * 2
    box = float(left), float(top), float(right), float(bottom)
    resized = Image.fromarray(around).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box)
    return np.clip(np.asarray(resized, np.float64), 0, 1)


def of_picture(content: bytes) -> Levels:
    """The sheet of an uploaded picture's bytes: its border is paper, and what differs most from
    that is ink, be it darker or lighter. Raises InputError("pattern")."""
    grey = fitted(_grey(content), SIDE)
    border = float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))
    most = max(float(grey.min()), float(grey.max()), key=lambda g: abs(g - border))
    if most == border:
        raise InputError("pattern", "the picture", "has only one grey; must have more")
    return np.rint(INKED * np.clip((grey - border) / (most - border), 0, 1)).astype(np.uint8)


def _grey(content: bytes) -> NDArray[np.float64]:
    """The picture's grey (h, w) in [0, 1]."""
    from PIL import ImageOps

    large = f"has more than {LARGEST} × {LARGEST} pixels"
    try:
        with opened(io.BytesIO(content), (*FORMATS, "BMP"), large) as picture:
            if max(picture.size) > LARGEST:
                raise Unreadable(large)
            if picture.mode[0] not in "IF":
                picture.thumbnail((ENOUGH, ENOUGH))
            return luma(ImageOps.exif_transpose(picture))
    except Unreadable as error:
        raise InputError("pattern", "the picture", str(error)) from None
