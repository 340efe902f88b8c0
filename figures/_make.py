"""Makes figures: compute → claim → draw, and keeps the book of what is finished.

    make(["mixture", "nce_bias"], Path("gallery"))

What `compute` returns is cached under a key that names everything it can depend on: the figure's
file, the library's sources, scale, seed and versions. A figure is finished when its pictures are
whole files and `manifest.json` has their hashes. Only the parent process writes that book, after
each figure, so the same command continues a run that was killed at any moment.

Nothing heavy is imported before a figure is made: refusing is instant.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import multiprocessing
import os
import platform
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.metadata import version
from numbers import Integral, Real
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import toyflows
from toyflows.errors import InputError
from toyflows.figures import _registry
from toyflows.figures._registry import NotAFigure
from toyflows.files import user_cache, whole_file

if TYPE_CHECKING:
    from toyflows.cloud import Array

if sys.platform != "win32":
    import fcntl

FORMATS = ("png", "pdf", "svg")
LARGEST_SCALE, MOST_JOBS = 10.0, 256
MANIFEST, GALLERY, MADE_BY = "manifest.json", "index.html", "toyflows figures"
KEPT = 4  # computations of a figure in the cache: two sizes or seeds, before and after an edit
DAY = 86400.0
# One thread each, for numbers that do not depend on `jobs`: a BLAS sum's order depends on threads.
BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Task:
    """One figure to make. It crosses to a worker process, whose _registry.FOLDER it sets."""

    figure: str
    out: Path
    formats: tuple[str, ...]
    scale: float
    seed: int
    key: str
    folder: Path
    fresh: bool = False  # make it again, though it is finished or its computation is cached


@dataclass(frozen=True)
class Result:
    """What became of a figure: `entry` is its page in the manifest, None where it was not made.

    `message` is "made", "unchanged", or why it was not made; `trace` is for the figure's author.
    """

    figure: str
    seconds: float
    message: str
    entry: dict[str, Any] | None = None
    trace: str = ""


Progress = Callable[[Result], None]
Book = dict[str, Any]  # the content of manifest.json


def make(
    ids: Sequence[str],
    out: Path,
    formats: Sequence[str] = ("png",),
    scale: float = 1.0,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Result]:
    """Makes the figures `ids` and a gallery in the folder `out`; one Result each, in that order.

    A figure whose claim fails is not written, and the others are made. Raises InputError, before
    anything is written, for what cannot be done.
    """
    check(scale, seed, jobs)
    wanted = _checked_formats(formats)
    return produce(tasks(dict.fromkeys(ids, (scale, seed)), out, wanted), jobs, progress)


def tasks(
    settings: Mapping[str, tuple[float, int]],
    out: Path,
    formats: tuple[str, ...],
    fresh: bool = False,
) -> list[Task]:
    """A task for each figure of {figure: (scale, seed)}. Raises InputError for an unknown one."""
    sources = _sources()
    return [
        Task(figure, out, formats, float(scale), int(seed),
             _key(figure, float(scale), int(seed), sources), _registry.FOLDER, fresh)
        for figure, (scale, seed) in settings.items()
    ]  # fmt: skip


def produce(todo: Sequence[Task], jobs: int, progress: Progress | None = None) -> list[Result]:
    """Makes what is not finished; all tasks have one `out`."""
    from toyflows.figures import _gallery

    if not todo:
        return []
    out, done = todo[0].out, dict[str, Result]()
    with _own(out):
        book = _open_book(out)
        try:
            with contextlib.closing(_results(todo, book["figures"], jobs)) as results:
                for result in results:
                    done[result.figure] = result
                    _enter(book, result)
                    _write_book(out, book)
                    if progress is not None:
                        progress(result)
        finally:  # Ctrl-C too: the gallery shows what is finished
            if done:
                _gallery.write(out, book)
    return [done[task.figure] for task in todo]


def _results(todo: Sequence[Task], made: Book, jobs: int) -> Generator[Result, None, None]:
    """The finished figures, then the others as they become ready."""
    waiting = []
    for task in todo:
        kept = made.get(task.figure)
        task = replace(task, formats=_with_earlier_formats(task, kept))
        if kept is not None and not task.fresh and _is_finished(task, kept):
            yield Result(task.figure, 0.0, "unchanged", kept)
        else:
            waiting.append(task)
    if min(jobs, len(waiting)) > 1:
        yield from _in_workers(waiting, min(jobs, len(waiting)))
    else:
        with _environment(BLAS):  # heard by a numpy that is not imported yet
            yield from map(build, waiting)


def _with_earlier_formats(task: Task, kept: Book | None) -> tuple[str, ...]:
    """All files of a figure come from one computation, so those made earlier are made again."""
    earlier = () if kept is None else kept["files"]
    return tuple(f for f in FORMATS if f in task.formats or f"{task.figure}.{f}" in earlier)


def _is_finished(task: Task, kept: Book) -> bool:
    names = [f"{task.figure}.{f}" for f in task.formats]
    return kept["key"] == task.key and all(
        (task.out / name).is_file() and _sha(task.out / name) == kept["files"].get(name)
        for name in names
    )


# ------------------------------------------------------------------ what may be asked
def check(scale: float, seed: int, jobs: int) -> None:
    """Raises InputError for numbers out of range."""
    if not 0 < scale <= LARGEST_SCALE:  # nan is not
        raise InputError("scale", scale, f"allowed is 0 < scale ≤ {LARGEST_SCALE:g}")
    if not 0 <= seed < 2**63:
        raise InputError("seed", seed, "allowed is 0 ≤ seed < 2^63")
    if not 1 <= jobs <= MOST_JOBS:
        raise InputError("jobs", jobs, f"allowed is 1 to {MOST_JOBS}")


def _checked_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Those asked for, in the order of FORMATS; with pdf alone a png, for the gallery to show."""
    for name in formats or [""]:
        if name not in FORMATS:
            raise InputError("format", name or "''", f"allowed are {', '.join(FORMATS)}")
    also = "png" if set(formats) == {"pdf"} else ""
    return tuple(f for f in FORMATS if f in formats or f == also)


