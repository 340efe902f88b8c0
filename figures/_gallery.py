"""The gallery: one page, small, beside its pictures; it needs no network.

It shows what manifest.json says, nothing else: the figures of earlier calls stay.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from toyflows.figures import _look, _registry, _see
from toyflows.figures._manifest import GALLERY, SOURCES
from toyflows.files import whole_file

SHOWN = ("png", "svg")  # the first that was made
STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #595959; --paper: #fff; --card: #f5f5f3;
  --line: #d9d9d6; --link: #0060a0; --bad: #a33200 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eaeaea; --soft: #b0b0b0; --paper: #16181b; --card: #202327; --line: #3b4046;
    --link: #7cc4f5; --bad: #ffa27a } }
* { box-sizing: border-box }
html { font: clamp(1.06rem, 0.9rem + 0.45vw, 1.5rem)/1.55 system-ui, "Segoe UI", Helvetica, Arial,
  sans-serif; color: var(--ink); background: var(--paper); scroll-behavior: smooth }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto } }
body { max-width: 64rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }
h1, h2 { line-height: 1.2; text-wrap: balance }
h1 { font-size: 2em; margin: 0 0 .3em }
h2 { font-size: 1.4em; margin: 0 0 .7em }
p { max-width: 46em; margin: .7em 0 }
a { color: var(--link); text-underline-offset: .15em }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 3px; border-radius: 2px }
section { margin-top: 2.2rem; padding-top: 2.2rem; border-top: 1px solid var(--line) }
figure { margin: 0 }
img { display: block; width: 100%; height: auto; background: #fff; border: 1px solid var(--line);
  border-radius: 6px }
pre { overflow-x: auto; margin: .7em 0; font-size: .9em }
.claim { width: fit-content; max-width: 100%; overflow-x: auto; margin: 1em 0; padding: .6em 1em;
  background: var(--card); border-radius: 6px }
table { border-collapse: collapse; font-size: .88em; font-variant-numeric: tabular-nums }
caption { text-align: left; font-weight: 600; padding-bottom: .3em }
sup, sub { line-height: 0 }
th, td { padding: .2em 0 .2em 1.6em; text-align: right; white-space: nowrap; font-weight: 400 }
thead th { color: var(--soft); border-bottom: 1px solid var(--line) }
tbody th, thead th:first-child { padding-left: 0; text-align: left; white-space: normal }
.made { color: var(--soft); font-size: .88em }
.failed { color: var(--bad); font-weight: 600 }
@media print { section { break-inside: avoid } nav { display: none } }
"""


def write(out: Path, book: dict[str, Any]) -> Path:
    """Writes the page of the manifest `book`, whose pictures lie in `out`."""
    path = out / GALLERY
    _copy_sources(out, book["figures"])
    with whole_file(path) as temporary:
        temporary.write_text(page(out, book), encoding="utf-8")
    return path


def _copy_sources(out: Path, made: Iterable[str]) -> None:
    """Each figure's own file beside the page, as text: what computed, checked and drew it."""
    (out / SOURCES).mkdir(exist_ok=True)
    for figure in made:
        if figure in _registry.ids():  # not of an older toyflows
            with whole_file(out / SOURCES / f"{figure}.txt") as temporary:
                temporary.write_bytes(_registry.path_of(figure).read_bytes())


def page(out: Path, book: dict[str, Any]) -> str:
    """The whole document."""
    made, failed = book["figures"], book["failed"]
    versions = ", ".join(f"{name} {number}" for name, number in book["versions"].items())
    all_ids = _registry.in_order({*made, *failed})
    groups = _registry.grouped(all_ids)
    contents = "\n".join(_contents(out, group, ids, made) for group, ids in groups.items())
    sections = "\n".join(
        f'<div class="group">\n<h2>{escape(group)}</h2>\n{_all(out, ids, made, failed)}\n</div>'
        for group, ids in groups.items()
    )
    return document(
        "toyflows: the figures",
        f"""<header>
<h1>How generative models learn</h1>
<p>Every figure states a claim, and the numbers that prove it were checked by code when the figure
was made. Data are blue, the exact law is vermilion, walkers are green, the lecture’s formula is
dashed grey. <code>toyflows figures replay manifest.json</code> makes the same numbers
again, on another class of CPU up to their last digits.</p>
<p class="filter" hidden><label>Show figures with <input type="search" placeholder="PCD"></label>
<output></output></p>
</header>
<nav aria-label="Figures">
{contents}
</nav>
<main>
{sections}
</main>
<footer>
<section><p class="made">Last run with {escape(versions)}.</p></section>
</footer>
<script>
{_part("gallery.js")}</script>""",
        _part("gallery.css"),
    )


