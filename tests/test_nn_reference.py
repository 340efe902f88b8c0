"""`nn.reference` against the compiled twins, and the switch between them. Float32 sums of ~1000
products err by ~1e-6 of the largest number; the goal is 1e-5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from toyflows.diffusion.train import Config
from toyflows.errors import InputError
from toyflows.files import NETWORKS
from toyflows.images.engines import engine_of
from toyflows.nn import compiled
from toyflows.nn.network import energy_network, mlp
from toyflows.nn.reference import Reference
from toyflows.nn.unet import unet

ERROR = 1e-5
POINTS = {"standard": {}, "classes": {"width": 32, "classes": 4}, "no time": {"time": 0}}


def close(found: Any, wanted: Any) -> bool:
    return bool(np.abs(found - wanted).max() <= ERROR * np.abs(wanted).max())


def given(shape: tuple[int, ...], time: bool, classes: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    x, target = rng.normal(size=(2, 7, *shape)).astype(np.float32)
    t = rng.uniform(0, 3, 7).astype(np.float32) if time else None
    labels = rng.integers(0, classes + 1, 7) if classes else None
    return x, t, target, rng.uniform(0.5, 2, 7).astype(np.float32), labels


@pytest.mark.parametrize("name", POINTS)
def test_points(name: str) -> None:
    network = mlp(**POINTS[name])
    fast, plain = compiled.of_points(network), Reference(network)
    x, t, target, weight, labels = given((2,), "t" in network.inputs, plain.classes)
    θ = network.init(np.random.default_rng(5))
    assert close(fast.forward(θ, x, t, labels), plain.forward(θ, x, t, labels))
    assert close(fast.forward(θ, x, t), plain.forward(θ, x, t))  # of no class
    L, g = fast.loss_and_gradient(θ, x, t, target, weight, labels)
    L_plain, g_plain = plain.loss_and_gradient(θ, x, t, target, weight, labels)
    assert pytest.approx(L_plain, rel=ERROR) == L
    assert close(g, g_plain)
    for ours, theirs in zip(
        fast.divergence(θ, x, t, labels), plain.divergence(θ, x, t, labels), strict=True
    ):
        assert close(ours, theirs)


def test_images() -> None:
    network = unet(8, (32, 64), classes=2)
    fast, plain = compiled.of_images(network), Reference(network, mean=True)
    x, t, target, weight, labels = given((8, 8, 1), True, 2)
    θ = network.init(np.random.default_rng(5))
    assert close(fast.forward(θ, x, t, labels), plain.forward(θ, x, t, labels))
    L, g = fast.loss_and_gradient(θ, x, t, target, weight, labels)
    L_plain, g_plain = plain.loss_and_gradient(θ, x, t, target, weight, labels)
    assert pytest.approx(L_plain, rel=ERROR) == L
    assert close(g, g_plain)
    with pytest.raises(InputError, match="must be x to x's size"):
        plain.divergence(θ, x, t, labels)


def test_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    def answering() -> list[str]:
        nets = [Config().net(), Config(size=16, width=32).net()]
        return [engine_of(energy_network(28)).name, *(type(n.fast).__name__ for n in nets)]

    monkeypatch.delenv(NETWORKS, raising=False)
    assert answering() == ["fast", "FastMLP", "FastUNet"]
    monkeypatch.setenv(NETWORKS, "numpy")
    assert answering() == ["numpy", "Reference", "Reference"]
    assert engine_of(energy_network(28), "fast").name == "fast"  # asked for by name
    monkeypatch.setenv(NETWORKS, "torch")
    with pytest.raises(InputError, match="must be compiled or numpy"):
        Config().net()
