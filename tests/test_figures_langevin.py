"""The figure of Langevin's mixing: claims hold, wrong data and methods fail them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.backends.walkers import Walkers
from toyflows.figures import langevin_mixing
from toyflows.figures.langevin_mixing import SEPARATIONS, SIZES
from toyflows.stats import ClaimError
from toyflows.target import Target


@cache
def computed(seed: int) -> dict[str, np.ndarray]:
    return langevin_mixing.compute(0.05, seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_claims_hold_and_words_are_legible(seed: int) -> None:
    langevin_mixing.claim(computed(seed))
    figure = drawn(langevin_mixing, computed(seed))
    assert problems(figure) == []
    assert struck_through(figure) == []


@pytest.mark.parametrize(
    ("key", "wrong", "said"),
    [
        ("exact", np.exp(SEPARATIONS**2 / 8), "Kramers"),
        ("formula", np.exp(SEPARATIONS**2 / 8), "formula"),
        ("bias", -1e-3 * (SIZES / SIZES[0]) ** 2, "order"),
        ("metropolis", np.full(3, 1e-9), "MALA"),
        ("noise variance", np.array([1.0, 1.0]), "variance"),
        ("noise b", np.array([[0.8, 0.8, 0.935], [0.8, 0.8, 0.8]]), "mass in b"),
    ],
)
def test_wrong_data_fail_the_claims(key: str, wrong: np.ndarray, said: str) -> None:
    with pytest.raises(ClaimError, match=said):
        langevin_mixing.claim(computed(0) | {key: wrong})


@dataclass(frozen=True)
class Hot(Walkers):
    """Walkers at a temperature 3 % too high."""

    def move(self, cloud, θ, **how):
        return super().move(cloud, θ, **how | {"temperature": 1.03 * how["temperature"]})


def test_walkers_of_another_noise_fail_the_claims(monkeypatch) -> None:
    """At ten times the chains, which detect 3 % in the noise."""
    monkeypatch.setattr(langevin_mixing, "Walkers", Hot)
    monkeypatch.setattr(langevin_mixing, "SAMPLED", np.array([6.0]))
    wrong = computed(0) | langevin_mixing._crossing(100_000, 0)
    with pytest.raises(ClaimError, match="walkers in b"):
        langevin_mixing.claim(wrong)


def test_the_measured_time_is_the_kernels_eigenvalue() -> None:
    """The relaxation time from the mass in b is −h/log λ, λ the largest eigenvalue of the grid's
    matrix on antisymmetric laws: within 0.3 % at d = 6, as the wells still widen from variance 1 to
    ULA's 1/(1 − h/2)."""
    target, d = Target.exact(0.0, 6.0), 6.0
    grid = langevin_mixing.Grid(target, 0.25 / d**2)
    n = grid.x.size // 2
    P = grid.transition(0.0)
    odd = P[:n, :n] - P[:n, :n:-1]  # from x < m to y < m, less that to −y
    λ = np.max(np.linalg.eigvals(odd).real)
    k = int(np.flatnonzero(d == SEPARATIONS)[0])
    assert computed(0)["exact"][k] == pytest.approx(-grid.h / np.log(λ), rel=3e-3)
