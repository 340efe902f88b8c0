"""Roles are told apart by colour-blind eyes, and where there is no colour by dashes and widths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from toyflows.figures import _signature, _style

ROLES = {"data": _style.DATA, "exact law": _style.EXACT, "walkers": _style.WALKERS}
# Machado, Oliveira & Fernandes 2009, severity 1; they act on linear red, green and blue.
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def linear(colour: str) -> np.ndarray:
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """L*, a*, b* (CIE 1976) of linear red, green and blue; a distance of 2 is just seen."""
    t = XYZ @ rgb / WHITE
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eyes", BLIND)
def test_roles_are_apart_for_colour_blind_eyes(eyes: str) -> None:
    seen = {k: lab(np.clip(np.array(BLIND[eyes]) @ linear(c), 0, 1)) for k, c in ROLES.items()}
    for one, other in itertools.combinations(ROLES, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 30, (one, other)


def test_without_colour_dashes_and_widths_tell() -> None:
    """Greys: the data are darker than both laws; exact law, walkers and formula are of one grey,
    so that each line on the others is half as wide as the one below, and the formula is dashed."""
    grey = {k: lab(linear(c))[0] for k, c in ROLES.items()}
    assert min(grey["exact law"], grey["walkers"]) - grey["data"] > 7
    assert "ls" in _style.LECTURE_LINE
    lines = _signature.LINES
    assert "ls" in lines["theory"]
    assert "ls" not in lines["walkers"]
    for wide, narrow in itertools.pairwise(("grid", "walkers", "theory")):
        assert lines[wide]["lw"] > 2 * lines[narrow]["lw"]