def document(title: str, body: str, css: str = "") -> str:
    """A whole page of HTML in our style; no file and no network is needed to show it."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="toyflows">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{STYLE}{css}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _part(name: str) -> str:
    return resources.files("toyflows.figures").joinpath(name).read_text("utf-8")


def _contents(out: Path, group: str, ids: Sequence[str], made: dict[str, Any]) -> str:
    """One group of the contents: small pictures that lead to the figures."""
    inside = {i: _thumbnail(out, made.get(i)) + _heading(i, made.get(i)) for i in ids}
    items = "\n".join(f'<li><a href="#{escape(i)}">{x}</a></li>' for i, x in inside.items())
    return f'<div class="group">\n<h2>{escape(group)}</h2>\n<ul>\n{items}\n</ul>\n</div>'


def _thumbnail(out: Path, entry: dict[str, Any] | None) -> str:
    name = None if entry is None else _file(out, entry)
    return "" if name is None else f'<img alt="" loading="lazy" src="{escape(name)}">'


def _all(out: Path, ids: Sequence[str], made: dict[str, Any], failed: dict[str, Any]) -> str:
    return "\n".join(_section(out, i, made.get(i), failed.get(i)) for i in ids)


def _section(out: Path, figure: str, entry: dict[str, Any] | None, failure: str | None) -> str:
    """One figure: picture, caption, the claim's numbers, how it was made."""
    parts = [f"<h3>{_heading(figure, entry)}</h3>"]
    if failure is not None:
        older = " The picture below is from before." if entry is not None else ""
        notice = f"Not made in the last run: {escape(str(failure))}.{older}"
        parts.append(f'<p class="failed">{notice}</p>')
    if entry is not None:
        caption = f"<figcaption>\n{_paragraphs(entry['caption'])}\n</figcaption>"
        parts += [
            f"<figure>\n{_picture(out, entry)}\n{caption}\n</figure>",
            _claim(figure, entry["claim"]),
            f'<p class="made">{_made(out, figure, entry)}</p>',
            *(f'<p class="made">{w}: {_command(c)}</p>' for w, c in _see.commands(figure).items()),
        ]
    body = "\n".join(parts)
    return f'<section id="{escape(figure)}">\n{body}\n</section>'


def _heading(figure: str, entry: dict[str, Any] | None) -> str:
    return _prose(entry["title"]) if entry is not None else escape(figure.replace("_", " "))


def _prose(text: str) -> str:
    """Escaped, with code between backticks, and e^{−t}, x_{k+1}, ρ_θ and ∂_xU raised or lowered;
    a_name_of_words stays as it is."""
    parts = re.split(r"`([^`]*)`", escape(text))
    return "".join(
        f"<code>{part}</code>" if k % 2 else _lowered(part) for k, part in enumerate(parts)
    )


def _lowered(text: str) -> str:
    text = re.sub(r"\^\{([^{}]*)\}|\^([−+]?\w+)", r"<sup>\1\2</sup>", text)
    text = re.sub(r"_\{([^{}]*)\}", r"<sub>\1</sub>", text)
    text = re.sub(r"([∂∇])_(\w)", r"\1<sub>\2</sub>", text)
    one = r"(?<![A-Za-z_])(\w[\u0300-\u036f]?)_(\w+|\*)"
    return re.sub(one, r"\1<sub>\2</sub>", text)


