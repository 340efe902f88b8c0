"""The room of noise: what is seen is a function of settings and step, and equals the library's."""

from __future__ import annotations

import io
import math
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bokeh.document import Document
from scipy.integrate import quad
from typer.testing import CliRunner

from toyflows import stats
from toyflows.cli.main import app
from toyflows.diffusion.gaussians import Gaussians, two_modes
from toyflows.diffusion.processes import VE, VP
from toyflows.errors import InputError
from toyflows.lab import _controls
from toyflows.lab import _noise_act as act
from toyflows.lab import _noise_laws as laws
from toyflows.lab import _noise_lines as lines
from toyflows.lab import _noise_marks as marks
from toyflows.lab import _noise_paths as paths
from toyflows.lab import _noise_scenes as scenes
from toyflows.lab import _noise_training as training
from toyflows.lab._job import Cancelled, Job
from toyflows.lab._look import Look, mixed
from toyflows.lab._noise_view import NoiseView
from toyflows.lab._packed import pack_points, unpack_points
from toyflows.lab.rooms.noise import ACTS, Noise

ROOM = Noise()
DOT = pack_points([[0.0, 0.0]], laws.REACH)


def nothing(_: Any) -> None:
    """Nobody listens."""


def job() -> Job:
    return Job(lambda job: None, nothing, nothing, nothing)


def settings(**given: Any) -> dict[str, Any]:
    """As the page reads them: strings of an address."""
    query = {name: str(value) for name, value in given.items()}
    values, refused = _controls.read(ROOM.controls(query), query)
    assert not refused
    return values


def seen(values: dict[str, Any], *steps: int) -> dict[str, Any]:
    scene = ROOM.start(values, job())
    for n in steps:
        scene.advance(n, job())
    return scene.frame()


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, np.ndarray):
            assert value.dtype == other[name].dtype, name
            assert np.array_equal(value, other[name], equal_nan=True), name
        else:
            assert value == other[name], name


@pytest.fixture(autouse=True)
def _forgetful() -> None:
    """No test leans on what another has left in the memory."""
    act.MEMORY.kept.clear()
    act.MEMORY.bytes = 0


SETTINGS = {
    "scores": (settings(walkers=50, seed=3), 70, 65),
    "drawn": (settings(target="points", points=DOT + DOT, kernel=0.3, walkers=50), 30, 31),
    "langevin": (settings(show="langevin", target="8-gaussians", walkers=50, levels=9), 90, 45),
    "forward": (settings(show="diffusion", walkers=50, process="ve"), 240, 61),
    "back": (settings(show="diffusion", walkers=50, steps=30, sampler="ddim"), 470, 211),
    "to the end": (settings(show="diffusion", walkers=50, steps=7, sampler="ode-heun"), 3, 1100),
    "network": (settings(show="diffusion", walkers=50, steps=9, score="network", train=100),
                9, 991),
    "train": (settings(show="train", train=100, process="ve", target="song-ermon"), 300, 440),
}  # fmt: skip


# ---- a function of settings and step -------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
def test_two_advances_are_one_bit_for_bit(name: str) -> None:
    values, a, b = SETTINGS[name]
    once = seen(values, a + b)
    act.MEMORY.kept.clear()
    split = seen(values, a, b)
    same(once, split)
    same(once, seen(values, 1, a + b - 1))  # now from what is remembered
    assert split["act"] == values["show"]


@pytest.mark.parametrize("name", ["scores", "langevin", "forward", "train"])
def test_another_seed_is_another_picture(name: str) -> None:
    values, a, _ = SETTINGS[name]
    one, other = (seen(values | {"seed": seed}, a) for seed in (1, 2))
    key = "loss" if name == "train" else "left_dots"
    assert not np.array_equal(one[key], other[key])


@pytest.mark.parametrize("name", SETTINGS)
def test_frames_are_whole_and_small(name: str) -> None:
    values, a, _ = SETTINGS[name]
    big = values | {"walkers": 1500} if "walkers" in values else values
    frame = seen(big, a)
    assert frame.keys() >= act.BLANK.keys()
    size = sum(v.nbytes for v in frame.values() if isinstance(v, np.ndarray))
    assert size <= 200_000
    assert len(frame["title"]) <= 78


