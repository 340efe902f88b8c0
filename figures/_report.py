"""The report of `toyflows check`: one page, as a picture and as HTML that holds the picture.

It shows what the book of `apart.book` says, nothing else.
"""

from __future__ import annotations

import base64
import io
import math
import textwrap
import warnings
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyflows.apart import judged
from toyflows.figures import _style as style
from toyflows.figures._gallery import document, shown
from toyflows.figures._signature import LINES, MATHTEXT, METADATA
from toyflows.figures._table import COLOUR as VERDICT
from toyflows.figures._table import ON_DARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    Band = Figure | SubFigure

Book = dict[str, Any]
Row = tuple[float, Book, list[str]]  # separation, judged cell, its sentence in lines
WIDTH, MARGIN = 12.8, 0.35  # inches
ABREAST = 3  # panels in a row
HEAD, FOOT, PANELS, LINE, WORDS = 1.15, 0.5, 3.3, 0.3, 62  # inches; characters
COLUMNS = (0.0, 0.065, 0.2, 0.335, 0.47)  # of the table: d, verdict, exact law, walkers, sentence
CSS = """
.verdicts { overflow-x: auto; margin: 1em 0 }
.verdicts td, .verdicts th { text-align: left; padding: .35em 1.2em .35em 0; vertical-align: top }
.verdicts td.says { white-space: normal; min-width: 18em }
.verdicts tbody tr { border-top: 1px solid var(--line) }
.dot { display: inline-block; width: .75em; height: .75em; border-radius: 50%; margin-right: .45em }
.alarm { color: var(--bad) }
"""


# ------------------------------------------------------------------ the picture
def save(book: Book, path: Path) -> None:
    """Writes the picture as a PNG; the same book gives the same bytes."""
    path.write_bytes(_png(picture, book))


def _png(draw: Callable[..., Figure], *args: Any) -> bytes:
    out = io.BytesIO()
    with style.style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a file may have any name
        draw(*args).savefig(out, format="png", metadata=METADATA[".png"])
    return out.getvalue()


def picture(book: Book) -> Figure:
    """The page: for each method its paths, its table and its alarms. Call inside `style()`."""
    parts = _by_method(book)
    heights = [_height(cells, len(parts) > 1) for cells in parts.values()]
    title = textwrap.wrap(headline(book), 72)
    head, height = HEAD + 0.35 * (len(title) - 1), sum(heights)
    figure: Any = style.new_figure(figsize=(WIDTH, head + height + FOOT), layout="none")
    bands = figure.subfigures(len(parts) + 2, 1, height_ratios=[head, *heights, FOOT], hspace=0)
    style.message(figure, _safe("\n".join(title)))
    figure._suptitle.set(y=1 - 0.2 / figure.get_figheight(), x=MARGIN / WIDTH, va="top")
    _key(bands[0], head, book)
    bands[-1].text(MARGIN / WIDTH, 0.3, _settings(book), color=style.GREY, fontsize=13)
    for band, tall, (method, cells) in zip(bands[1:-1], heights, parts.items(), strict=True):
        _section(band, tall, "" if len(parts) == 1 else _safe(method), cells, book)
    return figure


def paths(cells: list[Book], book: Book) -> Figure:
    """θ(t) of one method, without words. Call inside `style()`."""
    height = 0.5 + PANELS * math.ceil(len(_rows(cells)) / ABREAST)
    figure = style.new_figure(figsize=(WIDTH, height), layout="none")
    _key(figure, height, book, height - 0.45)
    _panels(figure, height, height - 0.45, cells, book)
    return figure


def _by_method(book: Book) -> dict[str, list[Book]]:
    return {m: [c for c in book["cells"] if c["method"] == m] for m in book["says"]}


def _laws(cells: list[Book]) -> list[str]:
    """The backends of the cells, in the order in which they are drawn."""
    return [b for b in LINES if any(c["backend"] == b for c in cells)]


def _key(band: Band, height: float, book: Book, y: float = 0.15) -> None:
    """The lines' names in their colours."""
    words = [(style.NAME[b], style.COLOUR[b]) for b in _laws(book["cells"])]
    words.append((rf"target $\theta_*$ = {style.number(book['theta_star'], '.4g')}", style.DATA))
    x = MARGIN
    for text, colour in words:
        band.text(x / WIDTH, y / height, text, color=colour, fontweight="bold", va="bottom")
        x += 0.3 + 0.125 * len(text)


def headline(book: Book) -> str:
    """The file's name and one sentence."""
    says = book["says"]
    if len(says) == 1:
        return f"{book['file']}: {next(iter(says.values()))}"
    return f"{book['file']}: {len(says)} methods judged"


