"""The gallery of all figures in a browser: small, offline, accessible, a figure a printed page.

The pictures are blank: it is the page that is tested, with every figure's own words.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from accessible import faults
from PIL import Image

from toyflows.figures import _cache, _gallery, _registry

pytestmark = pytest.mark.browser
PATIENCE = 120_000  # milliseconds, of a loaded machine
LINES = 24  # of a long claim
SHAPES = ((1920, 930), (1920, 1440))  # of the flattest pictures and of the highest


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a gallery with all figures."""
    out = tmp_path_factory.mktemp("gallery")
    checked = {"value": 1.23456e-7, "expected": 0.0, "margin": 1e-6, "kind": "="}
    figures = {}
    for k, name in enumerate(_registry.ids()):
        Image.new("L", SHAPES[k % 2], 255).save(out / f"{name}.png")
        title, caption = _registry.describe(name)
        figures[name] = {
            "title": title, "caption": caption, "scale": 1.0, "seed": 0, "seconds": 1.0,
            "claim": {f"line {i} of θ_*": checked for i in range(LINES)},
            "files": {f"{name}.png": ""}, "versions": _cache.versions(), "key": "",
        }  # fmt: skip
    _gallery.write(out, {"figures": figures, "failed": {}, "versions": _cache.versions()})
    return out


@pytest.fixture
def page(browser: Any, gallery: Path) -> Any:
    """The page, from the disk, without a network; what it asks for and says is kept."""
    context = browser.new_context(offline=True)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    opened.asked, opened.said = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.goto((gallery / "index.html").as_uri())
    yield opened
    context.close()


def test_it_is_small_and_needs_its_own_folder_only(page: Any, gallery: Path) -> None:
    assert (gallery / "index.html").stat().st_size < 1_000_000
    assert page.said == []
    assert all(address.startswith(gallery.as_uri()) for address in page.asked)
    names = _registry.ids()
    assert page.locator("main section").count() == len(names)
    assert page.locator("nav a > img").count() == len(names)
    assert page.locator("#no_learning h3 sup").count() == 1  # e^{−d²/8}
    assert page.locator("#replay_buffer th sub").count() > 0  # θ_* in its claim
    assert page.get_by_text("figures one rbm").first.is_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_axe_finds_no_fault(page: Any, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert faults(page) == []


def test_a_page_of_paper_for_each_figure(page: Any, tmp_path: Path) -> None:
    """And besides these the contents, which are as many pages as without the figures."""
    both = printed(page, tmp_path / "all.pdf")
    page.evaluate("document.querySelector('main').remove()")
    contents = printed(page, tmp_path / "contents.pdf")
    assert contents <= 4
    assert both == contents + len(_registry.ids())


def printed(page: Any, path: Path) -> int:
    """How many pages of A4 it is printed on."""
    page.evaluate("""async () => {
      for (const image of document.images) image.loading = 'eager';
      await Promise.all([...document.images].map(i => i.decode().catch(() => 0))); }""")
    page.pdf(path=str(path), format="A4", margin=dict.fromkeys(
        ("top", "right", "bottom", "left"), "12mm"))  # fmt: skip
    return len(re.findall(rb"/Type\s*/Page\b", path.read_bytes()))


def test_the_filter_shows_what_has_the_words(page: Any) -> None:
    page.get_by_label("Show figures with").fill("Onsager letter")
    shown = page.locator("main section:visible")
    assert 0 < shown.count() < 5
    assert page.locator("#ising").is_visible()
    assert not page.locator("#no_learning").is_visible()
    assert page.locator("nav a:visible").count() == shown.count()
    assert page.get_by_role("status").inner_text() == f"{shown.count()} of {len(_registry.ids())}"
    page.get_by_label("Show figures with").fill("")
    assert page.locator("main section:visible").count() == len(_registry.ids())
