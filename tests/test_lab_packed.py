"""Drawings as text: what is packed comes back, and nothing else is taken."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from toyflows.errors import InputError
from toyflows.lab import _packed as packed


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=1, max_dims=3, max_side=20)))
def test_a_pattern_comes_back(pattern: np.ndarray) -> None:
    text = packed.pack_bits(pattern)
    assert re.fullmatch(r"[\w-]*", text, re.ASCII)
    assert len(text) == math.ceil(math.ceil(pattern.size / 8) * 4 / 3)
    assert np.array_equal(packed.unpack_bits(text, pattern.shape), pattern)


def test_signs_are_bits() -> None:
    """A pattern of ±1 is packed as (x > 0); the text is a fixed one, or old links would break."""
    x = np.array([[1, -1, 1, -1], [1, 1, -1, -1]])
    assert packed.pack_bits(x > 0) == "rA"
    assert packed.pack_points([[0, 0], [-1, 0.999]]) == "gIAA_w"


@given(
    arrays.arrays(float, st.tuples(st.integers(0, 50), st.just(2)), elements=st.floats(-9, 9)),
    st.floats(0.5, 9),
)
def test_points_come_back_to_half_a_cell(xy: np.ndarray, reach: float) -> None:
    text = packed.pack_points(xy, reach)
    back = packed.unpack_points(text, reach)
    inside = np.clip(xy, -reach, reach)
    assert back.shape == xy.shape
    assert np.all(np.abs(back - inside) <= reach / 256 * (1 + 1e-9))
    assert packed.pack_points(back, reach) == text  # a link that is copied again stays the same


def test_750_points_fit_into_a_link() -> None:
    assert len(packed.pack_points(np.zeros((750, 2)))) == 2000


@pytest.mark.parametrize("text", ["a", "rB", "r=", "é", "A A", "rA==", "r/A"])
def test_what_is_no_drawing_is_refused_in_one_line(text: str) -> None:
    for read in (packed.unpack_points, lambda t: packed.unpack_bits(t, (8,))):
        with pytest.raises(InputError, match="drawn") as refused:
            read(text)
        assert "\n" not in str(refused.value)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="9 pixels"):
        packed.unpack_bits(packed.pack_bits(np.ones(8)), (3, 3))
    with pytest.raises(InputError, match="two coordinates"):
        packed.unpack_points(packed.pack_bits(np.ones(8)))
