"""One image, and what three networks say: how strange it is, and which letter it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toyflows.images import detection, uses
from toyflows.images.glyphs import CLASSES
from toyflows.lab import _images_canvas as canvas
from toyflows.lab import _images_models as models
from toyflows.lab._images_axis import Axis, sides
from toyflows.nn.layers import Array
from toyflows.numerics import softmax
from toyflows.pictures import Pixels, levels

if TYPE_CHECKING:
    from toyflows.lab._job import Job
    from toyflows.lab._room import Frame

JUDGES = {"ebm28": "EBM", "jem28": "JEM", "classifier28": "classifier"}
READERS = ("jem28", "classifier28")
SCORES = ("energy", "gradient", "probability")
SYMBOLS = {"energy": "E(x)", "gradient": "|∂E/∂x|", "probability": "−max q(y|x)"}
TOP, BINS = 5, 60
PASS = detection.FOUND  # of the test letters, by definition of the limit


@dataclass(frozen=True)
class Asked:
    """The image: drawn, or number `number` of the test letters or of a set of outsiders; and what
    it is compared with, by the score of which network."""

    image: str
    pattern: str = ""
    number: int = 23
    outsiders: str = "uniform noise"
    judge: str = "ebm28"
    score: str = "energy"
    fit: bool = True

    @property
    def pixels(self) -> Pixels:
        """(1, 28, 28), as the networks see it."""
        if self.image == "drawn":
            return canvas.seen(self.pattern, self.fit)
        of = models.LETTERS if self.image == "letter" else self.outsiders
        found = models.images(of)
        return found[self.number % len(found)][None]


@dataclass(frozen=True, eq=False)
class Verdict:
    """A score of the image among those of test letters and of outsiders."""

    value: float
    letters: Array
    outsiders: Array

    @property
    def limit(self) -> float:
        """The least score that 95 % of the test letters do not exceed."""
        return float(np.quantile(self.letters, PASS, method="inverted_cdf"))

    @property
    def letter(self) -> bool:
        """Whether the image passes as a letter."""
        return self.value <= self.limit

    @property
    def passing(self) -> float:
        """The share of the outsiders that pass: the false positive rate at a true one of 95 %."""
        return detection.fpr95(-self.outsiders, -self.letters)

    @property
    def stranger(self) -> float:
        """The share of the test letters that are as strange as the image, or stranger."""
        return float(np.mean(self.letters >= self.value))


class Judge:
    """The scene; in it nothing moves."""

    def __init__(self, asked: Asked, job: Job):
        self.step = 0
        self.asked, self.check = asked, job.check
        self.x = asked.pixels
        self.found = {
            name: uses.scores(model[1], model[0].θ, self.x)
            for name in JUDGES
            if (model := models.model(name))
        }
        self.score = asked.score if asked.score in self.found[asked.judge] else "energy"
        self.verdict = self._verdict(asked.judge, self.score)

    def advance(self, steps: int, job: Job) -> None:
        self.step += steps

    def _verdict(self, name: str, score: str) -> Verdict:
        letters, outsiders = (
            models.scores(name, of, self.check)[score]
            for of in (models.LETTERS, self.asked.outsiders)
        )
        return Verdict(float(self.found[name][score][0]), letters, outsiders)

    def frame(self) -> Frame:
        """The image twice, the distributions, the table and the five likeliest letters."""
        a, v = self.asked, self.verdict
        drawn = canvas.pixels(canvas.unpack(a.pattern)) if a.image == "drawn" else self.x[0]
        return {
            "act": "judge",
            "canvas": levels(drawn),
            "pixels": levels(self.x[0]),
            "editable": canvas.pack(canvas.of_pixels(drawn)),
            "value": v.value,
            "limit": v.limit,
            "passing": v.passing,
            "stranger": v.stranger,
            "message": self._message(),
            "note": f"Pass: 95 % of letters, {percent(v.passing, 1)} of {a.outsiders}",
            "outsiders": a.outsiders,
            "score": f"{SYMBOLS[self.score]} of {a.judge}",
            **self._distributions(),
            **self._table(),
            **self._read(),
        }

    def _message(self) -> str:
        v = self.verdict
        if self.asked.image == "drawn" and not self.asked.pattern:
            return f"Draw a letter here{'; blank paper passes as one' if v.letter else ''}"
        if not v.letter:
            return f"No letter: stranger than {percent(1 - v.stranger, 1)} of letters"
        return f"A letter: {percent(v.stranger)} of letters are stranger"

    def _distributions(self) -> Frame:
        v = self.verdict
        axis = Axis() if self.score == "probability" else Axis.of(v.letters)
        frame = sides(axis, v.letters, v.outsiders, v.value)
        edges = np.linspace(frame["low"], frame["high"], BINS + 1)
        counts = [np.histogram(axis.at(x), edges)[0] for x in (v.letters, v.outsiders)]
        shares = [(c / c.max()).astype(np.float32) for c in counts]
        places = {
            "value at": float(axis.at(v.value)),
            "limit at": float(axis.at(v.limit)),
            "letters at": float(np.median(axis.at(v.letters))),
            "others at": float(np.median(axis.at(v.outsiders))),
        }
        return frame | places | {"edges": edges, "letters": shares[0], "others": shares[1]}

    def _table(self) -> Frame:
        """A row for each network: energy and slope, each with the share of stranger letters."""
        rows = []
        for name in self.found:
            cells = [JUDGES[name]]
            for score, digits in (("energy", 3), ("gradient", 2)):
                v = self._verdict(name, score)
                cells += [f"{v.value:.{digits}g}".replace("-", "−"), percent(v.stranger)]
            rows.append("|".join(cells))
        return {"table": "\n".join(rows)} | {
            f"{score}, {name}": float(found[score][0])
            for name, found in self.found.items()
            for score in found
        }

    def _read(self) -> Frame:
        frame: dict[str, Any] = {}
        for name in READERS:
            model, engine = models.model(name)
            q = softmax(engine.outputs(model.θ, self.x).astype(np.float64))[0]
            top = np.argsort(-q, kind="stable")[:TOP]
            frame[f"top, {name}"] = "".join(CLASSES[k] for k in top)
            frame[f"q, {name}"] = q[top]
        return frame


def percent(share: float, digits: int = 0) -> str:
    """The share as a percentage with a space before the sign, as everywhere here."""
    return f"{100 * share:.{digits}f} %"


def lines(a: Asked, score: str) -> str:
    """Python that prints the score, and the share of test letters that are as strange."""
    if a.image == "drawn":
        image = (
            "from toyflows.lab import _images_canvas as canvas\n"
            f"x = canvas.seen({a.pattern!r}, fit={a.fit})"
        )
    elif a.image == "letter":
        image = f"x = test.x[[{a.number % models.COUNT}]]"
    else:
        image = (
            "from toyflows.images import shifted\n"
            "from toyflows.images.base import Parts\n"
            f"found = shifted.SETS[{a.outsiders!r}](Parts(test, test, test, parts.classes), 0)\n"
            f"x = found[[{a.number} % len(found)]]"
        )
    return (
        "from toyflows.images import glyphs, shipped, uses\n"
        "parts = glyphs.load(28)\n"
        f"test = parts.test[:{models.COUNT}]\n"
        f"{image}\n"
        f"model = shipped.load({a.judge!r})\n"
        f"value = uses.scores(model.engine(), model.θ, x)[{score!r}][0]\n"
        f"letters = uses.scores(model.engine(), model.θ, test.x)[{score!r}]\n"
        "print(value, (letters >= value).mean())"
    )
