"""Patterns to store, as rows of ±1: letters, lines of text, pictures; and states shown as such.

    letters   blocks of # and . (1 and −1), each below its name or not, with empty lines between
    text      lines of equal length; a character is the 7 bits of its ASCII code, bit 1 is +1
    images    pictures, or a folder or .npz of them: brighter than half is 1

Several sources are stored together where they have one shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import toyflows
from toyflows import display
from toyflows.cloud import Array
from toyflows.errors import InputError, nearest
from toyflows.pictures import levels

SHIPPED = ("letters", "cities")
BITS = 7
UNKNOWN = "?"  # a character, or a pixel, that is not known: its units start at 0
LARGEST = 4096  # units: W is a matrix of their square, 128 MB
PIXELS = {"#": 1.0, ".": -1.0, UNKNOWN: 0.0}


@dataclass(frozen=True, eq=False)
class Patterns:
    """Names, rows x (p, N) of ±1, and the shape (height, width) of a row; text has a character's
    bits in each of its rows."""

    names: tuple[str, ...]
    x: Array
    shape: tuple[int, int]
    text: bool = False
    __repr__ = display.short

    def _repr_html_(self) -> str:
        if self.text:
            return display.page(display.table([name] for name in self.names))
        return self.shown(dict(zip(self.names, self.x, strict=True)))._repr_html_()

    def shown(self, states: Mapping[str, Array]) -> display.Pictures:
        """States (N,) below their names, for a notebook: +1 is black, unknown is grey."""
        return display.Pictures({k: levels(-s.reshape(self.shape)) for k, s in states.items()})

    def draw(self, s: Array) -> str:
        """The state s (N,) as text: its characters, or lines of # and . (? where s = 0)."""
        if self.text:
            return "".join(map(_character, s.reshape(self.shape)))
        signs = {1: "#", -1: ".", 0: UNKNOWN}
        rows = np.sign(s).astype(int).reshape(self.shape).tolist()
        return "\n".join("".join(signs[v] for v in row) for row in rows)

    def start(self, words: str) -> Array:
        """The state (N,) that these words mean: a pattern's name, a text, or rows with / between.

        ? is unknown, 0. Raises InputError("start").
        """
        if words in self.names:
            return self.x[self.names.index(words)].copy()
        height, width = self.shape
        if self.text:
            if len(words) != height:
                raise InputError("start", words, f"must be {height} characters, ? is unknown")
            return _bits(words, "start").ravel()
        rows = words.split("/")
        if [len(row) for row in rows] != [width] * height or set("".join(rows)) - set(PIXELS):
            some = ", ".join(self.names[:8])
            why = f"must be a name ({some}), or {height} rows of {width} # . ? with / between"
            raise InputError("start", words, why)
        return np.array([PIXELS[c] for row in rows for c in row])


def load(sources: list[str], size: int = 16) -> Patterns:
    """The patterns of all sources, which are to have one shape: names that ship, text or letters
    files, pictures, folders or archives of pictures (fitted to size × size).

    Raises InputError("patterns").
    """
    parts = [_one(source, size) for source in sources]
    first = parts[0]
    for source, part in zip(sources, parts, strict=True):
        if (part.shape, part.text) != (first.shape, first.text):
            what = "{} × {} {}".format(*first.shape, "bits" if first.text else "pixels")
            raise InputError("patterns", source, f"has another shape than {sources[0]}, {what}")
    x = np.concatenate([part.x for part in parts])
    if x.shape[1] > LARGEST:
        raise InputError("patterns", sources[0], f"{x.shape[1]} units; must be at most {LARGEST}")
    names = [name for part in parts for name in part.names]
    return Patterns(tuple(_distinct(names)), x, first.shape, first.text)


def fitted(source: str) -> bool:
    """Whether it is a set of pictures, which are fitted to one size."""
    path = Path(source)
    return source not in SHIPPED and (path.is_dir() or path.suffix.lower() == ".npz")


