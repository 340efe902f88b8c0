"""One file per training method. `registry()` finds them; `make(name, **options)` makes one."""

from toyflows.flows.base import Flow, equation, make, registry

__all__ = ["Flow", "equation", "make", "registry"]
