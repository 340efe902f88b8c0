"""`python -m toyflows` is the command `toyflows`."""

from __future__ import annotations

from toyflows.cli.main import script

if __name__ == "__main__":
    script()
