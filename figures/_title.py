"""A figure's title: the one sentence of gallery and picture, each part of it proved by the claim.

    SAYS = {"Score matching does not move": ("distance moved",),
            "its pull on the weight falls like e^{−d²/8}": ("slope", "formula")}

The parts of a title, in its order and nothing besides, and the lines of the claim that prove each:
"rate from…" names all lines that begin so. A line must be a comparison that held (stats.Checked). A
number in a part must be one of its lines', found or expected, or be how many lines there are; what
is said of all or of most must be held for all or for a half and more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toyflows.stats import ClaimError

Says = Mapping[str, Sequence[str]]

# Not of a name (CD-1), a formula (d²/8, T_2) or an exponent.
NUMBER = re.compile(r"(?<![\w.,/^{-])−?\d[\d,]*(?:\.\d+)?(?![\w/])")
SMALL = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
WORDS = {"half": "0.5", "quarter": "0.25"} | {word: str(n) for n, word in enumerate(SMALL, 2)}
WHOLE = re.compile(r"\b(all|every|exactly|none|never|always)\b", re.IGNORECASE)
MOST = re.compile(r"\bmost\b", re.IGNORECASE)
TINY = 1e-3  # a share or a difference that is none


def check(title: str, claim: Mapping[str, Any], says: Says | None = None) -> None:
    """Raises ClaimError for what the title says and the claim does not. Without `says`, only the
    title's figures are looked for, in all of the claim."""
    if says is None:
        _numbers_known(title, NUMBER.findall(title), list(_numbers(claim)))
        return
    _covered(title, says)
    for part, names in says.items():
        lines = [line for name in names for line in _lines(name, claim)]
        words = [WORDS[w] for w in re.findall(r"\w+", part.lower()) if w in WORDS]
        known = [*_numbers(dict(enumerate(lines))), float(len(lines))]
        _numbers_known(part, NUMBER.findall(part) + words, known)
        for pattern, held in ((WHOLE, _whole), (MOST, _most)):
            found = pattern.search(part)
            if found and not any(map(held, lines)):
                raise ClaimError(f"the title says {found[0]!r} in {part!r}, which "
                                 f"no line of {', '.join(names)} holds")  # fmt: skip


def _covered(title: str, says: Says) -> None:
    """Every word of the title is in a part, and the parts have its order."""
    rest = title
    for part in says:
        before, found, rest = rest.partition(part)
        if not found or re.search(r"\w", before):
            raise ClaimError(f"the title says {(before if found else rest or before).strip()!r}, "
                             "which no part of SAYS proves")  # fmt: skip
    if re.search(r"\w", rest):
        raise ClaimError(f"the title says {rest.strip()!r}, which no part of SAYS proves")


def _lines(name: str, claim: Mapping[str, Any]) -> list[dict[Any, Any]]:
    """The comparisons of this name, or of all that begin with it."""
    stem = name.removesuffix("…")
    found = [
        line
        for key, line in claim.items()
        if isinstance(line, dict) and (key.startswith(stem) if stem != name else key == name)
    ]
    if not found:
        raise ClaimError(f"the claim compares nothing of the name {name!r}, of which SAYS speaks")
    return found


def _whole(line: Mapping[str, Any]) -> bool:
    """An equality, or a bound that leaves nothing."""
    kind, expected = line.get("kind", "="), float(line["expected"])
    if kind == "=":
        return float(line["margin"]) <= TINY * max(1.0, abs(expected))
    return kind == "≤" and abs(expected) <= TINY


def _most(line: Mapping[str, Any]) -> bool:
    """A share of a half or more held, or of a half or less not."""
    kind, expected = line.get("kind", "="), float(line["expected"])
    return 0.5 <= expected <= 1 if kind == "≥" else kind == "≤" and 0 <= expected <= 0.5


def _numbers_known(part: str, said: Sequence[str], known: Sequence[float]) -> None:
    for number in said:
        plain = number.replace("−", "-").replace(",", "")
        digits = len(plain.partition(".")[2])
        if not any(f"{value:.{digits}f}" == plain for value in known):
            raise ClaimError(f"the title says {number}, which no number of the claim rounds to"
                             + ("" if part == number else f", in {part!r}"))  # fmt: skip


def _numbers(claim: Mapping[Any, Any]) -> Iterator[float]:
    """Values, and of a Checked what was found and what was expected."""
    for value in claim.values():
        if isinstance(value, dict):
            yield from _numbers({part: value.get(part) for part in ("value", "expected")})
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield value


def mathtext(sentence: str, bold: bool = True) -> str:
    """e^{−t} with its exponent raised and θ* with its star lowered, for Matplotlib."""
    face = "mathbf" if bold else "mathrm"
    raised = rf"$\\{face}{{\1}}^{{\\{face}{{\2}}}}$"
    sentence = re.sub(r"([θq])\*", rf"$\\{face}{{\1}}_*$", sentence)
    return re.sub(r"(\w)\^\{([^{}]*)\}", raised, sentence)
