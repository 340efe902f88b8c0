"""The front door: one method on every backend that applies, compared, judged and saved.

run = toyflows.flow("pcd", theta_star=1.4)
run.plot()
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toyflows import data as datasets
from toyflows import display, linear, run_files, solve
from toyflows.alarms import alarms
from toyflows.backends.exact import exact_law
from toyflows.errors import Diverged, InputError, NoExactLaw
from toyflows.flows import Flow
from toyflows.frames import Columns, Frames
from toyflows.limits import ONE_RUN, check_workers
from toyflows.method import Given, label, with_more
from toyflows.method import method as method_of
from toyflows.registry import options_of
from toyflows.settings import (
    USUAL_STAR,
    RunSettings,
    backends_of,
    check_number,
    check_particles,
    not_on,
    settings,
    threads_for,
)
from toyflows.state import Trajectory
from toyflows.tables import check_goes_with, told
from toyflows.target import Target
from toyflows.verdict import Verdict, changes, judge

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WITH_MODEL = ("ml", "pcd", "cd", "jarzynski", "tempering", "short-run", "replay-buffer",
              "score-matching")  # fmt: skip
TURNING = ("converges", "on its way", "oscillates")  # of what the motion about the rest is told
Report = Callable[[str, int, int], None]  # backend, steps done, steps in all


def crossed(sentence: str, walkers: Trajectory) -> str:
    """The sentence on the exact law, followed by how often the walkers beside it changed mode."""
    return sentence.removesuffix(".") + f"{changes(walkers)}."


@dataclass(frozen=True)
class Run(Frames):
    """What `flow` returns: one trajectory for each backend, and the verdict on them.

    `backends` maps "theory", "grid" and "walkers" to `state.Trajectory`s: t, θ, θ̇, the share of the
    negatives in b and the crossings, each (n,). `settings`, `target` and `flow` say what was run;
    `read` says what was read where the target are data.
    """

    settings: RunSettings
    target: Target
    flow: Flow
    backends: dict[str, Trajectory]
    threads: int = 1
    read: datasets.Read | None = None

    def __repr__(self) -> str:
        ends = ", ".join(f"{tr.θ[-1]:.4g} on {name}" for name, tr in self.backends.items())
        read = "" if self.read is None else f"; {self.read}"
        return f"Run({self._setting}: θ = {self.settings.theta0:g} → {ends}{read})"

    def _repr_html_(self) -> str:
        from toyflows.figures._signature import picture_png

        q, ends = self.target.mixture.weight_b, self.backends.items()
        rows = [(name, float(tr.θ[-1]), q(float(tr.θ[-1]))) for name, tr in ends]
        rows.append(("target", self.target.θ_star, self.target.q_star))
        drawn = display.picture(picture_png(self), 960, f"θ(t) and densities of {self._setting}")
        told = display.words(f"{self._setting}, from θ0 = {self.settings.theta0:g}, "
                             f"dt = {self.settings.dt:g}, rate {self.settings.rate:g}")  # fmt: skip
        return display.page(
            display.words(self.verdict.says, f"{self.verdict.kind}."), drawn, told,
            *([] if self.read is None else [display.words(str(self.read))]),
            display.table(rows, ("", "θ", "weight of b")),
            *(display.words(alarm, "alarm:") for alarm in self.alarms),
        )  # fmt: skip

    @property
    def _setting(self) -> str:
        """In one line."""
        s = self.settings
        given = "".join(f" {name}={value}" for name, value in s.options.items())
        return (f"{s.loss}{given}, θ* = {self.target.θ_star:.4g}, "
                f"d = {self.target.mixture.d:.4g}, t = {s.steps * s.dt:g}")  # fmt: skip

    @cached_property
    def verdict(self) -> Verdict:
        """The word, its number and the sentences (`verdict.judge`). The exact law is judged where
        it was followed, else the walkers, else the closed form."""
        name = next(n for n in ("grid", "walkers", "theory") if n in self.backends)
        judged = self.backends[name]
        alone = name == "walkers" or not self.flow.exact
        ops = _walkers(self.target, self.settings, self.threads) if alone else None
        found = judge(self.flow, self.target, judged, ops)
        seen = self.backends.get("walkers")
        if name == "grid" and seen is not None:  # what the walkers add: how often they crossed
            found = replace(found, so_far=crossed(found.so_far, seen))
            if found.kind == "mode collapse":
                found = replace(found, says=crossed(found.says, seen))
        turning = "" if self.eigenvalues is None else linear.motion(self.eigenvalues)
        if found.kind not in TURNING:
            turning = ""
        return replace(found, says=f"{found.says} {turning}".rstrip())

    @cached_property
    def eigenvalues(self) -> NDArray[np.complex128] | None:
        """The eigenvalues λ of the run linearised at its rest, δ̇ = λδ, on the exact law and in the
        run's own time: `rate` times those of the flow (`linear`). None where nothing rests."""
        λ = linear.eigenvalues(self.flow, exact_law(self.target, self.settings.dt))
        with np.errstate(under="ignore"):  # far from θ* both may be tiny
            return None if λ is None else self.settings.rate * λ

    @property
    def alarms(self) -> list[str]:
        """Sentences that say why the particles cannot be trusted (`toyflows.alarms`). They are
        about the walkers where these ran, else about the grid; [] where there is nothing to say."""
        name = next((n for n in ("walkers", "grid") if n in self.backends), None)
        return [] if name is None else alarms(self.flow, self.target, self.backends[name])

    def resume(self, time: float, report: Report | None = None) -> Run:
        """The same run, continued to `time`. Its bits are those of an uninterrupted run; only the
        times that are recorded may differ.

        Raises InputError("time") unless `time` is more than what is done, and Diverged.
        """
        settings = resumed(self.settings, time)
        names = list(self.backends)
        done = _run(settings, self.target, self.flow, names, self.threads, report, self)
        return replace(done, read=self.read)

    @property
    def theta_star(self) -> float:
        """θ* of the target, under a name without Greek letters."""
        return self.target.θ_star

    def plot(self, ax: Axes | None = None) -> Figure:
        """Draws the run and returns the matplotlib Figure: θ(t) on all backends, and the densities
        at the end. With `ax`, only θ(t) is drawn, into these Axes of a figure of yours."""
        from toyflows.figures._signature import into, picture

        return picture(self) if ax is None else into(ax, self)

    def _frames(self) -> tuple[Mapping[str, Columns], dict[str, Any]]:
        q = self.target.mixture.weight_b
        columns: dict[str, Columns] = {}
        for name, tr in self.backends.items():
            weight = np.array([q(θ) for θ in tr.θ.tolist()], np.float64)
            found = {"t": tr.t, "theta": tr.θ, "q": weight, "velocity": tr.velocity,
                     "mode_b": tr.mode_b, "crossings": tr.crossings}  # fmt: skip
            columns[name] = found | tr.extra | tr.seen
        return columns, self.settings.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """The run as plain numbers and lists, ready for JSON. docs/notation.md names the keys."""
        s = self.settings
        out: dict[str, Any] = {
            "loss": s.loss,
            "options": {f.name: getattr(self.flow, f.name) for f in options_of(type(self.flow))},
            "theta_star": self.target.θ_star,
            "q_star": self.target.q_star,
            "theta0": s.theta0,
            "separation": self.target.mixture.d,
            "time": s.steps * s.dt,
            "dt": s.dt,
            "rate": s.rate,
            "seed": s.seed,
        }
        if s.data is not None:
            out["data"] = {"source": s.data, "points": self.target.data.x.size}
            out["data"] |= {} if self.read is None else self.read.to_dict()
        out["backends"] = {name: run_files.columns(run) for name, run in self.backends.items()}
        out["verdict"] = dataclasses.asdict(self.verdict)
        λ = self.eigenvalues
        out["eigenvalues"] = None if λ is None else [[z.real, z.imag] for z in λ.tolist()]
        out["alarms"] = self.alarms
        return out

    def save(self, path: str | Path) -> Path:
        """Writes the run to a file, and returns its path. The suffix decides what is written: a
        picture (.png .pdf .svg), numbers (.json .csv), or all (.npz, which `toyflows.load` reads).

        Raises InputError("out") for another suffix, for a place that cannot be written, and for an
        .npz of a model of one's own, which is a function.
        """
        if Path(path).suffix == ".npz" and self.settings.model is not None:
            raise InputError("out", path, "a model is a function, which .npz cannot hold; must be "
                             ".json, .csv or a picture")  # fmt: skip
        return run_files.save(self, path, run_files.csv, run_files.arrays)


