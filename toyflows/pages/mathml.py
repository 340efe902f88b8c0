"""An equation as the flows' files say it, E_{ρ_θ}[∂_θU_θ], as MathML.

_ and ^ bind what follows: a word (data, xx, θ0), a group in {…}, or one sign. U+0307 is a dot.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape

PRIME = {"'": "′"}
MEAN = re.compile(r"E_(data|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|[^\[\s])(?=\[)")  # up to its bracket
TOKEN = re.compile(r"([_^])|([{}])|(p_data|data|log|[A-Za-zα-ωΑ-Ω](?:\u0307)?)|(\d+)|(\s+)|(.)")
SUBSCRIPT = re.compile(r"\{|data|xx|θ0|\*|.")


def mathml(equation: str, coloured: bool = False) -> str:
    """A <math> for each part between wide spaces, and for each "= …" after the first of a part, so
    that lines may break there. `coloured`: means over the data and over others have classes."""
    parts: list[str] = []
    for part in re.split(r"\s{2,}", unicodedata.normalize("NFD", equation)):
        left, *sides = part.split(" = ")
        parts += [" = ".join([left, *sides[:1]]), *(f"= {side}" for side in sides[1:])]
    if coloured:
        pieces = [piece for part in parts for piece in _terms(part)]
        return " ".join(_math(_row(text), name or "piece") for text, name in pieces)
    return " ".join(_math(_row(part)) for part in parts)


def _math(row: str, name: str = "") -> str:
    math = f'<math display="inline">{row}</math>'
    return f'<span class="{name}">{math}</span>' if name else math


def _terms(text: str) -> list[tuple[str, str]]:
    """The pieces of a part, each with its class: means E_…[…] over the data, or over negatives."""
    out: list[tuple[str, str]] = []
    done = 0
    for found in MEAN.finditer(text):
        if found.start() < done:
            continue
        end = _closing(text, found.end())
        name = "data term-data" if found[1] == "data" else "walkers term-model"
        out += [(text[done : found.start()], ""), (text[found.start() : end], name)]
        done = end
    return [(piece, name) for piece, name in [*out, (text[done:], "")] if piece]


def _closing(text: str, start: int) -> int:
    """The place behind the bracket that closes the one at `start`."""
    depth = 0
    for k in range(start, len(text)):
        depth += (text[k] == "[") - (text[k] == "]")
        if depth == 0:
            return k + 1
    raise ValueError(f"no closing bracket in {text}")


def _row(text: str) -> str:
    """The parts of a row, each with what stands at its foot and head."""
    out: list[str] = []
    while text:
        found = TOKEN.match(text)
        assert found is not None  # . matches anything, \s a line's end
        mark, brace, word, number, space, sign = found.groups()
        text = text[found.end() :]
        if mark:
            inner, text = _bound(text)
            out[-1] = _scripted(out[-1], mark, inner)
        elif brace:
            inner, text = _group("{" + text)
            out.append(f"<mo>{{</mo>{_row(inner)}<mo>}}</mo>")
        elif word:
            out.append(_letter(word))
        elif number:
            out.append(f"<mn>{number}</mn>")
        elif space:
            out.append('<mspace width="0.17em"/>' if out and ">log<" in out[-1] else "")
        else:
            out.append(f'<mo stretchy="false">{escape(PRIME.get(sign, sign))}</mo>')
    return "".join(out)


def _scripted(what: str, mark: str, inner: str) -> str:
    """A foot and a head at the same sign stand one above the other."""
    row = f"<mrow>{inner}</mrow>"
    if mark == "^" and what.startswith("<msub>"):
        return f"<msubsup>{what[6:-7]}{row}</msubsup>"
    tag = "msub" if mark == "_" else "msup"
    return f"<{tag}>{what or '<mrow></mrow>'}{row}</{tag}>"


def _bound(text: str) -> tuple[str, str]:
    """What _ or ^ binds, set, and the rest."""
    found = SUBSCRIPT.match(text)
    assert found is not None
    if found[0] == "{":
        inner, rest = _group(text)
        return _row(inner), rest
    return _row(found[0]), text[found.end() :]


def _group(text: str) -> tuple[str, str]:
    """The inside of the braces that the text begins with, and the rest."""
    depth = 0
    for k, c in enumerate(text):
        depth += (c == "{") - (c == "}")
        if depth == 0:
            return text[1:k], text[k + 1 :]
    raise ValueError(f"no closing brace in {text}")


def _letter(word: str) -> str:
    """A letter, upright where it is a word; a dot is a sign of its own."""
    if word.endswith("\u0307"):
        return f'<mover accent="true"><mi>{word[:-1]}</mi><mo>˙</mo></mover>'
    upright = ' mathvariant="normal"' if word == "log" else ""
    if word == "p_data":
        return "<msub><mi>p</mi><mi>data</mi></msub>"
    return f"<mi{upright}>{word}</mi>"
