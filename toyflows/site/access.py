"""What the theme leaves out for readers who hear a page or move by keys: names, levels, focus."""

from __future__ import annotations

from pathlib import Path

MENDED = (
    ('<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="All pages">'),
    ('<aside class="toc-drawer">', '<aside class="toc-drawer" aria-label="On this page">'),
    ('role="heading">', 'role="heading" aria-level="2">'),
    # What may scroll sideways must be reached by keys.
    ("<pre>", '<pre tabindex="0">'),
    ('<th class="head"><p></p></th>', "<td></td>"),
    ('<div id="search-results">', '<h1>Search</h1>\n<div id="search-results">'),
    ('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
)


def mend(folder: Path) -> None:
    """Rewrites the pages of a folder that Sphinx has filled."""
    for path in folder.rglob("*.html"):
        text = path.read_text("utf-8")
        for lost, found in MENDED:
            text = text.replace(lost, found)
        path.write_text(text, encoding="utf-8", newline="\n")
