"""The command line: one file per command family, found by main.py."""
