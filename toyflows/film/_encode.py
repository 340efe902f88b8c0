"""Frames to a file: GIF, and by ffmpeg MP4 and WebM. Equal frames give equal bytes.

A GIF has one palette for all frames and no dithering: what stands still does not flicker. A frame
holds only the rectangle that has changed, and there only the pixels that have. Its clock counts
hundredths of a second, and each frame ends at the hundredth that is nearest. Times of films of the
other kinds are exact; their pixels are not, as both compress with losses.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toyflows.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]  # (h, w, 3)
SUFFIXES = (".gif", ".mp4", ".webm")
COLOURS = 255  # of a GIF's palette: the last of 256 places says "as before"
COARSE = 5  # bits a channel: a colour that is the most frequent of its like is kept exactly
CODECS = {
    ".mp4": ["-c:v", "libx264", "-preset", "medium", "-crf", "18", "-movflags", "+faststart"],
    ".webm": ["-c:v", "libvpx-vp9", "-crf", "24", "-b:v", "0", "-deadline", "good",
              "-cpu-used", "5", "-row-mt", "0"],
}  # fmt: skip
# Browsers take a film without such a note for one of the old television's colours.
COLOUR_SPACE = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p",
                "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
                "-color_range", "tv"]  # fmt: skip
BITEXACT = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]


def check(path: Path) -> None:
    """Raises InputError("out") for another kind of file, or one that needs ffmpeg without it."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError("out", path, f"the suffix must be one of {' '.join(SUFFIXES)}")
    if path.suffix.lower() in CODECS:
        _ffmpeg(path)


# ---- GIF ----------------------------------------------------------------------------------------


class Palette:
    """COLOURS of the most frequent colours of some pictures, and the nearest of them to any."""

    def __init__(self, pictures: Iterable[Pixels]):
        found, counts = np.unique(
            np.concatenate([_packed(picture).ravel() for picture in pictures]), return_counts=True
        )
        found, counts = found[order := np.argsort(-counts, kind="stable")], counts[order]
        if found.size > COLOURS:  # one of each kind, the kinds by how many pixels they have
            _, first, kind = np.unique(_coarse(found), return_index=True, return_inverse=True)
            total = np.bincount(kind, weights=counts)
            found = found[first[np.argsort(-total, kind="stable")[:COLOURS]]]
        self.colours = _unpacked(found)
        self._place = np.full(1 << 24, -1, np.int16)  # of each colour that was ever asked for

    def places(self, picture: Pixels) -> Pixels:
        """(h, w): for each pixel the place of the nearest colour, by Euclid's distance."""
        packed = _packed(picture)
        place = self._place[packed]
        if (place < 0).any():
            new = np.unique(packed[place < 0])
            for part in np.array_split(new, 1 + new.size // 4096):
                apart = _unpacked(part)[:, None].astype(np.int32) - self.colours.astype(np.int32)
                self._place[part] = np.square(apart).sum(axis=2).argmin(axis=1)
            place = self._place[packed]
        return place.astype(np.uint8)


def _packed(picture: Pixels) -> NDArray[np.int32]:
    r, g, b = np.moveaxis(picture.astype(np.int32), -1, 0)
    return r << 16 | g << 8 | b


def _unpacked(packed: NDArray[np.int32]) -> Pixels:
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)


def _coarse(packed: NDArray[np.int32]) -> NDArray[np.int32]:
    return _packed(_unpacked(packed) & np.uint8(256 - (1 << (8 - COARSE))))


def gif(file: IO[bytes], frames: Iterable[Pixels], samples: Iterable[Pixels], fps: int) -> None:
    """Writes the frames, which repeat for ever, in the colours of the `samples` among them."""
    palette = Palette(samples)
    before, begun = None, 0
    for number, places in enumerate(map(palette.places, frames)):
        if before is None:
            file.write(_header(places, palette.colours))
            change = _whole(places)
        else:
            found = _changed(before, places)
            if found is None:
                continue  # the one before stays longer
            file.writelines(_block(*change, _hundredths(begun, number, fps)))
            change, begun = found, number
        before = places
    file.writelines(_block(*change, _hundredths(begun, number + 1, fps)))
    file.write(b";")


def _hundredths(begun: int, ended: int, fps: int) -> int:
    """How long the frames from `begun` to before `ended` are shown."""
    first, last = ((200 * frame + fps) // (2 * fps) for frame in (begun, ended))
    return last - first


def _header(places: Pixels, colours: Pixels) -> bytes:
    """The logical screen, the palette, and that the film repeats."""
    height, width = places.shape
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = colours
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    repeats = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
    return b"GIF89a" + size + b"\xf7\x00\x00" + table.tobytes() + repeats


def _whole(places: Pixels) -> tuple[Image, tuple[int, int]]:
    from PIL import Image

    return Image.fromarray(places, "L"), (0, 0)


def _changed(before: Pixels, places: Pixels) -> tuple[Image, tuple[int, int]] | None:
    """The rectangle (image, its left upper corner) of what differs, the rest of it transparent."""
    differs = before != places
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not rows.size:
        return None
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    image, _ = _whole(np.where(differs[part], places[part], np.uint8(COLOURS)))
    return image, (int(columns[0]), int(rows[0]))


def _block(image: Image, corner: tuple[int, int], hundredths: int) -> list[bytes]:
    """A frame of the file, its pixels packed by pillow; disposal 1: it stays where it was drawn."""
    from PIL import GifImagePlugin

    return GifImagePlugin.getdata(
        image, corner, duration=10 * hundredths, disposal=1, transparency=COLOURS
    )


# ---- MP4 and WebM -------------------------------------------------------------------------------


def video(path: Path, frames: Iterator[Pixels], size: tuple[int, int], fps: int) -> None:
    """Writes the frames by ffmpeg. Raises InputError("out") with its last word where it fails."""
    command = [
        _ffmpeg(path), "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24",
        "-s", "{}x{}".format(*size), "-r", str(fps), "-i", "-", "-an",
        *COLOUR_SPACE, *CODECS[path.suffix.lower()], *BITEXACT, str(path),
    ]  # fmt: skip
    with tempfile.TemporaryFile() as said:  # not a pipe: nobody would empty it
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        )
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended: its return code says why
                for frame in frames:
                    process.stdin.write(frame.tobytes())
                process.stdin.close()
            process.wait()
        finally:
            process.kill()  # where it has not ended by itself
            process.wait()
            with contextlib.suppress(OSError):  # of bytes that it did not take
                process.stdin.close()
        if process.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["no word why"]
            raise InputError("out", path.suffix, f"ffmpeg failed: {lines[-1].strip()}")


def _ffmpeg(path: Path) -> str:
    found = shutil.which("ffmpeg")
    if found is None:
        kind = path.suffix.lower().removeprefix(".")
        raise InputError("out", path, f"{kind} needs ffmpeg, which is not on the PATH; .gif does"
                         " without")  # fmt: skip
    return found
