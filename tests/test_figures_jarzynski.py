"""The figure of Jarzynski's weights: claims hold, wrong weights fail them, words are legible."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import jarzynski
from toyflows.flows import make
from toyflows.flows.jarzynski import Jarzynski
from toyflows.flows.pcd import PCD
from toyflows.stats import ClaimError


@cache
def computed(seed: int) -> dict[str, np.ndarray]:
    return jarzynski.compute(0.05, seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_claims_hold_and_words_are_legible(seed: int) -> None:
    jarzynski.claim(computed(seed))
    figure = drawn(jarzynski, computed(seed))
    assert problems(figure) == []
    assert struck_through(figure) == []


@dataclass(frozen=True)
class Unweighted(Jarzynski):
    """θ̇ of PCD, whose chains keep the mass they started with."""

    name = ""

    def advance(self, ops, θ, θ_new, chains):
        return PCD(self.kernel).advance(ops, θ, θ_new, chains)


@dataclass(frozen=True)
class Late(Jarzynski):
    """θ̇ with the work of a step that ends at the old θ: as if θ did not move within it."""

    name = ""

    def advance(self, ops, θ, θ_new, chains):
        mix = ops.mixture
        return ops.move(chains, θ, log_g=mix.tilt, args=(θ, θ_new))


@pytest.mark.parametrize(("wrong", "said"), [(Unweighted, "θ at the end"), (Late, "log Z")])
def test_other_weights_fail_the_claims(wrong, said, monkeypatch) -> None:
    """Without weights; and with those of annealed importance sampling on a step that does not leave
    ρ_θ invariant (ULA), which are off by the step's bias."""

    def other(name: str, **options):
        return wrong(**options) if name == "jarzynski" else make(name, **options)

    monkeypatch.setattr(jarzynski, "make", other)
    monkeypatch.setattr(jarzynski, "REPLICAS", 2)
    with pytest.raises(ClaimError, match=said):
        jarzynski.claim(jarzynski.compute(0.05, 0))


@pytest.mark.parametrize(
    ("key", "wrong", "said"),
    [
        ("share", np.full(501, 0.3), "effective share"),
        ("plain log Z", np.full((16, 501), 0.1) + 1e-3 * np.arange(16)[:, None], "plain log Z"),
        ("resampled share", np.full((16, 501), 0.4), "share"),
        ("first draw", np.arange(16) % 3 / 10, "correlation"),
        ("pcd", np.full(501, -1.4), "PCD"),
    ],
)
def test_wrong_data_fail_the_claims(key: str, wrong: np.ndarray, said: str) -> None:
    with pytest.raises(ClaimError, match=said):
        jarzynski.claim(computed(0) | {key: wrong})
