"""`toyflows ising` measures the Ising model; `toyflows ising denoise` cleans an image with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _options
from toyflows.cli._denoise import denoise
from toyflows.cli._errors import refuse_typed, refusing, say, typed
from toyflows.cli._lattice import number, picture
from toyflows.cli._output import print_json, progress_bar, say_saved, screen, table
from toyflows.errors import InputError

if TYPE_CHECKING:
    from toyflows.lattice.ising import Ising
    from toyflows.lattice.ising_chain import Record

app = typer.Typer()
app.command()(denoise)

FEWEST = 10  # sweeps
SUFFIXES = (".npz", ".csv", ".png")
Observed = dict[str, dict[str, Any]]


@app.callback(invoke_without_command=True)
def ising(
    context: typer.Context,
    size: Annotated[int, typer.Option(help="Sites per side, an even number up to 2048.")] = 64,
    temperature: Annotated[
        str,
        typer.Option(
            metavar="T[,T…]", help="One or more temperatures. The critical one is 2.26919."
        ),
    ] = "2.0,2.26919,2.5",
    sampler: Annotated[
        str, typer.Option(help="Sampler: metropolis, heat-bath or wolff.")
    ] = "wolff",
    sweeps: Annotated[int, typer.Option(help="Number of sweeps that are measured.")] = 2000,
    burn: Annotated[
        int, typer.Option(help="Number of sweeps before that; all spins start up.")
    ] = 200,
    field: Annotated[float, typer.Option(help="Field h of the energy −h Σ s.")] = 0.0,
    seed: _options.Seed = 0,
    threads: _options.Threads = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Save to .npz (series), .csv or .png (last spins); repeatable."),
    ] = None,
    json: _options.Json = False,
) -> None:
    """Measure the Ising model, with error bars, beside the exact values.

    The error bars take the autocorrelation of the chain into account.

    Example: toyflows ising --size 128 --temperature 2.2,2.3 --sampler wolff
    """
    with refusing():
        if context.invoked_subcommand is not None:
            refuse_typed(
                typed(), f"is not for {context.invoked_subcommand}: put it behind the word"
            )
            return
        models = [_model(size, T, field) for T in _temperatures(temperature)]
        _check(sampler, sweeps, field, seed, threads, out or [])
        records = _run(models, sampler, sweeps, burn, seed, threads)
        observed = [_observed(record) for record in records]
        for path in out or []:
            _save(path, records, observed)
        if json:
            print_json(
                {"size": size, "sampler": sampler, "sweeps": sweeps, "burn": burn, "field": field,
                 "seed": seed, "temperatures": [
                    {"temperature": r.model.T, "clusters": r.clusters, "observables": found}
                    for r, found in zip(records, observed, strict=True)]}
            )  # fmt: skip
        else:
            _print(records, observed, out or [])


def _temperatures(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise InputError("temperature", text, "must be numbers with commas") from None


def _model(size: int, T: float, field: float) -> Ising:
    from toyflows.lattice.ising import Ising

    return Ising(size, T, field)


def _check(
    sampler: str, sweeps: int, field: float, seed: int, threads: int | None, out: list[Path]
) -> None:
    """All that can be refused before numba is imported."""
    from toyflows.lattice.ising import MOST, SAMPLERS
    from toyflows.limits import check_seed, check_whole, check_workers

    if sampler not in SAMPLERS:
        raise InputError("sampler", sampler, f"must be {', '.join(SAMPLERS)}")
    if sampler == "wolff" and field:
        raise InputError("field", field, "must be 0 with --sampler wolff")
    check_whole("sweeps", sweeps, FEWEST, MOST)
    check_seed(seed)
    check_workers(threads=threads)
    _options.check_outs(out, SUFFIXES)


def _run(
    models: list[Ising], sampler: str, sweeps: int, burn: int, seed: int, threads: int | None
) -> list[Record]:
    from toyflows.files import available_cores
    from toyflows.lattice import ising_chain

    each, cores = burn + sweeps, threads or available_cores()
    with progress_bar("sweeps", each * len(models)) as tell:

        def one(k: int, model: Ising) -> Record:
            def done(sweep: int) -> None:
                tell(k * each + sweep)

            return ising_chain.run(model, sampler, sweeps, burn, seed, threads=cores, progress=done)

        return [one(k, model) for k, model in enumerate(models)]


def _observed(record: Record) -> Observed:
    """Of each observable value, error (None in doubt), τ, why it is in doubt, and the exact values
    of this lattice and the infinite."""
    from toyflows.lattice import ising_exact
    from toyflows.lattice.ising_observables import estimates

    model = record.model
    exact, infinite = ising_exact.exact(model), ising_exact.infinite(model)
    found: Observed = {}
    for name, e in estimates(record).items():
        known = {"exact": exact.get(name), "infinite": infinite.get(name)}
        found[name] = {"value": e.value, "error": e.believed, "tau": e.τ, "doubt": e.doubt, **known}
    return found


def _print(records: list[Record], observed: list[Observed], out: list[Path]) -> None:
    first = records[0]
    size = f"{first.model.L} × {first.model.L}"
    print(f"{size} spins, {first.sampler}, {len(first.M)} sweeps, field {first.model.h:g}")
    heads = ("T", "observable", "measured", "±", "exact", "off by", "L = ∞", "τ")
    shown = table(heads, left=["observable"], padding=(0, 1, 0, 0))
    for record, rows in zip(records, observed, strict=True):
        for k, (name, row) in enumerate(rows.items()):
            numbers = [number(row[key]) for key in ("value", "error", "exact")]
            τ = row["tau"]
            cells = [_off(row), number(row["infinite"]), f"{τ:.1f}" if τ > 0.1 else f"{τ:.1g}"]
            T = "" if k else f"{record.model.T:g}"
            shown.add_row(T, name, *numbers, *cells, end_section=k == len(rows) - 1)
    screen().print(shown)
    print(f"exact: of {size} spins; off by: in standard errors; 2τ sweeps count as one")
    for record, rows in zip(records, observed, strict=True):
        for doubt in dict.fromkeys(row["doubt"] for row in rows.values() if row["doubt"]):
            of = ", ".join(name for name, row in rows.items() if row["doubt"] == doubt)
            say(f"T = {record.model.T:g}, {of}: sweeps: {doubt}")
    say_saved(out)


def _off(row: dict[str, float | None]) -> str:
    """(measured − exact)/error."""
    value, error, exact = row["value"], row["error"], row["exact"]
    if value is None or exact is None or not error:
        return ""
    return f"{(value - exact) / error:+.1f}".replace("-", "−")


def _save(path: Path, records: list[Record], observed: list[Observed]) -> None:
    import numpy as np

    from toyflows.files import whole_file

    with whole_file(path) as temporary:
        if path.suffix == ".npz":
            np.savez(
                temporary, temperature=[r.model.T for r in records], M=[r.M for r in records],
                E=[r.E for r in records], spins=[r.spins for r in records],
                observable=list(observed[0]),
                doubt=[[row["doubt"] for row in rows.values()] for rows in observed],
            )  # fmt: skip
        elif path.suffix == ".csv":
            keys = ("value", "error", "tau", "exact", "infinite", "doubt")
            lines = ["temperature,observable," + ",".join(keys)]
            for record, rows in zip(records, observed, strict=True):
                for name, row in rows.items():
                    cells = ("" if row[key] in (None, "") else repr(row[key]) for key in keys)
                    lines.append(f"{record.model.T!r},{name}," + ",".join(cells))
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        else:
            picture(temporary, [r.spins for r in records])
