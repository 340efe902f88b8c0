"""The exact law of the discrete-time algorithm: fixed nodes with moving weights.

    w'_j = Σ_i w_i N(x_j; x_i − h ∂_xU_θ(x_i), 2h) Δ

The limit of infinitely many walkers, without noise. The trapezoid sum over i has the error
e^{−2π²·2h/(TʹΔ)²} of a Gaussian that the map T(x) = x − h∂_xU squeezes by its slope Tʹ, and the
error e^{−2π²/(dΔ)} of the poles of r_θ; Tʹ reaches 1 − h + hd²/4 at the ridge between the modes.
So Δ = √(2h)/3 alone is not enough: where mass passes the ridge, Δ must also stay below 0.5/d.
What jumps at m is not summed but integrated (`law_mean`), to e^{−35} after a step.

MALA's min(1, e^{work}) has kinks, of which the sum leaves Δ²/12 of the jump in slope: along a path
E[r_θ] and the share of mode b are off by less than Δ²/50 (a test holds it; at h = 0.05 and d = 20
by 1e−5, most often by 1e−8). Detailed balance holds node by node, so ρ_θ itself stays to round-off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, cast

import numpy as np

from toyflows.backends import pairs
from toyflows.backends.base import LogG, Slope, check_tilted, law_mean, method_of, only_walkers
from toyflows.backends.noised import REACH, noised
from toyflows.cloud import Array, Cloud, counted, log_weights
from toyflows.errors import NoExactLaw
from toyflows.mixture import Law, Mixture
from toyflows.state import Particles
from toyflows.target import Target, nodes, spacing

WIDE = 6.0  # nodes a standard deviation, above which a kernel is applied in two parts
WORK, TILT = Mixture.work, Mixture.tilt  # the weights whose form is known
# What `persistent` can do, as that of `Walkers`.
FUSED = MappingProxyType({("plain", "ula"): (), ("work", "ula"): ("log_Z", "effective_size")})
STEPS_A_CALL = 200  # of the law of persistent chains: some ms
MOST = 1e6  # nodes that walkers may be apart
LIGHTEST = 1e-30  # share of the largest weight that a tilted step need not take along


@dataclass(frozen=True)
class Grid:
    """Backend with quadrature nodes; dx (node distance) follows from h and d unless given."""

    target: Target
    h: float
    dx: float = 0.0
    memory: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    _last: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    name = "grid"
    sums_apart: ClassVar[bool] = True  # those of `persistent` are not `mean`'s to the last bit

    def __post_init__(self) -> None:
        if self.dx == 0.0:
            object.__setattr__(self, "dx", min(math.sqrt(2 * self.h) / 3, spacing(self.mixture.d)))

    @property
    def mixture(self) -> Mixture:
        return self.target.mixture

    @property
    def sweeps(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """What `persistent` can do."""
        return FUSED if self.mixture.closed_forms else {}

    @cached_property
    def x(self) -> Array:
        """Nodes (n,): the wells of ULA have variance 1/(1 − h/2)."""
        return self._nodes(1.0)

    def _nodes(self, temperature: float) -> Array:
        """Nodes that hold the wells of ULA at that temperature, and its laws on the way there."""
        reach = REACH * math.sqrt(temperature / (1.0 - self.h / 2))
        return nodes(*self.mixture.range(reach, temperature), self.dx, self.mixture.m)

    def _around(self, cloud: Cloud, temperature: float) -> Array:
        """The nodes for where the cloud goes: Langevin contracts, so none beyond where it is."""
        x = self.x if temperature == 1.0 else self._nodes(temperature)
        low, high = cloud.x.min(), cloud.x.max()
        if x[0] <= low + self.dx and high - self.dx <= x[-1]:
            return x
        return nodes(min(x[0], low), max(x[-1], high), self.dx, self.mixture.m)

    def at(self, step: int) -> Grid:
        return self

    def with_step(self, h: float) -> Grid:
        found: Grid = _grid(cast(Any, type(self)), self.target, h)
        return found.remembering(self.memory) if self.memory else found

    def remembering(self, memory: dict[str, Any]) -> Grid:
        return replace(self, memory=memory)

    def rng(self, stream: int = 0) -> np.random.Generator:
        only_walkers("rng")

    def data(self) -> Cloud:
        return self.target.data

    def data_particles(self) -> Cloud:
        return self.target.data

    def model(self, θ: float) -> Cloud:
        return Law(self.mixture, θ, self.x)

    def noise(self, spread: float, many: int = 1, substep: int = 0) -> Cloud:
        m = self.mixture.m
        x = nodes(m - REACH * spread, m + REACH * spread, min(self.dx, 0.6 * spread), m)
        return Cloud(x, -0.5 * ((x - m) / spread) ** 2)

    def noised(self, σ: float, substep: int = 0, sharp: bool = False) -> Cloud:
        return noised(self.target, σ, sharp)

    def blend(self, first: Cloud, second: Cloud, p: float, substep: int = 0) -> Cloud:
        with np.errstate(under="ignore"):
            parts = [(1 - p) * first.weights, p * second.weights]
            if np.array_equal(first.x, second.x):
                return Cloud(first.x, log_weights(parts[0] + parts[1]))
            # Equal nodes become one: else a buffer, blended at each step, would grow for ever.
            x, at = np.unique(np.concatenate([first.x, second.x]), return_inverse=True)
            return Cloud(x, log_weights(np.bincount(at, np.concatenate(parts)).astype(np.float64)))

    def pick(self, cloud: Cloud, one_in: int) -> Cloud:
        return cloud

    def put(self, cloud: Cloud, picked: Cloud, one_in: int) -> Cloud:
        return self.blend(cloud, picked, 1 / one_in)

    def swap(
        self, cold: Cloud, hot: Cloud, θ: float, T_cold: float, T_hot: float, substep: int = 0
    ) -> tuple[Cloud, Cloud]:
        """What independent pairs do on average. Partners beyond the nodes that both laws have are
        refused; there e^{−U_θ/T_cold} < e^{−40}."""
        from toyflows.kernels.swap import acceptance

        i, j = self._common(cold.x, hot.x)
        x, w, v = cold.x[i], cold.weights.copy(), hot.weights.copy()
        U = self.mixture.energy(x, θ)
        order = np.argsort(U, kind="stable")  # U on the nodes is four runs, which timsort merges
        A, B = acceptance(order, U, w[i], v[j], 1 / T_cold - 1 / T_hot)
        with np.errstate(under="ignore"):
            up, down = w[i] * A, v[j] * B
            w[i] = np.maximum(w[i] + (down - up), 0.0)
            v[j] = np.maximum(v[j] + (up - down), 0.0)
        return Cloud(cold.x, log_weights(w)), Cloud(hot.x, log_weights(v))

    def _common(self, x: Array, y: Array) -> tuple[slice, slice]:
        """Where the nodes that x and y share stand in each of them."""
        low, high = max(x[0], y[0]), min(x[-1], y[-1])
        first, last = (np.rint((end - np.array([x[0], y[0]])) / self.dx) for end in (low, high))
        i, j = (slice(int(k), int(n) + 1) for k, n in zip(first, last, strict=True))
        return i, j

    def resample(self, cloud: Cloud, below: float) -> Cloud:
        return cloud

    def effective_size(self, cloud: Cloud) -> float:
        return math.nan

    def mean(self, cloud: Cloud, integrand: Callable[..., Any], *args: float) -> Any:
        return law_mean(self.mixture, cloud, integrand, *args)

    def mean_of_pairs(
        self, first: Cloud, second: Cloud, f: Callable[..., Any], *args: Any, substep: int = 0
    ) -> Any:
        return pairs.of_all(first, second, f, *args)

    def crossed(self, before: Particles, after: Particles) -> float:
        return math.nan

    def gathered(self, cloud: Cloud) -> Cloud:
        """Walkers as weights on nodes, each shared by the two beside it: its mean is kept."""
        x, m, dx = cloud.x, self.mixture.m, self.dx
        check_held(x, dx)
        to = nodes(min(x.min(), self.x[0]) - dx, max(x.max(), self.x[-1]) + dx, dx, m)
        place = (x - to[0]) / dx
        k = place.astype(np.intp)
        f, w = place - k, cloud.weights
        heights = np.bincount(k, w * (1 - f), to.size) + np.bincount(k + 1, w * f, to.size)
        return Cloud(to, log_weights(heights.astype(np.float64)) + cloud.log_mass)

    def underdamped(self, cloud: Cloud, v: Array, θ: float, **how: Any) -> tuple[Cloud, Array]:
        only_walkers("underdamped")

    def move(
        self,
        cloud: Cloud,
        θ: float,
        *,
        substep: int = 0,
        kernel: str = "ula",
        temperature: float = 1.0,
        log_g: LogG | None = None,
        args: tuple[float, ...] = (),
        slope: Slope | None = None,
    ) -> Cloud:
        """From points anywhere (nodes, data, noise) to weights on the nodes."""
        T, known = temperature, method_of(self.mixture, log_g)
        if slope is not None:
            return self._tilted(cloud, θ, T, kernel, log_g, args, slope)
        if log_g is not None and known is TILT:  # a weight of y alone
            moved = self.move(cloud, θ, kernel=kernel, temperature=T)
            assert moved.logw is not None
            return Cloud(moved.x, moved.logw + log_g(moved.x, moved.x, *args))
        y, stays = self._around(cloud, T), np.zeros(0)
        mass = 0.0 if cloud.logw is None else cloud.log_mass
        if isinstance(cloud, Law) and kernel == "mala":  # what is rejected stays at nodes
            cloud = Law(cloud.mixture, cloud.θ, y)
        if log_g is None and kernel == "ula":
            w = self._spread(cloud.weights, self._pushed(cloud.x, θ), y, T)
        elif log_g is None:
            w, sent = self._weighted(cloud, θ, y, T, (θ, θ, self.h), 1 / T, 0.0)
            stays = np.maximum(cloud.weights - sent, 0.0)
        elif known is WORK and kernel == "ula":
            w, _ = self._weighted(cloud, θ, y, T, args, 1.0, math.inf)
        else:
            w, stays = self._dense(cloud, θ, y, T, kernel, log_g, args)
        moved = Cloud(y, log_weights(w) + mass)
        return moved if kernel == "ula" else self._add(moved, cloud.x, stays, mass)

    def _tilted(
        self, cloud: Cloud, θ: float, T: float, kernel: str, log_g: LogG | None,
        args: tuple[float, ...], slope: Slope,
    ) -> Cloud:  # fmt: skip
        """A step of ULA in the energy U_θ + V, `slope` V', to nodes as far as it takes mass."""
        check_tilted(kernel, slope)
        to, w = self._pushed(cloud.x, θ) - self.h * slope(cloud.x), cloud.weights
        some = to[w > LIGHTEST * w.max()]
        reach = REACH * math.sqrt(2 * self.h * T)
        y, mix = self._around(cloud, T), self.mixture
        low, high = some.min() - reach, some.max() + reach
        if low < y[0] or high > y[-1]:
            y = nodes(min(low, y[0]), max(high, y[-1]), self.dx, mix.m)
        mass = 0.0 if cloud.logw is None else cloud.log_mass
        if log_g is None:
            return Cloud(y, log_weights(self._spread(w, to, y, T)) + mass)
        with np.errstate(under="ignore"):
            log_p = self._log_transition(to, y, T) + log_g(cloud.x[:, None], y[None, :], *args)
            return Cloud(y, log_weights(w @ np.exp(log_p)) + mass)

    def _spread(self, w: Array, to: Array, y: Array, temperature: float) -> Array:
        """Weights (n,) of w, pushed to the points `to`, after the noise of a step of ULA.

        A wide kernel is a narrow one, of variance τ = (3Δ/2)², and the rest 2hT − τ, which goes
        from node to node and needs no exponentials: Gaussians add, up to the trapezoid rule's
        e^{−2π²τ(1 − τ/2hT)/Δ²} < e^{−41}.
        """
        from toyflows.kernels.banded import apply_banded, convolve

        first, near, far = _gaussians(self.h, self.dx, temperature)
        K = near.size // 2
        out = np.empty(y.size + 2 * K)
        apply_banded(w, (to - y[0]) / self.dx, self.dx, first, near, out)
        if far.size > 1:
            once, K = out, K + far.size // 2
            out = np.empty(y.size + 2 * K)
            convolve(once, far, out)
        return out[K:-K]

    def pairs(self, cloud: Cloud | None) -> int:
        """How many pairs of nodes a step of the cloud looks at, at most: its work."""
        return self.x.size * (1 if cloud is None else cloud.size)

    def a_call(self, cloud: Cloud) -> int:
        """How many steps `persistent` may make before Ctrl-C is heard; none from points that are no
        nodes."""
        return STEPS_A_CALL if np.array_equal(cloud.x, self._around(cloud, 1.0)) else 0

    def persistent(
        self, sweep: str, kernel: str, step: int, cloud: Cloud, θ: float, steps: int, η: float,
        below: float = 0.0,
    ) -> tuple[Cloud, float, Array]:  # fmt: skip
        """`steps` steps of the law of persistent chains on nodes: law, θ, and path (steps, 4 or 6)
        of θ, θ̇, the share of mode b, nan; as `Walkers.persistent`."""
        from toyflows.kernels.exact_law import persistent_law, weighted_law

        mix, data, x = self.mixture, self.target.data, cloud.x
        logw = np.zeros(x.size) if cloud.logw is None else cloud.logw.copy()
        path = np.empty((steps, 4 + len(self.sweeps[sweep, kernel])))
        known = logw, x, self.dx, counted(x, mix.m), data.x, data.weights, mix.a, mix.b, self.h, η
        if sweep == "work":
            θ = weighted_law(*known, θ, REACH * math.sqrt(2 * self.h), path)
        else:
            θ = persistent_law(*known, θ, *_gaussians(self.h, self.dx, 1.0), path)
        return Cloud(x, logw), θ, path

    def _weighted(
        self, cloud: Cloud, θ: float, y: Array, temperature: float, of_work: tuple[float, ...],
        scale: float, cap: float,
    ) -> tuple[Array, Array]:  # fmt: skip
        """Weights (n,) after a step whose entries are times exp(min(cap, scale·work)), and what
        each source sent (m,).

        Without the weight y − x is −hF(x) + √(2h)ξ; with all of it the step back has the Gaussian:
        x − y = −hF'(y) + √(2h)ξ. So all that counts has |y − x| ≤ h max|F| + 9 deviations.
        """
        from toyflows.kernels.banded import apply_weighted

        x, variance, (before, after, h) = cloud.x, 2 * self.h * temperature, of_work
        A, F = self._work_terms(x, before, h)
        A_to, F_to = self._work_terms(y, after, h)
        push = self.h * max(float(np.abs(F).max()), float(np.abs(F_to).max()))
        K = math.ceil((push + REACH * math.sqrt(variance)) / self.dx) + 1
        out, sent = np.empty(y.size), np.empty(x.size)
        apply_weighted(log_weights(cloud.weights), x, self._pushed(x, θ), A, F, y, A_to, F_to,
                       self.dx, K, variance, scale, cap, out, sent)  # fmt: skip
        return out, sent

    def _work_terms(self, x: Array, θ: float, h: float) -> tuple[Array, Array]:
        """A = U + ¼hF² and F = ∂_xU: `Mixture.work` is A(x) − A'(y) + ½(y−x)(F(x) + F'(y))."""
        F = self.mixture.dU_dx(x, θ)
        with np.errstate(under="ignore"):  # at a well's bottom F² is 0
            return self.mixture.energy(x, θ) + 0.25 * h * F**2, F

    def _dense(
        self, cloud: Cloud, θ: float, y: Array, temperature: float, kernel: str, log_g: LogG,
        args: tuple[float, ...],
    ) -> tuple[Array, Array]:  # fmt: skip
        """The same for weights that no kernel knows, as a matrix: slow, and right for any log_g."""
        x, to, w = cloud.x[:, None], y[None, :], cloud.weights
        with np.errstate(under="ignore"):
            log_p = self._log_transition(self._pushed(cloud.x, θ), y, temperature)
            stays = np.zeros(0)
            if kernel == "mala":
                log_p += np.minimum(self.mixture.work(x, to, θ, θ, self.h) / temperature, 0.0)
                left = np.maximum(1.0 - np.exp(log_p).sum(axis=1), 0.0)
                stays = w * left * np.exp(log_g(cloud.x, cloud.x, *args))
            return np.exp(log_weights(w)[:, None] + log_p + log_g(x, to, *args)).sum(axis=0), stays

    def _add(self, cloud: Cloud, x: Array, w: Array, mass: float) -> Cloud:
        """The cloud (on nodes) plus points x of weights w e^mass: on the nodes where they are."""
        assert cloud.logw is not None
        place = (x - cloud.x[0]) / self.dx
        k = np.rint(place).astype(np.intp)
        off = (np.abs(place - k) > 1e-6) | (k < 0) | (k >= cloud.size)
        here = np.bincount(k[~off], w[~off], cloud.size).astype(np.float64)
        logw = np.logaddexp(cloud.logw, log_weights(here) + mass)
        if not off.any():
            return Cloud(cloud.x, logw)
        return Cloud(np.append(cloud.x, x[off]), np.append(logw, log_weights(w[off]) + mass))

    def transition(self, θ: float) -> Array:
        """The kernel as a matrix P (n, n), P_ij = N(x_j; T(x_i), 2h)Δ between the nodes."""
        with np.errstate(under="ignore"):  # entries far from the diagonal are zero
            return np.exp(self._log_transition(self._pushed(self.x, θ), self.x, 1.0))

    def _log_transition(self, pushed: Array, y: Array, temperature: float) -> Array:
        """log P_ij from points that the drift takes to `pushed`, to the nodes y (m, n)."""
        variance = 2 * self.h * temperature
        scale = self.dx / math.sqrt(2 * math.pi * variance)
        away = y[None, :] - pushed[:, None]
        return math.log(scale) - away**2 / (2 * variance)

    def _pushed(self, x: Array, θ: float) -> Array:
        """T(x) = x − h ∂_xU_θ(x), kept for the next of several moves at one θ."""
        known = self._last.get("pushed")  # one look: another thread may put its own there
        if known is None or known[0] is not x or known[1] != θ:
            self._last["pushed"] = known = (x, θ, x - self.h * self.mixture.dU_dx(x, θ))
        pushed: Array = known[2]
        return pushed


