"""The machine around a run: files that are whole or not there, the cache folder, cores, memory."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from toyflows.errors import InputError

SHIPPED = Path(__file__).parent / "images" / "weights"
PLANS = Path(__file__).parent / "sweep" / "plans"  # and what became of them, as they ship
DAY = 86400.0


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
        temporary.chmod(0o666 & ~_umask())  # mkstemp's 0600 is not what users expect
        with temporary.open("rb") as written:
            os.fsync(written.fileno())  # else a power cut can leave the new name without bytes
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path, option: str = "out") -> None:
    """Raises InputError(option) unless a file can be made at `path`."""
    if path.is_dir():
        raise InputError(option, path, "is a folder, must be a file")
    if not path.parent.is_dir():
        raise InputError(option, path, f"there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise InputError(option, path, "cannot be written (permission)")


def keep_cached(path: Path, write: Callable[[Path], Any], like: str, kept: int) -> None:
    """Writes a cache file, and of those whose names are `like` it drops all but the newest `kept`,
    and what dead processes left; a cache that cannot be written is no cache."""
    with contextlib.suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            write(temporary)
        aged = sorted(path.parent.glob(like), key=lambda p: -p.stat().st_mtime)
        hidden = path.parent.glob(f".*{path.suffix}")
        dead = [p for p in hidden if time.time() - p.stat().st_mtime > DAY]
        for old in aged[kept:] + dead:
            old.unlink(missing_ok=True)


def user_cache() -> Path:
    """The user's cache directory for toyflows: TOYFLOWS_CACHE, else the platform's own place."""
    if chosen := os.environ.get("TOYFLOWS_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "toyflows"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "toyflows"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "toyflows"


def weights_folder() -> Path:
    """Where the trained weights are: TOYFLOWS_WEIGHTS, else those that came with the package."""
    return Path(os.environ.get("TOYFLOWS_WEIGHTS") or SHIPPED)


def sweeps_folder() -> Path:
    """Where the stored sweeps are: TOYFLOWS_SWEEPS, else those that came with the package."""
    return Path(os.environ.get("TOYFLOWS_SWEEPS") or PLANS)


def available_cores() -> int:
    """Processors this process may use, at most OMP_NUM_THREADS where that is set to a number."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "").strip()
    return min(n, int(asked)) if asked.isdecimal() and int(asked) > 0 else n


def free_memory() -> int:
    """Bytes that a new array may take."""
    try:
        rows = dict(r.split(":") for r in Path("/proc/meminfo").read_text().splitlines())
        free = int(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        names = getattr(os, "sysconf_names", {})
        if "SC_PHYS_PAGES" not in names:
            return 1 << 62  # unknown: let the allocation itself say no
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        group = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text()
        return free if group == "max" else min(free, int(group) - int(used))
    except (OSError, ValueError):
        return free


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
