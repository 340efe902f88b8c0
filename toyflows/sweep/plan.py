"""What a sweep computes: methods × values of the axes × repeats, each run known by a key.

    losses = pcd, jarzynski     over separation = 2:14:7, rate = 0.1:10:5:log     repeats = 3

A run's key (settings.py) does not know its place in the plan: a plan that is extended keeps the
bits of the runs that it had. An option is applied to the methods that have it; the others have the
same run, hence the same key, at each of its values.
"""

from __future__ import annotations

import itertools
import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from toyflows.backends import theory
from toyflows.errors import InputError, nearest
from toyflows.flows.base import Flow
from toyflows.limits import NUMBERS, SETTINGS
from toyflows.method import TWO_FILES, Given, label, method, methods, source_for, source_of, split
from toyflows.modes.among import Among
from toyflows.modes.run import check
from toyflows.own import OwnFileError, Source
from toyflows.registry import options_of
from toyflows.settings import BACKENDS, USUAL_STAR, RunSettings, kind_of, not_on, settings, star_of
from toyflows.sweep.axis import Axis, Value, distinct
from toyflows.sweep.settings import KEY, Run, with_options

KEEP = ("verdict", "needs", "theta", "bias", "drift", "crossings", "effective_size", "path")
MOST_RUNS = 1_000_000
NOISY = ("walkers", "seed")  # what only the walkers have
OF_MODES = ("theta_star", "q_star", "theta0", "separation")  # among K modes: K numbers, or nothing
Over = Mapping[str, str | Sequence[Value]] | Sequence[Axis]


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep: the product of `losses`, `axes` and repeats, in this order. `base` holds
    the settings that do not vary; `sources` are the files that hold methods of one's own; `among`
    are the modes, if not the two on the line.

    Raises InputError for whatever cannot be run, before anything is computed.
    """

    losses: tuple[str, ...]
    axes: tuple[Axis, ...] = ()
    base: RunSettings = field(default_factory=RunSettings)
    backend: str = "walkers"
    repeats: int = 1
    keep: tuple[str, ...] = ("verdict", "theta")
    sources: tuple[Source, ...] = ()
    among: Among | None = None

    def __post_init__(self) -> None:
        if not all(source.trusted for source in self.sources):
            return  # somebody else's result, to be looked at: its methods are not run
        flows = [self.flow(words) for words in self.losses]
        if not flows:
            raise InputError("loss", "", "must be one method or more")
        object.__setattr__(self, "sources", _files(flows))
        object.__setattr__(self, "losses", tuple(map(label, flows)))
        distinct("loss", self.losses)
        distinct("over", [axis.name for axis in self.axes])
        for word, known in ((self.backend, BACKENDS), *((word, KEEP) for word in self.keep)):
            if word not in known:
                option = "backend" if known is BACKENDS else "keep"
                raise InputError(option, word, f"unknown; {nearest(word, known)}")
        if not self.keep:
            raise InputError("keep", "", "choose from " + ", ".join(KEEP))
        object.__setattr__(self, "keep", tuple(word for word in KEEP if word in self.keep))
        if self.repeats < 1:
            raise InputError("repeats", self.repeats, "must be 1 or more")
        object.__setattr__(self, "axes", tuple(self._typed(axis) for axis in self.axes))
        if self.runs > MOST_RUNS:
            raise InputError("over", f"{self.runs:,} runs", f"must be at most {MOST_RUNS:,}")
        self._check_backend()
        self._check_corners()

    @classmethod
    def make(
        cls,
        losses: Given | Sequence[Given],
        over: Over | None = None,
        backend: str = "walkers",
        repeats: int = 1,
        keep: Sequence[str] = ("verdict", "theta"),
        options: Mapping[str, Any] | None = None,
        positions: ArrayLike | None = None,
        spreads: ArrayLike = 1.0,
        **base: Any,
    ) -> Plan:
        """A plan from methods, text and numbers. `base` are numbers of RunSettings, or q_star; the
        `options` go to the methods that have them. With `positions` (K, D) the runs are among these
        modes, and θ*, q* and θ0 have K numbers, as in `modes.flow`. Raises InputError."""
        if isinstance(over, Mapping):
            over = [Axis.of(name, values) for name, values in over.items()]
        flows = methods(losses, options)
        among = None
        if positions is not None:
            if "separation" in base:
                why = "is of two modes; positions say where they are"
                raise InputError("separation", base["separation"], why)
            star, q, start = (base.pop(name, None) for name in OF_MODES[:3])
            among = Among.make(positions, spreads, star, q)
        s = settings(base, USUAL_STAR)
        if among is not None:
            s = replace(s, theta_star=None, theta0=among.start(start))
        return cls(
            tuple(flows), tuple(over or ()), s, backend, repeats, tuple(keep),
            _files(flows.values()), among,
        )  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> Plan:
        """A plan from a TOML file, whose keys are loss, over, backend, repeats, keep and the
        settings, spelled as here. Raises InputError("plan")."""
        try:
            told = tomllib.loads(path.read_text("utf-8-sig"))
        except OSError as error:
            raise InputError("plan", path, error.strerror or "cannot be read") from None
        except RecursionError:
            raise InputError("plan", path, "is nested too deeply") from None
        except ValueError as error:  # not TOML, or not text
            raise InputError("plan", path, " ".join(str(error).split())) from None
        known = ("loss", "over", "backend", "repeats", "keep", "positions", "spreads", *SETTINGS)
        for name in told:
            if name not in known:
                raise InputError("plan", f"{path}: {name}", f"unknown; {nearest(name, known)}")
        losses, keep = told.pop("loss", []), told.pop("keep", ["verdict", "theta"])
        listed = [losses] if isinstance(losses, str) else losses
        words = keep.split(",") if isinstance(keep, str) else keep
        for group in (listed, words, [told.get("backend", "")]):
            if not isinstance(group, list) or not all(isinstance(word, str) for word in group):
                raise InputError("plan", path, "loss, keep and backend are words")
        if not isinstance(told.get("over", {}), dict):
            raise InputError("plan", path, "over is a table: [over] separation = …")
        if not isinstance(told.get("repeats", 1), int):
            raise InputError("plan", f"{path}: repeats", "must be a whole number")
        try:
            return cls.make(listed, keep=words, **told)
        except InputError as error:
            if isinstance(error, OwnFileError):
                raise
            place = " ".join(f"{path}: {error.name} {error.value}".split())
            raise InputError("plan", place, error.why) from None

    @classmethod
    def from_dict(cls, told: Mapping[str, Any], trust: bool = False) -> Plan:
        """The plan that `to_dict` told. Methods in files are only run where they are trusted
        (own.Source)."""
        axes = tuple(Axis(name, tuple(values)) for name, values in told["over"])
        files = tuple(Source.from_dict(source, trust) for source in told.get("sources", ()))
        base, among = dict(told["base"]), told.get("among")
        if among is not None:
            base["theta0"] = tuple(base["theta0"])
        return cls(
            tuple(told["loss"]), axes, RunSettings(**base), told["backend"], told["repeats"],
            tuple(told["keep"]), files, None if among is None else Among.from_dict(among),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain words, numbers and lists."""
        over = [[axis.name, list(axis.values)] for axis in self.axes]
        files = {"sources": [source.to_dict() for source in self.sources]} if self.sources else {}
        return {
            "loss": list(self.losses), "over": over,
            "base": {name: getattr(self.base, name) for name in NUMBERS},
            "backend": self.backend, "repeats": self.repeats, "keep": list(self.keep),
        } | files | ({} if self.among is None else {"among": self.among.to_dict()})  # fmt: skip

    def flow(self, words: str) -> Flow:
        """The method of these words."""
        return method(words, source=source_for(words, self.sources))

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions: loss, the axes, repeat."""
        return ("loss", *(axis.name for axis in self.axes), "repeat")

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each of `dims` has. The arrays of a Result have this shape."""
        return (len(self.losses), *(len(axis.values) for axis in self.axes), self.repeats)

    @property
    def runs(self) -> int:
        """Points times repeats, those that are the same run counted as often as they occur."""
        return math.prod(self.shape)

    def run(self, index: int) -> Run:
        """The run at this place of the flattened product."""
        places = [int(k) for k in np.unravel_index(index, self.shape)]
        values = {a.name: a.values[k] for a, k in zip(self.axes, places[1:-1], strict=True)}
        options = {name: value for name, value in values.items() if name not in SETTINGS}
        given = {name: value for name, value in values.items() if name in SETTINGS}
        words = self.losses[places[0]]
        source = source_for(words, self.sources) if self.sources else None
        words = with_options(words, tuple(options.items()), source)
        s = replace(self.base, loss=words, source=source, **_with_star(given))
        return Run(s, self.backend, places[-1], self.among)

    def keys(self) -> NDArray[np.bytes_]:
        """Every run's key (runs,)."""
        return np.fromiter((self.run(k).key for k in range(self.runs)), KEY, self.runs)

    def _typed(self, axis: Axis) -> Axis:
        """The axis with values of the type that its setting, or the methods' option, has."""
        if axis.name in SETTINGS:
            if self.among is not None and axis.name in OF_MODES:
                raise InputError(
                    "over", axis.name, "is of two modes; with positions it cannot vary"
                )
            if axis.name in NOISY and self.backend != "walkers":
                raise InputError("over", axis.name, f"{self.backend} has no noise; take walkers")
            if axis.name == "q_star" and any(a.name == "theta_star" for a in self.axes):
                raise InputError("over", "q_star", "theta_star is given too; must be one")
            return axis.typed(kind_of(axis.name)())
        known: dict[str, Any] = {}
        for words in self.losses:
            known |= {f.name: f.default for f in options_of(type(self.flow(words)))}
        if axis.name not in known:
            near = nearest(axis.name, [*SETTINGS, *known])
            raise InputError("over", axis.name, f"no setting, and no option of a loss; {near}")
        for words in self.losses:
            if axis.name in split(words)[1]:
                raise InputError("over", axis.name, f"is said by the loss {words!r} too")
        return axis.typed(known[axis.name])

    def _check_backend(self) -> None:
        """Does each method run there, and do repeats make sense?"""
        if self.backend != "walkers" and self.repeats > 1:
            raise InputError("repeats", self.repeats, f"{self.backend} has no noise: must be 1")
        if self.among is not None:
            return
        target = self.base.target
        for words in self.losses:
            flow = self.flow(words)
            if why := not_on(flow, self.backend):
                raise InputError("loss", words, why)
            if self.backend == "theory" and not theory.applies(flow, target):
                raise InputError("loss", words, "has no closed form; take grid or walkers")

    def _check_corners(self) -> None:
        """What is must be intervals: where all ends of all axes are, what is between is too.
        Options may be bound to each other, so that all of them are tried."""
        numbers = [a for a in self.axes if a.name in SETTINGS]
        names = [a.name for a in numbers]
        for corner in itertools.product(*({min(a.values), max(a.values)} for a in numbers)):
            s = replace(self.base, **_with_star(dict(zip(names, corner, strict=True))))
            if self.among is not None:
                for words in self.losses:
                    check(self.flow(words), self.among.target, s, self.backend)
        options = [[(a.name, v) for v in a.values] for a in self.axes if a.name not in SETTINGS]
        for words in self.losses:
            for chosen in itertools.product(*options):
                with_options(words, chosen, source_for(words, self.sources))