def test_after_the_last_step_nothing_moves() -> None:
    values = SETTINGS["langevin"][0]
    same(seen(values, act.LENGTH), seen(values, act.LENGTH, 500))


def test_a_job_that_nobody_waits_for_ends() -> None:
    gone = job()
    gone.cancelled = True
    for values, _, _ in SETTINGS.values():
        scene = ROOM.start(values, job())
        with pytest.raises(Cancelled):
            scene.advance(900, gone)
    with pytest.raises(Cancelled):
        ROOM.start(SETTINGS["train"][0] | {"seed": 77}, gone)  # measures the exact score's loss


def test_the_training_is_told_before_the_answer() -> None:
    told: list[dict[str, Any]] = []
    ROOM.start(SETTINGS["network"][0], Job(lambda job: None, told.append, nothing, nothing))
    assert [part["title"] for part in told] == [
        f"Training the network: step {k} of 100" for k in (50, 100)
    ]


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    memory = act.Memory(1000)
    for step in range(20):
        memory.put("a", step, step, 100)
        memory.put("b", 0, "b", 100)
    assert memory.bytes <= 1000
    assert memory.latest("b", 0, 9) == (0, "b")
    assert memory.latest("a", 0, 99) == (19, 19)
    assert memory.latest("a", 0, 5) is None
    assert sum(size for _, size in memory.kept.values()) == memory.bytes


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("show", ACTS)
def test_few_controls_and_each_comes_back_from_the_address(show: str) -> None:
    given = {"show": show, "target": "points", "score": "network"}
    controls = ROOM.controls(given)
    assert len(controls) <= 12
    assert [c.name for c in controls].count("seed") == 1
    values, _ = _controls.read(controls, given)
    for control in controls:
        assert control.read(control.write(values[control.name])) == values[control.name]
    assert not set(values) & {"step", "speed", "hide", "lesson", "dark", "large"}


def test_noises_must_fall() -> None:
    values = settings(show="langevin", first=1.0, last=1.0)
    with pytest.raises(InputError, match=r"last = 1\.0: must be less than the first"):
        ROOM.start(values, job())


@pytest.mark.parametrize(
    "text", [pack_points(np.zeros((401, 2))), "a", "rB"], ids=["many", "odd", "spare"]
)
def test_a_bad_drawing_in_a_link_is_one_line(text: str) -> None:
    with pytest.raises(InputError) as refused:
        ROOM.start(settings(target="points", points=text), job())
    assert "\n" not in str(refused.value)


# ---- laws ----------------------------------------------------------------------------------------


def test_density_on_a_grid_is_the_mixtures() -> None:
    m = Gaussians(np.array([0.3, 0.7]), np.array([[0.5, -1.0], [-0.4, 0.2]]), np.array([0.2, 0.7]))
    x, y = np.linspace(-3, 3, 7), np.linspace(-2, 2, 5)
    at = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    exact = np.exp(m.log_density(at, 0.6, 0.8)).reshape(5, 7)
    assert np.allclose(laws.density(m, x, y, 0.6, 0.8), exact, rtol=1e-12)
    side = np.linspace(-12, 12, 2001)
    summed = laws.density(m, side, y, 0.6, 0.8).sum(axis=1) * (side[1] - side[0])
    assert np.allclose(laws.marginal(m, y, 0.6, 0.8), summed, rtol=1e-10)


@pytest.mark.parametrize("name", laws.NAMES)
def test_units_and_classes(name: str) -> None:
    law = laws.law({"target": name, "points": "", "kernel": 0.1})
    m = law.mixture
    if name != laws.DRAWN:
        mean = m.weights @ m.means
        variance = m.weights @ (np.square(m.means - mean).mean(axis=1) + m.spreads**2)
        assert np.allclose(mean, 0, atol=1e-12)
        assert variance == pytest.approx(1, abs=1e-12)
        assert law.classes == law.source.target.classes
    for σ in (0.0, 0.4):
        assert law.weights(σ).sum() == pytest.approx(1, abs=1e-12)
        assert len(law.weights(σ)) == max(law.classes, 2) or law.classes == 1


