"""A run's paths as a table of pandas or a data set of xarray, which are imported only here."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from toyflows.cloud import Array
from toyflows.errors import InputError

Columns = Mapping[str, Array]  # t (n,) and what was recorded then, (n,) or (n, K), by name
UNITS = {"t": "Langevin time", "velocity": "1/Langevin time, before rate"}
SAYS = {
    "theta": "θ", "q": "weight of mode b at θ", "velocity": "θ̇",
    "mode_b": "share of the negatives in mode b", "crossings": "changes of mode so far",
}  # fmt: skip


class Frames:
    """A result that is told by columns of numbers, one set a backend."""

    @abstractmethod
    def _frames(self) -> tuple[Mapping[str, Columns], dict[str, Any]]:
        """The columns by backend, and the settings in plain numbers and words."""

    def to_pandas(self) -> Any:
        """A pandas.DataFrame with a row for each record of each backend; what K modes have each is
        K columns. Its `attrs` are the settings. Raises InputError where pandas is missing."""
        pandas = _library("pandas", "to_pandas")
        columns, settings = self._frames()
        tables = [pandas.DataFrame({"backend": name} | _flat(c)) for name, c in columns.items()]
        table = pandas.concat(tables, ignore_index=True)
        table.attrs |= settings
        return table

    def to_xarray(self) -> Any:
        """An xarray.Dataset with the dimensions backend and t, and mode for K modes; nan where a
        backend has not recorded something. Raises InputError where xarray is missing."""
        xarray = _library("xarray", "to_xarray")
        columns, settings = self._frames()
        sets = [xarray.Dataset({n: (("t", "mode")[: x.ndim], x) for n, x in c.items() if n != "t"},
                               {"t": c["t"]}) for c in columns.values()]  # fmt: skip
        backend = xarray.DataArray(list(columns), dims="backend", name="backend")
        data = xarray.concat(sets, backend, data_vars="all", join="outer", compat="equals",
                             coords="minimal")  # fmt: skip
        for name, variable in data.variables.items():
            if name != "backend":
                notes = {"units": UNITS.get(name, "1"), "long_name": SAYS.get(name, "")}
                variable.attrs |= {key: text for key, text in notes.items() if text}
        data.attrs["toyflows"] = json.dumps(settings, ensure_ascii=False)
        return data


def _flat(columns: Columns) -> dict[str, Array]:
    """Each column (n,): of K modes theta_1 … theta_K."""
    out: dict[str, Array] = {}
    for name, values in columns.items():
        if values.ndim == 1:
            out[name] = values
        else:
            out |= {f"{name}_{k + 1}": column for k, column in enumerate(values.T)}
    return out


def _library(name: str, method: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise InputError(method, name, f"must be installed: pip install {name}") from None