def _files(flows: Iterable[Flow]) -> tuple[Source, ...]:
    """Those that hold the methods. Raises InputError where two of them have one name."""
    found: dict[str, Source] = {}
    for source in filter(None, map(source_of, flows)):
        if found.setdefault(source.file, source) != source:
            raise InputError("loss", source.file, TWO_FILES)
    return tuple(found.values())


def _with_star(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers with θ* for q*."""
    if "q_star" not in numbers:
        return dict(numbers)
    star = star_of(None, numbers["q_star"])
    return {k: v for k, v in numbers.items() if k != "q_star"} | {"theta_star": star}


def differences(old: Plan, new: Plan) -> Iterator[str]:
    """Why a result of `old` cannot be extended to `new`; nothing where it can."""
    for name, was, now in (
        ("backend", old.backend, new.backend),
        ("keep", ",".join(old.keep), ",".join(new.keep)),
        ("over", " ".join(old.dims[1:-1]), " ".join(new.dims[1:-1])),
        ("positions, spreads and θ*", _modes(old), _modes(new)),
        *((name, getattr(old.base, name), getattr(new.base, name)) for name in NUMBERS),
    ):
        swept = name in new.dims or (name == "theta_star" and "q_star" in new.dims)
        if was != now and not swept:
            yield f"{name} = {was}, here {now}"
    if old.dims == new.dims:
        for axis, wanted in zip(old.axes, new.axes, strict=True):
            if lost := [v for v in axis.values if v not in wanted.values]:
                yield f"{axis.name} = {lost[0]}, which is not in this plan"
    if lost_losses := [words for words in old.losses if words not in new.losses]:
        yield f"the loss {lost_losses[0]}, which is not in this plan"
    now = {source.file: source.sha256 for source in new.sources}
    for source in old.sources:
        if (sha := now.get(source.file, source.sha256)) != source.sha256:
            yield f"{source.file} with sha256 {source.sha256[:8]}…, here {sha[:8]}…"
    if old.repeats > new.repeats:
        yield f"repeats = {old.repeats}, here {new.repeats}"


def _modes(plan: Plan) -> str:
    """Which modes it is among, in words."""
    if plan.among is None:
        return "two modes on the line"
    return json.dumps(list(plan.among.to_dict().values()))
