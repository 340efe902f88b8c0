"""The front door: one method on every backend that applies, compared, judged and saved.

run = toyflows.flow("pcd", theta_star=1.4)
run.plot()
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from toyflows import archive, display, linear, solve
from toyflows import data as datasets
from toyflows.alarms import alarms
from toyflows.backends.grid import Grid
from toyflows.cloud import Cloud
from toyflows.errors import Diverged, InputError, nearest
from toyflows.files import available_cores, check_writable, free_memory, whole_file
from toyflows.flows import Flow, make
from toyflows.frames import Columns, Frames
from toyflows.limits import check_ranges
from toyflows.registry import options_of
from toyflows.state import Particles, State, Trajectory
from toyflows.tables import check_goes_with, told
from toyflows.target import Target
from toyflows.verdict import Verdict, changes, judge

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEPARATION = 20.0  # of the modes, where none is given
BACKENDS = ("theory", "grid", "walkers")
SUFFIXES = (".png", ".pdf", ".svg", ".json", ".csv", ".npz")
COLUMNS = ("t", "theta", "velocity", "mode_b", "crossings")  # of a saved trajectory
WITH_MODEL = ("ml", "pcd", "cd", "jarzynski", "tempering", "short-run", "replay-buffer",
              "score-matching")  # fmt: skip
RECORDS = 2000  # rows a run keeps, about
TURNING = ("converges", "on its way", "oscillates")  # of what the motion about the rest is told
Report = Callable[[str, int, int], None]  # backend, steps done, steps in all


@dataclass(frozen=True)
class Settings:
    """What makes a run what it is: two runs with equal Settings are equal in each bit."""

    loss: str
    options: dict[str, Any]
    theta0: float
    time: float
    dt: float
    rate: float
    walkers: int
    seed: int
    theta_star: float | None = None
    separation: float = SEPARATION
    data: str | None = None
    modes: tuple[float, float] | None = None
    column: str | None = None
    skip_missing: bool | None = None
    model: str | None = None

    @property
    def steps(self) -> int:
        return round(self.time / self.dt)

    @property
    def every(self) -> int:
        """Steps between records."""
        return max(1, self.steps // RECORDS)


def crossed(sentence: str, walkers: Trajectory) -> str:
    """A sentence on the exact law, and how often the walkers beside it changed mode."""
    return sentence.removesuffix(".") + f"{changes(walkers)}."


@dataclass(frozen=True)
class Run(Frames):
    """The trajectories of one method by backend name, and the verdict on them."""

    settings: Settings
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
        """On the exact law where it was followed, else on the walkers, else on the theory."""
        name = next(n for n in ("grid", "walkers", "theory") if n in self.backends)
        judged = self.backends[name]
        found = judge(self.flow, self.target, judged)
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
        """Of the run linearised where it rests, on the exact law and in the run's own time: `rate`
        times the flow's (linear.py)."""
        λ = linear.eigenvalues(self.flow, Grid(self.target, self.settings.dt))
        with np.errstate(under="ignore"):  # far from θ* both may be tiny
            return None if λ is None else self.settings.rate * λ

    @property
    def alarms(self) -> list[str]:
        """Why not to trust the particles, from the walkers where they ran, else from the grid."""
        name = next((n for n in ("walkers", "grid") if n in self.backends), None)
        return [] if name is None else alarms(self.flow, self.target, self.backends[name])

    def resume(self, time: float, report: Report | None = None) -> Run:
        """The same run continued to `time`: bit for bit what an uninterrupted run would be, up to
        how densely it is recorded."""
        settings = replace(self.settings, time=time)
        if settings.steps <= self.settings.steps:
            raise InputError("time", time, f"must be more than the {self.settings.time:g} done")
        names = list(self.backends)
        done = _run(settings, self.target, self.flow, names, self.threads, report, self)
        return replace(done, read=self.read)

    @property
    def theta_star(self) -> float:
        """θ* of the target."""
        return self.target.θ_star

    def plot(self, ax: Axes | None = None) -> Figure:
        """The signature picture: θ(t) on all backends, as a matplotlib Figure; θ(t) alone into the
        Axes `ax` of a figure of yours, which is then returned."""
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
        return columns, dataclasses.asdict(self.settings)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, ready for JSON (docs/notation.md names the keys)."""
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
        out["backends"] = {name: _columns(run) for name, run in self.backends.items()}
        out["verdict"] = dataclasses.asdict(self.verdict)
        λ = self.eigenvalues
        out["eigenvalues"] = None if λ is None else [[z.real, z.imag] for z in λ.tolist()]
        out["alarms"] = self.alarms
        return out

    def save(self, path: str | Path) -> Path:
        """Writes the run; the suffix decides: .png .pdf .svg .json .csv .npz (which `load` reads).

        Raises InputError for another suffix or a place that cannot be written.
        """
        path = Path(path)
        check_out(path)
        if path.suffix == ".npz" and self.settings.model is not None:
            raise InputError("out", path, "a model is a function, which .npz cannot hold; must be "
                             ".json, .csv or a picture")  # fmt: skip
        with whole_file(path) as temporary:
            if path.suffix == ".json":
                text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)
                temporary.write_text(text + "\n", encoding="utf-8")
            elif path.suffix == ".csv":
                temporary.write_text(_csv(self), encoding="utf-8")
            elif path.suffix == ".npz":
                np.savez(temporary, **_arrays(self))
            else:
                from toyflows.figures._signature import save_picture

                save_picture(self.plot(), temporary)
        return path


def flow(
    loss: str,
    *,
    theta_star: float | None = None,
    q_star: float | None = None,
    theta0: float = 0.0,
    separation: float | None = None,
    time: float = 100.0,
    dt: float = 0.05,
    rate: float = 1.0,
    backends: Sequence[str] | None = None,
    walkers: int = 100_000,
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

    `data` are a file's name, an array, a list, a Series, or the `column` of a DataFrame or file.
    `model` is a family of your own in place of the two modes, a `toyflows.Energy`.
    θ moves at `rate` times its flow in a time `time` by steps `dt`; the negatives move by Langevin
    steps of the same dt. Further arguments, or `options`, are the method's own (docs/methods.md;
    only `options` can hold a gan's "loss"). Raises InputError for whatever cannot be run, before
    anything is computed.
    """
    options = {**(options or {}), **more}
    method = make(loss, **options)
    names = _checked_backends(backends)
    said = {"theta_star": theta_star, "q_star": q_star, "separation": separation}
    given = {name: value for name, value in said.items() if value is not None}
    for name, value in given.items():
        if not math.isfinite(value):
            raise InputError(name, value, "must be a finite number")
    check_ranges(theta0, time, dt, rate, walkers, seed, threads)
    names = _applicable(method, names, backends, data)
    if model is not None:
        names = _with_model(method, names, backends, given, data)
    column = None if column is None else str(column)
    if model is not None:
        target, read = Target.of_model(model, given["theta_star"]), None
        model.check(theta0)
    elif data is None:
        check_goes_with(None, "data", column=column, skip_missing=skip_missing)
        target, read = _target(given, modes), None
    else:
        target, read = _fitted(given, data, modes, column, skip_missing)
    settings = Settings(
        loss, options, float(theta0), float(time), float(dt), float(rate), int(walkers), int(seed),
        target.θ_star, target.mixture.d, None if data is None else told(data), modes, column,
        skip_missing, None if model is None else repr(model),
    )  # fmt: skip
    if "walkers" in names:
        check_memory(method, walkers)
    done = _run(settings, target, method, names, _threads(threads, walkers), report)
    return replace(done, read=read)


