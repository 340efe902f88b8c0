"""The figure of the GAN: its claims hold, other flows fail them, its words are legible."""

from __future__ import annotations

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import gan_oscillation as figure
from toyflows.stats import ClaimError


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    with np.errstate(all="raise"):
        return figure.compute(0.05, 0)


@pytest.mark.parametrize("seed", [0, 1])
def test_claims_hold_and_words_are_legible(seed: int, data) -> None:
    if seed:
        data = figure.compute(0.05, seed)
    figure.claim(data)
    picture = drawn(figure, data)
    assert problems(picture) == []
    assert struck_through(picture) == []


@pytest.mark.parametrize(
    ("of", "to", "said"),
    [
        ("with a penalty/eigenvalues", "Wasserstein/eigenvalues", "Re λ"),
        ("Wasserstein/eigenvalues", "with a penalty/eigenvalues", "Re λ"),
        ("Dirac/eigenvalues", "minimax/eigenvalues", "Re λ"),
        ("non-saturating/eigenvalues", "Dirac/eigenvalues", "λ"),
        ("minimax/eigenvalues", "minimax, penalty/eigenvalues", "Re λ"),
        ("minimax, penalty/eigenvalues", "minimax/eigenvalues", "Re λ"),
        ("with a penalty/theory", "Wasserstein/theory", "ratio"),
        ("Wasserstein/theory", "with a penalty/theory", "ratio"),
        ("minimax/theory", "Wasserstein/theory", "ratio"),
        ("Wasserstein/walkers", "with a penalty/walkers", "p_b, Wasserstein"),
        ("minimax/walkers", "Wasserstein/walkers", "p_b, minimax"),
    ],
)
def test_data_of_another_form_fail_the_claims(of: str, to: str, said: str, data) -> None:
    """One form's numbers put in another's place."""
    with pytest.raises(ClaimError, match=said):
        figure.claim(data | {of: data[to]})
