"""Real 1-D data as the target: read a file, fit two modes of common spread, standardise.

    p(x) = (1−q) N(x; μ_a, s²) + q N(x; μ_b, s²),     μ_a < μ_b

`load` reads the points, `fit` is maximum likelihood, and `standardise` moves the data to unit
spread and modes ∓d/2, where the only parameter left is the weight of the model,

    p_b(θ) = 1/(1+e^θ) = q     (θ > 0 makes mode b light).
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from toyflows import archive
from toyflows.cloud import Array
from toyflows.errors import InputError, near

PACKAGED = "old-faithful"
FEWEST = 4  # values: the mixture has four parameters
LARGEST = 1e300  # in absolute value: the range of the data stays a float
# In units of the range of the data: below it the modes are points, and the likelihood is infinite.
SMALLEST_SPREAD = 1e-10
# In points: EM starts each mode with at least one, and a mode that dwindles to this is not there.
SMALLEST_MODE = 1e-3
# In spreads. Splitting one mode by d changes the likelihood by O(d⁴), here the size of rounding.
MERGED = 1e-3
# Newton steps this short halve their digits each time; one that grows has reached rounding.
QUADRATIC = 1e-8
# A curvature per point that rounding alone can make: the likelihood does not determine the fit.
FLAT = 1e-12
BACKTRACKS = 10  # down to 4⁻⁹ of a Newton step; beyond that EM does better


# ---- reading ------------------------------------------------------------------------------------


def load(source: str) -> Array:
    """Data points (n,) of a file, or of the packaged data set `old-faithful` (eruptions, minutes).

    .npy, .npz: one 1-D array of real numbers; of several in an .npz, the one named x or data.
    Anything else is text: one number a line, or columns separated by commas, semicolons, tabs or
    blanks, of which the first is read; with a header, the first that has a name (so that the row
    numbers written by pandas and R are passed over). Blank lines and lines beginning with # are
    skipped. Raises InputError("data", source, why), with the line number where there is one.
    """
    if source == PACKAGED:
        raw = resources.files("toyflows.datasets").joinpath("old_faithful.csv").read_bytes()
        return _parse_text(raw, source)
    array = _unpacked(source)
    if isinstance(array, bytes):
        return _parse_text(array, source)
    return _checked(_real(array, 1, "(n,)", source), source, lambda i: f"entry [{i}]")


def table(source: str) -> Array:
    """Points (n, columns) of a file: a 2-D array in .npy or .npz, or every column of a text as
    `load` reads it, those without a name in a header left out. Raises InputError("data")."""
    array = _unpacked(source)
    if not isinstance(array, bytes):
        x = _real(array, 2, "(n, columns)", source)
        return _finite(x, source, lambda i: f"row [{i // x.shape[1]}]")
    names, body = _body(array, source)
    columns = [k for k in range(len(body[0][1])) if not names or names[k]] or [0]
    rows = [[_number(cells[k], line, source) for k in columns] for line, cells in body]
    return _finite(np.array(rows), source, lambda i: f"line {body[i // len(columns)][0]}")


def _refuse(source: str, why: str) -> NoReturn:
    raise InputError("data", source, why)


def _read(source: str, text: bool) -> bytes:
    try:
        with Path(source).open("rb") as file:
            head = file.read(4096)
            # Seen before the rest is read: a film, or /dev/zero, must not fill the memory.
            if text and b"\0" in head:
                _refuse(source, "is a binary file; must be text, .npy, .npz")
            return head + file.read()
    except FileNotFoundError:
        _refuse(source, f"no such file (must be a file, or {PACKAGED}){near(source, [PACKAGED])}")
    except IsADirectoryError:
        _refuse(source, "is a directory, not a file")
    except PermissionError:
        _refuse(source, "may not be read (permission denied)")
    except OSError as error:
        _refuse(source, f"cannot be read ({error.strerror})")
    except InputError:
        raise
    except ValueError:  # a NUL character in the path
        _refuse(source, "is not a file name")


def _finite(x: Array, source: str, place: Callable[[int], str]) -> Array:
    """x if its values are numbers to compute with; place(i) says where x.flat[i] was read."""
    unusable = np.flatnonzero(~(np.abs(x) <= LARGEST))  # nan compares false
    if unusable.size:
        i = int(unusable[0])
        value = x.flat[i]
        too_large = f"too large (must be up to {LARGEST:g} in size)"
        _refuse(
            source, f"{place(i)}: {value:g} is {too_large if np.isfinite(value) else 'not finite'}"
        )
    return x


def _checked(x: Array, source: str, place: Callable[[int], str]) -> Array:
    """The values x (n,) if a mixture can be fitted to them; place(i) says where x[i] was read."""
    _finite(x, source, place)
    if x.size < FEWEST:
        _refuse(source, f"too few values ({x.size}); at least {FEWEST} are needed")
    if x.min() == x.max():
        _refuse(source, f"all {x.size} values are equal ({x[0]:g}); two modes need a spread")
    return x


# ---- text


def _parse_text(raw: bytes, source: str) -> Array:
    names, body = _body(raw, source)
    if not names:
        _refuse_decimal_commas(raw, body, source)
    column = next((k for k, name in enumerate(names) if name), 0)
    x = np.array([_number(cells[column], line, source) for line, cells in body])
    return _checked(x, source, lambda i: f"line {body[i][0]}")


def _body(raw: bytes, source: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns, [] without a header, and (line number, cells) of each row."""
    rows = _rows(raw, source)
    if not rows:
        _refuse(source, "is empty: no line holds a number")
    first_line, first = rows[0]
    header = not any(_like_number(cell) for cell in first)
    body = rows[1:] if header else rows
    if not body:
        _refuse(source, f"holds only a header (line {first_line})")
    for line, cells in body:
        if len(cells) != len(first):
            _refuse(
                source, f"line {line}: {len(cells)} columns, but line {first_line} has {len(first)}"
            )
    return first if header else [], body


