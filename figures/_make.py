"""Makes figures: compute → claim → draw, and keeps the book of what is finished.

    make(["mixture", "nce_bias"], Path("gallery"))

A figure is finished when its pictures are whole files and `manifest.json` has their hashes. Only
the parent process writes that book, after each figure, so the same command continues a run that
was killed at any moment. What `compute` returns is cached (_cache.py).

Nothing heavy is imported before a figure is made: refusing is instant.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from toyflows import workers
from toyflows.errors import InputError
from toyflows.figures import _cache, _look, _manifest, _registry
from toyflows.figures._look import PLAIN, Look
from toyflows.figures._manifest import FORMATS, Book
from toyflows.figures._manifest import GALLERY as GALLERY  # for the command line
from toyflows.figures._manifest import read_manifest as read_manifest  # the same
from toyflows.files import whole_file

if TYPE_CHECKING:
    from toyflows.cloud import Array


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
    look: Look = PLAIN


@dataclass(frozen=True)
class Result:
    """What became of a figure: `entry` is its page in the manifest, None where it was not made.

    `message` is "made", "unchanged", or why it was not made; `trace` is for the figure's author;
    `no_panel` says that the panel that is asked for is not there.
    """

    figure: str
    seconds: float
    message: str
    entry: dict[str, Any] | None = None
    trace: str = ""
    no_panel: bool = False

    @property
    def failure(self) -> str:
        """The failure for the manifest. A crash gives only its kind: its words may name folders."""
        return self.message.partition(":")[0] if self.trace else self.message


Progress = Callable[[Result], None]


def make(
    ids: Sequence[str],
    out: Path,
    formats: Sequence[str] = ("png",),
    scale: float = 1.0,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
    look: Look = PLAIN,
) -> list[Result]:
    """Makes the figures `ids` and a gallery in the folder `out`; one Result each, in that order.

    A figure whose claim fails is not written, and the others are made. Raises InputError, before
    anything is written, for what cannot be done; for a panel that a figure has not, before that
    figure is.
    """
    _manifest.check(scale, seed, jobs)
    wanted = _manifest.checked_formats(formats)
    return produce(tasks(dict.fromkeys(ids, (scale, seed)), out, wanted, look), jobs, progress)


def tasks(
    settings: Mapping[str, tuple[float, int]],
    out: Path,
    formats: tuple[str, ...],
    look: Look,
    fresh: bool = False,
) -> list[Task]:
    """A task for each figure of {figure: (scale, seed)}. Raises InputError for an unknown one."""
    sources = _cache.sources()
    return [
        Task(figure, out, formats, float(scale), int(seed),
             _cache.key(figure, float(scale), int(seed), sources), _registry.FOLDER, fresh, look)
        for figure, (scale, seed) in settings.items()
    ]  # fmt: skip


def produce(todo: Sequence[Task], jobs: int, progress: Progress | None = None) -> list[Result]:
    """Makes what is not finished; all tasks have one `out`."""
    from toyflows.figures import _gallery

    if not todo:
        return []
    out, done = todo[0].out, dict[str, Result]()
    with _manifest.own(out):
        book = _manifest.open_book(out)
        try:
            with contextlib.closing(_results(todo, book["figures"], jobs)) as results:
                for result in results:
                    if result.no_panel:
                        raise InputError("panel", todo[0].look.panel, result.message)
                    done[result.figure] = result
                    _manifest.enter(book, result.figure, result.entry, result.failure)
                    _manifest.write(out, book)
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
        yield from workers.in_workers(build, waiting, min(jobs, len(waiting)), _died)
    else:
        with workers.environment(workers.BLAS):  # heard by a numpy that is not imported yet
            yield from map(build, waiting)


def _with_earlier_formats(task: Task, kept: Book | None) -> tuple[str, ...]:
    """All files of a figure come from one computation, so those made earlier are made again."""
    earlier = () if kept is None else kept["files"]
    return tuple(f for f in FORMATS if f in task.formats or f"{task.figure}.{f}" in earlier)


def _is_finished(task: Task, kept: Book) -> bool:
    names = [f"{task.figure}.{f}" for f in task.formats]
    same = kept["key"] == task.key and kept.get("look", {}) == task.look.asked
    return same and all(
        (task.out / name).is_file() and _cache.sha(task.out / name) == kept["files"].get(name)
        for name in names
    )


def _died(task: Task, error: BaseException) -> Result:
    """A worker that died takes the figures that were waiting with it; the next run makes them."""
    return Result(task.figure, 0.0, f"not made: a worker process died ({type(error).__name__})")


# ------------------------------------------------------------------ one figure
def build(task: Task) -> Result:
    """Makes one figure in this process; what goes wrong is in the Result."""
    from toyflows.stats import ClaimError

    _registry.FOLDER = task.folder
    start, entry, message, trace, missing = time.perf_counter(), None, "made", "", False
    try:
        entry = _entry(task, start)
    except ClaimError as error:
        message = f"claim fails: {error}"
    except _registry.NotAFigure as error:
        message = str(error)
    except _look.NoPanel as error:
        message, missing = error.why, True
    except Exception as error:  # a figure's own bug: the others are made, its author gets the trace
        message, trace = f"{type(error).__name__}: {error}", traceback.format_exc()
    message = " ".join(message.split())
    return Result(task.figure, time.perf_counter() - start, message, entry, trace, missing)


def _entry(task: Task, start: float) -> Book:
    """compute → claim → draw → files; the figure's page in the manifest."""
    module = _registry.load(task.figure)
    from toyflows.figures import _title

    title, caption = _registry.describe(task.figure)
    data, earlier = _computed(module, task)
    claim = _manifest.numbers(task.figure, module.claim(data))
    _title.check(title, claim, getattr(module, "SAYS", None))
    files = _draw(module, data, _registry.Description(title, caption), task)
    return {
        "title": title,
        "caption": caption,
        "scale": task.scale,
        "seed": task.seed,
        "seconds": round(time.perf_counter() - start + earlier, 3),
        "claim": claim,
        "files": files,
        "look": task.look.asked,
        "versions": _cache.versions(),
        "key": task.key if _is_current(task) else "edited meanwhile",
    }