def resumed(settings: RunSettings, time: float) -> RunSettings:
    """The settings of a run that goes on to `time`. Raises InputError("time") unless that is more
    than what is done."""
    later = replace(settings, time=check_number("time", time))
    if later.steps <= settings.steps:
        raise InputError("time", time, f"must be more than the {settings.time:g} done")
    return later


def flow(
    loss: Given,
    /,
    *,
    theta_star: float | None = None,
    q_star: float | None = None,
    theta0: float = 0.0,
    separation: float | None = None,
    time: float = 100.0,
    dt: float = 0.05,
    rate: float = 1.0,
    backends: str | Sequence[str] | None = None,
    walkers: int = ONE_RUN,
    seed: int = 0,
    threads: int | None = None,
    data: Any = None,
    modes: tuple[float, float] | None = None,
    column: str | int | None = None,
    skip_missing: bool | None = None,
    report: Report | None = None,
    model: Any = None,
    options: Mapping[str, Any] | None = None,
    **more: Any,
) -> Run:
    """Runs the training method `loss` towards θ* (or q* = p_b(θ*)) or towards data, from θ0.

    `loss` is "pcd", "cd k=10", a Python file of one's own "my.py:Name k=3", a Flow or its class.
    `data` are a file's name, an array, a list, a Series, or the `column` of a DataFrame or file.
    `model` is a family of your own in place of the two modes, a `toyflows.Energy` or `PlaneEnergy`.
    θ moves at `rate` times its flow in a time `time` by steps `dt`; the negatives move by Langevin
    steps of the same dt. Further arguments, or `options`, are the method's own (docs/methods.md).
    Raises InputError for whatever cannot be run, before anything is computed.
    """
    method = method_of(loss, with_more(loss, options, more, flow))
    names = _applicable(method, backends_of(backends), backends, data)
    check_workers(threads=threads)
    numbers = {"theta0": theta0, "time": time, "dt": dt, "rate": rate, "walkers": walkers,
               "seed": seed}  # fmt: skip
    said = {"theta_star": theta_star, "q_star": q_star, "separation": separation}
    given = {name: check_number(name, v) for name, v in said.items() if v is not None}
    column, read = None if column is None else str(column), None
    if model is not None:
        names = _with_model(method, names, backends, given, data)
        target = Target.of_model(model, given["theta_star"])
        s = replace(settings(numbers | given), model=repr(model))
        model.check(s.theta0)
        names = _with_law(method, target, s, names, backends)
    elif data is None:
        check_goes_with(None, "data", column=column, skip_missing=skip_missing)
        if modes is not None:
            raise InputError("modes", f"{modes[0]:g} {modes[1]:g}", "goes with --data")
        s = settings(numbers | given)
        target = s.target
    else:
        s = settings(numbers, USUAL_STAR)
        target, read = _fitted(given, data, modes, column, skip_missing)
        s = replace(s, data=told(data), modes=modes, column=column, skip_missing=skip_missing)
    if model is None:
        s = replace(s, theta_star=target.θ_star, separation=target.mixture.d)
    if "walkers" in names:
        check_particles(method, s.walkers)
    done = _run(of_method(s, method), target, method, names, threads or threads_for(s.walkers),
                report)  # fmt: skip
    return replace(done, read=read)


