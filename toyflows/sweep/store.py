"""Where the numbers of a sweep are: one whole file in the end, its parts until then.

    OUT        one labelled array a quantity, dimensions (loss, the axes, repeat): .npz, or .nc or
               .zarr (extra `cluster`), which other tools read
    OUT.parts  while it runs: each chunk's rows by the keys of their runs, each a whole file

The file is put together from the parts by the runs' keys, in the plan's order: its bytes do not
know in which order, in how many goes or on which machines the runs were made.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toyflows import archive
from toyflows.errors import InputError, say
from toyflows.files import check_writable, reads, whole_file
from toyflows.sweep.plan import Plan, differences
from toyflows.sweep.point import Rows, kept, versions
from toyflows.sweep.result import Result
from toyflows.sweep.settings import KEY

SUFFIXES = (".npz", ".nc", ".zarr")
PLAN = "plan.json"


class Store:
    """The rows of a plan, on disk as they come. Raises InputError("out") where the place cannot be
    written, or holds something else than a sweep that this plan extends."""

    def __init__(self, out: Path, plan: Plan, keys: NDArray[np.bytes_]):
        self.out, self.plan = out, plan
        self.parts = parts_of(out)
        check_out(out)
        self.parts = out.with_name(out.name + ".parts")
        self._unique, self._place = np.unique(keys, return_inverse=True)
        self._saved = np.zeros(self._unique.size, bool)
        self._result: Result | None = None
        self._named = False  # do the parts say that they are this plan's?
        if out.exists():
            self._result = load(out)
            self._check(self._result.plan, self._result.versions, out)
            self._mark(self._result.plan.keys())
        if self.parts.exists():
            self._open_parts()

    @property
    def total(self) -> int:
        """Different runs of the plan."""
        return self._unique.size

    @property
    def saved(self) -> int:
        """The chunks that are on disk."""
        return int(self._saved.sum())

    def missing(self) -> NDArray[np.intp]:
        """Places in the plan of the runs still to be done, each run once."""
        first = np.full(self._unique.size, self._place.size)
        np.minimum.at(first, self._place, np.arange(self._place.size))
        return np.sort(first[~self._saved])

    def add(self, rows: Rows) -> None:
        """One more part, whole or not there."""
        with self._full_disk_told():
            if not self._named:
                self.parts.mkdir(exist_ok=True)
                with whole_file(self.parts / PLAN) as temporary:
                    temporary.write_text(_sealed(self.plan), "utf-8")
                self._named = True
            name = hashlib.blake2b(rows.keys.tobytes(), digest_size=8).hexdigest()
            with whole_file(self.parts / f"{name}.npz") as temporary:
                by = np.array(_text(versions()))
                np.savez(temporary, key=rows.keys, versions=by, **rows.values)  # type: ignore[arg-type]
        self._mark(rows.keys)

    def finish(self) -> Result:
        """The one file; the parts are removed. Nothing is written where it is there already."""
        if self._result is not None and self._result.plan == self.plan:
            self._drop_parts()
            return self._result
        assert self._saved.all()
        result = self.so_far()[0]
        with self._full_disk_told():
            save(result, self.out)
        self._drop_parts()
        return result

    def so_far(self) -> tuple[Result, NDArray[np.bool_]]:
        """What there is, and where it is there; zeros elsewhere."""
        columns, shape = kept(self.plan.keep, self.plan.among), self.plan.shape
        unique = {name: np.zeros((self.total, *c.size), c.dtype) for name, c in columns.items()}
        for keys, values in self._everything():
            place = np.searchsorted(self._unique, keys)
            for name, array in unique.items():
                array[place] = values[name]
        values = {n: a[self._place].reshape(*shape, *a.shape[1:]) for n, a in unique.items()}
        return Result(self.plan, values, versions()), self._saved[self._place].reshape(shape)

    def _everything(self) -> Iterator[tuple[NDArray[np.bytes_], Mapping[str, NDArray[Any]]]]:
        """Keys and rows, of the old result and of each part: the plan has them all (_check)."""
        if self._result is not None:
            old = self._result
            rows = {n: a.reshape(old.plan.runs, *a.shape[len(old.plan.shape):])
                    for n, a in old.values.items()}  # fmt: skip
            yield old.plan.keys(), rows
        for path in self._part_files():
            if (part := self._part(path)) is not None:
                yield part.keys, part.values

    def _open_parts(self) -> None:
        try:
            plan, written = _plan_of(self.parts)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            if not any(self.parts.iterdir()):
                return
            self._check_by_parts()
        else:
            self._check(plan, written, self.parts)
        for path in self._part_files():
            if (part := self._part(path)) is None:
                say(f"left out {path}: it is damaged, and its runs are still to be done")
            else:
                self._mark(part.keys)

    def _check_by_parts(self) -> None:
        """Where the parts have lost their plan: what each part says of itself must be this plan's;
        the plan is then written again with the next part."""
        if not (files := self._part_files()):
            raise InputError("out", self.parts, "is in the way, and is no sweep")
        told = f"{PLAN} is damaged: "
        if not any(self._part(path, versions()) for path in files):
            cure = "remove the folder, and its runs are done again"
            why = "no part in it is of this plan and of this toyflows, numpy and numba"
            raise InputError("out", self.parts, f"{told}{why}; {cure}")
        say(f"{self.parts / told} its parts are of this plan, and it is written again")

    def _part_files(self) -> list[Path]:
        return sorted(self.parts.glob("[!.]*.npz")) if self.parts.exists() else []

    def _part(self, path: Path, by: Mapping[str, str] | None = None) -> Rows | None:
        """The rows in this file; None unless they are whole, and the plan's, and made `by` these
        versions."""
        try:
            found = archive.arrays(path)
            keys, written = found.pop("key"), str(found.pop("versions", ""))
            if by is not None and written != _text(by):
                return None
            wanted = {n: ((keys.size, *c.size), np.dtype(c.dtype))
                      for n, c in kept(self.plan.keep, self.plan.among).items()}  # fmt: skip
            whole = {n: (x.shape, x.dtype) for n, x in found.items()} == wanted
            mine = keys.dtype == KEY and bool(np.isin(keys, self._unique).all())
        except (OSError, ValueError, KeyError):
            return None
        return Rows(keys, found) if whole and mine else None

    def _mark(self, keys: NDArray[np.bytes_]) -> None:
        self._saved |= np.isin(self._unique, keys)

    def _check(self, old: Plan, written: Mapping[str, str], where: Path) -> None:
        other = [f"{name} {number}, here {versions()[name]}" for name, number in written.items()
                 if number != versions()[name]]  # fmt: skip
        if told := [*differences(old, self.plan), *other]:
            raise InputError("out", where, f"holds another sweep: {'; '.join(told[:3])}")

    def _drop_parts(self) -> None:
        if self.parts.exists():
            shutil.rmtree(self.parts)

    @contextlib.contextmanager
    def _full_disk_told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, InputError) as raised:
            error = raised.__cause__ if isinstance(raised, InputError) else raised
            full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
            if not isinstance(error, OSError) or error.errno not in full:
                raise
            why = f"{error.strerror}: {self.saved:,} of {self.total:,} runs are kept in "
            why += f"{self.parts.name}, and the same command goes on from there"
            raise InputError("out", self.out, why) from None


def parts_of(out: Path) -> Path:
    """The folder of its parts."""
    return out.parent / f"{out.name}.parts"


def check_out(out: Path) -> None:
    """Raises InputError("out") unless a sweep can be written there."""
    if out.suffix not in SUFFIXES:
        raise InputError("out", out, f"the suffix must be one of {' '.join(SUFFIXES)}")
    _needs(out)
    check_writable(out.with_suffix(".x") if out.suffix == ".zarr" else out)


def save(result: Result, out: Path) -> None:
    """Writes the result to the file, whole or not at all. Raises InputError("out")."""
    if out.suffix == ".npz":
        with whole_file(out) as temporary:
            np.savez(temporary, **result.to_arrays())  # type: ignore[arg-type]
        return
    if out.suffix == ".nc":
        with whole_file(out) as temporary:
            result.to_xarray().to_netcdf(temporary, engine="h5netcdf")
        return
    temporary = out.with_name(f".{out.name}-new")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(temporary)
    result.to_xarray().to_zarr(temporary, mode="w", consolidated=True, zarr_format=2)
    if out.exists():
        shutil.rmtree(out)
    temporary.rename(out)


def _text(told: Mapping[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False)


def _sealed(plan: Plan) -> str:
    """What the folder of its parts says of a plan, with a hash by which damage is seen."""
    said = {"plan": plan.to_dict(), "versions": versions()}
    return _text(said | {"digest": _digest(said)})


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.blake2b(_text(said).encode(), digest_size=8).hexdigest()


def _plan_of(parts: Path) -> tuple[Plan, dict[str, str]]:
    """The plan in that folder, and the versions it was written by. Raises ValueError, KeyError,
    TypeError, RecursionError or OSError where it is damaged."""
    said = json.loads((parts / PLAN).read_text("utf-8"))
    if said.pop("digest") != _digest(said):
        raise ValueError(PLAN)
    return Plan.from_dict(said["plan"]), dict(said["versions"])


def load_so_far(path: str | Path) -> tuple[Result, NDArray[np.bool_]]:
    """The sweep in this file, finished or not, and which of its runs are there.

    Raises InputError("path").
    """
    path = Path(path)
    parts = parts_of(path)
    if not (parts / PLAN).exists():
        result = load(path)
        return result, np.ones(result.plan.shape, bool)
    try:
        plan, _ = _plan_of(parts)
        return Store(path, plan, plan.keys()).so_far()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = (
            error.why
            if isinstance(error, InputError)
            else (f"{PLAN} is damaged; the `toyflows sweep` that made it mends it and goes on")
        )
        raise InputError("path", parts, why) from None


def load(path: str | Path, *, trust: bool = False) -> Result:
    """The sweep in this file; methods in files that are not here as they were are only run (for the
    lines of a map) with `trust`. Raises InputError("path")."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError("path", path, f"the suffix must be one of {' '.join(SUFFIXES)}")
    try:
        if path.suffix == ".npz":
            return Result.from_arrays(archive.arrays(path), trust)
        _needs(path)
        reads(path)
        import xarray

        if path.suffix == ".nc":
            with xarray.open_dataset(path, engine="h5netcdf") as data:
                return Result.from_xarray(data.load(), trust)
        with xarray.open_zarr(path, consolidated=False) as data:
            return Result.from_xarray(data.load(), trust)
    except FileNotFoundError:
        raise InputError("path", path, "there is no such file") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("path", path, "is no sweep of toyflows") from None


def _needs(out: Path) -> None:
    """Raises InputError("out") where the libraries for this suffix are missing."""
    needed = {".nc": ("xarray", "h5netcdf", "h5py"), ".zarr": ("xarray", "zarr")}
    for name in needed.get(out.suffix, ()):
        if importlib.util.find_spec(name) is None:
            why = f"{out.suffix} needs {name}: pip install 'toyflows[cluster]'; .npz does not"
            raise InputError("out", out, why)
