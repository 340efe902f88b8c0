"""A static site: the documentation, the gallery, and the rooms that compute in a browser.

`build(out)` writes a folder for any web server, or to be opened from a disk: none of its pages asks
for anything outside of it. Sphinx sets the pages (extra "docs"); `book` writes what it reads.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from toyflows.errors import InputError
from toyflows.files import check_folder, whole_folder
from toyflows.pages import rooms
from toyflows.site import access, book

MARKER = ".toyflows-site"  # says that a folder is ours to replace
NEEDED = ("sphinx", "myst_parser", "furo", "latex2mathml")
TO_RUN = ("nbclient", "ipykernel")  # what running the notebooks needs besides
CHECKOUT = Path(__file__).parent.parent.parent  # where docs/ is
LIVE = "live"  # the folder of the rooms


def missing(names: tuple[str, ...] = NEEDED) -> str:
    """What is not installed, as one line; empty where all is there."""
    lost = [name for name in names if importlib.util.find_spec(name) is None]
    return f'the site needs {", ".join(lost)}: pip install "toyflows[docs]"' if lost else ""


def check(out: Path, gallery: Path | None = None, checkout: Path = CHECKOUT) -> None:
    """Raises InputError where no site can be built, before anything is made."""
    check_folder(out, MARKER)
    if not (checkout / "docs" / "lectures.md").is_file():
        why = "has no docs/lectures.md: must be a checkout of toyflows"
        raise InputError("source", checkout, why)
    if gallery is None:
        return
    if not (gallery / "index.html").is_file() or not (gallery / "manifest.json").is_file():
        why = "must be a folder that `toyflows figures all --out` has written"
        raise InputError("gallery", gallery, why)
    if gallery.resolve().is_relative_to(out.resolve()):
        raise InputError("gallery", gallery, f"must not lie inside the site, {out}")


def build(
    out: str | Path,
    gallery: str | Path | None = None,
    run: bool = False,
    checkout: str | Path = CHECKOUT,
) -> list[str]:
    """Writes the site, and returns what Sphinx warns of, a line each.

    `gallery` is a folder of figures (without it the site has none); `run` runs the notebooks, so
    that their pages show results. Raises InputError where nothing can be written, and
    RuntimeError where Sphinx fails; then nothing is written.
    """
    out, checkout = Path(out), Path(checkout)
    pictures = None if gallery is None else Path(gallery)
    check(out, pictures, checkout)
    if lost := missing(NEEDED + TO_RUN if run else NEEDED):
        raise ImportError(lost)
    with whole_folder(out, MARKER) as folder, tempfile.TemporaryDirectory() as place:
        source = Path(place)
        book.write(source, checkout, pictures, run)
        warnings = _sphinx(source, folder)
        access.mend(folder)
        rooms.write(folder / LIVE)
        if pictures is not None:
            _copy_gallery(pictures, folder / "gallery")
        (folder / ".nojekyll").touch()  # else a well-known host leaves out _static
    return warnings


def _sphinx(source: Path, folder: Path) -> list[str]:
    """Sets the pages, in a process of its own: Sphinx changes much in the one it runs in."""
    call = [sys.executable, "-m", "sphinx", "-q", "-E", "-b", "html", "-d", str(source / ".trees")]
    done = subprocess.run(
        [*call, str(source), str(folder)], capture_output=True, text=True, check=False
    )
    told = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode:
        raise RuntimeError("Sphinx failed: " + " / ".join(told[-3:]))
    (folder / ".buildinfo").unlink(missing_ok=True)
    return told


def _copy_gallery(gallery: Path, folder: Path) -> None:
    """The page and all that it shows or links to."""
    shutil.copytree(gallery, folder, ignore=shutil.ignore_patterns(".*"))