@contextlib.contextmanager
def _own(out: Path) -> Iterator[None]:
    """The folder `out`, made where it is missing, and ours alone: hidden files that lie there are
    then left from a dead process, and are cleared away at the end. Raises InputError(out)."""
    if out.exists() and not out.is_dir():
        raise InputError("out", out, "is a file, allowed is a folder")
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


# ------------------------------------------------------------------ one figure
def build(task: Task) -> Result:
    """Makes one figure in this process; what goes wrong is in the Result."""
    from toyflows.stats import ClaimError

    _registry.FOLDER = task.folder
    start, entry, message, trace = time.perf_counter(), None, "made", ""
    try:
        entry = _entry(task, start)
    except ClaimError as error:
        message = f"claim fails: {error}"
    except NotAFigure as error:
        message = str(error)
    except Exception as error:
        message, trace = f"{type(error).__name__}: {error}", traceback.format_exc()
    message = " ".join(message.split())
    return Result(task.figure, time.perf_counter() - start, message, entry, trace)


def _entry(task: Task, start: float) -> Book:
    """compute → claim → draw → files; the figure's page in the manifest."""
    module = _registry.load(task.figure)
    title, caption = _registry.describe(task.figure)
    data, earlier = _computed(module, task)
    claim = _numbers(task.figure, module.claim(data))
    files = _draw(module, data, task)
    return {
        "title": title,
        "caption": caption,
        "scale": task.scale,
        "seed": task.seed,
        "seconds": round(time.perf_counter() - start + earlier, 3),
        "claim": claim,
        "files": files,
        "versions": versions(),
        "key": task.key if _is_current(task) else "edited meanwhile",
    }


