"""The files of a run: what is saved, and what can be resumed from it.

`saved.load` reads them. A run is told by its trajectories and their last states; runs among K modes
(toyflows/modes) share what is said of states.
"""

from __future__ import annotations

import csv as csv_format
import io
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from toyflows.cloud import Cloud
from toyflows.errors import InputError
from toyflows.files import check_writable, whole_file
from toyflows.method import named
from toyflows.settings import RunSettings
from toyflows.state import Particles, State, Trajectory

SUFFIXES = (".png", ".pdf", ".svg", ".json", ".csv", ".npz")
COLUMNS = ("t", "theta", "velocity", "mode_b", "crossings")  # of a saved trajectory


def check_out(path: Path) -> None:
    """Raises InputError unless a run can be saved there."""
    if path.suffix not in SUFFIXES:
        raise InputError("out", path, f"the suffix must be one of {' '.join(SUFFIXES)}")
    check_writable(path)


def save(
    run: Any,
    path: str | Path,
    csv: Callable[[Any], str],
    arrays: Callable[[Any], dict[str, Any]],
) -> Path:
    """What Run.save says, of any run."""
    path = Path(path)
    check_out(path)
    with whole_file(path) as temporary:
        if path.suffix == ".json":
            text = json.dumps(run.to_dict(), ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        elif path.suffix == ".csv":
            temporary.write_text(csv(run), encoding="utf-8")
        elif path.suffix == ".npz":
            named(run.flow)  # refuses a class that could not be loaded
            np.savez(temporary, **arrays(run))
        else:
            from toyflows.figures._signature import save_picture

            save_picture(run.plot(), temporary)
    return path


def columns(run: Trajectory) -> dict[str, Any]:
    out: dict[str, Any] = {"t": run.t.tolist(), "theta": run.θ.tolist()}
    more = run.extra | run.seen | {"mode_b": run.mode_b}
    out |= {name: values.tolist() for name, values in more.items() if np.isfinite(values).all()}
    if run.walkers is not None:
        out["walkers"] = run.walkers
    return out


def csv(run: Any) -> str:
    """One row a record and backend; q is p_b(θ), then what the method shows beside it. A number
    that a backend has not is left empty."""
    text = io.StringIO()
    rows = csv_format.writer(text, lineterminator="\n")
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


def arrays(run: Any) -> dict[str, Any]:
    """Every array of the run and its last states, with the settings as JSON text."""
    out: dict[str, Any] = {
        "settings": json.dumps(run.settings.to_dict(), ensure_ascii=False),
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
        out |= {} if tr.state is None else state_arrays(name, tr.state)
    return out


def state_arrays(name: str, s: State) -> dict[str, Any]:
    """The state on the backend of that name, as `state_of` reads it."""
    θ = np.asarray(s.θ).tolist()  # a number, or among K modes a list
    out: dict[str, Any] = {
        f"{name}/state": json.dumps({"step": s.step, "theta": θ, "extra": s.extra})
    }
    out |= {f"{name}/memory/{key}": array for key, array in s.memory.items()}
    ladder = isinstance(s.chains, tuple)
    clouds = s.chains if isinstance(s.chains, tuple) else (s.chains,) if s.chains else ()
    for k, cloud in enumerate(clouds):
        place = f"{name}/chains/{k}" if ladder else f"{name}/chains"
        out[f"{place}/x"] = cloud.x
        if cloud.logw is not None:
            out[f"{place}/logw"] = cloud.logw
    return out


def state_of(a: Mapping[str, Any], name: str) -> State | None:
    """What `state_arrays` made."""
    if f"{name}/state" not in a:
        return None
    kept = json.loads(str(a[f"{name}/state"]))
    _check_kept(kept)
    θ: Any = np.array(kept["theta"]) if isinstance(kept["theta"], list) else kept["theta"]
    start = f"{name}/memory/"
    memory = {key.removeprefix(start): a[key] for key in a if key.startswith(start)}
    return State(kept["step"], θ, kept["extra"], _chains(a, f"{name}/chains"), memory)


def _check_kept(kept: Any) -> None:
    """Raises ValueError for what is no state: the file may be anybody's."""
    step, extra = kept["step"], kept["extra"]
    if type(step) is not int or step < 0 or not isinstance(extra, dict):
        raise ValueError("its state has no step or no coordinates")
    if not np.isfinite(np.array([*extra.values(), *np.ravel(kept["theta"])], float)).all():
        raise ValueError("its state is not finite")


def check_records(t: Any, columns: Mapping[str, Any], entry: tuple[int, ...] = ()) -> None:
    """Raises ValueError unless each column of a saved path has numbers of the shape `entry` for
    each of its times t (n,), and θ is finite: the file may be anybody's."""
    wanted = (np.size(t), *entry)
    for name, values in ({"t": t} | dict(columns)).items():
        shape = wanted[:1] if name == "t" else wanted
        if values.dtype.kind not in "fiu" or values.shape != shape or not values.size:
            raise ValueError(f"{name} is {values.dtype} {values.shape}, must be numbers {shape}")
        if name in ("t", "theta", "θ") and not np.isfinite(values).all():
            raise ValueError(f"{name} is not finite")


def _chains(a: Mapping[str, Any], place: str) -> Particles | None:
    """The particles saved at `place`: a cloud, or the clouds of a ladder."""
    if f"{place}/x" in a:
        return Cloud(a[f"{place}/x"], a.get(f"{place}/logw"))
    ladder: list[Cloud] = []
    while f"{place}/{len(ladder)}/x" in a:
        k = len(ladder)
        ladder.append(Cloud(a[f"{place}/{k}/x"], a.get(f"{place}/{k}/logw")))
    return tuple(ladder) or None


def trajectory(a: dict[str, Any], name: str, s: RunSettings, method: str) -> Trajectory:
    columns = {column: a[f"{name}/{column}"] for column in COLUMNS}
    extra, seen = (
        {key.removeprefix(start): a[key] for key in a if key.startswith(start)}
        for start in (f"{name}/extra/", f"{name}/seen/")
    )
    check_records(columns["t"], columns | extra | seen)
    t, θ, velocity, mode_b, crossings = columns.values()
    walkers = s.walkers if name == "walkers" else None
    return Trajectory(
        method,
        name,
        s.dt,
        s.rate,
        t,
        θ,
        velocity,
        mode_b,
        crossings,
        extra,
        seen,
        state_of(a, name),
        walkers,
    )
