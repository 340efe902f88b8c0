"""The lowest versions that pyproject.toml asks for, as name==version, one a line: `make floors`."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def floors(*extras: str) -> list[str]:
    """Of the dependencies and of these extras."""
    told = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    wanted = [*told["dependencies"], *(w for e in extras for w in told["optional-dependencies"][e])]
    return [word.replace(">=", "==") for word in wanted if re.search(">=", word)]


if __name__ == "__main__":
    print("\n".join(floors(*sys.argv[1:])))
