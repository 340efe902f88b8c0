"""The blocks of a `unet`, read from the network's nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from toyflows.nn.compiled.passes import Stage
from toyflows.nn.image_layers import Conv2d, GroupNorm
from toyflows.nn.layers import Concatenate
from toyflows.nn.network import Network


@dataclass(frozen=True)
class Block:
    """conv → bias → norm → swish, its pixels doubled where factor = 2; it reads `sources`."""

    name: str
    stage: Stage
    groups: int
    sources: tuple[str, ...]
    factor: int

    @property
    def channels(self) -> int:
        return self.stage.conv.outputs

    @property
    def direct(self) -> bool:
        """Not by Winograd: of stride 2, or of a grey image."""
        return self.stage.conv.stride > 1 or self.stage.conv.inputs == 1


def blocks(network: Network) -> list[Block]:
    """The blocks of a `unet`, in their order."""
    nodes, found = {node.name: node for node in network.nodes}, []
    places = network.views(np.arange(network.size))
    for node in network.nodes:
        if isinstance(node.layer, GroupNorm):
            name = node.name.removesuffix(".norm")
            _, conv, (reads,) = nodes[f"{name}.conv"]
            joined = reads in nodes and isinstance(nodes[reads].layer, Concatenate)
            sources = nodes[reads].inputs if joined else (reads,)
            sources = tuple(source.removesuffix(".doubled") for source in sources)
            place = int(places[f"{name}.conv"]["W"].flat[0])
            stage = Stage(cast(Conv2d, conv), False, network.shapes[reads][0], place)
            factor = 2 if f"{name}.doubled" in nodes else 1
            found.append(Block(name, stage, node.layer.groups, sources, factor))
    return found
