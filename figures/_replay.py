"""Makes the figures of a manifest again, and says whether any number of their claims has moved."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toyflows.errors import InputError
from toyflows.figures import _cache, _look, _make, _manifest, _registry

Numbers = dict[tuple[str, str], Any]  # by line of the claim and part of it


@dataclass(frozen=True)
class Replay:
    """`moved` has a line for each number that is not bit for bit the recorded one, and for each
    figure that could not be made; `versions` a line for each version that differs."""

    figures: int
    numbers: int
    moved: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)


def replay(
    manifest: Path,
    out: Path | None = None,
    jobs: int = 1,
    progress: _make.Progress | None = None,
) -> Replay:
    """Computes each figure with its recorded scale and seed, never from the cache.

    The new figures are kept in the folder `out`, if one is given. Raises InputError.
    """
    _manifest.check(1.0, 0, jobs)
    book = _manifest.read_manifest(manifest)["figures"]
    if out is not None and out.resolve() == manifest.resolve().parent:
        raise InputError("out", out, "holds the manifest itself; must be another folder")
    known = set(_registry.ids())
    settings = {i: (entry["scale"], entry["seed"]) for i, entry in book.items() if i in known}
    with tempfile.TemporaryDirectory() as forgotten:
        todo = _make.tasks(settings, out or Path(forgotten), ("png",), _look.PLAIN, fresh=True)
        results = _make.produce(todo, jobs, progress)
    moved = [f"{i}: there is no such figure any more" for i in book if i not in known]
    for result in results:
        before = book[result.figure]["claim"]
        if result.entry is None:
            moved.append(f"{result.figure}: {result.message}")
        else:
            moved += [f"{result.figure} {line}" for line in _moved(before, result.entry["claim"])]
    numbers = sum(part != "kind" for entry in book.values() for _, part in _flat(entry["claim"]))
    return Replay(len(book), numbers, moved, _versions(book))


def _flat(claim: _manifest.Book) -> Numbers:
    """{"drift": {"value": v, "margin": m}} → {("drift", "value"): v, ("drift", "margin"): m}."""
    return {
        (name, part): number
        for name, value in claim.items()
        for part, number in _manifest.parts(value).items()
    }


def _moved(before: _manifest.Book, after: _manifest.Book) -> list[str]:
    """One line for each number that differs; repr tells floats apart to the last bit."""
    old, new = _flat(before), _flat(after)
    return [
        f"{name}{'' if part == 'value' else ' ' + part} "
        f"{_text(was)} → {_text(now)}{_relative(was, now)}"
        for name, part in old | new
        if _text(was := old.get((name, part))) != _text(now := new.get((name, part)))
    ]


def _text(value: Any) -> str:
    """A manifest has no null: None is a number that one of the two claims does not have."""
    return "nothing" if value is None else value if isinstance(value, str) else repr(value)


def _relative(old: Any, new: Any) -> str:
    """The size of the move, where both are numbers."""
    if isinstance(old, str | None) or isinstance(new, str | None) or old == new:
        return ""  # equal, and yet they differ: 0.0 and −0.0, 1 and 1.0
    return f" (relative {abs(new - old) / max(abs(new), abs(old)):.1e})"


def _versions(book: _manifest.Book) -> list[str]:
    now = _cache.versions()
    return sorted({
        f"{name} was {was}, is {now.get(name, 'not used')}"
        for entry in book.values()
        for name, was in entry["versions"].items()
        if was != now.get(name)
    })  # fmt: skip
