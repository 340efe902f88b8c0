"""The site: one folder in which every link leads somewhere; no half-written one replaces it."""

from __future__ import annotations

import functools
import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from accessible import faults
from typer.testing import CliRunner

from toyflows import site
from toyflows.cli.main import app
from toyflows.errors import InputError
from toyflows.files import whole_folder
from toyflows.site import api, notebooks
from toyflows.site.links import Places

PATIENCE = 120_000  # milliseconds, of a loaded machine
PIXEL = Path(__file__).parent.parent / "docs" / "lab.png"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `figures all` leaves it, with two pictures."""
    folder = tmp_path_factory.mktemp("figures")
    names = ("mixture", "no_learning")
    entry = {"title": "One number & two modes", "caption": "", "claim": {}, "files": []}
    book = {"figures": dict.fromkeys(names, entry)}
    (folder / "manifest.json").write_text(json.dumps(book))
    places = "".join(
        f'<section id="{name}"><img alt="" src="{name}.png"></section>' for name in names
    )
    (folder / "index.html").write_text(
        '<!DOCTYPE html><title>Figures</title><link rel="icon" href="data:,">'
        f"<style>img {{ width: 100% }}</style>{places}"
    )
    for name in names:
        (folder / f"{name}.png").write_bytes(PIXEL.read_bytes())
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, gallery: Path) -> Path:
    """The whole site, built once."""
    if lost := site.missing():
        pytest.skip(lost)
    out = tmp_path_factory.mktemp("built") / "site"
    assert site.build(out, gallery) == []  # Sphinx has nothing to warn of
    return out


class Page(HTMLParser):
    """The places of a page, and what it asks for or leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("id", "name"):
                self.ids.add(value)
            if value and name in ("href", "src"):
                self.asked.append((tag, value))


def dead(folder: Path) -> Iterator[str]:
    """Links that lead nowhere, and whatever a page would fetch from elsewhere."""
    pages = {p.resolve(): Page(p.read_text("utf-8")) for p in folder.rglob("*.html")}
    for path, page in pages.items():
        for tag, url in page.asked:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                if tag != "a" and parts.scheme != "data":
                    yield f"{path.name} fetches {url}"
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place, settings = unquote(parts.fragment), "=" in parts.fragment  # of a live room
            if not to.is_file() or (place and not settings and place not in pages[to].ids):
                yield f"{path.name} leads to {url}"


def test_every_link_leads_somewhere(built: Path) -> None:
    assert list(dead(built)) == []
    names = {p.relative_to(built).as_posix() for p in built.rglob("*.html")}
    assert names >= {"index.html", "lectures.html", "errata.html", "verdicts.html", "search.html",
                     "benchmarks/walkers.html", "notebooks/01_two_modes.html", "gallery/index.html",
                     "live/two-modes.html", "api/toyflows.flows.html"}  # fmt: skip
    # A page that names no icon makes the browser ask the server for one, now and then.
    icon = re.compile(r'rel="(?:shortcut )?icon"')
    assert [name for name in names if not icon.search((built / name).read_text("utf-8"))] == []
    size = sum(p.stat().st_size for p in built.rglob("*") if p.is_file())
    assert size < 20e6


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="no.html"></a><a href="#no"></a><img src="https://x.org/y.png"><a href="a.html#k">'
        '</a><p id="k"></p><a href="https://x.org"></a><a href="a.html#loss=ml"></a>'
    )
    assert list(dead(tmp_path)) == [
        "a.html leads to no.html", "a.html leads to #no", "a.html fetches https://x.org/y.png",
    ]  # fmt: skip


def test_what_the_pages_hold(built: Path) -> None:
    lectures = (built / "lectures.html").read_text("utf-8")
    assert lectures.count("<math") > 30
    assert 'href="gallery/index.html#mixture"' in lectures
    assert 'href="api/toyflows.flows.html#toyflows.flows.pcd.PCD.advance"' in lectures
    notebook = (built / "notebooks/01_two_modes.html").read_text("utf-8")
    assert notebook.count("<math") > 10
    assert "unknown number <math" in notebook
    assert "jarzynski" in (built / "searchindex.js").read_text("utf-8")
    assert "One number &amp; two modes" in (built / "gallery_index.html").read_text("utf-8")


