"""Films: the numbers on the pictures are the library's, exactly or within a stated bound."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import toyflows
from toyflows import film
from toyflows.diffusion.drawing import Exact, Plan
from toyflows.diffusion.gaussians import two_modes
from toyflows.diffusion.processes import VP, process
from toyflows.errors import InputError
from toyflows.figures._film import square
from toyflows.figures._style import DATA, EXACT, WALKERS
from toyflows.images import shipped, uses
from toyflows.pictures import levels
from toyflows.seeds import stream
from toyflows.verdict import MESSAGE

SIZE = (640, 360)
SHORT: dict[str, Any] = {"seconds": 1.0, "fps": 12, "size": SIZE}
RUN: dict[str, Any] = {
    "theta_star": 1.4, "time": 5.0, "dt": 0.05, "separation": 6.0, "walkers": 3000, "seed": 3,
}  # fmt: skip
Pictures = list[np.ndarray[Any, np.dtype[np.uint8]]]


def drawing(made: film.Film) -> Any:
    """What draws the frames, with all that it draws computed."""
    return made.begin(lambda: None)


@pytest.fixture(scope="module")
def pcd() -> film.Film:
    return film.two_modes("pcd", **RUN, **SHORT)


@pytest.fixture(scope="module")
def frames(pcd: film.Film) -> Pictures:
    return list(pcd.images())


# ---- which step a frame shows -------------------------------------------------------------------


def test_frame_k_shows_step_k_n_and_the_last_tenth_holds_the_end() -> None:
    reel = film.Reel(seconds=5.0, fps=20)
    assert reel.frames == 100
    assert reel.moves == 89
    steps = reel.steps(89 * 7)
    assert list(steps[:90]) == [7 * k for k in range(90)]
    assert set(steps[89:]) == {89 * 7}
    assert len(steps) == 100


@pytest.mark.parametrize(("last", "every"), [(1000, 1), (89 * 40 + 13, 3), (5, 1), (1, 1), (7, 5)])
def test_steps_are_spread_evenly_at_records_and_end_at_the_end(last: int, every: int) -> None:
    reel = film.Reel(seconds=5.0, fps=20)
    steps = reel.steps(last, every)
    assert steps[0] == 0
    assert steps[reel.moves] == steps[-1] == last
    for k, step in enumerate(steps[: reel.moves]):
        assert step % every == 0 or step == last
        assert abs(step - k * last / reel.moves) <= every / 2 + 1e-9
    assert all(a <= b for a, b in pairwise(steps))


@pytest.mark.parametrize(
    ("name", "given"),
    [("seconds", {"seconds": 0.0}), ("seconds", {"seconds": 61.0}),
     ("seconds", {"seconds": float("nan")}), ("fps", {"fps": 0}), ("fps", {"fps": 51}),
     ("width", {"size": (318, 360)}), ("width", {"size": (641, 360)}),
     ("height", {"size": (640, 1082)})],
)  # fmt: skip
def test_a_film_has_bounds(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        film.two_modes("pcd", theta_star=1.4, **given)
    assert refused.value.name == name


# ---- θ(t) ---------------------------------------------------------------------------------------


def test_the_last_frame_has_the_run_of_flow_bit_for_bit(pcd: film.Film) -> None:
    draw, run = drawing(pcd), toyflows.flow("pcd", **RUN)
    draw(pcd.steps[-1])
    (row,) = draw.rows
    assert set(row.lines) == {"theory", "grid", "walkers"}
    for name, line in row.lines.items():
        assert np.array_equal(line.get_xdata(), run.backends[name].t)
        assert np.array_equal(line.get_ydata(), run.backends[name].θ)
    θ = float(run.backends["grid"].θ[-1])
    assert np.array_equal(row.model.get_ydata(), run.target.mixture.density(row.x, θ))
    assert row.verdict.get_visible()
    assert row.told.says == run.verdict.says
    assert row.told.kind == run.verdict.kind


@pytest.mark.parametrize("loss", ["pcd", "jarzynski", "tempering"])
def test_each_frame_has_the_run_up_to_its_step(loss: str) -> None:
    """A run that is shorter is the beginning of the longer one: its last state is the frame's."""
    made = film.two_modes(loss, **RUN, **SHORT)
    draw = drawing(made)
    (row,) = draw.rows
    assert made.steps[:4] == (0, 10, 20, 30)
    for k in (2, 7):
        step = 10 * k
        draw(made.steps[k])
        run = toyflows.flow(loss, **RUN | {"time": step * 0.05})
        for name, line in row.lines.items():
            assert np.array_equal(line.get_ydata(), run.backends[name].θ), name
            assert line.get_xdata()[-1] == pytest.approx(step * 0.05, rel=1e-12)
        walkers = run.backends["walkers"]
        assert walkers.state is not None
        cold = walkers.state.cold
        assert cold is not None
        heights, edges, _ = row.stairs.get_data()
        there = np.histogram(cold.x, edges, weights=cold.weights)[0]
        assert heights * np.diff(edges) == pytest.approx(there, abs=1e-12)
        assert row.many.get_text() == f"walkers: {walkers.mode_b[-1]:.3f} in b"
        assert not row.verdict.get_visible()


