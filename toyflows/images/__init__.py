"""Images to learn from, and energy models on them.

    from toyflows import images
    letters, trained = images.glyphs.load(28), images.load("ebm28")
    print(letters, trained)

`glyphs` makes letters from fonts, `folder` reads your own pictures, `shifted` makes what is unlike
both. `load` reads trained weights by the name of a model that ships, `langevin` moves images by a
`Chain`, `detect` measures how well energies tell what was learned from what was not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toyflows.lazy import lazy

__all__ = [
    "Chain", "Glyphs", "Images", "detect", "energy", "folder", "glyphs", "langevin", "load",
    "shifted",
]  # fmt: skip

if TYPE_CHECKING:
    from toyflows.images import energy, folder, glyphs, shifted
    from toyflows.images.base import Images
    from toyflows.images.detection import detect
    from toyflows.images.glyphs import Glyphs
    from toyflows.images.sgld import Chain, langevin
    from toyflows.images.shipped import load

__getattr__, __dir__ = lazy(__name__, {
    "": "energy folder glyphs shifted", "base": "Images", "detection": "detect",
    "glyphs": "Glyphs", "sgld": "Chain langevin", "shipped": "load",
})  # fmt: skip
