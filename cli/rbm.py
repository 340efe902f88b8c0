"""`toyflows rbm`: train a restricted Boltzmann machine, draw from it, say how likely data are."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toyflows.cli import _options, _training
from toyflows.cli._errors import refuse_typed, refusing, say
from toyflows.cli._output import print_json, progress_bar, screen, table
from toyflows.errors import InputError
from toyflows.registry import named_values

if TYPE_CHECKING:
    from toyflows.lattice.binary import Data
    from toyflows.lattice.rbm_config import Config
    from toyflows.lattice.rbm_train import Model, Record

app = typer.Typer(
    help="Train, sample and score restricted Boltzmann machines on binary images.",
    no_args_is_help=True,
)

STEPS = 2000  # where neither --steps nor --minutes says when to stop
SPELLED = ("data", "size", "hidden", "sampler", "seed", "below")  # not given by -p
SHOWN = 0.25  # seconds between two looks at a run
Checkpoint = Annotated[
    Path, typer.Argument(metavar="CHECKPOINT", help="Checkpoint made by toyflows rbm train.")
]


@app.callback()
def root() -> None:
    """Train, sample and score restricted Boltzmann machines on binary images."""


# ---- train


@app.command()
def train(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="bars-and-stripes|glyphs|FOLDER", help="Data to learn; an .npz file works too."
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Pixels per side. Default: 4 for bars-and-stripes, else 28.")
    ] = None,
    hidden: Annotated[
        int | None,
        typer.Option(
            help="Number of hidden units. Default: 16 for bars-and-stripes, else 256; with --on "
            "the pixels."
        ),
    ] = None,
    on: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT", help="Learn the hidden units of this RBM: a deep belief network."
        ),
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(help="Sampler of the model term: cd, pcd, tempering or exact.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Stop at this step. Default: 2000.")] = None,
    minutes: _options.Minutes = None,
    seed: _options.NewSeed = None,
    p: _options.Numbers = None,
    resume: _options.Resume = False,
    out: _options.CheckpointOut = Path("rbm.npz"),
    json: _options.Json = False,
) -> None:
    """Train on binary images; the run is saved on the way, and --resume continues it.

    Example: toyflows rbm train --sampler pcd -p rate=0.4 -p cosine=2000 --out bars.npz
    """
    with refusing(), _one_thread():
        from toyflows.lattice.rbm_config import Config

        if on is not None:
            refuse_typed(["data", "size"], "is that of the RBM below, with --on")
            if resume:
                raise InputError("on", on, "is in the checkpoint already, with --resume")
        given = {"data": data, "size": size, "hidden": hidden, "sampler": sampler, "seed": seed}
        given = {name: value for name, value in given.items() if value is not None}
        pairs = named_values(p or [])
        given = _training.read(Config, SPELLED, given, pairs)
        _training.check(out, resume, steps, minutes, None)
        length = _training.Length(steps, minutes).or_steps(STEPS)
        given = {"cosine": 0} | given if length.by_time and not resume else given
        model, images = _resumed(out, given) if resume else _begun(given, on)
        _training.check_used(model.config, pairs)
        length.check(model.config.cosine)
        if not resume:
            model.save(out)
        for file, why in images.skipped:
            say(f"left out {file}: {why}")
        if not json:
            print(_told(model, images))
        _run(model, images, _training.Clock(model, length), out, json)


def _one_thread() -> Any:
    """Heard by a numpy that is not imported yet: its sums then do not depend on the machine's
    cores, and a resumed run is the uninterrupted one."""
    from toyflows import workers

    return workers.environment(workers.BLAS)


def _begun(given: dict[str, Any], on: Path | None) -> tuple[Model, Data]:
    from toyflows.lattice.rbm_config import Config
    from toyflows.lattice.rbm_train import Model

    if on is None:
        config = Config(**given)
        data = config.load()
        return Model.new(config, data), data
    lower = Model.load(on)
    if lower.config.below:
        raise InputError("on", on, "stands on another RBM already; there are two layers")
    same = {name: getattr(lower.config, name) for name in ("data", "size", "threshold")}
    if "threshold" in given:
        raise InputError("p", f"threshold={given['threshold']:g}", "is that of the RBM below")
    config = Config(**given, **same, below=lower.config.hidden)
    data = lower.load_data()
    return Model.new(config, data, lower.state.rbm), data


def _resumed(out: Path, given: dict[str, Any]) -> tuple[Model, Data]:
    from toyflows.lattice.rbm_train import Model

    model = Model.load(out)
    _training.check_same(model, given, SPELLED)
    return model, model.load_data()


def _told(model: Model, data: Data) -> str:
    from toyflows.lattice.binary import BARS

    config, step = model.config, model.state.step
    below = f"on {config.below} hidden units, " if config.below else ""
    head = (f"rbm of {len(data.train)} images {config.size} × {config.size}, {below}"
            f"{config.hidden} hidden units, {config.sampler}, from step {step}")  # fmt: skip
    if config.below and config.hidden == config.size**2 and not step:
        head += "\nbegins as the RBM below, turned over: the bound begins at that one's log p"
    if config.data == BARS:
        return head
    return (f"{head}\nbinary: a pixel is 1 where its grey is above {config.threshold:g} "
            f"(-p threshold=), {data.train.mean():.0%} of them are")  # fmt: skip


def _run(model: Model, data: Data, clock: _training.Clock, out: Path, json: bool) -> None:
    """Trains until the clock says so; the last state is saved too."""
    from toyflows.lattice import rbm_train

    config, state = model.config, model.state
    records = rbm_train.train(config, state, data, lambda: model.save(out))
    if json:
        while clock.left() > 0:
            next(records)
            clock.done += 1
    else:
        _watch(config, records, clock)
    clock.tell_end()
    model.save(out)
    if json:
        print_json({"checkpoint": str(out), "step": state.step, **_summary(model, data)})
    else:
        print(f"saved   {out} at step {state.step}")


def _watch(config: Config, records: Any, clock: _training.Clock) -> None:
    """The live table."""
    from toyflows.lattice.rbm_train import EXACT

    known = "bound" if config.below else "log p"
    heads = ["step", known if config.smaller <= EXACT else "pseudo", "held out", "error"]
    seen, shown = ["", "", ""], time.monotonic()
    with _training.table([*heads, "gradient", "images/s", "left"], config.every) as show:
        while clock.left() > 0:
            record: Record = next(records)
            clock.done += 1
            if record.seen:
                log_p, valid, error = record.seen[1:4]
                seen = [f"{log_p:.3f}", "" if valid != valid else f"{valid:.3f}", f"{error:.4f}"]
            if record.seen or time.monotonic() - shown > SHOWN:
                shown = time.monotonic()
                speed = [f"{clock.samples():.0f}", clock.left_told()]
                show(record.step, [str(record.step), *seen, f"{record.norm:.3g}", *speed])


def _summary(model: Model, data: Data) -> dict[str, Any]:
    """What the model is worth now, and the curve behind it."""
    from toyflows.lattice import rbm_train

    config = model.config
    seen = rbm_train.judge(config, model.state, data, 0.0)
    exact = config.smaller <= rbm_train.EXACT
    told = {"exact": exact, "log_p": seen.log_p, "held_out": seen.valid, "error": seen.error,
            "below": config.below}  # fmt: skip
    history = model.state.history.tolist()
    return told | {"columns": list(rbm_train.Seen._fields), "history": history}


# ---- sample and score


@app.command()
def sample(
    checkpoint: Checkpoint,
    out: Annotated[
        Path, typer.Option(help="File of the images: a .png, or an .npz with the numbers.")
    ],
    count: Annotated[int, typer.Option(help="Number of images.")] = 16,
    sweeps: Annotated[int, typer.Option(help="Number of Gibbs sweeps.")] = 1000,
    snapshots: Annotated[
        int, typer.Option(help="Number of rows in the picture after the start.")
    ] = 4,
    start: Annotated[
        str, typer.Option(help="Start of the chains: noise or data; exact draws without chains.")
    ] = "noise",
    temperature: Annotated[float, typer.Option(help="Temperature T of the law e^{−E/T}.")] = 1.0,
    seed: _options.Seed = 0,
    json: _options.Json = False,
) -> None:
    """Draw images by Gibbs sampling; the last row shows each pixel's probability.

    Example: toyflows rbm sample bars.npz --out bars.png
    """
    with refusing(), _one_thread():
        from toyflows.files import check_writable
        from toyflows.images import uses
        from toyflows.lattice.binary import BARS, patterns
        from toyflows.lattice.rbm_train import Model
        from toyflows.lattice.rbm_uses import Chains, inverse

        chains = Chains(start, count, sweeps, snapshots, inverse(temperature), seed)
        uses.check_picture(out)
        check_writable(out)
        model = Model.load(checkpoint)
        if start == "exact":
            refuse_typed(["sweeps", "snapshots"], "is for chains; --start exact has none")
        with progress_bar("sweeps", sweeps) as tell:
            rows, size = chains.run(model, tell), model.config.size
        uses.save(out, [(2 * v - 1).reshape(-1, size, size) for v in rows.values()], list(rows))
        told: dict[str, Any] = {"rows": list(rows), "saved": str(out)}
        if model.config.data == BARS:
            last = [v for name, v in rows.items() if name != "probability"][-1]
            told["right"] = int(patterns(last, size).sum())
        if json:
            print_json(told)
            return
        print("rows    " + ", ".join(rows))
        if "right" in told:
            print(f"right   {told['right']} of {count} are bars or stripes")
        print(f"saved   {out}")


@app.command()
def score(
    checkpoint: Checkpoint,
    method: Annotated[
        str, typer.Option(help="Method: exact or ais. Default: exact up to 2²⁰ states.")
    ] = "",
    chains: Annotated[int, typer.Option(help="Number of chains of ais.")] = 100,
    temperatures: Annotated[int, typer.Option(help="Number of temperatures of ais.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the ais chains.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Save the curves of the training.")
    ] = None,
    json: _options.Json = False,
) -> None:
    """Print log Z and the mean log p(v) of the data, exactly or by annealed sampling (AIS).

    Example: toyflows rbm score bars.npz
    """
    with refusing(), _one_thread():
        from toyflows.files import check_writable
        from toyflows.lattice import rbm_uses
        from toyflows.lattice.rbm_train import Model
        from toyflows.limits import check_seed

        check_seed(seed)
        if out is not None:
            if out.suffix.lower() != ".csv":
                raise InputError("out", out, "must be a .csv file")
            check_writable(out)
        model = Model.load(checkpoint)
        if rbm_uses.method_of(model, method) == "exact":
            refuse_typed(["chains", "temperatures", "seed"], "is for --method ais; this is exact")
        data = model.load_data()
        with progress_bar("temperatures", temperatures) as tell:
            told = rbm_uses.score(model, data, method, chains, temperatures, seed, tell)
        if out is not None:
            rbm_uses.save_curves(model, out)
        if json:
            print_json(told)
        else:
            _print_score(told)


def _print_score(told: dict[str, Any]) -> None:
    print(f"log Z   {told['log_Z']:.4f} ({told['method']})")
    if told["method"] == "ais":
        print(f"        {told['low']:.4f} … {told['high']:.4f}: three standard errors, "
              f"{told['effective']:.1f} effective chains")  # fmt: skip
    if "bound" in told:
        error = f" ± {told['bound_error']:.4f}" if told["bound_error"] else ""
        print(f"bound   {told['bound']:.4f}{error}, in nats an image: log p is at least this")
    if "log_p" in told:
        print(f"log p   {told['log_p']:.4f} of the data, in nats an image")
    if "below" in told:
        print(f"        {told['below']:.4f} of the RBM below, alone")
    if "held_out" in told:
        print(f"        {told['held_out']:.4f} of images held out")
    if "kl" in told:
        print(f"KL      {told['kl']:.4f} from the data to the model")
    if told["doubt"]:
        say(str(told["doubt"]))


# ---- classify


@app.command()
def classify(
    checkpoint: Checkpoint,
    labels: Annotated[
        str, typer.Option(help="Labelled images of each class, with commas.")
    ] = "1,5,20",
    seeds: Annotated[int, typer.Option(help="Number of draws of the labelled images.")] = 3,
    json: _options.Json = False,
) -> None:
    """Compare pixels, features and pre-training for a classifier that has few labels.

    Example: toyflows rbm classify letters.npz --labels 1,5 --seeds 2
    """
    with refusing(), _one_thread():
        from toyflows.lattice import features
        from toyflows.lattice.rbm_train import Model
        from toyflows.limits import check_whole

        each = _whole_numbers(labels)
        check_whole("seeds", seeds, 2, 100)
        model = Model.load(checkpoint)
        data = features.Labelled.of(model)
        data.check(each)
        found = []
        with progress_bar("classifiers", len(each) * seeds * len(features.WAYS)) as tell:
            for score in features.compare(model, data, each, seeds):
                found.append(score)
                tell(len(found))
        rows, n = features.summary(found), len(data.test.y)
        if json:
            print_json({"classes": data.classes, "test": n, "errors": rows})
        else:
            _print_errors(rows, n, seeds)


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError:
        raise InputError("labels", text, "must be whole numbers with commas") from None


def _print_errors(rows: list[dict[str, Any]], n: int, seeds: int) -> None:
    from toyflows.lattice.features import WAYS

    print(f"share of {n} test images misread, mean of {seeds} draws of the labelled images")
    shown = table(["labels a class", *WAYS])
    for each in dict.fromkeys(row["labels"] for row in rows):
        own = {row["way"]: row for row in rows if row["labels"] == each}
        cells = (f"{own[w]['error']:.3f} ± {own[w]['standard_error']:.3f}" for w in WAYS)
        shown.add_row(str(each), *cells)
    screen(markup=False, width=100).print(shown)
    print("±: the standard error of these draws; the RBM and the test images are the same in all")
