"""One html file with recorded runs, or one that runs them: no server, no network and no Python.

plan(…) says what is asked and refuses what cannot be; `write` runs it and writes the file, and
`write_runs` writes runs that were saved. The page itself is page.html, page.css and the .js files.
`live.write` writes the page that computes in the reader's browser, from room/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from toyflows.files import available_cores, whole_file
from toyflows.pages import document, live, record
from toyflows.pages.plan import Axis, Plan, check_out, plan
from toyflows.run import Run
from toyflows.workers import in_workers

__all__ = ["Axis", "Plan", "check_out", "live", "plan", "write", "write_runs"]

Item = tuple[int, record.Order]
Progress = Callable[[float], None]


def write(
    path: str | Path,
    asked: Plan,
    title: str = "",
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Runs all that the plan asks for, writes the page, and returns its path. `progress` is told
    the share that is done, 0 … 1.

    One run uses all cores as threads, several use them as `jobs` processes: the numbers are the
    same. Raises InputError for a place that cannot be written, and for a page that is too large.
    """
    path = check_out(path)
    orders = list(enumerate(record.Order(s, asked.frames) for s in asked.runs))
    jobs = min(jobs or available_cores(), len(orders))
    told = progress or (lambda share: None)
    entries: list[dict[str, Any]] = [{}] * len(orders)
    if jobs == 1:
        for k, order in orders:
            entries[k] = record.entry(order, _part(told, k, len(orders)))
    else:
        for n, (k, entry) in enumerate(in_workers(_numbered, orders, jobs, _died)):
            entries[k] = entry
            told((n + 1) / len(orders))
    return _save(path, document.page(title, asked.axes, entries))


def write_runs(path: str | Path, runs: Sequence[tuple[str, Run]], title: str = "") -> Path:
    """Writes a page of runs that were made before, each with its name. Their walkers are shown at
    the end only, where a run keeps them. Raises InputError("out")."""
    path = check_out(path)
    axes = (Axis("run", "run", tuple(name for name, _ in runs)),)
    return _save(path, document.page(title, axes, [record.saved_entry(run) for _, run in runs]))


def _part(told: Progress, k: int, of: int) -> Progress:
    """Tells what is done of all where a share of the k-th is."""
    return lambda share: told((k + share) / of)


def _numbered(item: Item) -> tuple[int, dict[str, Any]]:
    return item[0], record.entry(item[1])


def _died(item: Item, error: BaseException) -> tuple[int, dict[str, Any]]:
    raise error


def _save(path: Path, html: str) -> Path:
    document.check_size(html)
    with whole_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8", newline="\n")
    return path
