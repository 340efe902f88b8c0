"""How a figure is written: as in the gallery, or fitted to a slide or to a paper.

    width   of the finished picture in cm: everything shrinks alike, so nothing can collide
    theme   light; dark, for slides on black; paper, serif letters in black and no grid
    panel   one panel alone, 1 at the top left; the figure's title speaks of all, and is left out

All of it happens after the figure has drawn itself, so no figure knows of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyflows.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THEMES = ("light", "dark", "paper")
WIDTHS = (2.0, 100.0)  # cm
INCH, DOTS, MARGIN = 2.54, 300, 0.08  # cm; dots an inch of maps and of fitted pictures; inches
NIGHT, CHALK = 0.09, 0.93  # greys of the dark theme: where white and where black go
SERIF: dict[Any, Any] = {
    "font.family": ["STIXGeneral", "DejaVu Sans"], "mathtext.fontset": "stix", "axes.grid": False,
    "axes.edgecolor": "k", "axes.labelcolor": "k", "xtick.color": "k", "ytick.color": "k",
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What may be asked. Raises InputError for what cannot be."""

    title: bool = True
    width: float | None = None
    theme: str = "light"
    panel: int | None = None

    def __post_init__(self) -> None:
        low, high = WIDTHS
        if self.width is not None and not low <= self.width <= high:
            raise InputError("width", self.width, f"must be {low:g} to {high:g} (cm)")
        if self.theme not in THEMES:
            raise InputError("theme", self.theme, f"must be {', '.join(THEMES)}")
        if self.panel is not None and self.panel < 1:
            raise InputError("panel", self.panel, "must be 1 or more")

    @property
    def asked(self) -> dict[str, Any]:
        """What is not as in the gallery, for the manifest."""
        return {name: value for name, value in asdict(self).items() if value != asdict(PLAIN)[name]}

    @property
    def has_title(self) -> bool:
        """Whether the sentence stands above."""
        return self.title and self.panel is None


PLAIN = Look()  # of the gallery


class NoPanel(InputError):
    """A panel that the figure has not."""


def options(asked: dict[str, Any]) -> str:
    """`Look.asked` as options of the command."""
    words = {"title": " --no-title"}
    return "".join(words.get(name, f" --{name} {value}") for name, value in asked.items())


@contextlib.contextmanager
def style(look: Look) -> Iterator[None]:
    """The style sheet, with the theme's letters."""
    import matplotlib as mpl

    from toyflows.figures import _style

    with _style.style(), mpl.rc_context(SERIF if look.theme == "paper" else {}):
        yield


def fit(figure: Figure, look: Look) -> None:
    """Gives a drawn figure its theme, and leaves the panel alone that is asked for."""
    if look.panel is not None:
        _alone(figure, look.panel)
    if look.theme == "dark":
        _darken(figure)


def save(figure: Figure, path: Path, look: Look, told: dict[str, str]) -> None:
    """Writes the figure, fitted; a PDF says what is told of it."""
    from toyflows.figures._signature import METADATA

    with style(look):
        how: dict[str, Any] = {"metadata": METADATA[path.suffix]}
        if look.panel is not None:
            how["bbox_inches"] = figure.get_tightbbox().padded(MARGIN)
        across = how["bbox_inches"].width if "bbox_inches" in how else figure.get_figwidth()
        factor = 1.0 if look.width is None else look.width / INCH / across
        _WRITE[path.suffix](figure, path, factor, told, how)


# ------------------------------------------------------------------ the formats
def _png(figure: Figure, path: Path, factor: float, told: dict[str, str], how: Any) -> None:
    if factor != 1:
        how |= {"dpi": DOTS * factor, "pil_kwargs": {"dpi": (DOTS, DOTS)}}
    figure.savefig(path, **how)


def _svg(figure: Figure, path: Path, factor: float, told: dict[str, str], how: Any) -> None:
    """The view box keeps its numbers; only the width and the height of the picture change."""
    import re

    figure.savefig(path, dpi=DOTS, **how)
    text = path.read_text("utf-8")
    head, start, rest = text.partition("<svg ")
    tag, end, body = rest.partition(">")

    def scaled(found: re.Match[str]) -> str:
        return f'{found[1]}="{factor * float(found[2]):.6g}pt"'

    if factor != 1:
        tag = re.sub(r'\b(width|height)="([\d.]+)pt"', scaled, tag)
        path.write_text(head + start + tag + end + body, "utf-8")


def _pdf(figure: Figure, path: Path, factor: float, told: dict[str, str], how: Any) -> None:
    """One page, whose coordinates are multiplied by the factor."""
    from matplotlib.backends.backend_pdf import Op, PdfFile, PdfPages

    class Scaled(PdfFile):
        def newPage(self, width: float, height: float) -> None:
            super().newPage(factor * width, factor * height)
            self.output(factor, 0, 0, factor, 0, 0, Op.concat_matrix)

    class Pages(PdfPages):
        def _ensure_file(self) -> PdfFile:
            if self._file is None:
                self._file = Scaled(self._filename, metadata=self._metadata)
            return self._file

    with Pages(path, metadata=how.pop("metadata") | told) as pages:
        figure.savefig(pages, format="pdf", dpi=DOTS, **how)


