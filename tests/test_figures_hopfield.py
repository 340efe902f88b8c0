"""The figures of Hopfield networks and of products: claims hold, other methods fail them."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.diffusion.gaussians import Gaussians
from toyflows.figures import (
    hopfield_capacity,
    hopfield_cities,
    hopfield_letters,
    modern_hopfield,
    product_of_experts,
)
from toyflows.lattice import capacity, experts, hopfield, modern
from toyflows.stats import ClaimError

FIGURES = [hopfield_letters, hopfield_cities, hopfield_capacity, modern_hopfield,
           product_of_experts]  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("figure", FIGURES, ids=lambda m: m.__name__.rpartition(".")[2])
def test_claims_hold_and_words_are_legible(figure: ModuleType, seed: int) -> None:
    data = figure.compute(0.05, seed)
    figure.claim(data)
    picture = drawn(figure, data)
    assert problems(picture) == []
    if figure is not product_of_experts:  # its contours are curves on purpose
        assert struck_through(picture) == []


def fails(figure: ModuleType, said: str) -> None:
    data = figure.compute(0.05, 0)
    with pytest.raises(ClaimError, match=said):
        figure.claim(data)


def test_hebb_for_the_gradient_rule_fails(monkeypatch) -> None:
    monkeypatch.setattr(hopfield_letters, "RULES", dict.fromkeys("ab", hopfield.hebb))
    fails(hopfield_letters, "gradient rule, 1 bit")
    monkeypatch.setattr(hopfield, "gradient_rule", lambda x, **_: hopfield.hebb(x))
    fails(hopfield_cities, "prompts answered")


def test_updates_against_the_field_fail(monkeypatch) -> None:
    """Spins that turn against their activations: the energy rises."""
    plain = hopfield.Hopfield.activations
    monkeypatch.setattr(hopfield.Hopfield, "activations", lambda net, s: -plain(net, s))
    fails(hopfield_letters, "margin|rise")


def test_a_letter_with_a_wrong_pixel_changes_the_count(monkeypatch) -> None:
    load = hopfield_letters.patterns.load

    def other(sources: list[str]):
        stored = load(sources)
        x = stored.x.copy()
        x[0, 6] *= -1
        return replace(stored, x=x)

    monkeypatch.setattr(hopfield_letters.patterns, "load", other)
    fails(hopfield_letters, "states at rest|mixtures|margin|1 bit")


def test_weights_with_a_diagonal_fail_the_threshold(monkeypatch) -> None:
    """A self-weight of half the number of patterns holds every unit where it is."""
    plain = capacity.hebb

    def stubborn(x):
        net = plain(x)
        np.fill_diagonal(net.W, len(x) / 2)
        return net

    monkeypatch.setattr(capacity, "hebb", stubborn)
    fails(hopfield_capacity, "threshold")


def test_another_temperature_fails_the_modern_network(monkeypatch) -> None:
    own = modern.own_weight
    monkeypatch.setattr(modern, "own_weight", lambda d, p, β, n, rng: own(d, p, 0.8 * β, n, rng))
    fails(modern_hopfield, "log p over d")
    monkeypatch.setattr(modern, "own_weight", own)
    monkeypatch.setattr(modern_hopfield, "β", 0.05)
    fails(modern_hopfield, "from a half")


def test_a_mixture_for_the_product_fails(monkeypatch) -> None:
    """The points of one expert, and the sum in place of the product."""
    gibbs = experts.gibbs
    monkeypatch.setattr(experts, "gibbs", lambda laws, *rest: gibbs(laws[:1], *rest))
    fails(product_of_experts, "law of")
    monkeypatch.setattr(experts, "gibbs", gibbs)

    def summed(laws):
        w = np.concatenate([law.weights / len(laws) for law in laws])
        means = np.concatenate([law.means for law in laws])
        return Gaussians(w, means, np.concatenate([law.spreads for law in laws])), 0.0

    monkeypatch.setattr(experts, "closed_form", summed)
    fails(product_of_experts, "density")