def _rows(raw: bytes, source: str) -> list[tuple[int, list[str]]]:
    """(line number, cells) of each line that is neither blank nor a comment."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        _refuse(source, f"line {line}: not text in UTF-8")
    # Not splitlines(): it also breaks at form feeds and the like, which editors do not count.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not kept:
        return []
    # The second line rather than the first: a header may have commas or blanks in its names.
    sample = kept[min(1, len(kept) - 1)][1]
    separator = next((mark for mark in ";\t," if mark in sample), None)
    return [(number, _cells(line, separator, number, source)) for number, line in kept]


def _cells(line: str, separator: str | None, number: int, source: str) -> list[str]:
    if separator is None:
        return [cell.strip('"') for cell in line.split()]
    try:
        return [c.strip() for c in next(csv.reader([line], delimiter=separator))]
    except csv.Error as error:
        _refuse(source, f"line {number}: {error}")


def _like_number(cell: str) -> bool:
    """Whether a cell of the first line is data, a mistyped number such as 1.x included."""
    return bool(re.match(r"[+-]?\.?\d|[+-]?(nan|inf|infinity)$", cell, re.IGNORECASE))


def _number(cell: str, line: int, source: str) -> float:
    if not cell:
        _refuse(source, f"line {line}: the cell is empty")
    try:
        if "_" in cell:  # float() takes 1_000
            raise ValueError
        return float(cell)
    except ValueError:
        hint = " (write a decimal point)" if re.fullmatch(r"[+-]?\d+,\d+", cell) else ""
        _refuse(source, f"line {line}: {cell[:40]!r} is not a number{hint}")


def _refuse_decimal_commas(raw: bytes, body: list[tuple[int, list[str]]], source: str) -> None:
    """Refuse 3,6 on every line: read as two columns it would silently lose the fraction."""
    two_integers = re.compile(rb"[+-]?\d+,\d+")
    if b"." in raw or any(len(cells) != 2 for _, cells in body):
        return
    if all(two_integers.fullmatch(",".join(cells).encode()) for _, cells in body):
        line, cells = body[0]
        pair = ",".join(cells)
        _refuse(
            source,
            f"line {line}: is {pair} one number or two? Write a decimal point, or add a header",
        )


# ---- numpy files


def _unpacked(source: str) -> NDArray[Any] | bytes:
    """The array of a numpy file, or the bytes of any other."""
    suffix = Path(source).suffix.lower()
    raw = _read(source, text=suffix not in (".npy", ".npz"))
    if suffix == ".npz":
        return _parse_npz(raw, source)
    return _parse_npy(raw, source) if suffix == ".npy" else raw


def _parse_npy(raw: bytes, source: str) -> NDArray[Any]:
    if not raw:
        _refuse(source, "is empty")
    if not raw.startswith(b"\x93NUMPY"):
        _refuse(source, "is not a numpy array file (.npy)")
    try:
        array: NDArray[Any] = np.load(io.BytesIO(raw), allow_pickle=False)
    except Exception as error:  # of a dozen kinds
        _refuse(source, archive.why(error))
    return array


def _parse_npz(raw: bytes, source: str) -> NDArray[Any]:
    if not raw:
        _refuse(source, "is empty")
    if not raw.startswith(b"PK"):
        _refuse(source, "is not a numpy archive (.npz)")
    try:
        (array,) = archive.arrays(raw, lambda names: [_chosen(names, source)]).values()
    except archive.Unreadable as error:
        _refuse(source, str(error))
    return array


def _chosen(names: list[str], source: str) -> str:
    if not names:
        _refuse(source, "holds no array")
    if len(names) == 1:
        return names[0]
    preferred = [name for name in ("x", "data") if name in names]
    if len(preferred) != 1:
        _refuse(source, f"holds {len(names)} arrays; exactly one must be named x or data")
    return preferred[0]


def _real(array: NDArray[Any], axes: int, shape: str, source: str) -> Array:
    if array.dtype.kind not in "iuf":
        _refuse(source, f"holds {array.dtype} values; must be real numbers")
    if array.ndim != axes:
        _refuse(source, f"has shape {array.shape}; must be {shape}")
    # A long double beyond the floats becomes inf, which is refused by its index.
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(array, np.float64)


# ---- maximum likelihood -------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """Two modes of common spread: μ_a < μ_b, s, weight q of b, and log L = Σ log p(x_i)."""

    mean_a: float
    mean_b: float
    spread: float
    weight_b: float
    log_likelihood: float
    iterations: int


class _Mixture(NamedTuple):
    """(μ_a, μ_b, s, η = log q/(1−q)) in units where the data span [0, 1]."""

    a: float
    b: float
    s: float
    η: float


class _Degenerate(ArithmeticError):
    """A mode without data, or modes without spread; its text is the `why` of an InputError."""


def fit(
    x: Array,
    modes: tuple[float, float] | None = None,
    tol: float = 1e-13,
    max_iter: int = 100_000,
) -> Fit:
    """Maximum likelihood of the mixture for x (n,); with `modes` the means are held there.

    Each iteration is one step of EM (Dempster, Laird & Rubin 1977; McLachlan & Peel 2000, §3.2),
    then one of Newton where that raises the likelihood: EM alone converges at a rate which tends
    to 1 as the modes overlap. The start is the best split of the sorted data into two groups, so
    equal data give equal fits. Stops when a Newton step is below `tol` (means in units of the
    spread, log s, log q/(1−q)), or, above it, once rounding ends the quadratic convergence.

    Raises InputError "modes" (not finite, not a < b, one of them without data) and "data" (not
    (n,) finite values, too few, all equal, on two values only, no convergence).
    """
    x = np.asarray(x, dtype=np.float64)
    described = f"{x.size} values"
    if x.ndim != 1:
        _refuse(described, f"has shape {x.shape}; must be (n,)")
    _checked(x, described, lambda i: f"entry [{i}]")
    held = _checked_modes(modes)
    low, high = min([x.min(), *held]), max([x.max(), *held])
    scale = high - low
    # What underflows here, far tails and tiny responsibilities, is zero to every sum it enters.
    with np.errstate(under="ignore"):
        u = (x - low) / scale  # (n,)
        try:
            if held:
                start = _nearest_start(u, (held[0] - low) / scale, (held[1] - low) / scale)
            else:
                start = _split_start(u)
            mixture, iterations = _maximise(u, start, bool(held), tol, max_iter)
        except _Degenerate as error:
            if held:
                raise InputError("modes", f"{held[0]:g} {held[1]:g}", str(error)) from None
            _refuse(described, str(error))
        mean_a, mean_b = held or (low + scale * mixture.a, low + scale * mixture.b)
        return Fit(
            mean_a=float(mean_a),
            mean_b=float(mean_b),
            spread=float(scale * mixture.s),
            weight_b=1.0 / (1.0 + math.exp(-mixture.η)),
            log_likelihood=float(x.size * (_log_likelihood(u, mixture) - math.log(scale))),
            iterations=iterations,
        )


def _checked_modes(modes: tuple[float, float] | None) -> tuple[float, float] | tuple[()]:
    if modes is None:
        return ()
    a, b = map(float, modes)
    if not (abs(a) <= LARGEST and abs(b) <= LARGEST):
        raise InputError("modes", f"{a:g} {b:g}", f"both must be finite, up to {LARGEST:g} in size")
    if a >= b:
        raise InputError("modes", f"{a:g} {b:g}", "the first must lie below the second")
    return a, b


def _split_start(u: Array) -> _Mixture:
    """The exact 2-means solution: the split k of the sorted data with the most between groups,
    k (n−k) (mean_b − mean_a)² (Fisher 1958), all k at once from prefix sums."""
    u = np.sort(u)
    n = u.size
    k = np.arange(1, n)  # (n−1,) points in the lower group
    below = np.cumsum(u)[:-1]
    gap = (u.sum() - below) / (n - k) - below / k
    in_b = np.arange(n) >= k[np.argmax(k * (n - k) * gap**2)]
    return _labelled_start(u, in_b, float(np.mean(u[~in_b])), float(np.mean(u[in_b])))


def _nearest_start(u: Array, a: float, b: float) -> _Mixture:
    """Each point to the nearer of two held modes."""
    return _labelled_start(u, u > (a + b) / 2, a, b)


def _labelled_start(u: Array, in_b: NDArray[np.bool_], a: float, b: float) -> _Mixture:
    # At least one point a mode: EM cannot grow a weight of zero.
    n_b = min(max(int(in_b.sum()), 1), u.size - 1)
    s = float(np.sqrt(np.mean((u - np.where(in_b, b, a)) ** 2)))
    return _Mixture(a, b, s, math.log(n_b / (u.size - n_b)))


def _maximise(
    u: Array, mixture: _Mixture, held: bool, tol: float, max_iter: int
) -> tuple[_Mixture, int]:
    shortest = math.inf
    for iteration in range(1, max_iter + 1):
        mixture = _em_step(u, mixture, held)
        step, newton = _newton_step(u, mixture, held)
        mixture = _moved(mixture, step)
        length = float(np.max(np.abs(step)))
        if newton and (length <= tol or shortest <= length < QUADRATIC):
            return mixture, iteration
        shortest = length
    raise _Degenerate(f"no convergence in {max_iter} iterations: the modes overlap")


def _responsibilities(u: Array, mixture: _Mixture) -> tuple[Array, Array]:
    """(1−r_i, r_i), each (n,) and each to full relative accuracy:
    r = σ(η + (b−a)(u − (a+b)/2)/s²)."""
    a, b, s, η = mixture
    t = η + ((b - a) / s) * ((u - (a + b) / 2) / s)
    return _sigmoid(-t), _sigmoid(t)


def _sigmoid(t: Array) -> Array:
    """1/(1+e^{−t}) without overflow."""
    e = np.exp(-np.abs(t))
    return np.asarray(np.where(t >= 0, 1.0, e) / (1.0 + e))


def _log_likelihood(u: Array, mixture: _Mixture) -> float:
    """(1/n) Σ log p(u_i), by log-sum-exp."""
    a, b, s, η = mixture
    log_q, log_p = -np.logaddexp(0.0, -η), -np.logaddexp(0.0, η)
    log_modes = np.logaddexp(log_p - ((u - a) / s) ** 2 / 2, log_q - ((u - b) / s) ** 2 / 2)
    return float(np.mean(log_modes)) - math.log(s) - math.log(2 * math.pi) / 2


def _em_step(u: Array, mixture: _Mixture, held: bool) -> _Mixture:
    """One step of EM for a common spread (McLachlan & Peel 2000, §3.2):

    q = Σr/n,  μ_a = Σ(1−r)u/Σ(1−r),  μ_b = Σ r u/Σr,  s² = Σ[(1−r)(u−μ_a)² + r(u−μ_b)²]/n
    """
    if mixture.s < SMALLEST_SPREAD:
        raise _Degenerate("every point lies on one of two values; modes need a spread")
    if mixture.b - mixture.a < MERGED * mixture.s:
        raise _Degenerate("the two modes merge: next to their spread they cannot be told apart")
    r_a, r_b = _responsibilities(u, mixture)
    n_a, n_b = float(r_a.sum()), float(r_b.sum())
    if min(n_a, n_b) < SMALLEST_MODE:
        raise _Degenerate(f"mode {'a' if n_a < n_b else 'b'} is left without data")
    a, b = (mixture.a, mixture.b) if held else (float(r_a @ u) / n_a, float(r_b @ u) / n_b)
    s = math.sqrt(float(r_a @ (u - a) ** 2 + r_b @ (u - b) ** 2) / u.size)
    return _Mixture(a, b, s, math.log(n_b / n_a))


def _score(u: Array, mixture: _Mixture) -> tuple[Array, Array]:
    """Gradient (4,) and −Hessian (4, 4) of (1/n) log L in (μ_a/s, μ_b/s, log s, η).

    Gradient: the mean of the complete-data score. −Hessian (Louis 1982): the mean complete-data
    information − r(1−r) δδᵀ, δ the difference between the scores of b and of a.
    """
    a, b, s, _ = mixture
    r_a, r_b = _responsibilities(u, mixture)
    z_a, z_b = (u - a) / s, (u - b) / s
    n_a, n_b, n = float(r_a.sum()), float(r_b.sum()), u.size
    q = 1.0 / (1.0 + math.exp(-mixture.η))
    first_a, first_b = float(r_a @ z_a), float(r_b @ z_b)
    second = float(r_a @ z_a**2 + r_b @ z_b**2)
    gradient = np.array([first_a, first_b, second - n, n_b - n * q]) / n  # (4,)
    complete = np.array(
        [
            [n_a, 0.0, 2 * first_a, 0.0],
            [0.0, n_b, 2 * first_b, 0.0],
            [2 * first_a, 2 * first_b, 2 * second, 0.0],
            [0.0, 0.0, 0.0, n * q * (1 - q)],
        ]
    )
    δ = np.stack([-z_a, z_b, (z_b - z_a) * (z_b + z_a), np.ones(n)])  # (4, n)
    information = (complete - (δ * (r_a * r_b)) @ δ.T) / n
    return gradient, information


def _newton_step(u: Array, mixture: _Mixture, held: bool) -> tuple[Array, bool]:
    """(step (4,), whether it is Newton's own); shortened until it does not lower the likelihood.

    Where it is not concave, near the saddle of two equal modes, the curvature's absolute value
    still gives a direction of ascent, and leaves the saddle where EM would linger.
    """
    gradient, information = _score(u, mixture)
    free = slice(2, 4) if held else slice(0, 4)
    λ, v = np.linalg.eigh(information[free, free])
    steepness = np.maximum(np.abs(λ), FLAT)
    step = np.zeros(4)
    step[free] = v @ ((v.T @ gradient[free]) / steepness)
    step /= max(1.0, float(np.max(np.abs(step))))  # no quadratic model reaches beyond 1
    lowest = _log_likelihood(u, mixture)
    lowest -= 1e-14 * (1.0 + abs(lowest))  # rounding of the mean
    for shortened in range(BACKTRACKS):
        new = _moved(mixture, step)
        if new.a < new.b and _log_likelihood(u, new) >= lowest:
            return step, bool(λ[0] > FLAT) and not shortened
        step /= 4
    return np.zeros(4), False


def _moved(mixture: _Mixture, step: Array) -> _Mixture:
    a, b, s, η = mixture
    to_a, to_b, to_log_s, to_η = map(float, step)
    return _Mixture(a + s * to_a, b + s * to_b, s * math.exp(to_log_s), η + to_η)


# ---- standardised data --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)  # eq compares fields, and arrays have no single truth value
class Standardised:
    """Data x (n,) in units of the spread, modes at a = −d/2 and b = d/2, d = `separation`.

    raw = centre + spread · x. θ_star and q_star = p_b(θ_star) are the exact minimiser of the
    mean energy: the answer which a training method on these data should find.
    """

    x: Array
    a: float
    b: float
    separation: float
    centre: float
    spread: float
    θ_star: float
    q_star: float
    fit: Fit


def standardise(x: Array, fit: Fit) -> Standardised:
    """(x − (μ_a+μ_b)/2)/s for x (n,), and the maximum-likelihood weight with means and spread held.

    Raises InputError "data" where that weight is 0 or 1 (a fit to other data).
    """
    centre = fit.mean_a + (fit.mean_b - fit.mean_a) / 2
    separation = (fit.mean_b - fit.mean_a) / fit.spread
    # A point closer to the centre than the smallest float is at the centre.
    with np.errstate(under="ignore"):
        z = (np.asarray(x, dtype=np.float64) - centre) / fit.spread  # (n,)
        q = _best_weight(separation * z)
    return Standardised(
        x=z,
        a=-separation / 2,
        b=separation / 2,
        separation=separation,
        centre=centre,
        spread=fit.spread,
        θ_star=math.log1p(-q) - math.log(q),
        q_star=q,
        fit=fit,
    )


def _best_weight(t: Array) -> float:
    """The root q of (1/n) Σ r_i = q, r_i = σ(t_i + log q/(1−q)), for log ratios t = d x (n,).

    It maximises ℓ(q) = (1/n) Σ log(1−q+q e^{t_i}), which is concave: with
    g_i = r_i/q − (1−r_i)/(1−q), ℓ′ = mean g and ℓ″ = −mean g². Newton's step, or bisection where
    it would leave the bracket; the root is unique and the bracket always holds it.
    """
    low, high = (SMALLEST_MODE / t.size) ** 2, 1.0 - 1e-15
    if _slopes(low, t)[0] <= 0 or _slopes(high, t)[0] >= 0:
        _refuse(f"{t.size} values", "the best weight of these modes is 0 or 1: one has no data")
    q = 0.5
    while True:
        slope, curvature = _slopes(q, t)
        low, high = (q, high) if slope > 0 else (low, q)
        new = q - slope / curvature
        if not low < new < high:
            new = low + (high - low) / 2
        # 4 ε: the step that rounding of the mean alone can cause.
        if abs(new - q) <= 4 * np.finfo(float).eps * q or new in (low, high):
            return new
        q = new


def _slopes(q: float, t: Array) -> tuple[float, float]:
    """(ℓ′, ℓ″) at q."""
    η = math.log(q) - math.log1p(-q)
    g = _sigmoid(t + η) / q - _sigmoid(-t - η) / (1 - q)  # (n,)
    return float(np.mean(g)), -float(np.mean(g**2))
