"""Text as people have it, as a sheet: the names of its columns and rows of cells.

Columns are separated by semicolons, tabs, bars, commas or blanks; the cells decide which separator
it is. Blank lines are skipped, and comments: lines that begin with #, %, //, or with ; where that
separates nothing; what follows a # or // after a blank. Also read: UTF-8, UTF-16 and Latin-1,
Excel's first line sep=;, the row names of R and pandas, lines of prose above the table. A text with
two possible meanings is refused, with the question (Unreadable).
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from toyflows.archive import Unreadable
from toyflows.numerals import (
    is_missing,
    like_number,
    measured,
    mistyped,
    mostly_numbers,
    not_a_number,
    ungrouped,
)

SEPARATORS = (";", "\t", "|", None, ",")  # None: blanks
TAIL = 20  # lines, the last ones, by which the separator is chosen
CONTROL = bytes([*range(9), *range(14, 32)])  # characters of no text
CONTROLS = f"[{CONTROL.decode()}]"
# What Excel writes for an error in any language, as #N/A, #NV or #WERT!, begins no comment.
ERROR = r"(n/?[ad]|nv)\b|[¿¡]?[^\W\d_]+(/0)?[!?]\s*([\"',;|\t]|$)"
COMMENT = re.compile(rf"(#(?!{ERROR})|%|//)", re.IGNORECASE)
INLINE = re.compile(rf"\s(#(?!{ERROR})|//|%\s*[^\W\d])[^\"]*$", re.IGNORECASE)
INTEGER = re.compile(r"[+-]?\d{1,18}")
# 1,234.5 or 1.234,5 cut at its comma, 3,6 or 3,6e+00, with a unit behind it
CUT = re.compile(
    r"[+-]?(\d{1,3}(,\d{3})+(\.\d*)?|\d{1,3}(\.\d{3})*,\d+|\d+,\d+)(e[+-]?\d+)?"
    r"(\s?[^\d\s,;]\D{0,11})?",
    re.IGNORECASE,
)
# What stands before a row that is made of the others.
FOOTER = re.compile(
    r"\W*(total|sum|mean|average|avg|median|std|stdev|sd|minimum|maximum|min|max|count|summe|gesamt|"
    r"insgesamt|mittel(wert)?|durchschnitt|somme|moyenne|totale|media|promedio)\W*",
    re.IGNORECASE,
)
GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
CENTURIES = range(1500, 2101)  # years
FEW = 3  # rows below a line of numbers without which it is not asked for names

Row = tuple[int, list[str]]  # line number, cells


@dataclass(frozen=True)
class Sheet:
    """`names` of the columns ([] where the text has none), and rows of as many cells each."""

    names: list[str]
    rows: list[Row]
    separator: str | None = None

    def column(self, k: int) -> list[str]:
        """Its cells."""
        return [cells[k] for _, cells in self.rows]

    def one_number_a_row(self, wide: bool) -> bool:
        """Whether each row, without a header, may be one number with a comma: 3,6 or 1,234.5. Where
        two columns are looked for (`wide`) only what whole numbers in two columns are not: groups
        of three digits in each row, or a 0 before other digits."""
        if self.names or self.separator != ",":
            return False
        joined = [",".join(cells) for _, cells in self.rows]
        zeros = any(re.fullmatch(r"[+-]?\d+,0\d+", row) for row in joined)
        cut = GROUPED if wide and not zeros else CUT
        return len(self.rows[0][1]) > 1 and all(map(cut.fullmatch, joined))


# ---- characters


def decoded(raw: bytes) -> str:
    """The text, with \\n between lines and ASCII minus signs. Raises Unreadable."""
    code = _encoding(raw)
    try:
        text = raw.decode(code)
    except UnicodeDecodeError:
        if code != "utf-8-sig":
            raise Unreadable(f"is not whole text in {code.upper()}") from None
        text = _western(raw)
    text = text.rstrip("\x1a")  # DOS ends files so
    if len(raw.translate(None, CONTROL)) != len(raw) and re.search(CONTROLS, text):
        raise Unreadable("is a binary file; must be text, .npy, .npz")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else text.replace("\u2212", "-")


def _western(raw: bytes) -> str:
    try:
        return raw.decode("cp1252")  # of Windows, with €
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _encoding(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = raw[:4096]
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        empty, full = head[first::2], head[1 - first :: 2]
        if 2 * empty.count(0) > len(empty) and 0 not in full:
            return name
    return "utf-8-sig"


# ---- lines


def sheet(text: str, wanted: Sequence[str] = ()) -> Sheet:
    """The table in a text; `wanted` are names of columns, by which numbers may be names."""
    rows, mark, lines = cells(text)
    found = _trimmed(_framed(rows, mark, lines) or _headed(rows, mark, wanted))
    _check_footer(found)
    return found


def cells(text: str) -> tuple[list[Row], str | None, dict[int, str]]:
    """The rows, by what their cells are separated, and the line of each."""
    # Not splitlines(): it also breaks at form feeds and the like, which editors do not count.
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    said = re.fullmatch(r'"?sep= *(.) *"?', lines[0][1], re.IGNORECASE) if lines else None
    lines = _without_comments(lines[1:] if said else lines)
    if not lines:
        raise Unreadable("is empty: no line holds a number")
    mark = said[1].strip(" ") or None if said else _separator(lines[1:][-TAIL:] or lines)
    return [(n, _cells(line, mark, n)) for n, line in lines], mark, dict(lines)


def _without_comments(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    kept = [(n, line) for n, line in lines if not COMMENT.match(line.lstrip())]
    others = [line for _, line in kept if not line.lstrip().startswith(";")]
    # Where most lines begin with ; their first cells are empty.
    if 2 * len(others) > len(kept) and not any(";" in line for line in others):
        kept = [(n, line) for n, line in kept if not line.lstrip().startswith(";")]
    return [(n, INLINE.sub("", line)) for n, line in kept]


def _separator(lines: list[tuple[int, str]]) -> str | None:
    """A semicolon, tab or bar by which most lines have cells that are numbers, with their units
    or without; else that by which most of the cells are numbers; the first of equals."""
    best, most = None, -1
    for mark in SEPARATORS:
        cells = [_cells(line, mark, n) for n, line in lines]
        parted = [len(c) > 1 for c in cells]
        numbers = [sum(like_number(c) or measured(c) for c in row) for row in cells]
        sure = sum(p and count > 0 for p, count in zip(parted, numbers, strict=True))
        if mark in (";", "\t", "|") and 2 * sure > len(lines):
            return mark
        if (mark is None or any(parted)) and sum(numbers) > most:
            best, most = mark, sum(numbers)
    if best in (None, ",") and 2 * sum(_two_readings(line) for _, line in lines) > len(lines):
        raise Unreadable(f"does a comma or a blank separate {lines[0][1].strip()[:40]!r}? "
                         "Write decimal points, or ; between columns")  # fmt: skip
    return best


def _two_readings(line: str) -> bool:
    """3,6, 79,0, a 3,6 or ,6: the comma may be of a number as well as between columns."""
    words = line.split()
    if re.fullmatch(r"[+-]?,\d+", words[0]):
        return True
    if len(words) < 2 or all(re.fullmatch(r"[+-]?\d+(,\d+)?", w) for w in words):
        return False
    return any(re.fullmatch(r"[+-]?\d+,\d+(\.\d*)?,?", w) for w in words)


def _cells(line: str, separator: str | None, number: int) -> list[str]:
    if separator is None:
        words = re.findall(r'"[^"]*"(?=\s|$)|[^ \t\f\v]+', line)
        return [ungrouped(cell.strip('"')) for cell in words]
    try:
        row = next(csv.reader([line.strip(" ")], delimiter=separator, skipinitialspace=True))
        return [ungrouped(cell.strip()) for cell in row]
    except csv.Error as error:
        raise Unreadable(f"line {number}: {error}") from None


def _check_footer(found: Sheet) -> None:
    """Raises Unreadable where the last row is a mean or a sum of the others."""
    labels = [next((c for c in cells if c and not like_number(c)), "") for _, cells in found.rows]
    unnamed = not labels[-1] and len(labels) > FEW and all(labels[:-1])
    if unnamed or (FOOTER.fullmatch(labels[-1]) and not FOOTER.fullmatch(labels[0])):
        line, label = found.rows[-1][0], labels[-1] or "a row without a name"
        raise Unreadable(f"line {line}: is {label[:40]!r} a row of data? Begin it with # if it is "
                         "made of the others, or write another word")  # fmt: skip


# ---- header


def _framed(rows: list[Row], mark: str | None, lines: dict[int, str]) -> Sheet | None:
    """The sheet whose lines have not all as many cells: prose above it, or a header of R, which
    has no name for the row names, or one name with blanks. None where all are equal."""
    k = len(rows[-1][1])
    start = next(i for i in range(len(rows), 0, -1) if i == 1 or len(rows[i - 2][1]) != k) - 1
    if not start:
        return None
    before, body = rows[:start], rows[start:]
    number, head = before[-1]
    name = lines[number].strip().strip('"')
    title = len(head) == 1 and mark is not None and " " in name and '"' not in lines[number]
    of_r = len(head) == k - 1 and not title and _row_names(body, mark, lines)
    names = ["", *head] if of_r else []
    alone = k == 1 and mark is None and like_number(body[0][1][0])
    names = [name] if alone else names
    if mark is None and k > 1 and any(word[0] in "[(" for word in names[1:] if word):
        raise Unreadable(f"line {number}: does a blank separate {head[-2]} and {head[-1]}? Write ; "
                         "between columns, or _ in names")  # fmt: skip
    if any(map(like_number, head)) or any(map(mistyped, head)):
        names = []
    prose = before[:-1] if names else before
    cut = mark == "," and all(CUT.fullmatch(",".join(cells)) for _, cells in body)
    if cut or not all(_is_prose(lines[n]) for n, _ in prose) or (prose and len(body) == 1):
        _refuse_ragged(rows, mark)
    return _below(names, body, mark) if names else _headed(body, mark, ())


def _row_names(body: list[Row], mark: str | None, lines: dict[int, str]) -> bool:
    """Whether the first cells are names of rows: words, in quotes, or 1, 2, …"""
    first = [cells[0] for _, cells in body]
    if all(lines[n].lstrip().startswith('"') for n, _ in body):
        return any('"' in lines[n] for n in lines if n < body[0][0])  # R quotes its header too
    pairs = [[",".join(cells[j : j + 2]) for _, cells in body] for j in range(len(body[0][1]) - 1)]
    if mark == "," and any(all(map(CUT.fullmatch, pair)) for pair in pairs):
        return False  # 3,6 below the one name it belongs to
    counted = first == [str(i) for i in range(1, len(body) + 1)]
    return counted or not any(like_number(c) or measured(c) for c in first)


def _is_prose(line: str) -> bool:
    words = re.split(r"[\s,;|]+", line.strip())
    counted = not like_number(words[-1]) or INTEGER.fullmatch(words[-1])
    return bool(counted) and 4 * sum(map(like_number, words)) < len(words)


def _refuse_ragged(rows: list[Row], mark: str | None) -> None:
    first, cells = rows[0]
    line, other = next(row for row in rows if len(row[1]) != len(cells))
    point = "write a decimal point, or " if mark == "," else ""
    every = all(like_number(cell) for _, row in rows for cell in row)
    raise Unreadable(f"line {line}: {len(other)} columns, but line {first} has {len(cells)} "
                     f"({point}begin lines that are no data with #"
                     f"{', or say --column all for every number' * every})")  # fmt: skip


def _headed(rows: list[Row], mark: str | None, wanted: Sequence[str]) -> Sheet:
    """The sheet of equally long rows, of which the first may be a header."""
    (line, first), body = rows[0], rows[1:]
    if not body:
        if not any(map(like_number, first)) and not any(map(mistyped, first)):
            raise Unreadable(f"holds only a header (line {line})")
        return Sheet([], rows, mark)
    header = _is_header(line, first, [cells for _, cells in body], wanted)
    return _below(first, body, mark) if header else Sheet([], rows, mark)


def _below(names: list[str], body: list[Row], mark: str | None) -> Sheet:
    """The sheet of a header, unless a row of years follows, which may be its names."""
    (line, first), *rest = body
    years = [j for j, cell in enumerate(first) if INTEGER.fullmatch(cell)]
    stand_out = [_is_year(first[j], [cells[j] for _, cells in rest]) for j in years]
    sure = len(years) == len(first) > 1
    if rest and (sure or len(rest) >= FEW) and stand_out and all(stand_out):
        raise Unreadable(_names_or_numbers(line, first))
    return Sheet(names, body, mark)


def _names_or_numbers(line: int, cells: list[str]) -> str:
    return (f"line {line}: is {', '.join(cells)[:60]} a row of numbers or of names? "
            "Write 1.0 for a number 1, or names that begin with a letter")  # fmt: skip


def _is_header(line: int, first: list[str], body: list[list[str]], wanted: Sequence[str]) -> bool:
    """Whether the first line is names. Raises Unreadable where it could be either."""
    k = len(first)
    places = {str(n) for n in range(1, k + 1)}
    if wanted and set(wanted) <= set(first) and not set(wanted) <= places:
        return True
    numeric = [j for j in range(k) if mostly_numbers([cells[j] for cells in body])]
    numeric = numeric or list(range(k))
    said = [j for j in numeric if first[j]]
    numbers = [j for j in said if like_number(first[j]) or is_missing(first[j])]
    if len(numbers) < len(said):
        if meant := next((first[j] for j in said if mistyped(first[j])), None):
            raise Unreadable(f"line {line}: {not_a_number(meant)}")
        if numbers:
            raise Unreadable(f"line {line}: has names and numbers ({', '.join(first)[:60]}); "
                             "begin it with # if it is no data")  # fmt: skip
        return True
    if not said:
        return not any(map(like_number, first))
    columns = [[cells[j] for cells in body] for j in said]
    some = [any(like_number(row[j]) or is_missing(row[j]) for row in body) for j in range(k)]
    words = [j for j in range(k) if not some[j]]
    if len(words) < k and any(INTEGER.fullmatch(first[j]) for j in words):
        raise Unreadable(_names_or_numbers(line, first))  # a number above words
    if _like_names([first[j] for j in said], columns):
        raise Unreadable(_names_or_numbers(line, first))
    return False


def check_first(found: Sequence[Row]) -> None:
    """Raises Unreadable where the first row, of numbers, may be the names of those below it; rows
    need not be equally long."""
    (line, first), *body = found
    columns = [[cells[j] for _, cells in body if j < len(cells)] for j in range(len(first))]
    if _like_names(first, columns):
        raise Unreadable(_names_or_numbers(line, first))


def _like_names(first: list[str], columns: list[list[str]]) -> bool:
    """Whether a row of numbers may be names of the columns (of cells below it): years, 0, 1, …, or
    whole as no number below is. Two names and fewer may be numbers where few rows are below."""
    rows = max(map(len, columns))
    if not rows or not all(map(INTEGER.fullmatch, first)):
        return False
    pairs = list(zip(first, columns, strict=True))
    if all(_is_year(cell, below) for cell, below in pairs):
        return True
    if len(first) > 1 + (rows < FEW) and first == [str(j) for j in range(len(first))]:
        return True
    if rows < FEW:
        return False
    if first == ["0"] and all(v > 0 for v in _whole(columns[0])):
        return True  # pandas, of a column without a name
    return all(not _whole(below) or _is_year(cell, below) for cell, below in pairs)


def _is_year(cell: str, below: list[str]) -> bool:
    return int(cell) in CENTURIES and not any(v in CENTURIES for v in _whole(below))


def _whole(cells: list[str]) -> list[int]:
    return [int(c) for c in cells if INTEGER.fullmatch(c)]


def _trimmed(found: Sheet) -> Sheet:
    """Without the empty columns that marks at the ends of lines make."""
    k = len(found.rows[0][1])
    while k > 1 and not any(found.names[k - 1 : k]) and not any(found.column(k - 1)):
        k -= 1
        found = replace(
            found, names=found.names[:k], rows=[(n, cells[:k]) for n, cells in found.rows]
        )
    return found
