"""What a method of one's own may say: walkers only, a memory, random numbers, weights, tilted and
underdamped moves, means over pairs, negatives that see the further coordinates."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from toyflows import bench, followed, linear, own, solve, stats
from toyflows.backends.grid import Grid
from toyflows.backends.walkers import Walkers
from toyflows.cloud import Cloud
from toyflows.errors import InputError
from toyflows.flows import Flow, make
from toyflows.settings import RunSettings
from toyflows.target import Target

TARGET = Target.exact(0.9, 3.0)
QUICK = RunSettings(time=0.5, dt=0.1, walkers=500)


@pytest.fixture(autouse=True)
def _same_path(monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def loaded(folder: Path, text: str) -> own.Method:
    path = folder / "my_method.py"
    path.write_text(text, encoding="utf-8")
    (method,) = own.load(path)
    return method


class Likelihood(Flow):
    """θ̇ = E_ν[∂_θU_θ] − E_data[∂_θU_θ]"""

    def negatives(self, ops, θ, chains):
        return ops.model(θ)

    def velocity(self, ops, θ, negatives, **extra):
        r = ops.mixture.responsibility
        return float(ops.mean(negatives, r, θ) - ops.mean(ops.data(), r, θ))


# ------------------------------------------------------------------ walkers only
WALKERS_ONLY = """
from dataclasses import dataclass
from toyflows.flows import Flow
@dataclass(frozen=True)
class A(Flow):
    exact = {}
    def velocity(self, ops, θ, negatives):
        return float(ops.rng().normal())
