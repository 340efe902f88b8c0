"""The figure of two RBMs: its claims hold, a bound that falls is caught."""

from __future__ import annotations

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import _manifest, _registry, _title, deep_belief
from toyflows.stats import ClaimError


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    return deep_belief.compute(0.05, 0)


def test_claims_hold_and_words_are_legible(data) -> None:
    claim = _manifest.numbers("deep_belief", deep_belief.claim(data))
    _title.check(_registry.describe("deep_belief").title, claim, deep_belief.SAYS)
    picture = drawn(deep_belief, data)
    assert problems(picture) == []
    assert struck_through(picture) == []


def test_a_bound_that_falls_or_is_none_is_caught(data) -> None:
    """It dips at a step; it is above log p; it begins elsewhere than at the lower one's log p."""
    for said, wrong in (
        ("fall", {"bound": data["bound"] - 0.01 * (np.arange(len(data["bound"])) == 50)}),
        ("log p − bound", {"log_p": data["bound"] - 1e-3}),
        ("start", {"alone": data["alone"] + 1e-3}),
    ):
        with pytest.raises(ClaimError, match=said):
            deep_belief.claim(data | wrong)
