"""One update of a method in its parts: the data's term, the model's term, and their difference.

The parts are heard while the method computes its own velocity, so they are its numbers to the last
bit: nothing is computed twice, and nothing here knows a method's formula except where it has the
two parts in one mean (NCE) or moves a discriminator first (GAN).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from toyflows.backends.base import Backend
from toyflows.flows import Flow
from toyflows.flows.base import at
from toyflows.flows.gan import FORMS, GAN
from toyflows.flows.nce import NCE
from toyflows.state import State


@dataclass(frozen=True)
class Terms:
    """speed = model − data + rest, or data − model + rest for what `climbs`; `of` is what has that
    speed, θ̇ or a discriminator's ẇ."""

    data: float
    model: float
    speed: float
    of: str
    says_data: str
    says_model: str
    climbs: bool = False

    @property
    def difference(self) -> float:
        """Of the two terms."""
        return self.data - self.model if self.climbs else self.model - self.data

    @property
    def rest(self) -> float:
        """What the method adds besides: a penalty, a normalisation. 0 for most."""
        return self.speed - self.difference

    def frame(self, step: float) -> dict[str, Any]:
        """The numbers and words for the page; `step` is rate · dt."""
        of = f"data − model = {self.of}" if self.climbs else f"model − data = {self.of}"
        return {"term_data": self.data, "term_model": self.model, "term_speed": self.speed,
                "term_rest": self.rest, "term_step": step * self.speed, "term_of": of,
                "term_what": self.of, "term_says_data": self.says_data,
                "term_says_model": self.says_model}  # fmt: skip


class Heard:
    """A backend that remembers the means that are asked of it."""

    def __init__(self, ops: Backend):
        self.ops = ops
        self.means: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ops, name)

    def mean(self, cloud: Any, integrand: Callable[..., Any], *args: float) -> Any:
        """See Backend."""
        self.means.append(self.ops.mean(cloud, integrand, *args))
        return self.means[-1]


def terms(flow: Flow, backend: Backend, state: State) -> Terms | None:
    """The parts of the next update; None for a method that is no difference of two means."""
    ops = at(backend, state)
    heard: Any = Heard(ops)
    negatives = flow.drawn(ops, state.θ, state.chains, state.extra)
    v = flow.velocity(heard, state.θ, negatives, **state.extra)
    rates = [float(x) for x in v] if isinstance(v, tuple) else [float(v)]
    if type(flow) is NCE:
        return _nce(heard.means, rates[0])
    if type(flow) is GAN:
        return None if flow.dirac else _gan(flow, heard.means, state.extra, rates[1])
    if len(heard.means) != 2:
        return None
    model, data = (float(x) for x in heard.means)
    if model - data != rates[0]:
        return None
    return Terms(data, model, rates[0], "θ̇", "The share of mode b that the data show.",
                 "The share of mode b that the negatives show.")  # fmt: skip


def _nce(means: list[Any], speed: float) -> Terms:
    """Means of D, D r and r: over the noise, then over the data."""
    (_, of_noise, _), (_, told, r) = means
    says = "of what is in mode b: how far the model is taken for the"
    return Terms(float(r - told), float(of_noise), speed, "θ̇", f"Data, {says} noise.",
                 f"Noise, {says} data.")  # fmt: skip


def _gan(flow: GAN, means: list[Any], extra: dict[str, float], speed: float) -> Terms:
    """Shares Q and B of mode b in data and model, times how far D is from right about them."""
    Q, B, w, c = float(means[0]), float(means[1]), extra["w"], extra.get("c", 0.0)
    slope = FORMS[flow.loss][1]
    return Terms(Q * slope(w + c), B * slope(-w - c), speed, "ẇ",
                 "Data in mode b pull the discriminator’s w up.",
                 "The model’s samples in mode b push it down. Then θ̇ follows from w.",
                 climbs=True)  # fmt: skip