# A page of each kind, for what takes axe seconds on each.
KINDS = ("index", "errata", "api/toyflows.datasets", "laboratory", "search", "gallery_index")


@pytest.mark.browser
def test_in_a_browser(built: Path, browser: Any) -> None:
    """Every page, from the disk without a network and from a server: no message, nothing missing or
    from elsewhere, no sideways scrolling from a phone to a hall; search finds; all kinds of pages
    can be read, heard, and moved through by keys, in the light and in the dark."""
    handler = functools.partial(Quiet, directory=str(built))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served = f"http://127.0.0.1:{server.server_port}"
        names = sorted(p.relative_to(built).as_posix() for p in built.rglob("*.html"))
        with looking(browser, built.as_uri()) as page:
            for name in names:
                page.goto(f"{built.as_uri()}/{name}")
                for width in (360, 1920):
                    page.set_viewport_size({"width": width, "height": 800})
                    assert page.evaluate(FITS), f"{name} at {width}"
            _by_keys(page, f"{built.as_uri()}/index.html")
            for name in KINDS:
                page.goto(f"{built.as_uri()}/{name}.html")
                assert faults(page) == [], name
                page.emulate_media(color_scheme="dark")
                assert faults(page, "color-contrast") == [], name
                page.emulate_media(color_scheme="light")
        with looking(browser, served) as page:
            for name in names:
                page.goto(f"{served}/{name}")
                assert page.evaluate(FITS), name
            page.goto(f"{served}/search.html?q=jarzynski")
            page.wait_for_selector("#search-results li a")
        server.shutdown()


FITS = "document.documentElement.scrollWidth <= innerWidth"


