"""The triangle of weights: its claims hold, other methods fail them, words are legible."""

from __future__ import annotations

import numpy as np
import pytest
from picture_checks import drawn, problems

from toyflows.figures import simplex
from toyflows.flows import make
from toyflows.stats import ClaimError


@pytest.fixture(scope="module")
def data():
    with np.errstate(all="raise"):
        return simplex.compute(0.05, 1)


def test_claims_hold_and_words_are_legible(data) -> None:
    simplex.claim(data)
    assert problems(drawn(simplex, data)) == []


@pytest.mark.parametrize(
    ("replaced", "by", "said"),
    [
        ("ml", "score-matching", "weight of ML"),
        ("pcd", "jarzynski", "drift|mode 2"),
        ("jarzynski", "pcd", "distance"),
        ("score-matching", "ml", "way of score matching"),
    ],
)
def test_other_methods_fail_the_claims(replaced, by, said, monkeypatch) -> None:
    def wrong(name: str, **options):
        return make(by if name == replaced else name, **options)

    monkeypatch.setattr(simplex, "make", wrong)
    told = simplex.lecture
    monkeypatch.setattr(simplex, "lecture", lambda *a: told(make("pcd"), *a[1:]))
    with pytest.raises(ClaimError, match=said):
        simplex.claim(simplex.compute(0.02, 0))
