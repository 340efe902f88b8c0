"""Damaged files of our own are left out, told in one line, and made again; and numbers that are no
longer finite end at one gate, before a file is written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from toyflows.cli.main import main
from toyflows.cloud import finite_or_refused
from toyflows.errors import InputError
from toyflows.sweep import store
from toyflows.sweep.plan import Plan
from toyflows.sweep.point import Chunk, versions, work
from toyflows.sweep.run import carry_out
from toyflows.sweep.store import Store, load_so_far

PLAN = Plan.make(
    ["ml"], {"separation": "2:8:6"}, "theory", 1, ("verdict", "theta"), theta_star=1.0, time=2.0
)
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda raw: raw[: len(raw) // 2],
    "cut at its end": lambda raw: raw[:-30],
    "empty": lambda raw: b"",
    "garbage": lambda raw: b"garbage" * 100,
    "one bit": lambda raw: raw[:200] + bytes([raw[200] ^ 1]) + raw[201:],
}


class Here:
    """An engine in this process."""

    jobs = 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, chunks):
        return map(work, chunks)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A sweep of six runs of which four are there, in two parts."""
    store = Store(tmp_path / "s.npz", PLAN, PLAN.keys())
    for runs in ((0, 1), (2, 3)):
        store.add(work(Chunk(tuple(PLAN.run(k) for k in runs), PLAN.keep, versions())))
    return tmp_path / "s.npz"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_of_a_sweep_is_computed_again(
    damage: str, begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = carry_out(PLAN, tmp_path / "whole.npz", Here())
    part = min((tmp_path / "s.npz.parts").glob("*.npz"))
    part.write_bytes(DAMAGES[damage](part.read_bytes()))
    _, done = load_so_far(begun)
    assert done.sum() == 2
    result = carry_out(PLAN, begun, Here())
    said = capsys.readouterr().err.splitlines()
    assert (
        said == [f"toyflows: left out {part}: it is damaged, and its runs are still to be done"] * 2
    )
    for name, values in whole.values.items():
        assert np.array_equal(result.values[name], values)
    assert begun.read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize("damage", [*DAMAGES, "gone"])
def test_a_damaged_plan_is_written_again(
    damage: str, begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parts say of themselves that they are of the plan that the command says."""
    whole, plan = tmp_path / "whole.npz", tmp_path / "s.npz.parts" / "plan.json"
    carry_out(PLAN, whole, Here())
    raw = plan.read_bytes()
    if damage == "gone":
        plan.unlink()
    else:
        plan.write_bytes(DAMAGES[damage](raw))
        with pytest.raises(InputError, match=r"plan\.json is damaged; the `toyflows sweep` that"):
            load_so_far(begun)
    store = Store(begun, PLAN, PLAN.keys())
    assert store.saved == 4
    said = f"toyflows: {plan} is damaged: its parts are of this plan, and it is written again\n"
    assert capsys.readouterr().err == said
    store.add(work(Chunk((PLAN.run(4),), PLAN.keep, versions())))
    assert plan.read_bytes() == raw
    carry_out(PLAN, begun, Here())
    assert begun.read_bytes() == whole.read_bytes()


def test_a_damaged_plan_of_other_runs_is_refused_with_the_cure(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tmp_path / "s.npz.parts"
    (parts / "plan.json").write_bytes(b"{}")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    other = Plan.make(["ml"], {"separation": "2:8:5"}, "theory", 1, ("verdict", "theta"),
                      theta_star=2.0, time=2.0)  # fmt: skip
    cure = r"remove the folder, and its runs are done again"
    with pytest.raises(InputError, match=cure):
        carry_out(other, begun, Here())
    monkeypatch.setattr(store, "versions", lambda: versions() | {"numpy": "9"})
    with pytest.raises(InputError, match=cure):
        carry_out(PLAN, begun, Here())
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_part_of_other_shapes_is_no_part(begun: Path, tmp_path: Path) -> None:
    part = min((tmp_path / "s.npz.parts").glob("*.npz"))
    with np.load(part) as file:
        rows = dict(file) | {"theta": np.zeros(7)}
    np.savez(part, **rows)
    assert load_so_far(begun)[1].sum() == 2


# ---- the kernels' cache


def twice(x):
    return 2 * x


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_kernel_is_compiled_again(
    damage: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from toyflows.kernels import jit

    monkeypatch.setattr(jit, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(jit.Sealed, "told", False)

    def run() -> tuple[int, str]:
        """How often it was found in the cache, and what was said."""
        made = jit.kernel(twice)
        assert made(3.0) == 6.0
        return sum(made.stats.cache_hits.values()), capsys.readouterr().err

    assert run() == (0, "")
    assert run() == (1, "")
    (file,) = tmp_path.rglob(f"*{suffix}")
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    said = f"toyflows: a kernel in {file.parent} was damaged: it is compiled again\n"
    assert run() == (0, said)
    assert run() == (1, "")


def test_a_cache_that_cannot_be_written_is_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toyflows.kernels import jit

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jit, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(jit.Sealed, "_open_for_write", full)
    assert jit.kernel(twice)(3.0) == 6.0


# ---- numbers that are not finite


def test_the_gate() -> None:
    with finite_or_refused("rate", 9.0, "after step 3") as judge:
        assert judge(np.ones(2)).sum() == 2
    for break_it in (lambda j: j(np.array([1e308]) * 10), lambda j: 1e308**2):
        with (
            pytest.raises(InputError, match=r"rate = 9\.0: .* no longer finite after step 3"),
            finite_or_refused("rate", 9.0, "after step 3") as judge,
        ):
            break_it(judge)


LAW = ["sample", "--exact", "two-modes", "--count", "10", "--out", "x.csv"]
EBM = ["sample", "ebm28", "--count", "1", "--steps", "2", "--out", "x.png"]
ENDLESS = [
    ([*LAW, "--sampler", "annealed-langevin", "-p", "epsilon=1e200"], "-p epsilon=1e200: "),
    ([*LAW, "--process", "ve", "-p", "sigma_max=1e200", "--sampler", "ddim"], "-p sigma_max="),
    ([*LAW, "--class", "0", "--guidance", "1e300"], "--guidance 1e300: "),
    ([*EBM, "--denoise", "1e300"], "--denoise 1e300: "),
    ([*EBM, "--denoise", "1e-300"], "--denoise 1e-300: "),
    ([*EBM, "--denoise", "0.5", "--pull", "1e300"], "--pull 1e300: "),
    (["likelihood", "--exact", "two-modes", "--data", "far.csv"], "--data row 2: is farther"),
    (["likelihood", "--exact", "two-modes", "--data", "farther.csv"], "--data row 2: is farther"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), ENDLESS, ids=lambda w: str(w)[-30:])
def test_what_is_not_finite_is_refused_by_its_setting(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "far.csv").write_text("0,1\n1e20,1\n")
    (tmp_path / "farther.csv").write_text("0,1\n1e30,-1e30\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["toyflows", *words])
    with pytest.raises(SystemExit) as end:
        main()
    told = capsys.readouterr()
    assert (end.value.code, told.out, told.err.count("\n")) == (2, "", 1), told
    assert told.err.startswith(f"toyflows: {said}")
    assert not (tmp_path / words[-1]).exists() or words[0] == "likelihood"
    assert not list(tmp_path.glob("x.*"))


def test_weights_that_are_not_finite_are_a_step_that_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loss is judged before the step is made: its weights are too."""
    from toyflows.diffusion import sources, train
    from toyflows.diffusion.train import Config
    from toyflows.diffusion.trained import Model

    monkeypatch.setattr(train, "FASTEST", 1e301)  # beyond what may be asked for
    config = Config(width=8, rate=1e300)
    model = Model.new(config, sources.find(config.target, 0, False))
    run = train.train(model.config, model.state, model.source().batch, config.net(), lambda s: None)
    assert next(run).lost == "weights that are not finite"
    assert np.isfinite(model.state.θ).all()


# ---- a model whose data are gone


@pytest.mark.parametrize("how", ["moved", "changed"])
def test_a_model_without_its_data_samples_unjudged(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    from toyflows.diffusion import sources
    from toyflows.diffusion.train import Config
    from toyflows.diffusion.trained import Model

    rows = np.random.default_rng(0).normal(size=(40, 2))
    np.savetxt(tmp_path / "x.csv", rows, delimiter=",")
    config = Config(target=str(tmp_path / "x.csv"), width=8)
    Model.new(config, sources.find(config.target, 0, False)).save(tmp_path / "m.npz")
    if how == "moved":
        (tmp_path / "x.csv").unlink()
    else:
        np.savetxt(tmp_path / "x.csv", rows + 1, delimiter=",")
    monkeypatch.chdir(tmp_path)
    words = ["sample", "m.npz", "--count", "20", "--steps", "2", "--json", "--out", "s.csv"]
    monkeypatch.setattr(sys, "argv", ["toyflows", *words])
    with pytest.raises(SystemExit) as end:
        main()
    out, said = capsys.readouterr()
    told = json.loads(out)
    assert (end.value.code, told["quality"], said) == (0, None, f"toyflows: {told['doubt']}\n")
    assert told["doubt"].startswith("not judged: ")
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 21
