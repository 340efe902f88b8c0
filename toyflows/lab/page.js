// What the browser does for the page: keys, address, clipboard, files. `wire` is the page's DataModel.
// Bokeh asks the style sheet for the look of every stroke, hundreds of times a frame; ours has none.
try {
  Bokeh.require("core/visuals/visual").VisualProperties.prototype._get_css_value = () => ""
} catch { /* another Bokeh: slower, and right */ }

const page = document.getElementById("page")
const status = document.getElementById("status")
const send = (what) => { wire.asked = JSON.stringify({ what, at: performance.now() }) }

function copy(text, what) {
  const area = document.createElement("textarea")
  area.value = text
  document.body.append(area)
  area.select()
  const old = () => document.execCommand("copy") // where the page is not a secure context
  const done = navigator.clipboard ? navigator.clipboard.writeText(text).catch(old) : Promise.resolve(old())
  done.then(() => { area.remove(); say(`${what} copied`) })
}
function say(text, bad = false) {
  status.textContent = text
  status.title = text
  status.classList.toggle("bad", bad)
}
function download(name, url) {
  const a = document.createElement("a")
  a.download = name
  a.href = url
  a.click()
}
const NARROW = matchMedia("(max-width: 900px)") // as in page.css
function look() { // the server draws the pictures anew; a playing page plays on
  const on = (name) => page.classList.contains(name)
  wire.look = JSON.stringify({ dark: on("dark"), large: on("large"), narrow: NARROW.matches })
  again()
  for (const link of document.querySelectorAll("nav a, #lessons a, #path a")) {
    const to = new URL(link.href)
    for (const name of ["dark", "large"]) on(name) ? to.searchParams.set(name, "1") : to.searchParams.delete(name)
    link.href = to
  }
}
function turn(name) {
  page.classList.toggle(name)
  look()
  window.dispatchEvent(new Event("resize"))
}
function words(view, pen, box, ratio) { // headings, which are no canvas, word by word where they stand
  for (const inner of view.child_views ?? []) words(inner, pen, box, ratio)
  if (view.model.type !== "Div") return
  const walker = document.createTreeWalker(view.shadow_el, NodeFilter.SHOW_TEXT), range = document.createRange()
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const style = getComputedStyle(text.parentElement)
    if (text.parentElement.tagName === "STYLE") continue
    pen.font = `${style.fontWeight} ${parseFloat(style.fontSize) * ratio}px ${style.fontFamily}`
    pen.fillStyle = style.color
    pen.textBaseline = "middle"
    for (const word of text.data.matchAll(/\S+/g)) {
      range.setStart(text, word.index)
      range.setEnd(text, word.index + word[0].length)
      const at = range.getBoundingClientRect()
      if (at.width) pen.fillText(word[0], (at.x - box.x) * ratio, ((at.top + at.bottom) / 2 - box.y) * ratio)
    }
  }
}
function picture() {
  const stage = document.getElementById("stage"), box = stage.getBoundingClientRect()
  const ratio = window.devicePixelRatio, out = document.createElement("canvas"), pen = out.getContext("2d")
  out.width = Math.round(box.width * ratio)
  out.height = Math.round(box.height * ratio)
  pen.fillStyle = getComputedStyle(page).backgroundColor
  pen.fillRect(0, 0, out.width, out.height)
  for (const view of Bokeh.index.roots) {
    if (!stage.contains(view.el)) continue
    const part = view.el.getBoundingClientRect()
    pen.drawImage(view.export("png", true).canvas, (part.x - box.x) * ratio, (part.y - box.y) * ratio)
    words(view, pen, box, ratio)
  }
  download(`${wire.room}.png`, out.toDataURL("image/png"))
}
function pick() { // a file of the visitor's: its size and suffix are looked at here, and again by the server
  const { name, accept, most } = JSON.parse(wire.accept)
  const input = document.createElement("input")
  input.type = "file"
  input.accept = accept.join(",")
  input.onchange = () => {
    const file = input.files[0], suffix = (file.name.match(/\.[^.]*$/) || [""])[0].toLowerCase()
    if (!accept.includes(suffix)) return say(`${file.name}: must be ${accept.join(" ")}`, true)
    if (file.size > most) return say(`${file.name}: ${(file.size / 2 ** 20).toFixed(1)} MiB, must be at most ${most / 2 ** 20}`, true)
    const reader = new FileReader()
    reader.onload = () => { wire.upload = JSON.stringify({ name, file: file.name, suffix, content: reader.result.split(",")[1] || "" }) }
    reader.readAsDataURL(file)
  }
  input.click()
}
const deeds = {
  link: () => copy(location.href, "link"),
  command: () => wire.command ? copy(wire.command, "command") : say("no command line does this", true),
  python: () => copy(wire.python, "Python lines"),
  picture, pick,
  dark: () => turn("dark"), large: () => turn("large"),
  help: () => sheet("help"), lessons: () => sheet("lessons"), make, notes, answer, guess,
  slow: () => slowly(true), stage: () => slowly(false),
  controls: () => { page.classList.toggle("hide-controls"); window.dispatchEvent(new Event("resize")) },
  full: () => document.fullscreenElement ? document.exitFullscreen() : page.requestFullscreen(),
}
const keys = { " ": "play", k: "play", ArrowRight: "step", ArrowLeft: "reset", r: "reset", ArrowUp: "faster", ArrowDown: "slower",
  s: "seed", u: "stage", g: "guess", m: "lessons", n: "notes", a: "answer", l: "link", d: "dark", p: "large", c: "controls", f: "full", "?": "help" }
