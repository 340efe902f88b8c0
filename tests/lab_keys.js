// What tests/test_lab_walk.py asks after each press of Tab: [is the keyboard at a new place, what is
// wrong with that place, what has not been reached]. It looks inside of Bokeh's parts, too.
(start) => {
  if (start) window.tabbed = new Set()
  let e = document.activeElement
  while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement
  const name = (e) => e.getAttribute("aria-label") || e.textContent.slice(0, 20)
  const fresh = e !== document.body && !tabbed.has(e), wrong = []
  if (fresh) {
    tabbed.add(e)
    const { left, top, right, bottom } = e.getBoundingClientRect(), how = getComputedStyle(e)
    if (right < 0 || bottom < 0 || left > innerWidth || top > innerHeight) wrong.push(`${name(e)} is out of sight`)
    if (how.outlineStyle === "none" && how.boxShadow === "none") wrong.push(`${name(e)} shows no focus`)
  }
  const missed = [], gather = (root) => {
    for (const e of root.querySelectorAll("*")) {
      const asked = e.matches("button, a[href], input, select, textarea, .noUi-handle, [role=note]")
      if (asked && e.getClientRects().length && !tabbed.has(e)) missed.push(`Tab does not come to ${name(e)}`)
      if (e.shadowRoot) gather(e.shadowRoot)
    }
  }
  if (!fresh) gather(document.querySelector("#page"))
  return [fresh, wrong, missed]
}
