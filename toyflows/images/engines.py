"""Chooses the engine: the compiled one where the network has one, else NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toyflows.errors import InputError
from toyflows.files import compiled_networks
from toyflows.images import sgld
from toyflows.images.energy import energy
from toyflows.images.sgld import Chain, Engine, Plain
from toyflows.limits import check_workers
from toyflows.nn import compiled
from toyflows.nn.layers import Array
from toyflows.nn.network import Network
from toyflows.pictures import Labels, Pixels

if TYPE_CHECKING:
    from toyflows.nn.compiled.energy import Fast

ENGINES = ("fast", "numpy")


@dataclass(frozen=True, eq=False)
class Compiled:
    """The engine of `nn/compiled/energy.py`: float32; its noise is not NumPy's."""

    fast: Fast
    threads: int = 1
    name: str = "fast"

    def outputs(self, θ: Array, x: Pixels) -> Array:
        """See Engine."""
        return self.fast.forward(θ, x, self.threads)

    def input_gradient(self, θ: Array, x: Pixels, classes: Labels | None = None) -> Array:
        """See Engine."""
        if classes is None:
            return self.fast.input_gradient(θ, x, threads=self.threads)
        _, slope = energy(self.outputs(θ, x), classes)
        return self.fast.input_gradient(θ, x, threads=self.threads, upstream=slope)

    def langevin(
        self, θ: Array, x: Pixels, chain: Chain, seed: int, start: int, classes: Labels | None
    ) -> Pixels:
        """See Engine. A whole chain is one call, unless its energy is a sum over classes."""
        if classes is not None and classes.shape[1] > 1:
            return sgld.langevin(
                lambda z: self.input_gradient(θ, z, classes), x, chain, seed, start
            )
        numbers = (chain.steps, chain.step, chain.noise, chain.clip, seed, start)
        labels = None if classes is None else classes[:, 0]
        return self.fast.langevin(θ, x, *numbers, threads=self.threads, labels=labels)

    def gradients(self, θ: Array, x: Pixels, g: Array) -> Array:
        """See Engine."""
        return self.fast.gradients(θ, x, g, self.threads)


def engine_of(network: Network, name: str = "", threads: int = 1) -> Engine:
    """The engine of this name; without a name the fastest that knows the network, NumPy where
    TOYFLOWS_NETWORKS says so."""
    if name not in ("", *ENGINES):
        raise InputError("p", f"engine={name}", f"must be {' or '.join(ENGINES)}")
    check_workers(threads=threads)
    if name == "numpy" or not (name or compiled_networks()):
        return Plain(network)
    try:
        return Compiled(compiled.of_energy(network), threads)
    except InputError as error:
        if name:
            raise InputError("p", f"engine={name}", error.why) from None
        return Plain(network)