def _run(
    settings: Settings,
    target: Target,
    method: Flow,
    names: Sequence[str],
    threads: int,
    report: Report | None,
    before: Run | None = None,
) -> Run:
    done: dict[str, Trajectory] = {}
    s = settings
    for name in names:
        if name == "theory":
            told = solve.lecture(method, target, s.theta0, s.dt, s.steps, s.rate, s.every)
            if told is not None:
                done[name] = _with_divergence(target, told)
            continue
        backend = Grid(target, s.dt) if name == "grid" else _walkers(target, s, threads)
        earlier = None if before is None else before.backends[name]
        state = None if earlier is None else earlier.state
        steps = s.steps - (0 if state is None else state.step)
        progress = None if report is None else (lambda k, n=name, of=steps: report(n, k, of))
        try:
            later = solve.run(method, backend, s.theta0, steps, s.rate, s.every, state, progress)
        except Diverged as error:
            raise error.with_limit(linear.stable_step(method, Grid(target, s.dt))) from None
        later = _with_divergence(target, later)
        done[name] = later if earlier is None else earlier.then(later)
    if not done:
        raise InputError("backend", "theory", f"{s.loss} has no closed form; take grid or walkers")
    return Run(settings, target, method, done, threads)


def _with_divergence(target: Target, run: Trajectory) -> Trajectory:
    """The run that also shows KL(ρ_* | ρ_θ) and, where weights estimate log Z_θ, the KL that this
    estimate gives: E_*[U_θ − U_*] + log_Z − log Z_*."""
    kl = target.divergence(run.θ)
    if kl is None:
        return run
    seen = run.seen | {"kl": kl}
    if "log_Z" in run.seen:
        log_Z = np.array([target.mixture.log_Z(θ) for θ in run.θ.tolist()])
        seen["kl_from_log_Z"] = kl + (run.seen["log_Z"] - log_Z)
    return replace(run, seen=seen)