def _settings(book: Book) -> str:
    return _plain(
        "θ* = {theta_star:.4g}, q* = {q_star:.4g} (weight of mode b), θ0 = {theta0:g}; time "
        "{time:g}, dt = {dt:g}, rate {rate:g}, {walkers:,} walkers, seed {seed}".format(**book)
    )


def _rows(cells: list[Book]) -> list[Row]:
    """Separation, judged cell, and its sentence in lines."""
    return [
        (d, told, textwrap.wrap(told["verdict"]["says"], WORDS))
        for d, told in judged(cells, cells[0]["method"]).items()
    ]


def _alarms(cells: list[Book]) -> list[str]:
    """What each backend warns of, once."""
    found = [
        f"d = {c['separation']:g}, {style.NAME[c['backend']]}: {alarm}"
        for c in cells
        for alarm in c["alarms"]
    ]
    return list(dict.fromkeys(found))


def _height(cells: list[Book], headed: bool) -> float:
    """Inches: a heading, rows of panels, the table, the alarms."""
    rows = _rows(cells)
    lines = _table_lines(rows) + sum(len(textwrap.wrap(a, 105)) for a in _alarms(cells))
    return 0.55 * headed + PANELS * math.ceil(len(rows) / ABREAST) + LINE * (lines + 0.5)


def _table_lines(rows: list[Row]) -> float:
    return 1 + sum(max(1, len(words)) + 0.5 for *_, words in rows)


def _section(band: Band, height: float, heading: str, cells: list[Book], book: Book) -> None:
    """Heading, panels, table and alarms, from the top downwards in inches."""
    rows, y = _rows(cells), height
    if heading:
        band.text(MARGIN / WIDTH, 1 - 0.1 / height, heading, fontsize=17, fontweight="bold",
                  va="top")  # fmt: skip
        y -= 0.55
    lines = _table_lines(rows)
    y = _panels(band, height, y, cells, book) - LINE * lines
    box = (MARGIN / WIDTH, y / height, 1 - 2 * MARGIN / WIDTH, LINE * lines / height)
    _table(band.add_axes(box), rows, cells, lines)
    text = "\n".join(textwrap.fill(f"Alarm: {a}", 105) for a in _alarms(cells))
    band.text(MARGIN / WIDTH, (y - 0.1) / height, _plain(text), color=style.EXACT, fontsize=13,
              va="top", linespacing=1.3)  # fmt: skip


