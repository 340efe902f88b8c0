"""Lessons of the live rooms: a setting, a question before it runs, and what the run shows.

A lesson is an address: `room.html#lesson=NAME`. The answer is judged by the run's own word where
the room has verdicts (`word`, held by a test), else by `right`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Lesson:
    """`settings` stands after # beside the name; `right` counts `choices` from 0."""

    name: str
    room: str
    title: str
    settings: str
    asks: str
    choices: tuple[str, ...]
    right: int
    tells: str
    word: str = ""

    @property
    def address(self) -> str:
        """From the folder of the rooms."""
        return f"{self.room}.html#lesson={self.name}"


AIMS = ("θ stops at θ*", "θ stops beside θ*", "θ passes θ* and goes on", "θ does not move")
LESSONS = (
    Lesson(
        "ml-learns", "two-modes", "Maximum likelihood", "loss=ml&separation=10&time=60",
        "The truth is θ* = −1.386, and θ starts at 0. What does maximum likelihood do?",
        AIMS, 0,
        "θ comes to θ*. The negatives are the model, so θ̇ is 0 only where model and data agree.",
        "converges",
    ),
    Lesson(
        "score-matching-stands-still", "two-modes", "Score matching",
        "loss=score-matching&separation=12&time=60",
        "The modes are 12 spreads apart. Score matching compares slopes of log ρ. What happens?",
        AIMS, 3,
        "θ does not move. The slopes differ only between the modes, and no data are there. "
        "Put the distance to 3: now it learns.",
        "no learning",
    ),
    Lesson(
        "nce-wrong-place", "two-modes", "Noise contrast", "loss=nce&separation=10&time=100&rate=4",
        "NCE tells data from noise, and takes log Z as known, which is wrong. What happens?",
        AIMS, 1,
        "θ stops beside θ*. The wrong constant moves the place of rest. Only μ = θ* is right.",
        "biased",
    ),
    Lesson(
        "nce-cured", "two-modes", "Noise contrast, cured",
        "loss=nce&separation=10&time=100&rate=4&p.normalised=true",
        "Now the model is normalised, so that NCE knows log Z for each θ. What happens?",
        AIMS, 0, "θ stops at θ*. With the right constant, the place of rest is right.", "converges",
    ),
    Lesson(
        "pcd-runs-away", "two-modes", "Persistent chains", "loss=pcd&separation=12&time=60",
        "PCD keeps its walkers and moves them by Langevin. The modes are 12 spreads apart. "
        "What happens?",
        AIMS, 2,
        "θ passes θ* and goes on. Hardly a walker changes mode, so the negatives do not feel θ, "
        "and θ̇ stays as it was.",
        "mode collapse",
    ),
    Lesson(
        "pcd-near-modes", "two-modes", "Persistent chains, near modes",
        "loss=pcd&separation=2&time=100",
        "The same method, and the modes are only 2 spreads apart. What happens?",
        AIMS, 0, "θ stops at θ*. Walkers change mode fast, so the negatives follow the model.",
        "converges",
    ),
    Lesson(
        "jarzynski-weights", "two-modes", "Work weights",
        "loss=jarzynski&separation=12&time=60",
        "The walkers stay in their modes again, but each has a weight that counts its work. "
        "What happens?",
        AIMS, 0, "θ comes to θ*. The weights say what walkers cannot: how heavy each mode is now.",
        "converges",
    ),
    Lesson(
        "gan-circles", "two-modes", "Two players", "loss=gan&separation=10&time=120&p.dirac=true",
        "A generator and a discriminator learn against each other, by means only. What happens?",
        ("θ stops at θ*", "θ swings about θ*", "θ does not move"), 1,
        "θ swings about θ*. Each player follows the other, and none comes to rest. "
        "Put the penalty γ to 1: the swing dies out.",
        "oscillates",
    ),
    Lesson(
        "pcd-comes-back", "long-view", "Persistent chains, later", "separation=6&time=300",
        "PCD has passed θ* and runs away. You wait for a long time. What does θ do?",
        ("It goes on for ever", "It turns and comes back past θ*", "It stops far out"), 1,
        "It turns. Far out the negatives fall into the heavy mode after all, and θ̇ changes "
        "its sign. Each loop takes long, and the swing dies out slowly.",
    ),
    Lesson(
        "langevin-wrong-weights", "noise", "Langevin and two modes",
        "sampler=langevin&target=song-ermon&steps=200",
        "The parts have the weights 1/5 and 4/5. Points begin everywhere, and Langevin moves them "
        "by the score. Which shares will they have?",
        ("1/5 and 4/5", "about one half each", "all in one part"), 1,
        "About one half each. Every point falls into the part that is near, and none comes across: "
        "the score does not know the weights.",
    ),
    Lesson(
        "annealed-right-weights", "noise", "Langevin, annealed",
        "sampler=annealed-langevin&target=song-ermon",
        "Now the noise is large first, and then falls step by step. Which shares?",
        ("about 1/5 and 4/5", "about one half each", "all in one part"), 0,
        "About 1/5 and 4/5. Under much noise the parts are one, and points go as the weights say.",
    ),
    Lesson(
        "hopfield-recall", "hopfield", "A damaged letter", "letter=D&flips=4&seed=1",
        "Four of the 25 units of D are turned. Each unit follows the others. What happens?",
        ("The network finds D again", "It stops at another letter", "It never comes to rest"), 0,
        "The network falls to D. No step raises the energy, and D lies at the bottom near by.",
    ),
    Lesson(
        "hopfield-too-much", "hopfield", "A letter that is lost", "letter=D&flips=16&seed=3",
        "Now 16 of the 25 units are turned: more than half. What happens?",
        ("The network finds D again", "It stops at another state", "It never comes to rest"), 1,
        "It stops at the inverse of D, which is a place of rest too, and is nearer now.",
    ),
    Lesson(
        "ising-cold", "ising", "A cold magnet", "T=1.8&begin=ordered",
        "All spins begin up. The temperature is below the critical one, 2.269. What does m do?",
        ("m stays near Onsager’s value", "m goes to 0", "m goes to −1"), 0,
        "m stays near Onsager’s value. One side wins, and the lattice is too large to turn round.",
    ),
    Lesson(
        "ising-hot", "ising", "A hot magnet", "T=3&begin=ordered",
        "All spins begin up again, but the temperature is 3. What does m do?",
        ("m stays near 1", "m goes to 0", "m goes to −1"), 1,
        "m goes to 0. Above the critical temperature no side wins.",
    ),
)  # fmt: skip