def _one(source: str, size: int) -> Patterns:
    path = Path(source)
    if source in SHIPPED:
        path = Path(toyflows.__file__).parent / "datasets" / f"{source}.txt"
    elif not path.exists():
        _refuse(source, f"there is no such file; {nearest(source, SHIPPED)}")
    if fitted(source):
        return _folder(source, size)
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif", ".tiff"):
        return _picture(path)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        _refuse(source, "cannot be read as text; pictures may be PNG, JPEG or TIFF")
    lines = [line.rstrip() for line in lines]
    if not any(lines):
        _refuse(source, "holds no pattern")
    pixels = [line for line in lines if line and not set(line) - {"#", "."}]
    return _letters(source, lines) if pixels else _text(source, [line for line in lines if line])


def _text(source: str, lines: list[str]) -> Patterns:
    length = len(lines[0])
    for number, line in enumerate(lines, 1):
        if len(line) != length:
            _refuse(source, f"line {number} has {len(line)} characters, the first has {length}")
        if UNKNOWN in line:
            _refuse(source, f"line {number} has a ?, which stands for an unknown character")
    x = np.stack([_bits(line, "patterns").ravel() for line in lines])
    return Patterns(tuple(lines), x, (length, BITS), True)


def _letters(source: str, lines: list[str]) -> Patterns:
    """Blocks between empty lines; a first line that is no row of pixels is the name."""
    blocks = [block.split("\n") for block in "\n".join(lines).split("\n\n") if block.strip("\n")]
    names, images = [], []
    for number, block in enumerate(blocks, 1):
        rows = [row for row in block if row]
        named = bool(set(rows[0]) - {"#", "."})
        names.append(rows[0] if named else str(number))
        images.append(rows[named:])
    shape = (len(images[0]), len(images[0][0]) if images[0] else 0)
    for name, rows in zip(names, images, strict=True):
        if strange := sorted(set("".join(rows)) - {"#", "."}):
            _refuse(source, f"letter {name} has the character {strange[0]!r}; must be # or .")
        if not rows or len(rows) != shape[0] or {len(row) for row in rows} != {shape[1]}:
            _refuse(source, f"letter {name} is not {shape[0]} rows of {shape[1]} pixels")
    x = np.array([[PIXELS[c] for row in rows for c in row] for rows in images])
    return Patterns(tuple(names), x, shape)


def _picture(path: Path) -> Patterns:
    from toyflows.images import folder

    grey = folder.picture(str(path), "patterns", LARGEST)
    x = np.where(grey > 0.5, 1.0, -1.0)
    return Patterns((path.stem,), x.reshape(1, -1), (x.shape[0], x.shape[1]))


def _folder(source: str, size: int) -> Patterns:
    from toyflows.images import folder

    try:
        parts = folder.load(source, size)
    except InputError as error:
        name = "patterns" if error.name == "data" else error.name
        raise InputError(name, error.value, error.why) from None
    three = (parts.train, parts.valid, parts.test)
    x = np.concatenate([part.x for part in three]).reshape(-1, size * size)
    y = np.concatenate([part.y for part in three])
    return Patterns(tuple(parts.classes[k] for k in y), np.where(x > 0, 1.0, -1.0), (size, size))


def _bits(text: str, option: str) -> Array:
    """(characters, 7) of ±1; an unknown character is a row of 0."""
    for c in text:
        if not " " <= c <= "~":
            raise InputError(option, repr(text)[1:-1], f"has {c!r}; must be ASCII characters only")
    codes = np.array([ord(c) for c in text])
    x = np.where((codes[:, None] >> np.arange(BITS)[::-1]) & 1, 1.0, -1.0)
    x[np.array([c == UNKNOWN for c in text])] = 0
    return x


def _character(bits: Array) -> str:
    """The character of 7 bits, ? where one is 0, and · where they are those of no character."""
    if not bits.all():
        return UNKNOWN
    c = chr(int((bits > 0) @ (1 << np.arange(BITS)[::-1])))
    return c if " " <= c <= "~" else "·"


def _distinct(names: list[str]) -> list[str]:
    """A number added to a name that was there before."""
    seen: dict[str, int] = {}
    for k, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[k] = f"{name} {seen[name]}"
    return names


def _refuse(source: str, why: str) -> None:
    raise InputError("patterns", source, why)