def _is_current(task: Task) -> bool:
    """Whether the sources are still those of the task's key."""
    return _key(task.figure, task.scale, task.seed, _sources()) == task.key


def _numbers(figure: str, claim: Mapping[str, Any]) -> Book:
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
        raise NotAFigure(f"toyflows.figures.{figure}: claim gives a {type(value).__name__} as "
                         f"{name!r}, allowed are Checked, numbers and text")  # fmt: skip

    return {str(name): plain(name, value) for name, value in claim.items()}


def _draw(module: ModuleType, data: dict[str, Array], task: Task) -> dict[str, str]:
    """Writes the pictures, all or none; the hash of each by its name."""
    from toyflows.figures._signature import save_picture
    from toyflows.figures._style import new_figure, style

    files = {}
    with style(), contextlib.ExitStack() as whole:
        figure = new_figure()
        module.draw(figure, data)
        for suffix in task.formats:
            path = task.out / f"{task.figure}.{suffix}"
            temporary = whole.enter_context(whole_file(path))
            save_picture(figure, temporary)
            files[path.name] = _sha(temporary)
    return files


# ------------------------------------------------------------------ what compute gave, kept
def _computed(module: ModuleType, task: Task) -> tuple[dict[str, Array], float]:
    """compute's arrays, and the seconds it took when they come from the cache."""
    import numpy as np

    place = _cache_place(task)
    if place is not None and (found := _cached(place)) is not None:
        return found
    start = time.perf_counter()
    data = {name: np.asarray(v) for name, v in module.compute(task.scale, task.seed).items()}
    for name, values in data.items():
        if values.dtype.hasobject:
            raise NotAFigure(f"{module.__name__}: compute gives objects as {name!r}, "
                             "allowed are arrays of numbers and of text")  # fmt: skip
    if place is not None and _is_current(task):
        _keep(place, data, time.perf_counter() - start, task.figure)
    return data, 0.0


def _cache_place(task: Task) -> Path | None:
    try:
        return None if task.fresh else user_cache() / "figures" / f"{task.figure}-{task.key}.npz"
    except RuntimeError:  # no home folder
        return None


