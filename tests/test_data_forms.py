"""Numbers as people have them: what is read is right, and what is refused tells the cure.

Files are made by a small grammar: numerals, separators, further columns, headers, comments, line
ends and encodings in all the ways in which they go together.
"""

from __future__ import annotations

import gzip
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import toyflows
from toyflows import data, tables
from toyflows.errors import InputError
from toyflows.tables import Choice

CURES = re.compile(r"--column|--skip-missing|[Ww]rite |begin|save |has the columns")
VALUES = {
    "small": [3.6, 1.85, -3.333, 2.283, 4.533, 2.883],
    "mixed": [987.0, 2345.0, 3456.0, 567.0, 5678.0, 16789.0],
    "thousands": [1234.0, 2345.0, 3456.0, 4567.0, 5678.0, 1016789.0],
    "fractions": [1234.5, 2345.25, 987.5, 4567.75, 5678.5, 6789.25],
    "milli": [3.600, 1.800, 3.333, 2.283, 4.533, 2.883],
}
NUMERALS = {
    "point": lambda v: f"{v:.3f}",
    "short": lambda v: f"{v:.10g}",
    "comma": lambda v: f"{v:.3f}".replace(".", ","),
    "english": lambda v: f"{v:,.10g}",
    "german": lambda v: f"{v:,.10g}".translate(str.maketrans(".,", ",.")),
    "minus": lambda v: f"{v:.10g}".replace("-", "\u2212"),
    "blanks": lambda v: f"{v:,.10g}".translate(str.maketrans(".,", ", ")),
    "narrow": lambda v: f"{v:,.10g}".translate(str.maketrans(".,", ",\u202f")),
    "swiss": lambda v: f"{v:,.10g}".replace(",", "'"),
    "power": lambda v: f"{v:.9E}".replace(".", ","),
    "unit": lambda v: f"{v:.10g} min",
    "euro": lambda v: f"{v:,.10g} €".translate(str.maketrans(".,", ",.")),
    "dollar": lambda v: f"${v:,.10g}",
    "quoted": lambda v: f'"{v:,.10g}"'.translate(str.maketrans(".,", ",.")),
}
# Cells of a row with the value v and its number i, and the names of the columns.
COLUMNS = {
    "alone": (lambda i, v: [v], ["eruptions"]),
    "numbered": (lambda i, v: [str(i), v], ["id", "eruptions"]),
    "labelled": (lambda i, v: [v, "ab"[i % 2]], ["eruptions", "kind"]),
    "dated": (lambda i, v: [f"2024-01-{i:02}", v], ["day", "eruptions"]),
    "datiert": (lambda i, v: [f"{i:02}.01.2024", v], ["Datum", "eruptions"]),
    "timed": (lambda i, v: [f"12:{i:02}:00", v], ["at", "eruptions"]),
    "placed": (lambda i, v: [f"New York {i}", v], ["place", "eruptions"]),
    "noted": (lambda i, v: ["", v], ["note", "eruptions"]),
    "counted": (lambda i, v: [v, str(10 * i)], ["eruptions", "n"]),
}
SEPARATORS = (",", ";", "\t", " ", "|", "; ")
HEADERS = ("none", "names", "quoted", "pandas", "R", "years", "units")
FRAMES = {
    "plain": "{}",
    "comment": "# Tabelle 3.2, 5 Spalten\n{}",
    "percent": "% made by hand\n\n{}",
    "prose": "Eruptions of a geyser in Wyoming.\nFrom a book, in minutes.\n\n{}",
    "title": "Table 1: eruptions\n{}",
    "mean": "{}Mean,3.0\n",
    "marked": "sep=S\n{}",
}


def written(values: list[float], way: tuple[str, ...]) -> str:
    """The text of the values in that way."""
    numeral, columns, separator, header, frame = way
    cells, names = COLUMNS[columns]
    rows = [cells(i, NUMERALS[numeral](v)) for i, v in enumerate(values, 1)]
    if header in ("pandas", "R"):
        rows = [[str(i - (header == "pandas")), *row] for i, row in enumerate(rows, 1)]
    head = {"none": [], "names": names, "pandas": ["", *names], "R": names,
            "quoted": [f'"{name} x"' for name in names],
            "units": [f"{name} [min]" for name in names],
            "years": ["2019", "2020"][: len(names)]}[header]  # fmt: skip
    lines = ([head] if head else []) + rows
    return (
        FRAMES[frame]
        .replace("=S", f"={separator}")
        .format("".join(separator.join(line) + "\n" for line in lines))
    )


def ways() -> Iterator[tuple[str, tuple[str, ...]]]:
    """All, thinned evenly to about 450 (a prime step meets each choice in each place)."""
    every = itertools.product(VALUES, NUMERALS, COLUMNS, SEPARATORS, HEADERS, FRAMES)
    for kind, *way in itertools.islice(every, 0, None, 397):
        yield kind, tuple(way)


WAYS = list(ways())


def outcome(path: Path, choice: Choice) -> tuple[list[float] | None, str]:
    """The first column, or None and why it is refused, in one line."""
    try:
        return tables.read(str(path), choice).x[:, 0].tolist(), ""
    except InputError as error:
        assert_one_line(str(error))
        return None, error.why


def assert_one_line(text: str) -> None:
    assert "\n" not in text


@pytest.mark.parametrize("number", range(len(WAYS)))
def test_a_file_is_read_rightly_or_refused_with_the_cure(tmp_path: Path, number: int) -> None:
    kind, way = WAYS[number]
    path = tmp_path / "own.txt"
    path.write_text(written(VALUES[kind], way), encoding="utf-8")
    wanted = [float(f"{v:.10g}") for v in VALUES[kind]]
    for column in (None, "eruptions", "eruptions x", "eruptions [min]"):
        found, why = outcome(path, Choice((column,) if column else ()))
        if found is None:
            assert CURES.search(why), why
        else:
            assert found == wanted


def test_most_of_them_are_read(tmp_path: Path) -> None:
    """Of those with names and decimal points every one, where the column is said."""
    path, names = tmp_path / "own.txt", [w for w in WAYS if w[1][3] in ("names", "pandas", "R")]
    for kind, way in names:
        if way[0] not in ("point", "short", "minus") or (way[2] == " " and way[3] == "pandas"):
            continue
        if way[1:3] in (("placed", " "), ("noted", " ")):  # blanks in a cell, or no cell
            continue
        # A mean is asked about, and 1,1234 may be one number.
        if way[4] not in ("prose", "mean") and (way[2], way[3]) != (",", "R"):
            path.write_text(written(VALUES[kind], way), encoding="utf-8")
            said = Choice(("eruptions",))
            cells = map(NUMERALS[way[0]], VALUES[kind])
            if way[2][0] == ";" and all(re.fullmatch(r"-?[1-9]\d{0,2}\.\d{3}", c) for c in cells):
                with pytest.raises(InputError, match="three digits after its point"):
                    tables.read(str(path), said)
                continue
            assert tables.read(str(path), said).names == ("eruptions",)


THREE = ["1.234", "2.345", "12.111", "5.432", "105.555", "5.321", "1.205"]  # thousands, or not


