"""`toyflows hopfield`: what it prints and saves, and how it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from toyflows.cli.main import app
from toyflows.lattice import patterns
from toyflows.lattice.hopfield import hebb


def call(*words: object):
    return CliRunner().invoke(app, ["hopfield", *map(str, words)])


def found(*words: object) -> dict:
    done = call(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_damaged_letter_is_mended() -> None:
    out = found("letters", "--start", "M", "--flip", 2, "--seed", 1)
    assert (out["end"], out["kind"], out["nearest"]) == ("rest", "memory", "M")
    assert (out["units"], out["patterns"], out["at_rest"]) == (25, ["D", "J", "C", "M"], 4)
    stored = patterns.load(["letters"])
    net = hebb(stored.x)
    states = [stored.start(step["state"].replace("\n", "/")) for step in out["steps"]]
    assert int(np.sum(states[0] != stored.x[3])) == 2
    assert [step["energy"] for step in out["steps"]] == [float(net.energy(s)) for s in states]
    assert np.array([step["overlaps"] for step in out["steps"]]) == pytest.approx(
        np.array(states) @ stored.x.T / 25
    )
    assert np.all(np.diff([step["energy"] for step in out["steps"]]) < 0)
    assert found("letters", "--start", "M", "--flip", 2, "--seed", 1) == out
    text = call("letters", "--start", "M", "--flip", 2, "--seed", 1).stdout
    assert "4 patterns of 25 units, 4 of them at rest" in text
    assert text.rstrip().endswith("the pattern M")
    assert "#...#\n" in text


def test_the_defaults_and_the_inverse() -> None:
    assert found()["nearest"] == "D"
    whole = found("letters", "--start", "C", "--flip", 25)
    assert (whole["kind"], whole["overlap"], len(whole["steps"])) == ("inverse", -1.0, 1)
    assert "the inverse of C" in call("letters", "--start", "C", "--flip", 25).stdout
    none = found("letters", "--start", ".####/...../...#./#..#./.###.")
    assert (none["kind"], none["nearest"]) == ("none", "J")


def test_cities_from_a_part_of_the_text() -> None:
    out = found("cities", "--rule", "gradient", "--start", "moscow-???????????")
    assert out["steps"][-1]["state"] == "moscow------russia"
    assert (out["kind"], out["at_rest"]) == ("memory", 9)
    assert found("cities", "--flip", 0)["at_rest"] == 0
    text = call("cities", "--rule", "gradient", "--start", "egindurrh-sxotland").stdout
    assert "egindurrh-sxotland" in text
    assert "the pattern edinburgh-scotland" in text


def test_graded_units_mend_a_letter_and_forget_below_their_gain() -> None:
    out = found("letters", "--start", "J", "--flip", 3, "--gain", 0.3, "--sweeps", 300)
    assert (out["end"], out["kind"], out["nearest"]) == ("rest", "memory", "J")
    assert 0.5 < out["overlap"] < 1
    energies = [step["energy"] for step in out["steps"]]
    assert np.diff(energies).max() < 1e-9
    assert found("letters", "--gain", 0.01, "--sweeps", 300)["kind"] == "none"
    assert (
        "--update sequential: is for units of ±1"
        in call("--gain", 1, "--update", "sequential").stderr
    )
    assert "--gain 0: must be 1e-06 to 1e+06" in call("--gain", 0).stderr


def test_all_at_once_can_cycle_and_heat_does_not_rest(tmp_path: Path) -> None:
    pair = tmp_path / "pair.txt"
    pair.write_text("##\n")
    out = found(pair, "--start", "#.", "--update", "synchronous")
    assert out["end"] == "cycle"
    assert [step["state"] for step in out["steps"]] == ["#.", ".#", "#."]
    words = (pair, "--start", "#.", "--update", "synchronous")
    assert "in a cycle of two states" in call(*words).stdout
    hot = found("letters", "--temperature", 200, "--sweeps", 7)
    assert (hot["end"], len(hot["steps"])) == ("running", 8)
    assert found("letters", "--temperature", 200, "--sweeps", 7) == hot
    assert found("letters", "--temperature", 200, "--sweeps", 7, "--seed", 1) != hot


def test_files_hold_the_path(tmp_path: Path) -> None:
    out = [tmp_path / f"path{suffix}" for suffix in (".csv", ".npz", ".png")]
    words = [word for file in out for word in ("--out", file)]
    told = found("letters", "--start", "J", "--flip", 4, "--seed", 3, *words)
    rows = list(csv.DictReader(out[0].read_text("utf-8").splitlines()))
    assert [float(row["energy"]) for row in rows] == [s["energy"] for s in told["steps"]]
    assert [float(row["J"]) for row in rows] == [s["overlaps"][1] for s in told["steps"]]
    with np.load(out[1]) as saved:
        assert saved["states"].shape == (len(rows), 25)
        assert saved["names"].tolist() == ["D", "J", "C", "M"]
        assert np.array_equal(saved["W"], hebb(saved["patterns"]).W)
    from PIL import Image

    with Image.open(out[2]) as opened:
        picture = np.asarray(opened)
    assert picture.shape[1] == len(rows) * picture.shape[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["leters"], "patterns leters: there is no such file; did you mean letters or cities?"),
        (["{short}"], "line 2 has 2 characters, the first has 3"),
        (["{empty}"], "holds no pattern"),
        (["{accent}"], "has 'é'; must be ASCII characters only"),
        (["letters", "cities"], "patterns cities: has another shape than letters, 5 × 5 pixels"),
        (["--rule", "perceptron"], "--rule perceptron: must be hebb or gradient"),
        (["--update", "random"], "--update random: must be asynchronous"),
        (["--rule", "gradient", "--decay", "-1"], "--decay -1: must be 0 or more"),
        (["--flip", "26"], "--flip 26: must be 0 to 25"),
        (["--start", "X"], "--start X: must be a name (D, J, C, M)"),
        (["cities", "--start", "paris"], "--start paris: must be 18 characters"),
        (["--temperature", "-1"], "--temperature -1: must be 0 to 1e+06"),
        (["--temperature", "nan"], "--temperature nan"),
        (["--sweeps", "0"], "--sweeps 0: must be 1 to 10000"),
        (["--seed", "-1"], "--seed -1: must be 0 ≤ seed < 2^63"),
        (["--out", "{here}/a.txt"], "the suffix must be one of .csv .png .npz"),
        (["--out", "{here}/no/a.csv"], "there is no folder"),
        (["{here}"], "patterns /"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tmp_path: Path, words, said: str) -> None:
    texts = {"short": "abc\nab\n", "empty": "\n", "accent": "abé\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    places = {name: tmp_path / name for name in texts} | {"here": tmp_path}
    before = sorted(tmp_path.iterdir())
    done = call(*(word.format(**places) for word in words), "--out", tmp_path / "ok.csv")
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert sorted(tmp_path.iterdir()) == before
