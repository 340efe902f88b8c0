"""The figures of Boltzmann machines: claims hold, wrong learning fails them, words are legible."""

from __future__ import annotations

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import boltzmann, rbm
from toyflows.lattice.boltzmann import Boltzmann, Moments
from toyflows.stats import ClaimError

FIGURES = {"boltzmann": boltzmann, "rbm": rbm}


@pytest.fixture(scope="module")
def data() -> dict[str, dict[str, np.ndarray]]:
    with np.errstate(all="raise"):
        return {name: figure.compute(0.05, 0) for name, figure in FIGURES.items()}


@pytest.mark.parametrize("name", FIGURES)
def test_claims_hold_and_words_are_legible(name: str, data) -> None:
    FIGURES[name].claim(data[name])
    figure = drawn(FIGURES[name], data[name])
    assert problems(figure) == []
    assert struck_through(figure) == []


def test_one_method_for_all_fails_the_ranking(data) -> None:
    """CD-1's runs in the place of PCD's, and PCD's in the place of the exact gradient's."""
    for place, by, said in ((1, 0, "CD-1 − PCD"), (2, 1, "PCD − exact|among")):
        wrong = {name: x.copy() for name, x in data["rbm"].items()}
        for name in ("KL", "mass", "among"):
            wrong[name][place] = wrong[name][by] + 1e-9 * (name == "KL")
        with pytest.raises(ClaimError, match=said):
            rbm.claim(wrong)


def doubled(machine: Boltzmann, step: int) -> Moments:
    """Moments at the wrong temperature: the activation without its factor 2."""
    return Boltzmann(machine.W, machine.b, 2.0).moments()


def test_moments_of_another_temperature_fail_the_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boltzmann, "exact", doubled)
    found = boltzmann.compute(0.05, 0)
    with pytest.raises(ClaimError, match=r"rise|KL|moment"):
        boltzmann.claim(found)
