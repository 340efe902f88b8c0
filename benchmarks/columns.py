"""One page of two: what two classes of machine measured, side by side in each cell.

    make benchmark PAGES=build/native
    make benchmark CLASS=avx2 PAGES=build/avx2
    python benchmarks/columns.py build/native build/avx2 docs/benchmarks

Both folders hold pages of the same commands. A cell where they differ reads "first / second"; other
lines that differ stand one below the other, each with its class. Classes are the folders' names.
"""

from __future__ import annotations

import re
import sys
from itertools import groupby, zip_longest
from pathlib import Path

from report import table

CLASS = re.compile(r"AVX-?512|AVX2")  # in the names of rows: the C twin is that of its class


def blocks(text: str) -> list[tuple[bool, list[str]]]:
    """The runs of lines that are a table, or none."""
    lines = text.splitlines()
    return [(is_table, list(run)) for is_table, run in groupby(lines, lambda x: x.startswith("|"))]


def cells(lines: list[str]) -> list[list[str]]:
    """The rows of a table without its rule."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if not re.fullmatch(r"[-: ]*", "".join(row))]


def of_both(first: str, second: str) -> str:
    return first if first == second else f"{first or '–'} / {second or '–'}"


def tables(first: list[str], second: list[str]) -> str:
    """The rows and columns of both, by their names."""
    one, other = (
        {CLASS.sub("of the class", row[0]): dict(zip(rows[0], row, strict=True)) for row in rows}
        for rows in (cells(first), cells(second))
    )
    heads, more = ([h for h in next(iter(of.values())) if h] for of in (one, other))
    heads = more if len(more) > len(heads) else heads
    merged = []
    for name in [*one, *(name for name in other if name not in one)]:
        a, b = one.get(name, {}), other.get(name, {})
        merged.append([name, *(of_both(a.get(h, ""), b.get(h, "")) for h in heads[1:])])
    merged[0] = heads
    return table(merged)


def text(first: list[str], second: list[str], names: tuple[str, str]) -> str:
    """The lines of both; where they differ, each with its class."""
    out = []
    for a, b in zip_longest(first, second, fillvalue=""):
        out += [a] if a == b else [f"{name}: {x}  " for name, x in zip(names, (a, b), strict=True)]
    return "\n".join(out)


def page(first: str, second: str, names: tuple[str, str]) -> str:
    """The page of two."""
    out = []
    pairs = zip_longest(blocks(first), blocks(second), fillvalue=(False, []))
    for (is_table, a), (other, b) in pairs:
        if is_table != other:
            raise SystemExit("the two pages are of different commands")
        out.append(tables(a, b) if is_table else text(a, b, names))
    return "\n".join(out) + "\n"


def main() -> None:
    one, other, to = map(Path, sys.argv[1:])
    for path in sorted(one.glob("*.md")):
        if (other / path.name).exists():
            pair = (path.read_text(), (other / path.name).read_text())
            (to / path.name).write_text(page(*pair, (one.name, other.name)))
            print(to / path.name)


if __name__ == "__main__":
    main()
