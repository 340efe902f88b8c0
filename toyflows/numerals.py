"""What is written in a cell: a number with its decimal mark, nothing, or neither.

    3.6   3,6   1.234,5   "1,234.5"   NA

Which mark is the decimal one is decided once for a file, by the cells that leave no choice (3,6 but
not 3,600), and asked where no cell does. Points alone, each before three digits (1.234), are taken
for decimal, and said to be, unless the file has another sign of a country where they group.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from toyflows.archive import Unreadable

MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", ".", "-", "--", "?", "missing",
           "n.a.", "nd", "n.d.", "n/d", "#n/d", "nat", "(null)", "\\n", "–", "—", "…", "...",
           "#nv", "n.v.", "k.a.", "k. a.", "keine angabe", "fehlt", "manquant"}  # fmt: skip
LARGEST = 1e300  # in absolute value: the range of the data stays a float
SAMPLE = 1000  # cells by which a column is judged
_NUMBER = re.compile(r"[+-]?(?:[.,]?\d(?:[\d.,]*[\d.])?(?:e[+-]?\d+)?|inf|infinity)", re.IGNORECASE)
# Such as $1.4, 3.6s, O.5, EUR 1.4: meant as a number rather than as a name.
_MISTYPED = re.compile(r"[^\w\"]*\d.*|([OoIl]|[A-Z]{3}\W?)\d*[.,]\d+\W?")
# Such as 3.6 min, 54%, $1.40, <0.5, EUR 3,60: not 5th, 12:30 or 2024-01-31.
_DIGITS = r"[+-]?\d([\d.,'’]*\d)?"
_UNIT = r"(?!(st|nd|rd|th)\b)[^\d\s.,:/+-](\D{0,11}|\D{0,8}[23])"
_MEASURED = re.compile(
    rf"([^\w\s.,;:|+'\"\ufeff-]{{1,2}}|[A-Z]{{3}})\s?{_DIGITS}(\s?{_UNIT})?|{_DIGITS}\s?{_UNIT}"
)
# Groups of three digits by what is no decimal mark: 1 234,5, or by the apostrophe of Switzerland.
_SPACED = re.compile("[+-]?\\d{1,3}(?:[ '’\u00a0\u2009\u202f]\\d{3})+(?:[.,]\\d*)?")
# By decimal mark D and mark of thousands T: cells that only D explains, and those that show both.
_CERTAIN = r"[+-]?(0*D\d+|\d+D(\d{0,2}|\d{4,})|\d{4,}D\d{3}|\d*D\d*e[+-]?\d+)"
_BOTH = r"[+-]?(\d{1,3}(T\d{3})+D\d+|\d{1,3}(T\d{3}){2,})"
# In a text, a point that can only be a decimal one: .5, 0.123, 3.6, 1.2345, 1234.567, 1.234e5.
_POINT = re.compile(
    r"(?<![\d.])(0*\.\d|\d+\.(\d{0,2}|\d{4,})(?![\d.])|\d{4,}\.|[\d.]+e)", re.IGNORECASE
)
_GROUPS = r"[+-]?\d{1,3}(T\d{3})+(D\d*)?"
_DATE = re.compile(r"\d{1,2}\.\d{1,2}\.(\d{2}|\d{4})")
_LETTERS = re.compile("[\u00c0-\u024f€]")  # of Latin script with an accent
# Words of languages in which points group thousands, where they have no accent.
WORDS = set(re.findall("[a-z]+", """
    alter anzahl betrag breite dauer datum einkommen einwohner flaeche gehalt geschwindigkeit
    gewicht groesse hoehe jahr jahre kosten laenge masse menge messung messwert messwerte mittel
    nummer preis strecke tag tiefe umsatz wert werte zahl zeit, altezza altura anno fecha ingresos
    longitud lunghezza peso precio prezzo valor valore, aantal breedte hoogte jaar lengte prijs
    waarde"""))  # fmt: skip


def like_number(cell: str) -> bool:
    """Whether it is written as a number, in whatever convention."""
    if _NUMBER.fullmatch(cell) is None:
        return False
    # Of several marks some group thousands; 31.12.2024 and 10.0.0.1 are no numbers.
    several = cell.count(",") + cell.count(".") > 1
    return not several or any(_matches(_GROUPS, mark, cell) for mark in ",.")


def ungrouped(cell: str) -> str:
    """Without blanks and apostrophes between groups of three digits: 1 234,5 is 1234,5."""
    return re.sub(r"[^\d.,+-]", "", cell) if _SPACED.fullmatch(cell) else cell


def is_missing(cell: str) -> bool:
    """Whether it says that there is no value."""
    return cell.casefold() in MISSING


def mistyped(cell: str) -> bool:
    """Whether it is no number, but seems to be meant as one."""
    return not like_number(cell) and _MISTYPED.fullmatch(cell) is not None


def measured(cell: str) -> bool:
    """Whether it is a number with a unit or a currency."""
    return not like_number(cell) and _MEASURED.fullmatch(cell) is not None


def mostly_measured(cells: Sequence[str]) -> bool:
    """Whether half of a column or more is numbers or missing, and some of it has a unit."""
    cells = cells[:: len(cells) // SAMPLE + 1]
    units = sum(map(measured, cells))
    rest = sum(like_number(c) or is_missing(c) for c in cells)
    return units > 0 and 2 * (units + rest) >= len(cells)


def foreign(names: Iterable[str], cells: Iterable[str]) -> bool:
    """Whether words, dates or the letters in them are of a country where points group thousands."""
    words = {word for name in names for word in re.findall(r"[a-z]+", name.casefold())}
    if words & WORDS:
        return True
    return any(_LETTERS.search(c) or _DATE.fullmatch(c) for c in (*names, *cells))


def beside_whole(cells: Sequence[str]) -> bool:
    """Whether a column has points before three digits beside whole numbers: 987 and 1.234."""
    return any(map(str.isdecimal, cells)) and any(
        "." in c and _matches(_GROUPS, ",", c) for c in cells
    )


def mostly_numbers(cells: Sequence[str]) -> bool:
    """Whether half of a column or more is numbers or missing, and some of it numbers."""
    cells = cells[:: len(cells) // SAMPLE + 1]
    numbers = sum(map(like_number, cells))
    return numbers > 0 and 2 * (numbers + sum(map(is_missing, cells))) >= len(cells)


@dataclass(frozen=True)
class Marks:
    """The decimal mark of a file, and whether its other mark groups thousands."""

    decimal: str = "."
    grouped: bool = False
    doubtful: str = ""  # a cell whose decimal point may group thousands, as those of all others

    @classmethod
    def of(cls, cells: Iterable[str], grouping: bool = False) -> Marks:
        """Those that the cells show; `grouping`: there is a sign that points may group thousands.
        Raises Unreadable where they show two, or could be either."""
        marked = [c for c in cells if ("," in c or "." in c) and like_number(c)]
        with_comma = [c for c in marked if "," in c]
        if not with_comma:
            return cls(doubtful=_doubtful(marked, grouping))
        comma, point = (_shown(mark, marked) for mark in ",.")
        if comma and point:
            raise Unreadable(f"is the decimal mark that of {comma} or that of {point}? "
                             "Write decimal points, and no marks of thousands")  # fmt: skip
        if not comma and not point:
            raise Unreadable(_question(with_comma[0]))
        decimal = "," if comma else "."
        return cls(decimal, any(_matches(_BOTH, decimal, c) for c in marked))

    def value(self, cell: str) -> float:
        """The number in the cell, nan where it is missing. Raises Unreadable for anything else."""
        if is_missing(cell):
            return math.nan
        other = "," if self.decimal == "." else "."
        digits = cell
        if other in cell and _matches(_GROUPS, self.decimal, cell):
            if not self.grouped:
                raise Unreadable(_question(cell))
            digits = cell.replace(other, "")
        try:
            if "_" in digits:  # float() takes 1_000
                raise ValueError
            number = float(digits.replace(self.decimal, "."))
        except ValueError:
            raise Unreadable(not_a_number(cell)) from None
        if math.isinf(number) and cell[-1].isdigit():
            raise Unreadable(f"{cell[:40]} is too large (must be up to {LARGEST:g} in size)")
        return number


def not_a_number(cell: str) -> str:
    """What is said of such a cell, with the cure."""
    cure = "a missing value is NA, and a line that is no data begins with #"
    if measured(cell):
        cure = "write the number without its unit, which may stand in the column's name"
    elif like_number(cell) or mistyped(cell):
        cure = "write digits and one decimal point; a name begins with a letter"
    return f"{cell[:40]!r} is not a number ({cure})"


def _matches(pattern: str, decimal: str, cell: str) -> bool:
    other = "," if decimal == "." else "."
    written = pattern.replace("D", f"[{decimal}]").replace("T", f"[{other}]")
    return re.fullmatch(written, cell, re.IGNORECASE) is not None


def _shown(decimal: str, cells: Sequence[str]) -> str | None:
    """A cell that only this decimal mark explains."""
    fits = (c for c in cells if any(_matches(p, decimal, c) for p in (_CERTAIN, _BOTH)))
    return next(fits, None)


def sometimes_whole(text: str) -> bool:
    """Whether a line of the text is a whole number and no more."""
    return re.search(r"^[+-]?\d+$", text, re.MULTILINE) is not None


def surely_decimal(text: str) -> bool:
    """Whether a point in the text can be no mark of thousands."""
    return _POINT.search(text) is not None


def _doubtful(pointed: Sequence[str], grouping: bool) -> str:
    """The first of these cells where each is like 1.234, and there are several; else nothing."""
    if len(pointed) < 2 or _shown(".", pointed):
        return ""
    cell = pointed[0]
    if grouping:
        raise Unreadable(f"is {cell} {cell} or {re.sub('[.]', '', cell)}, as each number has three "
                         f"digits after its point? Write {re.sub('[.]', '', cell)}, or {cell}0 for "
                         "a decimal point")  # fmt: skip
    return cell


def _question(cell: str) -> str:
    whole, part = re.sub("[.,]", "", cell), cell.replace(",", ".")
    return f"is {cell} {part} or {whole}? Write decimal points, and no marks of thousands"