def _walkers(target: Target, s: Settings, threads: int) -> Any:
    from toyflows.backends.walkers import Walkers  # numba: not before it is needed

    if not target.mixture.closed_forms:
        from toyflows.backends.energies import EnergyWalkers

        return EnergyWalkers(target, s.dt, s.walkers, s.seed, threads)
    return Walkers(target, s.dt, s.walkers, s.seed, threads)


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


def _target(given: Mapping[str, float], modes: tuple[float, float] | None) -> Target:
    if modes is not None:
        raise InputError("modes", f"{modes[0]:g} {modes[1]:g}", "goes with --data")
    if ("theta_star" in given) == ("q_star" in given):
        which = "both are given" if "q_star" in given else "neither is given"
        raise InputError("theta_star", "and --q-star", f"{which}; must be one of the two")
    separation = given.get("separation", SEPARATION)
    if "theta_star" in given:
        return Target.exact(given["theta_star"], separation)
    return Target.from_q(given["q_star"], separation)


def _checked_backends(backends: Sequence[str] | None) -> list[str]:
    for name in backends or ():
        if name not in BACKENDS:
            raise InputError("backend", name, f"unknown; {nearest(name, BACKENDS)}")
    return [name for name in BACKENDS if backends is None or not backends or name in backends]


def _applicable(
    method: Flow, names: list[str], asked: Sequence[str] | None, data: Any
) -> list[str]:
    """The backends on which the method runs; InputError where none of those asked for is."""
    if data is not None and method.needs_density:
        raise InputError(
            "data", told(data), f"{method.name} needs the density of the data, not points"
        )
    left = [name for name in names if method.sampled or name != "walkers"]
    if asked and not left:
        raise InputError("backend", "walkers", f"{method.name} is a quadrature; take grid")
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


def check_out(path: Path) -> None:
    """Raises InputError unless a run can be saved there."""
    if path.suffix not in SUFFIXES:
        raise InputError("out", path, f"the suffix must be one of {' '.join(SUFFIXES)}")
    check_writable(path)


def check_memory(method: Flow, walkers: int) -> None:
    """One float64 a persistent particle; two sets while a flow is moved step by step."""
    sets = method.copies * (1 if method.fused or not method.has_negatives else 2)
    need = 8 * walkers * sets + (100 << 20)
    free = free_memory()
    if need > free:
        raise InputError("walkers", f"{walkers:,}", f"needs {need / 2**30:.1f} GiB of memory, "
                         f"there is {free / 2**30:.1f} GiB")  # fmt: skip


def _threads(threads: int | None, walkers: int) -> int:
    if threads is not None:
        return threads
    return 1 if walkers < 100_000 else min(available_cores(), 8)


# ------------------------------------------------------------------ saving and loading
def _columns(run: Trajectory) -> dict[str, Any]:
    out: dict[str, Any] = {"t": run.t.tolist(), "theta": run.θ.tolist()}
    more = run.extra | run.seen | {"mode_b": run.mode_b}
    out |= {name: values.tolist() for name, values in more.items() if np.isfinite(values).all()}
    if run.walkers is not None:
        out["walkers"] = run.walkers
    return out