@pytest.mark.parametrize("versus", [None, "ml"])
def test_no_verdict_before_the_last_step(versus: str | None) -> None:
    """Over the whole film the headline is the methods'; the verdict comes with the end."""
    made = film.two_modes("pcd", versus=versus, **RUN, **SHORT)
    draw = drawing(made)
    titles = [row.told.title for row in draw.rows]
    messages = [MESSAGE[row.told.kind].format(row.told.title) for row in draw.rows]
    for step in sorted(set(made.steps)):
        draw(step)
        ended = step == made.steps[-1]
        assert draw.figure._suptitle.get_text() == " against ".join(titles)
        assert all(row.verdict.get_visible() == ended for row in draw.rows)
        if versus is not None:
            above = [row.heading.get_text() for row in draw.rows]
            assert above == (messages if ended else titles)


def test_records_are_as_sparse_as_those_of_flow() -> None:
    """4000 steps are recorded every second step; the frames show recorded steps."""
    run = RUN | {"time": 80.0, "dt": 0.02, "walkers": 50}
    made = film.two_modes("pcd", **run, **SHORT)
    draw = drawing(made)
    (row,), whole = draw.rows, toyflows.flow("pcd", **run)
    for k in (3, 5, made.frames - 1):
        draw(made.steps[k])
        for name, line in row.lines.items():
            shown = line.get_ydata()
            assert line.get_xdata()[-1] == pytest.approx(made.steps[k] * 0.02, rel=1e-12)
            assert np.array_equal(shown, whole.backends[name].θ[: shown.size])


def test_two_methods_one_above_the_other() -> None:
    made = film.two_modes("pcd", versus="cd", versus_options={"k": 2}, **RUN, **SHORT)
    draw = drawing(made)
    draw(made.steps[-1])
    for row, (loss, options) in zip(draw.rows, [("pcd", {}), ("cd", {"k": 2})], strict=True):
        run = toyflows.flow(loss, options=options, **RUN)
        assert np.array_equal(row.lines["walkers"].get_ydata(), run.backends["walkers"].θ)


def test_a_quadrature_has_no_walkers() -> None:
    made = film.two_modes("reverse-kl", **RUN, **SHORT)
    draw = drawing(made)
    draw(made.steps[-1])
    assert draw.rows[0].stairs is None
    assert "walkers" not in draw.rows[0].lines


def test_lines_names_and_colours_are_on_the_picture(frames: Pictures) -> None:
    """Each role's colour is there, and the walkers' line grows from frame to frame."""
    green = [int(np.all(frame == rgb(WALKERS), axis=2).sum()) for frame in frames]
    assert green[4] > green[1] > 0
    for colour in (DATA, EXACT, WALKERS):
        assert np.all(frames[5] == rgb(colour), axis=2).any(), colour
    assert all(frame.shape == (SIZE[1], SIZE[0], 3) for frame in frames)


def rgb(colour: str) -> list[int]:
    return [round(255 * part) for part in to_rgb(colour)]


