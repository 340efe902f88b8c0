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
// What an accessibility checker looks for: contrasts below 4.5 to 1, things without a name, jumps
// of headings; the ground, to know that a dark page was judged.
function access() {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  const faint = [], nameless = [], jumps = [];
  for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.getClientRects().length || e.closest("script")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(`${e.tagName} ${e.textContent.slice(0, 30)}`);
  }
  for (const e of document.querySelectorAll("a, button, input, summary, [role=region], nav"))
    if (!(e.textContent.trim() || e.getAttribute("aria-label") || (e.labels && e.labels.length)))
      nameless.push(e.outerHTML.slice(0, 60));
  for (const e of document.querySelectorAll("main img, :not(a) > img"))
    if (!e.alt) nameless.push(e.outerHTML.slice(0, 60));
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map(h => +h.tagName[1]);
  levels.forEach((level, k) => { if (k && level > levels[k - 1] + 1) jumps.push(level); });
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  return {faint, nameless, jumps, twice: ids.length - new Set(ids).size,
    lang: document.documentElement.lang, ground: light(ground(document.body))};
}
window.addEventListener("load", async () => {
  const shown = [...document.querySelectorAll("main img")];
  for (const image of document.images) image.loading = "eager";
  await Promise.all(shown.map(i => i.complete || new Promise(done => { i.onload = done; })));
  const images = shown.map(
    i => [i.alt, i.naturalWidth, i.getBoundingClientRect().width]);
  const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  const links = [...document.querySelectorAll("nav a")].map(a => !!document.querySelector(a.hash));
  document.title = JSON.stringify({images, wide, links, ...access(),
    requests: performance.getEntriesByType("resource").map(r => r.name)});
});
</script>"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize(("width", "dark"), [(480, True), (1280, False), (1920, False)])
def test_the_gallery_in_a_browser(width: int, dark: bool, tmp_path: Path) -> None:
    """Pictures decode and fit, links lead somewhere, no sideways scrolling, nothing but its
    pictures is read, and all can be read and named, in the light and in the dark."""
    out = tmp_path / "gallery"
    made = _make.make(["mixture", "no_learning"], out, ("png", "svg"), scale=0.05)
    assert [r.message for r in made] == ["made", "made"]
    page = (out / "index.html").read_text("utf-8")
    (out / "probed.html").write_text(page.replace("</body>", PROBE + "</body>"), "utf-8")
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, *(["--blink-settings=preferredColorScheme=0"] if dark else []),
         f"--user-data-dir={tmp_path / 'profile'}",
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
    assert (seen["ground"] < 0.05) is dark
    assert (seen["faint"], seen["nameless"], seen["jumps"], seen["twice"]) == ([], [], [], 0)
    assert seen["lang"] == "en"
    assert (out / "sources" / "mixture.txt").read_text("utf-8").startswith('"""')
    assert seen["links"] == [True, True]
    for address in seen["requests"]:  # its own pictures
        assert address.startswith(out.as_uri())
    assert len(page) < 100_000
    assert "CONSOLE" not in done.stderr, done.stderr


def test_what_a_figure_leads_to_is_there() -> None:
    from typer.main import get_command

    from toyflows.cli.main import app
    from toyflows.figures import _registry, _see
    from toyflows.lab._lessons import LESSONS

    assert {*_see.LESSONS, *_see.FILMS} <= set(_registry.ids())
    assert set(_see.LESSONS.values()) <= set(LESSONS)
    films = get_command(app).commands["animate"]
    for figure in _see.FILMS:
        _, _, kind, *words = _see.commands(figure)["film"].split()
        command = films.commands[kind]
        assert command.make_context(kind, words).params["out"] == Path(f"{figure}.gif")
