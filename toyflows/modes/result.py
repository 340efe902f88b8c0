"""What a run among K modes leaves behind: paths, weights, walkers, a verdict, and its files."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from toyflows import solve
from toyflows.alarms import few_count, never_crossed
from toyflows.cloud import Array
from toyflows.flows import Flow
from toyflows.flows.base import LEARNED
from toyflows.frames import Columns, Frames
from toyflows.modes.ahead import outlook
from toyflows.modes.family import Modes
from toyflows.modes.follow import Path, follow, lecture
from toyflows.modes.target import ModesTarget
from toyflows.registry import options_of
from toyflows.run import Report, resumed
from toyflows.run_files import check_records, save, state_arrays, state_of
from toyflows.settings import BACKENDS, RunSettings
from toyflows.verdict import Verdict, word

COLUMNS = ("t", "θ", "velocity", "shares", "crossings")  # of a saved path
SAYS = {
    "converges": "it learns the weights, and holds them",
    "on its way": "it is on its way to them",
    "biased": "it comes to rest at the wrong weights",
    "no learning": "it does not move the weights",
    "mode collapse": "it runs away from the weights",
    "oscillates": "it never settles on the weights",
}


@dataclass(frozen=True)
class Run(Frames):
    """What `modes.flow` returns: one path for each backend, and the verdict on them. Among K modes
    θ has K − 1 free coordinates, θ_2 … θ_K; θ_1 is 0."""

    settings: RunSettings
    target: ModesTarget
    flow: Flow
    backends: dict[str, Path]
    threads: int = 1

    def __repr__(self) -> str:
        s, mix = self.settings, self.target.mixture
        ends = ", ".join(
            f"{_numbers(mix.weights(p.θ[-1]))} on {n}" for n, p in self.backends.items()
        )
        return f"Run({s.loss}, {mix.K} modes in {mix.D}-D, t = {s.time:g}: weights {ends})"

    @property
    def judged(self) -> Path:
        """The path that is judged: the exact law where it was followed, else the walkers, else the
        closed form."""
        return next(self.backends[n] for n in ("grid", "walkers", "theory") if n in self.backends)

    @property
    def θ(self) -> Array:
        """θ (n, K) of the judged path at its n times, the first column 0."""
        return np.pad(self.judged.θ, ((0, 0), (1, 0)))

    @property
    def theta(self) -> Array:
        """θ (n, K), under a name without Greek letters."""
        return self.θ

    @property
    def theta_star(self) -> Array:
        """θ* (K,), the first 0."""
        return np.pad(self.target.θ_star, (1, 0))

    @property
    def weights(self) -> Array:
        """The weights softmax(−θ) (n, K) of the judged path."""
        return self.target.mixture.weights(self.judged.θ)

    @property
    def walkers(self) -> Array | None:
        """The places of the walkers at the end (D, N); None for a method that keeps none."""
        path = self.backends.get("walkers")
        cold = None if path is None or path.state is None else path.state.cold
        return None if cold is None else cold.x

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict by the rules of `toyflows.verdict`, on all coordinates together. Its number
        is max_k |θ_k − θ*_k| at the end."""
        with np.errstate(under="ignore"):  # θ̇ may be 1e−304
            return self._verdict()

    def _verdict(self) -> Verdict:
        s, path, star = self.settings, self.judged, self.target.θ_star
        ahead, near = outlook(self.flow, self.target, path, self._backend(), s.dt, s.rate)
        away = np.abs(path.θ - star)
        way, moved = (float(np.linalg.norm(v - path.θ[0], axis=-1).max()) for v in (star, path.θ))
        kind = word(ahead, bool(np.all(away[-1] <= near)),
                    moved > max(LEARNED * way, float(near.max())),
                    s.rate * float(np.linalg.norm(path.velocity[-1]))
                    / max(float(np.linalg.norm(away[-1])), float(near.max())),
                    s.time)  # fmt: skip
        start, end, true = (self._shown(θ) for θ in (path.θ[0], path.θ[-1], star))
        where = (
            f"The weights go from {start} to {end} in a time {s.time:g}, the true ones are {true}"
        )
        near_them = ahead.noise and kind == "converges"
        noise = f" (within the walkers' noise, ±{ahead.noise:.1g} in θ)" if near_them else ""
        k = int(np.argmax(away[-1]))
        now = (f"The weights are {end}, the true ones {true}; θ_{k + 2} is farthest, by "
               f"{away[-1, k]:.2g}, moving at {s.rate * path.velocity[-1, k]:+.2g}.")  # fmt: skip
        so_far = f"The weights went from {start} to {end}."
        needs = (
            ahead.needs if kind in ("on its way", "biased") and math.isfinite(ahead.needs) else None
        )
        return Verdict(kind, float(away[-1].max()), f"{where}{noise}: {SAYS[kind]}.", now, so_far,
                       needs, float(near.max()))  # fmt: skip

    def _shown(self, θ: Array) -> str:
        return _numbers(self.target.mixture.weights(θ))

    def _backend(self) -> Any:
        """The one of the judged path; None: the closed form."""
        name = next(n for n in ("grid", "walkers", "theory") if n in self.backends)
        return None if name == "theory" else backend(name, self.target, self.settings)

    @property
    def alarms(self) -> list[str]:
        """Sentences that say why the walkers cannot be trusted (`toyflows.alarms`), as far as they
        hold for K modes; [] without walkers."""
        path = self.backends.get("walkers")
        if path is None or path.state is None:
            return []
        return [*never_crossed(self.flow, path, self.settings.walkers), *few_count(path)]

    def resume(self, time: float, report: Report | None = None) -> Run:
        """The same run, continued to `time`, as `toyflows.Run.resume`.

        Raises InputError("time") unless `time` is more than what is done.
        """
        settings = resumed(self.settings, time)
        names = list(self.backends)
        return follow_all(settings, self.target, self.flow, names, self.threads, report, self)

    def plot(self) -> Any:
        """Draws the path of the weights, for K = 3 in a triangle, and the walkers at the end;
        returns the matplotlib Figure."""
        from toyflows.figures._modes import picture

        return picture(self)

    def to_dict(self) -> dict[str, Any]:
        """The run as plain numbers and lists, ready for JSON; θ has K entries, the first 0."""
        s, mix = self.settings, self.target.mixture
        θ_star = [0.0, *self.target.θ_star.tolist()]
        return {
            "loss": s.loss,
            "options": {f.name: getattr(self.flow, f.name) for f in options_of(type(self.flow))},
            "positions": mix.positions.tolist(),
            "spreads": mix.spreads.tolist(),
            "theta_star": θ_star,
            "q_star": mix.weights(self.target.θ_star).tolist(),
            "theta0": list(s.theta0),
            "time": s.steps * s.dt,
            **{name: getattr(s, name) for name in ("dt", "rate", "seed", "walkers")},
            "backends": {name: self._columns(path) for name, path in self.backends.items()},
            "verdict": dataclasses.asdict(self.verdict),
            "alarms": self.alarms,
        }

    def _frames(self) -> tuple[Mapping[str, Columns], dict[str, Any]]:
        columns = {name: self._recorded(path) for name, path in self.backends.items()}
        return columns, dataclasses.asdict(self.settings)

    def _columns(self, path: Path) -> dict[str, Any]:
        return {name: values.tolist() for name, values in self._recorded(path).items()}

    def _recorded(self, path: Path) -> dict[str, Array]:
        out = {"t": path.t, "theta": np.pad(path.θ, ((0, 0), (1, 0))),
               "q": self.target.mixture.weights(path.θ)}  # fmt: skip
        if np.isfinite(path.shares).all():
            out["negatives"] = np.column_stack([1 - path.shares.sum(axis=1), path.shares])
        if np.isfinite(path.crossings).all():
            out["crossings"] = path.crossings
        return out | path.seen

    def save(self, path: str | FilePath) -> FilePath:
        """Writes the run to a file, and returns its path. The suffix decides: a picture (.png .pdf
        .svg), numbers (.json .csv), or all (.npz, which `toyflows.load` reads).

        Raises InputError("out") for another suffix or a place that cannot be written.
        """
        return save(self, path, Run._csv, Run._arrays)

    def _csv(self) -> str:
        """One row a record and backend: t, θ_1 … θ_K, the weights, then what the method shows; a
        number that a backend has not is left empty."""
        K = self.target.mixture.K
        names = list(dict.fromkeys(key for p in self.backends.values() for key in p.seen))
        head = ["backend", "t", *(f"theta_{k + 1}" for k in range(K)),
                *(f"q_{k + 1}" for k in range(K)), *names]  # fmt: skip
        lines = [",".join(head)]
        for name, p in self.backends.items():
            columns = [p.t, np.zeros(p.t.size), *p.θ.T, *self.target.mixture.weights(p.θ).T]
            nothing = np.full(p.t.size, math.nan)
            rows = np.column_stack(columns + [p.seen.get(key, nothing) for key in names]).tolist()
            for row in rows:
                told = ("" if math.isnan(value) else repr(value) for value in row)
                lines.append(",".join([name, *told]))
        return "\n".join(lines) + "\n"

    def _arrays(self) -> dict[str, Any]:
        mix = self.target.mixture
        out: dict[str, Any] = {
            "summary": json.dumps(self.to_dict() | {"backends": {}}, ensure_ascii=False),
            "settings": json.dumps(self.settings.to_dict(), ensure_ascii=False),
            "positions": mix.positions, "spreads": mix.spreads, "threads": self.threads,
            "theta_star": self.target.θ_star,
        }  # fmt: skip
        for name, path in self.backends.items():
            out |= {f"{name}/{k}": np.asarray(v) for k, v in self._columns(path).items()}
            out |= {f"{name}/path/{c}": getattr(path, c) for c in COLUMNS}
            out |= {f"{name}/seen/{k}": v for k, v in path.seen.items()}
            out |= {} if path.state is None else state_arrays(name, path.state)
        return out if self.walkers is None else out | {"walkers": self.walkers}

    @classmethod
    def from_arrays(cls, a: Mapping[str, Any], trust: bool = False) -> Run:
        """The run that `save` wrote to an .npz, from its arrays. A method of one's own is only run
        with `trust`, or where its file is here. Raises InputError, OwnFileError."""
        s = RunSettings.from_dict(json.loads(str(a["settings"])), trust)
        target = ModesTarget(Modes(a["positions"], a["spreads"]), a["theta_star"])
        paths = {}
        for name in [n for n in BACKENDS if f"{n}/t" in a]:
            columns = {c: a[f"{name}/path/{c}"] for c in COLUMNS}
            start = f"{name}/seen/"
            seen = {key.removeprefix(start): a[key] for key in a if key.startswith(start)}
            each = {c: columns[c] for c in ("θ", "velocity", "shares")}
            check_records(columns["t"], each, (target.mixture.K - 1,))
            check_records(columns["t"], {"crossings": columns["crossings"]} | seen)
            paths[name] = Path(**columns, seen=seen, state=state_of(a, name))
        return cls(s, target, s.flow(), paths, int(a["threads"]))


