"""`toyflows lab` refuses in one line, lists what there is, and says what to install."""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from toyflows.cli.main import app
from toyflows.lab import WITHOUT
from toyflows.lab._lessons import LESSONS
from toyflows.lab._room import rooms

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # of Tornado
]


def refused(*arguments: str) -> str:
    """The one line of a refusal."""
    told = CliRunner().invoke(app, ["lab", "--no-browser", *arguments])
    gc.collect()  # what Tornado left open on a port that it did not get
    assert told.exit_code == 2, told.output
    assert not told.stdout
    lines = told.stderr.strip().splitlines()
    assert len(lines) == 1, told.stderr
    return lines[0]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port(taken: int) -> None:
    assert f"--port {taken}: is taken; choose another" in refused("--port", str(taken))


@pytest.mark.parametrize("port", ["-1", "65536", "99999999999"])
def test_no_such_port(port: str) -> None:
    assert "must be 0 to 65535" in refused("--port", port)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="all ports are root's")
def test_a_port_of_the_system() -> None:
    assert "is not yours to use" in refused("--port", "80")


@pytest.mark.parametrize("address", ["192.0.2.1", "127.0.0.1:80", "256.1.1.1", "no host", ""])
def test_no_such_address(address: str) -> None:
    """192.0.2.0/24 is nobody's (RFC 5737)."""
    assert "--address" in refused("--port", "0", "--address", address)


def test_bounds() -> None:
    assert "must be 1 to 1000" in refused("--sessions", "0")
    assert "must be 1 to 256" in refused("--threads", "0")


def test_unknown_rooms_and_lessons() -> None:
    assert "did you mean two-modes" in refused("two-mode")
    assert "unknown" in refused("--lesson", "nobody")
    assert "unknown" in refused("../etc")
    for lesson in LESSONS:
        assert "has its own room" in refused("two-modes", "--lesson", lesson)


def test_the_list_has_every_room_and_lesson() -> None:
    told = CliRunner().invoke(app, ["lab", "--list"])
    assert told.exit_code == 0
    for name in (*rooms(), *LESSONS):
        assert f"  {name} " in told.stdout


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bokeh", None)
    for arguments in ([], ["--list"], ["two-modes"]):
        told = CliRunner().invoke(app, ["lab", *arguments])
        assert told.exit_code == 2
        assert told.stderr.strip() == f"toyflows: {WITHOUT}"
    assert 'pip install "toyflows[lab]"' in WITHOUT


def test_the_command_line_needs_no_bokeh() -> None:
    """Importing every command loads none of it: `toyflows flow` works without the extra."""
    import subprocess

    code = (
        "import sys, toyflows.cli.main; sys.exit(any(m.startswith('bokeh') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
