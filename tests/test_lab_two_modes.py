"""Room 1 in a real browser: what is seen is what the library computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from lab_browser import Lab, chromium, server

import toyflows
from toyflows.lab import _controls
from toyflows.lab._job import Job
from toyflows.lab._room import rooms
from toyflows.verdict import KINDS, MESSAGE

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with server() as address, chromium() as browser:
        yield Lab(browser, address)


def test_a_slider_is_answered_by_what_the_library_computes(lab: Lab) -> None:
    with lab.open("/two-modes?walkers=5000&step=100&seed=3") as room:
        room.set(theta_star=0.7)
        seen = room.until(lambda s: s["θ_star"] == 0.7 and s["whole"])
        run = toyflows.flow("pcd", theta_star=0.7, separation=8.0, time=5.0, walkers=5000, seed=3)
        for name, path in run.backends.items():
            assert seen[f"one.{name}"] == float(path.θ[-1]), name
        assert parse_qs(room.query)["theta_star"] == ["0.7"]


def test_a_link_opens_the_same_state(lab: Lab) -> None:
    with lab.open("/two-modes?method=cd&p.k=3&walkers=1000&step=40&seed=9") as room:
        link, seen = room.query, room.seen
    with lab.open(f"/two-modes?{link}") as again:
        assert again.seen == seen
        assert again.query == link


METHODS = [  # a method, its options, and what stands against it
    ("jarzynski", {}, None),
    ("cd", {"k": 4}, None),
    ("score-matching", {}, None),  # not sampled: no walkers
    ("nce", {"mu": 0.5}, "pcd"),  # two coordinates
    ("tempering", {}, "ml"),  # chains in a tuple
]


def test_methods_and_their_options_are_what_the_library_computes(lab: Lab) -> None:
    """On one page, by hand: the controls of one method make place for those of the next."""
    with lab.open("/two-modes?walkers=500&step=30&seed=2") as room:
        for method, options, versus in METHODS:
            room.set(method=method, versus=versus or "nothing")
            room.until(lambda s, m=method: s["whole"] and f"method={m}&" in room.query)
            for name, value in options.items():
                room.set(**{f"p__{name}": value})
                room.until(lambda s, n=name, v=value: s["whole"] and f"p.{n}={v}&" in room.query)
            seen = room.seen
            for prefix, loss, given in (("one", method, options), ("two", versus, {})):
                shown = {n.removeprefix(f"{prefix}."): v for n, v in seen.items()}
                if loss is None:
                    assert f"{prefix}.θ" not in seen, method
                    continue
                run = toyflows.flow(loss, theta_star=1.4, separation=8.0, time=1.5, walkers=500,
                                    seed=2, options=given)  # fmt: skip
                for name, path in run.backends.items():
                    assert shown[name] == float(path.θ[-1]), (loss, name)
                assert shown["says"] == f"{run.verdict.now} {run.verdict.so_far}"


@pytest.mark.parametrize("method", ["pcd", "ml", "nce"])
def test_a_run_that_plays_has_no_verdict(lab: Lab, method: str) -> None:
    """What is, and what was; the verdict when the run is complete."""
    settings = {"separation": 8.0, "theta_star": 1.4, "walkers": 2000}
    for step in (10, 600):
        with lab.open(f"/two-modes?method={method}&walkers=2000&step={step}") as room:
            run = toyflows.flow(method, time=0.05 * step, **settings)
            words = run.verdict
            message = MESSAGE[words.kind].format(run.flow.title)
            seen = room.seen
            told = [message if step == 600 else run.flow.title, seen["one.says"].replace("-", "−")]
            for text in told:
                room.page.locator("#stage").get_by_text(text, exact=True).wait_for()
            if step == 600:
                assert (seen["one.verdict"], seen["one.says"]) == (words.kind, words.says)
                continue
            assert (seen["one.verdict"], seen["one.says"]) == ("", f"{words.now} {words.so_far}")
            assert not [word for word in (*KINDS, " rest") if word in seen["one.says"]]
            assert room.page.locator("#stage").get_by_text(message).count() == 0


def test_the_words_are_those_of_the_last_frame(lab: Lab) -> None:
    """They wait while a page plays, and are right when it stands."""
    with lab.open("/two-modes?method=pcd&versus=ml&walkers=1000&step=0&speed=10") as room:
        room.act("play")
        room.until(lambda s: s["step"] >= 100)
        room.pause()
        room.set(theta_star=0.9)
        seen = room.until(lambda s: s["θ_star"] == 0.9 and s["whole"])
        for side in ("one", "two"):
            says = seen[f"{side}.says"].replace("-", "−")
            room.page.get_by_text(says, exact=True).wait_for()


TWO = [  # two methods with their options, as in an address
    {"method": "cd", "p.k": "1", "versus": "cd", "v.k": "20"},
    {"method": "nce", "p.mu": "0.5", "versus": "gan", "v.penalty": "0.5"},
    {"method": "pcd", "versus": "jarzynski", "v.resample": "0.9"},
]


@pytest.mark.parametrize("query", TWO, ids=lambda q: f"{q['method']} and {q['versus']}")
def test_the_film_of_two_methods_is_the_page_frame_by_frame(query: dict[str, str]) -> None:
    """θ of each path of each method, to the last bit, at the step of each frame."""

    def nothing(_: Any = None) -> None:
        return None

    room = rooms()["two-modes"]
    more = {"walkers": "500", "separation": "5", "seed": "4", "theta_star": "0.7", "rate": "2"}
    values, refused = _controls.read(room.controls(query), query | more)
    assert refused == []
    job = Job(nothing, nothing, nothing, nothing)
    film, scene = room.film(values, 150), room.start(values, job)
    draw = film.begin(nothing)
    for step in film.steps:
        scene.advance(step - scene.step, job)
        seen = scene.frame()
        for name, row in zip(("one", "two"), draw.rows, strict=True):
            row.show(step)
            assert set(row.lines) == {
                n for n in ("theory", "grid", "walkers") if f"{name}.{n}" in seen
            }
            for path, line in row.lines.items():
                assert line.get_ydata()[-1] == seen[f"{name}.{path}"], (step, name, path)
    assert step == 150
    assert seen["one.θ"] != seen["two.θ"]