def check_held(x: Array, dx: float) -> None:
    """Raises NoExactLaw for walkers that no nodes dx apart hold: one of them has left."""
    if not np.ptp(x) < MOST * dx:  # nor is nan
        raise NoExactLaw("has no law of walkers that left the family's range")


@lru_cache(maxsize=64)
def _gaussians(h: float, dx: float, temperature: float) -> tuple[float, Array, Array]:
    """Half the variance of the first part of a step's Gaussian, its values on the nodes, and those
    of the second part, [1] where the first is all."""
    wide = 2 * h * temperature > (WIDE * dx) ** 2
    first = (1.5 * dx) ** 2 / (2 * h) if wide else temperature
    far = _gauss(h * (temperature - first), dx) if wide else np.ones(1)
    return h * first, _gauss(h * first, dx), far


def _gauss(τ: float, dx: float) -> Array:
    """The kernel's values N(kΔ; 0, 2τ)Δ for |k| ≤ K (2K + 1,)."""
    K = math.ceil(REACH * math.sqrt(2 * τ) / dx) + 1
    k = np.arange(-K, K + 1)
    with np.errstate(under="ignore"):
        return np.asarray(np.exp(-((k * dx) ** 2) / (4 * τ)) * (dx / math.sqrt(4 * math.pi * τ)))


@lru_cache(maxsize=8)
def _grid(kind: Any, target: Target, h: float) -> Grid:
    """Kept, because its nodes and kernel are."""
    return kind(target, h)
