"""Prepared settings, each with a sentence of what to watch: `?lesson=NAME`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """A room, its settings as in an address, and what to watch."""

    room: str
    query: dict[str, str]
    sentence: str


RUN = "method,versus,theta0,dt,rate,walkers"  # what most lessons of room 1 do without

LESSONS: dict[str, Lesson] = {
    "ml-learns": Lesson(
        "two-modes",
        {"method": "ml", "hide": RUN},
        "Maximum likelihood learns: wherever θ* is put, formula, exact law and walkers come to it.",
    ),
    "score-matching-stands-still": Lesson(
        "two-modes",
        {"method": "score-matching", "separation": "10", "hide": RUN},
        "Score matching does not see the weights of far modes: θ stands still. Bring them nearer.",
    ),
    "nce-wrong-place": Lesson(
        "two-modes",
        {"method": "nce", "hide": f"{RUN},p.learn_c,p.normalised,separation", "rate": "4"},
        "NCE comes to rest beside θ*, where its noise’s weight μ puts it. Only μ = θ* is right.",
    ),
    "pcd-runs-away": Lesson(
        "two-modes",
        {"method": "pcd", "versus": "jarzynski", "separation": "10", "walkers": "10000",
         "hide": f"{RUN},p.kernel,v.kernel,v.resample"},
        "PCD’s walkers keep to their modes: θ runs on past θ*. Work weights (below) lead it there.",
    ),
    "pcd-hysteresis": Lesson(
        "long-view",
        {"step": "0", "hide": "dt,rate,walkers"},
        "Press space: walkers fall over long before a basin is gone, and θ comes back in a loop.",
    ),
    "annealed-langevin": Lesson(
        "noise",
        {"show": "langevin", "target": "song-ermon", "step": "0", "speed": "5",
         "hide": "show,target,points,levels,walkers"},
        "Press space: Langevin keeps wrong weights of modes; annealed, it finds the right ones.",
    ),
    "diffusion-reverse": Lesson(
        "noise",
        {"show": "diffusion", "target": "swiss-roll", "sampler": "ancestral", "step": "0",
         "speed": "5", "hide": "show,points,process,score,walkers"},
        "Press space: data become noise; then, from fresh noise, the score alone makes data again.",
    ),
    "letters-from-noise": Lesson(
        "images",
        {"step": "0", "hide": "show,model,pace"},
        "Press space: sixteen chains follow the slope of an energy from noise, and become letters.",
    ),
    "hopfield-recall": Lesson(
        "hopfield",
        {"letter": "M", "flips": "24", "step": "0",
         "hide": "patterns,rule,order,T,drawing"},
        "Press space: unit by unit the energy falls, until the damaged letter is whole again.",
    ),
    "ising-critical": Lesson(
        "ising",
        {"T": "2.27", "sampler": "wolff", "start": "cold", "step": "400",
         "hide": "L,sampler,start,burn"},
        "Move T: below T_c one side wins, above it none; at T_c there are patches of every size.",
    ),
}  # fmt: skip
