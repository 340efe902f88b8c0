"""Names of a package that are imported on first use, and shown by `dir` and tab completion.

    __getattr__, __dir__ = lazy(__name__, {"": "elbo", "run": "Run flow", "samplers": "sample=run"})

says that `elbo` is itself a module of the package, that its module `run` has `Run` and `flow`, and
that `sample` is another name for the `run` of its module `samplers`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's `__getattr__` (PEP 562) and `__dir__`, from the names of each module.

    `__dir__` shows these names and nothing that the package uses itself.
    """
    words = [(word, module) for module, listed in homes.items() for word in listed.split()]
    places = {word.partition("=")[0]: (word.partition("=")[2], module) for word, module in words}

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        own_name, module = places[name]
        if not module:
            return import_module(f"{package}.{name}")
        return getattr(import_module(f"{package}.{module}"), own_name or name)

    def names() -> list[str]:
        own = [name for name in vars(sys.modules[package]) if name.startswith("__")]
        return sorted({*places, *own})

    return get, names