def _is_current(task: Task) -> bool:
    """Whether the sources are still those of the task's key."""
    now = _cache.key(task.figure, task.scale, task.seed, _cache.sources())
    return now == task.key


def _computed(module: ModuleType, task: Task) -> tuple[dict[str, Array], float]:
    """compute's arrays, and the seconds it took when they come from the cache."""
    place = None if task.fresh else _cache.place(task.figure, task.key)
    if place is not None and (found := _cache.cached(place)) is not None:
        return found
    start = time.perf_counter()
    data = _cache.arrays(task.figure, module.compute(task.scale, task.seed))
    if place is not None and _is_current(task):
        _cache.keep(place, data, time.perf_counter() - start, task.figure)
    return data, 0.0


def _draw(
    module: ModuleType, data: dict[str, Array], said: _registry.Description, task: Task
) -> dict[str, str]:
    """Writes the pictures, all or none; the hash of each by its name."""
    from toyflows.figures._style import message, new_figure, symbols
    from toyflows.figures._title import mathtext

    files = {}
    with _look.style(task.look), contextlib.ExitStack() as whole:
        figure = new_figure()
        if task.look.has_title:  # first: some drawings settle their layout
            message(figure, mathtext(said.title))
        module.draw(figure, data)
        symbols(figure)
        _look.fit(figure, task.look)
        for suffix in task.formats:
            path = task.out / f"{task.figure}.{suffix}"
            temporary = whole.enter_context(whole_file(path))
            _look.save(figure, temporary, task.look, _told(task, said))
            files[path.name] = _cache.sha(temporary)
    return files


def _told(task: Task, said: _registry.Description) -> dict[str, str]:
    """What a PDF says of itself: sentence, caption, the command that makes it, the version."""
    command = f"toyflows figures one {task.figure} --scale {task.scale:g} --seed {task.seed}"
    command += _look.options(task.look.asked)
    version = _cache.versions()["toyflows"]
    return {"Title": said.title, "Subject": " ".join(said.caption.split()), "Keywords": command,
            "Creator": f"toyflows {version}"}  # fmt: skip