@pytest.mark.parametrize("name", ["song-ermon", "rings", "swiss-roll"])
def test_shares_of_exact_samples_are_the_weights(name: str) -> None:
    """Student's test of each class, false-fail 1e-6 each; it detects 0.02 of weight."""
    law = laws.law({"target": name, "points": "", "kernel": 0.1})
    rng, σ, n = np.random.default_rng(1), 0.5, 40
    found = []
    for _ in range(n):
        x = law.mixture.sample(300, rng)
        found.append(law.shares(x + σ * rng.standard_normal(x.shape), σ))
    for share, weight in zip(np.array(found).T, law.weights(σ), strict=True):
        checked = stats.mean("a share", share, float(weight))
        assert checked.detects < 0.04


def test_classes_are_told_apart_by_their_curves() -> None:
    """The points of each ring, drawn by itself, are nearly all given to it."""
    law = laws.law({"target": "rings", "points": "", "kernel": 0.1})
    x, label = law.source.target.sample_with_labels(400, np.random.default_rng(2))
    z = law.units.inward(x)
    for k in range(4):
        assert law.shares(z[label == k], 0.0)[k] > 0.98


@pytest.mark.parametrize("σ", [0.1, 1.0])
def test_the_error_of_a_guess_of_one_gaussian(σ: float) -> None:
    """sσ/√(s² + σ²): of 1000 squares their mean is within 22 % but for 1e-6 of the seeds."""
    law = laws.law({"target": "points", "points": DOT, "kernel": 0.5})
    exact = 0.5 * σ / math.hypot(0.5, σ)
    assert (scenes.guess_error(law, σ, 1) / exact) ** 2 == pytest.approx(1, abs=0.22)


# ---- files ---------------------------------------------------------------------------------------


def test_a_table_is_read_in_its_own_units() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(20, 40, (200, 2))
    text = "a;b\n" + "\n".join(f"{u:.6f};{v:.6f}" for u, v in x)
    found = ROOM.of_file("points", ".csv", text.encode())
    z = unpack_points(found["points"], laws.REACH)
    back = np.polyfit(z.ravel(), x.ravel(), 1)[0]
    assert found["target"] == "points"
    assert back == pytest.approx(math.sqrt(x.var(axis=0).mean()), rel=0.02)
    assert np.allclose(z.mean(axis=0), 0, atol=0.01)
    assert z.var(axis=0).mean() == pytest.approx(1, rel=0.02)
    assert settings(**found)["points"] == found["points"]


def test_outliers_stay_inside_the_box_and_many_points_are_thinned() -> None:
    far = laws.of_file(b"0,0\n0,0\n1000,0\n" + b"0,1\n" * 5)
    assert np.abs(laws.points(far)).max() <= laws.REACH
    found = laws.points(far)
    assert found[2, 0] == pytest.approx(0.99 * laws.REACH, abs=0.02)
    assert found[0, 0] == pytest.approx(-found[2, 0] / 7, abs=0.02)  # moved by 1/8, not squeezed
    rows = b"\n".join(b"%d,%d" % (k, k * k % 97) for k in range(1000))
    assert len(laws.points(laws.of_file(rows))) == laws.MOST
    assert laws.of_file(rows) == laws.of_file(rows)
    assert len(laws.of_file(rows)) <= 1200


@pytest.mark.parametrize(
    "content",
    [b"", b"1,2,3\n4,5,6", b"1\n2", b"1,2\n3,x", b"\xff\xfe\x00", b"1,2\n1,2", b"1,nan\n2,3",
     b"1,1e300\n2,3", b"x,y\n", b"1,2\n3", b"1.0,inf\n1,1"],
    ids=str,
)  # fmt: skip
def test_a_bad_file_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(InputError) as refused:
        ROOM.of_file("points", ".csv", content)
    assert refused.value.name == "points"
    assert "\n" not in str(refused.value)


def test_other_kinds_of_files_are_refused() -> None:
    with pytest.raises(InputError, match=r"\.csv"):
        ROOM.of_file("points", ".exe", b"1,2\n3,4")


# ---- truth ---------------------------------------------------------------------------------------


