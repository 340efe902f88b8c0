"""What a flow may ask of a backend: laws, a Markov kernel, and means.

A backend is frozen; `at(step)` gives the same backend for another step, because randomness is a
function of (seed, step). A flow never learns which backend it runs on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Self

from toyflows.cloud import Array, Cloud
from toyflows.mixture import Mixture
from toyflows.target import Target

LogG = Callable[[Array, Array], Array]


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

    def data(self) -> Cloud:
        """The law of the data, exactly."""

    def data_particles(self) -> Cloud:
        """Particles distributed as the data."""

    def model(self, θ: float) -> Cloud:
        """Particles distributed as ρ_θ, independent of all others."""

    def move(self, cloud: Cloud, θ: float, substep: int = 0, log_g: LogG | None = None) -> Cloud:
        """cloud · P_θ, one step of unadjusted Langevin; weights times exp(log_g(x, y)).

        `substep` numbers the moves within one step of the flow.
        """

    def mean(self, cloud: Cloud, integrand: Callable[..., Any], *args: float) -> Any:
        """E_cloud[integrand(x, *args)]: a number, or (k,) for an integrand of shape (k, n)."""

    def crossed(self, before: Cloud, after: Cloud) -> float:
        """How many particles changed sides; nan where particles have no identity."""
