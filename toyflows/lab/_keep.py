"""What a visitor can save from a page: its numbers and its film."""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toyflows.lab._job import Cancelled, Job

if TYPE_CHECKING:
    from toyflows.lab._room import Frame


def arrays(frame: Frame, settings: dict[str, Any]) -> bytes:
    """All numbers on the page, with the settings as JSON, as an .npz."""
    kept = (np.ndarray, int, float)
    numbers: dict[str, Any] = {n: v for n, v in frame.items() if isinstance(v, kept)}
    file = io.BytesIO()
    np.savez(file, settings=json.dumps(settings), **numbers)
    return file.getvalue()


def filmed(film: Any, job: Job) -> bytes:
    """The film as a GIF, in a folder of its own that is gone afterwards."""
    told = time.monotonic()

    def tell(frame: int) -> None:
        nonlocal told
        job.check()
        if time.monotonic() - told > 0.25:
            told = time.monotonic()
            job.tell(frame / film.frames)

    with tempfile.TemporaryDirectory() as folder:
        path = film.save(Path(folder) / "film.gif", tell, lambda: job.cancelled)
        if job.cancelled:
            raise Cancelled
        return bytes(path.read_bytes())
