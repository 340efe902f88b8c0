"""One sentence for gallery and picture, whose numbers are the claim's; captions without times."""

from __future__ import annotations

import re

import pytest

from toyflows.figures import _registry, _style, _title
from toyflows.stats import ClaimError

IDS = _registry.ids()


def test_every_title_fits_on_its_picture() -> None:
    with _style.style():
        figure = _style.new_figure()
        figure.canvas.draw()
        for name in IDS:
            _style.message(figure, _title.mathtext(_registry.describe(name).title))
            box = figure._suptitle.get_window_extent()
            assert box.x1 < figure.bbox.x1 - 10, name
            assert "^{" not in figure._suptitle.get_text().replace("^{\\mathbf", ""), name


@pytest.mark.parametrize("name", IDS)
def test_no_figure_writes_another_sentence_or_its_time(name: str) -> None:
    source = _registry.path_of(name).read_text("utf-8")
    assert ".message(" not in source
    assert "suptitle" not in source
    assert not re.search(r"[;.]\s+\d+(\.\d+)?\s+s[.,;]", _registry.describe(name).caption)


CLAIM = {
    "threshold": {"value": 0.1402, "expected": 0.138, "margin": 0.007},
    "turn": {"value": -144.42, "expected": -142.98, "margin": 1.65},
    "runs": 2000,
    "word": "0.5",
    "held": True,
}


@pytest.mark.parametrize(
    "title",
    [
        "Hebb's rule holds 0.138 patterns a unit",
        "At θ = −144 the walkers jump, in continuous time at −143",
        "One of 2000 images, or of 2,000",
        "CD-1 learns like e^{−d²/8} and 1/T from p_0 and q_1",
    ],
)
def test_a_title_says_what_is_checked(title: str) -> None:
    _title.check(title, CLAIM)


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Hebb's rule holds 0.2 patterns a unit", "0.2"),
        ("At θ = −200 the walkers jump", "−200"),
        ("At θ = 144 the walkers jump", "144"),
        ("One of 3,000 images", "3,000"),
        ("A half, 0.5, is text", "0.5"),
        ("It holds 1", "1"),
    ],
)
def test_a_title_that_says_more_is_caught(title: str, said: str) -> None:
    with pytest.raises(ClaimError, match=f"the title says {said},"):
        _title.check(title, CLAIM)
