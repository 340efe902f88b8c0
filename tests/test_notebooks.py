"""The notebooks of docs/notebooks run from top to bottom, say nothing on stderr, hold no output."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 300  # of a cell, on a machine that does other things too

# Runs before the first cell: a notebook fetches nothing.
OFFLINE = """
import socket as _socket

def _refuse(self, address, _connect=_socket.socket.connect):
    if self.family != _socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"a notebook asks for the network: {address}")
    return _connect(self, address)

_socket.socket.connect = _refuse
"""


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def execute(notebook: nbformat.NotebookNode, folder: Path) -> list[nbformat.NotebookNode]:
    """The cells with their outputs, run by this very Python in `folder`."""
    notebook = nbformat.from_dict(notebook)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(OFFLINE))
    place = folder / "kernels" / "toyflows"
    place.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "toyflows", "language": "python"}
    (place / "kernel.json").write_text(json.dumps(spec))
    resources = {"metadata": {"path": str(folder)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        NotebookClient(
            notebook, kernel_name="toyflows", timeout=SECONDS, resources=resources
        ).execute()
    return list(notebook.cells[1:])


def complaints(cells: list[nbformat.NotebookNode]) -> list[str]:
    """What the cells have said on stderr: warnings, and all else that a reader should not see."""
    outputs = (output for cell in cells for output in cell.get("outputs", []))
    return [output.text for output in outputs if output.get("name") == "stderr"]


def test_there_are_four() -> None:
    assert [path.stem[:3] for path in NOTEBOOKS] == ["01_", "02_", "03_", "04_"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    """Each number that its text rests on is asserted in a cell: none fails."""
    cells = execute(read(path), tmp_path)
    assert complaints(cells) == []
    assert [p.name for p in tmp_path.iterdir()] == ["kernels"]  # nothing is left behind


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_as_it_is_stored(path: Path) -> None:
    """Valid, without outputs, with ids that are used once; it begins with a title, ends with
    exercises, and most code cells are told what to watch."""
    notebook = read(path)
    nbformat.validate(notebook)
    assert re.match(r"# \w", notebook.cells[0].source)
    assert notebook.cells[0].cell_type == "markdown"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert sum("assert " in cell.source for cell in code) >= 5
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.count("**Watch:**") >= 5
    assert "## Exercises" in text
    assert notebook.metadata.kernelspec.name == "python3"


def _notebook(*sources: str) -> nbformat.NotebookNode:
    cells: list[Any] = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("assert 1 == 2", "AssertionError"),
        ("import socket; socket.create_connection(('192.0.2.1', 80), 1)", "asks for the network"),
    ],
)
def test_a_cell_that_fails_is_seen(source: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=said):
        execute(_notebook(source), tmp_path)


def test_a_warning_is_seen(tmp_path: Path) -> None:
    cells = execute(_notebook("import warnings; warnings.warn('careful')"), tmp_path)
    assert "careful" in "".join(complaints(cells))
