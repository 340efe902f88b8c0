"""Makes the figures of a manifest again, and says whether any number of their claims has moved."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toyflows.errors import InputError
from toyflows.figures import _make, _registry

Numbers = dict[str, Any]


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
    _make.check(1.0, 0, jobs)
    book = _make.read_manifest(manifest)["figures"]
    if out is not None and out.resolve() == manifest.resolve().parent:
        raise InputError("out", out, "holds the manifest itself; allowed is another folder")
    known = set(_registry.ids())
    settings = {i: (entry["scale"], entry["seed"]) for i, entry in book.items() if i in known}
    with tempfile.TemporaryDirectory() as forgotten:
        todo = _make.tasks(settings, out or Path(forgotten), ("png",), fresh=True)
        results = _make.produce(todo, jobs, progress)
    moved = [f"{i}: there is no such figure any more" for i in book if i not in known]
    for result in results:
        before = book[result.figure]["claim"]
        if result.entry is None:
            moved.append(f"{result.figure}: {result.message}")
        else:
            moved += [f"{result.figure} {line}" for line in _moved(before, result.entry["claim"])]
    numbers = sum(len(_flat(entry["claim"])) for entry in book.values())
    return Replay(len(book), numbers, moved, _versions(book))


def _flat(claim: Numbers) -> Numbers:
    """{"drift": {"value": v, "margin": m}} → {"drift": v, "drift margin": m}."""
    flat = {}
    for name, value in claim.items():
        for part, number in value.items() if isinstance(value, dict) else [("value", value)]:
            flat[name if part == "value" else f"{name} {part}"] = number
    return flat


def _moved(before: Numbers, after: Numbers) -> list[str]:
    """One line for each number that differs; repr tells floats apart to the last bit."""
    old, new = _flat(before), _flat(after)
    return [
        f"{name} {_text(old, name)} → {_text(new, name)}{_relative(old.get(name), new.get(name))}"
        for name in old | new
        if _text(old, name) != _text(new, name)
    ]


def _text(numbers: Numbers, name: str) -> str:
    value = numbers.get(name, "nothing")
    return repr(value) if not isinstance(value, str) else value


def _relative(old: Any, new: Any) -> str:
    """The size of the move, where both are numbers."""
    if isinstance(old, str | None) or isinstance(new, str | None):
        return ""
    return f" (relative {abs(new - old) / max(abs(new), abs(old)):.1e})"


def _versions(book: Numbers) -> list[str]:
    now = _make.versions()
    return sorted({
        f"{name} was {was}, is {now.get(name, 'not used')}"
        for entry in book.values()
        for name, was in entry["versions"].items()
        if was != now.get(name)
    })  # fmt: skip
