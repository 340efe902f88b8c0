"""The figure of noised score matching: claims hold, other methods and other data fail them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import denoising_bridge as figure
from toyflows.flows import make
from toyflows.flows.denoising import Denoising
from toyflows.stats import ClaimError


@pytest.mark.parametrize("seed", [0, 1])
def test_claims_hold_and_words_are_legible(seed: int) -> None:
    data = figure.compute(0.05, seed)
    figure.claim(data)
    picture = drawn(figure, data)
    assert problems(picture) == []
    assert struck_through(picture) == []


@dataclass(frozen=True)
class Unscaled(Denoising):
    """θ̇ of the loss weighted by 1 + σ²."""

    name = ""

    def velocity(self, ops, θ, negatives, **extra):
        return (1 + self.sigma**2) * super().velocity(ops, θ, negatives)


@pytest.mark.parametrize(
    ("replaced", "by", "said"),
    [
        ("denoising", lambda **o: make("score-matching"), "relative difference"),
        ("denoising", lambda **o: make("denoising", sigma=o["sigma"]), "relative difference"),
        ("denoising", lambda **o: make("denoising", **o | {"model": "noised"}), "distance"),
        ("denoising", Unscaled, "relative difference"),
        ("score-matching", lambda **o: make("ml"), "relative difference"),
        ("multi-noise", lambda **o: make("score-matching"), "share"),
        ("multi-noise", lambda **o: make("multi-noise", weight="uniform"), "share"),
    ],
    ids=["no noise", "model as it is", "model always noised", "another weight",
         "ML for score matching", "one level", "uniform weights"],
)  # fmt: skip
def test_other_methods_fail_the_claims(replaced, by, said, monkeypatch) -> None:
    def wrong(name: str, **options):
        return by(**options) if name == replaced else make(name, **options)

    monkeypatch.setattr(figure, "make", wrong)
    data = figure.compute(0.05, 0)
    with pytest.raises(ClaimError, match=said):
        figure.claim(data)


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    with np.errstate(all="raise"):
        return figure.compute(0.05, 0)


@pytest.mark.parametrize(
    ("column", "change", "said"),
    [
        ("exact", lambda v: v * (1 + 1e-8), "relative difference"),
        ("formula", lambda v: v * 1.2, "stated error"),
        ("walkers", lambda v: v * 1.5, "walkers at d"),
        ("residuals", lambda v: v + 1e-2, "exact"),
        ("score", lambda v: v * 1e3, "gain"),
        ("paths", lambda v: v + 1e-3, "θ0"),
        ("paths", lambda v: v * 0.9, "θ at t = 100"),
    ],
)
def test_other_data_fail_the_claims(data, column, change, said) -> None:
    with pytest.raises(ClaimError, match=said):
        figure.claim(data | {column: change(data[column])})


@pytest.mark.parametrize("power", [1.0, 0.9])
def test_another_exponent_fails(data, power) -> None:
    """The slope is judged by itself, whatever the other columns say."""
    near = figure._near()
    bent = data["exact"] * np.exp((1 - power) * near**2 / 8)
    wrong = data | {"exact": bent, "nearer": bent, "formula": bent}
    if power == 1.0:
        figure.claim(wrong)
        return
    with pytest.raises(ClaimError, match="slope"):
        figure.claim(wrong)
