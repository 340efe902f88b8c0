"""What is asked of a table of numbers, and the rows and columns that are then read."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toyflows.archive import Unreadable
from toyflows.cloud import Array
from toyflows.numerals import LARGEST

# Codes of missing values, asked about where they lie farther off than the others reach.
CODES = (-9999.0, -999.0, -99.0, -99999.0, -32768.0, 999.0, 9999.0, 99999.0)


@dataclass(frozen=True)
class Choice:
    """What is asked of numbers: `columns` by name or number (from 1), or "all"; whether values that
    are missing are left out, with their row (None: they are refused, and codes such as −999 are
    asked about); how many columns there are to be (None: any); the option that gives the numbers,
    and how the user can say which columns."""

    columns: tuple[str, ...] = ()
    skip_missing: bool | None = None
    width: int | None = 1
    option: str = "data"
    way: str = "--column NAME|N"

    @classmethod
    def of_points(cls, columns: str | None, skip_missing: bool | None, option: str) -> Choice:
        """Of points in the plane, whose coordinates a text such as A,B names."""
        return cls(named(columns), skip_missing, 2, option, "--columns A,B")


ONE = Choice()  # the only column of numbers


def named(columns: str | None) -> tuple[str, ...]:
    """The columns that a text such as A,B names; "A,1",B for a name with a comma."""
    return tuple(c.strip() for c in next(csv.reader([columns]))) if columns else ()


@dataclass(frozen=True, eq=False)
class Table:
    """Values x (n, columns), all finite; names of the columns, "" for none; rows left out."""

    x: Array
    names: tuple[str, ...]
    left_out: int = 0
    point: str = ""  # a cell such as 1.234 where its point was taken for decimal, and might not be


def picked(names: Sequence[str], numeric: list[int], k: int, choice: Choice) -> list[int]:
    """The places, among k columns, of those that are read: those that are asked for, else all
    `numeric` ones that have a name (row numbers have none).

    Raises Unreadable where they are not as many as `choice` wants, or have no such name.
    """
    if choice.columns:
        if choice.width not in (None, len(choice.columns)):
            raise Unreadable(f"{choice.width} columns are needed, not {len(choice.columns)}: "
                             f"{choice.way}")  # fmt: skip
        places = [_place(column, names, k) for column in choice.columns]
        if len({*places}) < len(places):
            raise Unreadable(f"{choice.way}: the columns must be different")
        return places
    named = [j for j in numeric if names and names[j] and not names[j].startswith("Unnamed: ")]
    found = named or [j for j in numeric if j or not any(names)]  # not the row numbers alone
    if not found:
        raise Unreadable(f"holds no column of numbers (write digits and one decimal point, "
                         f"or say which column: {choice.way})")  # fmt: skip
    if choice.width is None or len(found) <= choice.width:
        return found
    listed = ", ".join(names[j] if names else str(j + 1) for j in found[:12])
    every = ", or --column all for every number" * (choice.width == 1 and not names)
    raise Unreadable(f"has {len(found)} columns of numbers ({listed}{', …' * (len(found) > 12)}); "
                     f"say which: {choice.way}{every}")  # fmt: skip


def _place(column: str, names: Sequence[str], k: int) -> int:
    """The place of the column of this name, or of this number from 1."""
    places = [j for j, name in enumerate(names) if name == column]
    if column.isdecimal() and 1 <= int(column[:9]) <= k and int(column) - 1 not in places:
        places.append(int(column) - 1)
    if len(places) == 1:
        return places[0]
    there = ", ".join(name or f"number {j + 1}" for j, name in enumerate(names)) or f"1 to {k}"
    why = "is the name or the number of more than one" if places else "is none of them"
    raise Unreadable(f"has the columns {there[:200]}; {column} {why}")


def names_of(names: Sequence[str], columns: Sequence[int]) -> tuple[str, ...]:
    """The names of these columns, "" where there are none."""
    return tuple(names[j] if names else "" for j in columns)


def cleaned(x: Array, names: tuple[str, ...], choice: Choice, place: Callable[[int], str]) -> Table:
    """The rows of x (n, columns) that can be computed with; place(i) says where row i stood.

    Raises Unreadable for a number that is too large, and for a missing one or a code of it, unless
    `choice` says what to do with them.
    """
    if x.size and max(-x.min(), x.max()) < min(map(abs, CODES)):  # as most are; nan compares false
        return Table(x, names)
    size = np.abs(x).max(axis=1, initial=0.0, where=~np.isnan(x))  # (n,)
    if (beyond := np.flatnonzero(~(size <= LARGEST))).size:
        i = int(beyond[0])
        value = x[i][np.abs(x[i]) > LARGEST][0]
        raise Unreadable(f"{place(i)}: {unusable(value)}")
    gone = np.isnan(x).any(axis=1)
    if gone.any() and not choice.skip_missing:
        raise Unreadable(f"{place(int(gone.argmax()))}: a value is missing; --skip-missing leaves "
                         "such rows out")  # fmt: skip
    if choice.skip_missing is not False:
        coded = np.stack([_coded(column) for column in x.T], axis=1).any(axis=1)
        if coded.any() and not choice.skip_missing:
            i = int(coded.argmax())
            code = x[i][np.isin(x[i], CODES)][0]
            raise Unreadable(f"{place(i)}: does {code:g} stand for a missing value? --skip-missing "
                             "leaves such rows out, --no-skip-missing keeps them")  # fmt: skip
        gone |= coded
    return Table(x[~gone], names, int(gone.sum()))


def unusable(value: float) -> str:
    """Says why nothing can be computed with the value."""
    large = f"too large (must be up to {LARGEST:g} in size)"
    return f"{value:g} is {large if np.isfinite(value) else 'not finite'}"


def _coded(x: Array) -> NDArray[np.bool_]:
    """Which of x (n,) are codes of missing values that lie apart from all the others."""
    code = np.isin(x, CODES)
    rest = x[~code & ~np.isnan(x)]
    if not code.any() or rest.size < 2:
        return np.zeros(x.shape, np.bool_)
    low, high = rest.min(), rest.max()
    return code & ((x < low - (high - low)) | (x > high + (high - low)))