def _csv(run: Run) -> str:
    """One row a record and backend; q is p_b(θ), then what the method shows beside it. A number
    that a backend has not is left empty."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    names = list(dict.fromkeys(key for tr in run.backends.values() for key in tr.seen))
    rows.writerow(["backend", "t", "theta", "q", "mode_b", *names])
    for name, tr in run.backends.items():
        q = [run.target.mixture.weight_b(θ) for θ in tr.θ.tolist()]
        nothing = np.full(tr.t.size, math.nan)
        more = [tr.mode_b, *(tr.seen.get(key, nothing) for key in names)]
        for i, row in enumerate(zip(tr.t.tolist(), tr.θ.tolist(), q, strict=True)):
            told = (float(column[i]) for column in more)
            rows.writerow([name, *row, *("" if math.isnan(v) else v for v in told)])
    return text.getvalue()


def _arrays(run: Run) -> dict[str, Any]:
    """Every array of the run and its last states, with the settings as JSON text."""
    out: dict[str, Any] = {
        "settings": json.dumps(dataclasses.asdict(run.settings)),
        "threads": run.threads,
        "data_x": run.target.data.x,
        "modes": [run.target.mixture.a, run.target.mixture.b],
        "theta_star": run.target.θ_star,
    }
    if run.read is not None:
        out["read"] = json.dumps(run.read.to_dict(), ensure_ascii=False)
    for name, tr in run.backends.items():
        for column in COLUMNS:
            out[f"{name}/{column}"] = getattr(tr, "θ" if column == "theta" else column)
        out |= {f"{name}/extra/{key}": values for key, values in tr.extra.items()}
        out |= {f"{name}/seen/{key}": values for key, values in tr.seen.items()}
        if tr.state is None:
            continue
        s = tr.state
        out |= {f"{name}/memory/{key}": array for key, array in s.memory.items()}
        out[f"{name}/state"] = json.dumps({"step": s.step, "theta": s.θ, "extra": s.extra})
        ladder = isinstance(s.chains, tuple)
        clouds = s.chains if isinstance(s.chains, tuple) else (s.chains,) if s.chains else ()
        for k, cloud in enumerate(clouds):
            place = f"{name}/chains/{k}" if ladder else f"{name}/chains"
            out[f"{place}/x"] = cloud.x
            if cloud.logw is not None:
                out[f"{place}/logw"] = cloud.logw
    return out


def _chains(a: dict[str, Any], place: str) -> Particles | None:
    """The particles saved at `place`: a cloud, or the clouds of a ladder."""
    if f"{place}/x" in a:
        return Cloud(a[f"{place}/x"], a.get(f"{place}/logw"))
    ladder: list[Cloud] = []
    while f"{place}/{len(ladder)}/x" in a:
        k = len(ladder)
        ladder.append(Cloud(a[f"{place}/{k}/x"], a.get(f"{place}/{k}/logw")))
    return tuple(ladder) or None


def load(path: str | Path) -> Run:
    """The run that `save` wrote to an .npz file; it can be resumed. Raises InputError."""
    try:
        return _from_arrays(archive.arrays(path))
    except (OSError, RecursionError, ArithmeticError, IndexError, AttributeError, ValueError,
            KeyError, TypeError) as error:  # fmt: skip
        raise InputError("path", path, f"is not a saved run ({error})") from None


def _from_arrays(a: dict[str, Any]) -> Run:
    settings = json.loads(str(a["settings"]))
    settings["modes"] = settings["modes"] and tuple(settings["modes"])
    s = Settings(**settings)
    method = make(s.loss, **s.options)
    θ_star = float(a["theta_star"])
    target = (
        Target.of_points(a["data_x"], float(a["modes"][0]), float(a["modes"][1]), θ_star)
        if s.data is not None
        else Target.exact(θ_star, s.separation)
    )
    names = [name for name in BACKENDS if f"{name}/t" in a]
    runs = {name: _trajectory(a, name, s) for name in names}
    read = datasets.Read.from_dict(json.loads(str(a["read"]))) if "read" in a else None
    return Run(s, target, method, runs, int(a["threads"]), read)


def _trajectory(a: dict[str, Any], name: str, s: Settings) -> Trajectory:
    t, θ, velocity, mode_b, crossings = (a[f"{name}/{column}"] for column in COLUMNS)
    extra, seen, memory = (
        {key.removeprefix(start): a[key] for key in a if key.startswith(start)}
        for start in (f"{name}/extra/", f"{name}/seen/", f"{name}/memory/")
    )
    state = None
    if f"{name}/state" in a:
        kept = json.loads(str(a[f"{name}/state"]))
        chains = _chains(a, f"{name}/chains")
        state = State(kept["step"], kept["theta"], kept["extra"], chains, memory)
    walkers = s.walkers if name == "walkers" else None
    return Trajectory(
        s.loss, name, s.dt, s.rate, t, θ, velocity, mode_b, crossings, extra, seen, state, walkers
    )