def _cached(place: Path) -> tuple[dict[str, Array], float] | None:
    import numpy as np

    try:
        with np.load(place, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        seconds = float(arrays.pop("seconds"))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None  # not there, or not whole
    return {name.removeprefix("data/"): values for name, values in arrays.items()}, seconds


def _keep(place: Path, data: dict[str, Array], seconds: float, figure: str) -> None:
    """Writes the cache, and drops the oldest; a cache that cannot be written is no cache."""
    import numpy as np

    with contextlib.suppress(OSError, InputError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(place) as temporary:
            named: dict[str, Any] = {f"data/{name}": values for name, values in data.items()}
            np.savez(temporary, seconds=seconds, **named)
        aged = sorted(place.parent.glob(f"{figure}-*.npz"), key=lambda p: -p.stat().st_mtime)
        dead = [p for p in place.parent.glob(".*.npz") if time.time() - p.stat().st_mtime > DAY]
        for path in aged[KEPT:] + dead:
            path.unlink(missing_ok=True)


def _key(figure: str, scale: float, seed: int, sources: str) -> str:
    own = hashlib.sha256(_registry.path_of(figure).read_bytes()).hexdigest()
    return hashlib.sha256(f"{own} {sources} {scale!r} {seed}".encode()).hexdigest()


def _sources() -> str:
    """The hash of everything that all figures depend on: library, shared figure code, versions."""
    library, figures = Path(toyflows.__file__).parent, Path(__file__).parent
    paths = [
        path
        for suffix in ("*.py", "*.csv")
        for path in library.rglob(suffix)
        if path.relative_to(library).parts[0] not in ("cli", "figures")  # inside, when installed
    ]
    paths += [*figures.glob("_*.py"), *figures.glob("*.mplstyle")]
    total = hashlib.sha256(json.dumps(versions()).encode())
    for path in sorted(paths):
        total.update(f"{path.name} {_sha(path)}\n".encode())
    return total.hexdigest()


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """Of everything that the numbers and pictures may depend on."""
    packages = ("numpy", "numba", "scipy", "matplotlib")
    found = {"toyflows": toyflows.__version__} | {name: version(name) for name in packages}
    return found | {"python": platform.python_version()}


# ------------------------------------------------------------------ worker processes
def _in_workers(todo: Sequence[Task], jobs: int) -> Iterator[Result]:
    """`build` in `jobs` processes. When the caller stops, so do they, at once."""
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    with _environment((*BLAS, "NUMBA_NUM_THREADS")):
        pool = ProcessPoolExecutor(jobs, context, _become_worker)
        try:
            with _deaf_to_interrupts():
                futures = {pool.submit(build, task): task for task in todo}
            for future in as_completed(futures):
                yield _result(futures[future], future)
        except BaseException:
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _result(task: Task, future: Future[Result]) -> Result:
    """A worker that died takes the figures that were waiting with it; the next run makes them."""
    error = future.exception()
    if error is None:
        return future.result()
    return Result(task.figure, 0.0, f"not made: a worker process died ({type(error).__name__})")


def _become_worker() -> None:
    """In a new worker: Ctrl-C is the parent's business, and without a parent there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave() -> None:
        parent.join()
        os._exit(1)  # the parent was killed: nobody would write the manifest

    threading.Thread(target=leave, daemon=True).start()


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started here ignore Ctrl-C from their first instruction on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def _environment(names: Sequence[str]) -> Iterator[None]:
    """The environment variables `names` are 1 for now."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# ------------------------------------------------------------------ the manifest
def _open_book(out: Path) -> Book:
    """The folder's manifest, or an empty one. Raises InputError(out) for somebody else's files."""
    try:
        if (out / MANIFEST).exists():
            return read_manifest(out / MANIFEST) | {"versions": versions()}
    except InputError as error:
        raise InputError("out", out, f"its {MANIFEST} {error.why}") from None
    if (out / GALLERY).exists():
        raise InputError("out", out, f"has an {GALLERY} that toyflows did not write")
    return {"made_by": MADE_BY, "versions": versions(), "figures": {}, "failed": {}}


def _enter(book: Book, result: Result) -> None:
    """A failure leaves an earlier success in the book, and stands beside it."""
    book["failed"].pop(result.figure, None)
    if result.entry is not None:
        book["figures"][result.figure] = result.entry
    else:  # of a crash only its kind: its words may name this machine's folders
        says = result.message.partition(":")[0] if result.trace else result.message
        book["failed"][result.figure] = says


def _write_book(out: Path, book: Book) -> None:
    with whole_file(out / MANIFEST) as temporary:
        sections = {name: dict(sorted(book[name].items())) for name in ("figures", "failed")}
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


def _is_entry(figure: str, entry: Any) -> bool:
    """Whether it has what is used, so that no other code needs to look."""
    texts, tables = ("title", "caption", "key"), ("claim", "files", "versions")
    try:
        check(entry["scale"], entry["seed"], 1)
        own_files = {f"{figure}.{suffix}" for suffix in FORMATS}  # and nobody's else
        return (
            Path(figure).name == figure
            and isinstance(entry["seed"], int)
            and isinstance(entry["seconds"], Real)
            and all(isinstance(entry[name], str) for name in texts)
            and all(isinstance(entry[name], dict) for name in tables)
            and all(_is_number(n) for value in entry["claim"].values() for n in parts(value))
            and entry["files"].keys() <= own_files
        )
    except (KeyError, TypeError, InputError):
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | str)


def parts(value: Any) -> list[Any]:
    """The numbers of one line of a claim: a Checked has several."""
    return list(value.values()) if isinstance(value, dict) else [value]
