"""The files of films: they hold the pictures, in a browser too, and nothing is left of a film that
was not finished. Exact comparisons unless a bound is stated.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image, ImageSequence

from toyflows import film
from toyflows.errors import InputError
from toyflows.figures._style import DATA, EXACT, WALKERS
from toyflows.film._encode import COLOURS, Palette, gif, video

SIZE = (640, 360)
SHORT: dict[str, Any] = {"seconds": 1.0, "fps": 12, "size": SIZE}
RUN: dict[str, Any] = {
    "theta_star": 1.4, "time": 5.0, "dt": 0.05, "separation": 6.0, "walkers": 3000, "seed": 3,
}  # fmt: skip
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FFMPEG = shutil.which("ffmpeg")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")
Pictures = list[np.ndarray[Any, np.dtype[np.uint8]]]


@pytest.fixture(scope="module")
def pcd() -> film.Film:
    return film.two_modes("pcd", **RUN, **SHORT)


@pytest.fixture(scope="module")
def frames(pcd: film.Film) -> Pictures:
    return list(pcd.images())


def rgb(colour: str) -> list[int]:
    return [round(255 * part) for part in to_rgb(colour)]


# ---- GIF ----------------------------------------------------------------------------------------


def decoded(path: Path) -> tuple[Pictures, list[int]]:
    """The frames of a GIF as a viewer composes them, and their milliseconds."""
    with Image.open(path) as opened:
        found = [
            (np.asarray(frame.convert("RGB")), int(frame.info["duration"]))
            for frame in ImageSequence.Iterator(opened)
        ]
    return [f for f, _ in found], [d for _, d in found]


def by_time(pictures: Pictures, durations: list[int], fps: int, frames: int) -> Pictures:
    """What is seen in the middle of each frame."""
    ends = np.cumsum(durations)
    return [
        pictures[int(np.searchsorted(ends, 1000 * (k + 0.5) / fps, "right"))] for k in range(frames)
    ]


def test_a_gif_shows_the_frames(pcd: film.Film, frames: Pictures, tmp_path: Path) -> None:
    """255 colours for all: no pixel is off by more than 64 of 255, the mean by less than 0.3, the
    colours of the roles are exact, and what stands still has the same colour in each frame."""
    told: list[int] = []
    path = pcd.save(tmp_path / "a.gif", told.append)
    assert told == list(range(pcd.frames + 1))
    pictures, durations = decoded(path)
    assert sum(durations) == 1000
    assert pictures[0].shape == (360, 640, 3)
    packed = np.stack(pictures).astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    assert np.count_nonzero(np.bincount(packed.ravel())) <= COLOURS
    seen = by_time(pictures, durations, pcd.fps, pcd.frames)
    for frame, picture in zip(frames, seen, strict=True):
        off = np.abs(frame.astype(int) - picture.astype(int))
        assert off.max() <= 64
        assert off.mean() < 0.3
        for colour in (DATA, EXACT, WALKERS):
            there = np.all(frame == rgb(colour), axis=2)
            assert np.all(picture[there] == rgb(colour))
    for (a, b), (x, y) in zip(pairwise(frames), pairwise(seen), strict=True):
        still = np.all(a == b, axis=2)
        assert np.array_equal(x[still], y[still])


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    def bytes_of(name: str, seed: int) -> bytes:
        made = film.two_modes("pcd", **RUN | {"seed": seed}, **SHORT)
        return made.save(tmp_path / name).read_bytes()

    first = bytes_of("a.gif", 3)
    assert bytes_of("b.gif", 3) == first
    assert bytes_of("c.gif", 4) != first


def random_frames(colours: int, count: int = 7) -> Pictures:
    """Frames 37 × 23 in some colours; the fourth is the third again, the last the one before."""
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, (colours, 3), np.uint8)
    found = [table[rng.integers(colours, size=(23, 37))] for _ in range(count)]
    found[1] = found[0].copy()
    found[1][5:9, 30:33] = table[0]
    found[3], found[-1] = found[2], found[-2]
    return found


@pytest.mark.parametrize("fps", [1, 12, 30, 50])
@pytest.mark.parametrize("colours", [2, COLOURS])
def test_few_colours_are_kept_exactly(colours: int, fps: int, tmp_path: Path) -> None:
    frames, path = random_frames(colours), tmp_path / "a.gif"
    with path.open("wb") as file:
        gif(file, frames, frames, fps)
    pictures, durations = decoded(path)
    assert len(pictures) == 5
    ends = [0, *np.cumsum(durations).tolist()]
    begins = [0, 1, 2, 4, 5]
    assert ends[:-1] == [10 * round(100 * k / fps + 1e-9) for k in begins]
    assert ends[-1] == 10 * round(100 * 7 / fps + 1e-9)
    for picture, k in zip(pictures, begins, strict=True):
        assert np.array_equal(picture, frames[k])


def test_a_palette_gives_the_nearest_of_its_colours() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (60, 50, 3), np.uint8)
    picture[:20] = (213, 94, 0)  # frequent: kept
    palette = Palette([picture])
    assert len(palette.colours) == COLOURS
    shown = palette.colours[palette.places(picture)].astype(int)
    assert np.all(shown[:20] == (213, 94, 0))
    apart = np.square(shown[30:] - picture[30:].astype(int)).sum(axis=2)
    each = picture[30:].reshape(-1, 1, 3).astype(int) - palette.colours.astype(int)
    assert np.array_equal(apart.ravel(), np.square(each).sum(axis=2).min(axis=1))


# ---- what is left of a film that is not finished -------------------------------------------------


@pytest.mark.parametrize("suffix", [".gif", pytest.param(".mp4", marks=needs_ffmpeg)])
@pytest.mark.parametrize("after", [0, 5])
def test_a_cancelled_film_leaves_nothing(
    suffix: str, after: int, pcd: film.Film, tmp_path: Path
) -> None:
    seen: list[int] = []
    with pytest.raises(film.Cancelled):
        pcd.save(tmp_path / f"a{suffix}", seen.append, lambda: len(seen) > after)
    assert len(seen) <= after + 1
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_film_leaves_what_was_there(pcd: film.Film, tmp_path: Path) -> None:
    def stop(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    path = tmp_path / "a.gif"
    path.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        pcd.save(path, stop)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", [
    lambda: film.cloud("8-gaussians", points=10, steps=30, **SHORT),
    lambda: film.chain("ebm28", count=2, steps=50, **SHORT),
    lambda: film.chain("ddpm28", count=1, sampler="ddim", steps=20, **SHORT),
    lambda: film.two_modes("cd", **RUN, **SHORT),
])  # fmt: skip
def test_computing_stops_when_it_is_cancelled(make: Callable[[], film.Film]) -> None:
    """After the tenth look, before the first frame."""
    looks = iter(range(1000))
    with pytest.raises(film.Cancelled):
        next(make().images(lambda: next(looks) > 10))
    assert next(looks) == 12


# ---- MP4 and WebM -------------------------------------------------------------------------------


def filmed(path: Path, size: tuple[int, int] = SIZE) -> Pictures:
    """The frames of a film, by ffmpeg."""
    done = subprocess.run(
        [str(FFMPEG), "-loglevel", "error", "-i", str(path), "-vf", "scale=in_color_matrix=bt709",
         "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True, check=True,
    )  # fmt: skip
    return list(np.frombuffer(done.stdout, np.uint8).reshape(-1, size[1], size[0], 3))


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_video_shows_the_frames(
    suffix: str, pcd: film.Film, frames: Pictures, tmp_path: Path
) -> None:
    """As many, in their order: each is nearest to its own, the mean error below 2.5 of 255."""
    path = pcd.save(tmp_path / f"a{suffix}")
    found = filmed(path)
    assert len(found) == pcd.frames
    for k, picture in enumerate(found[: pcd.reel.moves + 1]):
        off = [np.abs(f.astype(int) - picture).mean() for f in frames[: pcd.reel.moves + 1]]
        assert int(np.argmin(off)) == k
        assert off[k] < 2.5
    assert pcd.save(tmp_path / f"b{suffix}").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_without_ffmpeg_one_line_says_so(
    suffix: str, pcd: film.Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"needs ffmpeg, which is not on the PATH") as refused:
        pcd.save(tmp_path / f"a{suffix}")
    assert refused.value.name == "out"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("takes", ["exit 1", "cat >/dev/null; exit 1"], ids=["at once", "late"])
def test_the_last_word_of_ffmpeg_is_told(
    takes: str, pcd: film.Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it ends before it has taken the frames or after."""
    fake, out = tmp_path / "ffmpeg", tmp_path / "out"
    fake.write_text(f"#!/bin/sh\necho first >&2\necho Unknown encoder >&2\n{takes}\n")
    fake.chmod(0o755)
    out.mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError, match=r"ffmpeg failed: Unknown encoder$"):
        pcd.save(out / "a.mp4")
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", ["a.avi", "a", "none/a.gif"])
def test_other_places_are_refused(name: str, pcd: film.Film, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        pcd.save(tmp_path / name)
    assert refused.value.name == "out"


# ---- in a browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--autoplay-policy=no-user-gesture-required"]  # fmt: skip
    with sync_playwright() as p:
        found = p.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield found
        found.close()


def shown(page: Any, what: str) -> Any:
    """The pixels of an element."""
    with Image.open(io.BytesIO(page.locator(what).screenshot())) as opened:
        return np.asarray(opened.convert("RGB")).astype(int)


DECODE = """async data => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
  const decoder = new ImageDecoder({data: bytes, type: "image/gif"});
  await decoder.tracks.ready;
  await decoder.completed;
  const track = decoder.tracks.selectedTrack, out = [];
  for (let k = 0; k < track.frameCount; k++) {
    const {image} = await decoder.decode({frameIndex: k});
    const canvas = new OffscreenCanvas(image.displayWidth, image.displayHeight);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let text = "";
    for (let i = 0; i < pixels.length; i += 8192)
      text += String.fromCharCode(...pixels.subarray(i, i + 8192));
    out.push([image.duration / 1000, btoa(text)]);
    image.close();
  }
  return [out, track.repetitionCount === Infinity];
}"""


@needs_chromium
@pytest.mark.browser
def test_chromium_shows_the_gif(
    browser: Any, pcd: film.Film, frames: Pictures, tmp_path: Path
) -> None:
    """Its decoder gives the pixels that pillow's gives, and the image on a page is one of them."""
    path = pcd.save(tmp_path / "a.gif")
    (tmp_path / "page.html").write_text('<body style="margin:0"><img src="a.gif">')
    page = browser.new_page(viewport={"width": 800, "height": 500})
    page.goto((tmp_path / "page.html").as_uri())
    found, repeats = page.evaluate(DECODE, base64.b64encode(path.read_bytes()).decode())
    pictures, durations = decoded(path)
    assert repeats
    assert [d for d, _ in found] == durations
    for (_, text), picture in zip(found, pictures, strict=True):
        pixels = np.frombuffer(base64.b64decode(text), np.uint8).reshape(SIZE[1], SIZE[0], 4)
        assert np.array_equal(pixels[..., :3], picture)
    seen = shown(page, "img")
    assert min(np.abs(seen - frame).mean() for frame in frames) < 0.3
    page.close()


@needs_chromium
@pytest.mark.browser
@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_chromium_plays_the_video(
    suffix: str, browser: Any, pcd: film.Film, frames: Pictures, tmp_path: Path
) -> None:
    """In the middle of a frame's time that frame is seen, nearer than any other."""
    pcd.save(tmp_path / f"a{suffix}")
    (tmp_path / "page.html").write_text(
        f'<body style="margin:0"><video src="a{suffix}" muted preload="auto"></video>'
    )
    page = browser.new_page(viewport={"width": 800, "height": 500})
    page.goto((tmp_path / "page.html").as_uri())
    seek = """t => new Promise((done, failed) => {
      const v = document.querySelector("video");
      v.onerror = () => failed(new Error(v.error.message));
      const go = () => { v.onseeked = () => requestVideoFrame(); v.currentTime = t; };
      const requestVideoFrame = () => requestAnimationFrame(() => requestAnimationFrame(done));
      v.readyState >= 2 ? go() : (v.onloadeddata = go, v.load());
    })"""
    for k in (1, 4, 8, pcd.frames - 1):
        page.evaluate(seek, (k + 0.5) / pcd.fps)
        seen = shown(page, "video")
        own = min(k, pcd.reel.moves)
        off = [np.abs(seen - frame).mean() for frame in frames[: pcd.reel.moves + 1]]
        assert int(np.argmin(off)) == own
        assert off[own] < 2.5
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(1.0, abs=0.05)
    page.close()


@needs_chromium
@pytest.mark.browser
@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_chromium_shows_the_colours_of_the_roles(suffix: str, browser: Any, tmp_path: Path) -> None:
    """Areas of the roles' colours are off by 6 of 255 at most (5 by the rounding of a video's
    colours); taken for those of the old television they would be by more than 10."""
    colours = [rgb(c) for c in (DATA, EXACT, WALKERS)]
    frame = np.repeat(np.repeat(np.array([colours], np.uint8), 240, 0), 100, 1)
    video(tmp_path / f"a{suffix}", iter([frame] * 5), (300, 240), 5)
    (tmp_path / "page.html").write_text(
        f'<body style="margin:0"><video src="a{suffix}" muted autoplay></video>'
    )
    page = browser.new_page(viewport={"width": 400, "height": 300})
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_function("document.querySelector('video').ended")
    seen = shown(page, "video")
    for k, colour in enumerate(colours):
        assert np.abs(seen[100:140, 100 * k + 30 : 100 * k + 70] - colour).max() <= 6
    page.close()