"""


def test_a_class_may_be_for_walkers_only(tmp_path) -> None:
    """Then it is judged on walkers, by replicas; else the exact law refuses what it has not."""
    method = loaded(tmp_path, WALKERS_ONLY.format(False))
    assert method.backends == ("walkers",)
    assert bench.cell(method.guarded(), 4.0, QUICK, "walkers").verdict.noise > 0.03
    method = loaded(tmp_path, WALKERS_ONLY.format(True))
    assert method.backends == ("grid", "walkers")
    with pytest.raises(own.OwnFileError, match=r"my_method.py:8: .*exact = False"), \
            method.place.blamed():  # fmt: skip
        bench.cell(method.guarded(), 4.0, QUICK, "grid")


def test_what_has_no_exact_law_has_no_eigenvalues() -> None:
    """A stated fixed point does not bring it to the grid."""

    class Own(Likelihood):
        exact = False

        def fixed_point(self, target):
            return target.θ_star

        def negatives(self, ops, θ, chains):
            ops.rng()
            return ops.model(θ)

    assert linear.eigenvalues(Own(), Grid(TARGET, 0.1)) is None


def test_the_mean_of_replicas_that_stands_still_is_no_rest() -> None:
    """θ makes a random walk without drift far from θ*: it learns nothing, and is not called biased
    because the mean of four walks happens to slow down. 12 seeds; one fails by chance with 4e−4, as
    the mean would have to move by 8 of its deviations, known from 6 differences."""

    @dataclass(frozen=True)
    class Walk(Flow):
        """θ̇ = noise"""

        exact = False
        has_negatives = False

        def velocity(self, ops, θ, negatives):
            return 1e-3 * float(ops.rng().normal())

    words = set()
    for seed in range(12):
        setting = RunSettings(time=20.0, dt=0.1, walkers=10, seed=seed)
        words.add(bench.cell(Walk(), 8.0, setting, "walkers").verdict.kind)
    assert words == {"no learning"}


# ------------------------------------------------------------------ random numbers
def test_random_numbers_are_a_function_of_seed_step_and_stream() -> None:
    """Whatever the threads are; correlations of 1000 draws of two streams, steps or seeds are below
    5/√1000 (false-fail rate 6e−7 each)."""

    def draw(seed: int, step: int, stream: int, threads: int = 1) -> np.ndarray:
        ops = Walkers(TARGET, 0.1, 10, seed, threads).at(step)
        return ops.rng(stream).normal(size=1000)

    assert np.array_equal(draw(1, 2, 3), draw(1, 2, 3, threads=2))
    rows = [draw(0, 0, 0), draw(1, 0, 0), draw(0, 1, 0), draw(0, 0, 1)]
    assert np.max(np.abs(np.corrcoef(rows) - np.eye(4))) < 5 / math.sqrt(1000)


# ------------------------------------------------------------------ memory
class Averaged(Likelihood):
    """θ̇ = a,  τȧ = (that of likelihood) − a, with a in the memory"""

    def memory(self, ops, θ0, chains):
        return {"a": 0.0}

    def velocity(self, ops, θ, negatives, **extra):
        a = ops.memory["a"]
        ops.memory["a"] = a + ops.h * (super().velocity(ops, θ, negatives) - a)
        return float(a)


class Coordinate(Likelihood):
    """The same, with a as a further coordinate."""

    def extra(self, target, θ0):
        return {"a": 0.0}

    def velocity(self, ops, θ, negatives, a):
        return a, super().velocity(ops, θ, negatives) - a


@pytest.mark.parametrize("kind", [Grid, Walkers])
def test_a_memory_is_carried_as_a_coordinate_is(kind) -> None:
    """The same path to round-off, also when the run is continued; what the last look did to the
    memory is not kept."""
    ops = kind(TARGET, 0.1)
    whole = solve.run(Averaged(), ops, 0.0, 60)
    other = solve.run(Coordinate(), ops, 0.0, 60)
    assert whole.θ == pytest.approx(other.θ, abs=1e-13)
    assert abs(whole.θ[-1]) > 0.1
    half = solve.run(Averaged(), ops, 0.0, 23)
    both = half.then(solve.run(Averaged(), ops, steps=37, state=half.state))
    assert np.array_equal(both.θ, whole.θ)
    assert float(half.state.memory["a"]) == pytest.approx(other.extra["a"][23], abs=1e-13)


@pytest.mark.parametrize("backend", ["grid", "walkers"])
def test_a_method_with_a_memory_is_judged(backend) -> None:
    cell = bench.cell(Averaged(), 8.0, RunSettings(walkers=2_000, dt=0.1), backend)
    assert cell.verdict.kind == "converges"
    assert not followed.is_field(Averaged())


def test_a_memory_is_a_copy_and_keeps_its_names() -> None:
    """What is changed in place harms no earlier state."""

    class Rude(Averaged):
        def memory(self, ops, θ0, chains):
            return {"a": np.zeros(3)}

        def velocity(self, ops, θ, negatives, **extra):
            ops.memory["a"] += 1.0
            return 0.0

    ops = Walkers(TARGET, 0.1, 10)
    run = solve.run(Rude(), ops, 0.0, 5)
    assert np.array_equal(run.state.memory["a"], np.full(3, 5.0))
    solve.run(Rude(), ops, steps=5, state=run.state)
    assert np.array_equal(run.state.memory["a"], np.full(3, 5.0))

    class Renamed(Averaged):
        def velocity(self, ops, θ, negatives, **extra):
            ops.memory["b"] = 1.0
            return 0.0

    with pytest.raises(ValueError, match="memory must keep its names: a became a, b"):
        solve.run(Renamed(), ops, 0.0, 1)


MOMENTA = """
import numpy as np
def memory(walkers, rng):
    return {"v": rng.normal(size=walkers.size)}
def advance(theta, walkers, rng, mixture, dt, memory):
    c, v = np.exp(-dt), memory["v"]
    v -= 0.5 * dt * mixture.dU_dx(walkers, theta)
    walkers += 0.5 * dt * v
    v[:] = c * v + np.sqrt(1 - c * c) * rng.normal(size=walkers.size)
    walkers += 0.5 * dt * v
    memory["v"] = v - 0.5 * dt * mixture.dU_dx(walkers, theta)
    return walkers
def velocity(theta, data, negatives, mixture):
    r = mixture.responsibility
    return np.mean(r(negatives, theta)) - np.mean(r(data, theta))
