"""Every test runs with NumPy's floating-point errors raised, as every warning is an error."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# The same examples in each run: what was green stays green until the code changes.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")


@pytest.fixture(autouse=True, scope="module")
def _closed() -> Iterator[None]:
    """What a test file leaves open is told at its own end, not in the middle of another one."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for the tests of a file."""
    from lab_browser import chromium  # playwright: where it is asked for only

    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def live_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The live page of the two modes."""
    from toyflows.pages import live

    return live.write(tmp_path_factory.mktemp("live") / "live.html")


@pytest.fixture(autouse=True)
def _strict_floats() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


@pytest.fixture
def short_outlook(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what any verdict will do: persistent particles are followed for a short time only."""
    monkeypatch.setattr("toyflows.followed.LEAST", 5.0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as `long` what tests/long.txt names: a file, or a test of it with all its cases."""
    named = Path(__file__).with_name("long.txt").read_text().split()
    for item in items:
        test = item.nodeid.partition("[")[0].rpartition("tests/")[2]
        if test in named or test.partition("::")[0] in named:
            item.add_marker("long")
