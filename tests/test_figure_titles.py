"""One sentence for gallery and picture, whose numbers are the claim's; captions without times."""

from __future__ import annotations

import re

import pytest

from toyflows.figures import _manifest, _registry, _style, _title
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


@pytest.mark.parametrize("name", IDS)
def test_every_part_of_a_title_leads_to_the_claim(name: str) -> None:
    """SAYS has the title's words, all of them and in order; the lines are looked up when made."""
    module = _registry.load(name)
    title = _registry.describe(name).title
    names = [line for lines in module.SAYS.values() for line in lines]
    _title._covered(title, module.SAYS)
    assert all(isinstance(lines, tuple) and lines for lines in module.SAYS.values())
    assert all(names)


LINES = {
    "all": {"value": 1e-9, "expected": 1e-6, "margin": 1e-6, "kind": "≤"},
    "most": {"value": 0.8, "expected": 0.5, "margin": 0.3, "kind": "≥"},
    "kinds": {"value": 8, "expected": 8, "margin": 0, "kind": "="},
    "learned": {"value": 0.52, "expected": 0.5, "margin": 0.05, "kind": "="},
    "plain": 3.0,
}
SAYS = {
    "Half of eight methods": ("kinds", "learned"),
    "forget all": ("all",),
    "and most of the rest": ("most",),
}


def test_a_title_whose_parts_hold() -> None:
    _title.check("Half of eight methods forget all, and most of the rest", LINES, SAYS)


@pytest.mark.parametrize(
    ("part", "lines", "said"),
    [
        ("Half of nine methods", ("kinds", "learned"), "says 9"),
        ("Half of eight methods", ("kinds",), "says 0.5"),
        ("forget all", ("most",), "'all' in 'forget all'"),
        ("and most of the rest", ("kinds",), "'most' in 'and most of the rest'"),
        ("is plain", ("plain",), "compares nothing of the name 'plain'"),
        ("is gone", ("gone",), "compares nothing of the name 'gone'"),
        ("begins so", ("go…",), "compares nothing of the name 'go…'"),
    ],
)
def test_a_part_that_its_lines_do_not_hold_is_caught(
    part: str, lines: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ClaimError, match=said):
        _title.check(part, LINES, {part: lines})


@pytest.mark.parametrize(
    ("name", "true", "more"),
    [
        ("hopfield_weights", "moves most margins", "moves all margins"),
        ("hopfield_weights", "300 weights", "3,000 weights"),
        ("reverse_kernel", "Given the data point, one", "One"),
        ("graphs", "no edge joins", "no edge ever joins"),
        ("model_map", "decides how it learns", "decides how well it learns"),
    ],
)
def test_the_exaggeration_of_a_true_title_is_caught(name: str, true: str, more: str) -> None:
    """Of figures that cost nothing to make: as it stands the title holds; with a stronger word in
    its place, and in SAYS too where the words alone would tell, it does not."""
    module = _registry.load(name)
    claim = _manifest.numbers(name, module.claim(module.compute(0.05, 0)))
    title = _registry.describe(name).title
    assert true in title
    _title.check(title, claim, module.SAYS)
    with pytest.raises(ClaimError, match="the title says"):
        _title.check(title.replace(true, more), claim, module.SAYS)
    if name == "hopfield_weights":
        says = {part.replace(true, more): lines for part, lines in module.SAYS.items()}
        with pytest.raises(ClaimError, match="the title says"):
            _title.check(title.replace(true, more), claim, says)


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
