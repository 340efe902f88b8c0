"""Training against closed forms: what the network is asked, what it learns, guidance, resuming."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from toyflows.diffusion import denoisers
from toyflows.diffusion.denoisers import LearnedScore
from toyflows.diffusion.drawing import Exact, Plan, guided
from toyflows.diffusion.gaussians import Gaussians
from toyflows.diffusion.guidance import Classifier, Guided
from toyflows.diffusion.processes import VE, VP, ExactScore
from toyflows.diffusion.sources import Points, Units
from toyflows.diffusion.targets import Target
from toyflows.diffusion.train import Config, begin, times, train
from toyflows.diffusion.trained import Model
from toyflows.errors import InputError
from toyflows.nn.training import Lost

THREE = Gaussians(
    np.array([0.5, 0.3, 0.2]), np.array([[0.0, 1.0], [-1.5, 0.0], [2.0, -1.0]]), np.full(3, 0.6)
)
SOURCE = Points(Target("three", THREE.sample_with_labels, 3, lambda: THREE), "hash")
SMALL = {"width": 32, "depth": 2, "batch": 64, "every": 2}


def run(config: Config, steps: int, source: Points = SOURCE) -> Model:
    model = Model.new(config, source)
    kept = train(model.config, model.state, source.batch, model.config.net(), lambda s: None)
    list(itertools.islice(kept, steps))
    return model


@pytest.mark.parametrize("process", [VP(), VE(0.01, 20.0)])
def test_an_answer_of_zero_is_the_score_of_a_normal_law(process) -> None:
    """f = 0 ⇒ score and divergence of N(0, I) with noise, and the loss is E|ε − ε̂|² of that."""
    net, rng = Config(**SMALL).net(), np.random.default_rng(0)
    θ, t = np.zeros(net.network.size, np.float32), np.array([0.01, 0.3, 0.9])
    exact = ExactScore(Gaussians(np.ones(1), np.zeros((1, 2)), np.ones(1)), process)
    score, x = LearnedScore(net, θ, process, 1e-3), rng.standard_normal((3, 2))
    assert np.allclose(score(x, t), exact(x, t), rtol=1e-6)
    assert np.allclose(score.divergence(x, t), exact.divergence(x, t), rtol=1e-6)
    x0, ε = rng.standard_normal((2, 3, 2))
    α, σ = process.alpha(t)[:, None], process.sigma(t)[:, None]
    noise = -σ * exact(α * x0 + σ * ε, t)
    loss, _ = denoisers.loss_and_gradient(net, θ, process, x0, ε, t, None)
    assert loss == pytest.approx(np.mean(np.square(ε - noise)), rel=1e-5)


@pytest.mark.parametrize("process", [VP(), VE(0.01, 20.0)])
def test_the_loss_is_that_of_the_predicted_noise(process) -> None:
    """For random weights: mean (ε − ε̂)² with ε̂ of the score that samples are drawn with; and the
    divergence is that of the score, by central differences (float32: 1e-3)."""
    net, rng = Config(**SMALL).net(), np.random.default_rng(1)
    θ = net.network.init(rng)
    t, (x0, ε) = rng.uniform(0.05, 1, 50), rng.standard_normal((2, 50, 2))
    score = LearnedScore(net, θ, process, 1e-3)
    x = process.alpha(t)[:, None] * x0 + process.sigma(t)[:, None] * ε
    loss, _ = denoisers.loss_and_gradient(net, θ, process, x0, ε, t, None)
    assert loss == pytest.approx(np.mean(np.square(ε - score.noise(x, t))), rel=1e-4)
    h = 1e-2
    bend = sum(
        (score(x + h * e, t) - score(x - h * e, t))[:, i] / (2 * h) for i, e in enumerate(np.eye(2))
    )
    assert np.allclose(score.divergence(x, t), bend, rtol=2e-2, atol=2e-2 * np.abs(bend).max())


@pytest.mark.parametrize(("kind", "most"), [("ddpm", 0.03), ("ncsn", 0.15)])
def test_the_learned_score_approaches_the_closed_form(kind: str, most: float) -> None:
    """E|ε̂ − ε̂*|² against E|ε − ε̂*|², what no network can avoid, of all and of each class; an
    untrained network has half as much again (the negative control)."""
    config = Config(kind=kind, labels=True, cosine=700, batch=256, width=64, depth=3, every=1000)
    model, fresh = run(config, 700), run(config, 0)
    law, rng = model.units.mixture(THREE), np.random.default_rng(2)
    exact = Classifier(ExactScore(law, model.process), range(3))
    t, (x0, y) = 0.3 if kind == "ddpm" else 0.5, law.sample_with_labels(2000, rng)
    α, σ = float(model.process.alpha(t)), float(model.process.sigma(t))
    ε = rng.standard_normal(x0.shape)
    x = α * x0 + σ * ε
    for label in (None, 0, 1, 2):
        mine = slice(None) if label is None else y == label
        truth = exact.score if label is None else exact.of_class(label)
        noise = -σ * truth(x[mine], t)
        left = np.mean(np.square(ε[mine] - noise))

        def error(m: Model) -> float:
            return float(np.mean(np.square(m.score(label=label).noise(x[mine], t) - noise)))

        assert error(model) < most * left, label
        assert error(fresh) > 1.5 * error(model), label


def test_times_are_even_and_within_their_range() -> None:
    config = Config(batch=100, levels=50)
    t = np.sort(times(config, np.random.default_rng(0)))
    assert t[0] >= 1 / 50
    assert t[-1] <= 1
    assert np.allclose(np.diff(t), (1 - 1 / 50) / 100)


@pytest.mark.parametrize("w", [-1.0, 0.0, 0.7, 3.0])
def test_both_guidances_are_one_field(w: float) -> None:
    """(1 + w) s(x|y) − w s(x) = s(x) + (1 + w) ∇log p(y|x), the slope by central differences of the
    exact posterior (its error 1e-6); w = −1 is the data's score, w = 0 that of the class."""
    process, rng = VP(), np.random.default_rng(3)
    free, t = ExactScore(THREE, process), 0.2
    classifier, x = Classifier(free, [0, 1, 1]), rng.standard_normal((40, 2))
    for y in (0, 1):
        by_scores = Guided(classifier.of_class(y), free, w)
        by_classes = free(x, t) + (1 + w) * classifier.slope(x, t, y)
        assert np.allclose(by_scores(x, t), by_classes, atol=1e-12)
        bend = classifier.of_class(y).divergence(x, t) - free.divergence(x, t)
        divergence = free.divergence(x, t) + (1 + w) * bend
        assert np.allclose(by_scores.divergence(x, t), divergence, atol=1e-11)
        h = 1e-4
        slope = np.stack([
            (np.log(classifier.probabilities(x + h * e, t)[:, y])
             - np.log(classifier.probabilities(x - h * e, t)[:, y])) / (2 * h)
            for e in np.eye(2)
        ], axis=1)  # fmt: skip
        assert np.allclose(classifier.slope(x, t, y), slope, atol=1e-6)
    if w in (-1.0, 0.0):
        law = free if w else classifier.of_class(1)
        assert np.allclose(Guided(classifier.of_class(1), free, w)(x, t), law(x, t), atol=1e-12)
    assert np.allclose(classifier.probabilities(x, t).sum(axis=1), 1)