"""


def test_a_plain_function_has_a_memory(tmp_path) -> None:
    """Underdamped chains of its own: after 20 steps the walkers' variance about a single mode is 1
    (BAOAB is exact there), mean over 24 replicas, false-fail rate 1e−6; a run can be continued."""
    flow, target = loaded(tmp_path, MOMENTA).guarded(), Target.exact(400.0, 3.0)
    squares = []
    for seed in range(24):
        run = solve.run(flow, Walkers(target, 0.5, 4_000, seed), 400.0, 20)
        squares.append(float(np.mean((run.state.chains.x - target.mixture.a) ** 2)))
    assert stats.mean("variance", squares, 1.0).detects < 0.05
    ops = Walkers(TARGET, 0.1, 500)
    whole, half = solve.run(flow, ops, 0.0, 9), solve.run(flow, ops, 0.0, 4)
    assert solve.run(flow, ops, steps=5, state=half.state).θ[-1] == whole.θ[-1]


# ------------------------------------------------------------------ weights
WEIGHTED = """
import numpy as np
def advance(theta, theta_new, walkers, logw, rng, mixture, dt):
    y = walkers - dt * mixture.dU_dx(walkers, theta) + np.sqrt(2 * dt) * rng.normal(size=logw.size)
    return y, logw + mixture.work(walkers, y, theta, theta_new, dt)
def velocity(theta, data, negatives, weights, mixture):
    r = mixture.responsibility
    return {}