def test_arrows_point_along_the_field_and_never_overlap() -> None:
    at = scenes.AT[::7]
    field = two_modes(2.0, 0.3, 2).score(at, 1.0, 0.1)
    found = act.arrows(at, field, 0.5, 0.46).astype(float)
    gap, middle = found[:, 2:] - found[:, :2], (found[:, 2:] + found[:, :2]) / 2
    size, u = np.linalg.norm(gap, axis=1), 0.5 * np.linalg.norm(field, axis=1)
    assert np.allclose(middle, at, atol=1e-6)
    assert np.allclose(size, 0.46 * u / (1 + u), atol=1e-6)
    assert np.allclose((gap * field).sum(axis=1), size * 2 * u, atol=1e-5)
    assert size.max() < 0.46


def test_on_the_way_back_the_arrows_are_the_slope_of_what_is_shaded() -> None:
    """∇log of the law of X_t/√(α² + σ²), by differences; no arrow where no score is used."""
    scene = paths.Diffusion(settings(show="diffusion", walkers=50, steps=50), job())
    assert len(scene.frame()["left_arrows"]) == 0
    scene.advance(800, job())
    found = scene.frame()["left_arrows"].astype(float)
    α, σ = scene.model.alpha(scene.t), scene.model.sigma(scene.t)

    def log_p(y: np.ndarray) -> np.ndarray:
        return np.asarray(scene.mixture.log_density(math.hypot(α, σ) * y, α, σ))

    steps = 1e-5 * np.eye(2)
    slope = np.stack([(log_p(paths.AT + h) - log_p(paths.AT - h)) / 2e-5 for h in steps], axis=1)
    gap = found[:, 2:] - found[:, :2]
    long, steep = np.linalg.norm(gap, axis=1), np.linalg.norm(slope, axis=1)
    plain = long > 0.05  # shorter ones have the rounding of single precision
    cosine = (gap * slope).sum(axis=1) / long / steep
    stats.at_least("cosine", cosine[plain].min(), 1 - 1e-5)
    assert (np.diff(long[steep.argsort()]) > -1e-6).all()
    scene.advance(200, job())
    assert len(scene.frame()["left_arrows"]) == 0


def test_annealed_langevin_finds_the_weights_and_langevin_does_not() -> None:
    """Song & Ermon's mixture: 1500 walkers; Langevin is off by what its start is."""
    frame = seen(settings(show="langevin", target="song-ermon", walkers=1500), act.LENGTH)
    stats.at_most("annealed", frame["right_off"], 0.06)
    stats.at_least("Langevin", frame["left_off"], 0.1)
    assert np.allclose(frame["weights"], [0.2, 0.8])


@pytest.mark.parametrize("process", ["vp", "ve"])
def test_the_exact_loss_of_one_gaussian_is_its_integral(process: str) -> None:
    """∫ α²s²/(α²s² + σ²) dt over the times of training: 8192 numbers, their mean within 8 %."""
    values = settings(show="train", target="points", points=DOT, kernel=0.5, process=process)
    run = training.Training(laws.law(values), values)
    config = run.model.config

    def one(t: float) -> float:
        data = (config.process.alpha(t) * 0.5) ** 2
        return float(data / (data + config.process.sigma(t) ** 2))

    first = config.first_time
    exact = quad(one, first, 1, limit=200)[0] / (1 - first)
    assert float(training.floor(run, 1, job())) == pytest.approx(exact, rel=0.08)


@pytest.mark.parametrize("process", [VP(), VE(0.01, 20.0)])
@pytest.mark.parametrize("noise", [0.02, 0.3, 5.0])
def test_the_time_of_a_noise(process: Any, noise: float) -> None:
    t = training.time_of(process, noise)
    assert process.sigma(t) / process.alpha(t) == pytest.approx(noise, rel=1e-9)


def test_a_network_learns() -> None:
    """Its arrows come nearer to the exact ones, and the loss to the exact score's, which is the
    least there is: a mean of 100 losses is above it but for its noise of 2 %."""
    values = settings(show="train", target="song-ermon", train=400, seed=1)
    before, after = seen(values, 0), seen(values, act.LENGTH)
    assert before["trained"] == 0
    assert after["trained"] == 400
    assert after["off"] < 0.5 * before["off"]
    last = float(after["loss"][-100:, 1].mean())
    assert 0.95 * after["floor"] < last < 1.3 * after["floor"]


