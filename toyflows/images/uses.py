"""Uses of a learned energy: images from noise, filling a hole, denoising, scores of strangeness.

Every use is a Langevin chain of one energy, seen at a few snapshots. The energy of a class, or the
sum of several classes' energies, whose density is the product of theirs, can take the place of E.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from toyflows import display
from toyflows.cloud import finite_or_refused
from toyflows.errors import InputError
from toyflows.files import whole_file
from toyflows.images.energy import energy
from toyflows.images.sgld import Chain, Engine, noise
from toyflows.nn.layers import Array
from toyflows.numerics import softmax
from toyflows.pictures import Labels, Pixels, sheet
from toyflows.seeds import stream

Snapshot = tuple[int, Pixels]

STRONGEST = 1e15  # pull: the image stays as it is seen


@dataclass(frozen=True, eq=False)
class Sampler:
    """Chains of one energy: E(x), or with classes (m,) the sum of E(x|y) over them; classes (n, m)
    are those of n images, each its own."""

    engine: Engine
    θ: Array
    chain: Chain
    seed: int = 0
    classes: tuple[int, ...] | Labels = ()
    __repr__ = display.short

    def from_noise(self, n: int, size: int, snapshots: int = 1) -> Iterator[Snapshot]:
        """n images (n, size, size) that begin as uniform noise."""
        return self.follow(noise(stream(self.seed, "begin"), n, size), snapshots)

    def follow(self, x: Pixels, snapshots: int = 1) -> Iterator[Snapshot]:
        """(steps done, x) at the start and at this many equal distances, the last at the end."""
        return self._walk(x, snapshots, None, ("steps", self.chain.steps))

    def inpaint(
        self, x: Pixels, known: NDArray[np.bool_], snapshots: int = 1
    ) -> Iterator[Snapshot]:
        """The unknown pixels of x begin as noise and move; the known (size, size) stay what they
        are. These are chains of q(unknown | known), since E as a function of the unknown pixels is
        its energy up to a constant."""
        start = noise(stream(self.seed, "begin"), len(x), x.shape[-1])

        def restored(z: Pixels) -> Pixels:
            return np.where(known, x, z)

        return self._walk(restored(start), snapshots, restored, ("steps", self.chain.steps))

    def denoise(self, x: Pixels, pull: float, snapshots: int = 1) -> Iterator[Snapshot]:
        """Chains from x of the energy E(z) + (pull/2)|z − x|²: at the temperature T the posterior
        of an image seen with Gaussian noise of variance T/pull."""
        if not 0 <= pull <= STRONGEST:
            raise InputError("pull", pull, f"must be 0 to {STRONGEST:g}")
        near = self.chain.step * pull

        def pulled(z: Pixels) -> Pixels:
            return ((z + near * x) / (1 + near)).astype(x.dtype)  # implicit: stable for any pull

        return self._walk(x, snapshots, pulled, ("pull", pull))

    def pull(self, σ: float) -> float:
        """T/σ²: the pull of `denoise` for noise of the spread σ, at the chain's temperature."""
        return self.chain.temperature / σ**2

    def _walk(
        self, x: Pixels, snapshots: int, after: Callable[[Pixels], Pixels] | None,
        setting: tuple[str, object],
    ) -> Iterator[Snapshot]:  # fmt: skip
        """`after` changes x after each step; an error names `setting` if x is not finite."""
        marks = np.unique(np.linspace(0, self.chain.steps, snapshots + 1).round().astype(int))
        done = 0
        yield done, x
        for mark in marks[1:].tolist():
            while done < mark:
                some = mark - done if after is None else 1
                with finite_or_refused(*setting, f"after step {done + some}") as judge:
                    x = self._run(x, done, some)
                    x = judge(x if after is None else after(x))
                done += some
            yield done, x

    def _run(self, x: Pixels, start: int, steps: int) -> Pixels:
        c = self.chain
        some = Chain(steps, c.step, c.noise, c.clip)
        labels = None
        if np.size(self.classes):
            y = np.asarray(self.classes, np.int64)
            labels = np.ascontiguousarray(np.broadcast_to(y, (len(x), y.shape[-1])))
        return self.engine.langevin(self.θ, x, some, self.seed, start, labels)


