"""The page that computes itself, as Python writes it: what JavaScript is told, and the one file."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from xml.etree import ElementTree

import pytest

import toyflows
from toyflows.errors import InputError
from toyflows.flows import equation, make, registry
from toyflows.pages import lessons, live
from toyflows.pages.mathml import mathml
from toyflows.settings import RunSettings


def test_one_file_of_its_own(tmp_path: Path) -> None:
    """With nothing in it that a browser would fetch, and nothing left to be filled in."""
    text = live.write(tmp_path / "live.html", title="Two <modes>").read_text("utf-8")
    assert "<title>Two &lt;modes&gt;</title>" in text
    assert len(text.encode()) <= live.LIMIT == 300_000
    assert not re.search(r"\{\{[A-Z]+\}\}", text)
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "default-src 'none'" in text
    files = {f"room/{name}.js" for name in (*live.ENGINE, "api", "worker")} | {
        f"{name}.js" for name in live.ROOM
    }
    folder = Path(live.__file__).parent
    assert {f"room/{p.name}" for p in (folder / "room").glob("*.js")} <= files


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the suffix must be one of \.html"):
        live.write(tmp_path / "live.pdf")
    assert list(tmp_path.iterdir()) == []


def beyond(limits: dict) -> list[float]:
    """Numbers just outside."""
    ends = [
        (limits["least"], -1), (limits["most"], 1),
        (limits.get("above"), 0), (limits.get("below"), 0),
    ]  # fmt: skip
    return [end + way * max(1, abs(end) * 1e-9) for end, way in ends
            if end is not None and abs(end) < live.MOST]  # fmt: skip


@pytest.mark.parametrize("name", live.METHODS)
def test_options_have_pythons_limits(name: str) -> None:
    """Each end is taken by Python too, what lies beyond is refused in the words that are told."""
    told = next(m for m in live.constants()["methods"] if m["name"] == name)
    for option in told["options"]:
        assert option["value"] == getattr(make(name), option["name"])
        if option["kind"] not in ("int", "float"):
            continue
        kind = int if option["kind"] == "int" else float
        for end in ("least", "most"):
            if abs(option[end]) < live.MOST and option.get("above", -1) != option[end]:
                make(name, **{option["name"]: kind(option[end])})
        for bad in beyond(option):
            with pytest.raises(InputError) as refusal:
                make(name, **{option["name"]: kind(bad)})
            assert refusal.value.why == option["must"]


def test_settings_have_pythons_limits() -> None:
    for name, limits in live.constants()["settings"].items():
        assert RunSettings(**{name: limits["value"]}) == RunSettings()
        if "in a browser" in limits["must"]:
            continue
        for bad in beyond(limits):
            with pytest.raises(InputError) as refusal:
                RunSettings(**{name: float(bad)})
            assert refusal.value.why == limits["must"], name


@pytest.mark.parametrize("name", sorted(registry()))
def test_equations_say_the_same_as_mathml(name: str) -> None:
    """All signs, in their order."""
    said = equation(registry()[name])
    found = mathml(said)
    text = "".join(ElementTree.fromstring(f"<p>{found}</p>").itertext())
    plain = unicodedata.normalize("NFD", said).replace("\u0307", "˙").replace("'", "′")
    assert re.sub(r"[\s{}_^]", "", text) == re.sub(r"[\s{}_^]", "", plain)


def test_feet_and_heads() -> None:
    assert mathml("E_{ρ_θ}") == (
        '<math display="inline"><msub><mi>E</mi><mrow><msub><mi>ρ</mi><mrow><mi>θ</mi></mrow>'
        "</msub></mrow></msub></math>"
    )
    assert "<msub><mi>E</mi><mrow><mi>data</mi></mrow></msub>" in mathml("E_data[r]")
    assert "<msubsup>" in mathml("P_θ^k")
    assert "<mover" in mathml("θ̇")


TWO_MODES = [lesson for lesson in lessons.LESSONS if lesson.room == "two-modes"]


@pytest.mark.parametrize("lesson", TWO_MODES, ids=lambda lesson: lesson.name)
def test_a_lesson_is_true(lesson: lessons.Lesson) -> None:
    """The library's verdict on its run is the word that the right answer stands for."""
    words = dict(pair.split("=") for pair in lesson.settings.split("&"))
    options = {k[2:]: v == "true" for k, v in words.items() if k.startswith("p.")}
    numbers = {k: float(v) for k, v in words.items() if k != "loss" and not k.startswith("p.")}
    run = toyflows.flow(words["loss"], backends=["grid"], options=options, **numbers,
                        theta_star=live.constants()["settings"]["theta_star"]["value"])  # fmt: skip
    assert run.verdict.kind == lesson.word
    meant = dict(zip(lessons.QUESTION["choices"], lessons.QUESTION["words"], strict=True))
    assert lesson.word in meant[lesson.choices[lesson.right]]


def test_the_path_of_lessons() -> None:
    """One name each, choices that differ; a page alone leads to no other."""
    names = [lesson.name for lesson in lessons.LESSONS]
    assert len(set(names)) == len(names)
    for lesson in lessons.LESSONS:
        assert len(set(lesson.choices)) == len(lesson.choices) > lesson.right >= 0
        assert lesson.asks.endswith("?")
    assert {x["room"] for x in lessons.told("two-modes", alone=True)["lessons"]} == {"two-modes"}
    assert len(lessons.told("ising", alone=False)["lessons"]) == len(names)
