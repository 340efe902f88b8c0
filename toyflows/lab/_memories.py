"""What the Hopfield room stores and starts from: what ships, printed letters, what is drawn.

A drawing is written "3x5-TEXT": three patterns of 5 × 5 pixels, their bits as `_packed` writes
them. One that is shown at another size takes the nearest pixels.
"""

from __future__ import annotations

import io
import re
import threading
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.images import glyphs
from toyflows.lab._controls import Values
from toyflows.lab._job import Job
from toyflows.lab._packed import pack_bits, unpack_bits
from toyflows.lattice import hopfield, patterns
from toyflows.lattice.patterns import Patterns

SETS = ("letters", "cities", "glyphs", "drawn")
BEGIN = {"letters": "letter", "cities": "city", "glyphs": "glyph", "drawn": "memory"}  # controls
DRAWN, COINS = "what is drawn", "coins"
CAPITALS, FONT = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "DejaVuSans-Bold"
MOST, SIDES = 6, (5, 16)  # patterns drawn, and their pixels a side
PICTURES, LARGEST = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"), 4096
KEPT = 8  # networks: 4 MB

_nets: dict[tuple[str, bytes], hopfield.Hopfield] = {}
_one = threading.Lock()


# ---- what is stored


def memories(values: Values) -> Patterns:
    """The patterns that these settings store."""
    match values["patterns"]:
        case "glyphs":
            return printed(values["count"])
        case "drawn":
            return drawn(values["stored"], values["side"])
        case shipped:
            return _shipped(shipped)


@lru_cache(maxsize=2)
def _shipped(name: str) -> Patterns:
    return patterns.load([name])


def printed(count: int = len(CAPITALS)) -> Patterns:
    """The first capitals of DejaVu Sans Bold as 16 × 16 pixels."""
    every = _printed()
    return Patterns(every.names[:count], every.x[:count], every.shape)


@lru_cache(maxsize=1)
def _printed() -> Patterns:
    # No outline reaches further than 48 of a master's 128 pixels from its middle.
    ink = np.array([glyphs.master(c, FONT)[16:112, 16:112] for c in CAPITALS])
    share = ink.reshape(-1, 16, 6, 16, 6).mean(axis=(2, 4))
    return Patterns(tuple(CAPITALS), np.where(share > 0.5, 1.0, -1.0).reshape(-1, 256), (16, 16))


def drawn(text: str, side: int) -> Patterns:
    """The patterns of a drawing, named 1, 2 …, at side × side pixels."""
    x = np.where(fitted(read_drawing(text, "stored"), side), 1.0, -1.0).reshape(-1, side * side)
    return Patterns(tuple(str(k + 1) for k in range(len(x))), x, (side, side))


def learned(rule: str, stored: Patterns, job: Job | None = None) -> hopfield.Hopfield:
    """The network; a second visitor, or a second look, finds it made."""
    if rule == "hebb" or not len(stored.x):
        return hopfield.hebb(stored.x)
    key = rule, stored.x.tobytes()
    net = _nets.get(key)
    if net is None:
        check = job.check if job else lambda: None
        net = hopfield.gradient_rule(stored.x, progress=lambda step: check())
        with _one:
            _nets[key] = net
            for old in list(_nets)[:-KEPT]:
                del _nets[old]
    return net


# ---- where it starts


def start(values: Values, stored: Patterns) -> Array:
    """The state (N,) at the start, as `toyflows hopfield --start … --flip …` makes it."""
    s = begin(values, stored)
    s[np.random.default_rng(values["seed"]).permutation(s.size)[: flips(values, s.size)]] *= -1
    return s


def flips(values: Values, units: int) -> int:
    """How many units are flipped."""
    return round(units * values["flips"] / 100)


def begin(values: Values, stored: Patterns) -> Array:
    """The state before any unit is flipped."""
    words = values[BEGIN[values["patterns"]]]
    if words == COINS:
        return np.random.default_rng([values["seed"], 1]).choice([-1.0, 1.0], stored.x.shape[1])
    if words == DRAWN:
        pictures = fitted(read_drawing(values["drawing"], "drawing"), stored.shape[0])
        return np.where(pictures[0], 1.0, -1.0).ravel() if len(pictures) else _blank(stored)
    known = printed() if values["patterns"] == "glyphs" else stored  # also letters not stored
    if words not in known.names:
        return _blank(stored)  # the place of a memory that is not drawn yet
    s = known.start(words)
    if stored.text and (hidden := values["unknown"]):
        s.reshape(stored.shape)[-hidden:] = 0
    return s


def _blank(stored: Patterns) -> Array:
    return np.full(stored.x.shape[1], -1.0)


# ---- drawings


def write_drawing(pictures: NDArray[np.bool_]) -> str:
    """(k, side, side) as text; none is the empty text."""
    k, side = len(pictures), pictures.shape[-1]
    return f"{k}x{side}-{pack_bits(pictures)}" if k else ""


def read_drawing(text: str, name: str) -> NDArray[np.bool_]:
    """The pictures (k, side, side) of a text. Raises InputError(name)."""
    if not text:
        return np.zeros((0, *SIDES[:1] * 2), bool)
    try:
        k, side, bits = re.fullmatch(r"(\d)x(\d\d?)-(.*)", text).groups()  # type: ignore[union-attr]
        if not (1 <= int(k) <= MOST and SIDES[0] <= int(side) <= SIDES[1]):
            raise ValueError
        return unpack_bits(bits, (int(k), int(side), int(side)))
    except (AttributeError, ValueError):  # InputError is a ValueError
        why = f"must be at most {MOST} patterns of {SIDES[0]} … {SIDES[1]} pixels a side"
        raise InputError(name, text[:20], why) from None


def fitted(pictures: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """(k, side, side) by the nearest pixels."""
    nearest = ((np.arange(side) + 0.5) * pictures.shape[-1] / side).astype(int)
    return pictures[:, nearest[:, None], nearest]


def picture(content: bytes, name: str = "drawing") -> str:
    """The drawing of 16 × 16 pixels that an image file means: ink is the rarer of dark and light.

    Raises InputError(name).
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "TIFF", "BMP")) as file:
            if max(file.size) > LARGEST:
                raise InputError(
                    name, "{} × {}".format(*file.size), f"must be at most {LARGEST} a side"
                )
            small = ImageOps.exif_transpose(file)
            small.thumbnail((256, 256))
            small = small.convert("RGBA")
        paper = Image.new("RGBA", small.size, "white")
        paper.alpha_composite(small)
        side = SIDES[1]
        grey = paper.convert("L")
        square = ImageOps.pad(grey, (side, side), color=round(np.median(np.asarray(grey))))
    except InputError:
        raise
    except Exception as error:  # Pillow and its decoders raise a dozen kinds on a damaged file
        raise InputError(name, "the file", f"is no picture ({str(error)[:60]})") from None
    x = np.asarray(square, float)
    if x.min() == x.max():
        raise InputError(name, "the picture", "all of its pixels are alike")
    light = x > (x.min() + x.max()) / 2
    return write_drawing((light if light.mean() < 0.5 else ~light)[None])
