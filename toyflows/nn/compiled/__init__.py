"""The networks of the lectures, compiled: the numbers of the NumPy networks, several times as fast.
docs/compiled.md says how.

    from toyflows.nn import compiled, mlp
    network = mlp()
    fast = compiled.of_points(network)     # fast.forward(θ, x, t), fast.loss_and_gradient(…)

Each twin answers `forward`, `input_gradient` or `divergence`, `gradients` or `loss_and_gradient`,
and that of an energy `langevin`. Nothing else of this package is used outside of it. With
TOYFLOWS_NETWORKS=numpy in the environment the NumPy networks answer instead: slower, of the same
numbers but for rounding, whatever is wrong with the compiler of a machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toyflows.files import compiled_networks
from toyflows.nn.network import Network

if TYPE_CHECKING:
    from toyflows.nn.compiled.energy import Fast
    from toyflows.nn.compiled.mlp import FastMLP
    from toyflows.nn.compiled.unet import FastUNet
    from toyflows.nn.reference import Reference


def of_energy(network: Network) -> Fast:
    """Of an energy of images; InputError where it has other layers. Its NumPy engine is
    `images.sgld.Plain`."""
    from toyflows.nn.compiled.energy import Fast

    return Fast(network)


def of_points(network: Network) -> FastMLP | Reference:
    """Of a network that `mlp` made; InputError else."""
    if not compiled_networks():
        from toyflows.nn.reference import Reference

        return Reference(network)
    from toyflows.nn.compiled.mlp import FastMLP

    return FastMLP(network)


def of_images(network: Network) -> FastUNet | Reference:
    """Of a network that `unet` made; InputError else."""
    if not compiled_networks():
        from toyflows.nn.reference import Reference

        return Reference(network, mean=True)
    from toyflows.nn.compiled.unet import FastUNet

    return FastUNet(network)
