"""mypy on the package as it is installed: with cli/ and figures/ inside toyflows/ (`make lint`).

A tree of links, .types/toyflows, puts them where pyproject.toml's package-dir puts them, so that
nothing of ours is unknown to mypy. Arguments are mypy's.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TREE = ROOT / ".types" / "toyflows"


def link() -> None:
    """The tree, made afresh."""
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    inside = [path for path in (ROOT / "toyflows").iterdir() if path.name != "__pycache__"]
    for path in [*inside, ROOT / "cli", ROOT / "figures"]:
        (TREE / path.name).symlink_to(path, path.is_dir())


if __name__ == "__main__":
    link()
    sys.exit(subprocess.call([sys.executable, "-m", "mypy", *sys.argv[1:]], cwd=ROOT))
