"""The figure of the Ising model: claims hold, broken models fail them, words are legible."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import ising
from toyflows.lattice.ising import Ising
from toyflows.lattice.ising_chain import run
from toyflows.stats import ClaimError


@functools.cache
def computed(seed: int) -> dict[str, np.ndarray]:
    return ising.compute(0.05, seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_claims_hold_and_words_are_legible(seed: int) -> None:
    ising.claim(computed(seed))
    figure = drawn(ising, computed(seed))
    assert problems(figure) == []
    assert struck_through(figure) == []


def test_a_wrong_temperature_fails(monkeypatch) -> None:
    """All lattices 1 % too warm: T_c, |m| and the energies each say so."""

    def warm(model: Ising, *rest):
        return run(Ising(model.L, 1.01 * model.T), *rest)

    monkeypatch.setattr(ising, "run", warm)
    data = ising.compute(0.05, 0)
    good = computed(0)
    with pytest.raises(ClaimError, match="errors away"):
        ising.claim(data | {"T_c": good["T_c"]})
    with pytest.raises(ClaimError, match="crossing"):
        ising.claim(good | {"T_c": data["T_c"]})


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("wrong", lambda w: w[[0, 1, 1, 1]], "after Gibbs"),
        ("E", lambda E: E[[0, 1, 3, 2]], "energy of the cut"),
        ("T_c", lambda t: t * [1, 9], "statistical error"),
    ],
)
def test_other_numbers_fail(name: str, change, said: str) -> None:
    with pytest.raises(ClaimError, match=said):
        ising.claim(computed(0) | {name: change(computed(0)[name])})
