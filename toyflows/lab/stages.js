// One update of the method, slowly; and a guess before a run. Numbers are the server's (wire.numbers).
const LIT = ["term-data", "term-model", "", ""]
const SECONDS = 1.6 // a stage
let stage = -1, clockwork = 0

function terms() {
  const seen = JSON.parse(wire.numbers || "{}"), of = (name) => seen[`one.${name}`]
  return of("term_model") === undefined ? null : {
    data: of("term_data"), model: of("term_model"), speed: of("term_speed"), rest: of("term_rest"),
    of: of("term_of"), name: of("term_what"), step: of("term_step"), θ: of("θ"), what: [of("term_says_data"), of("term_says_model")],
  }
}
const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(5)
function bar(x, size) { // from the middle, so that a sign is seen
  const box = made("div", "", { className: "bar" }), full = 50 * Math.min(Math.abs(x) / size, 1)
  const part = made("i")
  part.style.left = `${x < 0 ? 50 - full : 50}%`
  part.style.width = `${full}%`
  box.append(part)
  return box
}
function drawStages() {
  const t = terms(), box = at("stages")
  if (!t) return
  const size = Math.max(Math.abs(t.data), Math.abs(t.model), Math.abs(t.speed), 1e-300)
  const rest = t.rest ? ` (${signed(t.rest)} of it: see the equation)` : ""
  const parts = [
    ["data", "1  data term", t.data, t.what[0]],
    ["walkers", "2  model term", t.model, t.what[1]],
    ["exact", `3  ${t.of}`, t.speed, `What the update adds for each unit of time${rest}.`],
    ["ink", "4  the update", t.step, `One step adds rate · dt · ${t.name}. Then the walkers move.`],
  ]
  box.replaceChildren(...parts.map(([colour, name, value, what], k) => {
    const part = made("div", "", { className: `stage ${colour}${k === stage ? " lit" : ""}` })
    part.append(made("span", `${name}: `), made("b", signed(value)), bar(value, size))
    part.title = what
    return part
  }), made("small", parts[stage]?.[3] ?? ""))
  for (const term of document.querySelectorAll("#equation [class*=term-]"))
    term.classList.toggle("lit", Boolean(LIT[stage]) && term.classList.contains(LIT[stage]))
}
function light(k) {
  stage = k
  at("stages").hidden = k < 0
  send(`light:${k}`)
  drawStages()
  window.dispatchEvent(new Event("resize"))
}
function slowly(alone) { // by the button it goes on by itself, by the key a stage is a key
  if (!terms()) return say("this method has no two terms to step through", true)
  clearTimeout(clockwork)
  if (stage === 3) {
    send("step")
    return light(-1)
  }
  light(stage + 1)
  if (alone) clockwork = setTimeout(slowly, 1000 * SECONDS, true)
}
function unlit() {
  clearTimeout(clockwork)
  if (stage >= 0) light(-1)
}

let guessed = null // θ that the class expects
function guess() { // the run goes back to its start: the answer is not in the picture
  const box = at("guess")
  box.hidden = !box.hidden
  guessed = null
  window.dispatchEvent(new Event("resize"))
  if (box.hidden) return send("guess:")
  const slider = made("input", "", { type: "range", min: -10, max: 10, step: 0.1, value: 0, title: "Where θ ends: drag this, or the dotted line in the picture." })
  const shown = made("output", "0.0"), label = made("label", "Where will θ be when the run is complete? ")
  slider.setAttribute("aria-label", "guess of θ")
  slider.oninput = () => { shown.textContent = (+slider.value).toFixed(1).replace("-", "−"); send(`guess:${slider.value}`) }
  label.append(slider, shown)
  const go = made("button", "Run it", { type: "button", title: "Plays the run from its start" })
  go.onclick = () => { guessed = +slider.value; send("guessed") }
  box.replaceChildren(label, go, made("b", ""))
  send("reset")
  send("guess:0")
}
function drag(θ) { // a hand in the picture of θ(t)
  const slider = at("guess").querySelector("input")
  if (at("guess").hidden || !slider || guessed !== null) return
  slider.value = θ
  slider.oninput()
}
function again() { // pictures in another look: what lights them, and the guess
  if (stage >= 0) send(`light:${stage}`)
  if (!at("guess").hidden) at("guess").querySelector("input").oninput()
}
function judged() { // the run is complete: how far off was the guess?
  const seen = JSON.parse(wire.numbers || "{}")
  if (guessed === null || !seen["one.verdict"]) return
  const off = Math.abs(seen["one.θ"] - guessed), said = guessed.toFixed(1), is = seen["one.θ"].toFixed(2)
  at("guess").lastChild.textContent = `You said ${said}. θ is ${is}: your guess is off by ${off.toFixed(2)}.`.replaceAll("-", "−")
}
