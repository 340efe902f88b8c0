"""What compute gave, kept under a key that names everything it can depend on.

The key is of the figure's file, the library's sources, scale, seed and versions.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import toyflows
from toyflows.figures import _registry
from toyflows.files import PLANS, keep_cached, sweeps_folder, user_cache, weights_folder

if TYPE_CHECKING:
    from toyflows.cloud import Array

KEPT = 4  # computations of a figure in the cache: two sizes or seeds, before and after an edit


# ------------------------------------------------------------------ the key
def key(figure: str, scale: float, seed: int, common: str) -> str:
    """The hash of one computation; `common` is sources()."""
    own = sha(_registry.path_of(figure))
    return hashlib.sha256(f"{own} {common} {scale!r} {seed}".encode()).hexdigest()


def sources() -> str:
    """The hash of everything that all figures depend on: library, shared figure code, versions."""
    library, figures = Path(toyflows.__file__).parent, Path(__file__).parent
    paths = [
        path
        for suffix in ("*.py", "*.csv")
        for path in library.rglob(suffix)
        if path.relative_to(library).parts[0] not in ("cli", "figures")  # inside, when installed
    ]
    paths += [*figures.glob("_*.py"), *figures.glob("*.mplstyle"), *weights_folder().glob("*.npz")]
    paths += [*sweeps_folder().glob("*.npz"), *PLANS.glob("*.toml")]
    total = hashlib.sha256(json.dumps(versions()).encode())
    for path in sorted(paths):
        total.update(f"{path.name} {sha(path)}\n".encode())
    return total.hexdigest()


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """The versions of everything that numbers and pictures may depend on."""
    packages = ("numpy", "numba", "scipy", "matplotlib")
    found = {"toyflows": toyflows.__version__} | {name: version(name) for name in packages}
    return found | {"python": platform.python_version()}


# ------------------------------------------------------------------ the files
def arrays(figure: str, given: Mapping[str, Any]) -> dict[str, Array]:
    """What compute gave, as arrays that a file can hold."""
    import numpy as np

    data = {name: np.asarray(values) for name, values in given.items()}
    for name, values in data.items():
        if values.dtype.hasobject:
            raise _registry.NotAFigure(
                f"toyflows.figures.{figure}: compute gives objects as {name!r}, "
                "must be arrays of numbers and of text"
            )
    return data


def place(figure: str, key: str) -> Path | None:
    """The file of a computation, there or not; None where there can be no cache."""
    try:
        return user_cache() / "figures" / f"{figure}-{key}.npz"
    except RuntimeError:  # no home folder
        return None


def cached(path: Path) -> tuple[dict[str, Array], float] | None:
    """compute's arrays and the seconds it took."""
    from toyflows import archive

    try:
        found = archive.arrays(path)
        seconds = float(found.pop("seconds"))
    except (OSError, ValueError, KeyError):
        return None  # not there, or not whole
    return {name.removeprefix("data/"): values for name, values in found.items()}, seconds


def keep(path: Path, data: dict[str, Array], seconds: float, figure: str) -> None:
    """Writes the cache, and drops the oldest."""
    import numpy as np

    named: dict[str, Any] = {f"data/{name}": values for name, values in data.items()}

    def write(temporary: Path) -> None:
        np.savez(temporary, seconds=seconds, **named)

    keep_cached(path, write, f"{figure}-*.npz", KEPT)
