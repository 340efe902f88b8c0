"""The figure of contrastive divergence: claims hold, other methods fail them, words are legible."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import cd_k
from toyflows.flows import make
from toyflows.flows.cd import CD
from toyflows.stats import ClaimError


@pytest.mark.parametrize("seed", [0, 1])
def test_claims_hold_and_words_are_legible(seed: int) -> None:
    data = cd_k.compute(0.05, seed)
    cd_k.claim(data)
    figure = drawn(cd_k, data)
    assert problems(figure) == []
    assert struck_through(figure) == []


@dataclass(frozen=True)
class OneStep(CD):
    """θ̇ of CD-1, whatever k."""

    name = ""

    def negatives(self, ops, θ, chains):
        return CD(1, self.h).negatives(ops, θ, chains)


@pytest.mark.parametrize(
    ("replaced", "by", "said"),
    [
        ("score-matching", lambda **o: make("ml"), "ratio"),
        ("cd", lambda **o: make("ml"), "ratio|growth|share"),
        ("cd", OneStep, "share of ML"),
    ],
    ids=["ML for score matching", "ML for CD", "CD-1 for CD-k"],
)
def test_other_methods_fail_the_claims(replaced, by, said, monkeypatch) -> None:
    def wrong(name: str, **options):
        return by(**options) if name == replaced else make(name, **options)

    monkeypatch.setattr(cd_k, "make", wrong)
    data = cd_k.compute(0.05, 0)
    with pytest.raises(ClaimError, match=said):
        cd_k.claim(data)