def test_the_loss_curve_is_means_of_equal_pieces() -> None:
    loss = np.arange(1001, dtype=np.float32)
    found = training.smoothed(loss)
    assert len(found) <= training.CURVE
    assert np.allclose(found[0], [1.5, 1.0])
    assert np.allclose(found[:, 1], found[:, 0] - 0.5)


# ---- command lines and Python --------------------------------------------------------------------


def at_end(**given: Any) -> tuple[dict[str, Any], int]:
    return settings(walkers=60, seed=5, **given), act.LENGTH


COMMANDS = {
    "langevin": at_end(show="langevin", target="song-ermon", levels=20),
    "exact": at_end(show="diffusion", target="8-gaussians", sampler="ddim", steps=20),
    "ve": at_end(show="diffusion", target="song-ermon", process="ve", steps=20),
    "network": at_end(show="diffusion", target="song-ermon", steps=10, score="network", train=100),
}  # fmt: skip


def called(command: str, folder: Path) -> list[np.ndarray]:
    """Runs the lines in `folder`; the points of each that drew some."""
    found = []
    for line in command.split(" && "):
        words = shlex.split(line)
        out = folder / words[words.index("--out") + 1]
        words[words.index("--out") + 1] = str(out)
        if words[1] == "sample" and words[2] == "network.npz":
            words[2] = str(folder / "network.npz")
        done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        if out.suffix == ".csv":
            found.append(np.loadtxt(out, delimiter=",", skiprows=1))
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line_gives_the_same_points(name: str, tmp_path: Path) -> None:
    values, step = COMMANDS[name]
    scene = ROOM.start(values, job())
    scene.advance(step, job())
    command = ROOM.command(values, step)
    assert command is not None
    found = called(command, tmp_path)
    units = scene.law.units if name == "langevin" else scene.units  # type: ignore[attr-defined]
    state = scene.state
    wanted = [state["left"], state["right"]] if name == "langevin" else [state["x"]]
    assert len(found) == len(wanted)
    for x, y in zip(found, wanted, strict=True):
        assert np.allclose(x, units.outward(y), rtol=1e-8, atol=1e-8)


def test_the_command_line_trains_the_same_network(tmp_path: Path) -> None:
    from toyflows.diffusion.trained import Model

    values, step = settings(show="train", train=200, target="song-ermon", seed=2), 300
    scene = ROOM.start(values, job())
    scene.advance(step, job())
    called(str(ROOM.command(values, step)), tmp_path)
    model = Model.load(tmp_path / "network.npz")
    mine = scene.training.state  # type: ignore[attr-defined]
    assert model.state.step == mine.step == 60
    assert np.array_equal(model.state.θ, mine.θ)
    assert np.array_equal(model.state.history, mine.history)


def test_no_command_for_what_has_none() -> None:
    for values, step in (
        (settings(), 10), (settings(show="langevin"), 0),
        (settings(show="langevin", target="points"), 1000),
        (settings(show="diffusion"), 800),
    ):  # fmt: skip
        assert ROOM.command(values, step) is None
    middle = ROOM.command(settings(show="langevin"), 500)
    assert middle is not None
    assert "annealed" not in middle


WHERE = {
    "scores": {"x": "x"}, "drawn": {"x": "x"}, "langevin": {"one": "left", "annealed": "right"},
    "forward": {"x": "x"}, "back": {"x": "x"}, "to the end": {"x": "x"}, "network": {"x": "x"},
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_the_python_lines_give_the_same_numbers(name: str) -> None:
    values, a, b = SETTINGS[name]
    scene = ROOM.start(values, job())
    scene.advance(a + b, job())
    space: dict[str, Any] = {}
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(ROOM.python(values, a + b), name, "exec"), space)
    assert printed.getvalue().strip()
    for mine, its in WHERE.get(name, {}).items():
        assert np.array_equal(space[mine], scene.state[its]), mine
    if name == "train":
        history = scene.training.state.history[:, 0]  # type: ignore[attr-defined]
        assert np.array_equal(np.float32(space["losses"]), history)


