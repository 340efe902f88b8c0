"""A gallery's folder and its book, manifest.json: what was made there, and from what."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from toyflows.errors import InputError
from toyflows.figures import _look, _registry
from toyflows.figures._cache import versions
from toyflows.files import goes_on_with, whole_file
from toyflows.limits import check_seed, check_workers

if sys.platform != "win32":
    import fcntl

FORMATS = ("png", "pdf", "svg")
LARGEST_SCALE = 10.0
MANIFEST, GALLERY, MADE_BY = "manifest.json", "index.html", "toyflows figures"
SOURCES = "sources"  # folder of the figures' own files, beside the page

Book = dict[str, Any]  # the content of manifest.json


# ------------------------------------------------------------------ what may be asked
def check(scale: float, seed: int, jobs: int) -> None:
    """Raises InputError for numbers out of range."""
    if not 0 < scale <= LARGEST_SCALE:  # nan is not
        raise InputError("scale", scale, f"must be 0 < scale ≤ {LARGEST_SCALE:g}")
    check_seed(seed)
    check_workers(jobs=jobs)


def checked_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Those asked for, in the order of FORMATS; with pdf alone a png, for the gallery to show."""
    for name in formats or [""]:
        if name not in FORMATS:
            raise InputError("format", name or "''", f"must be {', '.join(FORMATS)}")
    also = "png" if set(formats) == {"pdf"} else ""
    return tuple(f for f in FORMATS if f in formats or f == also)


# ------------------------------------------------------------------ the folder
@contextlib.contextmanager
def own(out: Path) -> Iterator[None]:
    """The folder `out`, made where it is missing, and ours alone: hidden files that lie there are
    then left from a dead process, and are cleared away at the end. Raises InputError(out)."""
    if out.exists() and not out.is_dir():
        raise InputError("out", out, "is a file, must be a folder")
    goes_on_with(out)
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError("out", out, f"cannot be written ({error.strerror})") from None
    with _lock(out):
        try:
            yield
        finally:
            _clear(out)
            if new:  # and nothing was made
                with contextlib.suppress(OSError):
                    out.rmdir()


@contextlib.contextmanager
def _lock(out: Path) -> Iterator[None]:
    """A lock on the folder itself, which the system takes back from a process that dies."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("out", out, "another run is writing there; wait for it") from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(handle)


def _clear(out: Path) -> None:
    """Removes the temporary files of whole_file: of pictures, the manifest, the gallery."""
    for suffix in (*FORMATS, "json", "html"):
        for path in out.glob(f".*-????????.{suffix}"):
            path.unlink(missing_ok=True)
    for path in out.glob(f"{SOURCES}/.*-????????.txt"):
        path.unlink(missing_ok=True)


# ------------------------------------------------------------------ the book
def open_book(out: Path) -> Book:
    """The folder's manifest, or an empty one. Raises InputError(out) for somebody else's files."""
    try:
        if (out / MANIFEST).exists():
            return read_manifest(out / MANIFEST) | {"versions": versions()}
    except InputError as error:
        raise InputError("out", out, f"its {MANIFEST} {error.why}") from None
    if (out / GALLERY).exists():
        raise InputError("out", out, f"has an {GALLERY} that toyflows did not write")
    return {"made_by": MADE_BY, "versions": versions(), "figures": {}, "failed": {}}


def enter(book: Book, figure: str, entry: Book | None, failure: str) -> None:
    """A failure leaves an earlier success in the book, and stands beside it."""
    book["failed"].pop(figure, None)
    if entry is not None:
        book["figures"][figure] = entry
    else:
        book["failed"][figure] = failure


def write(out: Path, book: Book) -> None:
    """Writes the manifest, its figures in the order of the lecture."""
    with whole_file(out / MANIFEST) as temporary:
        sections = {
            name: {figure: book[name][figure] for figure in _registry.in_order(book[name])}
            for name in ("figures", "failed")
        }
        text = json.dumps(book | sections, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_manifest(path: Path) -> Book:
    """A manifest that toyflows wrote. Raises InputError(manifest)."""
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("manifest", path, f"cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise InputError("manifest", path, "is not JSON") from None
    if not isinstance(book, dict) or book.get("made_by") != MADE_BY:
        raise InputError("manifest", path, "is not a manifest of toyflows figures")
    if not all(isinstance(book.get(name), dict) for name in ("figures", "failed")):
        raise InputError("manifest", path, "has no table of figures")
    for figure, entry in book["figures"].items():
        if not _is_entry(figure, entry):
            raise InputError("manifest", path, f"its entry of {figure} is damaged")
    return book


# ------------------------------------------------------------------ a figure's entry
def numbers(figure: str, claim: Mapping[str, Any]) -> Book:
    """The claim's numbers as JSON has them: Checked as its fields, an infinity as text."""
    from toyflows.stats import Checked

    def plain(name: str, value: Any) -> Any:
        if isinstance(value, Checked):
            return {part: plain(name, number) for part, number in value.numbers().items()}
        if hasattr(value, "item") and getattr(value, "size", 0) == 1:
            value = value.item()  # of numpy
        if isinstance(value, bool | str):
            return value
        if isinstance(value, Integral):
            return int(value)
        if isinstance(value, Real):
            return float(value) if math.isfinite(value) else str(float(value))
        raise _registry.NotAFigure(
            f"toyflows.figures.{figure}: claim gives a {type(value).__name__} as {name!r}, "
            "must be Checked, numbers and text"
        )

    return {str(name): plain(name, value) for name, value in claim.items()}


def parts(value: Any) -> Book:
    """One line of a claim by the names of its parts: a Checked has several."""
    return value if isinstance(value, dict) else {"value": value}


def _is_entry(figure: str, entry: Any) -> bool:
    """Whether it has what is used, so that no other code needs to look."""
    texts, tables = ("title", "caption", "key"), ("claim", "files", "versions")
    try:
        check(entry["scale"], entry["seed"], 1)
        _look.Look(**entry.get("look", {}))
        own_files = {f"{figure}.{suffix}" for suffix in FORMATS}  # and nobody's else
        return (
            Path(figure).name == figure
            and isinstance(entry["seed"], int)
            and isinstance(entry["seconds"], Real)
            and all(isinstance(entry[name], str) for name in texts)
            and all(isinstance(entry[name], dict) for name in tables)
            and all(
                isinstance(part, Real | str)
                for value in entry["claim"].values()
                for part in parts(value).values()
            )
            and entry["files"].keys() <= own_files
        )
    except (KeyError, TypeError, InputError):
        return False
