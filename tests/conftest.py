"""Every test runs with NumPy's floating-point errors raised, as every warning is an error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _strict_floats() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield
