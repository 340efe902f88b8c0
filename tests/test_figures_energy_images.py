"""The figures of what energies are used for and of the joint model: their claims hold, and fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import ebm_uses, jem_classes
from toyflows.images import shipped
from toyflows.stats import ClaimError

SCALE = 0.05
Numbers = dict[str, Any]


@pytest.fixture(scope="module")
def used() -> Numbers:
    return ebm_uses.compute(SCALE, 0)


@pytest.fixture(scope="module")
def classed() -> Numbers:
    return jem_classes.compute(SCALE, 0)


def test_the_shipped_energies_pass(used: Numbers, classed: Numbers) -> None:
    assert ebm_uses.claim(used)
    assert jem_classes.claim(classed)


def test_the_pictures_are_clean(used: Numbers, classed: Numbers) -> None:
    for figure, data in ((ebm_uses, used), (jem_classes, classed)):
        picture = drawn(figure, data)
        assert problems(picture) == []
        assert struck_through(picture) == []


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the network of this name what it was before training."""
    right = shipped.load

    def make(name: str) -> None:
        def load(asked: str) -> shipped.Shipped:
            model = right(asked)
            θ = model.config.network().init(np.random.default_rng(0))
            return replace(model, θ=θ) if asked == name else model

        monkeypatch.setattr(shipped, "load", load)

    return make


def test_an_untrained_energy_is_of_no_use(untrained: Callable[[str], None]) -> None:
    untrained(ebm_uses.EBM)
    with pytest.raises(ClaimError):
        ebm_uses.claim(ebm_uses.compute(SCALE, 0))


def test_an_untrained_joint_model_reads_nothing(untrained: Callable[[str], None]) -> None:
    untrained(jem_classes.JEM)
    with pytest.raises(ClaimError, match="accuracy"):
        jem_classes.claim(jem_classes.compute(SCALE, 0))


@pytest.mark.parametrize(
    ("name", "put", "what"),
    [
        ("filled", "filled with noise", "error of filling"),
        ("logits of filled", "logits of filled with noise", "read when filled"),
        ("cleaned", "noisy", "error when cleaned"),
        ("logits of both", "logits of first", "gain"),
    ],
)
def test_each_use_is_claimed(used: Numbers, name: str, put: str, what: str) -> None:
    """With what was there before put in the place of what the chains made."""
    with pytest.raises(ClaimError, match=what):
        ebm_uses.claim(used | {name: used[put]})


def test_samples_of_other_classes_are_seen(classed: Numbers) -> None:
    wrong = classed | {"wanted": (classed["wanted"] + 1) % 42}
    with pytest.raises(ClaimError, match="samples read"):
        jem_classes.claim(wrong)


def test_a_worse_reader_is_seen(classed: Numbers) -> None:
    """94 % beside a perfect classifier are 6 points lost."""
    jem, alone = (f"counts, {name}, test" for name in (jem_classes.JEM, jem_classes.ALONE))
    n = len(classed[jem])
    counts = np.diag(np.full(n, 0.94)) + np.roll(np.diag(np.full(n, 0.06)), 1, axis=1)
    with pytest.raises(ClaimError, match="accuracy lost"):
        jem_classes.claim(classed | {jem: counts, alone: np.eye(n)})


def test_a_calibration_that_one_temperature_does_not_mend_is_seen(classed: Numbers) -> None:
    for which in jem_classes.SETS:
        name = f"mended, {jem_classes.JEM}, {which}"
        with pytest.raises(ClaimError, match=f"calibration error, {which}"):
            jem_classes.claim(classed | {name: np.array(0.1)})
