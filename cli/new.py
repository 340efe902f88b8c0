"""`toyflows new flow NAME`: a method to start from, which `toyflows check` accepts at once."""

from __future__ import annotations

import keyword
from pathlib import Path
from typing import Annotated

import typer

from toyflows.cli._errors import refusing, say

app = typer.Typer(help="Write the skeleton of your own training method.", no_args_is_help=True)

PLAIN = '''"""A training method. Check it: toyflows check {file}"""

import numpy as np

NEGATIVES = "model"  # or "data", "persistent", "noise": docs/add_a_method.md


def velocity(theta, data, negatives, mixture):
    """θ̇ = E_model[∂_θU] − E_data[∂_θU]"""
    r = mixture.responsibility  # ∂_θU_θ(x), the probability that x comes from mode b
    return np.mean(r(negatives, theta)) - np.mean(r(data, theta))
'''

CLASS = '''"""{title}: what it does, in one line. Check it: toyflows check {file}"""

from dataclasses import dataclass

from toyflows.errors import InputError
from toyflows.flows import Flow


@dataclass(frozen=True)
class {cls}(Flow):
    """θ̇ = κ (E_{{ρ_θ}}[∂_θU_θ] − E_data[∂_θU_θ])

    What is known of it: its fixed point, its source. The fields below are its options.
    """

    name = "{name}"
    title = "{title}"
    kappa: float = 1.0

    def __post_init__(self):
        if self.kappa <= 0:
            raise InputError("p", f"kappa={{self.kappa}}", "must be kappa > 0")

    def negatives(self, ops, θ, chains):
        """Particles that stand for the model: here exact draws, made anew at each step."""
        return ops.model(θ)

    def velocity(self, ops, θ, negatives, **extra):
        """θ̇, from averages that every backend can take."""
        r = ops.mixture.responsibility  # ∂_θU_θ(x), the probability that x comes from mode b
        return self.kappa * float(ops.mean(negatives, r, θ) - ops.mean(ops.data(), r, θ))

    def fixed_point(self, target):
        """Where θ comes to rest (checked when the file lies in toyflows/flows/)."""
        return target.θ_star
'''


@app.callback()
def root() -> None:
    """Write the skeleton of your own training method."""


@app.command()
def flow(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the method, for example my-method.")
    ],
    plain: Annotated[
        bool, typer.Option("--plain", help="Write a plain function instead of a Flow class.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder of the new file.")] = Path(),
) -> None:
    """Write NAME.py with maximum likelihood, which you change into your own method.

    Example: toyflows new flow my-method --plain && toyflows check my_method.py
    """
    with refusing():
        from toyflows.files import whole_file

        stem, path = name.replace("-", "_"), out / f"{name.replace('-', '_')}.py"
        if why := _refusal(name, stem, path):
            say(f"NAME {name}: {why}")
            raise typer.Exit(2)
        words = stem.split("_")
        parts = {
            "file": path, "name": "-".join(words), "title": " ".join(words).capitalize(),
            "cls": "".join(word[:1].upper() + word[1:] for word in words),
        }  # fmt: skip
        with whole_file(path) as temporary:
            temporary.write_text((PLAIN if plain else CLASS).format(**parts), encoding="utf-8")
        print(f"wrote {path}; next: toyflows check {path}")


def _refusal(name: str, stem: str, path: Path) -> str:
    """Why there can be no new method of that name; empty where there can."""
    from toyflows.flows import registry

    if not (stem.isidentifier() and stem.isascii()) or keyword.iskeyword(stem) or stem[0] == "_":
        return "must be letters, digits and dashes, beginning with a letter"
    if stem.replace("_", "-") in registry():
        return "there is a method of that name; `toyflows flows` lists them"
    if path.exists():
        return f"{path} exists already"
    return ""
