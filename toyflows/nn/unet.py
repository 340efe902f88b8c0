"""A small U-Net: an image and a time, perhaps a class, to an image of the same size.

    x ── first ── skip1 ─────────────────────── join1 ── up1 ── last ── y        size, a channels
                    └─ down1 ── skip2 ── join2 ── up2 ─┘                         size/2, b channels
                                  └─ down2 ── middle ─┘                          size/4, b channels

A block is swish(norm(conv(h) + D e)): a 3 × 3 convolution, of stride 2 in the blocks `down`, a bias
for each image and channel that is linear in the condition e, group norm. The blocks `middle` and
`up2` double their pixels; a join puts the skipped channels behind them. The condition is
e = swish(D (embedded time + embedded class)). Source of the shape: Ronneberger, Fischer & Brox,
U-Net (2015); of norm and time in each block: Ho, Jain & Abbeel, DDPM (2020), here without attention
and residual sums.
"""

from __future__ import annotations

from toyflows.errors import InputError
from toyflows.nn.embeddings import ClassEmbedding, TimeEmbedding
from toyflows.nn.image_layers import Conv2d, GroupNorm, UpSample
from toyflows.nn.layers import Add, Concatenate, Dense, Layer, Swish
from toyflows.nn.network import Network, Node

LEVELS = 4  # 2 × 2: how often a side is halved


def unet(
    size: int = 28,
    channels: tuple[int, int] = (32, 64),
    time: int = 32,
    classes: int = 0,
    embedding: int = 64,
    groups: int = 8,
) -> Network:
    """Inputs x (N, size, size, 1), t (N,) and, where classes > 0, a label (N,); y has x's shape.

    The label `classes` means no class, for guidance without a classifier. `time` numbers embed t,
    and as many the label, which are added; `embedding` is the length of the condition e.
    """
    if size < LEVELS or size % LEVELS:
        raise InputError("size", size, f"must be a multiple of {LEVELS}")
    if classes < 0:
        raise InputError("classes", classes, "must be 0 or more")
    a, b = channels

    def block(name: str, reads: str, inputs: int, outputs: int, stride: int = 1) -> list[Node]:
        layers: list[tuple[str, Layer, tuple[str, ...]]] = [
            ("conv", Conv2d(inputs, outputs, 3, stride, 1), (reads,)),
            ("bias", Dense(embedding, outputs), ("condition",)),
            ("sum", Add(), (f"{name}.conv", f"{name}.bias")),
            ("norm", GroupNorm(outputs, groups), (f"{name}.sum",)),
        ]
        nodes = [Node(f"{name}.{part}", layer, inputs) for part, layer, inputs in layers]
        return [*nodes, Node(name, Swish(), (f"{name}.norm",))]

    nodes = [
        *_condition(time, classes, embedding),
        *block("first", "x", 1, a),
        *block("skip1", "first", a, a),
        *block("down1", "skip1", a, b, stride=2),
        *block("skip2", "down1", b, b),
        *block("down2", "skip2", b, b, stride=2),
        *block("middle", "down2", b, b),
        *_join("join2", "middle", "skip2"),
        *block("up2", "join2", 2 * b, b),
        *_join("join1", "up2", "skip1"),
        *block("up1", "join1", a + b, a),
        Node("last", Conv2d(a, 1, 3, 1, 1), ("up1",)),
    ]
    inputs: dict[str, tuple[int, ...]] = {"x": (size, size, 1), "t": ()}
    return Network(inputs | ({"label": ()} if classes else {}), nodes)


def _condition(time: int, classes: int, embedding: int) -> list[Node]:
    """e from t and the label."""
    nodes, features = [Node("time", TimeEmbedding(time), ("t",))], "time"
    if classes:
        features = "features"
        nodes.append(Node("class", ClassEmbedding(classes + 1, time), ("label",)))
        nodes.append(Node(features, Add(), ("time", "class")))
    nodes.append(Node("embed", Dense(time, embedding), (features,)))
    return [*nodes, Node("condition", Swish(), ("embed",))]


def _join(name: str, small: str, skipped: str) -> list[Node]:
    """The doubled pixels of `small`, and behind them the channels of `skipped`."""
    doubled = f"{small}.doubled"
    return [Node(doubled, UpSample(2), (small,)), Node(name, Concatenate(), (doubled, skipped))]
