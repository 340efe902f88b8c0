"""`toyflows ising`: tables, files, one JSON object, and one line for every wrong call."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toyflows.cli.main import main
from toyflows.lattice.ising_exact import T_c, torus

QUICK = ["--size", "4", "--sweeps", "400", "--burn", "50"]


def call(*words: str) -> int:
    """The exit code of `toyflows ising …`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["toyflows", "ising", *words])
        with pytest.raises(SystemExit) as end:
            main()
    return int(end.value.code or 0)


@pytest.mark.parametrize("sampler", ["metropolis", "heat-bath", "wolff"])
def test_json_has_what_is_measured_and_what_is_exact(sampler: str, capsys) -> None:
    assert call(*QUICK, "--temperature", "2,2.5", "--sampler", sampler, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sampler"] == sampler
    assert [row["temperature"] for row in found["temperatures"]] == [2.0, 2.5]
    for row in found["temperatures"]:
        assert set(row["observables"]) == {
            "magnetisation", "energy", "susceptibility", "specific heat", "Binder cumulant"
        }  # fmt: skip
        energy = row["observables"]["energy"]
        assert energy["exact"] == pytest.approx(torus(4, row["temperature"])[0], abs=1e-12)
        assert abs(energy["value"] - energy["exact"]) < 6 * energy["error"]
        assert energy["tau"] > 0.2


def test_a_field_has_its_exact_values_and_no_infinite_lattice(capsys) -> None:
    assert (
        call(*QUICK, "--temperature", "3", "--sampler", "heat-bath", "--field", "0.5", "--json")
        == 0
    )
    (row,) = json.loads(capsys.readouterr().out)["temperatures"]
    assert "Binder cumulant" not in row["observables"]
    m = row["observables"]["magnetisation"]
    assert m["infinite"] is None
    assert abs(m["value"] - m["exact"]) < 6 * m["error"]


def test_the_table_and_the_same_seed(capsys) -> None:
    for _ in range(2):
        assert call(*QUICK, "--temperature", f"{T_c}", "--seed", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    assert lines[0] == "4 × 4 spins, wolff, 400 sweeps, field 0"
    assert any("Binder cumulant" in line for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_too_few_sweeps_are_told(capsys) -> None:
    assert (
        call("--size", "32", "--sweeps", "60", "--temperature", "2.27", "--sampler", "heat-bath")
        == 0
    )
    assert "independent ones: no error can be given; take more" in capsys.readouterr().err


def test_doubt_is_in_every_form(tmp_path: Path, capsys) -> None:
    """A lattice that is frozen: text, JSON, csv and npz say why there is no error."""
    asked = ("--size", "8", "--temperature", "0.2", "--sampler", "metropolis", "--sweeps", "100")
    table, npz = tmp_path / "a.csv", tmp_path / "a.npz"
    assert call(*asked, "--out", str(table), "--out", str(npz)) == 0
    assert "nothing changed in 100: no error" in capsys.readouterr().err
    assert call(*asked, "--json") == 0
    row = json.loads(capsys.readouterr().out)["temperatures"][0]["observables"]["energy"]
    assert row["error"] is None
    assert "nothing changed" in row["doubt"]
    assert table.read_text().count("nothing changed") == 5
    with np.load(npz) as file:
        assert all("nothing changed" in text for text in file["doubt"].ravel())


def test_small_values_keep_their_digits(capsys) -> None:
    assert call("--size", "16", "--temperature", "1000", "--sampler", "wolff", "--burn", "10") == 0
    row = next(r for r in capsys.readouterr().out.splitlines() if "specific heat" in r)
    assert float(row.split()[2].replace("−", "-")) == pytest.approx(2e-6, rel=0.2)


def test_files(tmp_path: Path, capsys) -> None:
    npz, table, png = (tmp_path / name for name in ("a.npz", "a.csv", "a.png"))
    saved = [word for path in (npz, table, png) for word in ("--out", str(path))]
    assert call(*QUICK, "--temperature", "2,3", *saved) == 0
    with np.load(npz) as file:
        assert file["M"].shape == file["E"].shape == (2, 400)
        assert file["spins"].shape == (2, 4, 4)
        assert file["M"][1, -1] == file["spins"][1].sum()
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [row["observable"] for row in rows[:2]] == ["magnetisation", "energy"]
    assert float(rows[1]["exact"]) == pytest.approx(torus(4, 2.0)[0])
    assert size(png) == (10 * 64, 4 * 64)
    assert str(png) in capsys.readouterr().out


def test_denoise_a_letter_and_a_picture(tmp_path: Path, capsys) -> None:
    out = tmp_path / "R.npz"
    assert call("denoise", "R", "--sweeps", "40", "--burn", "10", "--out", str(out), "--json") == 0
    rows = {row["answer"]: row for row in json.loads(capsys.readouterr().out)["answers"]}
    assert rows["Gibbs"]["wrong"] < rows["ICM"]["wrong"] < 0.05 < rows["seen"]["wrong"]
    assert rows["minimal cut"]["energy"] == min(row["energy"] for row in rows.values())
    with np.load(out) as file:
        assert np.mean(file["minimal cut"] != file["image"]) == rows["minimal cut"]["wrong"]
        dark = ((file["seen"] < 0) * 255).astype(np.uint8)[:40]
    picture = tmp_path / "seen.png"
    Image.fromarray(255 - dark).save(picture)
    clean = tmp_path / "clean.png"
    assert call("denoise", str(picture), "--noisy", "--sweeps", "5", "--out", str(clean)) == 0
    assert "wrong" not in capsys.readouterr().out
    assert size(clean)[1] == 40 * (256 // 40)


def size(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


WRONG = [
    (["--size", "5"], "--size 5: must be an even number from 2 to 2048"),
    (["--size", "4096"], "--size 4096: must be an even number"),
    (["--temperature", "0"], "--temperature 0: must be 0.001 to 1000"),
    (["--temperature", "2,-1"], "--temperature -1.0: must be"),
    (["--temperature", "2;3"], "--temperature 2;3: must be numbers with commas"),
    (["--temperature", "nan"], "--temperature nan: must be"),
    (["--sampler", "gibbs"], "--sampler gibbs: must be metropolis, heat-bath, wolff"),
    (["--field", "1"], "--field 1: must be 0 with --sampler wolff"),
    (["--sampler", "metropolis", "--field", "inf"], "--field inf: must be"),
    (["--sweeps", "9"], "--sweeps 9: must be 10 to 10000000"),
    (["--sweeps", "100000000"], "--sweeps 100000000: must be"),
    (["--burn", "-1"], "--burn -1: must be"),
    (["--seed", "-1"], "--seed -1: must be 0 ≤ seed < 2^63"),
    (["--threads", "0"], "--threads 0: must be 1 to 256"),
    (["--out", "a.txt"], "--out a.txt: the suffix must be one of .npz .csv .png"),
    (["--out", "no/a.png"], "--out no/a.png: there is no folder no"),
    (["denoise", "§"], "image §: must be a picture file, a letter or a digit"),
    (["denoise", "no.png"], "image no.png: is not a file"),
    (["denoise", "R", "--noise", "0.5"], "--noise 0.5: must be 0.001 to 0.499"),
    (["denoise", "R", "--coupling", "-1"], "--coupling -1: must be 0 to 100"),
    (["denoise", "R", "--sweeps", "0"], "--sweeps 0: must be 1 to 10000000"),
    (["denoise", "R", "--burn", "-1"], "--burn -1: must be 0 to 10000000"),
    (["denoise", "R", "--out", "a.gif"], "--out a.gif: must be a .png or an .npz file"),
]


@pytest.mark.parametrize(("words", "line"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_one_line_for_a_wrong_call(words, line: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"toyflows: {line}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