def last(snapshots: Iterator[Snapshot]) -> Pixels:
    """The images at the end of the chains."""
    *_, (_, x) = snapshots
    return x


def scores(engine: Engine, θ: Array, x: Pixels) -> dict[str, Array]:
    """How strange each image is, larger for stranger, by name (n,):

    energy        E(x)
    gradient      |∂E/∂x|: the `approximate mass` of Grathwohl et al. (2020) with its sign turned.
                  Where E is steep, little mass is near x, however high the density at x itself
    probability   −max_y q(y|x), of a JEM (Hendrycks & Gimpel 2017)
    """
    with np.errstate(under="ignore"):
        f = engine.outputs(θ, x)
        slope = engine.input_gradient(θ, x).astype(np.float64)
        found = {
            "energy": energy(f)[0].astype(np.float64),
            "gradient": np.sqrt(np.sum(slope**2, axis=(1, 2))),
        }
    if f.shape[1] > 1:
        found["probability"] = -softmax(f.astype(np.float64)).max(axis=1)
    return found


HALVES = ("left", "right", "top", "bottom", "middle")


def known_without(part: str, size: int) -> NDArray[np.bool_]:
    """(size, size): true where a pixel is known when this part is missing."""
    if part not in HALVES:
        raise InputError("inpaint", part, f"must be {', '.join(HALVES)}")
    half, quarter = size // 2, size // 4
    all_, first, last = slice(None), slice(half), slice(size - half, None)
    middle = slice(quarter, size - quarter)
    rows = {"top": first, "bottom": last, "middle": middle}.get(part, all_)
    columns = {"left": first, "right": last, "middle": middle}.get(part, all_)
    known = np.ones((size, size), bool)
    known[rows, columns] = False
    return known


def places(names: Sequence[str], classes: Sequence[str]) -> tuple[int, ...]:
    """The indices of these names among the classes."""
    for name in names:
        if name not in classes:
            raise InputError("class", name, f"choose from {' '.join(classes)}")
    return tuple(classes.index(name) for name in names)


def noised(x: Pixels, σ: float, seed: int) -> Pixels:
    """x + σξ, cut at ±1."""
    ξ = stream(seed, "noised").standard_normal(x.shape, np.float32)
    return np.clip(x + np.float32(σ) * ξ, -1, 1)


def spread(error: Array) -> float:
    """√⟨error²⟩."""
    return float(np.sqrt(np.mean(error.astype(np.float64) ** 2)))


# ---- pictures


def shown(rows: Mapping[str, Pixels]) -> display.Pictures:
    """Rows of images (n, size, size) below their names, for a notebook."""
    return display.Pictures({name: sheet([x]) for name, x in rows.items()})


def check_picture(path: Path) -> None:
    """Raises InputError("out") unless `save` can write this kind of file."""
    if path.suffix.lower() not in (".png", ".npz"):
        raise InputError("out", path, "must be a .png or an .npz file")


def save(path: Path, rows: Sequence[Pixels], names: Sequence[str]) -> Path:
    """Writes a .png of the rows, or an .npz that has each row under its name."""
    check_picture(path)
    with whole_file(path) as temporary:
        if path.suffix.lower() == ".npz":
            np.savez(temporary, **dict(zip(names, rows, strict=True)))  # type: ignore[arg-type]
        else:
            from PIL import Image

            picture = sheet(rows)
            scale = max(1, 56 // rows[0].shape[-1])
            Image.fromarray(picture.repeat(scale, 0).repeat(scale, 1)).save(temporary)
    return path