# ---- a cloud ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["euler-maruyama", "ddim", "annealed-langevin", "ode-rk45"])
def test_a_cloud_is_what_the_sampler_draws(sampler: str) -> None:
    """Of the same seed as `toyflows sample`: each frame's points, over the exact density."""
    law = two_modes(6.0, 0.3, 2)
    made = film.cloud(law, sampler=sampler, steps=20, points=50, seed=5, **SHORT)
    seen: dict[int, Any] = {}

    def watch(k: int, t: float, x: Any) -> None:
        seen[k] = t, x.copy()

    plan, score = Plan(sampler, 20, "log-snr"), Exact(law, VP()).score()
    plan.draw(score, VP(), (50, 2), stream(5, "sample"), watch=watch)
    draw = drawing(made)
    for step in made.steps[::3] + made.steps[-1:]:
        draw(step)
        t, x = seen[min(step, max(seen))]
        scale = np.hypot(VP().alpha(t), VP().sigma(t))
        assert np.array_equal(np.transpose(draw.points.get_data()), x / scale)
        assert f"t = {t:.3f}" in draw.clock.get_text()
    assert "sliced W2" in draw.proof.get_text()


@pytest.mark.parametrize(
    "noise", [process("ve", sigma_min="0.05", sigma_max="6.0"), VP()], ids=["ve", "vp"]
)
def test_the_shade_is_the_exact_density(noise: Any) -> None:
    law = two_modes(6.0, 0.3, 2)
    made = film.cloud(law, process=noise, steps=10, points=5, **SHORT)
    draw = drawing(made)
    draw(made.steps[4])
    shown, story = draw.shade.get_array(), draw.story
    moment = story.moments[made.steps[4]]
    units = Exact(law, noise).units.mixture(law)
    side = np.linspace(-story.reach, story.reach, shown.shape[0]) * moment.scale
    α, σ = noise.alpha(moment.t), noise.sigma(moment.t)
    for row, column in ((10, 20), (24, 24), (30, 5)):  # y and x
        ratio = units.log_density(np.array([[side[column], side[row]], [0.0, 0.0]]), α, σ)
        mine = shown[row, column] / shown[24, 24]
        assert mine == pytest.approx(float(np.exp(ratio[0] - ratio[1])), rel=1e-9)


def test_the_forward_cloud_ends_as_noise() -> None:
    """Mean and variance of 4000 points at t = 1 are those of α(1)X + σ(1)Z within 5 standard
    errors (false-fail rate 4 · 6e-7); the reverse run's start would also pass, its end would not:
    the law it begins with is far from N(0, I), |kurtosis − 3| > 1 along its axis."""
    law = two_modes(12.0, 0.5, 2)
    made = film.cloud(law, direction="forward", points=4000, seed=1, **SHORT)
    draw = drawing(made)
    x = draw.story.moments[made.steps[-1]].x
    assert np.abs(x.mean(axis=0)).max() < 5 / np.sqrt(4000)
    assert np.abs(x.var(axis=0) - 1).max() < 5 * np.sqrt(2 / 4000) + 0.01  # Euler's bias
    begin = draw.story.moments[0].x[:, 0]
    assert np.mean(begin**4) / np.mean(begin**2) ** 2 < 2
    assert draw.story.moments[0].t == 0.0


# ---- images -------------------------------------------------------------------------------------


def test_chains_of_an_energy_are_those_of_sample() -> None:
    made = film.chain("jem28", count=5, letter="A", steps=20, seed=2, **SHORT)
    draw = drawing(made)
    model = shipped.find("jem28")
    chain = uses.Chain(20, model.config.step, model.config.noise, model.config.clip)
    place = model.config.classes.index("A")
    sampler = uses.Sampler(model.engine(), model.state.θ, chain, 2, (place,))
    for steps, x in sampler.from_noise(5, 28, 5):
        pasted(draw(steps), levels(x))
        at = draw.head.get_xdata()[0]
        E = uses.energy(model.engine().outputs(model.state.θ, x), np.full((5, 1), place))[0]
        assert at == steps
        assert draw.head.get_ydata()[0] == pytest.approx(float(E.mean(dtype=float)), rel=1e-6)


