"""Links of the documents, made to lead where the site has what they name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass
from html import escape

LINK = re.compile(r"(?<!!)\[((?:[^\[\]`]|`[^`]*`)+)\]\(([^()\s]+)\)")


@dataclass(frozen=True)
class Places:
    """What the site has: documents by their path in the checkout, modules by theirs, figures."""

    documents: Collection[str]
    modules: Collection[str]
    figures: Collection[str]

    def rewritten(self, text: str, path: str) -> str:
        """The document at `path` of the checkout, its links to code led to the site's pages."""

        def led(found: re.Match[str]) -> str:
            shown, target = found.groups()
            if target.startswith(("#", "http:", "https:", "mailto:")):
                return found[0]
            return self._link(shown, target, path)

        fenced = re.split(r"(^```.*?^```[^\n]*$)", text, flags=re.MULTILINE | re.DOTALL)
        return "".join(part if k % 2 else LINK.sub(led, part) for k, part in enumerate(fenced))

    def _link(self, shown: str, target: str, path: str) -> str:
        file, _, anchor = target.partition("#")
        named = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
        up = "../" * (page_of(path).count("/"))
        if named in self.documents:
            target = posixpath.relpath(
                page_of(named) + ".md", posixpath.dirname(page_of(path)) or "."
            )
            return f"[{shown}]({target}{'#' + anchor if anchor else ''})"
        if named.startswith("figures/"):
            figure = named.removeprefix("figures/").removesuffix(".py")
            return _html(
                shown, f"{up}gallery/index.html#{figure}" if figure in self.figures else ""
            )
        if named in self.modules:
            return _html(shown, f"{up}{api_page(named)}.html#toyflows.{shown.strip('`')}")
        return _html(shown, "")


def page_of(path: str) -> str:
    """The page of a document of the checkout, without its suffix."""
    stem = re.sub(r"\.(md|ipynb|py)$", "", path)
    return stem.removeprefix("docs/")


def api_page(module: str) -> str:
    """The page of a module's package, from toyflows/flows/ml.py."""
    folders = module.split("/")[:-1]
    return "api/" + ".".join(folders)


def _html(shown: str, target: str) -> str:
    """A link that Sphinx leaves as it is; only its text where there is no target."""
    inner = re.sub(r"`([^`]*)`", lambda m: f"<code>{escape(m[1])}</code>", shown)
    return f'<a href="{escape(target)}">{inner}</a>' if target else inner
