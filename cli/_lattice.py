"""What the commands of the lattice models share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toyflows.lattice.ising import Spins


def number(x: float | None) -> str:
    """Five decimals, of a small one three digits; "" for None."""
    if x is None:
        return ""
    return (f"{x:.3g}" if 0 < abs(x) < 1e-3 else f"{x:.5f}").replace("-", "−")


def picture(path: Path, spins: list[Spins]) -> None:
    """Lattices of one shape side by side, +1 white, with a grey rim."""
    import numpy as np
    from PIL import Image

    rim = np.full((len(spins[0]), 2), 128, np.uint8)
    parts = [part for s in spins for part in (rim, ((s > 0) * 255).astype(np.uint8))]
    scale = max(1, 256 // len(spins[0]))
    Image.fromarray(np.hstack(parts[1:]).repeat(scale, 0).repeat(scale, 1)).save(path)
