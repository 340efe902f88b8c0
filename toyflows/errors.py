"""The two ways in which a run is refused or stopped; every message is one line for the user."""

import difflib
from collections.abc import Collection


def nearest(word: str, known: Collection[str]) -> str:
    """What to say of a word that is not known: those near it, or all there are."""
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.4)
    return f"did you mean {' or '.join(near)}?" if near else "choose from " + ", ".join(known)


class InputError(ValueError):
    """A value the user gave cannot be used: `name` is the option's Python name, `why` what is
    allowed (one line). The command line turns `theta_star` into `--theta-star`."""

    def __init__(self, name: str, value: object, why: str):
        super().__init__(f"{name} = {value}: {why}")
        self.name, self.value, self.why = name, value, why


class Diverged(ArithmeticError):
    """θ left the finite numbers: carries the step at which it happened."""

    def __init__(self, step: int, time: float, coordinate: str, value: float):
        super().__init__(f"diverged at step {step} (t = {time:g}): {coordinate} = {value:g}")
        self.step, self.time = step, time