def _file(out: Path, entry: dict[str, Any]) -> str | None:
    """The name of the picture to show."""
    for suffix in SHOWN:
        for name in entry["files"]:
            if name.endswith(suffix) and (out / name).is_file():
                return str(name)
    return None


def _picture(out: Path, entry: dict[str, Any]) -> str:
    name = _file(out, entry)
    if name is None:
        return '<p class="failed">The picture is not in this folder any more.</p>'
    alt = escape(entry["title"])
    return f'<img alt="{alt}" loading="lazy"{_size(out / name)} src="{escape(name)}">'


def _size(path: Path) -> str:
    """Width and height of a PNG, so that nothing moves while pictures load."""
    with path.open("rb") as file:
        head = file.read(24)
    if head[12:16] != b"IHDR":
        return ""
    width, height = struct.unpack(">II", head[16:24])
    return f' width="{width}" height="{height}"'


def _paragraphs(text: str) -> str:
    """Paragraphs; what is indented in the docstring is a formula, and stays as it is."""
    blocks = [block for block in re.split(r"\n\s*\n", text) if block.strip()]
    return "\n".join(
        f'<pre tabindex="0">{escape(block)}</pre>'
        if block.startswith(" ")
        else f"<p>{_prose(block)}</p>"
        for block in blocks
    )


def _claim(figure: str, claim: dict[str, Any]) -> str:
    """The checked numbers as a table; empty where the figure claims nothing."""
    if not claim:
        return ""
    rows = "\n".join(_row(name, value) for name, value in claim.items())
    heads = "".join(f'<th scope="col">{c}</th>' for c in ("claim", "found", "expected", "±"))
    return f"""<details><summary>Checked: {len(claim)} numbers</summary>
<div class="claim" tabindex="0" role="region" aria-label="Checked numbers of {figure}"><table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table></div></details>"""


def _row(name: str, value: Any) -> str:
    cells = _compared(value) if isinstance(value, dict) else (shown(value), "", "")
    columns = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{_prose(name)}</th>{columns}</tr>'


def _compared(checked: dict[str, Any]) -> tuple[str, str, str]:
    """Found, expected and margin of a stats.Checked, as HTML; a bound's margin is only the room
    that was left."""
    found, expected, margin = (checked.get(part, "") for part in ("value", "expected", "margin"))
    kind = checked.get("kind", "=")
    if kind == "=":
        return shown(found), shown(expected), shown(margin, 3)
    return shown(found), f"{shown(kind)} {shown(expected)}", ""


def shown(value: Any, precision: int = 6) -> str:
    """A number as HTML, with a true minus and powers of ten; text as it is."""
    if isinstance(value, str | bool):
        return escape(str(value))
    digits, _, exponent = f"{value:.{precision}g}".replace("-", "−").partition("e")
    if not exponent:
        return digits
    power = f"10<sup>{exponent.removeprefix('+').replace('−0', '−').removeprefix('0')}</sup>"
    return power if digits == "1" else f"{digits} × {power}"


def _made(out: Path, figure: str, entry: dict[str, Any]) -> str:
    names = {name: name.rpartition(".")[2] for name in entry["files"]}
    source = f"{SOURCES}/{figure}.txt"
    if (out / source).is_file():
        names[source] = "its code"
    links = [f'<a href="{escape(name)}">{escape(word)}</a>' for name, word in names.items()]
    options = "".join(
        f" --{name} {entry[name]:g}" for name, usual in (("scale", 1), ("seed", 0))
        if entry[name] != usual
    )  # fmt: skip
    options += _look.options(entry.get("look", {}))
    command = _command(f"toyflows figures one {figure}{options}")
    return f"{command} · made in {entry['seconds']:.1f} s · {' · '.join(links)}"


def _command(text: str) -> str:
    """What may be typed, with a button that copies it."""
    name = escape(f"copy: {text}")
    button = f'<button type="button" class="copy" aria-label="{name}" hidden>copy</button>'
    return f"<code>{escape(text)}</code> {button}"
