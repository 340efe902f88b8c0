"""What an energy is used for: scores, holes filled, noise taken away, several classes at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toyflows.errors import InputError
from toyflows.images import uses
from toyflows.images.baseline import LinearFilter
from toyflows.images.sgld import Chain, Plain, langevin
from toyflows.images.uses import Sampler
from toyflows.nn.layers import Array
from toyflows.nn.network import energy_network
from toyflows.numerics import softmax
from toyflows.pictures import GREY, Labels, Pixels, levels, sheet

RNG = np.random.default_rng(2)
NO_θ = np.zeros(0)


@dataclass(frozen=True)
class Quadratic:
    """E(x) = κ|x|²/2."""

    κ: float = 0.5
    name: str = "quadratic"

    def outputs(self, θ: Array, x: Pixels) -> Array:
        return self.κ / 2 * np.sum(x**2, axis=(1, 2))[:, None]

    def input_gradient(self, θ: Array, x: Pixels, classes: Labels | None = None) -> Array:
        return self.κ * x

    def langevin(
        self, θ: Array, x: Pixels, chain: Chain, seed: int, start: int, classes: Labels | None
    ) -> Pixels:
        return langevin(lambda z: self.κ * z, x, chain, seed, start)

    def gradients(self, θ: Array, x: Pixels, g: Array) -> Array:
        raise NotImplementedError


def images(n: int = 5, size: int = 12) -> Pixels:
    return RNG.uniform(-1, 1, (n, size, size)).astype(np.float32)


# ------------------------------------------------------------------ chains
def test_snapshots_are_looks_at_one_chain() -> None:
    sampler = Sampler(Quadratic(), NO_θ, Chain(10, 0.1), seed=4)
    every = list(sampler.from_noise(3, 8, 10))
    assert [k for k, _ in every] == list(range(11))
    for snapshots, marks in ((1, [0, 10]), (4, [0, 2, 5, 8, 10]), (99, list(range(11)))):
        seen = list(sampler.from_noise(3, 8, snapshots))
        assert [k for k, _ in seen] == marks
        assert all(np.array_equal(x, every[k][1]) for k, x in seen)
    start = every[0][1]
    assert np.array_equal(list(sampler.follow(start))[-1][1], every[-1][1])
    assert abs(np.mean(start.astype(float) ** 2) - 1 / 3) < 0.1


def test_inpainting_keeps_what_is_known() -> None:
    """Known pixels keep their bits at every snapshot. The unknown ones are chains of their own
    law: at E = κ|x|²/2, those that they would be without the others."""
    x, known = images(), uses.known_without("left", 12)
    sampler = Sampler(Quadratic(), NO_θ, Chain(6, 0.3), seed=1)
    alone = list(sampler.from_noise(5, 12, 6))
    for (k, z), (_, free) in zip(sampler.inpaint(x, known, 6), alone, strict=True):
        assert np.array_equal(z[:, known], x[:, known]), k
        assert np.array_equal(z[:, ~known], free[:, ~known]), k


def test_what_is_missing() -> None:
    shares = {"left": 72, "right": 72, "top": 72, "bottom": 72, "middle": 36}
    for part, missing in shares.items():
        known = uses.known_without(part, 12)
        assert known.shape == (12, 12)
        assert (~known).sum() == missing
    assert not uses.known_without("top", 12)[:6].any()
    assert not uses.known_without("right", 12)[:, 6:].any()
    assert uses.known_without("left", 13).sum() == 13 * 7
    with pytest.raises(InputError, match="inpaint = up: must be left"):
        uses.known_without("up", 12)


@pytest.mark.parametrize("pull", [0.0, 0.2, 3.0, 1e4])
def test_denoising_rests_at_the_posterior(pull: float) -> None:
    """Without noise the chain ends where κz + pull(z − x) = 0, for any pull."""
    x, κ = images(), 0.5
    sampler = Sampler(Quadratic(κ), NO_θ, Chain(80, 0.5, 0, 1e9))
    z = list(sampler.denoise(x, pull))[-1][1]
    assert np.abs(z - pull / (κ + pull) * x).max() < 1e-5
    with pytest.raises(InputError, match="pull"):
        next(sampler.denoise(x, -1))


def test_a_composition_moves_down_the_sum_of_energies() -> None:
    network = energy_network(12, 4)
    engine, θ = Plain(network), network.init(np.random.default_rng(0))
    x = start = images(3)
    chain = Chain(5, 10, 0, 1e9)
    end = list(Sampler(engine, θ, chain, classes=(1, 3)).follow(start))[-1][1]
    for _ in range(5):
        one, three = (engine.input_gradient(θ, x, np.full((3, 1), k)) for k in (1, 3))
        x = np.clip(x - 10 * (one + three), -1, 1)
    assert np.abs(end - x).max() < 1e-5
    single = list(Sampler(engine, θ, chain, classes=(1,)).follow(start))[-1][1]
    assert np.abs(end - single).max() > 0.001


def test_images_may_have_classes_of_their_own() -> None:
    network = energy_network(12, 4)
    engine, θ = Plain(network), network.init(np.random.default_rng(0))
    x, chain = images(3), Chain(5, 10, 0, 1e9)
    y = np.array([[1, 3], [0, 2], [3, 2]])
    ends = uses.last(Sampler(engine, θ, chain, classes=y).follow(x))
    for k, pair in enumerate(y.tolist()):
        alone = uses.last(Sampler(engine, θ, chain, classes=tuple(pair)).follow(x[k : k + 1]))
        assert np.abs(ends[k] - alone[0]).max() < 1e-5
        other = uses.last(Sampler(engine, θ, chain, classes=(1, 2)).follow(x[k : k + 1]))
        assert np.abs(ends[k] - other[0]).max() > 0.001


def test_the_pull_is_that_of_the_posterior() -> None:
    """At the temperature T the chain's law is e^{−(E + (pull/2)|z − x|²)/T}, and T/pull = σ²: of
    E = κz²/2, the Gaussian of precision κ/T + 1/σ². Its mean to 5 errors of 5760 pixels, its spread
    to 6; the step's own error is 0.0025 of the spread. False fails: 1e-6."""
    κ, σ, chain = 0.5, 0.25, Chain(400, 0.02, 0.05, 1e9)  # T = 1/16
    sampler = Sampler(Quadratic(κ), NO_θ, chain, seed=3)
    assert sampler.pull(σ) == pytest.approx(1.0)
    x = np.full((40, 12, 12), 0.3, np.float32)  # the law ends 4 spreads before the cut at 1
    z = uses.last(sampler.denoise(x, sampler.pull(σ))).astype(float)
    precision = 16 * κ + 1 / σ**2
    assert abs(z.mean() - 0.3 / σ**2 / precision) < 0.0135
    assert abs(z.std() * np.sqrt(precision) - 1) < 0.06


