"""What the images room looks at: shipped networks, and what they say of letters and of others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from toyflows.images import glyphs, shifted, shipped, uses
from toyflows.images.base import Images, Parts
from toyflows.images.energy import energy
from toyflows.images.sgld import Engine
from toyflows.images.shipped import Shipped
from toyflows.nn.layers import Array
from toyflows.numerics import softmax
from toyflows.pictures import Pixels

if TYPE_CHECKING:
    from toyflows.diffusion.denoisers import LearnedScore
    from toyflows.diffusion.trained import Model

READER = "classifier28"  # says what a drawn letter looks like; it was trained alone
COUNT = 1000  # test letters, and outsiders, that an image is compared with
AT_ONCE = 128  # images between two looks at whether anybody waits
LETTERS = "test letters"

_once = threading.RLock()  # else two visitors make one table twice


@cache
def model(name: str) -> tuple[Shipped, Engine]:
    """Shipped weights, and the engine that runs them."""
    with _once:
        found = shipped.load(name)
        return found, found.engine()


@cache
def diffusion(name: str) -> tuple[Model, LearnedScore]:
    """A shipped diffusion model, and its score of all classes."""
    from toyflows.diffusion import shipped as diffusions

    with _once:
        found = diffusions.load(name)
        return found, found.score()


@cache
def tests() -> Parts:
    """The first COUNT test letters of 28 × 28, in the place of all parts."""
    with _once:
        test = glyphs.load(28).test[:COUNT]
        few = Images(test.x.copy(), test.y)  # else all of them stay in memory
        return Parts(few, few, few, tuple(glyphs.CLASSES))


@cache
def images(of: str) -> Pixels:
    """Test letters of 28 × 28, or as many outsiders."""
    with _once:
        parts = tests()
        return parts.test.x if of == LETTERS else shifted.SETS[of](parts, 0)


@cache
def letter_energies(name: str, label: int | None) -> Array:
    """E of test letters, or E(x|y) of all of one class."""
    with _once:
        m, engine = model(name)
        test = glyphs.load(m.config.size).test
        x = test.x[:COUNT] if label is None else test.x[test.y == label]
        return energies(engine, m.θ, x, label)


@cache
def mean_letter(label: int | None) -> tuple[Pixels, Array]:
    """The mean of the 28 × 28 test letters (of a class), and how far each of them is from it."""
    with _once:
        test = glyphs.load(28).test
        x = test.x if label is None else test.x[test.y == label]
        mean = x.mean(axis=0, dtype=np.float64)
        return mean.astype(np.float32), distances(x, mean)


def distances(x: Pixels, mean: Array) -> Array:
    """√⟨(x − mean)²⟩ over the pixels of each image (n,)."""
    return np.array([uses.spread(image - mean) for image in x])


_tables: dict[tuple[str, str], dict[str, Array]] = {}


def scores(name: str, of: str, check: Callable[[], None]) -> dict[str, Array]:
    """`uses.scores` of test letters or outsiders; `check` may end it."""
    if (name, of) not in _tables:
        m, engine = model(name)
        x, parts = images(of), []
        for k in range(0, len(x), AT_ONCE):
            check()
            parts.append(uses.scores(engine, m.θ, x[k : k + AT_ONCE]))
        _tables[name, of] = {s: np.concatenate([part[s] for part in parts]) for s in parts[0]}
    return _tables[name, of]


def energies(engine: Engine, θ: Array, x: Pixels, label: int | None) -> Array:
    """E(x) (n,), or E(x|y)."""
    classes = None if label is None else np.full((len(x), 1), label)
    with np.errstate(under="ignore"):
        return energy(engine.outputs(θ, x), classes)[0].astype(np.float64)


def read(x: Pixels) -> NDArray[np.float64]:
    """q(y|x) (n, 42) of the reader; larger images are averaged down to its size."""
    m, engine = model(READER)
    n, size = len(x), m.config.size
    k = x.shape[-1] // size
    small = x.reshape(n, size, k, size, k).mean(axis=(2, 4)) if k > 1 else x
    return softmax(engine.outputs(m.θ, small).astype(np.float64))
