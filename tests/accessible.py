"""What axe (extra "test" ships it) finds on a page: names, roles, contrast, language, headings."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

RUN = """async rules => {
  const how = rules.length ? { runOnly: rules } : {};  // preloading would fetch the style sheets
  const found = await axe.run(document, { ...how, preload: false, resultTypes: ["violations"] });
  return found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 150)}`)); }"""


@cache
def axe() -> str:
    """Its script."""
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


def faults(page: Any, *rules: str) -> list[str]:
    """One line each; of these rules, or of all."""
    page.evaluate(axe())
    found: list[str] = page.evaluate(RUN, list(rules))
    return found
