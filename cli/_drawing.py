"""What `sample` and `likelihood` do with a diffusion model, or with an exact score in its place."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyflows.cli._errors import refuse_typed
from toyflows.errors import InputError, nearest, say

if TYPE_CHECKING:
    from toyflows.cloud import Array
    from toyflows.diffusion.drawing import Exact, Plan, Subject
    from toyflows.diffusion.trained import Model

JUDGED = 5000  # samples, at most: the energy distance takes all their pairs
MOST = {"points": 1_000_000, "images": 10_000}


@dataclass(frozen=True)
class Asked:
    """What the command line says of a model and of the way to its samples."""

    checkpoint: Path | None
    exact: str | None = None
    process: str | None = None
    sampler: str | None = None
    steps: int | None = None
    spacing: str = "uniform"
    pairs: dict[str, str] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    guidance: float = 0.0
    seed: int = 0
    threads: int | None = None

    def prepared(self) -> tuple[Model | Exact, Plan]:
        """The model, or the exact law under a process, and how samples of it are drawn. The pairs
        that are not the sampler's are the process's."""
        from toyflows.diffusion import methods
        from toyflows.diffusion.drawing import Exact, Plan
        from toyflows.diffusion.processes import process
        from toyflows.registry import options_of

        model = self._model()
        default = Plan.default(model.config) if model else Plan("ancestral")
        name = self.sampler or default.sampler
        own = {f.name for f in options_of(type(methods.make(name)))}
        mine = {k: v for k, v in self.pairs.items() if k in own}
        rest = {k: v for k, v in self.pairs.items() if k not in own}
        steps = self.steps or (default.steps if name == default.sampler else 0)
        plan = Plan(name, steps, self.spacing, mine)
        if model:
            if rest:
                methods.make(name, **rest)  # refuses it
            return model, plan
        return Exact.of(str(self.exact), process(self.process or "vp", **rest)), plan

    def label(self, subject: Subject) -> int | None:
        """The place of the class among those that the subject knows."""
        if not self.classes:
            return None
        name, known = self.classes[0], subject.classes
        if len(self.classes) > 1:
            raise InputError("class", self.classes[1], "must be one class")
        if name not in known:
            raise InputError(
                "class", name, nearest(name, known) if known else "it knows no classes"
            )
        return known.index(name)

    def _model(self) -> Model | None:
        from toyflows.diffusion.trained import Model
        from toyflows.images import shipped

        if self.exact is None:
            if self.checkpoint is None:
                raise InputError("checkpoint", "none", "must be a checkpoint, or --exact NAME")
            if self.process is not None:
                raise InputError("process", self.process, "is for --exact; a model has its own")
            return Model.load(shipped.place(self.checkpoint))
        if self.checkpoint is not None:
            raise InputError("exact", self.exact, f"must be this or {self.checkpoint}, not both")
        return None


def sample(
    asked: Asked, out: Path, count: int | None, snapshots: int, quiet: bool
) -> dict[str, Any]:
    """Draws, writes the file, and says how far points are from fresh data."""
    from toyflows.diffusion import processes
    from toyflows.diffusion.drawing import guided
    from toyflows.files import check_writable
    from toyflows.seeds import stream

    subject, plan = asked.prepared()
    images = len(subject.shape) == 2
    if not images:
        refuse_typed(["snapshots"], "is for images; these are points")
    count = count or (16 if images else 1000)
    _check(out, images, count, asked.seed)
    check_writable(out)
    label = asked.label(subject)
    score = guided(subject, label, asked.guidance, asked.threads)
    began, rows = time.monotonic(), _Rows(plan.steps, snapshots)
    drawn = plan.draw(
        score, subject.process, (count, *subject.shape), stream(asked.seed, "sample"),
        "float32" if images else "float64", rows.watch if images else None,
    )  # fmt: skip
    told: dict[str, Any] = {
        "sampler": plan.sampler, "steps": plan.steps, "count": count,
        "evaluations": drawn.evaluations, "seconds": round(time.monotonic() - began, 3),
        "doubt": processes.warning_of(subject.process) or "",
    }  # fmt: skip
    if told["doubt"] and not quiet:
        say(told["doubt"])
    if not quiet:
        print("drawn   {count} samples of {0}, {evaluations} evaluations of the score in "
              "{seconds:.2f} s".format(plan.told, **told))  # fmt: skip
    x = subject.units.outward(drawn.x)
    if images:
        _save_images(out, rows)
        told["rows"] = list(rows.seen)
    else:
        told["quality"], unjudged = _judged_if_there_are_data(subject, x, out, not quiet, label)
        told["doubt"] = "; ".join(filter(None, [told["doubt"], unjudged]))
        _save_points(out, x)
    if not quiet:
        if images:
            print("rows    " + ", ".join(told["rows"]))
        print(f"saved   {out}")
    return told | {"out": str(out)}


def _judged_if_there_are_data(
    subject: Subject, x: Array, out: Path, tell: bool, label: int | None
) -> tuple[dict[str, dict[str, float]] | None, str]:
    """What a sample is worth; where a model's data are gone, or others by now, None and why it is
    not told: the samples are good without."""
    from toyflows.files import check_writable

    try:
        return judged(subject, x, tell, label), ""
    except InputError as error:
        if error.name != "target":
            raise
        check_writable(out)  # it may be the data themselves
        why = f"not judged: {error.value} {error.why}"
        say(why)
        return None, why


def judged(
    subject: Subject, x: Array, tell: bool, label: int | None = None
) -> dict[str, dict[str, float]]:
    """Distances of points from fresh data (of a class, if one is given), and of data from data."""
    from toyflows.diffusion.drawing import quality

    found = quality(x[:JUDGED], lambda n, rng: fresh(subject, label, n, rng))
    for name, q in found.items():
        if tell:
            print(
                f"  {name:16} {q.distance:.4g}, data from data {q.floor:.4g}: ratio {q.ratio:.2f}"
            )
    return {n: {"distance": q.distance, "floor": q.floor} for n, q in found.items()}


def fresh(subject: Subject, label: int | None, n: int, rng: Any) -> Array:
    """n fresh points; of a class by leaving out the others."""
    import numpy as np

    if label is None:
        return subject.fresh(n, rng)[0]
    found: list[Array] = []
    while sum(map(len, found)) < n:
        x, y = subject.fresh(4 * n, rng)
        found.append(x[y == label])
    return np.concatenate(found)[:n]


def _check(out: Path, images: bool, count: int, seed: int) -> None:
    from toyflows.limits import check_seed

    what = "images" if images else "points"
    suffixes = (".png", ".npz") if images else (".csv", ".npz", ".png")
    if out.suffix.lower() not in suffixes:
        raise InputError("out", out, f"for {what} must be {' or '.join(suffixes)}")
    if count > MOST[what]:
        raise InputError("count", count, f"must be at most {MOST[what]}")
    check_seed(seed)


class _Rows:
    """Images at a few of the times of a run, the start and the end among them."""

    def __init__(self, steps: int, snapshots: int):
        import numpy as np

        self.wanted = set(np.linspace(0, steps, snapshots + 1).round().astype(int).tolist())
        self.last, self.seen = steps, dict[str, Any]()

    def watch(self, k: int, t: float, x: Array) -> None:
        """Takes what is wanted; the end in any case, whose number may be less."""
        import numpy as np

        if k in self.wanted or t == 0:
            self.seen[f"t = {t:.3g}"] = np.clip(x, -1, 1)


def _save_images(out: Path, rows: _Rows) -> None:
    from toyflows.images import uses

    uses.save(out, list(rows.seen.values()), list(rows.seen))


def _save_points(out: Path, x: Array) -> None:
    import numpy as np

    from toyflows.display import density
    from toyflows.files import whole_file

    with whole_file(out) as temporary:
        if out.suffix.lower() == ".npz":
            np.savez(temporary, x=x)
        elif out.suffix.lower() == ".png":
            from PIL import Image

            Image.fromarray(density(x, 480)).save(temporary)
        else:
            np.savetxt(temporary, x, "%.9g", ",", header="x,y", comments="", encoding="utf-8")
