"""What Sphinx reads: the documents of a checkout, the API reference, notebooks and a start page."""

from __future__ import annotations

import json
import re
import shutil
from html import escape
from importlib import resources
from pathlib import Path

from toyflows.pages.lessons import LESSONS
from toyflows.pages.mathml import mathml
from toyflows.pages.rooms import ROOMS
from toyflows.site import api, notebooks
from toyflows.site.links import Places, page_of

TOP = ("CONTRIBUTING.md", "CHANGELOG.md")  # documents beside docs/
FORMULAS = {"docs/lectures.md": 1, "docs/methods.md": 2}  # the column that holds formulas
WORDS = re.compile(r"(?!log|data)[A-Za-z]{3,}")  # a cell that has some is left as it is
CELL = re.compile(r"(?<!\\)\|")


def write(source: Path, checkout: Path, gallery: Path | None, run: bool) -> None:
    """Fills the folder `source`."""
    docs = {p.relative_to(checkout).as_posix(): p for p in (checkout / "docs").rglob("*")}
    texts = {name: p for name, p in docs.items() if p.suffix in (".md", ".py", ".ipynb")}
    texts |= {name: checkout / name for name in TOP}
    figures = _figures(gallery)
    places = Places(texts, api.modules(checkout / "toyflows"), figures)
    for name, path in texts.items():
        _put(source / f"{page_of(name)}.md", _document(name, path, places, source, run))
    for name, path in docs.items():
        if path.suffix == ".png":
            shutil.copy(path, source / name.removeprefix("docs/"))
    for name, text in (pages := api.pages(checkout / "toyflows")).items():
        _put(source / "api" / f"{name}.md", text)
    _put(source / "api/index.md", _contents("API reference", pages))
    _put(source / "gallery_index.md", _gallery_page(figures))
    _put(source / "laboratory.md", _laboratory())
    _put(source / "index.md", _shipped("start.md"))
    _put(source / "conf.py", _shipped("conf.py"))
    for name in ("site.css", "icon.svg"):
        _put(source / "static" / name, _shipped(name))


def _document(name: str, path: Path, places: Places, source: Path, run: bool) -> str:
    if path.suffix == ".py":
        return f"# {path.name}\n\n```python\n{path.read_text('utf-8')}```\n"
    if path.suffix == ".ipynb":
        folder = source / page_of(name)
        folder.parent.mkdir(parents=True, exist_ok=True)
        return notebooks.page(path, folder.parent, run)
    text = path.read_text("utf-8")
    if (column := FORMULAS.get(name)) is not None:
        text = "\n".join(_with_formula(line, column) for line in text.splitlines())
    return places.rewritten(text, name)


def _with_formula(line: str, column: int) -> str:
    """A row of a table whose formula is set as MathML."""
    cells = CELL.split(line)
    if not line.startswith("| ") or len(cells) < column + 3 or set(cells[1].strip()) <= {"-"}:
        return line
    said = cells[column + 1].strip().replace("\\|", "|").replace("\\*", "*")
    if said and not WORDS.search(said):
        cells[column + 1] = f" {mathml(said).replace('|', '&#124;')} "
    return "|".join(cells)


def _figures(gallery: Path | None) -> dict[str, dict[str, str]]:
    """What the gallery holds, by name."""
    if gallery is None:
        return {}
    made: dict[str, dict[str, str]] = json.loads((gallery / "manifest.json").read_text("utf-8"))[
        "figures"
    ]
    return made


def _gallery_page(figures: dict[str, dict[str, str]]) -> str:
    if not figures:
        return "# Figures\n\n" + WITHOUT
    items = (
        f'- <a href="gallery/index.html#{escape(name)}">{escape(entry["title"])}</a>'
        for name, entry in figures.items()
    )
    return "# Figures\n\n" + WITH + "\n".join(items) + "\n"


WITHOUT = """This site was built without figures. `toyflows figures all --out gallery` makes them,
`toyflows site --out site --gallery gallery` shows them.
"""
WITH = """Each figure states a claim, and code checked the numbers when it was made.
<a href="gallery/index.html">All figures on one page</a>.

"""


def _laboratory() -> str:
    """The rooms, and the lessons as links into them."""
    cards = (
        f'<a href="live/{room.file}"><b>{escape(room.title)}</b>{escape(room.words)}</a>'
        for room in ROOMS
    )
    lessons = (
        f'{number}. <a href="live/{lesson.address}">{escape(lesson.title)}</a>'
        for number, lesson in enumerate(LESSONS, 1)
    )
    return LABORATORY.format(cards="\n".join(cards), lessons="\n".join(lessons))


LABORATORY = """# The live laboratory

These pages compute in your browser. Nothing is installed, nothing is sent.

<div class="cards">
{cards}
</div>

## Lessons

Each lesson asks you to say what will happen, and then lets you see it.

{lessons}
"""


def _contents(title: str, pages: dict[str, str]) -> str:
    listed = "\n".join(pages)
    return (
        f"# {title}\n\nSignatures and docstrings of all public names, one page for a package.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )


def _shipped(name: str) -> str:
    return resources.files("toyflows.site").joinpath(name).read_text("utf-8")


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
