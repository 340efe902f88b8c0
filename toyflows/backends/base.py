"""What a flow may ask of a backend: laws, a Markov kernel, and means.

A backend is frozen; `at(step)` gives the same backend for another step, because randomness is a
function of (seed, step). A flow never learns which backend it runs on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, Protocol, Self

import numpy as np

from toyflows.cloud import Array, Cloud
from toyflows.errors import InputError, nearest
from toyflows.mixture import Law, Mixture
from toyflows.state import Particles
from toyflows.target import Target

WALKER_STEPS_A_CALL = 1 << 23  # 8 ms: Ctrl-C is heard, progress is shown, threads are chosen
LogG = Callable[..., Array]
Slope = Callable[[Array], Array]
STARTS = ("model", "data")  # of persistent chains: ρ_θ0, or ρ_*
PARTNERS = 8  # of a walker, in means over pairs
KERNELS = ("ula", "mala")  # unadjusted Langevin, and with Metropolis' acceptance (Besag 1994)


def check_kernel(kernel: str) -> None:
    """Raises InputError for a kernel that no backend has."""
    if kernel not in KERNELS:
        raise InputError("p", f"kernel={kernel}", f"unknown; {nearest(kernel, KERNELS)}")


def check_start(start: str) -> None:
    """Raises InputError for a start of persistent chains that there is not."""
    if start not in STARTS:
        raise InputError("p", f"start={start}", f"unknown; {nearest(start, STARTS)}")


def check_tilted(kernel: str, slope: Slope | None) -> None:
    """Raises InputError unless a step that `slope` tilts is one of ULA."""
    if slope is not None and kernel != "ula":
        raise InputError("p", f"kernel={kernel}", "must be ula where `slope` tilts the energy")


def only_walkers(name: str) -> NoReturn:
    """Raises InputError: the exact law has no single particles, and nothing random."""
    why = (f"has no `{name}`: a method that asks for it says `exact = False`, and runs on walkers "
           "alone")  # fmt: skip
    raise InputError("backend", "grid", why)


def method_of(mixture: Any, f: Any) -> Callable[..., Any] | None:
    """The function whose method of this very mixture f is; None for anything else.

    What a kernel stands for is chosen by it, and never by a name: a user's function may bear any,
    and a method of another mixture is another function.
    """
    owner = getattr(f, "__self__", None)
    own = type(owner) is type(mixture) and owner == mixture
    return getattr(f, "__func__", None) if own else None


IN_B, IN_B_CENTRED = Mixture.in_b, Mixture.in_b_centred


def law_mean(mix: Mixture, cloud: Cloud, f: Callable[..., Any], *args: float) -> Any:
    """E_cloud[f(x, *args)] for a law known by its nodes, or for the user's points.

    What jumps at m, 1_b and 1_b (r_θ − p_b), is not summed but integrated: in closed form for a
    `Law`, else as `half_line` does. A law after a step of Langevin is a convolution with N(0, 2h),
    and with nodes Δ ≤ √(2h)/3 the error is e^{−35} or less.
    """
    own = method_of(mix, f)
    if isinstance(cloud, Law) and own is IN_B:
        return mix.share_b(cloud.θ)
    if isinstance(cloud, Law) and own is IN_B_CENTRED and args == (cloud.θ,):
        return -mix.share_b_slope(cloud.θ)
    if own is IN_B:
        return cloud.beyond(mix.m)
    if own is IN_B_CENTRED:
        return cloud.beyond(mix.m, lambda x: mix.centred(x, *args))
    with np.errstate(under="ignore"):  # w·f below the smallest float is zero
        return f(cloud.x, *args) @ cloud.weights


class Backend(Protocol):
    """The operations; `h` is the step of the Markov kernel."""

    @property
    def name(self) -> str: ...
    @property
    def target(self) -> Target: ...
    @property
    def mixture(self) -> Mixture: ...
    @property
    def h(self) -> float: ...

    def at(self, step: int) -> Self:
        """The backend at that step."""

    def with_step(self, h: float) -> Self:
        """The backend whose kernel has the step h."""

    @property
    def memory(self) -> dict[str, Any]:
        """What the method keeps of its own (`Flow.memory`): copies, for it to change."""

    def remembering(self, memory: dict[str, Any]) -> Self:
        """The backend with that memory."""

    def rng(self, stream: int = 0) -> np.random.Generator:
        """Random numbers of one's own, a function of (seed, step, stream). Walkers only."""

    def data(self) -> Cloud:
        """The law of the data, exactly."""

    def data_particles(self) -> Cloud:
        """Particles distributed as the data."""

    def model(self, θ: float) -> Cloud:
        """Particles distributed as ρ_θ, independent of all others."""

    def noise(self, spread: float, many: int = 1, substep: int = 0) -> Cloud:
        """Particles distributed as N(m, spread²), `many` times as many as in other clouds."""

    def noised(self, σ: float, substep: int = 0, sharp: bool = False) -> Cloud:
        """Noised data: pairs x (2, n) of y = x + σε and of ε, ε standard normal.

        On the grid the second is E[ε | y], which is all that an integrand linear in ε asks for; and
        the nodes are for integrands as smooth as the noised law, or `sharp`, as r_θ.
        """

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
        """cloud · P_θ, a step y = x − h∂_xU + √(2hT) ξ; weights times exp(log_g(x, y, *args)).

        kernel "mala" accepts it with probability min(1, e^{work(x,y)/T}), so that e^{−U_θ/T} is
        invariant; "ula" takes it as it is. `substep` numbers the moves within one step of the flow.
        `slope` tilts the energy: it is V'(x) (n,) of a V added to U_θ, for "ula". On the exact law
        it is a function of x alone; a walker may have one of its own, as (x − x̃)/σ² about its x̃.
        """

    def underdamped(
        self,
        cloud: Cloud,
        v: Array,
        θ: float,
        *,
        friction: float = 1.0,
        temperature: float = 1.0,
        substep: int = 0,
        slope: Slope | None = None,
    ) -> tuple[Cloud, Array]:
        """A step of dx = v dt, dv = −∂_xU dt − γv dt + √(2γT) dW with γ = `friction`: the cloud,
        and the momenta v (n,) of unit mass. Walkers only.

        By BAOAB (Leimkuhler & Matthews 2013): half a kick, half a drift, v ← e^{−γh}v +
        √(T(1 − e^{−2γh})) ξ, half a drift, half a kick. Where U is quadratic, x has its exact
        variance. `substep` is counted together with that of `move`: both use its noise.
        """

    def blend(self, first: Cloud, second: Cloud, p: float, substep: int = 0) -> Cloud:
        """(1 − p) first + p second: each particle replaced by the second's with probability p."""

    def pick(self, cloud: Cloud, one_in: int) -> Cloud:
        """One particle in `one_in` of the cloud, chosen at random."""

    def put(self, cloud: Cloud, picked: Cloud, one_in: int) -> Cloud:
        """The cloud with `picked` put back in the places it was picked from, at the same step."""

    def swap(
        self, cold: Cloud, hot: Cloud, θ: float, T_cold: float, T_hot: float, substep: int = 0
    ) -> tuple[Cloud, Cloud]:
        """Each particle x of `cold` meets a z of `hot`, drawn anew, and changes places with it with
        probability min(1, e^{(1/T_cold − 1/T_hot)(U_θ(x) − U_θ(z))}).
        """

    def resample(self, cloud: Cloud, below: float) -> Cloud:
        """The same law and mass with equal weights, where the effective size is < below·n."""

    def effective_size(self, cloud: Cloud) -> float:
        """(Σw)²/Σw² as a share of n; nan where particles have no identity."""

    def mean(self, cloud: Cloud, integrand: Callable[..., Any], *args: float) -> Any:
        """E_cloud[integrand(x, *args)]: a number, or (k,) for an integrand of shape (k, n)."""

    def mean_of_pairs(
        self, first: Cloud, second: Cloud, f: Callable[..., Any], *args: Any, substep: int = 0
    ) -> Any:
        """E[f(x, y, *args)] of independent x of `first` and y of `second`, also where both are the
        same cloud. f is smooth, and takes arrays that broadcast.

        The exact law sums all pairs of nodes; so does any backend for the law of the data. Walkers
        meet PARTNERS others of theirs, never themselves, drawn anew at each step: no bias, and of
        the order of 1/√n off.
        """

    def crossed(self, before: Particles, after: Particles) -> float:
        """How many particles changed sides; nan where particles have no identity."""
