"""The figure of the letters: its claims hold, wrong letters and wrong outsiders fail them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from picture_checks import drawn, problems, struck_through

from toyflows.figures import glyphs as figure
from toyflows.images import glyphs, shifted
from toyflows.images.base import Images
from toyflows.stats import ClaimError


def test_claims_hold_and_words_are_legible() -> None:
    data = figure.compute(0.05, 0)
    figure.claim(data)
    page = drawn(figure, data)
    assert problems(page) == []
    assert struck_through(page) == []


def changed(**parts: Images) -> Callable[[int, int], glyphs.Glyphs]:
    """glyphs.load, with some parts replaced."""
    made = glyphs.load(28, 0)
    own = {name: getattr(made, name) for name in ("train", "valid", "test", "held_out")} | parts
    wrong = glyphs.Glyphs(own["train"], own["valid"], own["test"], made.classes, own["held_out"])
    return lambda size, seed: wrong


def mislabelled() -> Callable[[int, int], glyphs.Glyphs]:
    train = glyphs.load(28, 0).train
    return changed(train=Images(train.x, np.random.default_rng(0).permutation(train.y)))


def leaked() -> Callable[[int, int], glyphs.Glyphs]:
    made = glyphs.load(28, 0)
    x = made.test.x.copy()
    x[made.test.y == 0] = made.train.x[made.train.y == 0][:58]
    return changed(test=Images(x, made.test.y))


def unbalanced() -> Callable[[int, int], glyphs.Glyphs]:
    return changed(test=glyphs.load(28, 0).test[1:])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (mislabelled, "linear accuracy|different after remaking"),
        (leaked, "different images"),
        (unbalanced, "images|fewest"),
    ],
)
def test_wrong_letters_fail(wrong, said: str, monkeypatch) -> None:
    monkeypatch.setattr(figure.glyphs, "load", wrong())
    monkeypatch.setattr(shifted, "SETS", {"inverted": shifted.inverted})
    with pytest.raises(ClaimError, match=said):
        figure.claim(figure.compute(0.05, 0))


def test_letters_of_another_seed_fail(monkeypatch) -> None:
    first = glyphs.load(28, 0)
    monkeypatch.setattr(figure.glyphs, "load", lambda size, seed: first)
    monkeypatch.setattr(shifted, "SETS", {"inverted": shifted.inverted})
    with pytest.raises(ClaimError, match="different after remaking"):
        figure.claim(figure.compute(0.05, 1))


@pytest.mark.parametrize(
    ("name", "instead"), [("blobs", "held-out fonts"), ("held-out fonts", "two letters")]
)
def test_wrong_outsiders_fail(name: str, instead: str, monkeypatch) -> None:
    monkeypatch.setattr(shifted, "SETS", {name: shifted.SETS[instead]})
    with pytest.raises(ClaimError, match=f"AUROC, {name}"):
        figure.claim(figure.compute(0.05, 0))
