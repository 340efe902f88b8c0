"""The machine around a run: files that are whole or absent, the cache folder, cores, memory."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from toyflows.errors import InputError

SHIPPED = Path(__file__).parent / "images" / "weights"
PLANS = Path(__file__).parent / "sweep" / "plans"  # and what became of them, as they ship
SWEEPS = "TOYFLOWS_SWEEPS"
NETWORKS, CHOICES = "TOYFLOWS_NETWORKS", ("compiled", "numpy")
DAY = 86400.0


@contextlib.contextmanager
def whole_file(path: Path, option: str = "out") -> Iterator[Path]:
    """A temporary path beside `path` with the same suffix; renamed to it when the block ends well.

    Raises InputError(option) where the file cannot be written, or is one that the command reads.
    """
    check_writable(path, option)
    # A short name: it must not be too long where that of the file is not.
    temporary = path.with_name(f".{path.stem[:20]}-{secrets.token_hex(4)}{path.suffix}")
    BEGUN.add(temporary)  # before it is there: a signal may come at any time
    with _told(path, option):
        try:
            temporary.touch(0o600, exist_ok=False)
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            with temporary.open("r+b") as written:
                os.fsync(written.fileno())  # else a power cut can leave the new name without bytes
            if _command is not None:
                _command.writes(path, option)
                _command.planned.clear()  # what is at `path` from now on is ours
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            BEGUN.discard(temporary)


BEGUN: set[Path] = set()  # temporary files: whoever ends the process at once removes them


def check_writable(path: Path, option: str = "out") -> None:
    """Raises InputError(option) unless a file can be made at `path` that the command does not read.

    Within `command` it is also remembered as an output, see there.
    """
    with _told(path, option):
        if path.is_dir():
            raise InputError(option, path, "is a folder, must be a file")
        if not path.parent.is_dir():
            raise InputError(option, path, f"there is no folder {path.parent}")
        if path.exists() and not path.is_file():
            raise InputError(option, path, "is no ordinary file")
        if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
            raise InputError(option, path, "cannot be written (permission)")
        with tempfile.TemporaryFile(dir=path.parent):
            pass  # what access() does not know, as of /proc
        if _command is not None:
            _command.writes(path, option)


@contextlib.contextmanager
def _told(path: Path, option: str) -> Iterator[None]:
    """The system's refusals as ours."""
    try:
        yield
    except OSError as error:
        why = f"cannot be written ({error.strerror or error})"
        raise InputError(option, path, why) from error


# ---- no output over an input


class Command:
    """The files that a command has opened to read, those that it is to write and that are there,
    and those that it goes on with, which it may read and write."""

    def __init__(self) -> None:
        self.read: set[str | int] = set()  # names, and numbers of files that are open
        self.planned: dict[tuple[int, int], tuple[str, Path]] = {}
        self.own: set[Path] = set()
        self.refusal: InputError | None = None

    def reads(self, path: str | int) -> None:
        """Raises InputError where it is to be written."""
        self.read.add(path)
        if self.planned and (output := self.planned.get(_identity(path) or (0, 0))):
            self._refuse_over(*output)

    def writes(self, path: Path, option: str) -> None:
        """Raises InputError where it has been read."""
        identity = _identity(path)
        if identity is None or not self.own.isdisjoint([path.resolve(), *path.resolve().parents]):
            return
        if any(_identity(read) == identity for read in self.read):
            self._refuse_over(option, path)
        self.planned[identity] = (option, path)

    def _refuse_over(self, option: str, path: Path) -> NoReturn:
        self.refusal = InputError(option, path, "is read by this command, and would be lost")
        raise self.refusal


_command: Command | None = None


@contextlib.contextmanager
def command() -> Iterator[None]:
    """Within, no file is written that has been read, under whatever name or link, and none is read
    that is to be written, so that most are refused before anything is computed.

    Python tells of every file that is opened (PEP 578): no reader can be forgotten.
    """
    global _command
    if not _hooked:
        sys.addaudithook(_hear)
        _hooked.append(True)
    _command = Command()
    try:
        yield
    finally:
        _command = None


