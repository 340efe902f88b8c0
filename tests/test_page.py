"""The page's data are the library's numbers, whatever the plan; what cannot be is refused."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toyflows
from toyflows import pages
from toyflows.cloud import Cloud
from toyflows.errors import InputError
from toyflows.flows import Flow, registry
from toyflows.mixture import Mixture
from toyflows.pages import document, layout, record
from toyflows.pages.layout import LIMIT, POINTS, TEXT, Bins, Layout, bytes_of, template_bytes
from toyflows.pages.record import LEVELS, Order, quantised
from toyflows.settings import RunSettings

SMALL = {"theta_star": 1.4, "separation": 6.0, "time": 6.0, "dt": 0.05, "walkers": 400, "seed": 3}


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f8")


def shares(entry: dict[str, Any], packed: str = "histogram") -> np.ndarray:
    """Rows (frames, bins)."""
    values = np.frombuffer(base64.b64decode(entry[packed]["values"]), "<u2")
    return values.reshape(-1, entry["bins"]) / entry[packed]["per"]


def entry_of(words: str, frames: int = 20, **more: Any) -> dict[str, Any]:
    asked = pages.plan([words], **(SMALL | more), frames=frames)
    return record.entry(Order(asked.runs[0], frames))


@given(st.integers(1, 5000), st.integers(10, 1000))
def test_frames_lie_among_the_kept_records_as_the_page_counts_them(n: int, frames: int) -> None:
    """model.js: frame k is record min(k·points, last); there are ⌈last/points⌉ + 1 of them."""
    plan = Layout.of(n, frames)
    kept, seen = plan.kept(), plan.frames()
    last = kept.size - 1
    k = np.arange(-(-last // plan.points) + 1)
    assert np.array_equal(kept[np.minimum(k * plan.points, last)], seen)
    assert (kept[0], kept[-1]) == (0, n)
    assert seen.size <= frames + 1
    assert kept.size <= POINTS * frames + 2


@pytest.mark.parametrize(
    "words", ["pcd", "pcd kernel=mala", "cd k=2", "nce learn_c=True", "gan", "jarzynski",
              "tempering", "replay-buffer", "short-run", "score-matching", "reverse-kl"],
)  # fmt: skip
def test_an_entry_is_what_flow_gives(words: str, short_outlook: None) -> None:
    """θ and the share in b to the last bit at the times shown, the verdict and the alarms."""
    told = entry_of(words)
    name, *pairs = words.split()
    options = dict(pair.split("=") for pair in pairs)
    run = toyflows.flow(name, **SMALL, options=options)
    t = floats(told["t"])
    assert (t[0], t[-1]) == (0.0, 6.0)
    assert 60 <= t.size <= 82
    assert set(told["theta"]) == set(run.backends)
    for backend, tr in run.backends.items():
        at = np.searchsorted(tr.t, t)
        assert np.array_equal(tr.t[at], t)
        assert np.array_equal(floats(told["theta"][backend]), tr.θ[at])
        if np.isfinite(tr.mode_b[0]):
            assert np.array_equal(floats(told["mode_b"][backend]), tr.mode_b[at])
    assert (told["kind"], told["says"]) == (run.verdict.kind, run.verdict.says)
    assert told["alarms"] == run.alarms
    assert ("histogram" in told) == (run.flow.has_negatives and run.flow.sampled)


@pytest.mark.parametrize("name", sorted(registry()))
def test_every_method_has_an_entry_within_the_stated_bytes(name: str, short_outlook: None) -> None:
    told = entry_of(name, frames=10, time=1.0, walkers=200)
    assert len(json.dumps(told)) <= bytes_of(6.0, 10)


def test_the_stated_bytes_are_nearly_those_of_a_long_run() -> None:
    told = entry_of("pcd", frames=400, time=80.0, walkers=50)
    words = {name: value for name, value in told.items() if isinstance(value, str | list)}
    assert len(json.dumps(words)) - len(told["t"]) < TEXT
    assert 0.9 * bytes_of(6.0, 400) < len(json.dumps(told)) <= bytes_of(6.0, 400)


def test_histograms_are_those_of_the_walkers_at_their_times() -> None:
    """Frame k against a run that ends there: its chains counted by NumPy, and their share in b."""
    told = entry_of("pcd", separation=3.0)
    rows, t = shares(told), floats(told["t"])
    frames = np.minimum(np.arange(len(rows)) * told["points"], t.size - 1)
    assert t[frames[-1]] == t[-1]
    edges = np.linspace(told["low"], told["high"], told["bins"] + 1)
    mode_b = floats(told["mode_b"]["walkers"])[frames]
    assert rows[:, told["bins"] // 2 :].sum(axis=1) == pytest.approx(mode_b, abs=1e-12)
    for k in (1, 7, len(rows) - 1):
        run = toyflows.flow("pcd", **(SMALL | {"separation": 3.0, "time": t[frames[k]]}))
        chains = run.backends["walkers"].state.cold
        counts, _ = np.histogram(chains.x, edges)
        assert np.array_equal(np.rint(rows[k] * 400), counts)


def test_weighted_particles_are_counted_by_weight() -> None:
    bins = Bins.of(Mixture.separated(4.0))
    cloud = Cloud(np.array([-2.0, 2.0, 99.0]), np.log([0.5, 0.3, 0.2]))
    found = bins.shares(cloud)
    assert found.sum() == pytest.approx(0.8)  # what lies outside is in no bin
    assert found[bins.size // 2 :].sum() == pytest.approx(0.3)


def test_counting_in_pieces_is_counting(monkeypatch) -> None:
    x = np.random.default_rng(1).normal(0, 3, 1000)
    bins = Bins.of(Mixture.separated(8.0))
    counts, _ = np.histogram(x, np.linspace(bins.low, bins.high, bins.size + 1))
    monkeypatch.setattr(layout, "PIECE", 64)
    assert np.array_equal(np.rint(1000 * bins.shares(Cloud(x))), counts)


@given(st.integers(1, 10**7), st.integers(0, 2**32 - 1))
def test_quantisation_is_exact_or_half_a_step_off(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, [0.7, 0.2, 0.05, 0.05])
    values, per = quantised(counts / n, n)
    assert values.dtype == np.uint16
    if counts.max() <= LEVELS:
        assert np.array_equal(values / per, counts / n)
    assert np.max(np.abs(values / per - counts / n)) <= 0.5001 * counts.max() / n / LEVELS


@dataclass(frozen=True)
class Explodes(Flow):
    """θ̇ = 1 + θ²"""

    title = "Explosion"

    def velocity(self, ops: Any, θ: float, negatives: Any, **extra: float) -> float:
        return 1.0 + θ * θ


def test_a_run_that_diverges_is_shown_as_far_as_it_went(monkeypatch) -> None:
    """tan t leaves the numbers at t = π/2: the frames before it stand, the page ends there."""
    monkeypatch.setattr(RunSettings, "flow", lambda self: Explodes())
    settings = RunSettings("explodes", {}, 0.0, 10.0, 0.01, 1.0, 50, 0, 1.0, 4.0)
    told = record.entry(Order(settings, 100))
    assert (told["kind"], told["message"]) == ("diverges", "Explosion leaves the finite numbers")
    assert told["says"].startswith("The run diverged at step ")
    t, θ = floats(told["t"]), floats(told["theta"]["grid"])
    assert 1.5 <= t[-1] <= 1.75
    assert t.size == θ.size
    assert θ[t <= 1.0] == pytest.approx(np.tan(t[t <= 1.0]), rel=0.05)


def test_a_plan_is_the_product_of_methods_and_values_as_flow_would_have_them() -> None:
    asked = pages.plan(
        ["pcd", "cd k=10"], ["separation=4:8:3", "seed=1,2"], theta_star=1.0, walkers=300, time=1.0,
        options={"kernel": "mala"},
    )  # fmt: skip
    assert [axis.name for axis in asked.axes] == ["loss", "separation", "seed"]
    assert asked.axes[0].values == ("pcd kernel=mala", "cd k=10 kernel=mala")
    assert [(s.loss, s.separation, s.seed) for s in asked.runs] == [
        (loss, d, seed) for loss in ("pcd", "cd") for d in (4.0, 6.0, 8.0) for seed in (1, 2)
    ]
    run = toyflows.flow(
        "cd", theta_star=1.0, separation=8.0, seed=2, walkers=300, time=1.0, backends=["grid"],
        k=10, kernel="mala",
    )  # fmt: skip
    assert asked.runs[-1] == run.settings
    assert asked.frames == 120


def test_fewer_frames_are_recorded_where_the_page_would_grow_too_large() -> None:
    full = pages.plan(["pcd", "nce", "ml"], ["separation=4:20:10"], theta_star=1.0)
    crowded = pages.plan(["pcd", "nce", "ml"], ["separation=4:20:8", "theta0=-1,0,1"],
                         theta_star=1.0)  # fmt: skip
    assert full.frames == 120
    assert 60 <= crowded.frames < 120


REFUSED = [
    ({"losses": []}, "loss", "must be a method"),
    ({"losses": ["pdc"]}, "loss", "did you mean pcd"),
    ({"losses": ["pcd", "pcd"]}, "loss", "twice"),
    ({"over": ["separation"]}, "over", "NAME=START:STOP:COUNT"),
    ({"over": ["=3"]}, "over", "NAME=START:STOP:COUNT"),
    ({"over": ["separation="]}, "over", "a value is missing"),
    ({"over": ["separation=4,,5"]}, "over", "a value is missing"),
    ({"over": ["separation=4,4"]}, "over", "twice"),
    ({"over": ["separation=4:8:0"]}, "over", "the range is empty"),
    ({"over": ["separation=4:x:3"]}, "over", "START:STOP:COUNT"),
    ({"over": ["separation=4:inf:3"]}, "over", "START:STOP:COUNT"),
    ({"over": ["separation=4:5:101"]}, "over", "at most 100 values"),
    ({"over": ["separation=four"]}, "over", "must be a number"),
    ({"over": ["seed=1.5"]}, "over", "whole number"),
    ({"over": ["seperation=4"]}, "over", "did you mean separation"),
    ({"over": ["dt=0.1,3"]}, "dt", "0 < dt < 2"),
    ({"over": ["separation=4,500"]}, "separation", "≤ 100"),
    ({"over": ["theta-star=1,2"]}, "theta_star", "what --over varies"),
    ({"over": ["k=1,2"]}, "over", "is no parameter of pcd"),
    ({"over": ["kernel=ula,hmc"]}, "p", "kernel"),
    ({"over": ["seed=1,2", "seed=3"]}, "over", "varied twice"),
    ({"over": ["seed=1", "dt=0.1", "rate=1"]}, "over", "two parameters"),
    ({"over": ["theta-star=1", "q-star=0.5"], "theta_star": None}, "over", "varied twice"),
    ({"theta_star": None}, "theta_star", "neither is given"),
    ({"q_star": 0.3}, "theta_star", "both are given"),
    ({"options": {"k": "3"}}, "p", "unknown option"),
    ({"frames": 5}, "frames", "10 to 1000"),
    ({"walkers": 0}, "walkers", "1 or more"),
    ({"walkers": 10**13}, "walkers", "GiB of memory"),
    ({"over": ["separation=4:20:50", "theta0=-1,0,1"]}, "over", "lower them to at most"),
    ({"over": ["separation=4:20:100", "theta0=-1:1:100"]}, "over", "lower them to at most"),
    ({"over": ["separation=4:20:10"], "frames": 1000}, "frames", "lower it"),
]


@pytest.mark.parametrize(("change", "name", "why"), REFUSED, ids=lambda v: str(v)[:40])
def test_what_cannot_be_is_refused_before_anything_runs(
    change: dict[str, Any], name: str, why: str
) -> None:
    asked = {"losses": ["pcd"], "theta_star": 1.0} | change
    with pytest.raises(InputError, match=re.escape(why)) as refused:
        pages.plan(**asked)
    assert refused.value.name == name


@pytest.mark.parametrize("out", ["page.pdf", "page", "no/where.html"])
def test_a_place_where_no_page_can_be_is_refused(out: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        pages.check_out(tmp_path / out)


def test_largest_pages_keep_the_limit() -> None:
    """As many runs as are allowed, each as large as is allowed, are below 3 MB."""
    for d, frames in ((4.0, 60), (20.0, 120), (100.0, 120)):
        most = (LIMIT - template_bytes()) // bytes_of(d, frames)
        html = document.page("", (), [])
        assert len(html.encode()) < template_bytes()
        assert most * bytes_of(d, frames) + template_bytes() <= LIMIT
    with pytest.raises(InputError, match="3 MB"):
        document.check_size("x" * (LIMIT + 1))


def test_the_same_page_for_any_number_of_processes(tmp_path: Path) -> None:
    asked = pages.plan(["pcd"], ["separation=4,6"], theta_star=1.0, time=2.0, walkers=300)
    seen: list[float] = []
    one = pages.write(tmp_path / "one.html", asked, "t", jobs=1, progress=seen.append)
    two = pages.write(tmp_path / "two.html", asked, "t", jobs=2)
    assert one.read_bytes() == two.read_bytes()
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_nothing_is_left_where_a_page_was_stopped(tmp_path: Path, monkeypatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(record, "entry", stop)
    asked = pages.plan(["pcd"], theta_star=1.0)
    with pytest.raises(KeyboardInterrupt):
        pages.write(tmp_path / "page.html", asked, jobs=1)
    assert list(tmp_path.iterdir()) == []


def test_saved_runs_show_what_they_recorded() -> None:
    """Also one that was resumed, whose second part is recorded less densely; walkers at the end."""
    run = toyflows.flow("pcd", theta_star=1.0, separation=4.0, time=50.0, dt=0.05, walkers=300)
    run = run.resume(250.0)
    told = record.saved_entry(run)
    t, (row,) = floats(told["t"]), shares(told)
    for backend, tr in run.backends.items():
        assert np.array_equal(floats(told["theta"][backend]), tr.θ[np.searchsorted(tr.t, t)])
        assert np.isin(t, tr.t).all()
    assert told["first"] == -(-(t.size - 1) // told["points"])
    edges = np.linspace(told["low"], told["high"], told["bins"] + 1)
    counts, _ = np.histogram(run.backends["walkers"].state.cold.x, edges)
    assert np.array_equal(np.rint(row * 300), counts)


def test_a_run_on_real_numbers_shows_them() -> None:
    run = toyflows.flow("pcd", data="old-faithful", time=2.0, walkers=200)
    told = record.saved_entry(run)
    data = run.target.data.x
    inside = np.mean((data > told["low"]) & (data < told["high"]))
    assert shares(told, "data").sum() == pytest.approx(inside)
    assert "--data old-faithful" in told["again"]


def test_the_command_makes_the_same_run() -> None:
    """`again`, read as `toyflows flow` reads it."""
    words = entry_of("cd k=3")["again"].split()
    assert words[:2] == ["toyflows", "flow"]
    pairs = dict(zip(words[2::2], words[3::2], strict=True))
    assert pairs["--loss"] == "cd"
    assert pairs["-p"] == "k=3"
    for option, value in SMALL.items():
        assert float(pairs["--" + option.replace("_", "-")]) == value
    exact = entry_of("ml", theta0=0.1234567890123456, walkers=10)["again"]
    assert "--theta0 0.1234567890123456 " in exact


def test_words_cannot_leave_their_place() -> None:
    evil = "</script><script>alert(1)</script><b>{{DATA}}"
    html = document.page(evil, (pages.Axis("run", "run", (evil,)),), [])
    assert html.count("</script>") == 2
    assert "<b>" not in html.replace('<b id="phase">', "")
    data = re.search(r'type="application/json">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["title"] == evil


def test_the_page_names_nothing_outside_itself() -> None:
    html = document.page("", (), [])
    assert not re.search(r"https?:|src=|url\(|@import|\beval\b|\bimport\b|fetch\(", html)
    assert "default-src 'none'" in html


def test_colours_are_those_of_the_figures() -> None:
    from toyflows.figures import _style

    css = (Path(record.__file__).parent / "page.css").read_text("utf-8").split(":root[")[0]
    found = dict(re.findall(r"--(\w+): (#\w+)", css))
    assert found["data"] == _style.DATA
    assert found["exact"] == _style.EXACT
    assert found["walkers"] == _style.WALKERS


def test_settings_hold_all_that_a_worker_needs() -> None:
    asked = pages.plan(["nce mu=0.5"], q_star=0.8)
    assert asked.runs[0] == RunSettings(
        "nce", {"mu": 0.5}, 0.0, 100.0, 0.05, 1.0, 10_000, 0, asked.runs[0].theta_star, 20.0
    )