def pasted(frame: Any, images: Any) -> None:
    """The images stand in the frame in rows of ⌈√n⌉, 2 pixels apart, light turned into dark, each
    pixel a square of equal pixels."""
    left, bottom, side = square(SIZE)
    across = int(np.ceil(np.sqrt(len(images))))
    scale = int(side // (across * 30 + 2))
    region = frame[: int(SIZE[1] - bottom) + 1, : int(left + side) + 1]
    first = np.repeat(np.repeat(255 - images[0], scale, 0), scale, 1)
    windows = np.lib.stride_tricks.sliding_window_view(region[..., 0], first.shape)
    (corner,) = np.argwhere((windows == first).all(axis=(2, 3)))
    for k, image in enumerate(images):
        row, column = corner + 30 * scale * np.array(divmod(k, across))
        part = frame[row : row + 28 * scale : scale, column : column + 28 * scale : scale]
        assert np.array_equal(part, np.repeat(255 - image[..., None], 3, 2))


def test_samples_of_a_diffusion_are_those_of_its_plan() -> None:
    made = film.chain("ddpm28", count=3, sampler="ddim", steps=6, letter="B", seed=4, **SHORT)
    draw = drawing(made)
    from toyflows.diffusion.trained import Model

    model = Model.load(shipped.place("ddpm28"))
    score = model.score(None, model.classes.index("B"))
    x = Plan("ddim", 6, "log-snr").draw(
        score, model.process, (3, 28, 28), stream(4, "sample"), "float32"
    ).x  # fmt: skip
    pasted(draw(made.steps[-1]), levels(x))


def test_temperature_is_that_of_the_chain() -> None:
    made = film.chain("ebm28", count=2, steps=3, temperature=0.01, **SHORT)
    assert "T = 0.01" in drawing(made).story.words


@pytest.mark.parametrize(
    ("name", "given"),
    [("checkpoint", {"checkpoint": "nope"}), ("count", {"count": 0}), ("count", {"count": 101}),
     ("class", {"letter": "A"}), ("class", {"checkpoint": "jem28", "letter": "€"}),
     ("class", {"checkpoint": "ddpm28", "letter": "€"}), ("steps", {"steps": 10_001}),
     ("sampler", {"sampler": "ddim"}), ("temperature", {"temperature": -1.0}),
     ("temperature", {"checkpoint": "ddpm28", "temperature": 1.0}), ("seed", {"seed": -1}),
     ("sampler", {"checkpoint": "ddpm28", "sampler": "nope"}), ("guidance", {"guidance": 1.0}),
     ("count", {"checkpoint": "ebm56", "count": 100}),
     ("checkpoint", {"checkpoint": "classifier28"}),
     ("spacing", {"checkpoint": "ddpm28", "spacing": "nope"}), ("threads", {"threads": 0})],
)  # fmt: skip
def test_refused_before_anything_is_computed(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        film.chain(**{"checkpoint": "ebm28", **SHORT, **given})
    assert refused.value.name == name


@pytest.mark.parametrize(
    ("name", "given"),
    [("target", {"target": "nope"}), ("target", {"target": "checkerboard"}),
     ("direction", {"direction": "up"}), ("points", {"points": 20_001}), ("steps", {"steps": 2001}),
     ("sampler", {"sampler": "nope"}), ("process", {"process": "nope"}), ("seed", {"seed": -1}),
     ("spacing", {"spacing": "nope"})],
)  # fmt: skip
def test_a_cloud_is_refused(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        film.cloud(**{"target": "8-gaussians", **given})
    assert refused.value.name == name


@pytest.mark.parametrize(
    ("name", "given"),
    [("loss", {"loss": "nope"}), ("versus", {"versus": "nope"}),
     ("walkers", {"walkers": 1_000_001}),
     ("walkers", {"walkers": 0}), ("time", {"time": 1e5}), ("dt", {"dt": 3.0}),
     ("theta_star", {"theta_star": float("nan")}), ("theta_star", {"theta_star": 1e4}),
     ("separation", {"separation": 0.0}), ("p", {"options": {"k": 1}}), ("seed", {"seed": -1})],
)  # fmt: skip
def test_a_run_is_refused(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        film.two_modes(**{"loss": "pcd", **RUN, **given})
    assert refused.value.name == name


def test_names_stay_in_the_picture_and_apart() -> None:
    """Of a method that rests at the target, which is near the upper edge."""
    made = film.two_modes("ml", versus="pcd", **RUN | {"time": 40.0}, **SHORT)
    draw = drawing(made)
    for step in made.steps:
        draw(step)
        for row in draw.rows:
            low, high = row.left.get_ylim()
            heights = sorted(name.xy[1] for name in row.names.values())
            assert low <= heights[0]
            assert heights[-1] <= high
            assert min(np.diff(heights)) > 0.15 * (high - low)
