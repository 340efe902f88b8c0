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
