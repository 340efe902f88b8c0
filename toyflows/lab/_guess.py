"""What a class expects of a run: where θ will be, a word of the verdict, or both."""

from __future__ import annotations

from collections.abc import Mapping

from toyflows.errors import InputError
from toyflows.lab import _controls
from toyflows.verdict import KINDS, MESSAGE

WORDS = {kind: MESSAGE[kind].removeprefix("{} ") for kind in KINDS}
FAR = 10.0  # of θ
CONTROLS = (
    _controls.Slider(name="guess", label="θ at the end", default=0.0, low=-FAR, high=FAR),
    _controls.Choice(name="word", label="word", default=KINDS[0], of=KINDS),
)


def read(given: Mapping[str, str], asked: bool = True) -> tuple[dict[str, str], list[str]]:
    """An address with its guess as it is written here, and what was refused of it; a room that is
    not asked has none."""
    kept, refused = {n: v for n, v in given.items() if n not in ("guess", "word")}, []
    for control in CONTROLS:
        if asked and control.name in given:
            try:
                kept[control.name] = control.write(control.read(given[control.name]))
            except InputError as error:
                refused.append(str(error))
    return kept, refused


def told(given: Mapping[str, str], message: str) -> dict[str, str]:
    """The address after the message of page.js, "θ,word": either may be empty; what it cannot mean
    is left out."""
    kept, _ = read(given, False)
    return read(kept | dict(zip((c.name for c in CONTROLS), message.split(","), strict=False)))[0]
