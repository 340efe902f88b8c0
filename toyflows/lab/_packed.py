"""What was drawn as a short text of letters, digits, - and _, which stands in the address.

Eight bits a byte, six bits a letter (base64url without its "="): a pattern of 100 × 100 pixels is
1667 letters, a point of the plane 8/3 of one.
"""

from __future__ import annotations

import base64
import binascii
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toyflows.cloud import Array
from toyflows.errors import InputError

CELLS = 256  # of a side of the box: a point is one byte for each coordinate


def pack_bits(pattern: ArrayLike) -> str:
    """A pattern of zeros and others, of any shape, row by row."""
    return _text(np.packbits(np.asarray(pattern, bool).ravel()).tobytes())


def unpack_bits(text: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pattern of this shape. Raises InputError("drawn") where the text is not of one."""
    count = math.prod(shape)
    raw = _bytes(text)
    if len(raw) != -(-count // 8):
        raise InputError("drawn", _short(text), f"must be a pattern of {count} pixels")
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), count=count)
    return bits.astype(bool).reshape(shape)


def pack_points(xy: ArrayLike, reach: float = 1.0) -> str:
    """Points (n, 2) of the box [−reach, reach]², to half a cell of 2 reach/256; those outside of it
    are moved to its edge."""
    x = np.asarray(xy, float).reshape(-1, 2)
    with np.errstate(under="ignore"):
        cell = np.floor((x / reach + 1) / 2 * CELLS)
    return _text(np.clip(cell, 0, CELLS - 1).astype(np.uint8).tobytes())


def unpack_points(text: str, reach: float = 1.0) -> Array:
    """The middles (n, 2) of the points' cells. Raises InputError("drawn")."""
    raw = _bytes(text)
    if len(raw) % 2:
        raise InputError("drawn", _short(text), "must be points of two coordinates")
    cell = np.frombuffer(raw, np.uint8).reshape(-1, 2)
    return reach * ((cell + 0.5) / CELLS * 2 - 1)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """The bytes of a `_text`; other spellings are refused, so a drawing has one link."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        raw = None
    if raw is None or _text(raw) != text:
        raise InputError("drawn", _short(text), "is not what a drawing is written as")
    return raw


def _short(text: str) -> str:
    return text if len(text) <= 20 else text[:19] + "…"