def exact(s: RunSettings, method: Flow, threads: int, report: Report | None = None) -> Run:
    """Runs the method on "theory" and "grid", as far as it has a closed form and an exact law."""
    names = [name for name in ("theory", "grid") if not not_on(method, name)]
    return _run(of_method(s, method), s.target, method, names, threads, report, at_least=0)


def of_method(s: RunSettings, method: Flow) -> RunSettings:
    """The settings with the method's name in words, and its text where it stands in a file. A class
    whose text is not found gets its label only: such a run cannot be loaded again."""
    try:
        return s.with_method(method)
    except InputError:
        return replace(s, loss=label(method))


def _run(
    settings: RunSettings,
    target: Target,
    method: Flow,
    names: Sequence[str],
    threads: int,
    report: Report | None,
    before: Run | None = None,
    at_least: int = 1,
) -> Run:
    s = settings

    def follow(name: str, steps: int, state: Any, progress: Any) -> Trajectory | None:
        if name == "theory":
            return solve.lecture(method, target, s.theta0, s.dt, s.steps, s.rate, s.every)
        backend = exact_law(target, s.dt) if name == "grid" else _walkers(target, s, threads)
        try:
            return solve.run(method, backend, s.theta0, steps, s.rate, s.every, state, progress)
        except Diverged as error:
            raise error.with_limit(linear.stable_step(method, exact_law(target, s.dt))) from None

    done = solve.followed(
        s.steps, target, names, follow, report, {} if before is None else before.backends
    )
    if len(done) < at_least:
        raise InputError("backend", "theory", f"{s.loss} has no closed form; take grid or walkers")
    return Run(settings, target, method, done, threads)


