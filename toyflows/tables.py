"""One reader for numbers: a file of text or of NumPy, stdin, or whatever Python has, as a Table.

Which columns are read is asked (Choice) unless only one is sensible; what is missing is left out
where the user says so. See `rows` for the forms of text. A long plain text is read by NumPy.
"""

from __future__ import annotations

import contextlib
import io
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows import archive, files, rows
from toyflows.archive import Unreadable
from toyflows.cloud import Array
from toyflows.columns import ONE, Choice, Table, cleaned, names_of, picked, unusable
from toyflows.errors import InputError, near
from toyflows.numerals import (
    LARGEST,
    Marks,
    beside_whole,
    foreign,
    like_number,
    mostly_measured,
    mostly_numbers,
    sometimes_whole,
    surely_decimal,
)

__all__ = ["LARGEST", "Choice", "Table", "check_goes_with", "content", "read", "told", "unusable"]

PACKAGED = "old-faithful"
STDIN = "-"
HEAD = 1000  # lines that decide the layout of a plain text
ALL = "all"  # as a column: every number, in reading order
ARRAYS = ("x", "X", "data")  # of several in an .npz, the one that is read
PICTURES = {b"\x89PNG": "a PNG picture", b"\xff\xd8\xff": "a JPEG picture",
            b"GIF8": "a GIF picture", b"RIFF": "a WebP picture", b"BM": "a BMP picture",
            b"II*\0": "a TIFF picture", b"MM\0*": "a TIFF picture"}  # fmt: skip
OTHERS = {b"\x89HDF": "an HDF5 file", b"\xd0\xcf\x11\xe0": "an Excel workbook",
          b"PAR1": "a Parquet file", b"MATLAB": "a MATLAB file", b"%PDF-": "a PDF"}  # fmt: skip
TEXTS = {b"<svg": "an SVG picture", b"<?xml": "XML", b"%PDF-": "a PDF", b"<!": "a web page",
         b"<html": "a web page", b"<table": "a web page", b"{": "JSON",
         b"[": "JSON, or a list of Python", b"(": "a list of Python",
         b"array(": "an array as Python prints it"}  # fmt: skip


def check_goes_with(source: object, name: str, **given: Any) -> None:
    """Raises InputError for options of a file where there is none; `name` is the file's option."""
    for option, value in given.items():
        if source is None and value not in (None, ""):
            option = f"no_{option}" if value is False else option
            shown = "" if isinstance(value, bool) else value
            raise InputError(option, shown, f"goes with numbers of your own, --{name}")


def read(source: object, choice: Choice = ONE) -> Table:
    """The numbers of a file, of stdin ("-"), of the packaged set, or of arrays, lists, Series and
    DataFrames. Raises InputError(choice.option, source, why)."""
    shown = source if isinstance(source, str | Path) else told(source)
    try:
        if isinstance(source, str | Path):
            if source == PACKAGED and choice == ONE:
                choice = Choice(("eruptions",))
            return content(_bytes(str(source)), str(source), choice)
        return _of_python(source, choice)
    except Unreadable as error:
        raise InputError(choice.option, shown, str(error)) from None


def told(source: object) -> str:
    """A source in one word: its name, or what holds the numbers."""
    if isinstance(source, str | Path):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else type(source).__name__


def content(raw: bytes, source: str, choice: Choice) -> Table:
    """The table in the bytes of a file called `source`. Raises Unreadable."""
    suffix = Path(source).suffix.lower()
    if raw.startswith(b"\x1f\x8b"):
        raw, suffix = archive.unpacked(raw), Path(Path(source).stem).suffix.lower()
    if suffix in (".npy", ".npz") and not raw:
        raise Unreadable("is empty")
    if raw.startswith(b"\x93NUMPY"):
        return _of_array(archive.array(raw), choice)
    if raw.startswith(b"PK"):
        return _of_archive(raw, choice)
    if suffix in (".npy", ".npz"):
        raise Unreadable(
            "is not a numpy " + ("array file (.npy)", "archive (.npz)")[suffix == ".npz"]
        )
    _refuse_others(raw)
    text = rows.decoded(raw)
    if choice.columns == (ALL,) and choice.width == 1:
        return _all(text, choice)
    fast = _plain(text, choice) if text.count("\n", 0, 100 * HEAD) > HEAD else None
    return fast or _of_sheet(rows.sheet(text, choice.columns), choice)


# ---- bytes


