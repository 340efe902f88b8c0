// What the page says of itself: the equation, names and help of the controls, the legend, the sheets.
const at = (id) => document.getElementById(id)
const made = (tag, text = "", more = {}) => Object.assign(document.createElement(tag), { textContent: text }, more)
const about = () => JSON.parse(wire.about || "{}")

function explain() {
  const { equation = "", controls = [], marks = [] } = about()
  at("equation").innerHTML = equation
  fit()
  const defined = (list) => list.flatMap(({ label, help }) => [made("dt", label), made("dd", help)])
  at("controls-help").replaceChildren(...defined(controls))
  at("marks-help").replaceChildren(...defined(marks))
  at("legend").replaceChildren(...marks.map(({ role, label, help }) => {
    const mark = made("span", label, { title: help, tabIndex: 0, onclick: () => say(`${label}: ${help}`) })
    mark.setAttribute("role", "note")
    mark.style.setProperty("--mark", `var(--${role})`)
    return mark
  }))
  setTimeout(named, 50)
}
function fit() { // a long equation in smaller letters, so that nothing of it is cut
  const box = at("equation")
  for (let size = 1.1; size > 0.5; size -= 0.1) {
    box.style.fontSize = `${size}em`
    const edge = box.getBoundingClientRect().right + 1
    if ([...box.querySelectorAll("math")].every((part) => part.getBoundingClientRect().right <= edge)) return
  }
}
const PEN = document.createElement("canvas").getContext("2d")
function whole(select) { // a long choice in smaller letters; beside it is the arrow
  select.style.fontSize = ""
  const style = getComputedStyle(select), room = select.clientWidth - 34, usual = parseFloat(style.fontSize)
  const wide = (size) => { // asked of each size: letters may take whole pixels
    PEN.font = `${size}px ${style.fontFamily}`
    return PEN.measureText(select.selectedOptions[0]?.text ?? "").width
  }
  let size = usual
  while (room > 0 && wide(size) > room && size > 8) size -= 0.5
  if (size < usual) select.style.fontSize = `${size}px`
}
window.addEventListener("resize", () => { fit(); named() })
function named() { // the handles of Bokeh's sliders have no name of their own
  const walk = (view) => {
    for (const select of view.shadow_el.querySelectorAll("select")) whole(select)
    const { model, shadow_el } = view, label = model.html_attributes?.["aria-label"]
    if (label) for (const part of shadow_el.querySelectorAll(".noUi-handle, input, select"))
      part.setAttribute("aria-label", label)
    for (const [k, part] of [...shadow_el.querySelectorAll(".bk-spin-btn")].entries())
      part.setAttribute("aria-label", `${label}, ${["one more", "one less"][k]}`)
    for (const inner of view.child_views ?? []) walk(inner)
  }
  for (const view of Bokeh.index.roots) walk(view)
}
function sheet(id) { // opens or closes one; the keyboard goes with it
  for (const other of document.querySelectorAll(".sheet")) other.hidden = other.id !== id || !other.hidden
  const open = at(id)
  if (!open.hidden) open.querySelector("button").focus()
}
function closed() {
  for (const open of document.querySelectorAll(".sheet")) open.hidden = true
}
for (const open of document.querySelectorAll(".sheet"))
  open.addEventListener("click", (event) => { if (event.target === open || event.target.className === "close") closed() })

function lessonLink() { // the address now, with what the boxes hide
  const here = new URL(location.href), boxes = [...at("hideable").querySelectorAll("input:checked")]
  here.searchParams.delete("lesson")
  here.searchParams.delete("hide")
  if (boxes.length) here.searchParams.set("hide", boxes.map((box) => box.value).join(","))
  const link = here.href.replaceAll("%2C", ",")
  Object.assign(at("made"), { href: link, textContent: link })
}
function make() {
  const hidden = (new URL(location.href).searchParams.get("hide") ?? "").split(",")
  const parts = [["controls", "all settings"], ["transport", "the buttons of time"], ["header", "the links above"], ["tools", "the row of buttons"]]
  const all = [...parts, ...about().controls.map(({ name, label }) => [name, label])]
  at("hideable").replaceChildren(...all.map(([name, label]) => {
    const line = made("label", ` hide ${label}`)
    line.title = `Hides ${label} in the lesson`
    line.prepend(made("input", "", { type: "checkbox", value: name, checked: hidden.includes(name), onchange: lessonLink }))
    return line
  }))
  lessonLink()
  sheet("make")
}
at("copy-made").onclick = () => { closed(); copy(at("made").href, "lesson link") }
at("more").onclick = () => at("more").setAttribute("aria-expanded", page.classList.toggle("more"))
function notes() {
  const name = new URL(location.href).searchParams.get("lesson")
  if (!name) return say("speaker notes belong to a lesson: press M, and choose one", true)
  window.open(`/notes?lesson=${encodeURIComponent(name)}`, "notes", "width=640,height=720")
}
function answer() {
  if (!at("tell")) return
  const told = at("answer").hidden
  at("answer").hidden = !told
  at("lesson").hidden = told
  at("tell").textContent = told ? "Watch" : "Answer"
}
if (at("tell")) at("tell").onclick = answer
