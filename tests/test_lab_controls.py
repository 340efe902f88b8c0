"""Controls: what is written is read again, and nothing out of bounds is ever read."""

from __future__ import annotations

import contextlib
import math
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyflows.errors import InputError
from toyflows.lab import _controls, _guess
from toyflows.lab._controls import Choice, Control, Drawn, Slider, Switch
from toyflows.lab._room import Room, rooms

REAL = Slider(name="x", label="x", default=1.0, low=-2.5, high=7.25)
WHOLE = Slider(name="n", label="n", default=3, low=0, high=999_999, integer=True)
DECADES = Slider(name="h", label="h", default=0.05, low=0.001, high=0.5, log=True)
MANY = Slider(name="N", label="N", default=100, low=10, high=1_000_000, log=True, integer=True)
WORD = Choice(name="w", label="w", default="cd", of=("cd", "pcd", "α β&="))
LAMP = Switch(name="s", label="s", default=False)
PAPER = Drawn(name="d", label="d", default="", longest=40)
ALL: tuple[Control, ...] = (REAL, WHOLE, DECADES, MANY, WORD, LAMP, PAPER)
ROOMS = rooms()
HOSTILE = [
    "nan", "-nan", "inf", "-inf", "1e999", "-1e999", "", " ", "\0", "1,5", "0x10", "None", "[1]",
    "１２", "٣", "1_0", "½", "1e", "--1", "9" * 100_000, "1" * 400, "1e-400x", "true", "<b>", "1;2",
]  # fmt: skip


def inside(control: Control, value: Any) -> bool:
    """What the control promises of a value, said apart from how it reads."""
    match control:
        case Slider():
            good = isinstance(value, float | int) and control.low <= value <= control.high
            return good and (isinstance(value, int) if control.integer else math.isfinite(value))
        case Choice():
            return value in control.of
        case Switch():
            return isinstance(value, bool)
        case Drawn():
            letters = all(c.isascii() and (c.isalnum() or c in "-_") for c in value)
            return letters and len(value) <= control.longest
    raise AssertionError(control)


VALUES = st.tuples(
    st.floats(-2.5, 7.25), st.integers(0, 999_999), st.floats(0.001, 0.5),
    st.integers(10, 1_000_000), st.sampled_from(WORD.of), st.booleans(),
    st.text("abcXYZ019-_", max_size=40),
)  # fmt: skip
NEARLY = st.from_regex(r"[-+]?[0-9_ ]{0,6}\.?[0-9]{0,6}(e[-+]?[0-9]{1,4})?", fullmatch=True)


@given(VALUES)
def test_what_is_written_is_read_again(drawn: tuple[Any, ...]) -> None:
    """Numbers have ten digits before they are computed with, so that the text is all of them."""
    values = {c.name: c.read(c.write(v)) for c, v in zip(ALL, drawn, strict=True)}
    for control, wanted in zip(ALL, drawn, strict=True):
        if isinstance(control, Slider):
            assert values[control.name] == pytest.approx(wanted, rel=1e-9, abs=1e-300)
        else:
            assert values[control.name] == wanted
    again, refused = _controls.read(ALL, dict(parse_qsl(_controls.write(ALL, values))))
    assert not refused
    assert again | {"d": ""} == values | {"d": ""}  # an empty text is not in a query
    assert again["d"] == (values["d"] or PAPER.default)


@given(st.text(max_size=60) | st.floats().map(str) | st.integers().map(str) | NEARLY)
def test_nothing_out_of_bounds_is_read(text: str) -> None:
    for control in ALL:
        with contextlib.suppress(InputError):
            value = control.read(text)
            assert inside(control, value), (control, value)
            assert control.read(control.write(value)) == value


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_number_is_refused_in_one_short_line(text: str) -> None:
    for control in (REAL, WHOLE, DECADES, MANY, WORD, LAMP):
        with pytest.raises(InputError) as refused:
            control.read(text)
        assert len(str(refused.value)) < 120


@pytest.mark.parametrize(
    ("text", "value"), [("0.30000000000000004", 0.3), ("1e0", 1.0), ("7.25", 7.25)]
)
def test_a_number_of_more_digits_is_that_which_the_link_will_say(text: str, value: float) -> None:
    assert REAL.read(text) == value


def test_just_outside_is_outside() -> None:
    for text in ("-2.500001", "7.250001", "1e9"):
        with pytest.raises(InputError, match=r"must be -2\.5 … 7\.25"):
            REAL.read(text)
    for text in ("-1", "1000000", "1.5"):
        with pytest.raises(InputError, match="whole number"):
            WHOLE.read(text)
    with pytest.raises(InputError, match="did you mean pcd"):
        WORD.read("pcdd")
    with pytest.raises(InputError):
        PAPER.read("a" * 41)


def test_of_an_address_the_bad_is_told_and_the_good_is_kept() -> None:
    query = {"x": "3", "n": "-1", "w": "cd", "s": "2", "stranger": "1"}
    values, refused = _controls.read(ALL, query)
    assert (values["x"], values["n"], values["s"], values["w"]) == (3.0, 3, False, "cd")
    assert len(refused) == 2
    assert "stranger" not in values


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS.keys())
def test_each_room_names_its_controls_once_and_its_defaults_are_allowed(room: Room) -> None:
    controls = room.controls({})
    names = [c.name for c in controls]
    assert len(set(names)) == len(names)
    assert "seed" in names
    assert not set(names) & {"step", "speed", "hide", "lesson", "dark", "large"}
    for control in controls:
        assert inside(control, control.default), control
        assert control.read(control.write(control.default)) == control.default
        if isinstance(control, Slider):
            assert control.low < control.high
            for end in (control.low, control.high):
                assert control.read(control.write(end)) == pytest.approx(end, rel=1e-9)
        if isinstance(control, Drawn):
            assert control.longest <= 2000


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS.keys())
@given(asked=st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4), data=st.data())
def test_controls_follow_from_any_address(room: Room, asked: dict[str, str], data: Any) -> None:
    """Whatever stands in it: controls come back, and values within their bounds."""
    names = [c.name for c in room.controls({})]
    asked |= data.draw(st.dictionaries(st.sampled_from(names), st.text(max_size=12), max_size=3))
    controls = room.controls(asked)
    values, _ = _controls.read(controls, asked)
    assert all(inside(c, values[c.name]) for c in controls)


def test_every_method_s_options_are_controls_whose_ends_the_method_accepts() -> None:
    from toyflows.flows import registry
    from toyflows.lab.rooms.two_modes import flows_of

    room = ROOMS["two-modes"]
    for method in registry():
        given_ = {"method": method, "versus": method}
        controls = room.controls(given_)
        values, _ = _controls.read(controls, given_)
        for control in controls:
            if isinstance(control, Slider) and control.name[:2] in ("p.", "v."):
                for end in (control.low, control.high):
                    flows_of(values | {control.name: control.read(control.write(end))})


def test_a_guess_is_read_or_left_out() -> None:
    """What page.js says of it, "θ,word"; and of an address, with what is refused."""
    assert _guess.told({}, "1.25,mode collapse") == {"guess": "1.25", "word": "mode collapse"}
    assert _guess.told({}, ",biased") == {"word": "biased"}
    assert _guess.told({}, "-3,") == {"guess": "-3"}
    for text in ("", ",", "11,", "nan,learns", "1e999,<b>", *HOSTILE):
        assert _guess.told({}, text) == {} or text == "1,5"
    kept, refused = _guess.read({"guess": "-10.5", "word": "biased"})
    assert kept == {"word": "biased"}
    assert refused == ["guess = -10.5: must be -10 … 10"]
