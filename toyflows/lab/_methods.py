"""The methods that the two-mode room offers: the built-in ones, and those of the lecturer's files.

A visitor's address can only name one of these: it never names a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toyflows.errors import InputError
from toyflows.flows import Flow, make, registry
from toyflows.method import label, method
from toyflows.settings import not_on

GROUPS = {  # as in the lecture; what is named in none of them is the lecturer's own
    "lecture": ("ml", "score-matching", "nce", "cd", "pcd", "gan"),
    "cures": ("jarzynski", "tempering", "replay-buffer", "short-run", "denoising", "multi-noise"),
    "other divergences": ("reverse-kl", "hellinger", "total-variation", "wasserstein", "bregman"),
}
YOURS = "your own file"
OWN: dict[str, Flow] = {}  # by the name on the page


def offer(words: str) -> str:
    """Adds a method (toyflows.method), and returns its name on the page. Raises InputError."""
    flow = method(words)
    if why := not_on(flow, "grid"):
        raise InputError("loss", words, f"{why}: the room shows a Flow class")
    OWN[label(flow)] = flow
    return label(flow)


def known() -> dict[str, type[Flow]]:
    """All classes by their names on the page."""
    return registry() | {name: type(flow) for name, flow in OWN.items()}


def made(name: str, options: Mapping[str, Any]) -> Flow:
    """The method of that name on the page. Raises InputError."""
    return method(OWN[name], options) if name in OWN else make(name, **options)


def grouped() -> dict[str, tuple[str, ...]]:
    """The names of all methods by their groups, in the order of the lecture."""
    placed = {name for names in GROUPS.values() for name in names}
    rest = tuple(name for name in known() if name not in placed)
    return GROUPS | ({YOURS: rest} if rest else {})


def titles() -> dict[str, str]:
    """What the page calls each method."""
    return {name: flow.title or name for name, flow in known().items()}