# ------------------------------------------------------------------ the linear rival
def test_a_linear_map_is_the_best_one() -> None:
    """Where the columns seen are orthonormal, ridge r shrinks each coefficient by 1 + r; where a
    linear map made the images, it is found."""
    z = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32)
    whole = (z @ [[2.0], [-3.0]] + 5).astype(np.float32)
    found = LinearFilter.fit(z, whole)
    assert found.weights[:, 0] == pytest.approx(np.array([2, -3, 5]) / 1.001, rel=1e-6)
    assert found(z) == pytest.approx(whole, rel=0.002)


# ------------------------------------------------------------------ scores
@pytest.mark.parametrize("K", [1, 4])
def test_scores_are_what_they_say(K: int) -> None:
    network = energy_network(12, K)
    θ = network.init(np.random.default_rng(K), np.float64)
    engine, x = Plain(network), images(3).astype(float)
    found = uses.scores(engine, θ, x)
    f = network.forward(θ, x[..., None])[0]
    E = f[:, 0] if K == 1 else -np.log(np.exp(f).sum(axis=1))
    assert np.abs(found["energy"] - E).max() < 1e-12
    slope = np.empty_like(x)
    for i in range(12):
        for j in range(12):
            e = np.zeros((12, 12))
            e[i, j] = 1e-5
            up, down = (uses.scores(engine, θ, x + s * e)["energy"] for s in (1, -1))
            slope[:, i, j] = (up - down) / 2e-5
    norm = np.sqrt((slope**2).sum(axis=(1, 2)))
    assert np.abs(found["gradient"] - norm).max() < 1e-7 * norm.max()
    assert ("probability" in found) == (K > 1)
    if K > 1:
        assert np.array_equal(found["probability"], -softmax(f).max(axis=1))


def test_names_of_classes_are_found() -> None:
    assert uses.places(["c", "a"], "abc") == (2, 0)
    with pytest.raises(InputError, match="class = z: choose from a b c"):
        uses.places(["a", "z"], "abc")


# ------------------------------------------------------------------ pictures
def test_a_sheet_has_every_image_in_its_place(tmp_path: Path) -> None:
    rows = [images(3, 28), images(2, 28)]
    told = sheet(rows)
    assert told.shape == (2 * 30 + 2, 3 * 30 + 2)
    assert np.array_equal(told[32:60, 32:60], levels(rows[1][1]))
    assert (told[32:60, 62:90] == GREY).all()
    with Image.open(uses.save(tmp_path / "a.png", rows, ["x", "y"])) as picture:
        assert np.array_equal(np.asarray(picture)[::2, ::2], told)
    with np.load(uses.save(tmp_path / "a.npz", rows, ["x", "y"])) as file:
        assert np.array_equal(file["y"], rows[1])
    with pytest.raises(InputError, match=r"must be a \.png"):
        uses.save(tmp_path / "a.gif", rows, [])


def test_noise_has_its_spread() -> None:
    x = np.zeros((50, 28, 28), np.float32)
    seen = uses.noised(x, 0.1, 3)
    assert abs(uses.spread(seen) / 0.1 - 1) < 0.02  # 5.6 σ of 39,200 normals
    assert np.array_equal(uses.noised(x, 0.0, 3), x)
    assert np.abs(uses.noised(x, 5.0, 3)).max() == 1
