"""The laboratory fits its window whatever font the browser has: two that are wide, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_browser import Lab, chromium, server

from toyflows.lab._room import rooms

pytestmark = pytest.mark.browser

CROWDED = """() => {
  const wrong = [], leaves = [], W = innerWidth, H = innerHeight
  for (const at of ["html", "body", "#page", "header", "main", "aside", "#stage", "footer"]) {
    const e = document.querySelector(at)
    if (e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight)
      wrong.push(`${at}: ${e.scrollWidth}×${e.scrollHeight} in ${e.clientWidth}×${e.clientHeight}`)
  }
  const name = ({ model: m }) => m.name || m.label || m.title?.text || m.title || m.type
  const label = (figure, box, { model, _rect: r }) => {
    if (model.type != "Label" || !model.visible || !model.text || !r) return
    const x = r.sx - r.anchor.x * r.width, y = r.sy - r.anchor.y * r.height
    if (x < -1 || y < -1 || x + r.width > box.width + 1 || y + r.height > box.height + 1)
      wrong.push(`"${model.text}" leaves its figure: ${x} ${y} ${r.width} ${r.height}`)
  }
  const walk = (view) => {
    const inner = view.child_views || [], box = view.el.getBoundingClientRect()
    if (!box.width || !box.height || view.model.type == "Notifications") return
    if (view.model.type == "Figure")
      for (const r of view.renderer_views.values()) label(view, box, r)
    if (inner.length) inner.forEach(walk)
    else leaves.push([view, box])
  }
  for (const view of Bokeh.index.roots) walk(view)
  leaves.forEach(([v, a], i) => {
    if (a.left < -1 || a.top < -1 || a.right > W + 1 || a.bottom > H + 1)
      wrong.push(`${name(v)} leaves the window`)
    for (const [u, b] of leaves.slice(i + 1)) {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left)
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
      if (wide > 2 && high > 2) wrong.push(`${name(v)} lies on ${name(u)}`)
    }
  })
  return leaves.length > 5 ? wrong : ["nothing was found"]
}"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with server("--threads", "1") as found:
        yield found


@pytest.fixture(scope="module", params=["DejaVu Sans", "DejaVu Sans Mono"])
def lab(request: pytest.FixtureRequest, address: str) -> Iterator[Lab]:
    """Before a browser that has this font only."""
    with chromium(request.param) as browser:
        yield Lab(browser, address)


@pytest.mark.parametrize("how", ["", "dark=1&large=1&theta_star=-6&theta0=-6", "large=1&versus=cd"])
def test_nothing_overlaps_or_is_clipped(lab: Lab, how: str) -> None:
    with lab.open(f"/two-modes?walkers=1000&seed=3&step=300&{how}") as room:
        assert room.page.evaluate(CROWDED) == []


@pytest.mark.parametrize("name", [name for name in rooms() if name != "two-modes"])
def test_every_room_fits(lab: Lab, name: str, request: pytest.FixtureRequest) -> None:
    """In plain type with the one font, in a projector's with the other."""
    look = "" if request.node.callspec.params["lab"] == "DejaVu Sans" else "large=1&dark=1"
    with lab.open(f"/{name}?{look}") as room:
        assert room.page.evaluate(CROWDED) == []
