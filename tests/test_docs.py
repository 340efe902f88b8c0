"""What the documents say is what happens: README's commands and lines, the table of methods."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
CALLS = re.findall(r"^    \.venv/bin/toyflows (.*?)(?:\s+#.*)?$", README, re.MULTILINE)


def test_readme_shows_the_commands_of_a_newcomer() -> None:
    """Each of them is run below; and both ways to the tests are named."""
    shown = {call.split()[0] for call in CALLS}
    assert shown >= {"flow", "flows", "verdicts", "figures", "new"}
    assert "make test-all" in README


@pytest.mark.parametrize("call", CALLS)
def test_readme_commands_run(call: str, tmp_path: Path) -> None:
    script = "from toyflows.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *shlex.split(call)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in re.findall(r"--out (\S+)", call):
        assert (tmp_path / name).stat().st_size > 1000


def test_readme_numbers_are_what_the_command_prints() -> None:
    """|θ̇| of score matching, as README quotes it."""
    import toyflows

    quoted = re.search(r"\|θ̇\| = (\S+)", README)
    assert quoted is not None
    run = toyflows.flow("score-matching", theta_star=1.4, backends=["grid"], time=1.0)
    assert f"{run.verdict.number:.1e}" == quoted[1]


def test_readme_python_lines_run(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code is not None
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code[1]],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mode collapse ")
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_links_of_the_documents_exist() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_table_of_methods_is_current() -> None:
    """Each row of docs/methods.md is what `toyflows flows --markdown` prints (`make docs`)."""
    from toyflows.cli.flows import _markdown

    printed = _markdown().splitlines()
    rows = (ROOT / "docs" / "methods.md").read_text("utf-8").splitlines()
    assert len(rows) >= 9
    assert [row for row in rows if row not in printed] == []


def test_nothing_private_is_committed() -> None:
    """No build output, cache, or path of a machine in the tracked files."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():  # an unpacked source archive
        return
    files = subprocess.run(
        [git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    build = re.compile(r"__pycache__|egg-info|^\.venv|^gallery|\.npz$")
    shipped = "toyflows/images/weights/", "toyflows/sweep/plans/"
    assert not [f for f in files if build.search(f) and not f.startswith(shipped)]
    private = re.compile("/(?:home|Users|root)/[a-z]|/" + "work/")  # in two, not to find itself
    for name in files:
        if not name.endswith((".png", ".csv", ".npz")):
            assert not private.search((ROOT / name).read_text("utf-8")), name


def test_one_version_everywhere() -> None:
    """pyproject.toml, the package, CITATION.cff, and the newest section of the changelog."""
    import toyflows

    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert cited is not None
    assert newest is not None
    assert {toyflows.__version__, cited[1], newest[1]} == {version}


def test_the_workflow_tests_what_pyproject_promises() -> None:
    """Its Pythons are those of the classifiers, its fast tests those of `make test`."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    told = re.findall(r"Python :: (3\.\d+)", project)
    tested = re.search(r"python: \[(.*)\]", workflow)
    assert tested is not None
    assert re.findall(r"[\d.]+", tested[1]) == told
    fast = re.search(r'-m "(.*)"', (ROOT / "Makefile").read_text("utf-8"))
    assert fast is not None
    assert f"FAST: {fast[1]}\n" in workflow
