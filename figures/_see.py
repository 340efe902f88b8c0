"""What else shows a figure's subject: a lesson of the laboratory, and a film."""

from __future__ import annotations

LESSONS = {
    "max_likelihood": "ml-learns",
    "no_learning": "score-matching-stands-still",
    "nce_bias": "nce-wrong-place",
    "mode_collapse": "pcd-runs-away",
    "jarzynski": "pcd-runs-away",
    "pcd_long_run": "pcd-hysteresis",
    "annealed_langevin": "annealed-langevin",
    "forward_reverse_sde": "diffusion-reverse",
    "swiss_roll": "diffusion-reverse",
    "letter_strips": "letters-from-noise",
    "ebm_generation": "letters-from-noise",
    "hopfield_letters": "hopfield-recall",
    "hopfield_weights": "hopfield-recall",
    "ising": "ising-critical",
    "gibbs_metropolis": "ising-critical",
}
FILMS = {
    "max_likelihood": "flow --loss ml --theta-star 1.4",
    "no_learning": "flow --loss score-matching --theta-star 1.4",
    "nce_bias": "flow --loss nce --theta-star 1.4",
    "mode_collapse": "flow --loss pcd --theta-star 1.4",
    "jarzynski": "flow --loss jarzynski --theta-star 1.4",
    "swiss_roll": "cloud --target swiss-roll",
    "ebm_generation": "images ebm28",
    "jem_classes": "images jem28 --class A",
}


def commands(figure: str) -> dict[str, str]:
    """What may be typed, by what it shows."""
    out = {}
    if figure in LESSONS:
        out["laboratory"] = f"toyflows lab --lesson {LESSONS[figure]}"
    if figure in FILMS:
        out["film"] = f"toyflows animate {FILMS[figure]} --out {figure}.gif"
    return out
