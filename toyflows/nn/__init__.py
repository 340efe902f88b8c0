"""Networks in plain NumPy with the backward written out: the reference that a student reads.

    import numpy as np
    from toyflows import nn
    network = nn.mlp(inputs=2, outputs=1, time=0)
    print(network.forward(network.init(np.random.default_rng(0)), np.zeros((3, 2))))

Layers (`Conv2d`, `Dense`, `Swish`) make a `Network` through `sequential`; `mlp`, `unet` and
`energy_network` are those of the lectures. `Adam` and `EMA` train them. `compiled` are their
compiled twins; `reference` answers what those are asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toyflows.lazy import lazy

__all__ = [
    "EMA", "Adam", "Conv2d", "Dense", "Network", "Swish", "energy_network", "mlp", "sequential",
    "unet",
]  # fmt: skip

if TYPE_CHECKING:
    from toyflows.nn.image_layers import Conv2d
    from toyflows.nn.layers import Dense, Swish
    from toyflows.nn.network import Network, energy_network, mlp, sequential
    from toyflows.nn.optimise import EMA, Adam
    from toyflows.nn.unet import unet

__getattr__, __dir__ = lazy(__name__, {
    "image_layers": "Conv2d", "layers": "Dense Swish",
    "network": "Network energy_network mlp sequential", "optimise": "Adam EMA", "unet": "unet",
})  # fmt: skip
