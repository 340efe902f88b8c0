"""The house decorator: every numba option of the project, each with its reason.

* No fastmath: with cache=True the compiling run and the cached runs differ in their last bits.
  FMAs are explicit and sums are trees in a fixed order, so that a result does not depend on the
  vector width, the number of threads, or whether the machine code came from the cache.
* nogil: threads of one team run the same kernel at once (team.py).
* error_model="numpy": a division needs no branch, so loops vectorise.
* cache: numba does not notice a change in ANOTHER file, so the cache folder carries the hash of all
  kernel sources, below the user's cache directory; where that is not writable, nothing is cached.
  Each file of it ends with the digest of its bytes: one that is damaged is deleted, and compiled
  again, since machine code with a wrong bit in it is not even an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from toyflows.kernels.cache import FOLDER as CACHE_FOLDER  # first: it says what now begins

# isort: split
import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core import config
from numba.core.caching import IndexDataCacheFile
from numba.extending import intrinsic, register_jitable

from toyflows import kernels
from toyflows.errors import say
from toyflows.kernels import cache, compiling


def processor() -> tuple[str, str]:
    """Name and features of the processor that numba compiles for: NUMBA_CPU_NAME, or this one."""
    told, name = config.CPU_FEATURES, config.CPU_NAME  # type: ignore[attr-defined]
    features = llvm.get_host_cpu_features().flatten() if told is None else told
    return name or llvm.get_host_cpu_name(), features


def without_blas() -> None:
    """Loads numba's arrays as if there were no BLAS: no kernel uses it, and looking for it imports
    scipy.linalg, 0.3 s. For a process of our own (the command line): a user's own numba code in the
    same process would find np.dot missing."""
    sys.modules["scipy.linalg.cython_blas"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        del sys.modules["scipy.linalg.cython_blas"]


if kernels.own_process:
    without_blas()
if cache.TOLD:
    compiling.listen()


class Damaged(Exception):
    """A file of the cache is not as it was written."""


class Sealed(IndexDataCacheFile):
    """Numba's cache of one function, each of its files behind a seal."""

    told = False  # once is enough

    def load(self, key: Any) -> Any:
        """What was saved; None where it is to be compiled."""
        try:
            return super().load(key)
        except Damaged:
            folder, index = Path(self._cache_path), Path(self._index_path)
            with contextlib.suppress(OSError):
                for path in [index, *folder.glob(f"{index.stem}.*.nbc")]:
                    path.unlink(missing_ok=True)
            if not Sealed.told and multiprocessing.parent_process() is None:
                say(f"a kernel in {folder} was damaged: it is compiled again")
            Sealed.told = True
            return None

    def save(self, key: Any, data: Any) -> None:
        """Saves the compiled code; if the cache cannot be written, goes on without it."""
        with contextlib.suppress(OSError, Damaged):
            super().save(key, data)

    def _load_index(self) -> Any:
        _check_seal(Path(self._index_path))
        return super()._load_index()

    def _load_data(self, name: str) -> Any:
        _check_seal(Path(self._data_path(name)))
        return super()._load_data(name)

    @contextlib.contextmanager
    def _open_for_write(self, path: str) -> Iterator[io.BytesIO]:
        whole = io.BytesIO()
        yield whole
        with super()._open_for_write(path) as file:
            file.write(whole.getvalue() + hashlib.sha256(whole.getvalue()).digest())


def _check_seal(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        raw = path.read_bytes()
        if hashlib.sha256(raw[:-32]).digest() != raw[-32:]:
            raise Damaged


F = TypeVar("F", bound=Callable[..., Any])


def kernel(f: F) -> F:
    """A compiled, cached function. Numba's cache folder is ours only while we decorate."""
    config: Any = numba.config
    theirs = config.CACHE_DIR
    config.CACHE_DIR = str(CACHE_FOLDER or theirs)
    try:
        compiled: Any = numba.njit(nogil=True, error_model="numpy", cache=CACHE_FOLDER is not None)
        made = compiled(f)
        if CACHE_FOLDER is not None:
            made._cache._cache_file.__class__ = Sealed
        return cast(F, made)
    finally:
        config.CACHE_DIR = theirs


def device(f: F) -> F:
    """A function for use inside kernels only; LLVM pastes it into the loop that calls it."""
    return register_jitable(f)


@intrinsic
def wide_vectors(typingctx):
    """Lets LLVM use 512-bit registers in the enclosing kernel (its default for server CPUs is 256);
    emits no code and changes no bit. llvmlite's own add() knows no such name, hence set.add."""

    def codegen(context, builder, signature, args):
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def fma(typingctx, x, y, z):
    """x·y + z, rounded once; all three float32 or all float64."""

    def codegen(context, builder, signature, args):
        return builder.fma(*args)

    return (x(x, x, x), codegen) if x in (types.float32, types.float64) else None


@intrinsic
def horner(typingctx, x, coefficients):
    """Σ_k coefficients[k] x^k by fused multiply–adds; coefficients is a tuple, lowest first."""

    def codegen(context, builder, signature, args):
        value, c = args
        p = builder.extract_value(c, len(coefficients) - 1)
        for k in range(len(coefficients) - 2, -1, -1):
            p = builder.fma(p, value, builder.extract_value(c, k))
        return p

    return x(x, coefficients), codegen


def _bitcast(target: Any) -> Any:
    """The value whose bits are those of x, seen as the type `target`."""

    @intrinsic
    def cast(typingctx, x):
        def codegen(context, builder, signature, args):
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(x), codegen

    return cast


as_i32, as_f32 = _bitcast(types.int32), _bitcast(types.float32)
as_i64, as_f64 = _bitcast(types.int64), _bitcast(types.float64)
u32, u64, i32, i64, f32, f64 = np.uint32, np.uint64, np.int32, np.int64, np.float32, np.float64