_hooked: list[bool] = []  # a hook is for ever


def _hear(event: str, about: tuple[Any, ...]) -> None:
    if event != "open" or _command is None or not isinstance(about[0], str):
        return
    if not about[2] & (os.O_WRONLY | os.O_RDWR):
        _command.reads(about[0])


def reads(path: Path | int) -> None:
    """To be called where a file is read by somebody else than this process's Python, or was opened
    by somebody else, as 0, to which the shell's < may have put any file."""
    if _command is not None:
        _command.reads(path if isinstance(path, int) else str(path))


def goes_on_with(path: Path) -> None:
    """This file, or what is in this folder, is the command's own, to be read and written."""
    if _command is not None:
        _command.own.add(path.resolve())


def refusal() -> InputError | None:
    """Why the command may not go on, if that is so: a library that opened the file may have told it
    in words of its own, as a file that is damaged."""
    return None if _command is None else _command.refusal


def _identity(path: str | Path | int) -> tuple[int, int] | None:
    """An identity that all names of one file share; None: there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116  (a Path has no numbers)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def keep_cached(path: Path, write: Callable[[Path], Any], like: str, kept: int) -> None:
    """Writes a cache file. Of the files named `like` it deletes all but the newest `kept`, and
    it deletes what ended processes left. If the cache cannot be written, it goes on without."""
    with contextlib.suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        goes_on_with(path)
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
    folder = Path(os.environ.get(SWEEPS) or PLANS)
    if not folder.is_dir():
        raise InputError(SWEEPS, folder, "there is no such folder")
    return folder


def compiled_networks() -> bool:
    """Whether networks are to be the compiled ones: TOYFLOWS_NETWORKS. Raises InputError for a word
    that it has not."""
    word = os.environ.get(NETWORKS) or CHOICES[0]
    if word not in CHOICES:
        raise InputError(NETWORKS, word, f"must be {' or '.join(CHOICES)}")
    return word == CHOICES[0]


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


def check_memory(option: str, value: object, need: float) -> None:
    """Raises InputError(option) where so many bytes are not free."""
    free = free_memory()
    if need > free:
        why = f"needs {need / 2**30:.1f} GiB of memory, there is {free / 2**30:.1f} GiB"
        raise InputError(option, value, why)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def whole_folder(path: Path, marker: str, option: str = "out") -> Iterator[Path]:
    """A new folder beside `path`; when the block ends well it takes the place of `path`.

    A folder that is there before must be empty, or hold the file `marker` and only the files that
    are named in it: what somebody else has put there is not lost.
    Raises InputError(option) where it must not be replaced or cannot be written.
    """
    check_folder(path, marker, option)
    beside, prefix = path.absolute().parent, f".{path.name[:20]}-"
    with _told(path, option), tempfile.TemporaryDirectory(dir=beside, prefix=prefix) as place:
        new, old = Path(place, "new"), Path(place, "old")
        new.mkdir()
        yield new
        (new / marker).write_text("".join(f"{name}\n" for name in sorted(_within(new))), "utf-8")
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise


def _within(folder: Path) -> set[str]:
    """The files below a folder, and what is neither file nor folder."""
    return {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_symlink() or not p.is_dir()
    }


def check_folder(path: Path, marker: str, option: str = "out") -> None:
    """Raises InputError(option) unless a folder may be made at `path`, or be replaced there."""
    with _told(path, option):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise InputError(option, path, "is a file or a link, must be a folder")
        if not path.absolute().parent.is_dir():
            raise InputError(option, path, f"there is no folder {path.parent}")
        if path.is_dir() and any(path.iterdir()):
            made = path / marker
            known = made.read_text("utf-8").splitlines() if made.is_file() else []
            if other := sorted(_within(path) - {*known, marker}):
                must = "must be new, empty or as this command made it"
                raise InputError(option, path, f"holds other files ({other[0]}), {must}")
        if not os.access(path.absolute().parent, os.W_OK):
            raise InputError(option, path, "cannot be written (permission)")