def _panels(band: Band, height: float, top: float, cells: list[Book], book: Book) -> float:
    """A panel a separation, from `top` (inches) downwards; returns where they end."""
    rows, wide = _rows(cells), (WIDTH - MARGIN) / ABREAST
    for k, (d, told, _) in enumerate(rows):
        left = MARGIN + 0.55 + wide * (k % ABREAST)
        bottom = top - PANELS * (k // ABREAST + 1) + 0.85
        axes = band.add_axes((left / WIDTH, bottom / height, (wide - 0.9) / WIDTH, 1.9 / height))
        runs = {c["backend"]: c for c in cells if c["separation"] == d and "t" in c}
        _panel(axes, d, told, runs, book)
    return top - PANELS * math.ceil(len(rows) / ABREAST)


def _panel(axes: Axes, d: float, told: Book, runs: dict[str, Book], book: Book) -> None:
    """θ(t) at one separation on each backend, with θ* and the verdict."""
    for name, how in LINES.items():
        if name in runs:
            axes.plot(runs[name]["t"], runs[name]["theta"], **how)
    axes.axhline(book["theta_star"], color=style.DATA, lw=2, zorder=1)
    low, high = axes.get_ylim()
    if high - low < 1.0:  # a path that does not move is drawn as one
        axes.set_ylim((low + high) / 2 - 0.5, (low + high) / 2 + 0.5)
    axes.set(xlim=(0, book["time"]), xlabel="time $t$")
    axes.set_title(f"d = {d:g}")
    kind = told["verdict"]["kind"]
    axes.text(0.99, 1.085, kind, transform=axes.transAxes, ha="right", fontsize=14,
              fontweight="bold", color="white" if kind in ON_DARK else style.INK,
              bbox={"facecolor": VERDICT[kind], "lw": 0, "pad": 5})  # fmt: skip
    if not runs:
        t = told["verdict"]["number"]
        axes.axvline(t, color=VERDICT[kind], lw=2, ls=(0, (4, 3)))
        axes.text(0.97, 0.75, f"θ runs to infinity\nby t = {t:g}", transform=axes.transAxes,
                  color=style.INK, ha="right", va="center")  # fmt: skip
    axes.set_ylabel(r"$\theta$", rotation=0, labelpad=6)


def _table(axes: Axes, rows: list[Row], cells: list[Book], lines: float) -> None:
    """A row a separation: verdict, θ at the end on each backend, the sentence."""
    axes.set(xlim=(0, 1), ylim=(lines, 0))
    axes.axis("off")
    laws = _laws(cells)
    heads = [("d", style.INK), ("verdict", style.INK)]
    heads += [(f"θ, {style.NAME[b]}", style.COLOUR[b]) for b in laws]
    for x, (text, colour) in zip(COLUMNS, heads, strict=False):
        axes.text(x, 0.7, text, color=colour, fontweight="bold", fontsize=13, va="baseline")
    axes.text(COLUMNS[4], 0.7, "what it shows", color=style.INK, fontweight="bold", fontsize=13)
    y = 1.0
    for d, told, words in rows:
        ends = {c["backend"]: c.get("theta_end") for c in cells if c["separation"] == d}
        told_ends = [_end(ends[b]) if b in ends else "" for b in laws]
        axes.axhline(y, color="#d9d9d6", lw=1)
        for x, text in zip(COLUMNS, (f"{d:g}", told["verdict"]["kind"], *told_ends), strict=False):
            axes.text(x, y + 0.95, text, color=style.INK, fontsize=13)
        for k, text in enumerate(words):
            axes.text(COLUMNS[4], y + 0.95 + k, _plain(text), color=style.INK, fontsize=13)
        y += max(1, len(words)) + 0.5


def _end(θ: float | None) -> str:
    return "diverges" if θ is None else style.number(θ, "+.4f")


def _safe(text: str) -> str:
    """No mathtext by accident."""
    return text.replace("$", r"\$")


def _plain(text: str) -> str:
    """Symbols as mathtext, true minus signs."""
    text = _safe(text)
    for plain, mathtext in MATHTEXT.items():
        text = text.replace(plain, mathtext)
    return text.replace("-", "−")


# ------------------------------------------------------------------ the page
def page(book: Book) -> str:
    """The whole document."""
    title = escape(headline(book))
    sections = "\n".join(_html(book, m, cells) for m, cells in _by_method(book).items())
    body = f"""<header>
<h1>{title}</h1>
<p>θ* = {shown(book["theta_star"])}, q* = {shown(book["q_star"])} (weight of mode b; θ &gt; 0 makes
mode b light), started at θ0 = {shown(book["theta0"])}; time {shown(book["time"])},
dt = {shown(book["dt"])}, rate {shown(book["rate"])}, {book["walkers"]:,} walkers,
seed {book["seed"]}.</p>
</header>
<main>
{sections}
</main>
<footer>
<section><p class="made">Made by <code>toyflows check {escape(book["file"])}</code>.</p></section>
</footer>"""
    return document(title, body, CSS)


def _html(book: Book, method: str, cells: list[Book]) -> str:
    """One method: equation, paths, table, alarms."""
    image = base64.b64encode(_png(paths, cells, book)).decode()
    alt = f"θ against time: {escape(method)} {book['says'][method]}"
    heading = f"<h2>{escape(method)}: {book['says'][method]}</h2>" if len(book["says"]) > 1 else ""
    heads = "".join(
        f'<th scope="col">{h}</th>'
        for h in ("d", "law", "θ at the end", "q at the end", "verdict", "what it shows")
    )
    rows = "\n".join(_html_row(c) for c in cells)
    alarms = "\n".join(f'<p class="alarm">Alarm: {escape(a)}.</p>' for a in _alarms(cells))
    return f"""<section>
{heading}
<p><code>{escape(cells[0]["equation"])}</code></p>
<figure><img alt="{alt}" src="data:image/png;base64,{image}"></figure>
<div class="verdicts" tabindex="0" role="region" aria-label="Verdicts"><table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
{alarms}
</section>"""


def _html_row(told: Book) -> str:
    kind, says = told["verdict"]["kind"], told["verdict"]["says"]
    ends = [shown(told[k]) if k in told else "" for k in ("theta_end", "q_end")]
    dot = f'<span class="dot" style="background:{VERDICT[kind]}"></span>'
    texts = (style.NAME[told["backend"]], *ends, f"{dot}{kind}")
    middle = "".join(f"<td>{text}</td>" for text in texts)
    minus = escape(says).replace("-", "−")
    return (
        f'<tr><th scope="row">{told["separation"]:g}</th>{middle}<td class="says">{minus}</td></tr>'
    )
