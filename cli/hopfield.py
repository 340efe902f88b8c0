"""`toyflows hopfield` stores patterns and follows a damaged one to where it comes to rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _options
from toyflows.cli._errors import refuse_typed, refusing
from toyflows.cli._output import print_json, progress_bar, say_saved, screen, table
from toyflows.errors import InputError
from toyflows.limits import STEEPEST, check_between, check_seed, check_whole

if TYPE_CHECKING:
    from toyflows.cloud import Array
    from toyflows.lattice.hopfield import Path as Trace
    from toyflows.lattice.patterns import Patterns

SUFFIXES = (".csv", ".png", ".npz")
RULES = ("hebb", "gradient")
SHOWN = 8  # overlaps of a row of the table; the JSON has all


def hopfield(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATTERNS", help="Patterns: letters, cities, a text file of equal lines, a "
            "letters file (blocks of # and .), pictures, or a folder or .npz of them."),
    ] = None,
    rule: Annotated[
        str, typer.Option(help="Learning rule: hebb, or gradient (MacKay's algorithm 42.9).")
    ] = "hebb",
    decay: Annotated[float, typer.Option(help="Weight decay of the gradient rule.")] = 0.01,
    update: Annotated[
        str, typer.Option(help="Updates: asynchronous (random order), sequential or synchronous.")
    ] = "asynchronous",
    start: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Start: a pattern's name, or a state: text, or rows of "
                     "# and . with / between; ? is unknown. Default: the first pattern."),
    ] = None,
    flip: Annotated[
        int | None, typer.Option(help="Flip this many units. Default: 3 without --start.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="Temperature T in the units of the weights; 0: no noise.")
    ] = 0.0,
    gain: Annotated[
        float | None,
        typer.Option(help="Gain β of graded units tanh(β a), each updated in turn (Hopfield 1984).",
                     show_default="units of +1 and −1"),
    ] = None,
    sweeps: Annotated[int, typer.Option(help="Largest number of steps.")] = 20,
    size: Annotated[int, typer.Option(help="Pixels per side, for a folder or an .npz.")] = 16,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Save the path to .csv, .npz or .png (states); repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the flips and of the update order.")] = 0,
    json: _options.Json = False,
) -> None:  # fmt: skip
    """Store patterns in a Hopfield network and recall one: energy and overlaps along the way.

    Example: toyflows hopfield cities --rule gradient --start "moscow-???????????"
    """
    with refusing():
        _check(rule, update, temperature, sweeps, seed, out or [])
        if rule == "hebb":
            refuse_typed(["decay"], "is for --rule gradient")
        if gain is not None:
            refuse_typed(["update", "temperature"], "is for units of ±1, without --gain")
            check_between("gain", gain, 1 / STEEPEST, STEEPEST)
        from toyflows.lattice import patterns as sets
        from toyflows.lattice.continuous import Continuous

        named = patterns or ["letters"]
        if not any(map(sets.fitted, named)):
            refuse_typed(["size"], "is for a folder or an .npz")
        stored = sets.load(named, size)
        net = _learned(rule, stored.x, decay)
        s = _start(stored, start, flip, seed)
        if gain is None:
            path = net.path(s, update, seed, temperature, sweeps)
        else:
            path = Continuous(net, gain).path(s, sweeps, 1e-6)
        found = _summary(stored, path, net)
        for file in out or []:
            _save(file, stored, path, found, net.W)
        if json:
            print_json(found)
        else:
            _print(stored, path, found, out or [])


def _check(
    rule: str, update: str, temperature: float, sweeps: int, seed: int, out: list[Path]
) -> None:
    if rule not in RULES:
        raise InputError("rule", rule, f"must be {' or '.join(RULES)}")
    if update not in ("asynchronous", "sequential", "synchronous"):
        raise InputError("update", update, "must be asynchronous, sequential or synchronous")
    check_between("temperature", temperature, 0, STEEPEST)
    check_whole("sweeps", sweeps, 1, 10_000)
    check_seed(seed)
    _options.check_outs(out, SUFFIXES)


def _learned(rule: str, x: Array, decay: float) -> Any:
    from toyflows.lattice import hopfield as nets

    if rule == "hebb":
        return nets.hebb(x)
    with progress_bar("steps of the gradient rule", nets.STEPS) as tell:
        return nets.gradient_rule(x, decay, progress=tell)


def _start(stored: Patterns, words: str | None, flip: int | None, seed: int) -> Array:
    """The state to begin at."""
    import numpy as np

    s = stored.x[0].copy() if words is None else stored.start(words)
    flips = (min(3, s.size) if words is None else 0) if flip is None else flip
    if not 0 <= flips <= s.size:
        raise InputError("flip", flips, f"must be 0 to {s.size}")
    s[np.random.default_rng(seed).permutation(s.size)[:flips]] *= -1
    return s


def _summary(stored: Patterns, path: Trace, net: Any) -> dict[str, Any]:
    """What is printed: the steps, how it ended, and what it ended at."""
    import numpy as np

    from toyflows.lattice.hopfield import overlaps

    m = overlaps(path.states, stored.x)
    steps = [
        {"step": k, "energy": float(E), "overlaps": row.tolist(), "state": stored.draw(s)}
        for k, (E, row, s) in enumerate(zip(path.energies, m, path.states, strict=True))
    ]
    best = int(np.argmax(np.abs(m[-1])))
    # Whole sums of ±1, the signs of graded units: an overlap of a memory is 1 to the last bit.
    signs = np.sign(np.round(path.states[-1], 9))
    exact = abs(overlaps(signs, stored.x)[best]) == 1
    kind = ("memory" if m[-1, best] > 0 else "inverse") if exact else "none"
    margin = stored.x * net.activations(stored.x)
    return {
        "end": path.end, "kind": kind, "nearest": stored.names[best],
        "overlap": float(m[-1, best]), "units": stored.x.shape[1],
        "patterns": list(stored.names), "at_rest": int(np.sum(margin.min(axis=1) >= 0)),
        "steps": steps,
    }  # fmt: skip


def _save(file: Path, stored: Patterns, path: Trace, found: dict[str, Any], W: Array) -> None:
    import numpy as np

    from toyflows.files import whole_file
    from toyflows.lattice.hopfield import overlaps

    m = overlaps(path.states, stored.x)
    with whole_file(file) as temporary:
        if file.suffix == ".npz":
            np.savez(temporary, states=path.states, energy=path.energies, overlaps=m,
                     patterns=stored.x, names=np.array(stored.names), W=W)  # fmt: skip
        elif file.suffix == ".csv":
            import csv

            with temporary.open("w", newline="", encoding="utf-8") as text:
                table = csv.writer(text)
                table.writerow(["step", "energy", *stored.names])
                for step in found["steps"]:
                    table.writerow([step["step"], step["energy"], *step["overlaps"]])
        else:
            from PIL import Image

            grey = np.round(127.5 * (1 - path.states)).astype(np.uint8).reshape(-1, *stored.shape)
            framed = np.pad(grey, ((0, 0), (1, 1), (1, 1)), constant_values=200)
            scale = max(1, 160 // max(stored.shape))
            Image.fromarray(np.hstack(list(framed)).repeat(scale, 0).repeat(scale, 1)).save(
                temporary
            )


def _print(stored: Patterns, path: Trace, found: dict[str, Any], out: list[Path]) -> None:
    names = stored.names[:SHOWN]
    heads = ["state", "nearest", "overlap"] if stored.text else [name[:12] for name in names]
    widest = 24 + 16 * len(heads) + 2 * stored.shape[0]  # no word is broken in a narrow terminal
    print(f"{len(stored.names)} patterns of {found['units']} units, "
          f"{found['at_rest']} of them at rest")  # fmt: skip
    shown = table(["step", "energy", *heads])
    for step in found["steps"]:
        m = step["overlaps"]
        if stored.text:
            best = max(range(len(m)), key=lambda k: abs(m[k]))
            cells = [step["state"], stored.names[best], f"{m[best]:+.2f}"]
        else:
            cells = [f"{v:+.2f}" for v in m[:SHOWN]]
        shown.add_row(str(step["step"]), f"{step['energy']:.6g}", *cells)
    screen(markup=False, width=widest).print(shown)
    if not stored.text:
        _side_by_side([step["state"] for step in found["steps"]])
    print(_verdict(found))
    say_saved(out)


def _side_by_side(drawings: list[str], columns: int = 100) -> None:
    """Drawings in a row with arrows' room between, as many as there is room for."""
    width = len(drawings[0].split("\n")[0]) + 3
    fit = max(1, columns // width)
    if len(drawings) > fit:  # the start and the end tell most
        drawings = [*drawings[: fit - 1], drawings[-1]] if fit > 1 else drawings[-1:]
    for rows in zip(*(drawing.split("\n") for drawing in drawings), strict=True):
        print("   ".join(rows))


def _verdict(found: dict[str, Any]) -> str:
    n, name = len(found["steps"]) - 1, found["nearest"]
    steps = f"{n} step{'s' * (n != 1)}"
    end = {"rest": f"at rest after {steps}", "cycle": "in a cycle of two states",
           "running": f"not at rest after {steps}"}[found["end"]]  # fmt: skip
    where = {
        "memory": f"the pattern {name}",
        "inverse": f"the inverse of {name}",
        "none": f"no pattern; nearest is {name}, overlap {found['overlap']:+.2f}",
    }[found["kind"]]
    return f"{end}: {where}"