const act = (what) => deeds[what] ? deeds[what]() : send(what)

document.addEventListener("keydown", (event) => {
  const at = event.composedPath()[0]
  if (event.ctrlKey || event.metaKey || event.altKey) return
  if (at.matches && at.matches("input, select, textarea, .noUi-handle") && event.key !== " ") return
  if (event.key === "Escape") { closed(); unlit() }
  const what = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key]
  if (!what || (at.matches && at.matches("input:not([type=button]), textarea"))) return
  if (at.matches && at.matches("#page button, #page a") && event.key === " ") return
  event.preventDefault()
  act(what)
})
const on = (name, f) => wire.connect(wire.properties[name].change, f)
on("address", () => history.replaceState(null, "", "?" + wire.address))
on("status", () => { const { text, bad } = JSON.parse(wire.status); say(text, bad) })
on("clock", () => { document.getElementById("clock").textContent = wire.clock })
on("busy", () => page.classList.toggle("busy", wire.busy))
on("file", () => { const { name, mime, content } = JSON.parse(wire.file); download(name, `data:${mime};base64,${content}`) })
on("about", explain)
on("numbers", () => { if (stage >= 0) drawStages(); judged() })
// Said before it is drawn: the next frame is then on its way while this one is painted, and is looked at
// after it. A page that nobody looks at is not painted, and its play waits.
const seen = () => { wire.seen = wire.sent }
on("sent", () => document.hidden ? requestAnimationFrame(seen) : seen())
on("deed", () => act(wire.deed.split(" ")[0]))
window.toyflows = { wire, act, drag, state: () => JSON.parse(wire.numbers || "{}") }
if (wire.address) history.replaceState(null, "", "?" + wire.address)
document.getElementById("clock").textContent = wire.clock
if (wire.status) { const { text, bad } = JSON.parse(wire.status); say(text, bad) }
explain()
document.getElementById("coming").remove()
reopen()
if (NARROW.matches) look()
NARROW.addEventListener("change", look)
// A lost server: said in our words, and looked for until it is there again; all is in the address.
Bokeh.documents[0].on_event("connection_lost", async () => {
  if (page.classList.contains("lost")) return
  page.classList.add("lost")
  say("The laboratory does not answer. This page looks for it and comes back by itself.", true)
  for (;;) {
    await new Promise((done) => setTimeout(done, 1500))
    const there = await fetch("/favicon.ico", { cache: "no-store" }).catch(() => null)
    if (there) return location.reload()
  }
})
wire.seen = wire.sent
