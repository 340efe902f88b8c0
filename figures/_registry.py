"""Which figures there are: one per file of this folder whose name does not begin with "_".

Listing and refusing read the files' docstrings without importing them, so neither costs the import
of numpy, numba, scipy or matplotlib.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from toyflows.errors import InputError

FOLDER = Path(__file__).parent
PARTS = ("compute", "claim", "draw")


class NotAFigure(RuntimeError):
    """A file of the folder does not keep the contract of a figure; the message names the module."""


class Description(NamedTuple):
    """A figure's docstring: `title` is its first sentence, `caption` what follows."""

    title: str
    caption: str


def ids() -> list[str]:
    """The stems of the figure files, sorted."""
    return sorted(p.stem for p in FOLDER.glob("*.py") if p.name[0] not in "._")


def path_of(figure: str) -> Path:
    """Its file. Raises InputError, naming the nearest, where there is none."""
    known = ids()
    if figure not in known:
        near = difflib.get_close_matches(figure, known, n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known)}"
        raise InputError("figure", figure, f"unknown; {hint}")
    return FOLDER / f"{figure}.py"


def describe(figure: str) -> Description:
    """Title and caption, read from the source. Raises InputError; NotAFigure without docstring."""
    path = path_of(figure)
    try:
        text = ast.get_docstring(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        raise NotAFigure(f"{_module(figure)} is not Python: {error}") from None
    if not text:
        raise NotAFigure(f"{_module(figure)} has no docstring: it is the figure's caption")
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
