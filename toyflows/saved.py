"""Saved runs, of two modes or of K: `load` knows which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyflows import archive
from toyflows import data as datasets
from toyflows.errors import InputError
from toyflows.own import OwnFileError
from toyflows.run import Run
from toyflows.run_files import trajectory
from toyflows.settings import BACKENDS, RunSettings
from toyflows.target import Target

if TYPE_CHECKING:
    from toyflows.modes.result import Run as RunOfModes


def load(path: str | Path, *, trust: bool = False) -> Run | RunOfModes:
    """The run that `save` wrote to an .npz file; it can be resumed.

    A method in a file of one's own is run as it was then: where that file is not here as it was,
    only with `trust`, as a saved run may be somebody else's. Raises InputError.
    """
    try:
        arrays = archive.arrays(path)
        if "positions" in arrays:
            from toyflows.modes.result import Run as RunOfModes

            return RunOfModes.from_arrays(arrays, trust)
        return _two_modes(arrays, trust)
    except (OSError, RecursionError, ArithmeticError, IndexError, AttributeError, ValueError,
            KeyError, TypeError) as error:  # fmt: skip
        if isinstance(error, OwnFileError):
            raise
        raise InputError("path", path, f"is not a saved run ({error})") from None


def load_two_modes(path: str | Path) -> Run:
    """The same, of two modes. Raises InputError for a run of K."""
    run = load(path)
    if not isinstance(run, Run):
        raise InputError("path", path, "is a run among K modes; this shows runs of two")
    return run


def _two_modes(a: dict[str, Any], trust: bool) -> Run:
    """What `save` wrote to an .npz (archive.arrays)."""
    s = RunSettings.from_dict(json.loads(str(a["settings"])), trust)
    method, θ_star = s.flow(), float(a["theta_star"])
    target = (
        Target.of_points(a["data_x"], float(a["modes"][0]), float(a["modes"][1]), θ_star)
        if s.data is not None
        else Target.exact(θ_star, s.separation)
    )
    names = [name for name in BACKENDS if f"{name}/t" in a]
    runs = {name: trajectory(a, name, s, method.name) for name in names}
    read = datasets.Read.from_dict(json.loads(str(a["read"]))) if "read" in a else None
    return Run(s, target, method, runs, int(a["threads"]), read)
