"""Files that are either whole or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from toyflows.errors import InputError


@contextlib.contextmanager
def whole_file(path: Path, option: str = "out") -> Iterator[Path]:
    """A temporary path beside `path` with the same suffix; renamed to it when the block ends well.

    Raises InputError(option) where the folder cannot be written.
    """
    check_writable(path, option)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())  # noqa: PTH101 - mkstemp's 0600 is not what users expect
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path, option: str = "out") -> None:
    """Raises InputError(option) unless a file can be made at `path`."""
    if path.is_dir():
        raise InputError(option, path, "is a folder, allowed is a file")
    if not path.parent.is_dir():
        raise InputError(option, path, f"there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise InputError(option, path, "cannot be written (permission)")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