def told(room: str, alone: bool) -> dict[str, Any]:
    """The path for a room: all lessons, or its own where its page stands alone."""
    path = [asdict(lesson) for lesson in LESSONS if not alone or lesson.room == room]
    ask = {"question": QUESTION, "stages": STAGES} if room == "two-modes" else {}
    return {"lessons": path, **ask}


# What is asked before any run of the two modes, if the reader wants it; `words` are the verdicts
# that each choice stands for.
QUESTION = {
    "title": "Predict", "asks": "What will θ do in this run?",
    "choices": (*AIMS, "θ swings about θ*"), "tells": "",
    "words": (("converges", "on its way"), ("biased",), ("mode collapse", "diverges"),
              ("no learning",), ("oscillates",)),
}  # fmt: skip
# One update in stages; `other` is the second of a method whose θ̇ is no difference of two means.
STAGES = {
    "words": (
        "The negatives: a share {mode_b} of them is in mode b. θ = {θ}.",
        "θ̇ = E_negatives[∂_θU] − E_data[∂_θU] = {negatives} − {data} = {v}.",
        "θ moves: θ + rate · dt · θ̇ = {θ} + {rate} · {dt} · {v} = {next}.",
        "The negatives follow the new θ, as the method says. Then the next step.",
    ),
    "other": "θ̇, by the equation above, is {v}.",
}