def test_units_of_a_law_and_of_its_points() -> None:
    units = Units.of_mixture(THREE)
    law = units.mixture(THREE)
    assert np.allclose(law.weights @ law.means, 0, atol=1e-12)
    x = THREE.sample(5, np.random.default_rng(0))
    assert np.allclose(units.outward(units.inward(x)), x)
    z = units.inward(x)
    assert np.allclose(law.log_density(z) - 2 * np.log(units.spread), THREE.log_density(x))


def test_exact_samples_of_a_class_are_its_own() -> None:
    """Mean of 4000 points by Heun on the exact score of one class: within 6 standard errors (a
    false alarm in 5e8; detects 0.07)."""
    subject, rng = Exact.of("8-gaussians", VP()), np.random.default_rng(4)
    z = Plan("ode-heun").draw(guided(subject, 2, 0.0), subject.process, (4000, 2), rng).x
    law = subject.law_of(2)
    error = law.spreads[0] / 4000**0.5
    assert np.abs(subject.units.outward(z).mean(axis=0) - law.means[0]).max() < 6 * error


@pytest.mark.parametrize("cut", [1, 3, 4])
def test_resumed_is_uninterrupted_bit_for_bit(tmp_path: Path, cut: int) -> None:
    config = Config(labels=True, cosine=10, **SMALL)
    whole, part = run(config, 7), run(config, cut)
    part.save(tmp_path / "a.npz")
    again = Model.load(tmp_path / "a.npz")
    assert again.config == part.config
    run_on = train(again.config, again.state, SOURCE.batch, again.config.net(), lambda s: None)
    list(itertools.islice(run_on, 7 - cut))
    for name, values in whole.state.arrays().items():
        assert np.array_equal(values, again.state.arrays()[name]), name


def test_weights_alone_are_a_model_that_draws(tmp_path: Path) -> None:
    """As weights ship: θ alone, with words beside the configuration."""
    from toyflows.nn import checkpoint

    model = run(Config(**SMALL), 5)
    told = dataclasses.asdict(model.config) | {"command": "toyflows train"}
    header = checkpoint.Header("ddpm", told, 0, 5, model.data_hash)
    checkpoint.save(tmp_path / "w.npz", {"θ": model.state.mean.mean}, header)
    x = np.ones((3, 2))
    assert np.array_equal(Model.load(tmp_path / "w.npz").score()(x, 0.5), model.score()(x, 0.5))


def test_divergence_rolls_back_and_then_stops() -> None:
    """Batches that are not finite: eight rollbacks, each with half the rate, then Lost."""
    config = Model.new(Config(**SMALL), SOURCE).config

    def broken(count: int, key: int, step: int):
        x, y = SOURCE.batch(count, key, step)
        return (x * np.float32(np.nan) if step == 3 else x), y

    state = begin(config)
    kept: list[int] = []
    steps = train(config, state, broken, config.net(), lambda s: kept.append(s.step))
    with pytest.raises(Lost, match="diverged 9 times, at last with loss = nan"):
        list(steps)
    assert state.rollbacks == 8
    assert kept[-1] == 2


@pytest.mark.parametrize(
    ("wrong", "why"),
    [({"kind": "gan"}, "kind"), ({"levels": 1}, "levels=1"), ({"width": 33, "size": 28}, "32"),
     ({"rate": -1.0}, "rate"), ({"unlabelled": 1.0}, "unlabelled"), ({"seed": -1}, "seed"),
     ({"schedule": "cosine", "first": 0.1}, "first"), ({"batch": -1}, "batch"),
     ({"sigma_min": 0.0, "kind": "ncsn"}, "sigma_min"), ({"average": 1.0}, "average")],
)  # fmt: skip
def test_wrong_numbers_are_refused(wrong, why: str) -> None:
    with pytest.raises(InputError, match=why):
        Config(**wrong)
