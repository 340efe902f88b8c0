"""What a sweep found: labelled arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows import display
from toyflows.errors import InputError, nearest
from toyflows.sweep.axis import Value
from toyflows.sweep.plan import Plan
from toyflows.sweep.point import COLUMNS, EACH, PATH
from toyflows.verdict import KINDS

FORMAT = "toyflows sweep 1"
UNITS = {  # docs/notation.md; what is not here is a pure number
    "separation": "spreads of a mode", "time": "Langevin time", "dt": "Langevin time",
    "needs": "Langevin time", "drift": "1/Langevin time, before rate",
    "effective_size": "share of the walkers",
    "verdict": "place in " + ", ".join(KINDS),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Result:
    """What `sweep` returns: arrays by name (toyflows.sweep.point.COLUMNS), result["theta"].

    Each has the plan's shape, (losses, one dimension for each axis, repeats); `path` has one more,
    and among K modes what is said of θ has the K coordinates as its last.
    `coords` has the values along each dimension.
    """

    plan: Plan
    values: dict[str, NDArray[Any]]
    versions: dict[str, str]

    def __repr__(self) -> str:
        sizes = " × ".join(f"{n} {d}" for d, n in zip(self.plan.dims, self.plan.shape, strict=True))
        return f"Result({', '.join(self.values)} on {self.plan.backend}: {sizes})"

    def _repr_html_(self) -> str:
        counts = self.counts()
        kinds = [kind for kind in KINDS if any(row.get(kind) for row in counts.values())]
        rows = [(loss, *(row.get(kind, 0) for kind in kinds)) for loss, row in counts.items()]
        return display.page(display.words(repr(self)), display.table(rows, ("", *kinds)))

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The array of that name. Raises InputError."""
        if name not in self.values:
            raise InputError("keep", name, f"was not kept; {nearest(name, self.values)}")
        return self.values[name]

    @property
    def coords(self) -> dict[str, NDArray[Any]]:
        """The values along each dimension, by its name."""
        lists: list[tuple[Value, ...]] = [self.plan.losses, *(a.values for a in self.plan.axes)]
        lists.append(tuple(range(self.plan.repeats)))
        return dict(zip(self.plan.dims, map(np.array, lists), strict=True))

    @property
    def seeds(self) -> NDArray[np.int64]:
        """The seed of each run's noise, in the plan's shape."""
        seeds = [self.plan.run(k).seed for k in range(self.plan.runs)]
        return np.array(seeds, np.int64).reshape(self.plan.shape)

    @property
    def words(self) -> NDArray[np.str_]:
        """The verdict of each run as a word, in the plan's shape. Raises InputError("keep") where
        no verdicts were kept."""
        return np.array(KINDS)[self["verdict"]]

    def select(self, **where: Value) -> dict[str, NDArray[Any]]:
        """The arrays at these values of some dimensions, which are left out.

        Raises InputError for a dimension or a value that the sweep has not.
        """
        places: list[Any] = [slice(None)] * len(self.plan.shape)
        for name, value in where.items():
            if name not in self.plan.dims:
                raise InputError("over", name, f"no dimension; {nearest(name, self.plan.dims)}")
            known = self.coords[name]
            if not (known == value).any():
                raise InputError("over", f"{name}={value}", f"must be one of {known.tolist()}")
            places[self.plan.dims.index(name)] = int(np.flatnonzero(known == value)[0])
        return {name: array[tuple(places)] for name, array in self.values.items()}

    def counts(self) -> dict[str, dict[str, int]]:
        """How many runs of each method have each verdict; {} where they were not kept."""
        if "verdict" not in self.values:
            return {}
        out = {}
        for loss, kinds in zip(self.plan.losses, self["verdict"], strict=True):
            found = np.bincount(kinds.ravel(), minlength=len(KINDS)).tolist()
            out[loss] = {kind: n for kind, n in zip(KINDS, found, strict=True) if n}
        return out

    def meta(self) -> dict[str, Any]:
        """What a file says beside the arrays."""
        says = {name: COLUMNS[name].says for name in self.values}
        return {
            "format": FORMAT, "plan": self.plan.to_dict(), "versions": self.versions,
            "kinds": list(KINDS), "units": UNITS, "says": says,
        }  # fmt: skip

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The npz: `meta` (JSON), `seed`, the coordinates as coord_NAME, the arrays."""
        coords = {f"coord_{name}": values for name, values in self.coords.items()}
        meta = np.array(json.dumps(self.meta(), ensure_ascii=False))
        return {"meta": meta, "seed": self.seeds, **coords, **self.values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], trust: bool = False) -> Result:
        """What `to_arrays` made. Raises ValueError or KeyError for anything else."""
        return cls._read(str(arrays["meta"]), arrays, trust)

    @classmethod
    def _read(cls, meta: str, arrays: Mapping[str, NDArray[Any]], trust: bool) -> Result:
        told = json.loads(meta)
        if told["format"] != FORMAT:
            raise ValueError(told["format"])
        values = {name: np.asarray(arrays[name]) for name in told["says"]}
        plan = Plan.from_dict(told["plan"], trust)
        if any(x.shape[: len(plan.shape)] != plan.shape for x in values.values()):
            raise ValueError("shapes")
        return cls(plan, values, told["versions"])

    def to_xarray(self) -> Any:
        """The same arrays as an xarray.Dataset, with coordinates, units and CF's flag_meanings.

        Raises InputError where xarray is not installed (the extra `cluster`).
        """
        try:
            import xarray
        except ImportError:
            raise InputError("to_xarray", "", "needs: pip install 'toyflows[cluster]'") from None
        coords: dict[str, Any] = {}
        for name, values in self.coords.items():
            coords[name] = (name, values, {"units": UNITS.get(name, "1")})
        variables: dict[str, Any] = {"seed": (self.plan.dims, self.seeds, {})}
        if "path" in self.values:
            coords["moment"] = ("moment", np.linspace(0.0, 1.0, PATH), {"units": "share of time"})
        if self.plan.among is not None:
            coords["mode"] = ("mode", np.arange(1, self.plan.among.K + 1), {"units": "1"})
        for name, array in self.values.items():
            dims = (*self.plan.dims, *self._last(name))
            notes: dict[str, Any] = {"long_name": COLUMNS[name].says}
            notes |= _flags(array) if name == "verdict" else {"units": UNITS.get(name, "1")}
            variables[name] = (dims, array, notes)
        meta = json.dumps(self.meta(), ensure_ascii=False)
        return xarray.Dataset(variables, coords, {"toyflows": meta})

    def _last(self, name: str) -> tuple[str, ...]:
        """The array's own dimensions, behind the plan's."""
        each = name in EACH and self.plan.among is not None
        return (*(("moment",) if name == "path" else ()), *(("mode",) if each else ()))

    @classmethod
    def from_xarray(cls, data: Any, trust: bool = False) -> Result:
        """The result that `to_xarray` made. Raises ValueError or KeyError for anything else."""
        arrays = {name: data[name].values for name in data}
        return cls._read(data.attrs["toyflows"], arrays, trust)


def _flags(codes: NDArray[Any]) -> dict[str, Any]:
    """What the codes of verdicts mean, by the CF conventions 1.11, section 3.5."""
    words = " ".join(kind.replace(" ", "_") for kind in KINDS)
    return {"flag_values": np.arange(len(KINDS), dtype=codes.dtype), "flag_meanings": words}
