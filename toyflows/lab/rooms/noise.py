"""Noise and scores: a law of points in the plane, its noised laws, and what their scores are for.

scores       the arrows of ∇log p_σ at one noise, and walkers that follow them
langevin     Langevin at one noise beside annealed Langevin
diffusion    data to noise and back, with the exact score or a network's
train        a network that learns the score
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from toyflows.diffusion.train import Config
from toyflows.errors import InputError
from toyflows.lab import _noise_laws as laws
from toyflows.lab import _noise_lines as lines
from toyflows.lab._controls import Choice, Control, Drawn, Slider, Values, seed
from toyflows.lab._explain import Mark
from toyflows.lab._noise_act import LENGTH, Act
from toyflows.lab._noise_paths import HALF, SAMPLERS, SCORES, Diffusion
from toyflows.lab._noise_scenes import Langevins, Scores
from toyflows.lab._noise_training import KINDS, Learning
from toyflows.lab._room import Change, Room, View
from toyflows.pages.mathml import mathml

if TYPE_CHECKING:
    from toyflows.lab._job import Job
    from toyflows.lab._look import Look

ACTS: dict[str, type[Act]] = {
    "scores": Scores, "langevin": Langevins, "diffusion": Diffusion, "train": Learning,
}  # fmt: skip
EQUATIONS = {
    "scores": "x ← x + h ∂_xlog p_σ(x) + √(2h) ξ",
    "langevin": "x ← x + h_σ ∂_xlog p_σ(x) + √(2h_σ) ξ,   σ = σ_1 > … > σ_L",
    "diffusion": "dx = f x dt + g dW,   dx = (f x − g² ∂_xlog p_t) dt + g dW",
    "train": "min_s E|σ s(x + σε) + ε|²",
}
MARKS = (
    Mark("exact", "exact density", "Shades: the law of the data with noise. Lines: exact shares."),
    Mark("ink", "exact score", "Arrows: where the density grows fastest, ∇log p."),
    Mark("walkers", "walkers, network", "Points that move, their shares, and what a network says."),
    Mark("data", "points", "Points that you drew or opened."),
    Mark("accent", "time", "The moment on the way from data to noise and back."),
)
DATA, RUN = "Data", "Noise"

SHOW = Choice(
    name="show", label="show", default="scores", of=tuple(ACTS),
    words={"scores": "scores at one noise", "langevin": "Langevin, plain and annealed",
           "diffusion": "diffusion and back", "train": "a network that learns"},
)  # fmt: skip
TARGET = Choice(
    name="target", label="data", default="two-moons", of=laws.NAMES, group=DATA,
    words={laws.DRAWN: "points: draw your own"},
)  # fmt: skip
FAR = replace(TARGET, default="song-ermon")  # two far modes, 1/5 and 4/5: what Langevin is shown on
POINTS = Drawn(
    name="points", label="points (csv)", default="", longest=1200, accept=laws.SUFFIXES, group=DATA
)
KERNEL = Slider(
    name="kernel", label="spread of a point", default=0.1, low=0.03, high=1.0, step=0.01, group=DATA
)
NOISE = Slider(
    name="noise", label="noise level σ", default=0.3, low=0.02, high=5.0, step=0.02, log=True,
    group=RUN,
)  # fmt: skip
FIRST = Slider(
    name="first", label="first noise", default=2.5, low=1.0, high=10.0, step=0.1, group=RUN
)
LAST = Slider(
    name="last", label="last noise", default=0.12, low=0.02, high=1.0, step=0.02, log=True,
    group=RUN,
)  # fmt: skip
LEVELS = Slider(
    name="levels", label="noise levels", default=20, low=2, high=50, step=1, integer=True, group=RUN
)
PROCESS = Choice(name="process", label="process", default="vp", of=tuple(KINDS), group=RUN)
SCORE = Choice(name="score", label="score", default="exact", of=SCORES, group="Way back")
SAMPLER = Choice(
    name="sampler", label="sampler", default=SAMPLERS[0], of=SAMPLERS, group="Way back"
)
STEPS = Slider(
    name="steps", label="steps back", default=200, low=2, high=500, step=1, integer=True,
    group="Way back",
)  # fmt: skip
TRAIN = Slider(
    name="train", label="training steps", default=2000, low=100, high=4000, step=100, integer=True,
    group="Network",
)  # fmt: skip
WALKERS = Slider(
    name="walkers", label="walkers", default=500, low=50, high=1500, step=50, integer=True,
    group="Chance",
)  # fmt: skip


class Noise(Room):
    """See above."""

    name: ClassVar[str] = "noise"
    title: ClassVar[str] = "Noise and scores"
    order: ClassVar[int] = 3
    about: ClassVar[str] = "Points in the plane, noise, and what a score is for"
    most: ClassVar[int] = LENGTH
    usual: ClassVar[int] = LENGTH
    tall: ClassVar[int] = 560

    def equation(self, values: Values) -> str:
        """What moves the walkers of the act."""
        return mathml(EQUATIONS[values["show"]])

    def marks(self, values: Values) -> tuple[Mark, ...]:
        """See Room."""
        return MARKS

    def controls(self, given: Mapping[str, str]) -> tuple[Control, ...]:
        """The controls of the act that is shown."""
        own = {
            "scores": (NOISE, WALKERS),
            "langevin": (FIRST, LAST, LEVELS, WALKERS),
            "diffusion": (PROCESS, SCORE, SAMPLER, STEPS, *_network(given), WALKERS),
            "train": (NOISE, PROCESS, TRAIN),
        }
        act = given.get("show", SHOW.default)
        kernel = (KERNEL,) if given.get("target") == laws.DRAWN else ()
        target = FAR if act == "langevin" else TARGET
        return (SHOW, target, POINTS, *kernel, *own.get(act, own["scores"]), seed("Chance"))

    def unit(self, values: Values) -> tuple[str, float]:
        """See Room."""
        if values["show"] == "train":
            return "training step", values["train"] / LENGTH
        return ("step" if values["show"] == "diffusion" else "move"), 1.0

    def start(self, values: Values, job: Job) -> Act:
        """See Room."""
        return ACTS[values["show"]](_whole(values), job)

    def view(self, look: Look, change: Change) -> View:
        """See Room."""
        from toyflows.lab._noise_view import NoiseView

        return NoiseView(look, change)

    def of_file(self, name: str, suffix: str, content: bytes) -> Mapping[str, Any]:
        """A table of two columns."""
        if suffix not in laws.SUFFIXES:
            raise InputError(name, suffix, f"must be {', '.join(laws.SUFFIXES)}")
        return {"points": laws.of_file(content), "target": laws.DRAWN}

    def command(self, values: Values, step: int) -> str | None:
        """See Room."""
        return lines.command(_whole(values), step)

    def python(self, values: Values, step: int) -> str:
        """See Room."""
        return lines.python(_whole(values), step)

    def film(self, values: Values, step: int) -> Any:
        """The way there, or the way back with the exact score; others have none."""
        if values["show"] != "diffusion" or (step > HALF and values["score"] != "exact"):
            return None
        from toyflows import film

        drawn = values["target"] == laws.DRAWN
        return film.cloud(
            laws.law(_whole(values)).mixture if drawn else values["target"],
            process=Config(KINDS[values["process"]]).process,
            direction="forward" if step <= HALF else "reverse", sampler=values["sampler"],
            steps=values["steps"], spacing="uniform", points=values["walkers"],
            seed=values["seed"],
        )  # fmt: skip


def _network(given: Mapping[str, str]) -> tuple[Control, ...]:
    return (TRAIN,) if given.get("score") == "network" else ()


def _whole(values: Values) -> dict[str, Any]:
    """The settings, with a spread of the points where the target has none."""
    return {"kernel": KERNEL.default} | dict(values)
