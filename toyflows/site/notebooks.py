"""The notebooks as pages: text, formulas, code, and what it prints and draws if it is run."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

SECONDS = 600  # of a cell
FORMULA = re.compile(r"(?<![\\$\w])(\$\$?)(?!\s)(.+?)(?<!\s)\1(?![\d$])", re.DOTALL)


def page(path: Path, folder: Path, run: bool) -> str:
    """The page's Markdown; pictures go beside it into `folder`."""
    cells = _run(path) if run else json.loads(path.read_text("utf-8"))["cells"]
    parts = []
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(with_formulas(source))
            continue
        parts.append(f"```python\n{source}\n```")
        name = f"{path.stem}-{number}"
        parts += [_output(o, folder, f"{name}-{k}") for k, o in enumerate(cell["outputs"])]
    return "\n\n".join(parts) + "\n"


def with_formulas(text: str) -> str:
    """$…$ and $$…$$ as MathML; code stays as it is."""
    from latex2mathml.converter import convert

    def formula(found: re.Match[str]) -> str:
        wide = found[1] == "$$"
        return convert(found[2].strip(), display="block" if wide else "inline")

    parts = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.DOTALL)
    return "".join(p if k % 2 else FORMULA.sub(formula, p) for k, p in enumerate(parts))


def _output(output: dict[str, Any], folder: Path, name: str) -> str:
    """What a cell has said, as Markdown."""
    if output["output_type"] == "stream":
        return f"```text\n{''.join(output['text']).rstrip()}\n```"
    data = output.get("data", {})
    if "image/png" in data:
        (folder / f"{name}.png").write_bytes(base64.b64decode("".join(data["image/png"])))
        return f"![what this cell draws]({name}.png)"
    return f"```text\n{''.join(data.get('text/plain', '')).rstrip()}\n```"


def _run(path: Path) -> list[dict[str, Any]]:
    """The cells with what they say, run from top to bottom in a folder that is then gone."""
    import tempfile

    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as place:
        resources = {"metadata": {"path": place}}
        NotebookClient(notebook, timeout=SECONDS, resources=resources).execute()
    cells: list[dict[str, Any]] = notebook["cells"]
    return cells
