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

// What the class expects: θ, if the line was moved or no word is chosen, and a word of the verdict.
let guessed = null, moved = false // `guessed` as it was said when the run began
const asks = (what) => at("guess").querySelector(what)
const expected = () => ({ θ: moved || !asks("select").value ? +asks("input").value : null, word: asks("select").value })
const shown = (v, digits) => v.toFixed(digits).replace("-", "−")
function expect() { // tells the server; the line in the picture is where the slider is
  const { θ, word } = expected()
  asks("output").textContent = θ === null ? "–" : shown(θ, 1)
  whole(asks("select"))
  send(`guess:${θ ?? ""},${word}`)
}
function guess() { // the run goes back to its start: the answer is not in the picture
  const box = at("guess")
  if (!box) return say("this room has no run to predict", true)
  box.hidden = !box.hidden
  guessed = null
  window.dispatchEvent(new Event("resize"))
  if (box.hidden) return send("guess:")
  begin(0, "", false)
  send("reset")
  expect()
}
function begin(θ, word, hand) {
  moved = hand
  asks("input").value = θ
  asks("select").value = word
  asks("b").textContent = ""
  asks("input").oninput = () => { moved = true; expect() }
  asks("select").onchange = expect
  asks("button").onclick = () => { guessed = expected(); asks("b").textContent = ""; send("guessed") }
}
function reopen() { // a link with a guess: of a run that has begun, it has been said
  const { guess: θ = "", word = "", begun } = at("guess")?.dataset ?? {}
  if (θ + word === "") return
  at("guess").hidden = false
  begin(θ || 0, word, θ !== "")
  if (begun === "1") guessed = expected()
  expect()
  judged()
}
function drag(θ) { // a hand in the picture of θ(t)
  if (!at("guess") || at("guess").hidden || guessed !== null) return
  asks("input").value = θ
  asks("input").oninput()
}
function again() { // pictures in another look: what lights them, and the guess
  if (stage >= 0) send(`light:${stage}`)
  if (at("guess") && !at("guess").hidden) expect()
}
function judged() { // the run is complete: how far off was the guess, and was the word right?
  const seen = JSON.parse(wire.numbers || "{}"), kind = seen["one.verdict"], θ = seen["one.θ"]
  if (guessed === null || !kind) return
  const off = Math.abs(θ - guessed.θ), said = (word) => [...asks("select").options].find((o) => o.value === word).text
  const line = guessed.θ === null ? "" : `You said ${shown(guessed.θ, 1)}. `
    + (Number.isFinite(θ) ? `θ is ${shown(θ, 2)}: your guess is off by ${shown(off, 2)}. ` : "θ has left the finite numbers. ")
  const right = `You said that it ${said(guessed.word)}, and so it is: the verdict is “${kind}”.`
  const wrong = `You said that it ${said(guessed.word)}, but it ${said(kind)}: the verdict is “${kind}”.`
  asks("b").textContent = line + (guessed.word === "" ? "" : guessed.word === kind ? right : wrong)
}