def _walkers(target: Target, s: RunSettings, threads: int) -> Any:
    if target.mixture.closed_forms:  # numba: not before it is needed
        from toyflows.backends.walkers import Walkers as Kind
    elif target.mixture.dimension == 1:
        from toyflows.backends.energies import EnergyWalkers as Kind
    else:
        from toyflows.backends.plane import PlaneWalkers as Kind
    return Kind(target, s.dt, s.walkers, s.seed, threads)


def _fitted(
    given: Mapping[str, float], data: Any, modes: tuple[float, float] | None, column: str | None,
    skip_missing: bool | None,
) -> tuple[Target, datasets.Read]:  # fmt: skip
    """The data in units of their modes' spread, and what was read."""
    for name, value in given.items():
        raise InputError(name, value, "is fitted when --data is given")
    table = datasets.read(data, column, skip_missing)
    fitted = datasets.standardise(table.x[:, 0], datasets.fit(table.x[:, 0], modes))
    try:
        target = Target.of_points(fitted.x, fitted.a, fitted.b, fitted.θ_star)
    except InputError as error:
        why = f"its modes are {error.value:.4g} of their spreads apart; {error.why}"
        raise InputError("data", told(data), why) from None
    return target, datasets.Read.of(told(data), table, fitted.fit)


def _applicable(
    method: Flow, names: list[str], asked: str | Sequence[str] | None, data: Any
) -> list[str]:
    """The backends on which the method runs; InputError where none of those asked for is."""
    if data is not None and method.needs_density:
        raise InputError(
            "data", told(data), f"{method.name} needs the density of the data, not points"
        )
    why = {name: not_on(method, name) for name in names}
    left = [name for name in names if not why[name]]
    if asked and not left:
        raise InputError("backend", names[-1], f"{method.name} {why[names[-1]]}")
    return left


def _with_model(
    method: Flow, names: Sequence[str], asked: Sequence[str] | None, given: Mapping[str, float],
    data: Any,
) -> list[str]:  # fmt: skip
    """The backends of a family of one's own. Raises InputError for what needs two modes."""
    for name, value in (("data", data), *given.items()):
        if value is not None and name != "theta_star":
            raise InputError(name, value, "does not go with a model; must be theta_star")
    if "theta_star" not in given:
        raise InputError("theta_star", None, "must be given with a model")
    if type(method).__module__.startswith("toyflows.flows.") and method.name not in WITH_MODEL:
        why = f"is for two Gaussian modes; with a model take {', '.join(WITH_MODEL)}"
        raise InputError("loss", method.name, why)
    if asked and "theory" in asked:
        raise InputError("backend", "theory", "a model has no closed form; take grid or walkers")
    return [name for name in names if name != "theory"]


def _with_law(
    method: Flow, target: Target, s: RunSettings, names: list[str], asked: Any
) -> list[str]:
    """The backends but the exact law where a step has none; NoExactLaw if it alone is asked for."""
    try:
        if "grid" in names:
            solve.run(method, exact_law(target, s.dt), s.theta0, 1, s.rate)
    except NoExactLaw:
        if asked and names == ["grid"]:
            raise
        return [name for name in names if name != "grid"]
    return names
