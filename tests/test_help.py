"""The words of every `--help`: each command has its panel, each option a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from toyflows.cli.main import PANELS, app

FRAGMENT = re.compile(r"(Of|That|As|Which|With|Given|Also)\b|.*\bDef\.")  # without a subject


def commands(command: Any, name: str = "toyflows") -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {word}")


def test_each_command_and_option_says_what_it_is_in_a_sentence() -> None:
    wrong = []
    for name, command in commands(get_command(app)):
        said = {"": (command.help or "").split("\n")[0]}
        said |= {p.name: p.help or "" for p in command.params if not getattr(p, "hidden", False)}
        wrong += [f"{name} {option}: {text!r}" for option, text in said.items()
                  if FRAGMENT.match(text) or not text.rstrip().endswith((".", "…"))]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_each_command_stands_in_its_panel_in_the_order_of_a_new_user() -> None:
    named = " ".join(PANELS.values()).split()
    assert sorted(get_command(app).commands) == sorted(named)  # type: ignore[attr-defined]
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).stdout
    seen = re.findall(r"^│ (\w+) ", told, re.MULTILINE)
    assert seen == named
    assert re.findall(r"^╭─ (.+?) ─", told, re.MULTILINE)[1:] == list(PANELS)
