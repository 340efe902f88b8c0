"""Maximum likelihood of two modes of common spread for points x (n,):

p(x) = (1−q) N(x; μ_a, s²) + q N(x; μ_b, s²),     μ_a < μ_b
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from toyflows.cloud import Array
from toyflows.errors import InputError
from toyflows.numerics import expit
from toyflows.tables import LARGEST, unusable

FEWEST = 4  # values: the mixture has four parameters
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
SPLITS = 6  # starts of the fit, besides 2-means and those at QUANTILES
LARGE = 20_000  # points beyond which a start costs much, and two beside 2-means have to do
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BACKTRACKS = 10  # down to 4⁻⁹ of a Newton step; beyond that EM does better


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


def refuse(source: str, why: str) -> NoReturn:
    """Raises InputError("data", source, why)."""
    raise InputError("data", source, why)


def check(x: Array, source: str) -> None:
    """Raises InputError unless a mixture can be fitted to the values x (n,)."""
    beyond = np.flatnonzero(~(np.abs(x) <= LARGEST))  # nan compares false
    if beyond.size:
        refuse(source, f"entry [{beyond[0]}]: {unusable(x[beyond[0]])}")
    if x.size < FEWEST:
        refuse(source, f"too few values ({x.size}); at least {FEWEST} are needed")
    if x.min() == x.max():
        refuse(source, f"all {x.size} values are equal ({x[0]:g}); two modes need a spread")


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
        refuse(described, f"has shape {x.shape}; must be (n,)")
    check(x, described)
    held = _checked_modes(modes)
    low, high = min([x.min(), *held]), max([x.max(), *held])
    scale = high - low
    # What underflows here, far tails and tiny responsibilities, is zero to every sum it enters.
    with np.errstate(under="ignore"):
        u = (x - low) / scale  # (n,)
        try:
            starts = (
                [_nearest_start(u, (held[0] - low) / scale, (held[1] - low) / scale)]
                if held
                else _split_starts(u)
            )
            mixture, iterations = _best(u, starts, bool(held), tol, max_iter)
        except _Degenerate as error:
            if held:
                raise InputError("modes", f"{held[0]:g} {held[1]:g}", str(error)) from None
            refuse(described, str(error))
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


def _split_starts(u: Array) -> list[_Mixture]:
    """Splits k of the sorted data into two groups, the exact 2-means solution first: the most
    between groups, k (n−k) (mean_b − mean_a)² (Fisher 1958). It overlooks small groups, so the
    others are the highest local maxima of the likelihood with labels,

        −(n/2) log Σ(within) + k log k + (n−k) log(n−k),

    and the quantiles; all k at once from prefix sums."""
    u = np.sort(u)
    n = u.size
    k = np.arange(1, n)  # (n−1,) points in the lower group
    below = np.cumsum(u)[:-1]
    gap = (u.sum() - below) / (n - k) - below / k
    between = k * (n - k) * gap**2 / n
    within = np.maximum(np.var(u) * n - between, SMALLEST_SPREAD)
    likely = -n / 2 * np.log(within) + k * np.log(k) + (n - k) * np.log(n - k)
    edged = np.concatenate([[-np.inf], likely, [-np.inf]])
    peaks = np.flatnonzero((likely >= edged[:-2]) & (likely >= edged[2:]))
    many = n <= LARGE
    peaks = peaks[np.argsort(-likely[peaks], kind="stable")][: SPLITS if many else 2]
    quantiles = [int(n * q) - 1 for q in QUANTILES if n * q >= 1 and many]
    chosen = dict.fromkeys([int(np.argmax(between)), *peaks.tolist(), *quantiles])
    return [_split(u, k0 + 1) for k0 in chosen]


def _split(u: Array, k: int) -> _Mixture:
    """Of the sorted data the first k in the one group."""
    in_b = np.arange(u.size) >= k
    return _labelled_start(u, in_b, float(np.mean(u[:k])), float(np.mean(u[k:])))


def _nearest_start(u: Array, a: float, b: float) -> _Mixture:
    """Each point to the nearer of two held modes."""
    return _labelled_start(u, u > (a + b) / 2, a, b)


def _labelled_start(u: Array, in_b: NDArray[np.bool_], a: float, b: float) -> _Mixture:
    # At least one point a mode: EM cannot grow a weight of zero.
    n_b = min(max(int(in_b.sum()), 1), u.size - 1)
    s = float(np.sqrt(np.mean((u - np.where(in_b, b, a)) ** 2)))
    return _Mixture(a, b, s, math.log(n_b / (u.size - n_b)))


def _best(
    u: Array, starts: list[_Mixture], held: bool, tol: float, max_iter: int
) -> tuple[_Mixture, int]:
    """The highest of the maxima that the starts lead to. Raises the first's _Degenerate where all
    end in one."""
    found, failed = [], []
    for start in starts:
        try:
            found.append(_maximise(u, start, held, tol, max_iter))
        except _Degenerate as error:
            failed.append(error)
    if not found:
        raise failed[0]
    return max(found, key=lambda f: _log_likelihood(u, f[0]))


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
    return expit(-t), expit(t)


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
    _check_spread(mixture.s)
    if mixture.b - mixture.a < MERGED * mixture.s:
        raise _Degenerate("the two modes merge: next to their spread they cannot be told apart")
    r_a, r_b = _responsibilities(u, mixture)
    n_a, n_b = float(r_a.sum()), float(r_b.sum())
    if min(n_a, n_b) < SMALLEST_MODE:
        raise _Degenerate(f"mode {'a' if n_a < n_b else 'b'} is left without data")
    a, b = (mixture.a, mixture.b) if held else (float(r_a @ u) / n_a, float(r_b @ u) / n_b)
    s = math.sqrt(float(r_a @ (u - a) ** 2 + r_b @ (u - b) ** 2) / u.size)
    _check_spread(s)
    return _Mixture(a, b, s, math.log(n_b / n_a))


def _check_spread(s: float) -> None:
    if s < SMALLEST_SPREAD:
        raise _Degenerate("every point lies on one of two values; modes need a spread")


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
