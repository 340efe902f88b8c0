"""A figure's title: the one sentence of gallery and picture, and its numbers among the claim's.

A title may say a number only if the claim has it: as a value that was found or expected, which
rounds to what the title says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from toyflows.stats import ClaimError

# Not of a name (CD-1), a formula (d²/8, T_2) or an exponent.
NUMBER = re.compile(r"(?<![\w.,/^{-])−?\d[\d,]*(?:\.\d+)?(?![\w/])")


def check(title: str, claim: Mapping[str, Any]) -> None:
    """Raises ClaimError for a number of the title that is none of the claim's."""
    known = list(_numbers(claim))
    for said in NUMBER.findall(title):
        plain = said.replace("−", "-").replace(",", "")
        digits = len(plain.partition(".")[2])
        if not any(f"{value:.{digits}f}" == plain for value in known):
            raise ClaimError(f"the title says {said}, which no number of the claim rounds to")


def _numbers(claim: Mapping[str, Any]) -> Iterator[float]:
    """Values, and of a Checked what was found and what was expected."""
    for value in claim.values():
        if isinstance(value, dict):
            yield from _numbers({part: value.get(part) for part in ("value", "expected")})
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield value


def mathtext(sentence: str, bold: bool = True) -> str:
    """e^{−t} with its exponent raised, for Matplotlib."""
    face = "mathbf" if bold else "mathrm"
    raised = rf"$\\{face}{{\1}}^{{\\{face}{{\2}}}}$"
    return re.sub(r"(\w)\^\{([^{}]*)\}", raised, sentence)
