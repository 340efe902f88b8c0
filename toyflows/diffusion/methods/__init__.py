"""One file per sampler. `registry()` finds them; `make(name, **options)` makes one."""

from toyflows.diffusion.methods.base import Method, Model, make, registry

__all__ = ["Method", "Model", "make", "registry"]
