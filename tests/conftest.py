"""Every test runs with NumPy's floating-point errors raised, as every warning is an error."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True, scope="module")
def _closed() -> Iterator[None]:
    """What a test file leaves open is told at its own end, not in the middle of another one."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _strict_floats() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield
