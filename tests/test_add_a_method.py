"""docs/add_a_method.md is true: its files run, its commands print what it says they print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from test_cli import call
from test_drop_in import ROOT, copy, run  # noqa: F401  (a fixture)

from toyflows import plain, verdict

PAGE = (ROOT / "docs" / "add_a_method.md").read_text("utf-8")
FILES = dict(re.findall(r"^```python (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PRINTED = re.findall(r"^```console\n\$ toyflows (.*?)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_has_its_files_and_calls() -> None:
    assert list(FILES) == ["my_method.py", "my_sampler.py", "my_flow.py", "my_mistake.py"]
    assert [shlex.split(call)[1] for call, _ in PRINTED] == list(FILES)


def test_the_first_file_is_what_new_flow_writes(tmp_path: Path) -> None:
    assert "`toyflows new flow my-method --plain` writes" in PAGE
    call("new", "flow", "my-method", "--plain", cwd=tmp_path)
    assert (tmp_path / "my_method.py").read_text("utf-8") == FILES["my_method.py"]


@pytest.mark.parametrize(("words", "printed"), PRINTED, ids=[w for w, _ in PRINTED])
def test_a_call_prints_what_the_page_says(words: str, printed: str, tmp_path: Path) -> None:
    """Word for word; numbers to 0.02, as the last bits of an exponential differ by machine."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = call(*shlex.split(words), cwd=tmp_path)
    said, wanted = (done.stdout + done.stderr).split(), printed.split()
    assert [_word(w) for w in said] == [_word(w) for w in wanted]
    numbers = [[_number(w) for w in text if _word(w) == "#"] for text in (said, wanted)]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.02, rel=0.02)
    assert done.returncode == (2 if done.stderr else 0)
    for name in re.findall(r"--out (\S+)", words):
        assert (tmp_path / name).stat().st_size > 1000


def _word(word: str) -> str:
    return "#" if _number(word) is not None else word


def _number(word: str) -> float | None:
    try:
        return float(word.strip("(),;.:"))
    except ValueError:
        return None


def test_every_argument_kind_and_verdict_is_on_the_page() -> None:
    rows = re.findall(r"^\| (`.*?) \| ", PAGE, re.MULTILINE)
    words = {word.strip('"') for row in rows for word in re.findall(r"`([^`=]*)`", row)}
    assert words == {*plain.OFFERED, *plain.OFFERED_TO_ADVANCE, *plain.NEGATIVES}
    (memory,) = re.findall(r"it may ask for (.*?)\.", PAGE)
    assert set(re.findall(r"`(\w+)`", memory)) == set(plain.OFFERED_TO_MEMORY)
    assert ", ".join(verdict.KINDS) in PAGE


def test_the_class_of_the_page_becomes_built_in(copy: Path) -> None:  # noqa: F811
    """In a copy of the package: listed, run by its name, and green in the contract tests; and so is
    the class that `toyflows new flow` writes, whose fixed point is tested."""
    (copy / "toyflows" / "flows" / "my_flow.py").write_text(FILES["my_flow.py"], encoding="utf-8")
    call("new", "flow", "new-flow", "--out", str(copy / "toyflows" / "flows"))
    main = "from toyflows.cli.main import main; main()"
    assert "-p kappa=0.5" in run(copy, main, "flows")
    words = ("flow", "--loss", "my-flow", "-p", "kappa=1", "--q-star", "0.8", "--backend", "grid")
    assert "verdict converges" in run(copy, main, *words)
    pytest_main = "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    tests = str(ROOT / "tests" / "test_flows.py")
    words = ("-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "-k")
    words += ("my-flow or new-flow and not agree and not resumed",)
    said = run(copy, pytest_main, tests, *words)
    assert " passed" in said
    assert "failed" not in said
