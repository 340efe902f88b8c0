// Playing, keys, buttons and looks. `state`, `go`, `tick`, `write`, `lastFrame` and `repaint` are the page's.

const SECONDS = 8;  // a run takes to play, at speed 1
const STILLS = 10;  // of a run where the visitor wants little motion, one a second
const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
let began = null;

function play(on) {
  state.playing = on;
  el("play").textContent = on ? "Pause" : "Play";
  el("play").setAttribute("aria-pressed", on);
  if (on && state.frame >= lastFrame()) state.frame = 0;
  began = null;
  if (on) requestAnimationFrame(tick);
  else write();
}

function step(by) {
  play(false);
  go(by === Infinity ? lastFrame() : by === -Infinity ? 0 : state.frame + by);
}

function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || el("play").disabled) return;
  const { tagName: on, id, type } = event.target;
  const own = ["SELECT", "TEXTAREA"].includes(on) || (on === "INPUT" && id !== "scrubber");
  const pressed = ["BUTTON", "SELECT", "SUMMARY", "TEXTAREA"].includes(on) || type === "checkbox";
  if (event.key === " " && !pressed) play(!state.playing);
  else if (own) return;
  else if (event.key in STEPS) step(STEPS[event.key]);
  else if (event.key === "Home") step(-Infinity);
  else if (event.key === "End") step(Infinity);
  else return;
  event.preventDefault();
}

function paint() {
  const theme = state.theme || (dark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = theme;
  el("theme").textContent = theme === "dark" ? "Light" : "Dark";
  repaint();
}

function wire() {
  document.addEventListener("keydown", key);
  el("play").addEventListener("click", () => play(!state.playing));
  el("back").addEventListener("click", () => step(-1));
  el("next").addEventListener("click", () => step(1));
  el("scrubber").addEventListener("input", event => { play(false); go(Number(event.target.value)); });
  el("speed").addEventListener("change", event => { state.speed = Number(event.target.value); began = null; });
  el("theme").addEventListener("click", () => {
    state.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    paint();
    if (!state.playing) write();
  });
  dark.addEventListener("change", paint);
}
