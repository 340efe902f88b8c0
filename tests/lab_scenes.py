"""For tests of rooms without a page: settings as an address has them, and scenes at a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from toyflows.lab import _controls
from toyflows.lab._job import Job
from toyflows.lab._room import Room


def job() -> Job:
    """One that nobody waits for."""

    def nothing(_: Any) -> None:
        return None

    return Job(nothing, nothing, nothing, nothing)


def values_of(room: Room, query: Mapping[str, str]) -> dict[str, Any]:
    """The settings; none of them is refused."""
    values, refused = _controls.read(room.controls(query), query)
    assert refused == []
    return values


def scene_at(room: Room, query: Mapping[str, str], *steps: int) -> Any:
    """The scene after so many steps, and so many more, …"""
    scene = room.start(values_of(room, query), job())
    for n in steps:
        scene.advance(n, job())
    return scene


def same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """All numbers and words of two frames, bit for bit."""
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
