// What tests/test_lab_walk.py measures on a page: [what is crowded, what is unnamed or pale].
async () => {
  // Drawn: each layout has the parts that it should have, and nothing moves for three frames.
  const settled = async () => {
    const there = (v) => (v.child_views ?? []).every(there)
      && (v.model.children ?? []).every((m) => !m.type || v.child_views.some((c) => c.model === m))
    const places = (v) => [Object.values(v.el.getBoundingClientRect().toJSON()),
      [...(v.renderer_views?.values() ?? [])].map((r) => r._rect ?? 0), (v.child_views ?? []).map(places)]
    let before = ""
    for (let same = 0; same < 3;) {
      await new Promise(requestAnimationFrame)
      const now = JSON.stringify(Bokeh.index.roots.map(places))
      const ready = Bokeh.index.roots.every((v) => v.has_finished() && there(v))
      same = ready && now === before ? same + 1 : 0
      before = now
    }
  }
  const pen = document.createElement("canvas").getContext("2d")
  const crowded = () => {
    const wrong = [], leaves = [], W = innerWidth, H = innerHeight, narrow = W <= 900
    const scrolls = narrow ? ["aside", "#stage", "main", "body", "html", "#page"] : ["aside"]
    for (const at of ["html", "body", "#page", "header", "main", "aside", "#stage", "footer"]) {
      const e = document.querySelector(at)
      if (getComputedStyle(e).display === "contents") continue
      const high = scrolls.includes(at) ? 0 : e.scrollHeight - e.clientHeight
      if (e.scrollWidth > e.clientWidth || high > 0)
        wrong.push(`${at}: ${e.scrollWidth}×${e.scrollHeight} in ${e.clientWidth}×${e.clientHeight}`)
    }
    if (document.documentElement.scrollWidth > W) wrong.push("the page scrolls sideways")
    for (const part of document.querySelectorAll("#equation math")) {
      const box = part.closest("#equation").getBoundingClientRect(), a = part.getBoundingClientRect()
      if (a.right > Math.min(box.right, W) + 2) wrong.push(`equation is cut: ${part.textContent}`)
    }
    const name = ({ model: m }) => m.name || m.label || m.title?.text || m.title || m.type
    const words = (figure, box) => {
      const seen = [], { title } = figure.model
      if (title?.text) {
        pen.font = `${title.text_font_style} ${title.text_font_size} ${title.text_font}`
        const wide = pen.measureText(title.text).width + figure.frame.bbox.left
        if (wide > box.width + 1) wrong.push(`the title "${title.text}" is ${wide} wide in ${box.width}`)
      }
      for (const { model, _rect: r } of figure.renderer_views.values()) {
        if (model.type != "Label" || !model.visible || !model.text || !r) continue
        const x = r.sx - r.anchor.x * r.width, y = r.sy - r.anchor.y * r.height
        if (x < -1 || y < -1 || x + r.width > box.width + 1 || y + r.height > box.height + 1)
          wrong.push(`"${model.text}" leaves its figure: ${x} ${y} ${r.width} ${r.height}`)
        for (const o of seen) {
          const wide = Math.min(x + r.width, o.x + o.w) - Math.max(x, o.x)
          const high = Math.min(y + r.height, o.y + o.h) - Math.max(y, o.y)
          if (wide > 3 && high > 0.45 * r.height) wrong.push(`"${model.text}" lies on "${o.text}"`)
        }
        seen.push({ x, y, w: r.width, h: r.height, text: model.text })
      }
    }
    const aside = document.querySelector("#settings")
    const walk = (view) => {
      const inner = view.child_views || [], box = view.el.getBoundingClientRect()
      if (!box.width || !box.height || view.model.type == "Notifications") return
      if (view.model.type == "Figure") words(view, box)
      if (inner.length) inner.forEach(walk)
      else leaves.push([view, box])
    }
    for (const view of Bokeh.index.roots) walk(view)
    const part = (v) => { let e = v.el; while (e.getRootNode().host) e = e.getRootNode().host
      return e.closest("header, aside, #stage, footer, #settings") }
    leaves.forEach(([v, a], i) => {
      const free = narrow || aside.contains(part(v)) || part(v) === aside
      if (a.left < -1 || a.right > W + 1 || (!free && (a.top < -1 || a.bottom > H + 1)))
        wrong.push(`${name(v)} leaves the window`)
      for (const [u, b] of leaves.slice(i + 1)) {
        if (part(u) !== part(v)) continue // a foot that stays in sight lies on what scrolls
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left)
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
        if (wide > 2 && high > 2) wrong.push(`${name(v)} lies on ${name(u)}`)
      }
    })
    return leaves.length > 5 ? wrong : ["nothing was found"]
  }
  const spoken = () => {
    const wrong = [], all = []
    const gather = (root) => { for (const e of root.querySelectorAll("*")) { all.push(e); if (e.shadowRoot) gather(e.shadowRoot) } }
    gather(document.querySelector("#page"))
    const up = (e) => e.parentElement ?? e.getRootNode().host
    const shown = (e) => e.getClientRects().length > 0
    const asked = "button, a[href], input, select, textarea, .noUi-handle, [role=note]"
    for (const e of all) {
      if (!e.matches(asked) || !shown(e)) continue
      const label = e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label")?.textContent.trim()
      let tip = false
      for (let at = e; at; at = up(at)) tip ||= Boolean(at.title)
      const what = `${e.tagName} ${e.className} ${e.textContent.slice(0, 20)}`
      if (e.tabIndex < 0) wrong.push(`no key comes to it: ${what}`)
      if (e.matches("select")) {
        pen.font = `${getComputedStyle(e).fontSize} ${getComputedStyle(e).fontFamily}`
        const words = e.selectedOptions[0]?.text ?? ""
        if (pen.measureText(words).width > e.clientWidth - 30) wrong.push(`cut: ${words}`)
      }
      if (!label) wrong.push(`no name: ${what}`)
      if (!tip) wrong.push(`no tooltip: ${what}`)
    }
    const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number)
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
      .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0)
    const behind = (e) => { for (let at = e; at; at = up(at)) { const c = rgb(getComputedStyle(at).backgroundColor); if (c.length === 3 || c[3] > 0.5) return c } return [255, 255, 255] }
    for (const e of all) {
      const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())
      if (!own || !shown(e) || ["STYLE", "SCRIPT", "OPTION"].includes(e.tagName)) continue
      const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x)
      const ratio = (a + 0.05) / (b + 0.05)
      if (ratio < 4.5) wrong.push(`contrast ${ratio.toFixed(2)}: ${e.tagName} ${e.textContent.slice(0, 30)}`)
    }
    return [...new Set(wrong)]
  }
  await settled()
  return [...crowded(), ...spoken()]
}
