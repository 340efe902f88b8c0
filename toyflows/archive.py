"""Arrays out of an .npz, and what is in a .gz, whoever made it: nothing in it is run, and it takes
no more memory than its size allows."""

from __future__ import annotations

import contextlib
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows.errors import InputError

# Unpacked, a file may have this many bytes, and this many times its own: real ones have ten.
ROOM, RATIO = 2**25, 20
PLAIN = "biufcSU"  # kinds of dtype: numbers and text, no objects; a record has names


class Unreadable(ValueError):
    """Why there are no arrays to be had: half a sentence."""


def arrays(
    source: str | Path | bytes, choose: Callable[[list[str]], Collection[str]] | None = None
) -> dict[str, NDArray[Any]]:
    """Those of the file that `choose` takes of their names, else all of them.

    Raises Unreadable, and OSError where there is no file to read.
    """
    raw = source if isinstance(source, bytes) else Path(source).read_bytes()
    with _unreadable():
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            _check_room(packed.infolist(), len(raw))
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            names = choose(list(file.files)) if choose else file.files
            return {name: _plain(file[name]) for name in names}


def array(raw: bytes) -> NDArray[Any]:
    """The one array of an .npy. Raises Unreadable."""
    with _unreadable():
        return _plain(np.load(io.BytesIO(raw), allow_pickle=False))


def unpacked(raw: bytes) -> bytes:
    """What is in a .gz. Raises Unreadable."""
    most = max(ROOM, RATIO * len(raw))
    try:
        with gzip.open(io.BytesIO(raw)) as file:
            inside = file.read(most + 1)
    except (OSError, EOFError, zlib.error):
        raise Unreadable("is damaged: not a whole .gz") from None
    if len(inside) > most:
        raise Unreadable(f"unpacks {len(raw):,} bytes to more than {most:,}")
    return inside


@contextlib.contextmanager
def _unreadable() -> Iterator[None]:
    """What goes wrong in reading, as Unreadable."""
    try:
        yield
    except (Unreadable, InputError):
        raise
    except Exception as error:  # on damaged bytes zipfile, zlib and numpy raise a dozen kinds
        pickled = "allow_pickle" in str(error)
        why = "holds pickled Python objects, which are never loaded"
        raise Unreadable(why if pickled else "is damaged: numpy cannot read it") from None


def _check_room(entries: list[zipfile.ZipInfo], size: int) -> None:
    unpacked, most = sum(e.file_size for e in entries), max(ROOM, RATIO * size)
    if unpacked > most:
        raise Unreadable(f"unpacks {size:,} bytes to {unpacked:,}, must be at most {most:,}")


def _plain(values: Any) -> NDArray[Any]:
    if not isinstance(values, np.ndarray):  # another kind of file in the zip
        raise Unreadable("holds no array")
    if values.dtype.kind not in PLAIN and not values.dtype.names:
        raise Unreadable(f"holds {values.dtype} values, must be numbers or text")
    return values