"""


def test_a_plain_function_may_carry_weights(tmp_path) -> None:
    """Jarzynski's equality in a plain function, θ driven at constant speed: the mean weight is
    Z_θ/Z_θ0 without bias (Carbone et al. 2023, prop. 1), at false-fail rate 1e−6 over 24 replicas;
    with the old θ in place of the new one it is not."""
    text = WEIGHTED.format("-1.0")
    flow = loaded(tmp_path, text).guarded()

    def ratios(flow: Flow) -> list[float]:
        runs = [solve.run(flow, Walkers(TARGET, 0.1, 4_000, s), 0.0, 10) for s in range(24)]
        return [math.exp(r.seen["log_Z"][-1] - TARGET.mixture.log_Z(-1.0)) for r in runs]

    assert stats.mean("weight", ratios(flow), 1.0).detects < 0.02
    wrong = text.replace("theta, theta_new, dt", "theta, theta, dt")
    with pytest.raises(AssertionError):
        stats.mean("weight", ratios(loaded(tmp_path, wrong).guarded()), 1.0)


def test_weights_lead_a_plain_function_to_the_weight(tmp_path) -> None:
    """At d = 20 no walker crosses: only weights can tell."""
    told = "float(weights @ r(negatives, theta) - np.mean(r(data, theta)))"
    method = loaded(tmp_path, WEIGHTED.format(told))
    cell = bench.cell(method.guarded(), 20.0, RunSettings(walkers=4_000, dt=0.1), "walkers")
    assert cell.verdict.kind == "converges", cell.verdict
    assert cell.run.crossings[-1] == 0


BROKEN = {
    "no weights": (
        "def velocity(negatives): return 0\ndef advance(walkers, logw): return walkers\n",
        r":2: advance returned an array of shape \(500,\), it asks for logw: a tuple",
    ),
    "lost weights": (
        "def velocity(negatives): return 0\n"
        "def advance(walkers, logw): return walkers, logw * 1e999\n",
        r":2: advance returned 500 log weights that are not finite",
    ),
    "no memory": (
        "def velocity(memory): return 0\n",
        r":1: memory is asked for, but the file has no function",
    ),
    "memory": (
        "def velocity(memory): return 0\ndef memory(theta): return 1\n",
        r":2: memory returned a value of type int, a dict of arrays by name",
    ),
    "words": (
        "def velocity(memory): return 0\ndef memory(): return {'a': 'b'}\n",
        r"memory\['a'\] must be a number",
    ),
    "names": (
        "def velocity(memory): return memory.clear() or 0\ndef memory(): return {'a': 1}\n",
        r"memory must keep its names: a became",
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_memory_or_weight_is_told_by_its_line(text, said, tmp_path) -> None:
    with pytest.raises(own.OwnFileError, match=said):  # noqa: PT012
        method = loaded(tmp_path, text)
        with method.place.blamed():
            bench.cell(method.guarded(), 4.0, QUICK, "walkers")


# ------------------------------------------------------------------ negatives and coordinates
def test_negatives_may_see_the_further_coordinates() -> None:
    """A learned noise: the negatives are ρ_μ of the coordinate μ. It is what the step and the
    linearised flow use; negatives that do not ask are told nothing."""

    class Learned(Flow):
        """θ̇ = E_{ρ_μ}[∂_θU_θ] − E_data[∂_θU_θ],  μ̇ = θ − μ"""

        def extra(self, target, θ0):
            return {"μ": 0.5}

        def negatives(self, ops, θ, chains, μ):
            return ops.model(μ)

        def velocity(self, ops, θ, negatives, μ):
            r = ops.mixture.responsibility
            return float(ops.mean(negatives, r, θ) - ops.mean(ops.data(), r, θ)), θ - μ

        def fixed_point(self, target):
            return target.θ_star

        def rest(self, target):
            return {"μ": target.θ_star}

    grid, flow = Grid(TARGET, 0.1), Learned()
    r = grid.mixture.responsibility
    wanted = grid.mean(grid.model(0.5), r, 0.0) - grid.mean(grid.data(), r, 0.0)
    assert solve.run(flow, grid, 0.0, 1).velocity[0] == pytest.approx(wanted, abs=1e-15)
    λ = linear.eigenvalues(flow, grid)
    ops = grid.model(TARGET.θ_star)
    slope = grid.mean(ops, grid.mixture.overlap, TARGET.θ_star)
    p = TARGET.q_star
    moved = p * (1 - p)  # −∂_μ E_ρμ[r_θ*] at μ = θ* is Cov(r, r) = p(1−p) − E[r(1−r)]
    assert np.sum(λ).real == pytest.approx(-1.0, abs=1e-9)  # ∂_θθ̇ = 0: both means lose alike
    assert np.prod(λ).real == pytest.approx(moved - slope, abs=1e-9)


# ------------------------------------------------------------------ moves
@pytest.mark.parametrize("log_g", [None, lambda x, y: 0.0 * y])
def test_a_tilted_move_is_the_recursion_of_two_gaussians(log_g) -> None:
    """A single mode with a spring to c far outside: mean and variance after 30 steps of ULA in
    closed form, to 1e−10, whether weights are carried or not; the nodes follow the law."""
    target, h, c, σ2 = Target.exact(400.0, 3.0), 0.1, 25.0, 0.5
    grid, a = Grid(target, h), target.mixture.a
    cloud, mean, variance = grid.model(400.0), a, 1.0
    for _ in range(30):
        cloud = grid.move(cloud, 400.0, slope=lambda x: (x - c) / σ2, log_g=log_g)
        mean += -h * ((mean - a) + (mean - c) / σ2)
        variance = (1 - h * (1 + 1 / σ2)) ** 2 * variance + 2 * h
    assert cloud.mean(lambda x: x) == pytest.approx(mean, abs=1e-10)
    assert cloud.mean(lambda x: (x - mean) ** 2) == pytest.approx(variance, abs=1e-10)


def test_walkers_move_in_a_tilted_energy_as_their_law_does() -> None:
    """Mean of r after 3 steps with a spring to m, over 24 replicas, false-fail rate 1e−6; each
    walker may have a spring of its own."""

    def share(ops) -> float:
        cloud = ops.model(0.5)
        for k in range(3):
            cloud = ops.move(cloud, 0.5, substep=k, slope=lambda x: x / 4.0)
        return float(ops.mean(cloud, ops.mixture.responsibility, 0.5))

    means = [share(Walkers(TARGET, 0.1, 10_000, seed)) for seed in range(24)]
    assert stats.mean("r", means, share(Grid(TARGET, 0.1))).detects < 0.01
    ops = Walkers(TARGET, 0.1, 100)
    cloud = ops.model(0.5)
    tied = ops.move(cloud, 0.5, slope=lambda x: x - cloud.x)  # at its own centre: no pull
    assert np.array_equal(tied.x, ops.move(cloud, 0.5).x)
    with pytest.raises(InputError, match="must be ula"):
        ops.move(cloud, 0.5, kernel="mala", slope=lambda x: x)


def test_underdamped_chains_keep_the_law_of_a_well() -> None:
    """x of variance 1/K exactly, also for dt = 0.8, where that of v is 1 − h²K/4 (Leimkuhler &
    Matthews 2013): K = 1, and 3/2 with a spring of ½ more. Mean over 24 replicas, false-fail rate
    1e−6."""
    target = Target.exact(400.0, 3.0)
    a = target.mixture.a

    def spread(seed: int, slope, K: float) -> float:
        ops = Walkers(target, 0.8, 10_000, seed)
        cloud = Cloud(a + math.sqrt(1 / K) * (ops.model(400.0).x - a))
        v = math.sqrt(1 - 0.16 * K) * ops.rng().normal(size=cloud.size)
        for k in range(5):
            cloud, v = ops.at(k).underdamped(cloud, v, 400.0, friction=0.5, slope=slope)
        return float(np.mean((cloud.x - a) ** 2))

    free = [spread(s, None, 1.0) for s in range(24)]
    assert stats.mean("variance", free, 1.0).detects < 0.03
    held = [spread(s, lambda x: 0.5 * (x - a), 1.5) for s in range(24)]
    assert stats.mean("held", held, 2 / 3).detects < 0.03
    with pytest.raises(InputError, match="exact = False"):
        Grid(target, 0.1).underdamped(Cloud(np.zeros(1)), np.zeros(1), 0.0)


# ------------------------------------------------------------------ pairs
def near(x, y, s):
    """A kernel of pairs."""
    with np.errstate(under="ignore"):
        return np.exp(-((x - y) ** 2) / (2 * s * s))


def test_means_over_pairs_are_those_of_independent_particles() -> None:
    """E e^{−(x−y)²/2s²} = s/√(s²+2) for two of N(a, 1): on the exact law to 1e−12; of one cloud of
    5 walkers without bias (who met himself would add 1/5), mean over 4,000 replicas, false-fail
    rate 1e−6; of weighted walkers too; of the data's law all pairs."""
    target, s = Target.exact(400.0, 3.0), 0.7
    wanted = s / math.sqrt(s * s + 2)
    grid = Grid(target, 0.1)
    law = grid.model(400.0)
    assert grid.mean_of_pairs(law, law, near, s) == pytest.approx(wanted, abs=1e-12)
    few = []
    for seed in range(4_000):
        ops = Walkers(target, 0.1, 5, seed)
        one = ops.model(400.0)
        few.append(ops.mean_of_pairs(one, one, near, s))
    assert stats.mean("pairs", few, wanted).detects < 0.05
    ops = Walkers(target, 0.1, 20_000)
    exact = ops.mean_of_pairs(ops.data(), ops.data(), near, s)
    assert exact == pytest.approx(wanted, abs=1e-12)
    tilt = np.array([0.3 * (ops.model(400.0).x - target.mixture.a)])[0]  # e^{0.3x}: N(a + 0.3, 1)
    many = []
    for seed in range(24):
        ops = Walkers(target, 0.1, 20_000, seed)
        x = ops.model(400.0).x
        shifted = Cloud(x, 0.3 * (x - target.mixture.a))
        many.append(ops.mean_of_pairs(shifted, ops.data_particles(), near, s))
    assert tilt.size == 20_000
    moved = wanted * math.exp(-0.09 / (2 * (s * s + 2)))
    assert stats.mean("weighted", many, moved, bias=1e-4).detects < 0.01


