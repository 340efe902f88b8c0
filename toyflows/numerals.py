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

MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", ".", "-", "--", "?", "missing"}
SAMPLE = 1000  # cells by which a column is judged
_NUMBER = re.compile(r"[+-]?(?:[.,]?\d(?:[\d.,]*[\d.])?(?:e[+-]?\d+)?|inf|infinity)", re.IGNORECASE)
# Such as $1.4, 3.6s, O.5, EUR 1.4: meant as a number rather than as a name.
_MISTYPED = re.compile(r"[^\w\"]*\d.*|([OoIl]|[A-Z]{3}\W?)\d*[.,]\d+\W?")
# By decimal mark D and mark of thousands T: cells that only D explains, and those that show both.
_CERTAIN = r"[+-]?(0*D\d+|\d+D(\d{0,2}|\d{4,})|\d{4,}D\d{3}|\d*D\d*e[+-]?\d+)"
_BOTH = r"[+-]?(\d{1,3}(T\d{3})+D\d+|\d{1,3}(T\d{3}){2,})"
# In a text, a point that can only be a decimal one: .5, 0.123, 3.6, 1.2345, 1234.567, 1.234e5.
_POINT = re.compile(
    r"(?<![\d.])(0*\.\d|\d+\.(\d{0,2}|\d{4,})(?![\d.])|\d{4,}\.|[\d.]+e)", re.IGNORECASE
)
_GROUPS = r"[+-]?\d{1,3}(T\d{3})+(D\d*)?"


def like_number(cell: str) -> bool:
    """Whether it is written as a number, in whatever convention."""
    return _NUMBER.fullmatch(cell) is not None


def is_missing(cell: str) -> bool:
    """Whether it says that there is no value."""
    return cell.casefold() in MISSING


def mistyped(cell: str) -> bool:
    """Whether it is no number, but seems to be meant as one."""
    return not like_number(cell) and _MISTYPED.fullmatch(cell) is not None


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
            return float(digits.replace(self.decimal, "."))
        except ValueError:
            raise Unreadable(not_a_number(cell)) from None


def not_a_number(cell: str) -> str:
    """What is said of such a cell, with the cure."""
    cure = "a missing value is NA, and a line that is no data begins with #"
    if like_number(cell) or mistyped(cell):
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
