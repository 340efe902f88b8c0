"""Which figures there are: one per file of this folder whose name does not begin with "_".

Listing and refusing read the files' docstrings, and their place in the lecture (`ORDER = 10`),
without importing them, so neither costs the import of numpy, numba, scipy or matplotlib.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from toyflows.errors import InputError, nearest

FOLDER = Path(__file__).parent
PARTS = ("compute", "claim", "draw")
LAST = 1000  # the ORDER of a figure that states none
GROUPS = {  # by the first ORDER of each
    0: "Two modes and one weight [C]",
    200: "Letters: energies from images [F]",
    300: "Scores and diffusion [G] [D]",
    500: "Hopfield, Ising, Boltzmann [G]",
    LAST: "Further figures",
}


class NotAFigure(RuntimeError):
    """A file of the folder does not keep the contract of a figure; the message names the module."""


class Description(NamedTuple):
    """A figure's docstring: `title` is its first sentence, `caption` what follows."""

    title: str
    caption: str


def ids() -> list[str]:
    """The stems of the figure files in the lecture's order: by their ORDER, then by name."""
    return sorted(_stems(), key=lambda figure: (_order(figure), figure))


def in_order(names: Iterable[str]) -> list[str]:
    """`names` as ids() has them; those that are no figures at the end."""
    places = {figure: place for place, figure in enumerate(ids())}
    return sorted(names, key=lambda name: (places.get(name, len(places)), name))


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """`names` by their group, in the order of both; groups without any are left out."""
    out: dict[str, list[str]] = {}
    for name in names:
        start = max(first for first in GROUPS if first <= max(_order(name), 0))
        out.setdefault(GROUPS[start], []).append(name)
    return out


def _stems() -> list[str]:
    return [p.stem for p in FOLDER.glob("*.py") if p.name[0] not in "._"]


def _order(figure: str) -> int:
    """The file's constant ORDER, LAST where it has none or cannot be read."""
    try:
        body = _parsed((FOLDER / f"{figure}.py").read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return LAST
    for line in body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
            names = [target.id for target in line.targets if isinstance(target, ast.Name)]
            if "ORDER" in names and type(line.value.value) is int:
                return line.value.value
    return LAST


@functools.cache
def _parsed(source: bytes) -> ast.Module:
    """Kept, since the order of all figures is asked for again after each of them."""
    return ast.parse(source)


def path_of(figure: str) -> Path:
    """The file of a figure. Raises InputError, naming the nearest, where there is none."""
    if figure not in _stems():
        known = ids()
        raise InputError("figure", figure, f"unknown; {nearest(figure, known)}")
    return FOLDER / f"{figure}.py"


def describe(figure: str) -> Description:
    """Title and caption, read from the source. Raises InputError; NotAFigure without docstring."""
    path = path_of(figure)
    try:
        text = ast.get_docstring(_parsed(path.read_bytes()))
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        raise NotAFigure(f"{_module(figure)} is not Python: {error}") from None
    if not text:
        raise NotAFigure(f"{_module(figure)} has no docstring: it is the figure's caption")
    return read(text)


def read(text: str) -> Description:
    """Title and caption of a docstring."""
    first, _, rest = text.partition("\n\n")
    title, *more = re.split(r"(?<=[.!?])\s+", " ".join(first.split()), maxsplit=1)
    return Description(title.removesuffix("."), "\n\n".join([*more, rest]).strip())


def load(figure: str) -> ModuleType:
    """The figure's module, read afresh: an edited file is never taken from an earlier import.

    Raises InputError for an unknown figure, NotAFigure where a part of the contract is missing.
    """
    path, name = path_of(figure), _module(figure)
    describe(figure)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up here
    spec.loader.exec_module(module)
    missing = [part for part in PARTS if not callable(getattr(module, part, None))]
    if missing:
        raise NotAFigure(f"{name} has no {' and no '.join(missing)}: "
                         f"a figure is {', '.join(PARTS)}")  # fmt: skip
    return module


def _module(figure: str) -> str:
    return f"{__package__}.{figure}"