def _bytes(source: str) -> bytes:
    if source == PACKAGED:
        return resources.files("toyflows.datasets").joinpath("old_faithful.csv").read_bytes()
    if source == STDIN:
        with contextlib.suppress(OSError):  # a stream of Python's own has no number
            files.reads(sys.stdin.fileno())
        return sys.stdin.buffer.read()
    try:
        with Path(source).open("rb") as file:
            head = file.read(4096)
            # Seen before the rest is read: a film, or /dev/zero, must not fill the memory.
            if b"\0" in head and not head.startswith((b"\x93NUMPY", b"PK", b"\x1f\x8b")):
                _refuse_others(head)
                rows.decoded(head[: len(head) // 2 * 2])
            return head + file.read()
    except FileNotFoundError:
        why = f"no such file (must be a file, - for stdin, or {PACKAGED}){near(source, [PACKAGED])}"
    except IsADirectoryError:
        why = "is a directory, not a file"
    except PermissionError:
        why = "may not be read (permission denied)"
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    except (InputError, Unreadable):
        raise
    except ValueError:  # a NUL character in the path
        why = "is not a file name"
    raise Unreadable(why)


def _refuse_others(raw: bytes) -> None:
    head = raw[:4096].lstrip()
    kinds = PICTURES | OTHERS if b"\0" in head else TEXTS
    kind = next((k for magic, k in kinds.items() if head.startswith(magic)), None)
    if kind:
        raise Unreadable(f"is {kind}; must be text such as CSV, .npy, .npz; "
                         "or pictures, where these are read: PNG, JPEG and TIFF")  # fmt: skip


# ---- text


def _plain(text: str, choice: Choice) -> Table | None:
    """The same as of the sheet, by NumPy, where all lines but the first are plain numbers."""
    *lines, rest = text.split("\n", HEAD)
    head = rows.sheet("\n".join(lines), choice.columns)
    blanks = (head.separator or " \t") + "\n"
    if head.separator not in (None, ",", ";", "\t") or not rest.isascii():
        return None
    # No comma but between columns, so no decimal comma; no quote, comment or missing value.
    if rest.encode().translate(None, b"0123456789+-.eE" + blanks.encode()):
        return None
    sure = surely_decimal(rest)
    if "." in rest and not sure and _may_be_mixed(head, rest):
        return None
    try:
        below = _numbers(rest, head.separator)
        above = np.array([[Marks().value(c) for c in cells] for _, cells in head.rows])
        x = np.concatenate([above, below])
    except (ValueError, Unreadable):  # whatever it is, the sheet says where
        return None
    if not (x.min() >= -LARGEST and x.max() <= LARGEST):  # nan compares false
        return None
    columns = _chosen(head, choice)
    marks = Marks() if sure else _marks(head)
    names = names_of(head.names, columns)
    found = cleaned(x[:, columns], names, choice, lambda i: f"row {i + 1}")
    return replace(found, point=marks.doubtful)


def _may_be_mixed(head: rows.Sheet, rest: str) -> bool:
    """Whether whole numbers may stand beside such as 1.234 in a column."""
    several = len(head.rows[0][1]) > 1
    return several or sometimes_whole(rest) or any(map(str.isdecimal, head.column(0)))


def _numbers(text: str, separator: str | None) -> Array:
    """Plain numbers (n, columns). Raises ValueError for anything else."""
    if any(blank in text for blank in (separator or " ", "\t", "\n\n")):
        return np.loadtxt(io.StringIO(text), delimiter=separator, ndmin=2)
    with warnings.catch_warnings():  # one number a line: twice as fast, and it warns where it stops
        warnings.simplefilter("error", DeprecationWarning)
        try:
            x = np.fromstring(text, sep="\n")
        except DeprecationWarning:
            raise ValueError from None
    if x.size != text.count("\n") + (not text.endswith("\n")):  # 1-2 is two numbers to it
        raise ValueError
    return x[:, None]


def _of_sheet(sheet: rows.Sheet, choice: Choice) -> Table:
    columns = _chosen(sheet, choice)
    marks = _marks(sheet)
    x = np.empty((len(sheet.rows), len(columns)))
    for i, (line, cells) in enumerate(sheet.rows):
        try:
            x[i] = [marks.value(cells[j]) for j in columns]
        except Unreadable as error:
            raise Unreadable(f"line {line}: {error}") from None
    names = names_of(sheet.names, columns)
    found = cleaned(x, names, choice, lambda i: f"line {sheet.rows[i][0]}")
    return replace(found, point=marks.doubtful)


def _marks(sheet: rows.Sheet) -> Marks:
    """The decimal mark of its numbers. Semicolons between columns, words and dates of a country
    where points group thousands, and whole numbers beside 1.234 are signs that they do so here."""
    numeric = _numeric(sheet)
    words = (c for j in range(len(sheet.rows[0][1])) if j not in numeric for c in sheet.column(j))
    grouping = sheet.separator == ";" or any(beside_whole(sheet.column(j)) for j in numeric)
    grouping = grouping or foreign(sheet.names, words)
    return Marks.of((c for j in numeric for c in sheet.column(j)), grouping)


def _all(text: str, choice: Choice) -> Table:
    """Every number, in reading order."""
    found = rows.cells(text)[0]
    if not any(map(like_number, found[0][1])):
        found = found[1:]
    if found:
        rows.check_first(found)
    single = [(line, [cell]) for line, cells in found for cell in cells]
    if not single:
        raise Unreadable("holds only a header")
    return _of_sheet(rows.Sheet([], single), replace(choice, columns=()))


def _numeric(sheet: rows.Sheet) -> list[int]:
    return [j for j in range(len(sheet.rows[0][1])) if mostly_numbers(sheet.column(j))]


def _chosen(sheet: rows.Sheet, choice: Choice) -> list[int]:
    """The places of the columns that are read."""
    k = len(sheet.rows[0][1])
    if not choice.columns and sheet.one_number_a_row(choice.width != 1):
        line, cells = sheet.rows[0]
        raise Unreadable(f"line {line}: is {','.join(cells)} one number or {k}? Write a decimal "
                         f"point, or say which column: {choice.way}")  # fmt: skip
    # A column of numbers with their units is asked about, not passed over.
    meant = [j for j in range(k) if mostly_measured(sheet.column(j))]
    numeric = sorted({*_numeric(sheet), *meant}) if k > 1 else [0]
    return picked(sheet.names, numeric, k, choice)


# ---- arrays


def _of_archive(raw: bytes, choice: Choice) -> Table:
    """Of several arrays those that are asked for, each a column; else the one in ARRAYS."""
    there: list[str] = []

    def chosen(names: list[str]) -> list[str]:
        if any(name.startswith("xl/") for name in names):
            raise Unreadable("is an Excel workbook; save it as CSV")
        there.extend(names)
        usual = [name for name in ARRAYS if name in names]
        asked = [c for c in choice.columns if c in names]
        return asked or (usual if len(usual) == 1 else names)

    found = archive.arrays(raw, chosen)
    asked = [c for c in choice.columns if c in there]
    if asked and len(there) > 1:
        if len({len(a) for a in found.values() if a.ndim}) != 1:
            raise Unreadable(f"{_outline(found)}: columns must be equally long")
        return _of_array(np.column_stack(list(found.values())), choice, asked)
    if len(found) != 1:
        raise Unreadable(f"holds {_outline(found)}; say which: {choice.way}" if found
                         else "holds no array")  # fmt: skip
    return _of_array(next(iter(found.values())), choice)


def _outline(arrays: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name} {a.shape}" for name, a in arrays.items())[:200]


def _of_array(array: NDArray[Any], choice: Choice, names: Sequence[str] = ()) -> Table:
    """Of an array (n, columns), or where one is needed (n,), (n, 1) or (1, n)."""
    if array.dtype.names:
        return _of_columns({name: array[name] for name in array.dtype.names}, choice)
    x = floats(array)
    if x is None:
        raise Unreadable(f"holds {array.dtype} values; must be real numbers")
    if choice.width == 1 and x.ndim and max(x.shape) == x.size:
        x = x.reshape(-1, 1)
        choice = replace(
            choice, columns=() if choice.columns in ((), ("1",), tuple(names)) else choice.columns
        )
    if x.ndim != 2:
        wanted = "(n,)" if choice.width == 1 else "(n, columns)"
        raise Unreadable(f"has shape {array.shape}; must be {wanted}")
    columns = picked(names, list(range(x.shape[1])), x.shape[1], choice)
    return cleaned(x[:, columns], names_of(names, columns), choice, _entry_told(array.ndim))


def _entry_told(axes: int) -> Callable[[int], str]:
    return (lambda i: f"entry [{i}]") if axes == 1 else (lambda i: f"row [{i}]")


def _of_columns(columns: Mapping[str, Any], choice: Choice) -> Table:
    """Of named columns, of which some may hold no numbers."""
    found = {name: floats(values) for name, values in columns.items()}
    arrays = {name: x for name, x in found.items() if x is not None and x.ndim == 1}
    names, k = list(found), len(found)
    numeric = [j for j, name in enumerate(names) if name in arrays]
    chosen = picked(names, numeric, k, choice)
    if unfit := next((names[j] for j in chosen if j not in numeric), None):
        raise Unreadable(f"the column {unfit} is not of real numbers")
    x = np.column_stack([arrays[names[j]] for j in chosen])
    return cleaned(x, names_of(names, chosen), choice, _entry_told(2))


def _of_python(source: Any, choice: Choice) -> Table:
    if hasattr(source, "columns") and hasattr(source, "to_numpy"):
        return _of_columns({str(name): source[name] for name in source.columns}, choice)
    x = floats(source)
    if x is None:
        raise Unreadable("holds no real numbers (must be a file, an array, a list, a Series or "
                         "a DataFrame)")  # fmt: skip
    name = getattr(source, "name", None)
    single = [str(name)] if name is not None and x.ndim == 1 else []
    return _of_array(x, choice, single)


def floats(values: Any) -> Array | None:
    """Real numbers as float64, nan where masked or missing; None where they are anything else."""
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        array = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
        if array.dtype.kind == "O":
            array = np.array([_float(v) for v in array.ravel()]).reshape(array.shape)
    except (TypeError, ValueError):
        return None
    if array.dtype.kind not in "iuf":
        return None
    # A long double beyond the floats becomes inf, which is refused by its index.
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(array, np.float64)


def _float(value: Any) -> float:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return math.nan
    if isinstance(value, str | bytes | bool):
        raise TypeError
    return float(value)