@pytest.mark.parametrize("target", ["song-ermon", "points"])
def test_a_film_of_the_way_that_is_shown(target: str) -> None:
    values = settings(show="diffusion", target=target, process="ve", steps=5, walkers=50)
    there, back = (ROOM.film(values, step) for step in (100, 900))
    assert there.frames > 1
    assert next(back.images(None)).shape[2] == 3
    assert ROOM.film(values | {"score": "network", "train": 100}, 900) is None
    assert ROOM.film(settings(), 100) is None


# ---- the drawing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True])
def test_every_frame_is_drawn_by_the_same_models(dark: bool) -> None:
    view = NoiseView(Look(dark=dark), nothing)
    doc = Document()
    doc.add_root(view.layout)
    doc.validate()
    models = len(doc.models)
    for values, a, b in SETTINGS.values():
        for step in (0, a, a + b):
            view.show(seen(values, step))
            assert len(doc.models) == models
        for source in view.sources.values():
            assert len({len(column) for column in source.data.values()}) == 1
    view.show({"title": "only words"})
    assert "only words" in view.heading.div.text


def test_marks_are_where_the_numbers_are() -> None:
    found = marks.Marks()
    found.shares(0.0, np.array([0.5, 0.25, 0.25]), np.array([0.2, 0.4, 0.4]))
    heights = [h for _, _, h in found.bars]
    assert np.allclose(heights, marks.HEIGHT * np.array([1, 0.5, 0.5]))
    lines = [ys[0] - marks.FLOOR for _, _, ys in found.lines]
    assert np.allclose(lines, marks.HEIGHT * np.array([0.4, 0.8, 0.8]))
    assert [w[2] for w in found.words] == ["0.50", "0.20", "0.25", "0.40", "0.25", "0.40"]
    outside = marks.inside(np.array([[0.0, 1.0], [9.0, 0.0]], np.float32))
    assert np.isnan(outside[1]).all()
    assert np.array_equal(outside[0], [0, 1])
    assert mixed("#000000", "#ff8000", 0.5) == "#804000"


def strokes(view: NoiseView, *points: tuple[float, float]) -> None:
    events = [SimpleNamespace(x=x + view.pen.left, y=y) for x, y in points]
    view.pen.begin(events[0])
    for event in events[1:]:
        view.pen.drag(event)
    view.pen.end(events[-1])


@pytest.mark.parametrize("show", ["scores", "diffusion"])
def test_a_stroke_is_a_row_of_points(show: str) -> None:
    said: list[Any] = []
    view = NoiseView(Look(), said.append)
    view.show(seen(settings(show=show, target="points", walkers=50)))
    strokes(view, (0, 0), (0.05, 0), (1, 1), (9, 9), (2, 1))
    assert len(said) == 1
    drawn = unpack_points(said[0]["points"], laws.REACH)
    assert np.allclose(drawn, [[0, 0], [1, 1], [2, 1]], atol=0.02)  # the shape shown before is gone
    shown = view.sources["data"].data
    assert np.allclose(shown["x"] - view.pen.left, drawn[:, 0], atol=0.02)
    # A second stroke adds to it, and what comes from the link is the drawing.
    view.show(seen(settings(show=show, target="points", walkers=50, points=said[0]["points"])))
    strokes(view, (-1, -1))
    assert len(unpack_points(said[1]["points"], laws.REACH)) == 4
    view.pen.clear(SimpleNamespace())
    assert said[2] == {"points": ""}


def test_a_named_target_is_not_drawn_on_and_a_drawing_is_bounded() -> None:
    said: list[Any] = []
    view = NoiseView(Look(), said.append)
    view.show(seen(settings(walkers=50)))
    strokes(view, (0, 0), (1, 1))
    assert said == []
    view.show(seen(settings(walkers=50, target="points")))
    grid = [(x, y) for x in np.arange(-2.9, 2.9, 0.2) for y in np.arange(-2.9, 2.9, 0.2)]
    strokes(view, *grid)
    assert len(unpack_points(said[0]["points"], laws.REACH)) == laws.MOST
    assert len(said[0]["points"]) <= 1200
    assert re.fullmatch(r"[\w-]*", said[0]["points"], re.ASCII)


def test_the_lines_know_every_act() -> None:
    assert set(lines._PARTS) == set(ACTS)
