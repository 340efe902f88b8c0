"""Data sets that ship with toyflows; their sources are in README.md beside them."""
