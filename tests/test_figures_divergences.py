"""The figure of the divergences: claims hold, other methods fail them, words are legible."""

from __future__ import annotations

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import divergences
from toyflows.flows import Flow, make
from toyflows.flows.total_variation import TotalVariation
from toyflows.flows.wasserstein import Wasserstein
from toyflows.stats import ClaimError


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    with np.errstate(all="raise"):
        return divergences.compute(0.05, 0)


def test_claims_hold_and_words_are_legible(data) -> None:
    divergences.claim(data)
    figure = drawn(divergences, data)
    assert problems(figure) == []
    assert struck_through(figure) == []


class Chatters(TotalVariation):
    """Total variation by Euler's step."""

    name, step = "", Flow.step


class Late(TotalVariation):
    """It is said to arrive a fifth later than it does."""

    name = ""

    def arrival(self, target, θ0):
        return 1.2 * super().arrival(target, θ0)


class Biased(TotalVariation):
    """Least at another θ."""

    name = ""

    def value(self, target, θ):
        return super().value(target, θ + 0.3)


class Long(Wasserstein):
    """W₁ in units of d/1.2."""

    name = ""

    def κ(self, mix):
        return 1.2 * super().κ(mix)


@pytest.mark.parametrize(
    ("replaced", "by", "said"),
    [
        ("score-matching", lambda **o: make("hellinger"), "Fisher"),
        ("ml", lambda **o: make("nce"), "speed at θ"),
        ("hellinger", lambda **o: make("score-matching"), "distance"),
        ("total-variation", lambda **o: Chatters(), "distance"),
        ("total-variation", lambda **o: Late(), "arrival"),
        ("total-variation", lambda **o: Biased(), "value"),
        ("wasserstein", lambda **o: make("total-variation"), "distance"),
        ("wasserstein", lambda **o: Long(**o), "W₁/d"),
    ],
    ids=["Hellinger for Fisher", "NCE for KL", "Fisher for Hellinger", "Euler's step at a kink",
         "a later arrival", "a bias", "TV for W", "W₁ in other units"],
)  # fmt: skip
def test_other_methods_fail_the_claims(replaced, by, said, monkeypatch) -> None:
    def wrong(name: str, **options):
        return by(**options) if name == replaced else make(name, **options)

    monkeypatch.setattr(divergences, "make", wrong)
    with pytest.raises(ClaimError, match=said):
        divergences.claim(divergences.compute(0.05, 0))