@dataclass(frozen=True)
class MMD(Flow):
    """θ̇ = −∂_θ MMD²(ρ_θ, ρ_*), a Gaussian kernel of width s: E_ρθρθ[k] − 2 E_ρθρ*[k] + const."""

    name = "mmd"
    s: float = 5.0

    def negatives(self, ops, θ, chains):
        return ops.model(θ)

    def velocity(self, ops, θ, negatives, **extra):
        centred = ops.mixture.centred  # −∂_θ log ρ_θ

        def rise(x, y):
            return centred(x, θ) * near(x, y, self.s)

        of_model = ops.mean_of_pairs(negatives, negatives, rise)
        of_data = ops.mean_of_pairs(negatives, ops.data_particles(), rise, substep=1)
        return 2 * float(of_model - of_data)


def test_a_method_of_pairs_runs_on_both_laws() -> None:
    """MMD with a wide kernel: the same θ̇ on walkers and grid (24 replicas, false-fail rate 1e−6),
    and it learns the weight at d = 8 on the exact law."""
    target = Target.exact(0.9, 8.0)
    exact = solve.velocity(MMD(), Grid(target, 0.1), 0.0)
    seen = [solve.velocity(MMD(), Walkers(target, 0.1, 10_000, s), 0.0) for s in range(24)]
    assert stats.mean("θ̇", seen, exact).detects < 0.02
    end = solve.run(MMD(), Grid(target, 0.5), 0.0, 60, rate=8.0).θ[-1]
    assert end == pytest.approx(0.9, abs=0.01)
    assert make("ml").fused == MMD.fused == ""