@pytest.mark.parametrize("long", [False, True])  # NumPy reads the rest of a long file
@pytest.mark.parametrize(
    ("lines", "point"),
    [
        (THREE, "1.234"),  # no other sign: decimal points, and said
        (["n,eruptions", *(f"a,{v}" for v in THREE)], "1.234"),
        ([*THREE, "0.123"], ""),  # a sure sign of a decimal point, anywhere
        ([*THREE, "12.34"], ""),
        (["x;n", *(f"{v};7.5" for v in THREE)], ""),
        (["eruptions;n", *(f"{v};a" for v in THREE)], None),  # semicolons: asked
        (["Höhe", *THREE], None),  # an umlaut
        (["Gewicht", *THREE], None),  # a German word
        (["n,eruptions", *(f"Köln,{v}" for v in THREE)], None),
        (["day,eruptions", *(f"31.12.2024,{v}" for v in THREE)], None),  # a German date
        ([*THREE, "987"], None),  # a whole number, which would have been 987.000
        (["987"] * 1200 + THREE, None),
    ],
    ids=str,
)
def test_points_that_may_group_thousands(
    lines: list[str], point: str | None, long: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("\n".join(lines + 2000 * long * lines[-7:]), "utf-8")
    choice = Choice() if "x;n" not in lines else Choice(("x",))
    if point is None:
        why = r"is 1\.234 1\.234 or 1234, .* Write 1234, or 1\.2340 for a decimal point"
        with pytest.raises(InputError, match=why):
            tables.read(str(tmp_path / "a.csv"), choice)
        return
    found = tables.read(str(tmp_path / "a.csv"), choice)
    assert found.point == point
    assert found.x[0, 0] == 1.234


def test_the_line_of_what_was_read_says_how_the_point_was_taken(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1.234\n2.345\n1.111\n5.432\n5.555\n5.321\n1.205\n")
    read = toyflows.flow("ml", data=str(tmp_path / "a.csv"), time=1, backends=["theory"]).read
    assert read is not None
    assert "(1.234 read with a decimal point)" in str(read)
    assert data.Read.from_dict(read.to_dict()) == read


READ = [
    ("sep=;\neruptions;n\n3,6;a\n1,8;b\n", [3.6, 1.8]),
    ('"1,234.5"\n"987.5"\n', [1234.5, 987.5]),
    ("1.234,5;a\n987,5;b\n", [1234.5, 987.5]),
    ("eruption time\n3.6\n1.8\n", [3.6, 1.8]),
    ("3.6 # long\n1.8 // short\n", [3.6, 1.8]),
    ("; an ini file\n3.6\n1.8\n", [3.6, 1.8]),
    (";3.6\n;1.8\n", [3.6, 1.8]),  # not the comments of an ini file
    ("a;x\nb;1 234,5\nc;987,5\n", [1234.5, 987.5]),
    ("31.12.2024;1.234\n1.1.2025;0.5\n", [1.234, 0.5]),  # a date is no number
    ('a; x\nb; "3,6"\nc; "1,8"\n', [3.6, 1.8]),
    ("x €\n3.6\n1.8\n", [3.6, 1.8]),
    (";eruptions\n0;3.6\n1;1.8\n", [3.6, 1.8]),
    ("3.6,\n1.8,\n", [3.6, 1.8]),
    ('"x"\n"1",3.6\n"2",1.8\n', [3.6, 1.8]),
    ("\u22123.6\n\u22121.8\n", [-3.6, -1.8]),
]


@pytest.mark.parametrize(("text", "wanted"), READ)
@pytest.mark.parametrize("code", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gz"])
def test_forms_that_are_read(tmp_path: Path, text: str, wanted: list[float], code: str) -> None:
    raw = gzip.compress(text.encode()) if code == "gz" else text.encode(code)
    (tmp_path / "a.dat").write_bytes(raw)
    found = tables.read(str(tmp_path / "a.dat"), Choice())
    np.testing.assert_array_equal(found.x[:, 0], wanted)


ASKED = [
    ("# Tabelle 3.2\n3,600\n1,800\n3,333\n", "is 3,600 one number or 2?"),
    ("id,eruptions\n1,3.6\n2,1.8\n", "(id, eruptions); say which: --column NAME|N"),
    ("3.6 1.8 2.2\n1.9 4.3 1.1\n", "--column all"),
    ("3.6 1.8 2.2\n1.9\n", "--column all"),
    ("150,4,setosa,virginica\n5.1,3.5,1.4,0\n4.9,3.0,1.4,0\n", "has names and numbers (150, 4"),
    ("569,30,malignant,benign\n" + "1.2,3.4,5.6,7.8,0\n" * 3, "line 2: 5 columns, but line 1"),
    ("0\n3.6\n1.8\n2.2\n", "is 0 a row of numbers or of names?"),
    ("0\n54\n79\n62\n", "is 0 a row of numbers or of names?"),
    ("2019,2020\n3.6,1.8\n2.2,2.3\n3.3,3.5\n", "is 2019, 2020 a row of numbers or of names?"),
    ("2019;2020\n3,6;1,8\n", "is 2019, 2020 a row of numbers or of names?"),
    ("a,b\n2019,2020\n3.6,1.8\n2.2,2.3\n", "is 2019, 2020 a row of numbers or of names?"),
    ("y,2019,2020\nA,3.6,1.8\n", "is y, 2019, 2020 a row of numbers or of names?"),
    ("0 1 2\n3.6 1.8 2.5\n", "is 0, 1, 2 a row of numbers or of names?"),
    ("$1.4\n3.6\n1.8\n", "'$1.4' is not a number (write the number without its unit"),
    ("O.5\n3.6\n1.8\n", "'O.5' is not a number (write digits"),
    ("x\n3.6\nNA\n1.8\n", "line 3: a value is missing; --skip-missing"),
    ("x\n3.6\n#N/A\n1.8\n", "line 3: a value is missing; --skip-missing"),
    *(
        (f"x\n3.6\n{word}\n1.8\n", "line 3: a value is missing; --skip-missing")
        for word in ("#NV", "#N/D", "k.A.", "n.v.", "nd", "–", "fehlt")
    ),
    ("x\n3.6\n#WERT!\n1.8\n", "line 3: '#WERT!' is not a number (a missing value is NA"),
    ("a\tx\nb\t3.6\nc\t#NV\nd\t1.8\n", "line 3: a value is missing"),
    ("x\n3.6\n1e400\n1.8\n", "line 3: 1e400 is too large"),
    ("a;x\nb;3.6\nc;1.8\nSumme;5.4\n", "line 4: is 'Summe' a row of data? Begin it with #"),
    ("a;x\nb;3.6\nc;1.8\nd;2.2\n;7.6\n", "line 5: is 'a row without a name' a row of data?"),
    ("<table><tr><td>3.6</td></tr></table>", "is a web page"),
    ("x\n3.6\n1.8\nMean: \n", "line 4: is 'Mean:' a row of data? Begin it with #"),
    ("id,price,n\n1,$3.60,2\n2,$1.80,3\n", "(id, price, n); say which"),
    ("a;x\nb;3.6 kg\nc;1.8 kg\n", "'3.6 kg' is not a number (write the number without its unit"),
    (",kind\n1,a\n2,b\n", "no column of numbers (write digits"),  # not its row numbers
    ("sample 1,54\nsample 2,79\n", "does a comma or a blank separate"),
    ("place temp [C]\nNew York 1 3.6\nNew York 2 1.8\n", "does a blank separate temp and [C]?"),
    ("2019;2020\na;3.6\nb;1.8\n", "is 2019, 2020 a row of numbers or of names?"),
    ("x = [3.6 1.8 2.2];\n", "say which"),
    ("x\n3.6\n-999\n1.8\n", "line 3: does -999 stand for a missing value? --skip-missing"),
    ("3,6;1.5\n1,8;2.5\n", "--column"),
    ("eruptions\n3,6\n1,8\n2,2\n", "write a decimal point"),
    ("[3.6, 1.8]\n", "is JSON, or a list of Python"),
    ("GIF89a\0\0", "PNG, JPEG and TIFF"),
    ("<svg xmlns=''/>", "PNG, JPEG and TIFF"),
]


@pytest.mark.parametrize(("text", "why"), ASKED)
def test_forms_that_are_asked_about(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "a.dat").write_text(text)
    with pytest.raises(InputError) as refused:
        tables.read(str(tmp_path / "a.dat"), Choice())
    assert why in refused.value.why


NAMES = [  # above one row, two or more, which need not be equally long
    "2019 2020 2021\n3.6 1.8 2.2\n",
    "2019 2020\n3.6 1.8\n2.2\n",
    "2019,2020\n3.6,1.8\n2.2,2.3\n3.3,3.5\n",
    "a b\n2019 2020\n3.6 1.8\n",
    "0 1 2\n3.6 1.8 2.2\n",
]


@pytest.mark.parametrize("text", NAMES)
def test_years_above_the_numbers_are_asked_about_where_all_are_read(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "a").write_text(text)
    found, why = outcome(tmp_path / "a", Choice((tables.ALL,)))
    assert found is None
    assert "a row of numbers or of names?" in why


ANSWERS = [
    ("id,eruptions\n1,3.6\n2,1.8\n", Choice(("eruptions",)), [[3.6], [1.8]]),
    ("id,eruptions\n1,3.6\n2,1.8\n", Choice(("2",)), [[3.6], [1.8]]),
    ("3.6 1.8\n1.9\n", Choice(("all",)), [[3.6], [1.8], [1.9]]),
    ("79 54 74\n62 85\n", Choice(("all",)), [[79], [54], [74], [62], [85]]),
    ("1990 2000\n2010 2020\n", Choice(("all",)), [[1990], [2000], [2010], [2020]]),
    ("2019,2020\n3.6,1.8\n", Choice(("2020",)), [[1.8]]),
    ("0,0\n6.5,1.5\n3.5,5.5\n", Choice(width=2), [[0, 0], [6.5, 1.5], [3.5, 5.5]]),
    ("2019,2020\n3.6,1.8\n2.2,2.3\n3.3,3.5\n", Choice(("2020",)), [[1.8], [2.3], [3.5]]),
    ("x\n3.6\nNA\n1.8\n-999\n", Choice((), True), [[3.6], [1.8]]),
    ("x\n3.6\n1.8\n-999\n", Choice((), False), [[3.6], [1.8], [-999.0]]),
    ("id,x,y\n7,1,2\n8,3,4\n", Choice(("y", "x"), width=2), [[2, 1], [4, 3]]),
    ("x,y,label\n1,2,a\n3,4,b\n", Choice(width=2), [[1, 2], [3, 4]]),
]


def test_one_column_is_not_two(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1.5,2\n3,4\n")
    assert outcome(tmp_path / "a.csv", Choice(("x", "1"), width=2)) == (
        None,
        "--column NAME|N: the columns must be different",
    )


@pytest.mark.parametrize(("text", "choice", "wanted"), ANSWERS)
def test_the_answers(tmp_path: Path, text: str, choice: Choice, wanted: list[list[float]]) -> None:
    (tmp_path / "a.dat").write_text(text)
    np.testing.assert_array_equal(tables.read(str(tmp_path / "a.dat"), choice).x, wanted)


def test_two_columns_are_guarded_too(tmp_path: Path) -> None:
    for text in ("3,600\n1,800\n", "3,05\n1,8\n", "eruptions\n3,6\n1,8\n", "3,6;1.5\n1,8;2.5\n"):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(InputError, match=r"decimal point"):
            tables.read(str(tmp_path / "a.csv"), Choice(width=2))


def test_the_short_way_through_a_long_file_is_the_long_one(tmp_path: Path) -> None:
    """Plain numbers are read by NumPy beyond the first thousand lines, all else cell by cell."""
    x = np.random.default_rng(0).standard_normal((3000, 2))
    for separator, header in itertools.product(", ;\t", ("", "a{}b\n")):
        lines = [separator.join(map(repr, row)) for row in x.tolist()]
        text = header.format(separator) + "\n".join(lines)
        for name, end in (("plain", ""), ("quoted", f'\n"1"{separator}2\n')):
            (tmp_path / name).write_text(text + end)
            found = tables.read(str(tmp_path / name), Choice(width=2)).x
            np.testing.assert_array_equal(found[:3000], x)
    for end in ("1-2", "1.2.3", "e", "1e999", "1 2", ""):
        (tmp_path / "a").write_text("\n".join(f"{v!r}" for v in x[:, 0].tolist()) + f"\n{end}\n\n")
        found, why = outcome(tmp_path / "a", Choice())
        assert "line 3001" in why if end else found == x[:, 0].tolist()


# ---- Python -------------------------------------------------------------------------------------

X = data.load("old-faithful")


@pytest.mark.parametrize(
    "source", [X, X.tolist(), tuple(X), X[:, None], X[None], np.ma.array(X), X.astype(object)]
)
def test_arrays_and_lists(source: object) -> None:
    np.testing.assert_array_equal(data.load(source), X)


def test_pandas() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"eruptions": X, "waiting": 2 * X, "kind": "a"})
    np.testing.assert_array_equal(data.load(frame["eruptions"]), X)
    np.testing.assert_array_equal(data.load(frame[["eruptions", "kind"]]), X)
    assert data.read(frame, "waiting").names == ("waiting",)
    with pytest.raises(InputError, match=r"\(eruptions, waiting\); say which"):
        data.load(frame)
    gap = pd.Series([*X.tolist(), None], dtype="Float64")
    with pytest.raises(InputError, match="a value is missing"):
        data.load(gap)
    assert data.read(gap, skip_missing=True).left_out == 1


@pytest.mark.parametrize("source", [["a", "b"], [[1, 2], [3]], object(), np.arange(5) * 1j, [True]])
def test_what_holds_no_numbers(source: object) -> None:
    with pytest.raises(InputError):
        data.load(source)


def test_a_run_from_an_array_tells_what_it_read(tmp_path: Path) -> None:
    run = toyflows.flow("ml", data=X.tolist(), time=1.0, backends=["grid"])
    said = "272 points of list: modes 2.05 and 4.30, spread 0.364"
    assert said in repr(run)
    assert run.to_dict()["data"]["read"] == said
    kept = toyflows.load(run.save(tmp_path / "run.npz"))
    assert str(kept.read) == said
    assert str(kept.resume(2.0).read) == said
    assert run.to_dict() == kept.to_dict()


@pytest.mark.parametrize("name", ["separation", "theta_star", "q_star"])
def test_what_is_fitted_is_not_given(name: str) -> None:
    with pytest.raises(InputError, match="is fitted when --data is given") as refused:
        toyflows.flow("ml", data=X, **{name: 0.5})
    assert (refused.value.name, refused.value.value) == (name, 0.5)


def test_modes_too_far_apart_blame_the_data() -> None:
    far = [0.0, 1.0, 2.0, 1e6, 1e6 + 1]
    with pytest.raises(InputError, match="of their spreads apart") as refused:
        toyflows.flow("ml", data=far)
    assert refused.value.name == "data"


def test_archives_list_what_they_hold(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=X[:, None], y=X > 3)
    np.testing.assert_array_equal(data.load(str(tmp_path / "a.npz")), X)
    np.savez(tmp_path / "b.npz", u=X, v=2 * X)
    with pytest.raises(InputError, match=r"holds u \(272,\), v \(272,\); say which: --column"):
        data.load(str(tmp_path / "b.npz"))
    np.testing.assert_array_equal(data.load(str(tmp_path / "b.npz"), "v"), 2 * X)
    both = tables.read(str(tmp_path / "b.npz"), Choice(("v", "u"), width=2)).x
    np.testing.assert_array_equal(both, np.column_stack([2 * X, X]))


def test_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.TextIOWrapper(io.BytesIO(b"id,x\n1,3.6\n2,1.8\n3,2.2\n4,4.1\n"))
    monkeypatch.setattr("sys.stdin", given)
    np.testing.assert_array_equal(data.load("-", "x"), [3.6, 1.8, 2.2, 4.1])


def test_the_preamble_of_faithful_dat(tmp_path: Path) -> None:
    """Prose, then a header of two names for three columns."""
    pairs = [(3.6, 79), (1.8, 54)] * 3
    rows = "".join(f"{i}     {v:.3f}      {w}\n" for i, (v, w) in enumerate(pairs, 1))
    prose = """Old Faithful Geyser Data

Description: (From R manual):

     A data frame with 272 observations on 2 variables, from Wyoming,
     USA.

     Azzalini, A. and Bowman, A. W. (1990) A look at some data on the
     Old Faithful geyser.  Applied Statistics 39, 357-365.

"""
    (tmp_path / "faithful.dat").write_text(f"{prose}      eruptions waiting\n{rows}")
    found = tables.read(str(tmp_path / "faithful.dat"), Choice(width=2))
    assert found.names == ("eruptions", "waiting")
    assert found.x.tolist() == [list(pair) for pair in pairs]