_WRITE = {".png": _png, ".svg": _svg, ".pdf": _pdf}


# ------------------------------------------------------------------ one panel
def _alone(figure: Figure, wanted: int) -> None:
    """Only this panel is left to be seen, where it was. Raises NoPanel."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    found = panels(figure)
    if wanted > len(found):
        raise NoPanel(
            "panel", wanted, f"must be 1 … {len(found)}" if len(found) > 1 else "there is one"
        )
    chosen = found[wanted - 1]
    for axes in figure.axes:
        if axes not in chosen:
            axes.set_visible(False)
    for artist in (*figure.texts, *figure.legends, *figure.lines, *figure.patches):
        artist.set_visible(False)
    _own_ticks(chosen[0])


def panels(figure: Figure) -> list[list[Axes]]:
    """The axes of each panel, its own before what belongs to it (twins, insets, colour bars), row
    by row. Call after a layout."""
    found: list[list[Axes]] = []
    bars: list[Any] = [axes for axes in figure.axes if hasattr(axes, "_colorbar_info")]
    for axes in figure.axes:
        if axes not in bars:
            home = next((panel for panel in found if _within(axes, panel[0])), None)
            found.append([axes]) if home is None else home.append(axes)
    for panel in found:
        panel += [bar for bar in bars if bar._colorbar.cmap.name in _maps(panel[0])]
    return sorted(found, key=lambda panel: _place(panel[0]))


def _within(axes: Axes, other: Axes) -> bool:
    """Whether one of them lies on the other."""
    mine, theirs = axes.get_position(), other.get_position()
    shared = type(mine).intersection(mine, theirs)
    small = min(mine.width * mine.height, theirs.width * theirs.height)
    return shared is not None and shared.width * shared.height > 0.5 * small


def _maps(axes: Axes) -> set[str]:
    """The names of the colour maps of what is drawn by value."""
    drawn = (*axes.images, *axes.collections)
    return {artist.get_cmap().name for artist in drawn if artist.get_array() is not None}


def _place(axes: Axes) -> tuple[float, float]:
    """Row by row: axes whose tops are within a tenth of the figure are in one row."""
    box = axes.get_position()
    return -round(box.y1, 1), box.x0


def _own_ticks(axes: Axes) -> None:
    """Numbers and names that stood at a neighbour's axis."""
    sides: list[tuple[Any, str]] = [("x", "labelbottom"), ("y", "labelleft")]
    for name, side in sides:
        group = getattr(axes, f"get_shared_{name}_axes")().get_siblings(axes)
        label = getattr(axes, f"{name}axis").label
        words = [text for other in group if (text := getattr(other, f"get_{name}label")())]
        label.set_visible(True)
        if len(group) > 1:
            axes.tick_params(axis=name, **{side: True})
            label.set_text(label.get_text() or "".join(words[:1]))


# ------------------------------------------------------------------ the dark theme
def night(colour: Any) -> tuple[float, float, float, float]:
    """A colour on black: greys change ends, so that white is the ground and black the ink; other
    colours, chosen for white, are mixed with white as far as they are dark."""
    from matplotlib.colors import to_rgba

    *rgb, alpha = to_rgba(colour)
    r, g, b = rgb
    if max(rgb) - min(rgb) < 0.04:
        r = g = b = NIGHT + (CHALK - NIGHT) * (1 - r)
    else:
        light = 0.2126 * r + 0.7152 * g + 0.0722 * b
        mix = max(0.0, 0.55 - light)
        r, g, b = (channel + mix * (1 - channel) for channel in rgb)
    return r, g, b, alpha


def _darken(figure: Figure) -> None:
    """Turns the colours of all that is drawn; pictures and maps keep theirs."""
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    figure.draw_without_rendering()  # makes the ticks
    figure.set_layout_engine("none")
    on_maps = [text for axes in figure.axes if _maps(axes) - {"gray"} for text in axes.texts]
    for artist in dict.fromkeys(figure.findobj()):
        if artist in on_maps or artist.get_path_effects():
            continue
        if isinstance(artist, Text):
            _turn(artist, "color")
            box = artist.get_bbox_patch()
            if box is not None:
                _turn(box, "facecolor", "edgecolor")
        elif isinstance(artist, Line2D):
            _turn(artist, "color", "markerfacecolor", "markeredgecolor")
        elif isinstance(artist, Patch):
            _turn(artist, "facecolor", "edgecolor")
        elif isinstance(artist, Collection) and artist.get_array() is None:
            for part in ("facecolor", "edgecolor"):
                colours = getattr(artist, f"get_{part}")()
                getattr(artist, f"set_{part}")([night(c) for c in colours])


def _turn(artist: Any, *parts: str) -> None:
    """Reads all, then writes all: where one follows another it is turned once."""
    was = {part: getattr(artist, f"get_{part}")() for part in parts}
    for part, colour in was.items():
        if not isinstance(colour, str) or colour not in ("none", "auto"):
            getattr(artist, f"set_{part}")(night(colour))
