"""The gallery in a real browser (Debian's chromium, headless), which CI installs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from toyflows.figures import _make

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000",
]  # fmt: skip

# Runs in the page: what a visitor would see, as JSON in the title.
PROBE = """<script>
window.addEventListener("load", async () => {
  const shown = [...document.querySelectorAll("main img")];
  for (const image of document.images) image.loading = "eager";
  await Promise.all(shown.map(i => i.complete || new Promise(done => { i.onload = done; })));
  const images = shown.map(
    i => [i.alt, i.naturalWidth, i.getBoundingClientRect().width]);
  const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  const links = [...document.querySelectorAll("nav a")].map(a => !!document.querySelector(a.hash));
  document.title = JSON.stringify({images, wide, links,
    requests: performance.getEntriesByType("resource").map(r => r.name)});
});
</script>"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [480, 1280, 1920])
def test_the_gallery_in_a_browser(width: int, tmp_path: Path) -> None:
    """Pictures decode and fit, links lead somewhere, no sideways scrolling, and nothing
    but its pictures is read."""
    out = tmp_path / "gallery"
    made = _make.make(["mixture", "no_learning"], out, ("png", "svg"), scale=0.05)
    assert [r.message for r in made] == ["made", "made"]
    page = (out / "index.html").read_text("utf-8")
    (out / "probed.html").write_text(page.replace("</body>", PROBE + "</body>"), "utf-8")
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}",
         f"--window-size={width},900", "--dump-dom", (out / "probed.html").as_uri()],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    seen = json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert len(seen["images"]) == 2
    for alt, natural, shown in seen["images"]:
        assert alt
        assert natural > 1000
        assert 0.6 * min(width, 1000) < shown < width
    assert not seen["wide"]
    assert seen["links"] == [True, True]
    for address in seen["requests"]:  # its own pictures
        assert address.startswith(out.as_uri())
    assert len(page) < 100_000
    assert "CONSOLE" not in done.stderr, done.stderr