def _by_keys(page: Any, url: str) -> None:
    """The first stops of the tab key: each is another one, seen, and told by its outline."""
    page.goto(url)
    stops = []
    for _ in range(8):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("""() => {
            const e = document.activeElement, box = e.getBoundingClientRect();
            return [e.outerHTML, e !== document.body && box.width > 0,
              getComputedStyle(e).outlineStyle !== "none"]; }"""))  # fmt: skip
    assert len({html for html, *_ in stops}) == len(stops)
    assert all(seen and told for _, seen, told in stops), stops


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what it serves."""

    def log_message(self, *told: Any) -> None:
        """Nothing."""


@contextmanager
def looking(browser: Any, root: str) -> Iterator[Any]:
    """A page on which nothing may go wrong, and which may ask for nothing outside of `root`."""
    context = browser.new_context()
    context.set_offline(root.startswith("file:"))
    page, wrong = context.new_page(), []
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def failed(request: Any) -> None:
        if "ERR_ABORTED" not in (request.failure or ""):  # the next page is asked for
            wrong.append(f"failed: {request.url}")

    page.on("requestfailed", failed)
    ours = (root, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(ours) else wrong.append(r.url))
    yield page
    assert wrong == []
    context.close()


BROKEN = """<title>x</title><h1>One</h1><h4>Two</h4><button></button><img src="data:,">
<p style="color: #aaa; background: #fff">faint</p>"""


@pytest.mark.browser
def test_faults_are_found(browser: Any, tmp_path: Path) -> None:
    """By axe, by the console, and by the watch over requests."""
    (tmp_path / "a.html").write_text(BROKEN)
    page = browser.new_page()
    page.goto((tmp_path / "a.html").as_uri())
    found = {line.partition(":")[0] for line in faults(page)}
    assert found >= {"button-name", "color-contrast", "heading-order", "html-has-lang", "image-alt"}
    page.close()
    for bad in ("<script>console.log(1)</script>", '<img src="no.png">', "<script>no()</script>"):
        (tmp_path / "a.html").write_text(bad)
        with pytest.raises(AssertionError), looking(browser, tmp_path.as_uri()) as watched:
            watched.goto((tmp_path / "a.html").as_uri())


# ---- what is refused, and what stays


def test_only_a_folder_of_its_own_is_replaced(tmp_path: Path) -> None:
    """What is there stays until the new one is whole; a failure leaves it as it was."""
    out = tmp_path / "site"
    for text in ("one", "two"):
        with whole_folder(out, ".ours") as new:
            (new / "page").write_text(text)
            assert out.exists() == (text == "two")
        assert (out / "page").read_text() == text
    with pytest.raises(RuntimeError), whole_folder(out, ".ours") as new:
        raise RuntimeError
    assert (out / "page").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["site"]
    (out / "CNAME").write_text("example.org")
    with pytest.raises(InputError, match=r"other files \(CNAME\)"), whole_folder(out, ".ours"):
        pass
    (out / "CNAME").unlink()
    (out / ".ours").unlink()
    with pytest.raises(InputError, match="holds other files"), whole_folder(out, ".ours"):
        pass


def told(*call: object) -> str:
    """The one line of a refused call; nothing is written."""
    done = CliRunner().invoke(app, ["site", *map(str, call)])
    assert done.exit_code == 2, done.output
    return str(done.output).strip()


def test_what_cannot_be_built_is_refused(
    tmp_path: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    assert "holds other files" in told("--out", tmp_path / "full")
    assert "must be a folder" in told("--out", tmp_path / "file")
    assert "there is no folder" in told("--out", tmp_path / "no" / "site")
    assert "figures all" in told("--out", tmp_path / "site", "--gallery", tmp_path / "full")
    (tmp_path / "site").mkdir()
    shutil.copytree(gallery, tmp_path / "site" / "gallery")
    made = (p.relative_to(tmp_path / "site") for p in (tmp_path / "site").rglob("*"))
    (tmp_path / "site" / site.MARKER).write_text("\n".join(map(str, made)))
    before = sorted(tmp_path.rglob("*"))
    own = tmp_path / "site" / "gallery"
    assert "inside the site" in told("--out", tmp_path / "site", "--gallery", own)
    monkeypatch.setattr(site, "NEEDED", ("no_such_module",))
    assert told("--out", tmp_path / "site").endswith('pip install "toyflows[docs]"')
    assert sorted(tmp_path.rglob("*")) == before


# ---- its parts


def test_links_are_led() -> None:
    places = Places({"docs/a.md", "docs/sub/b.md", "README.md"}, {"toyflows/flows/ml.py"}, {"cd_k"})
    text = ("[b](sub/b.md#x) [`flows.ml.ML`](../toyflows/flows/ml.py) [`cd_k`](../figures/cd_k.py) "
            "[`no`](../figures/no.py) [w](https://w.org)\n```\n[b](sub/b.md)\n```\n")  # fmt: skip
    assert places.rewritten(text, "docs/a.md") == (
        '[b](sub/b.md#x) <a href="api/toyflows.flows.html#toyflows.flows.ml.ML"><code>flows.ml.ML'
        '</code></a> <a href="gallery/index.html#cd_k"><code>cd_k</code></a> <code>no</code> '
        "[w](https://w.org)\n```\n[b](sub/b.md)\n```\n"
    )
    assert places.rewritten("[a](../a.md)", "docs/sub/b.md") == "[a](../a.md)"


def test_docstrings_become_pages() -> None:
    assert api.prose("θ̇ = E_{ρ_θ}[r]").startswith("<math")
    assert api.prose("`a_b` is x_1 * 2.\n\n    x_1 = 2") == (
        "`a_b` is x\\_1 \\* 2.\n\n```text\n    x_1 = 2\n```\n"
    )


def test_formulas_of_a_notebook_are_set() -> None:
    pytest.importorskip("latex2mathml")
    told = notebooks.with_formulas("at $a < b$ it costs $5 or `$x$`; $$x^2$$")
    assert told.count("<math") == 2
    assert "`$x$`" in told
    assert "costs $5 or" in told