def follow_all(
    s: RunSettings,
    target: ModesTarget,
    method: Flow,
    names: Sequence[str],
    threads: int,
    report: Report | None = None,
    before: Run | None = None,
) -> Run:
    """Follows the method on these backends, or goes on where the paths of `before` end."""
    θ0 = np.array(s.theta0[1:])

    def path(name: str, steps: int, state: Any, progress: Any) -> Path | None:
        if name == "theory":
            return lecture(method, target, θ0, s.dt, s.steps, s.rate, s.every)
        ops = backend(name, target, s, threads)
        return follow(method, ops, θ0, steps, s.rate, s.every, progress, state)

    done = solve.followed(
        s.steps, target, names, path, report, {} if before is None else before.backends
    )
    return Run(s, target, method, done, threads)


def backend(name: str, target: ModesTarget, s: RunSettings, threads: int = 1) -> Any:
    """The backend "grid" or "walkers". Numba is not loaded before it is needed."""
    if name == "grid":
        from toyflows.modes.plane import Plane

        return Plane(target, s.dt)
    from toyflows.modes.walkers import ModesWalkers

    return ModesWalkers(target, s.dt, s.walkers, s.seed, threads)


def _numbers(values: Array) -> str:
    """(0.5, 0.25, …) of at most six values."""
    shown = ", ".join(f"{v:.3g}" for v in values[:6].tolist())
    return f"({shown}{', …' if values.size > 6 else ''})"
