"""The figure of parallel tempering: claims hold, other methods fail them, words are legible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import tempering
from toyflows.flows import make
from toyflows.flows.tempering import Tempering
from toyflows.stats import ClaimError


def test_claims_hold_and_words_are_legible() -> None:
    data = tempering.compute(0.05, 0)
    tempering.claim(data)
    figure = drawn(tempering, data)
    assert problems(figure) == []
    assert struck_through(figure) == []


@dataclass(frozen=True)
class Apart(Tempering):
    """Every level at its temperature, and no exchange."""

    name = ""

    def advance(self, ops, θ, θ_new, chains):
        T = self.temperatures
        return tuple(ops.move(c, θ, substep=j, temperature=T[j]) for j, c in enumerate(chains))


@dataclass(frozen=True)
class Cool(Tempering):
    """Exchanges as at the temperatures 1 … hottest, all chains moved at 1."""

    name = ""

    def advance(self, ops, θ, θ_new, chains):
        cold = tuple(ops.move(c, θ, substep=j) for j, c in enumerate(chains))
        T = self.temperatures
        return (*ops.swap(cold[0], cold[1], θ, T[0], T[1]), *cold[2:])


@dataclass(frozen=True)
class Greedy(Tempering):
    """Every exchange is accepted."""

    name = ""

    def advance(self, ops, θ, θ_new, chains):
        moved = Apart.advance(self, ops, θ, θ_new, chains)
        return (moved[1], moved[0], *moved[2:])


@pytest.mark.parametrize("wrong", [Apart, Cool, Greedy])
def test_other_methods_fail_the_claims(wrong, monkeypatch) -> None:
    def other(name: str, **options):
        return wrong(**options) if name == "tempering" else make(name, **options)

    monkeypatch.setattr(tempering, "make", other)
    monkeypatch.setattr(tempering, "LADDERS", (2,))
    monkeypatch.setattr(tempering, "SAMPLED", ())
    monkeypatch.setattr(tempering, "PATIENCE", 10)
    data = tempering.compute(0.05, 0)
    with pytest.raises(ClaimError, match="θ of tempering"):
        tempering.claim(data)


def test_other_numbers_fail_the_claims(monkeypatch) -> None:
    """Each array in turn, off by what an audience would see."""
    monkeypatch.setattr(tempering, "LADDERS", (2, 3))
    monkeypatch.setattr(tempering, "SAMPLED", (2,))
    data = tempering.compute(0.05, 1)
    tempering.claim(data)
    for name, change, said in (
        ("tempering/walkers", lambda v: v - 0.4, "θ of walkers, tempering"),
        ("pcd/walkers", lambda v: v / 2, "θ of walkers, pcd"),
        ("pcd/grid", lambda v: v + 1e-6, "θ of PCD"),
        ("pcd/crossings", lambda v: v + 0.01, "crossings of PCD"),
        ("tempering/crossings", lambda v: v / 3, "crossings"),
        ("half", lambda v: v[:, ::-1], "rise with K"),
        ("half", lambda v: v[::-1], "cold/hot"),
        ("half", lambda v: np.where(v > 7, np.nan, v), "rise with K"),
        ("weights/1", lambda v: 4 * v, "PCD's rate"),
        ("weights/2", lambda v: v + 0.3, "weight of b, K = 2"),
    ):
        with pytest.raises(ClaimError, match=said):
            tempering.claim(data | {name: change(data[name])})
